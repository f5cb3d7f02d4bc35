"""Errors as torch's users know them: torch.distributed's `RuntimeError` types, our messages."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch.distributed as dist

from fabric.failure import TimedOut, WorldError


@contextmanager
def translated() -> Iterator[None]:
    """A context manager that raises ``dist.DistBackendError`` for a `WorldError`, as its cause.

    A `ValueError`, which concerns a call at this rank alone, passes unchanged.
    """
    try:
        yield
    except TimedOut as error:
        # Those words are what torch's own backends say, and what programs look for.
        raise dist.DistBackendError(f"the call Timed out ({error})") from error
    except WorldError as error:
        raise dist.DistBackendError(f"{type(error).__name__}: {error}") from error
