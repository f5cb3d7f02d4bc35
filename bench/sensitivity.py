"""What matters to an answer: how far it moves when each number behind it moves by a tenth.

The numbers are the constants and limits of the operation's software, and the bandwidth and latency
of each class of links. Every change is simulated anew, exactly.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Generic, NamedTuple, TypeVar

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

Whole = TypeVar("Whole")
"""What has such a thing in it."""


@dataclass(frozen=True)
class Knob(Generic[Asked]):
    """One number behind an answer.

    ``value``: in ``unit``; ``changed``: of what the answer is asked of and a fraction, the same
    thing with ``1 + fraction`` times as much, None if it cannot be.
    """

    kind: str
    name: str
    value: float
    unit: str
    changed: Callable[[Asked, float], Asked | None]

    def changing(self, changed: "Callable[[Whole, float], Whole | None]") -> "Knob[Whole]":
        """The same number of something that is changed in its own way."""
        return Knob(self.kind, self.name, self.value, self.unit, changed)

    def within(
        self, part: Callable[[Whole], Asked], put: Callable[[Whole, Asked], Whole]
    ) -> "Knob[Whole]":
        """The same number of something that has ``part``, and gets another one by ``put``."""

        def changed(whole: Whole, fraction: float) -> Whole | None:
            other = self.changed(part(whole), fraction)
            return None if other is None else put(whole, other)

        return self.changing(changed)


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
    (found,) = effects_on_each(numbers, asked, lambda one: (time(one),), least)
    return found


def effects_on_each(
    numbers: Iterable[Knob[Asked]], asked: Asked, answers: Callable[[Asked], Sequence[float]],
    least: float = LEAST,
) -> list[list[Effect]]:  # fmt: skip
    """As `effects_of`, for each of several ``answers(asked)``, which are found together."""
    base = answers(asked)

    def moves(knob: Knob[Asked], fraction: float) -> list[float | None]:
        other = knob.changed(asked, fraction)
        if other is None:
            return [None] * len(base)
        return [
            new / old - 1 if old else 0.0 for new, old in zip(answers(other), base, strict=True)
        ]

    moved = [(one, moves(one, CHANGE), moves(one, -CHANGE)) for one in numbers]
    found = (
        [Effect(one, up[at], down[at], least) for one, up, down in moved] for at in range(len(base))
    )
    return [sorted(each, key=lambda effect: -effect.size) for each in found]


def exact(fabric: Fabric) -> Fabric:
    """The fabric without the flow engine's tolerance, so that small changes are seen."""
    if fabric.engine != "flow" or "tolerance" in fabric.engine_options:
        return fabric
    return replace(fabric, tolerance=0.0)


def knobs(fabric: Fabric, operations: Sequence[str]) -> list[Knob[Fabric]]:
    """All numbers behind an answer: constants of ``operations``, and links of the planes in use."""
    return knobs_of_all([(fabric, operations)])


def knobs_of_all(asked: Sequence[tuple[Fabric, Sequence[str]]]) -> list[Knob[Fabric]]:
    """The numbers behind an answer of several fabrics of one machine, with their operations.

    Each holds for all of the fabrics: one whose software does not have a constant stays as it is.
    """
    found: dict[tuple[str, str], Knob[Fabric]] = {}
    for fabric, operations in asked:
        keys = dict.fromkeys(map(fabric.software.key, operations))
        for knob in (knob for key in keys if key is not None for knob in _constants(fabric, key)):
            found[fabric.software.name, knob.name] = knob
    for fabric, _ in asked:
        found.update({(LINK, knob.name): knob for knob in _links(fabric)})
    return list(found.values())


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
    stack = fabric.software.name
    given = getattr(fabric.software.by_operation[key], name)
    value = given if part is None else given[part]
    suffix, unit = UNITS.get(name, ("", 1.0))

    def changed(other: Fabric, fraction: float) -> Fabric | None:
        new = value * (1 + fraction)
        if name == "efficiency" and new > 1:
            return None
        if other.software.name != stack or key not in other.software.by_operation:
            return other
        whole = new if part is None else {**given, part: new}
        return replace(other, endpoint=_with(other.software, key, name, whole))

    return Knob(
        LIMIT if name in _LIMITS else CONSTANT, ".".join(filter(None, (key_of(key), name, part))),
        value / unit, suffix[1:].replace("GBps", "GB/s"), changed,
    )  # fmt: skip


def _with(endpoint: Endpoint, key: str, name: str, value: float | Mapping[str, float]) -> Endpoint:
    costs: Costs = replace(endpoint.by_operation[key], **{name: value})  # type: ignore[arg-type]
    return replace(endpoint, by_operation={**endpoint.by_operation, key: costs})


# --- links


class LinkClass(NamedTuple):
    """The links of a plane that join vertices of these two kinds, in alphabetical order."""

    plane: str
    one: str
    other: str

    def __str__(self) -> str:
        return f"{self.plane} {self.one}-{self.other}"

    def of(self, topology: Topology) -> _Bools:
        """Which links of a topology are in it: bool [links]."""
        ends = _kinds_of_ends(topology)
        mine = topology.link_plane == topology.plane(self.plane)
        found: _Bools = mine & (ends[0] == self.one) & (ends[1] == self.other)
        return found


