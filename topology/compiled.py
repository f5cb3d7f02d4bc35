"""`compiled`: numba's just-in-time compiler with types that mypy can see, and a safe cache.

numba keeps machine code by the age of the file that a kernel stands in. But a kernel contains those
of other files that it calls, and would run on with their old code. So the cache lies in a folder
named after the content of all files of the package that compile anything: any change there starts a
new one. What kernels call or take a constant from stands in such a file.

Compiling takes seconds, in which the waiting thread can be interrupted: `topology.background`.

Processes that compile one kernel for different types at a time could overwrite each other's code
under one name, and later ones would run the wrong one: whoever saves holds a lock. Ranks that start
together need the same kernels at the same time: one compiles each, and the others wait for what it
keeps.

A program also runs without a cache: where none can be kept, it says so in a line, and is slower.
"""

import hashlib
import inspect
import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache, partial
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any, TypeVar, cast

import numba
from numba.core import config
from numba.core.caching import CompileResultCacheImpl, FunctionCache, UserProvidedCacheLocator

from topology.background import in_background
from topology.kernels_only import PartCompiler, only_for_kernels

try:
    import fcntl
except ImportError:  # not of this system, whose files nobody can lock so
    fcntl = None  # type: ignore[assignment]

UNCACHED = "TRIPLANE_UNCACHED"
"""The environment variable that is set once somebody has been told that there is no cache."""

PATIENCE = 60.0
"""Seconds that a process waits for another one to compile a kernel, before it does so itself."""

_LOOK = 0.02

_COMPILER = tuple(
    Path(__file__).with_name(name)
    for name in ("compiled.py", "kernels_only.py", "by_reference.py", "prefetch.py")
)
"""What machine code depends on beside the kernels."""

INNER = MappingProxyType({"no_cpython_wrapper": True, "no_cfunc_wrapper": True})
"""Options of numba for kernels that only kernels call."""

NO_C: Mapping[str, Any] = MappingProxyType({"no_cfunc_wrapper": True})
"""Options of numba for all kernels: nobody calls them from C, and the wrapper for that takes a
tenth of the time to compile."""

_LOG = logging.getLogger("triplane")

Kernel = TypeVar("Kernel", bound=Callable[..., object])


def compiled(kernel: Kernel) -> Kernel:
    """``kernel`` compiled by numba at its first call, and cached on disk between runs."""
    return _compiled(kernel)


def inlined(kernel: Kernel) -> Kernel:
    """Like `compiled`, for small functions called once a row: it is inlined into its callers."""
    return _compiled(kernel, forceinline=True)


def lean(kernel: Kernel) -> Kernel:
    """Like `compiled`, for kernels that make no arrays and call only such: no references counted.

    numba counts who holds each array of a tuple whenever it is passed on, which takes longer than a
    small function does. Its callers hold the arrays as long as it runs.
    """
    return _compiled(kernel, _nrt=False)


def inner(kernel: Kernel) -> Kernel:
    """Like `lean`, for kernels that only kernels call, see `topology.kernels_only`.

    Python calls are a `TypeError`.
    """
    return _part(kernel)


def inner_with_arrays(kernel: Kernel) -> Kernel:
    """Like `inner`, for kernels that make arrays, or call such."""
    return _part(kernel, _nrt=True)


def lean_inlined(kernel: Kernel) -> Kernel:
    """Like `inlined`, for what `lean` kernels call, and only these."""
    return _part(kernel, forceinline=True)


def unlocked(kernel: Kernel) -> Kernel:
    """Like `compiled`, for long loops over a rank's data: other threads run during the call."""
    return _compiled(kernel, nogil=True)


def _compiled(kernel: Kernel, **options: Any) -> Kernel:
    settings: Any = config  # numba makes its attributes when it is imported
    before = settings.CACHE_DIR
    settings.CACHE_DIR = _cache_folder(Path(inspect.getfile(kernel)).parent, before)
    try:
        made = numba.njit(error_model="numpy", **NO_C, **options)(kernel)
        made._cache = _cache_of(kernel)
        made._compile_for_args = partial(in_background, made._compile_for_args)
    finally:
        settings.CACHE_DIR = before
    return cast(Kernel, made)


def _part(kernel: Kernel, **options: Any) -> Kernel:
    settings: Any = {"pipeline_class": PartCompiler, "_nrt": False, **INNER, **options}
    return only_for_kernels(cast(Kernel, numba.njit(error_model="numpy", **settings)(kernel)))


class _Locator(UserProvidedCacheLocator):
    """Finds the place of a kernel's cache; does not need it to be writable."""

    def ensure_cache_path(self) -> None:
        """Leave it to whoever writes."""


