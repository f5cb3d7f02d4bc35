"""Malformed frames for as long as you like: ``python benchmarks/fuzz.py --minutes 60``.

Three targets in turn, all fed with real messages in which bytes were changed, left out, repeated or
put elsewhere, and with noise: headers of frames; the sockets of a world that works meanwhile, where
the stranger knows the world's token; the authority, which is told whatever its reader lets pass.
Nothing may be delivered that was not sent, nothing may crash, nothing may hang. Minutes are
processor time. Prints what was tried; exit code 1 with the input where something went wrong.
"""

import argparse
import faulthandler
import json
import logging
import os
import random
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fabric import Fabric
from fabric.clock.emulator import Emulator
from fabric.schedule.plan import plans
from fabric.schedule.step import Step
from fabric.transports.base import Rendezvous, Transport
from fabric.transports.zmq.frames import PIECE, Frame, FrameError, decode, encode
from fabric.transports.zmq.reach import SHARED_MEMORY
from fabric.transports.zmq.sockets import Sockets
from fabric.transports.zmq.transport import connect
from fabric.world.codec import WireError
from fabric.world.messages import (
    AskTime,
    Beat,
    Begin,
    Blocked,
    Compute,
    Exchange,
    FrameMessage,
    FromNode,
    Hello,
    ToAuthority,
    Wait,
)
from fabric.world.wire import Packer, Unpacker
from fabric.world.world import World
from tests.support.worlds import sender, threads
from topology import star

RANKS = 3
HANG = 120.0
"""Seconds without an end after which a target hangs."""


class Wrong(AssertionError):
    """Something went wrong."""


@dataclass
class Tally:
    """How many inputs there were, and how many of them were taken for sound."""

    tried: int = 0
    taken: int = 0


def changed(chance: random.Random, data: bytes) -> bytes:
    """One to four small changes of ``data``, or noise."""
    if chance.random() < 0.05:
        return chance.randbytes(chance.randrange(300))
    made = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(made) + 1)
        much = chance.choice((1, 1, 1, 4, 8, 40))
        kind = chance.randrange(5)
        if kind == 0 and made:
            made[at % len(made)] = chance.randrange(256)
        elif kind == 1:
            del made[at : at + much]
        elif kind == 2:
            made[at:at] = chance.randbytes(much)
        elif kind == 3:
            made[at:at] = made[at : at + much]
        else:
            made[at : at + much] = bytes(chance.choice((0, 255)) for _ in range(much))
    return bytes(made)


def a_frame(chance: random.Random, token: bytes) -> Frame:
    """A sound one, of a world of `RANKS`."""
    at, length = 64 * chance.randrange(1 << chance.randrange(1, 40)), 64 * chance.randint(0, 9)
    size = at + length + (chance.randrange(1 << 20) if length else 0)
    return Frame(
        token, chance.randrange(RANKS), chance.randrange(5), chance.randrange(8),
        chance.randrange(1 << 32), size, at, length,
    )  # fmt: skip


def headers(chance: random.Random, tally: Tally) -> None:
    """What is decoded is what was encoded, or nothing."""
    token = bytes(range(16))
    for _ in range(20_000):
        frame = a_frame(chance, token)
        sound = encode(frame)
        header, length = changed(chance, sound), chance.choice((frame.length, 0, PIECE + 1))
        tally.tried += 1
        try:
            come = decode(header, length, token, RANKS)
        except FrameError:
            continue
        tally.taken += 1
        if header != sound or come != frame or length != frame.length:
            raise Wrong(f"{header.hex()} of {frame} was taken for {come}")


def sockets(chance: random.Random, tally: Tally) -> None:
    """Two ranks exchange messages while strangers write to their sockets."""
    seed = chance.randrange(1 << 60)

    def run(rank: int, exchange: Rendezvous) -> None:
        _molested(rank, exchange, random.Random(seed + rank), tally)

    errors = [result for result in threads(2, run) if result is not None]
    if errors:
        raise Wrong(f"seed {seed}: {errors}")


def _molested(rank: int, exchange: Rendezvous, chance: random.Random, tally: Tally) -> None:
    transport = connect(rank, 2, exchange)
    ours: Sockets = transport._ways.sockets  # type: ignore[assignment]
    sent = 0
    try:
        with sender(ours.address, ours.token) as socket:
            for tag in range(200):
                for _ in range(chance.randint(1, 8)):
                    header = changed(chance, encode(a_frame(chance, ours.token)))
                    parts = [
                        header,
                        *(b"x" * chance.randrange(9) for _ in range(chance.randrange(3))),
                    ]
                    if len(parts) == 2 and not _refused(header, len(parts[1]), ours.token):
                        continue  # it is a frame of one who has the token, and no stranger's
                    socket.send_multipart(parts)
                    sent += 1
                _talk(transport, tag, (0, 1, 5000, PIECE + 1)[tag % 4])
            until = time.monotonic() + HANG
            while transport.dropped < sent and time.monotonic() < until:
                transport.progress(0.05)
        if transport.dropped != sent:
            raise Wrong(f"of {sent} malformed frames {transport.dropped} were dropped")
        tally.tried += sent
        exchange(None)
    finally:
        transport.close()


