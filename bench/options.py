"""What the user may ask for: sizes as nccl-tests reads them, its flags, and ours, checked once.

`output_options` is a decorator: it adds its options to a command and hands their values over as one
frozen dataclass; so does `bench.machine_options`, and nccl-tests' own are in `bench.cli`. Nothing
heavy is imported here, so that ``--help`` stays quick; what is refused here is refused as click
does.
"""

import functools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import click

from bench.new_files import NewFile, check_apart

MAX_BYTES = 1 << 50
"""The largest size that a benchmark takes, 1 PiB: twenty times the memory of a CloudMatrix384."""

DATATYPES = {
    "int8": 1, "uint8": 1, "int32": 4, "uint32": 4, "int64": 8, "uint64": 8, "half": 2,
    "float": 4, "double": 8, "bfloat16": 2, "f8e4m3": 1, "f8e5m2": 1,
}  # fmt: skip
"""Bytes of an element by nccl-tests' name, in its order (``test_typenames`` of common.cu)."""

REDUCTIONS = ("sum", "prod", "max", "min", "avg", "mulsum")
"""nccl-tests' reductions in its order (``test_opnames`` of common.cu)."""

SCALED = "mulsum"
"""A sum of what each rank multiplies first: timed as any other, and nothing that real ranks do."""

FORMATS = ("table", "json", "csv")
PICTURES = (".png", ".svg", ".pdf")
DEFAULT_RANKS = 8

MAX_SIZES, MAX_LIVE_SIZES = 1 << 28, 1 << 16
"""Sizes that a benchmark goes through at most, simulated one after the other, or with real ranks,
which are given all of them at once."""

_SIZE = re.compile(
    r"\s*((?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?)\s*(?:([KMG])(?:i?B)?)?\s*", re.IGNORECASE
)
_SCALE = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def parse_size(text: str) -> int:
    """The bytes that ``text`` means to nccl-tests: ``8``, ``1.5K``, ``32M``, ``1G`` (1024s).

    Raises `click.BadParameter` for no size, or one above `MAX_BYTES`.
    """
    match = _SIZE.fullmatch(text)
    if match is None:
        raise click.BadParameter(f"{text!r} is no size: bytes, or a number with K, M or G (1024s)")
    size = float(match[1]) * _SCALE[(match[2] or "").upper()]
    if size > MAX_BYTES:
        most = f"{MAX_BYTES} ({MAX_BYTES >> 30}G)"
        raise click.BadParameter(f"{text!r} is outside 0 to {most} bytes")
    return int(size)


def parse_bytes(text: str) -> int:
    """The bytes that ``text`` means, as `parse_size`; `click.BadParameter` for 0 as well."""
    size = parse_size(text)
    if not size:
        raise click.BadParameter(f"{text!r} is less than a byte")
    return size


def parse_root(text: str) -> int:
    """The rank that ``text`` names; -1 for ``all`` or -1, which means every rank in turn.

    Raises `click.BadParameter` for anything else.
    """
    if text == "all":
        return -1
    if not re.fullmatch(r"-1|\d{1,9}", text):
        raise click.BadParameter(f"{text!r} is no rank: 0 or above, or all (-1) for every one")
    return int(text)


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
        if self.smallest < self.largest:
            self._check_steps()
        if not self.run_cycles:
            raise click.UsageError("-N 0 goes on without end in nccl-tests; a number is needed")
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

    def _check_steps(self) -> None:
        if self.factor and not self.smallest:
            raise click.UsageError(
                f"-b 0 times -f {self.factor} stays 0: step by -i, or begin at -b 1"
            )
        self.check_sizes(MAX_SIZES)

    def check_sizes(self, most: int) -> None:
        """Raise `click.UsageError` if there are more than ``most`` sizes."""
        span = self.largest - self.smallest
        if not self.factor and span and span >= most * self.stepbytes:
            raise click.UsageError(
                f"-i {self.stepbytes} from -b {self.smallest} to -e {self.largest} makes more than"
                f" {most} sizes"
            )

    def _unset(self) -> bool:
        return self.nthreads is None and self.ngpus is None

    def _product(self) -> int:
        return self.threads * (self.ngpus or 1)

    @property
    def world(self) -> int:
        """Number of ranks: --ranks, or -t times -g, or `DEFAULT_RANKS`."""
        return self.ranks or (DEFAULT_RANKS if self._unset() else self._product())

    @property
    def threads(self) -> int:
        """Number of threads, which nccl-tests prints as nThread."""
        return self.nthreads or 1

    @property
    def gpus(self) -> int:
        """Number of ranks for each thread, which nccl-tests prints as nGpus."""
        return self.world // self.threads

    @property
    def factor(self) -> int:
        """The factor between sizes (-f) if above 1.

        0 if sizes go by the step -i, as in nccl-tests.
        """
        return self.stepfactor if self.stepfactor is not None and self.stepfactor > 1 else 0

    @property
    def smallest(self) -> int:
        """The smallest size in bytes: -b, or nccl-tests' 32 MiB."""
        return self.minbytes if self.minbytes is not None else 32 << 20

    @property
    def largest(self) -> int:
        """The largest size in bytes: -e, or nccl-tests' 32 MiB."""
        return self.maxbytes if self.maxbytes is not None else 32 << 20

    def sizes(self) -> Iterator[int]:
        """Iterate over sizes in bytes from -b to -e, by factor -f if above 1, else by step -i."""
        size = self.smallest
        while size <= self.largest:
            yield size
            if size == self.largest:
                return
            size = size * self.factor if self.factor else size + self.stepbytes

    def ignored(self, is_live: bool = False) -> list[str]:
        """The flags that were set and have no effect, as written on the command line.

        ``is_live``: with real ranks; else in a simulation.
        """
        return [
            f"-{letter} {getattr(self, name)}"
            for name, letter in _NO_MEANING.items()
            if getattr(self, name) != getattr(type(self), name) and not (is_live and name in _LIVE)
        ]


