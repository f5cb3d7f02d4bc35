"""What matters to an answer: how far it moves when each number behind it moves by a tenth.

The numbers are the constants and limits of the operation's software, and the bandwidth and latency
of each class of links. Every change is simulated anew, exactly.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from bench.records import Record, Value, as_text, size_text
from fabric.endpoint.costs import FREE_VALUES, Costs, Endpoint
from fabric.endpoint.presets import UNITS, key_of
from fabric.fabric import Fabric
from topology.graph import Topology
from topology.units import GB, US

CHANGE = 0.1
"""By which fraction a number is changed, up and down."""

LEAST = 1e-6
"""The fraction of a time from which on a change matters: less is the rounding of numbers."""

CONSTANT, LIMIT, LINK = "software", "limit", "link"
"""What a number can be of: software's own time, a limit that software sets, or links."""

_LIMITS = (
    "message_gap", "pair_bandwidth", "initiator_bandwidth", "efficiency", "protocol_bandwidth",
)  # fmt: skip

_Bools = NDArray[np.bool_]

Asked = TypeVar("Asked")
"""What an answer is asked of, such as a fabric."""


@dataclass(frozen=True)
class Knob(Generic[Asked]):
    """One number behind an answer.

    ``value``: in ``unit``; ``changed``: what the answer is asked of, with ``1 + fraction`` times as
    much, None if it cannot be.
    """

    kind: str
    name: str
    value: float
    unit: str
    changed: Callable[[float], Asked | None]


@dataclass(frozen=True, slots=True)
class Effect:
    """By what fraction an answer moves, if a number moves by `CHANGE` ``up`` or ``down``.

    None: the number cannot move there. ``least``: the fraction from which on it matters.
    """

    knob: Knob[Any]
    up: float | None
    down: float | None
    least: float = LEAST

    @property
    def size(self) -> float:
        """The larger of the two changes, without its sign."""
        return max(abs(self.up or 0.0), abs(self.down or 0.0))

    @property
    def matters(self) -> bool:
        """False if the answer does not depend on the number at all."""
        return self.size >= self.least

    def record(self) -> dict[str, Value]:
        """The effect as a record, changes in percent."""
        up, down = (None if move is None else 100 * move for move in (self.up, self.down))
        return {
            "kind": self.knob.kind, "what": self.knob.name,
            "value": float(f"{self.knob.value:.6g}"), "unit": self.knob.unit,
            f"percent_at_plus_{CHANGE:.0%}"[:-1]: up, f"percent_at_minus_{CHANGE:.0%}"[:-1]: down,
        }  # fmt: skip


def effects(
    fabric: Fabric, operations: Sequence[str], time: Callable[[Fabric], float]
) -> list[Effect]:
    """How the answer ``time(fabric)`` follows each number behind it, the largest effect first.

    ``operations``: whose constants time it, with their variants.
    """
    fabric = exact(fabric)
    return effects_of(knobs(fabric, operations), fabric, time)


def effects_of(
    numbers: Iterable[Knob[Asked]], asked: Asked, time: Callable[[Asked], float],
    least: float = LEAST,
) -> list[Effect]:  # fmt: skip
    """How the answer ``time(asked)`` follows each of these numbers, the largest effect first.

    ``least``: the fraction from which on a change matters.
    """
    base = time(asked)

    def moved(knob: Knob[Asked], fraction: float) -> float | None:
        other = knob.changed(fraction)
        return None if other is None else time(other) / base - 1 if base else 0.0

    found = [Effect(one, moved(one, CHANGE), moved(one, -CHANGE), least) for one in numbers]
    return sorted(found, key=lambda effect: -effect.size)


def exact(fabric: Fabric) -> Fabric:
    """The fabric without the flow engine's tolerance, so that small changes are seen."""
    if fabric.engine != "flow" or "tolerance" in fabric.engine_options:
        return fabric
    return replace(fabric, tolerance=0.0)


def knobs(fabric: Fabric, operations: Sequence[str]) -> list[Knob[Fabric]]:
    """All numbers behind an answer: constants of ``operations``, and links of the planes in use."""
    keys = dict.fromkeys(map(fabric.software.key, operations))
    constants = [knob for key in keys if key is not None for knob in _constants(fabric, key)]
    return [*constants, *_links(fabric)]


# --- software


def _constants(fabric: Fabric, key: str) -> Iterator[Knob[Fabric]]:
    costs = fabric.software.by_operation[key]
    for name in (constant.name for constant in fields(Costs)):
        given = getattr(costs, name)
        if isinstance(given, Mapping):
            for part in given:
                yield _constant(fabric, key, name, part)
        elif given != FREE_VALUES[name]:
            yield _constant(fabric, key, name, None)


