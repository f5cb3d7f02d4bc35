"""Answers of bench commands as rows: what each is about, what was found, and on which machine."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.machine import BenchError
from bench.records import Value
from fabric.machine import MachineSpec
from topology.errors import TriplaneError
from topology.files.reading import read_json, shown

ABOUT = (
    "bench", "op", "id", "metric", "unit", "use", "kind", "workload", "mode", "way", "model",
    "deployment", "pattern", "local", "remote", "distance", "window", "blocks", "system",
    "software", "engine", "routing", "plane", "ranks", "tokens", "batch", "context", "mtp",
    "acceptance", "microbatches", "hidden", "top_k", "experts", "dtype", "skew",
    "expert_placement", "seed", "size_bytes", "count", "datatype", "redop", "root", "algorithm",
    "transport", "npus", "supernodes", "mean_block", "mix", "rank", "policy", "requests",
    "layout", "prefill_tp", "decode_tp", "decode_dp", "sources", "prompt", "reused", "imbalance",
    "prefill_instances", "decode_instances", "accelerators", "max_batch", "attention_ranks",
    "expert_ranks", "domains", "flexible_groups",
)  # fmt: skip
"""Columns that say what a row is about, besides those of a sweep that begin with `ASKED`."""

ASKED = "asked_"
"""How the columns of a sweep begin that say what was asked."""

OF_MACHINE = ("system", "software", "engine", "routing")
"""Columns that say which machine it was; where rows have machines, these say more."""

OF_VERSION = ("version", "code")
"""Columns of a sweep that say which Triplane has answered."""

IGNORED = ("host_time_s", "machine", "key", "point")
"""Columns that are no part of what was found: they differ from run to run, or between studies."""


@dataclass(frozen=True)
class Row:
    """A record of an answer; ``machine``: None where it says none."""

    values: Mapping[str, Value]
    machine: MachineSpec | None

    def key(self, columns: Sequence[str]) -> tuple[Value, ...]:
        """What the row is about, by these columns."""
        return tuple(self.values.get(name) for name in columns)


def load(path: Path) -> list[Row]:
    """The rows of the answer in the JSON file at ``path``; raises `BenchError` for no answer."""
    contents = read_json(path, BenchError)
    if not isinstance(contents, list) or not contents:
        raise BenchError(f"{path} is no answer of a bench command: it has to be a list of records")
    return [_row(one, f"{path}: record {number}") for number, one in enumerate(contents)]


def _row(record: object, where: str) -> Row:
    if not isinstance(record, dict):
        raise BenchError(f"{where} is {shown(record)}, no object")
    for name, value in record.items():
        if name != "machine" and isinstance(value, dict | list):
            raise BenchError(f"{where}: {name} is {shown(value)}, no single value")
    machine = record.get("machine")
    try:
        built = None if machine is None else MachineSpec.from_json(machine)
    except TriplaneError as error:
        raise BenchError(f"{where}: {error}") from None
    return Row({name: value for name, value in record.items() if name != "machine"}, built)


def about(a: Sequence[Row], b: Sequence[Row]) -> list[str]:
    """The columns by which rows of both answers are matched.

    Of those of `ABOUT`, those are left out without which more rows match, as long as each answer
    still tells its rows apart as well: they are what differs between the answers.
    """
    names = dict.fromkeys(name for row in (*a, *b) for name in row.values)
    named = [name for name in names if name in ABOUT or name.startswith(ASKED)]
    same = {name for name in named if len({row.values.get(name) for row in (*a, *b)}) == 1}
    chosen = [name for name in named if name not in same]
    while (better := _best(a, b, chosen)) is not None:
        chosen = better
    return [name for name in named if name in same or name in chosen]


def _best(a: Sequence[Row], b: Sequence[Row], chosen: list[str]) -> list[str] | None:
    """``chosen`` without the column without which the most rows match; None if none is better.

    Of several that are as good the last is left out, then all that differ and do not tell rows
    apart: each is one of the differences.
    """
    least, best = matches(a, b, chosen), None
    distinct = _distinct(a, chosen), _distinct(b, chosen)
    for number in reversed(range(len(chosen))):
        fewer = chosen[:number] + chosen[number + 1 :]
        if (_distinct(a, fewer), _distinct(b, fewer)) != distinct:
            continue
        count = matches(a, b, fewer)
        differs = {row.values.get(chosen[number]) for row in a}.isdisjoint(
            {row.values.get(chosen[number]) for row in b}
        )
        if count > least or (best is None and differs and count >= least):
            least, best = count, fewer
    return best


def _distinct(rows: Sequence[Row], columns: Sequence[str]) -> int:
    return len({row.key(columns) for row in rows})


def matches(a: Sequence[Row], b: Sequence[Row], columns: Sequence[str]) -> int:
    """How many rows of two answers are about the same by these columns."""
    found = Counter(row.key(columns) for row in a) & Counter(row.key(columns) for row in b)
    return found.total()


def pairs(
    a: Sequence[Row], b: Sequence[Row], columns: Sequence[str]
) -> Iterator[tuple[Row | None, Row | None]]:
    """Iterate over the rows of both that are about the same, in a's order, then over b's others.

    None stands for a row that only the other answer has. Of rows about the same thing the first
    belongs to the first.
    """
    left: dict[tuple[Value, ...], list[Row]] = {}
    for row in b:
        left.setdefault(row.key(columns), []).append(row)
    used: set[int] = set()
    for row in a:
        there = left.get(row.key(columns))
        other = there.pop(0) if there else None
        used |= {id(other)}
        yield row, other
    yield from ((None, row) for row in b if id(row) not in used)
