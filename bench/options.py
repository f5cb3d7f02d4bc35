"""What the user may ask for: sizes as nccl-tests reads them, its flags, and ours, checked once.

`nccl_options`, `system_options` and `output_options` are decorators: each adds its options to a
command and hands their values over as one frozen dataclass. Nothing of ours and nothing heavy is
imported here, so that ``--help`` stays quick; what is refused here is refused as click does.
"""

import functools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import click

MAX_BYTES = 1 << 50
"""The largest size that a benchmark takes, 1 PiB: twenty times the memory of a CloudMatrix384."""

DATATYPES = {
    "int8": 1, "uint8": 1, "int32": 4, "uint32": 4, "int64": 8, "uint64": 8, "half": 2,
    "float": 4, "double": 8, "bfloat16": 2, "f8e4m3": 1, "f8e5m2": 1,
}  # fmt: skip
"""Bytes of an element by nccl-tests' name, in its order (``test_typenames`` of common.cu)."""

REDUCTIONS = ("sum", "prod", "max", "min", "avg", "mulsum")
"""nccl-tests' reductions in its order (``test_opnames`` of common.cu)."""

TRANSPORTS = ("sim", "inproc", "zmq", "mpi")
FORMATS = ("table", "json", "csv")
PICTURES = (".png", ".svg", ".pdf")
DEFAULT_RANKS = 8

_SIZE = re.compile(
    r"\s*((?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?)\s*(?:([KMG])(?:i?B)?)?\s*", re.IGNORECASE
)
_SCALE = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def parse_size(text: str) -> int:
    """Bytes of ``text`` as nccl-tests reads them: ``8``, ``1.5K``, ``32M``, ``1G``: powers of 1024.

    Raises `click.BadParameter` where it is no size, or outside 1 to `MAX_BYTES`.
    """
    match = _SIZE.fullmatch(text)
    if match is None:
        raise click.BadParameter(f"{text!r} is no size: bytes, or a number with K, M or G (1024s)")
    size = float(match[1]) * _SCALE[(match[2] or "").upper()]
    if not 1 <= size <= MAX_BYTES:
        most = f"{MAX_BYTES} ({MAX_BYTES >> 30}G)"
        raise click.BadParameter(f"{text!r} is outside 1 to {most} bytes")
    return int(size)


class Size(click.ParamType[int]):
    """The type of an option that `parse_size` reads."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Bytes; a value that is a number already is left as it is."""
        return value if isinstance(value, int) else parse_size(value)