def _constant(fabric: Fabric, key: str, name: str, part: str | None) -> Knob[Fabric]:
    endpoint = fabric.software
    given = getattr(endpoint.by_operation[key], name)
    value = given if part is None else given[part]
    suffix, unit = UNITS.get(name, ("", 1.0))

    def changed(fraction: float) -> Fabric | None:
        new = value * (1 + fraction)
        if name == "efficiency" and new > 1:
            return None
        other = new if part is None else {**given, part: new}
        return replace(fabric, endpoint=_with(endpoint, key, name, other))

    return Knob(
        LIMIT if name in _LIMITS else CONSTANT, ".".join(filter(None, (key_of(key), name, part))),
        value / unit, suffix[1:].replace("GBps", "GB/s"), changed,
    )  # fmt: skip


def _with(endpoint: Endpoint, key: str, name: str, value: float | Mapping[str, float]) -> Endpoint:
    costs: Costs = replace(endpoint.by_operation[key], **{name: value})  # type: ignore[arg-type]
    return replace(endpoint, by_operation={**endpoint.by_operation, key: costs})


# --- links


def _links(fabric: Fabric) -> Iterator[Knob[Fabric]]:
    """Two numbers for each class of links, see `link_classes`."""
    topology = fabric.topology
    for name, which in link_classes(topology, fabric.router.planes):
        for column, unit, text in (("link_bandwidth", GB, "GB/s"), ("link_latency", US, "us")):
            values = getattr(topology, column)[which]
            if values.any():
                yield Knob(
                    LINK, f"{name} {column.removeprefix('link_')}", float(values.max()) / unit,
                    text, _scaled(fabric, column, which),
                )  # fmt: skip


def link_classes(topology: Topology, planes: Sequence[str]) -> Iterator[tuple[str, _Bools]]:
    """Iterate over the classes of links: those of a plane that join the same kinds of vertices.

    For each its name, such as ``ub die-l1``, and which links: bool [links].
    """
    kinds = np.array(topology.vertex_kinds)
    ends = np.sort(np.array([kinds[topology.link_src], kinds[topology.link_dst]]), axis=0)
    for plane in planes:
        mine = topology.link_plane == topology.plane(plane)
        for one, other in dict.fromkeys(zip(*ends[:, mine].tolist(), strict=True)):
            yield f"{plane} {one}-{other}", mine & (ends[0] == one) & (ends[1] == other)


def _scaled(fabric: Fabric, column: str, which: _Bools) -> Callable[[float], Fabric]:
    def changed(fraction: float) -> Fabric:
        values = getattr(fabric.topology, column)
        new = np.where(which, values * (1 + fraction), values)
        return replace(fabric, topology=replace(fabric.topology, **{column: new}))

    return changed


# --- as records and text

ABOUT = (
    "op", "workload", "system", "software", "deployment", "model", "mode", "ranks", "batch",
    "context", "prompt", "tokens", "hidden", "top_k", "skew",
    "size_bytes", "datatype", "redop", "root", "algorithm", "pattern", "local", "remote",
    "distance", "blocks", "window", "time_us",
)  # fmt: skip
"""What an effect's record has of the answer's."""


Answer = tuple[Record, Sequence[Effect]]
"""An answer's record, and the effects on it."""


def records(answers: Iterable[Answer]) -> list[dict[str, Value]]:
    """The effects on answers as records, each with what was asked."""
    return [
        {key: answer[key] for key in ABOUT if key in answer} | effect.record()
        for answer, found in answers for effect in found
    ]  # fmt: skip


def text(answers: Iterable[Answer]) -> str:
    """The effects on answers as text, a table for each with a line about the answer above it."""
    return "".join(f"#\n# {_title(answer)}\n{_table(found)}" for answer, found in answers)


def _title(answer: Record) -> str:
    asked = [str(answer["op"]), f"{answer['ranks']} ranks"]
    if "batch" in answer:
        asked.append(f"batch {answer['batch']}")
    elif "tokens" in answer:
        asked.append(f"{answer['tokens']:g} tokens")
    elif "count" in answer or "blocks" in answer:
        asked.append(f"{size_text(float(str(answer['size_bytes'])))} bytes")
        asked += [str(answer[key]) for key in ("algorithm", "distance") if key in answer]
    return f"{', '.join(asked)}: {answer['time_us']:.5g} us moves with"


def _table(found: Sequence[Effect]) -> str:
    """A text table, and a line of the numbers that do not matter."""
    rows: list[Record] = [
        {
            "what": effect.knob.name, "of": effect.knob.kind, "value": effect.knob.value,
            "unit": effect.knob.unit,
            f"+{CHANGE:.0%}": _percent(effect.up), f"-{CHANGE:.0%}": _percent(effect.down),
        }
        for effect in found if effect.matters
    ]  # fmt: skip
    nothing = [effect.knob.name for effect in found if not effect.matters]
    last = f"# does not matter at all: {', '.join(nothing)}\n" if nothing else ""
    return (as_text(rows, "table") if rows else "") + last


def _percent(move: float | None) -> str | None:
    return None if move is None else f"{100 * move:+.3g}%"
