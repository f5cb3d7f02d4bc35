"""The way of a rank's result to its launcher, which waits for no rank that stops on the way."""

import os
import time
from multiprocessing.connection import Connection

STALL = 0.01
"""Seconds after which more of a result that has begun is waited for no longer."""

TURN = 0.1
"""Seconds that one rank's result takes before the launcher looks after others again."""

_HEADER = 8  # bytes that say how many follow


def send_result(pipe: Connection, data: bytes) -> None:
    """Write ``data``, and how long it is; blocks until the launcher has taken it."""
    for part in (len(data).to_bytes(_HEADER, "little"), data):
        rest = memoryview(part)
        while rest:
            rest = rest[os.write(pipe.fileno(), rest) :]


class IncomingResult:
    """What has arrived so far of a result, through the launcher's end of ``pipe``."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._header, self._data = bytearray(_HEADER), bytearray()
        self._rest = memoryview(self._header)

    def take(self) -> bytearray | None:
        """The result; None if not all of it has arrived yet. Raises `EOFError` if it never will."""
        until = time.monotonic() + TURN
        begun = len(self._rest) < _HEADER or bool(self._data)
        while time.monotonic() < until and self._pipe.poll(STALL if begun else 0.0):
            taken = os.readv(self._pipe.fileno(), [self._rest])
            if not taken:
                raise EOFError("the rank has ended before all of its result was here")
            begun, self._rest = True, self._rest[taken:]
            if not self._rest and not self._data:
                self._data = bytearray(int.from_bytes(self._header, "little"))
                self._rest = memoryview(self._data)
            elif not self._rest:
                return self._data
        return None
