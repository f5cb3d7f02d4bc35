"""What this machine has of what Triplane can use: each is tried, not only looked for.

Nothing large is imported: that a package is there is known from its metadata.
"""

import importlib.util
import mmap
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from fabric.host.cores import cores
from fabric.host.lacking import COMPILED, LACKS, lacks
from fabric.transports.peer_memory import memory_of
from fabric.transports.zmq.compiled_moves import compiled_code
from fabric.transports.zmq.doorbell import nameless

PRESENT, LIMITED, MISSING = "yes", "limited", "no"

NEEDED = ("numpy", "numba", "networkx", "pyzmq", "ml_dtypes", "click", "rich", "matplotlib",
          "xxhash", "simpy")  # fmt: skip
"""The packages that Triplane does not run without, by their name at the registry."""

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "firefox")
"""The names by which a browser is looked for."""

PATIENCE = 20.0
"""Seconds that another program may take to answer."""

_CONTENT = b"triplane doctor: readable"
_CHILD = (
    "import sys; content = b'triplane doctor: ' + b'readable';"
    "print(id(content) + bytes.__basicsize__ - 1, flush=True); sys.stdin.read()"
)


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of one thing.

    ``state``: `PRESENT`, `LIMITED` or `MISSING`; ``found``: what, in a few words; ``without``: what
    happens then; ``install``: a command that changes it, or "". ``is_needed``: nothing runs without
    it.
    """

    name: str
    state: str
    found: str
    without: str = ""
    install: str = ""
    is_needed: bool = False


def findings() -> Iterator[Finding]:
    """Everything that is looked for, what is needed first."""
    yield _python()
    yield _packages()
    yield _kernels()
    yield _compiled_moves()
    yield _shared_memory()
    yield _peer_memory()
    yield _mpi()
    yield _torch()
    yield _package(
        "dask.distributed", "distributed", "sweeps go on without --executor dask", "dask"
    )
    yield _package("pyarrow", "pyarrow", "sweeps write CSV, not Parquet", "parquet")
    yield _package("pyyaml", "pyyaml", "no topologies of Slurm and Volcano are read", "yaml")
    yield _browser()
    yield _cores()


def _python() -> Finding:
    text = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    fits = sys.version_info >= (3, 11)
    return Finding("Python", PRESENT if fits else MISSING, text, "3.11 or newer is needed",
                   is_needed=True)  # fmt: skip


def _packages() -> Finding:
    lacking = [name for name in NEEDED if _version(name) is None]
    text = f"without {', '.join(lacking)}" if lacking else f"triplane {_version('triplane')}"
    return Finding(
        "packages", MISSING if lacking else PRESENT, text, "nothing runs without them",
        "pip install --upgrade triplane" if lacking else "", is_needed=True,
    )  # fmt: skip


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _kernels() -> Finding:
    """Whether compiled kernels can be kept: numba writes them beside the code, or where it is told.

    Otherwise they lie in the user's own cache.
    """
    told = os.environ.get("NUMBA_CACHE_DIR")
    places = [Path(told)] if told else [Path(__file__).parents[2] / "fabric", Path.home()]
    usable = next((place for place in places if os.access(place, os.W_OK)), None)
    if usable:
        return Finding("compiled kernels", PRESENT, f"kept, {usable} can be written")
    return Finding(
        "compiled kernels", LIMITED, f"{places[0]} cannot be written",
        "every process compiles for seconds to a minute", "export NUMBA_CACHE_DIR=/a/folder",
    )  # fmt: skip


def _compiled_moves() -> Finding:
    name, without = "compiled moves", "small calls between processes take several times as long"
    if lacks(COMPILED):
        return Finding(name, LIMITED, f"{LACKS} says that they are lacking", without)
    if compiled_code() is not None:
        return Finding(name, PRESENT, "small messages are moved by compiled code")
    return Finding(
        name, LIMITED, "there was no C compiler at the installation", without,
        "install one and Python's headers, then pip install --force-reinstall triplane",
    )  # fmt: skip


def _shared_memory() -> Finding:
    name = "shared memory"
    if nameless():
        return Finding(name, PRESENT, "memfd_create")
    why = f"{LACKS} says so" if lacks("memfd_create") else "no memfd_create"
    folder = Path(tempfile.gettempdir())
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.truncate(mmap.PAGESIZE)
            mmap.mmap(file.fileno(), mmap.PAGESIZE).close()
    except OSError as fault:
        return Finding(
            name, MISSING, f"{why}, and {folder} cannot be mapped: {fault.strerror}",
            "bytes between processes go through sockets",
        )  # fmt: skip
    free = shutil.disk_usage(folder).free >> 20
    return Finding(name, LIMITED, f"{why}: files in {folder}, {free} MiB free",
                   "as fast, but room is limited by the folder")  # fmt: skip


def _peer_memory() -> Finding:
    """Whether a process may read another one's memory: tried with a child."""
    name, without = "process_vm_readv", "messages are copied twice instead of once"
    if lacks(name):
        return Finding(name, LIMITED, f"{LACKS} says that it is lacking", without)
    child = subprocess.Popen(
        [sys.executable, "-S", "-E", "-c", _CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    with child:
        assert child.stdout is not None
        address = int(child.stdout.readline() or 0)
        memory = memory_of(0, child.pid, address, _CONTENT) if address else None
    if memory is not None:
        return Finding(name, PRESENT, "one process may read another's memory")
    if sys.platform != "linux":
        return Finding(name, LIMITED, f"{platform.system()} has no such call", without)
    return Finding(
        name, LIMITED, "the kernel forbids it", without,
        "sysctl kernel.yama.ptrace_scope=0 (or --cap-add SYS_PTRACE of a container)",
    )  # fmt: skip


def _mpi() -> Finding:
    beside, bound = str(Path(sys.executable).parent), _version("mpi4py")
    path = shutil.which("mpiexec", path=beside) or shutil.which("mpiexec")
    without, install = "no --transport mpi", "pip install 'triplane[mpi]'"
    if bound is None or path is None:
        found = "no mpi4py" if path else "no mpiexec" if bound else "neither mpiexec nor mpi4py"
        return Finding("MPI", MISSING, found, without, install)
    try:
        run = subprocess.run([path, "--version"], capture_output=True, text=True, check=False,
                             timeout=PATIENCE)  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as fault:
        return Finding("MPI", MISSING, f"{path} does not answer: {fault}", without, install)
    first = next((line.strip() for line in run.stdout.splitlines() if line.strip()), "?")
    return Finding("MPI", PRESENT, f"mpi4py {bound}; {first[:60]}")


def _torch() -> Finding:
    version = _version("torch")
    without = "no torch.distributed, DeepEP and engines"
    if version is None:
        return Finding("torch", MISSING, "not installed", without, "pip install 'triplane[torch]'")
    return Finding("torch", PRESENT, version)


def _package(name: str, at_registry: str, without: str, extra: str) -> Finding:
    version = _version(at_registry)
    if version is None:
        return Finding(name, MISSING, "not installed", without, f"pip install 'triplane[{extra}]'")
    return Finding(name, PRESENT, version)


def _browser() -> Finding:
    path = next((found for each in BROWSERS if (found := shutil.which(each))), None)
    kept = Path(os.environ.get("PLAYWRIGHT_BROWSERS_PATH") or Path.home() / ".cache/ms-playwright")
    if path is None and importlib.util.find_spec("playwright") and any(kept.glob("chromium*")):
        path = str(kept)
    if path:
        return Finding("browser", PRESENT, path)
    return Finding("browser", LIMITED, "none on PATH",
                   "pages are written, and opened elsewhere; their tests are skipped",
                   "apt-get install chromium")  # fmt: skip


def _cores() -> Finding:
    return Finding("cores", PRESENT, f"{cores()} usable")
