"""What a rank's process hands down to a child that it forks, and the child must not use.

A child has a copy of the rank's communicators, with sockets and memory that belong to the rank: a
call made there would take the rank's place, and others would get wrong bytes. So whatever reaches
other ranks registers itself here, and is disowned in a child that Python has forked before the
child's program goes on. It costs nothing while ranks communicate. If no Python code runs at the
fork (a library that forks by itself), `here` still keeps the child's end from being the rank's.
"""

import contextlib
import functools
import os
import sys
import traceback
import weakref
from collections.abc import Callable
from typing import Any, NoReturn, Protocol

from fabric.failure import KINDS, WorldError, exit_code, words


class Owned(Protocol):
    """Something that belongs to one process. ``rank``: the rank that it is part of."""

    rank: int

    def disown(self, error: WorldError) -> None:
        """Refuse every further use with ``error``.

        Called in a process that was forked from the owner.

        Takes no lock: a thread that held one does not exist in this process.
        """


def own(thing: Owned) -> None:
    """Have `Owned.disown` called in each child that this process forks, while ``thing`` exists."""
    _owned().add(thing)


def here() -> Callable[[], bool]:
    """A function that returns True in the process that called `here`, False in its children."""
    owner = os.getpid()
    return lambda: os.getpid() == owner


def only_here(do: Callable[..., None]) -> Callable[..., None]:
    """``do`` wrapped to do nothing in a forked child: for functions registered to run at exit."""
    at_home = here()

    @functools.wraps(do)
    def guarded(*args: Any) -> None:
        if at_home():
            do(*args)

    return guarded


def end_of_child(at_home: Callable[[], bool], outcome: object) -> None:
    """End this process if it is a forked child that has returned to where its rank's program began.

    ``outcome``: what the program returned, or the exception that ended it. The exit code and the
    printed traceback are those of any Python program; the rank's results and reports are not sent.
    """
    if at_home():
        return
    code = 0
    if isinstance(outcome, SystemExit):
        code = exit_code(outcome.code)
        if not isinstance(outcome.code, int):
            sys.stderr.write(f"{words(outcome.code)}\n")
    elif isinstance(outcome, BaseException):
        code = 1
        traceback.print_exception(outcome)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):  # closed, or there is none
            stream.flush()
    os._exit(code)


class Disowned:
    """Stands for something that a forked child must not use: every use raises ``error``."""

    def __init__(self, error: WorldError) -> None:
        self._error = error

    def __getattr__(self, name: str) -> NoReturn:
        raise again(self._error)


def again(error: WorldError) -> WorldError:
    """A copy of ``error`` to raise once more, without the old traceback."""
    kind = type(error) if type(error) in KINDS.values() else WorldError
    return kind(words(error), error.rank)


@functools.cache
def _owned() -> "weakref.WeakSet[Owned]":
    """What this process owns. The first use has every later fork look at it."""
    things: weakref.WeakSet[Owned] = weakref.WeakSet()
    os.register_at_fork(after_in_child=functools.partial(_disown, things))
    return things


def _disown(things: "weakref.WeakSet[Owned]") -> None:
    for thing in list(things):
        thing.disown(
            WorldError(
                f"process {os.getpid()} was forked from rank {thing.rank} (process {os.getppid()})"
                " and is no rank: it cannot use what it has inherited, and the rank goes on"
                " without it"
            )
        )
    things.clear()
