"""Answers that have been found, in a file: a line each, added as they come, by their hash.

A process that is killed while it writes leaves half a line at the end, which the next one cuts off.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from bench.sweep.answering import PointAnswer
from bench.sweep.options import SweepError

_HEAD = b'{"triplane": "answers of a sweep", "format": 1}\n'


class Store:
    """The answers in a file, by their key; what is added is on disk before the call returns.

    Made by `opened`.
    """

    def __init__(self, file: IO[bytes], known: dict[str, PointAnswer]) -> None:
        self._file, self._known = file, known

    def get(self, key: str) -> PointAnswer | None:
        """The answer with this key; None if there is none."""
        return self._known.get(key)

    def add(self, answer: PointAnswer) -> None:
        """Keep an answer, in place of an older one with its key; raises `OSError`."""
        self._write({**asdict(answer), "at": datetime.now(UTC).isoformat(timespec="seconds")})
        self._known[answer.key] = answer

    def note(self, run: dict[str, Any]) -> None:
        """Keep what is to be said of a run as a whole; raises `OSError`."""
        self._write({"run": run, "at": datetime.now(UTC).isoformat(timespec="seconds")})

    def _write(self, values: dict[str, Any]) -> None:
        self._file.write(json.dumps(values, allow_nan=False).encode() + b"\n")
        self._file.flush()


@contextmanager
def opened(path: Path) -> Iterator[Store]:
    """A context manager for the answers in the file at ``path``, which is made if there is none.

    Raises `SweepError` if it is another kind of file, or another sweep writes to it.
    """
    with open(path, "a+b") as file:
        _lock(file, path)
        file.seek(0)
        data = file.read()
        whole = data[: data.rfind(b"\n") + 1]
        if not _HEAD.startswith(data[: len(_HEAD)]):
            raise SweepError(f"{path} is there already, and has no answers of a sweep in it")
        if len(whole) < len(data):
            file.truncate(len(whole))
        if not whole:
            file.write(_HEAD)
            file.flush()
        yield Store(file, dict(_answers(whole)))
        file.flush()
        os.fsync(file.fileno())


def _lock(file: IO[bytes], path: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise SweepError(f"{path}: another sweep is adding answers to it") from None


def _answers(data: bytes) -> Iterator[tuple[str, PointAnswer]]:
    """Keys and answers of all lines; what is no answer, as after a disk was full, is not there."""
    for line in data.splitlines()[1:]:
        try:
            values = json.loads(line)
            found = PointAnswer(
                values["key"], tuple(values["rows"]), values["error"], tuple(values["notes"]),
                values["seconds"], values["host"],
            )  # fmt: skip
        except (ValueError, KeyError, TypeError):
            continue
        yield found.key, found
