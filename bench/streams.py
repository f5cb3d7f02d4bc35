"""The standard streams as a command needs them: there, and able to write any text.

`prepare` is called before anything else, `blame` when something has gone wrong. Nothing heavy is
imported before a line is written, so that ``--help`` stays quick.
"""

import errno
import io
import os
import sys
from contextlib import suppress
from typing import IO

STDOUT = "standard output"


def prepare() -> None:
    r"""Make the standard streams safe to use.

    A descriptor that the caller has closed (``>&-``) would be given to the next file or socket
    that is opened, which then gets what was meant for a terminal: it becomes the null device.
    What a stream's encoding has no letter for is written out, as ``\u30cd``.
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


def stdout() -> IO[str]:
    """Standard output; raises `OSError` where the caller has closed it."""
    if sys.stdout is None:
        raise OSError(errno.EBADF, "it is closed", STDOUT)
    return sys.stdout


def put(file: IO[str], *lines: str) -> None:
    """Write lines and hand them on at once; what cannot be seen is written out."""
    from topology.text import visible

    file.writelines(f"{visible(line)}\n" for line in lines)
    file.flush()


def blame(error: OSError) -> str:
    """What could not be read or written, and why; standard output is then given up.

    What it holds back could not be written when Python ends, either, which would say so at length.
    """
    reason = error.strerror or str(error) or type(error).__name__
    if error.filename is not None:
        name = error.filename
        return f"{os.fsdecode(name) if isinstance(name, bytes) else name}: {reason}"
    return f"{STDOUT}: {reason}" if _given_up() else reason


def _given_up() -> bool:
    """Whether standard output cannot be written; what is written from now on is dropped."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)
        return True
    return False


def complain(message: str) -> None:
    """Write lines to standard error, in which what cannot be seen is written out.

    Where that is closed or full, the exit code says enough.
    """
    from topology.text import visible_lines

    if sys.stderr is not None:
        with suppress(OSError):
            sys.stderr.write(f"{visible_lines(message)}\n")
            sys.stderr.flush()