_NO_MEANING = {
    "parallel_init": "p", "blocking": "z", "stream_null": "y", "timeout": "T", "cudagraph": "G",
    "local_register": "R", "cta_policy": "x", "device_cta_count": "V", "memory": "M",
    "unalign": "u", "agg_iters": "m", "warmup_iters": "w",
}  # fmt: skip

_LIVE = ("timeout", "warmup_iters")  # these mean something to real ranks


@dataclass(frozen=True)
class Output:
    """Where the answer goes and in which form; `None` is standard output, or not at all.

    Raises `click.UsageError` where two would be written to one file, or a picture has no such name.
    """

    format: str = "table"
    output: Path | None = None
    plot: Path | None = None
    trace: Path | None = None
    timeline: Path | None = None
    heatmap: Path | None = None
    goal: Path | None = None
    chakra: Path | None = None

    def __post_init__(self) -> None:
        check_apart(self.single(), self.chakra)
        for name in ("plot", "heatmap"):
            path = getattr(self, name)
            if path and path.suffix.lower() not in PICTURES:
                choices = ", ".join(PICTURES)
                raise click.UsageError(f"--{name} {path}: the name must end in {choices}")

    def single(self) -> dict[str, Path | None]:
        """The file of each option that writes one, by option; None if it was not given."""
        names = ("output", "plot", "trace", "timeline", "heatmap", "goal")
        return {f"--{name}": getattr(self, name) for name in names}


def check_none_empty(ctx: click.Context) -> None:
    """Raise `click.UsageError` for an option without a word.

    A shell makes such of a variable that is not set.
    """
    for param in ctx.command.params:
        value = ctx.params.get(param.name or "")
        words = value if isinstance(value, tuple) else (value,)
        if isinstance(param, click.Option) and "" in words:
            raise click.UsageError(f"{param.opts[0]} is empty: give a value, or leave it out")


class Names(click.ParamType[tuple[str, ...]]):
    """Names with commas between them, each once."""

    name = "names"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        """``value`` as names in order; which there are is for the command to say."""
        if isinstance(value, tuple):
            return value
        names = [name.strip() for name in str(value).split(",")]
        if not all(names):
            self.fail(f"{value!r:.60} has an empty name in it", param, ctx)
        return tuple(dict.fromkeys(names))


def gathered(name: str, kind: type, *options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A decorator that adds ``options`` to a command, which gets their values as one ``kind``."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def run(**values: Any) -> Any:
            check_none_empty(click.get_current_context())
            own = {field.name: values.pop(field.name) for field in fields(kind)}
            given = {key: value for key, value in own.items() if value is not None}
            return function(**{name: kind(**given)}, **values)

        for option in reversed(options):
            run = option(run)
        return run

    return decorate


_FILE = NewFile()

output_options = gathered(
    "output",
    Output,
    click.option("--format", type=click.Choice(FORMATS), default="table", show_default=True,
                 help="Text for people, or records for programs."),
    click.option("--output", type=_FILE, help="Write the answer here instead of printing it."),
    click.option("--plot", type=_FILE, help="Draw the answer (png, svg or pdf)."),
    click.option("--trace", type=_FILE, help="Write the last row's Perfetto trace (json)."),
    click.option("--timeline", type=_FILE,
                 help="Write the last row's timeline (npz), for triplane view; of moe, dispatch"
                      " and combine one after the other."),
    click.option("--heatmap", type=_FILE,
                 help="Draw the last row's bytes and time, ranks by ranks (png, svg or pdf)."),
    click.option("--goal", type=_FILE, help="Write the last row's schedule as GOAL."),
    click.option("--chakra", type=NewFile(is_prefix=True), metavar="PREFIX",
                 help="Write the last row's schedule as Chakra traces, PREFIX.RANK.et."),
)  # fmt: skip
"""Adds the choice of an output, which the command gets as ``output``, an `Output`."""


def answer_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--format`` and ``--output`` to a command, which gets them as ``form`` and ``output``.

    For answers that are records alone, without schedules to write.
    """
    form = click.option(
        "--format", "form", type=click.Choice(FORMATS), default="table", show_default=True
    )
    output = click.option(
        "--output", type=_FILE, help="Write the answer here instead of printing it."
    )
    return form(output(function))


trace_option = click.option(
    "--trace", type=_FILE, help="Write the last row's Perfetto trace (json)."
)
"""Adds the choice of a trace beside `answer_options`, which the command gets as ``trace``."""

sensitivity_option = click.option(
    "--sensitivity", "what_matters", is_flag=True,
    help="By how many per cent the answer moves if each constant, limit and class of links moves by"
         " 10%, simulated anew.",
)  # fmt: skip
"""Adds the question what matters to an answer."""


def check_sensitivity(transport: str) -> None:
    """Raise `click.UsageError` if real ranks run: an answer moves only in a simulation."""
    if transport != "sim":
        raise click.UsageError(
            f"--sensitivity simulates anew; it does not go with --transport {transport}"
        )