def link_classes(topology: Topology, planes: Sequence[str]) -> Iterator[LinkClass]:
    """Iterate over the classes of a topology's links."""
    ends = _kinds_of_ends(topology)
    for plane in planes:
        mine = topology.link_plane == topology.plane(plane)
        for one, other in dict.fromkeys(zip(*ends[:, mine].tolist(), strict=True)):
            yield LinkClass(plane, one, other)


def _kinds_of_ends(topology: Topology) -> NDArray[np.str_]:
    kinds = np.array(topology.vertex_kinds)
    return np.sort(np.array([kinds[topology.link_src], kinds[topology.link_dst]]), axis=0)


def _links(fabric: Fabric) -> Iterator[Knob[Fabric]]:
    """Two numbers for each class of links."""
    topology = fabric.topology
    for which in link_classes(topology, fabric.router.planes):
        mine = which.of(topology)
        for column, unit, text in (("link_bandwidth", GB, "GB/s"), ("link_latency", US, "us")):
            values = getattr(topology, column)[mine]
            if values.any():
                yield Knob(
                    LINK, f"{which} {column.removeprefix('link_')}", float(values.max()) / unit,
                    text, _scaled(which, column),
                )  # fmt: skip


def _scaled(which: LinkClass, column: str) -> Callable[[Fabric, float], Fabric]:
    def changed(fabric: Fabric, fraction: float) -> Fabric:
        topology = fabric.topology
        values = getattr(topology, column)
        new = np.where(which.of(topology), values * (1 + fraction), values)
        return replace(fabric, topology=replace(topology, **{column: new}))

    return changed


# --- as records and text

ABOUT = (
    "op", "workload", "scene", "varies", "point", "system", "software", "deployment", "model",
    "mode", "kind", "worst", "ranks", "attention_ranks", "domains", "expert_ranks", "way",
    "prefill_instances", "decode_instances", "batch", "context", "prompt", "requests", "tokens",
    "hidden", "top_k", "skew", "size_bytes", "datatype", "redop", "root", "algorithm", "pattern",
    "local", "remote", "distance", "blocks", "window", "plane", "policy", "classes", "background",
)  # fmt: skip
"""What an effect's record has of the answer's."""


class MovedAnswer(NamedTuple):
    """An answer's record, the effects on it, and which key of the record it is that they move."""

    record: Record
    effects: Sequence[Effect]
    quantity: str = "time_us"


def records(answers: Iterable[MovedAnswer]) -> list[dict[str, Value]]:
    """The effects on answers as records, each with what was asked."""
    return [
        {key: one.record[key] for key in (*ABOUT, one.quantity) if key in one.record}
        | effect.record()
        for one in answers for effect in one.effects
    ]  # fmt: skip


def text(answers: Iterable[MovedAnswer]) -> str:
    """The effects on answers as text, a table for each with a line about the answer above it."""
    return "".join(
        f"#\n# {_title(one.record)}: {_amount(one.record, one.quantity)} moves with\n"
        f"{_table(one.effects)}"
        for one in answers
    )


_SAID = {
    "scene": "{scene}", "point": "{point} {varies}", "requests": "{requests} requests",
    "prefill_instances": "{prefill_instances} prefill instances", "plane": "over {plane}",
    "policy": "{policy}", "way": "{way}", "classes": "classes {classes}",
    "worst": "worst {kind} failure {worst}",
}  # fmt: skip
"""How a title says what else was asked, by the record's keys."""


def _title(answer: Record) -> str:
    asked = [str(answer["op"])] if "op" in answer else []
    if "ranks" in answer:
        asked.append(f"{answer['ranks']} ranks")
    if "batch" in answer:
        asked.append(f"batch {answer['batch']}")
    elif "tokens" in answer:
        asked.append(f"{answer['tokens']:g} tokens")
    elif "size_bytes" in answer and ("count" in answer or "blocks" in answer):
        asked.append(f"{size_text(float(str(answer['size_bytes'])))} bytes")
        asked += [str(answer[key]) for key in ("algorithm", "distance") if key in answer]
    return ", ".join(
        [*asked, *(said.format_map(answer) for key, said in _SAID.items() if key in answer)]
    )


_UNITS = {"us": "us", "ms": "ms", "GBps": "GB/s"}


def _amount(answer: Record, quantity: str) -> str:
    """An answer's quantity as text, such as ``get 12.5 GB/s``; a time that is all of it: bare."""
    name, _, unit = quantity.rpartition("_")
    if unit not in _UNITS:
        name, unit = quantity, ""
    words = [] if name == "time" else [name.replace("_", " ")]
    return " ".join([*words, f"{answer[quantity]:.5g}", *([_UNITS[unit]] if unit else [])])


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