def _refused(header: bytes, length: int, token: bytes) -> bool:
    try:
        decode(header, length, token, 2)
    except FrameError:
        return True
    return False


def _talk(transport: Transport, tag: int, size: int) -> None:
    """Exchange a message with the other rank; raises `Wrong` for any wrong byte."""
    peer, room = 1 - transport.rank, np.zeros(size, np.uint8)
    mine, due = (
        np.random.default_rng([tag, rank]).integers(0, 256, size, np.uint8)
        for rank in (transport.rank, peer)
    )
    requests = [
        transport.send(peer, tag, 1, mine), transport.receive(peer, tag, 1, size, room),
    ]  # fmt: skip
    until = time.monotonic() + HANG
    for request in requests:
        while not request.done:
            transport.progress(0.05)
            if time.monotonic() > until:
                raise Wrong(f"message {tag} of {size} bytes never came")
        if request.error is not None:
            raise request.error
    if not np.array_equal(room, due):
        raise Wrong(f"message {tag} of {size} bytes has come with other bytes")


def authority(chance: random.Random, tally: Tally) -> None:
    """Ranks whose messages are changed on the way: the world may end, with a reason of its own."""
    fabric = Fabric(star(RANKS))
    rows = plans([Step([0, 1, 2], [1, 2, 0], 100), Step([1], [0], 7)], RANKS)
    for _ in range(40):
        world = World(RANKS, Emulator(fabric, RANKS))
        readers = [Unpacker(RANKS) for _ in range(RANKS)]
        packers = [Packer() for _ in range(RANKS)]
        for call in range(12):
            for rank in range(RANKS):
                group = tuple(range(RANKS))
                messages: list[ToAuthority] = [
                    Begin(call, group, rows[rank].rows, "call", "all_reduce"), Wait(call),
                    Compute(1e-6), AskTime(call), Blocked(None), Exchange({"call": call}),
                ]  # fmt: skip
                message = packers[rank].pack(messages)
                if chance.random() < 0.3:
                    at = chance.randrange(len(message))
                    message[at] = changed(chance, message[at])
                _tell(world, readers[rank], rank, message, tally)
        world.tick(1e9)
        world.replies()
        json.dumps(str(world.error))


def _tell(world: World, reader: Unpacker, rank: int, message: list[bytes], tally: Tally) -> None:
    tally.tried += 1
    try:
        messages = reader.unpack(message)
        tally.taken += 1
        for each in messages:
            if not isinstance(each, Beat | Hello | FromNode | FrameMessage):  # the server's own
                world.handle(rank, each, 0.0)
    except WireError:
        return
    except Exception as error:
        raise Wrong(f"rank {rank} said {message!r}: {error!r}") from error
    if world.error is not None and "internal error" in str(world.error):
        raise Wrong(f"rank {rank} said {message!r}: {world.error}")


def fuzz(minutes: float, seed: int) -> None:
    """All targets, in turn."""
    targets: tuple[Callable[[random.Random, Tally], None], ...] = (headers, sockets, authority)
    tallies = {target.__name__: Tally() for target in targets}
    turn, shown = 0, 0.0
    while time.process_time() < 60 * minutes:
        for target in targets:
            faulthandler.dump_traceback_later(4 * HANG, exit=True)
            target(random.Random(f"{seed} {turn} {target.__name__}"), tallies[target.__name__])
        turn += 1
        if time.process_time() > shown + 60:
            shown = time.process_time()
            _report(turn, tallies)
    faulthandler.cancel_dump_traceback_later()
    _report(turn, tallies)
    print("nothing went wrong")


def _report(turn: int, tallies: dict[str, Tally]) -> None:
    inputs = ", ".join(
        f"{name} {tally.tried} ({tally.taken} sound)" for name, tally in tallies.items()
    )
    print(f"{time.process_time() / 60:.1f} min of processor, {turn} turns: {inputs}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    logging.getLogger("triplane").setLevel(logging.ERROR)
    os.environ[SHARED_MEMORY] = "0"
    try:
        fuzz(given.minutes, given.seed)
    except Wrong as wrong:
        sys.exit(f"wrong, with seed {given.seed}: {wrong}")
