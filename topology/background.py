"""Long work in another thread, so that the thread that waits for it can be interrupted.

Kernels are compiled when they are first called, which takes seconds, once on a machine. A rank that
compiled one itself in the middle of a call would learn only afterwards that another rank has died.
"""

import threading
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, TypeVar

Result = TypeVar("Result")

CHECK: ContextVar[Callable[[], None]] = ContextVar("triplane_check")
"""Of a thread: what `in_background` calls again and again while it waits; it raises to end that."""

INTERVAL = 0.05
"""Seconds between two such calls."""


def in_background(do: Callable[..., Result], *args: Any, **named: Any) -> Result:
    """The result of ``do(*args, **named)``, which runs in a second thread if there is a `CHECK`.

    The check is called every `INTERVAL` seconds meanwhile. Raises what ``do`` raises. If the check
    raises, that is raised at once; ``do`` runs on to its end, and its result is dropped.
    """
    check = CHECK.get(None)
    if check is None:
        return do(*args, **named)
    check()
    done: list[Result] = []
    failed: list[BaseException] = []

    def beside() -> None:
        try:
            done.append(do(*args, **named))
        except BaseException as error:  # raised below, in the thread that has asked
            failed.append(error)

    # No daemon: the interpreter must not end in the midst of what a compiler does.
    thread = threading.Thread(target=beside, name="triplane-compile", daemon=False)
    thread.start()
    while thread.is_alive():
        thread.join(INTERVAL)
        check()
    if failed:
        raise failed[0]
    return done[0]