class Root(click.ParamType[int]):
    """A rank, or ``all`` (nccl-tests' -1): every rank in turn."""

    name = "root"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the rank, -1 for every one."""
        if value in ("all", -1):
            return -1
        try:
            root = int(value)
        except ValueError:
            self.fail(f"{value!r} is no rank, nor 'all'", param, ctx)
        if root < -1:
            self.fail(f"{root} is no rank: 0 or above, or -1 or 'all' for every one", param, ctx)
        return root


@dataclass(frozen=True)
class Flags:
    """nccl-tests' flags, by their long names, with its defaults; sizes in bytes.

    ``ranks`` is ours: what ``nthreads`` times ``ngpus`` gives, where it is None. Raises
    `click.UsageError` where flags contradict each other or ask for what no simulation can give.
    """

    ranks: int | None = None
    nthreads: int | None = None
    ngpus: int | None = None
    minbytes: int | None = None
    maxbytes: int | None = None
    stepbytes: int = 1 << 20
    stepfactor: int | None = None
    iters: int = 20
    warmup_iters: int = 1
    agg_iters: int = 1
    run_cycles: int = 1
    parallel_init: int = 0
    check: int | None = None
    op: str = "sum"
    datatype: str = "float"
    root: int = 0
    blocking: int = 0
    stream_null: int = 0
    timeout: int = 0
    cudagraph: int = 0
    report_cputime: int = 0
    report_timestamps: int = 0
    output_file: str | None = None
    average: int | None = None
    local_register: int = 0
    cta_policy: int = -1
    device_implementation: int = 0
    device_cta_count: int = 16
    memory: int = 0
    unalign: int = 0
    per_iter_timing: int = 0
    per_iter_skip: int = 0

    def __post_init__(self) -> None:
        if self.smallest > self.largest:
            raise click.UsageError(f"-b is {self.smallest} bytes, above -e, {self.largest}")
        if self.ranks and not self._unset() and self.ranks != self._product():
            product = f"-t {self.threads} times -g {self.ngpus or 1} is {self._product()}"
            raise click.UsageError(f"--ranks is {self.ranks}, but {product}: give one of the two")
        if self.report_cputime:
            raise click.UsageError("-C 1 reports the CPU time of a launch; a simulation has none")
        if self.device_implementation:
            raise click.UsageError("-D asks for a device implementation of NCCL; there is only 0")
        if self.per_iter_skip and not 0 <= self.per_iter_skip < self.iters * self.per_iter_timing:
            raise click.UsageError(
                f"-K is {self.per_iter_skip}: it needs -I 1 and must be below -n ({self.iters})"
            )
        if self.output_file is not None and not self.output_file.lower().endswith(".json"):
            raise click.UsageError(f"-J {self.output_file}: only names that end in .json are known")

    def _unset(self) -> bool:
        return self.nthreads is None and self.ngpus is None

    def _product(self) -> int:
        return self.threads * (self.ngpus or 1)

    @property
    def world(self) -> int:
        """How many ranks run: --ranks, or -t times -g, or `DEFAULT_RANKS`."""
        return self.ranks or (DEFAULT_RANKS if self._unset() else self._product())

    @property
    def threads(self) -> int:
        """What nccl-tests prints as nThread."""
        return self.nthreads or 1

    @property
    def gpus(self) -> int:
        """What nccl-tests prints as nGpus: ranks a thread."""
        return self.world // self.threads

    @property
    def smallest(self) -> int:
        """-b, or nccl-tests' 32 MiB."""
        return self.minbytes if self.minbytes is not None else 32 << 20

    @property
    def largest(self) -> int:
        """-e, or nccl-tests' 32 MiB."""
        return self.maxbytes if self.maxbytes is not None else 32 << 20

    def sizes(self) -> Iterator[int]:
        """-b to -e, by the factor -f, or by the step -i where there is none."""
        size = self.smallest
        while size <= self.largest:
            yield size
            size = size * self.stepfactor if self.stepfactor else size + self.stepbytes

    def ignored(self) -> list[str]:
        """Return the flags that were set and have no meaning in a simulation, as written."""
        return [
            f"-{letter} {getattr(self, name)}"
            for name, letter in _NO_MEANING.items()
            if getattr(self, name) != getattr(type(self), name)
        ]


_NO_MEANING = {
    "parallel_init": "p", "blocking": "z", "stream_null": "y", "timeout": "T", "cudagraph": "G",
    "local_register": "R", "cta_policy": "x", "device_cta_count": "V", "memory": "M",
    "unalign": "u", "agg_iters": "m", "warmup_iters": "w",
}  # fmt: skip


@dataclass(frozen=True)
class Selection:
    """Which machine is simulated, how, and what has failed in it."""

    system: str = "cloudmatrix384"
    software: str | None = None
    engine: str = "flow"
    routing: str = "spray"
    planes: str | None = None
    without: tuple[str, ...] = ()


@dataclass(frozen=True)
class Output:
    """Where the answer goes and in which form; `None` is standard output, or not at all.

    Raises `click.UsageError` for a file that could not be written: before the work, not after it.
    """

    format: str = "table"
    output: Path | None = None
    plot: Path | None = None
    trace: Path | None = None

    def __post_init__(self) -> None:
        for name in ("output", "plot", "trace"):
            path = getattr(self, name)
            if path and not path.parent.is_dir():
                raise click.UsageError(f"--{name} {path}: there is no folder {path.parent}")
        if self.plot and self.plot.suffix.lower() not in PICTURES:
            choices = ", ".join(PICTURES)
            raise click.UsageError(f"--plot {self.plot}: the name must end in {choices}")


