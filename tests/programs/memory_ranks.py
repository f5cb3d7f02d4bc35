"""Random one-sided programs as one rank under any launcher: what it has seen, into a folder."""

import pickle
import sys
from pathlib import Path

from collectives import init
from tests.support.memory_programs import random_program, seen_of

folder, count = Path(sys.argv[1]), int(sys.argv[2])
with init() as comm:
    found = [seen_of(comm, random_program(seed, comm.size), True) for seed in range(count)]
    (folder / f"{comm.rank}").write_bytes(pickle.dumps(found))
