"""Attending: what a thread looks at while something long goes on that has nothing to do with it.

Kernels are compiled when they are first called, which takes seconds, once on a machine. A rank that
does so in the middle of a call would hear that another one has died when it is through.
"""

import threading
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, TypeVar

Result = TypeVar("Result")

ATTENDING: ContextVar[Callable[[], None]] = ContextVar("triplane_attending")
"""Called in this thread again and again during `attended`, which raises what it raises."""

LOOK = 0.05
"""Seconds between two such calls."""


def attended(do: Callable[..., Result], *args: Any, **named: Any) -> Result:
    """``do(*args, **named)``, in another thread where this one has something to attend to.

    Raises what that raises; ``do`` then ends in its own time, and nobody has its result.
    """
    attend = ATTENDING.get(None)
    if attend is None:
        return do(*args, **named)
    attend()
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
        thread.join(LOOK)
        attend()
    if failed:
        raise failed[0]
    return done[0]
