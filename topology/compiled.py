"""`compiled`: numba's just-in-time compiler with types that mypy can see, and a cache to trust.

numba keeps machine code by the age of the file that a kernel stands in. But a kernel contains those
of other files that it calls, and would run on with their old code. So the cache lies in a folder
named after the content of all files of the package that compile anything: any change there starts
a new one. What kernels call or take a constant from stands in such a file.

To compile takes seconds, in which a thread can attend to other things: see `topology.attending`.

Processes that compile one kernel for different types at a time could overwrite each other's code
under one name, and later ones would run the wrong one: whoever saves holds a lock.
"""

import hashlib
import inspect
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
from numba.core import config
from numba.core.caching import FunctionCache

from topology.attending import attended

try:
    import fcntl
except ImportError:  # not of this system, whose files nobody can lock so
    fcntl = None  # type: ignore[assignment]

Kernel = TypeVar("Kernel", bound=Callable[..., object])


def compiled(kernel: Kernel) -> Kernel:
    """``kernel`` compiled to machine code on its first call, and kept on disk for the next run."""
    return _compiled(kernel)


def inlined(kernel: Kernel) -> Kernel:
    """As `compiled`, for what is called once a row: it becomes part of its callers."""
    return _compiled(kernel, forceinline=True)


def unlocked(kernel: Kernel) -> Kernel:
    """As `compiled`, for long loops over a rank's data: other threads run meanwhile."""
    return _compiled(kernel, nogil=True)


def _compiled(kernel: Kernel, **options: Any) -> Kernel:
    settings: Any = config  # numba makes its attributes when it is imported
    before = settings.CACHE_DIR
    settings.CACHE_DIR = _cache_folder(Path(inspect.getfile(kernel)).parent, before)
    try:
        made = numba.njit(error_model="numpy", **options)(kernel)
        made._cache = _cache_of(kernel)
        made._compile_for_args = partial(attended, made._compile_for_args)
    finally:
        settings.CACHE_DIR = before
    return cast(Kernel, made)


class _Cache(FunctionCache):
    """numba's cache of one kernel, which one process at a time writes."""

    def save_overload(self, sig: object, data: object) -> None:
        """Find a free name, enter it, and write what it stands for, as one."""
        with _alone(Path(self.cache_path)):
            super().save_overload(sig, data)  # type: ignore[no-untyped-call]


_cache_of: Callable[[object], object] = _Cache


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Wait until no other process is in here for that folder."""
    if fcntl is None:
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # let go when the file is closed, or its process ends
        yield


@cache
def _cache_folder(package: Path, chosen: str) -> str:
    """Where the machine code of a package lies: beside it, or in the folder that a user chose."""
    digest = hashlib.sha256(Path(__file__).read_bytes() + numba.__version__.encode())
    for file in sorted(package.glob("*.py")):
        source = file.read_bytes()
        if b"from topology.compiled import" in source:
            digest.update(source)
    folder = Path(chosen) if chosen else package / "__pycache__"
    return os.fspath(folder / f"numba-{digest.hexdigest()[:16]}")