def gathered(name: str, kind: type, *options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return a decorator that adds ``options`` to a command, which gets them as one ``kind``."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def run(**values: Any) -> Any:
            own = {field.name: values.pop(field.name) for field in fields(kind)}
            return function(**{name: kind(**own)}, **values)

        for option in reversed(options):
            run = option(run)
        return run

    return decorate


def _number(letter: str, name: str, what: str, low: int = 0, high: int | None = None) -> Any:
    default = getattr(Flags, name)
    kind = click.IntRange(low, high)
    shown = default is not None
    return click.option(
        f"-{letter}", f"--{name}", type=kind, default=default, show_default=shown, help=what
    )


def _bytes(letter: str, name: str, what: str) -> Any:
    default = getattr(Flags, name)
    return click.option(f"-{letter}", f"--{name}", type=Size(), default=default, help=what)


def _choice(letter: str, name: str, choices: tuple[str, ...], what: str) -> Any:
    kind = click.Choice((*choices, "all"))
    default = getattr(Flags, name)
    return click.option(f"-{letter}", f"--{name}", type=kind, default=default, help=what)


nccl_options = gathered(
    "flags",
    Flags,
    click.option("--ranks", type=click.IntRange(1), help="Ranks (default: -t times -g, or 8)."),
    _number("t", "nthreads", "Threads; times -g it makes the ranks.", 1),
    _number("g", "ngpus", "Ranks a thread.", 1),
    _bytes("b", "minbytes", "Smallest size (default 32M)."),
    _bytes("e", "maxbytes", "Largest size (default 32M)."),
    _bytes("i", "stepbytes", "Step between sizes (default 1M)."),
    _number("f", "stepfactor", "Factor between sizes, instead of a step.", 2),
    _number("n", "iters", "Iterations; simulated once, as all would be alike.", 1),
    _number("w", "warmup_iters", "Warm-up iterations; a simulation needs none."),
    _number("m", "agg_iters", "Operations launched together; each is simulated alone.", 1),
    _number("N", "run_cycles", "How often the whole sweep is printed.", 1),
    _number("p", "parallel_init", "No meaning in a simulation.", 0, 1),
    _number("c", "check", "Check results; sim moves no data, so #wrong is N/A."),
    _choice("o", "op", REDUCTIONS, "Reduction (default sum)."),
    _choice("d", "datatype", tuple(DATATYPES), "Type of an element (default float)."),
    click.option("-r", "--root", type=Root(), default=0, help="Root, or all (-1) in turn."),
    _number("a", "average", "Time is that of 0 rank 0, 1 the mean, 2 first, 3 last rank.", 0, 3),
    _number("z", "blocking", "No meaning in a simulation.", 0, 3),
    _number("I", "per_iter_timing", "Columns of times per iteration.", 0, 1),
    _number("K", "per_iter_skip", "Leading iterations left out of -I's summary."),
    _number("S", "report_timestamps", "A time stamp on every row.", 0, 1),
    click.option("-J", "--output_file", help="nccl-tests' own JSON, to this .json file."),
    _number("T", "timeout", "No meaning in a simulation."),
    _number("M", "memory", "No meaning in a simulation.", 0, 1),
    _number("y", "stream_null", "No meaning in a simulation.", 0, 1),
    _number("G", "cudagraph", "No meaning in a simulation."),
    _number("C", "report_cputime", "Refused unless 0: a simulation has no CPU time.", 0, 1),
    _number("R", "local_register", "No meaning in a simulation.", 0, 2),
    _number("x", "cta_policy", "No meaning in a simulation.", -1, 2),
    _number("D", "device_implementation", "Refused unless 0."),
    _number("V", "device_cta_count", "No meaning in a simulation.", 1, 128),
    _number("u", "unalign", "No meaning in a simulation."),
)
"""Adds nccl-tests' flags, which the command gets as ``flags``, a `Flags`."""

system_options = gathered(
    "selection",
    Selection,
    click.option("--system", default=Selection.system, show_default=True, metavar="SYSTEM",
                 help="A preset's name (see `triplane topo list`) or a TOML file."),
    click.option("--software", "--endpoint", "software", metavar="NAME",
                 help="Software stack whose costs count (default: the system's own)."),
    click.option("--engine", default=Selection.engine, show_default=True, metavar="NAME",
                 help="How transfers are timed."),
    click.option("--routing", default=Selection.routing, show_default=True,
                 type=click.Choice(("spray", "hash", "adaptive")), help="How paths are chosen."),
    click.option("--planes", metavar="NAMES", help="Use these planes only, e.g. rdma or ub,rdma."),
    click.option("--without", multiple=True, metavar="NAME",
                 help="Take this switch, link or node out; may be given again."),
)  # fmt: skip
"""Adds the choice of a machine, which the command gets as ``selection``, a `Selection`."""

_FILE = click.Path(dir_okay=False, path_type=Path)

output_options = gathered(
    "output",
    Output,
    click.option("--format", type=click.Choice(FORMATS), default="table", show_default=True,
                 help="Text for people, or records for programs."),
    click.option("--output", type=_FILE, help="Write the answer here instead of printing it."),
    click.option("--plot", type=_FILE, help="Draw the answer (png, svg or pdf)."),
    click.option("--trace", type=_FILE, help="Write the last row's Perfetto trace (json)."),
)  # fmt: skip
"""Adds the choice of an output, which the command gets as ``output``, an `Output`."""
