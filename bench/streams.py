"""The standard streams as a command needs them: open, and able to write any text.

`prepare` is called before anything else, `blame` when something has gone wrong. Nothing heavy is
imported before a line is written, so that ``--help`` stays quick.
"""

import errno
import io
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any, cast

STDOUT = "standard output"


def prepare() -> None:
    r"""Make the standard streams safe to use.

    A descriptor that the caller has closed (``>&-``) would be given to the next file or socket that
    is opened, which then gets what was meant for a terminal: it becomes the null device. Characters
    that a stream's encoding lacks are escaped, as ``\u30cd``.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(
                os.open(os.devnull, os.O_RDWR), True
            )  # takes the lowest that is free
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def somebody_reads_along() -> bool:
    """Whether standard error is a terminal; False where it is closed."""
    return sys.stderr is not None and sys.stderr.isatty()


class NamedStream:
    """A stream whose errors say which stream it is; Python's errors have no file's name."""

    def __init__(self, stream: IO[str], name: str) -> None:
        self._stream, self._name = stream, name

    def __getattr__(self, attribute: str) -> Any:
        return getattr(self._stream, attribute)

    def write(self, text: str) -> int:
        """Write text to the stream, returns the number of characters.

        An `OSError` names the stream.
        """
        with self._naming():
            return self._stream.write(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write lines to the stream; an `OSError` names it."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Flush the stream; an `OSError` names it."""
        with self._naming():
            self._stream.flush()

    @contextmanager
    def _naming(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            error.filename = self._name
            raise


def stdout() -> IO[str]:
    """Standard output; it raises an `OSError` that names it if it is closed or full."""
    if sys.stdout is None:
        raise OSError(errno.EBADF, "it is closed", STDOUT)
    return cast("IO[str]", NamedStream(sys.stdout, STDOUT))


def put(file: IO[str], *lines: str) -> None:
    """Write lines to ``file`` and flush it; control characters are escaped."""
    from topology.text import visible

    file.writelines(f"{visible(line)}\n" for line in lines)
    file.flush()


def blame(error: OSError) -> str:
    """What could not be read or written, and why, as text; standard output is then abandoned.

    Otherwise Python would try to flush it at the end, and report that failure at length.
    """
    reason = error.strerror or str(error) or type(error).__name__
    if error.filename is None:
        return reason
    if error.filename == STDOUT and sys.stdout is not None:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)
    name = error.filename
    return f"{os.fsdecode(name) if isinstance(name, bytes) else name}: {reason}"


def complain(message: str) -> None:
    """Write lines to standard error, with control characters escaped.

    If that is closed or full, nothing is written; the exit code tells enough.
    """
    from topology.text import visible_lines

    if sys.stderr is not None:
        with suppress(OSError):
            sys.stderr.write(f"{visible_lines(message)}\n")
            sys.stderr.flush()
