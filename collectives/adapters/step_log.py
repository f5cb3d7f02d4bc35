"""How long an engine's calls would have taken on the emulated machine, by step and layer.

A step is one pass of the engine through its layers: a prefill, or one token of each sequence. The
times are those of the emulated machine at one rank, from when it begins a call until its part of it
is over, which includes waiting for the others.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

UNSETTLED = 1000
"""Calls whose times have not been asked for: the authority forgets them after some ten thousand."""


@dataclass(frozen=True, slots=True)
class StepEntry:
    """A call of an engine: its begin and end in emulated seconds, and its number of ``tokens``.

    ``system``, ``software``: the emulated machine, and the software stack that the call is timed
    by. ``kind``: of steps that no request has asked for, "warm-up" or "dummy".
    """

    step: int
    layer: str
    operation: str
    tokens: int
    begin: float
    end: float
    system: str = ""
    software: str = ""
    kind: str = ""

    @property
    def duration(self) -> float:
        """Duration of the call in emulated seconds."""
        return self.end - self.begin


class TimedWork(Protocol):
    """Anything with `times`, such as a `collectives.Work`."""

    def times(self) -> tuple[float, float]:
        """Begin and end of the call in emulated seconds."""


class StepLog:
    """The calls of one rank's engine, in order.

    Layers are called in turn, so a step is over when a layer makes the same call again. An engine
    that knows when a step begins says so (`begin`).
    """

    def __init__(self) -> None:
        self._step, self._kind, self._said = 0, "", False
        self._seen: set[tuple[str, str]] = set()
        self._open: list[tuple[int, str, str, int, TimedWork, tuple[str, str], str]] = []
        self._rows: list[StepEntry] = []

    def begin(self, kind: str = "") -> int:
        """Begin a step, which lasts until the next is begun; its number. ``kind``: its entries'."""
        self._step += self._said
        self._kind, self._said = kind, True
        return self._step

    def add(
        self, layer: str, operation: str, tokens: int, work: TimedWork,
        machine: tuple[str, str] | None = None,
    ) -> None:  # fmt: skip
        """Add a call that is over; ``machine``: as `Communicator.machine` returns it."""
        if not self._said:
            if (layer, operation) in self._seen:
                self._step += 1
                self._seen.clear()
            self._seen.add((layer, operation))
        of = machine or ("", "")
        self._open.append((self._step, layer, operation, tokens, work, of, self._kind))
        if len(self._open) >= UNSETTLED:
            self._settle()

    def rows(self) -> list[StepEntry]:
        """All calls so far, in order. Raises `WorldError` if no machine is emulated."""
        self._settle()
        return list(self._rows)

    def since(self, seen: int) -> list[StepEntry]:
        """The calls so far but for the first ``seen``; raises as `rows`."""
        self._settle()
        return self._rows[seen:]

    def _settle(self) -> None:
        taken, self._open = self._open, []
        for step, layer, operation, tokens, work, machine, kind in taken:
            times = work.times()
            self._rows.append(StepEntry(step, layer, operation, tokens, *times, *machine, kind))


def as_json(rows: Iterable[StepEntry]) -> list[dict[str, Any]]:
    """Rows as JSON values, an object each; ``StepEntry(**row)`` makes a row again."""
    return [asdict(row) for row in rows]


def table(rows: Sequence[StepEntry], by: str) -> str:
    """Emulated microseconds of each operation, as a text table; ``by``: "step" or "layer".

    By step: tokens of the rank, and the sum over layers; steps that no request has asked for say
    so. By layer: calls, and the mean of a call.
    The first line names the emulated machine, and the software stacks that time the calls. Raises
    `ValueError` for another ``by``.
    """
    if by not in ("step", "layer"):
        raise ValueError(f"by is {by!r}; there are step, layer")
    operations = list(dict.fromkeys(row.operation for row in rows))
    keys = list(dict.fromkeys(getattr(row, by) for row in rows))
    lines = [[by, "tokens" if by == "step" else "calls", *(f"{op} us" for op in operations)]]
    for key in keys:
        mine = [row for row in rows if getattr(row, by) == key]
        called = len({row.operation for row in mine})
        count = max(row.tokens for row in mine) if by == "step" else len(mine) // called
        name = f"{mine[0].kind} {key}".lstrip() if by == "step" else str(key)
        lines.append([name, str(count), *(_time(mine, op, by) for op in operations)])
    return _machines(rows) + _aligned(lines)


def _machines(rows: Sequence[StepEntry]) -> str:
    software: dict[str, dict[str, None]] = {}
    for row in rows:
        if row.system:
            software.setdefault(row.system, {})[row.software] = None
    return "".join(f"# {system} with {', '.join(of)}\n" for system, of in software.items())


def _time(rows: Sequence[StepEntry], operation: str, by: str) -> str:
    times = [row.duration for row in rows if row.operation == operation]
    if not times:
        return "-"
    whole = sum(times) if by == "step" else sum(times) / len(times)
    return f"{whole * 1e6:.2f}"


def _aligned(lines: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True))
        for line in lines
    )
