"""Logs in shared memory, one for each client of a server: what it has stored, without a call.

A client appends records to its own log and goes on; the server takes them out before it answers
anything, whoever asks. Each log is a ring of bytes with two words: bytes that the client has
appended, and bytes that the server has taken out. A record has its hash before it, so one of which
not everything can be seen yet is left for the next time.
"""

import struct
from collections.abc import Iterator

from xxhash import xxh3_64_intdigest

LOG = 1 << 13
"""Bytes of a client's log."""

_WORD = 8
_RECORD = struct.Struct("<QI")
"""Hash of a record, and its bytes."""


def logs_size(clients: int) -> int:
    """Bytes of the logs of so many clients, with their words."""
    return clients * (2 * _WORD + LOG)


class CommitLogs:
    """The logs of ``clients`` clients in ``memory``, of `logs_size` bytes, as a process sees them.

    A client calls `append` for its own number only; the server calls all others.
    """

    def __init__(self, memory: memoryview, clients: int) -> None:
        self._clients = clients
        self._appended = memory[: clients * _WORD].cast("Q")
        self._taken = memory[clients * _WORD : 2 * clients * _WORD].cast("Q")
        self._bytes = memory[2 * clients * _WORD :]

    def append(self, number: int, record: bytes) -> bool:
        """Append a record to the log of client ``number``; False if it has no room for it."""
        whole = _RECORD.pack(xxh3_64_intdigest(record), len(record)) + record
        at = self._appended[number]
        if len(whole) > LOG - (at - self._taken[number]):
            return False
        first = number * LOG + at % LOG
        before_end = whole[: LOG - at % LOG]
        self._bytes[first : first + len(before_end)] = before_end
        rest = whole[len(before_end) :]
        self._bytes[number * LOG : number * LOG + len(rest)] = rest
        self._appended[number] = at + len(whole)
        return True

    def are_empty(self) -> bool:
        """Whether no client has appended what was not taken out."""
        return self._appended == self._taken

    def take(self, number: int) -> Iterator[bytes]:
        """Iterate over the records of client ``number``, which are taken out."""
        at = self._taken[number]
        while self._appended[number] - at >= _RECORD.size:
            digest, size = _RECORD.unpack(self._read(number, at, _RECORD.size))
            if _RECORD.size + size > min(LOG, self._appended[number] - at):
                return
            record = self._read(number, at + _RECORD.size, size)
            if xxh3_64_intdigest(record) != digest:
                return
            at += _RECORD.size + size
            self._taken[number] = at
            yield record

    def forget(self, number: int) -> None:
        """Empty the log of a client that is gone: the number is for another now."""
        self._appended[number] = self._taken[number] = 0

    def close(self) -> None:
        """Let go of the memory."""
        for part in (self._appended, self._taken, self._bytes):
            part.release()

    def _read(self, number: int, at: int, size: int) -> bytes:
        first = number * LOG + at % LOG
        end = min(first + size, (number + 1) * LOG)
        rest = size - (end - first)
        return bytes(self._bytes[first:end]) + bytes(
            self._bytes[number * LOG : number * LOG + rest]
        )
