"""What the output of a benchmark does not say and its user does, and the rows that come of it."""

from dataclasses import dataclass, fields, replace
from typing import Any

from bench.cases.operations import OPERATIONS
from bench.published.case import plain
from bench.published.rows import PublishedRow
from topology.errors import TriplaneError
from topology.names import near

MOE = ("dispatch", "combine")
"""The operations of MoE, which are measured by tokens."""


class MeasuredError(TriplaneError):
    """A file of measurements cannot be read, or does not say something that is needed."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What holds for rows whose file does not say it; None or "" for what nobody said.

    ``system``: a preset's name or a topology's file. ``op``, ``ranks``, ``algorithm``: of
    collectives. ``tokens``, ``hidden``, ``top_k``, ``experts``: of dispatch and combine.
    """

    system: str = "cloudmatrix384"
    op: str = ""
    ranks: int | None = None
    algorithm: str = ""
    tokens: int | None = None
    hidden: int | None = None
    top_k: int | None = None
    experts: int | None = None

    def completed(self, **values: Any) -> "Setting":
        """The setting, with ``values`` where it says nothing itself."""
        return replace(
            self, **{name: value for name, value in values.items() if not getattr(self, name)}
        )

    def row(self, file: str, line: int, value: float, **known: Any) -> PublishedRow:
        """One measurement: ``value`` in us unless ``known`` has a metric and a unit.

        ``file``, ``line``: where it stands, which is its id. ``known``: columns of `PublishedRow`
        that its file says. Sizes of collectives are counted as nccl-tests' S. Raises
        `MeasuredError` naming the line for what neither says.
        """
        where = f"{file}: line {line}"
        op = plain(str(known.get("op") or self.op))
        if op not in OPERATIONS and op not in MOE:
            raise MeasuredError(f"{where}: {_no_operation(op)}")
        empty: dict[str, Any] = dict.fromkeys((field.name for field in fields(PublishedRow)), "")
        empty |= {"size": None, "tokens": None}
        own = {"ranks": self.ranks, "mode": self.algorithm, "system": self.system}
        moe = {name: getattr(self, name) for name in ("tokens", "hidden", "top_k", "experts")}
        given = {name: one for name, one in known.items() if one not in (None, "")}
        values = {
            **empty, **moe, **own, "metric": "latency", "unit": "us", **given,
            "op": op, "id": f"{file}:{line}", "value": value,
        }  # fmt: skip
        row = PublishedRow(**values)
        if not row.ranks or row.ranks < 2:
            raise MeasuredError(
                f"{where}: it has {row.ranks or 'no number of'} ranks; --ranks N says how many"
                " measured it, 2 or more"
            )
        needed, option = (row.tokens, "--tokens") if op in MOE else (row.size, "a size")
        if not needed:
            raise MeasuredError(f"{where}: {op} needs {option}")
        return row


def _no_operation(op: str) -> str:
    known = (*OPERATIONS, *MOE)
    if not op:
        return f"it does not say which operation; --op NAME does: {', '.join(known)}"
    return f"no operation {op!r}; there are {', '.join(known)}{near(op, known)}"


def number(text: str, where: str) -> float:
    """The number above 0 in ``text``; raises `MeasuredError` with ``where`` it stands."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise MeasuredError(f"{where}: {text[:40]!r} is no number above 0")
    return value