class _Files(CompileResultCacheImpl):
    _locator_classes = [_Locator]  # noqa: RUF012


class _Cache(FunctionCache):
    """numba's cache of one kernel, which one process at a time writes, and which may be missing.

    Where it cannot be read or written the kernel is compiled by every process for itself.
    """

    _impl_class = _Files
    _compiling: "IO[str] | None" = None

    def load_overload(self, sig: object, target_context: object) -> object:
        """What was kept for these types; None where nothing (sound) was and nobody is at it.

        Whoever gets None is at it until `save_overload`. Called one at a time in a process, by
        numba's own lock; and a kernel waits only for kernels that it calls, so that nobody waits
        for whoever waits for him.
        """
        found = self._load(sig, target_context)
        if found is None and self._turn():
            found = self._load(sig, target_context)
            if found is not None:
                self._let_go()
        if found is None:
            _say_that_it_takes_a_while()
        return found

    def _turn(self) -> bool:
        """Whether this process had to wait until no other one compiles the kernel."""
        self._let_go()
        folder = Path(self.cache_path)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._compiling = (folder / f"{Path(self._impl.filename_base).name}.compiling").open(
                "w"
            )
        except OSError:
            return False
        return _waited(self._compiling)

    def _let_go(self) -> None:
        if self._compiling is not None:
            self._compiling.close()
            self._compiling = None

    def _load(self, sig: object, target_context: object) -> object:
        try:
            return super().load_overload(sig, target_context)  # type: ignore[no-untyped-call]
        except OSError:
            return None
        except Exception:  # cut off or overwritten: unpickling raises whatever it likes
            with suppress(OSError):
                self.flush()  # type: ignore[no-untyped-call]
            return None

    def save_overload(self, sig: object, data: object) -> None:
        """Find a free name, enter it, and write what it stands for, as one."""
        try:
            with _alone(Path(self.cache_path)):
                super().save_overload(sig, data)  # type: ignore[no-untyped-call]
        except OSError as error:
            _say_that_nothing_is_kept(Path(self.cache_path).parents[1], error.strerror)
        finally:
            self._let_go()


_cache_of: Callable[[object], object] = _Cache


@cache
def _say_that_it_takes_a_while() -> None:
    """Once a process, at a level that only who asks for it sees, as the command line does."""
    logging.getLogger("triplane.compiling").info(
        "compiling kernels, once: this may take half a minute"
    )


@cache
def _say_that_nothing_is_kept(folder: Path, why: str | None) -> None:
    """Once, and not again in processes that this one starts."""
    if UNCACHED not in os.environ:
        os.environ[UNCACHED] = "1"
        _LOG.warning(
            "machine code cannot be kept in %s (%s), and is compiled anew on every run;"
            " NUMBA_CACHE_DIR may name another folder", folder, why,
        )  # fmt: skip


def _waited(file: IO[str]) -> bool:
    """Lock the file; whether another process held it first.

    One that holds it for longer than a compiler takes stands still, and is not waited for.
    """
    if fcntl is None:
        return False
    for tried in range(int(PATIENCE / _LOOK)):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return tried > 0
        except BlockingIOError:
            time.sleep(_LOOK)
    return True


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Wait until no other process is in here for that folder."""
    folder.mkdir(parents=True, exist_ok=True)
    if fcntl is None:
        yield
        return
    with (folder / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # let go when the file is closed, or its process ends
        yield


@cache
def _cache_folder(package: Path, chosen: str) -> str:
    """Where the machine code of a package lies: beside it, or in the folder that a user chose.

    Beside an installation that this user cannot write to it would lie for nobody: then with the
    user's other caches.
    """
    digest = hashlib.sha256(numba.__version__.encode())
    for made_by in _COMPILER:
        digest.update(made_by.read_bytes())
    for file in sorted(package.glob("*.py")):
        source = file.read_bytes()
        if b"from topology.compiled import" in source:
            digest.update(source)
    beside = package / "__pycache__"
    folders = [Path(chosen)] if chosen else [beside, *_of_user()]
    folder = next(filter(_writable, folders), folders[0])
    return os.fspath(folder / f"numba-{digest.hexdigest()[:16]}")


def _of_user() -> Iterator[Path]:
    """Where the user's caches lie, as the XDG Base Directory Specification has it."""
    given = os.environ.get("XDG_CACHE_HOME", "")
    home = os.path.expanduser("~")
    if os.path.isabs(given) or os.path.isabs(home):
        yield Path(given if os.path.isabs(given) else f"{home}/.cache") / "triplane"


def _writable(folder: Path) -> bool:
    """Whether there is such a folder to write to, or one can be made."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK | os.X_OK)
