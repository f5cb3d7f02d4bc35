"""One-sided memory of two ranks, each as on a host of its own: what they see, and when."""

import os
import sys

import numpy as np

from collectives import init
from collectives.memory.window import Window
from fabric.memory import places


def main() -> list[object]:
    with init() as comm:
        with Window(comm, 3 << 20, name="kv") as window:
            peer = 1 - comm.rank
            block = np.full((3 << 20) - 64, comm.rank + 1, np.uint8)
            window.put_signal(block, peer, 64, 0, comm.rank + 5)
            word = window.wait(0, peer + 5)
            ticket = window.fetch_add(0, 8)
            room = np.zeros(5, np.uint8)
            window.get(room, peer, (3 << 20) - 5)
            seen = [int(window.local[64]), int(window.local[-1]), *room.tolist()]
            comm.barrier()
        return [comm.rank, word, ticket, *seen, comm.now()]


if __name__ == "__main__":
    if "apart" in sys.argv:
        places.where = lambda: f"host {os.environ['RANK']}"
    sys.stdout.write(" ".join(map(str, main())) + "\n")
