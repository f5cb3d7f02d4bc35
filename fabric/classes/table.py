"""The traffic classes of a machine: priority, weight, limit and guarantee of each, a frozen table.

Where several transfers want one resource (a bundle of links, a port, a rank's limit as an
initiator), those of the class with the higher priority get what they can use, and lower ones what
is left. Within a priority transfers share by their weights: one of weight 2 gets twice what one of
weight 1 gets where the same resource holds both back. A rate limit holds for each rank: all that
one rank sends in the class, to other ranks, on any plane, together. A guarantee is what comes
before all of that: of each rank's sending and of its receiving, the transfers of the class get so
much together as far as they can use it, and priorities and weights divide what is left.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fabric.schedule.traits import HIGHEST, Traits, traits_of
from topology.arguments import integer, number, shown, text
from topology.errors import TriplaneError
from topology.names import near
from topology.units import parse, show

_Longs = NDArray[np.int64]
_Floats = NDArray[np.float64]

TRAIT = "traffic_class"
"""The trait of rows and streams that has the number of their class."""

PRIORITIES = (-128, 127)
"""The lowest and the highest priority; higher ones go first."""

WEIGHTS = (1e-6, 1e6)
"""The least and the largest weight: beyond, shares would be lost in rounding."""

KEYS = ("name", "number", "priority", "weight", "rate_limit", "guarantee", "operations")
"""The keys of a class in TOML and JSON; the first two have to be there."""


class ClassError(TriplaneError):
    """A traffic class cannot be as it is described, or there is no such class."""


@dataclass(frozen=True)
class TrafficClass:
    """One class of transfers.

    - ``name``; ``number``: what `Step(traffic_class=)` calls it, 0 to `HIGHEST`. Number 0 is the
      class of transfers that name none.
    - ``priority``: higher ones go first, `PRIORITIES`. ``weight``: of each transfer, `WEIGHTS`.
    - ``rate_limit``: bytes per second that one rank sends at most in this class; inf: no limit.
    - ``operations``: whose transfers are of this class if they name no other, such as
      ``("dispatch", "combine")``; variants (``"all_gather:small"``) are of their operation's.
    - ``guarantee``: bytes per second that the class is promised of all that a rank sends, and of
      all that it receives; 0: nothing. `fabric.engines.guarantees` says whether it can be given.

    Raises `ClassError` for a value outside of that, `ArgumentError` for one of another type.
    """

    name: str
    number: int
    priority: int = 0
    weight: float = 1.0
    rate_limit: float = math.inf
    operations: tuple[str, ...] = ()
    guarantee: float = 0.0

    def __post_init__(self) -> None:
        of = f"of traffic class {shown(self.name)}"
        given = self.operations
        if isinstance(given, str) or not isinstance(given, Sequence):
            raise ClassError(f"operations {of} are {shown(given)}; they have to be a list of names")
        checked = {
            "name": text(self.name, "name of a traffic class"),
            "number": integer(self.number, f"number {of}", 0, HIGHEST, ClassError),
            "priority": integer(self.priority, f"priority {of}", *PRIORITIES, ClassError),
            "weight": number(self.weight, f"weight {of}", *WEIGHTS),
            "rate_limit": number(self.rate_limit, f"rate_limit {of}", 0, unit="bytes per second"),
            "operations": tuple(text(one, f"an operation {of}") for one in given),
            "guarantee": number(self.guarantee, f"guarantee {of}", 0, unit="bytes per second"),
        }
        if not checked["name"]:
            raise ClassError("a traffic class has no name")
        if checked["rate_limit"] == 0:
            raise ClassError(f"rate_limit {of} is 0 bytes per second: it could never send")
        for name, value in checked.items():
            object.__setattr__(self, name, value)
        _check_guarantee(self.guarantee, self.rate_limit, of)

    def to_json(self) -> dict[str, Any]:
        """The class as JSON values, without what has its default; `class_of` takes it."""
        values: dict[str, Any] = {"name": self.name, "number": self.number}
        if self.priority:
            values["priority"] = self.priority
        if self.weight != 1:
            values["weight"] = self.weight
        if self.rate_limit < math.inf:
            values["rate_limit"] = show(self.rate_limit, "bandwidth")
        if self.guarantee:
            values["guarantee"] = show(self.guarantee, "bandwidth")
        return values | ({"operations": list(self.operations)} if self.operations else {})


def _check_guarantee(guarantee: float, rate_limit: float, of: str) -> None:
    """Raise `ClassError` for a ``guarantee`` that contradicts the class itself."""
    if guarantee == math.inf:
        raise ClassError(f"guarantee {of} is without an end: no link carries that")
    if guarantee > rate_limit:
        promised, most = show(guarantee, "bandwidth"), show(rate_limit, "bandwidth")
        raise ClassError(f"guarantee {of} is {promised}, above its rate_limit of {most}")


def class_of(values: object, where: str) -> TrafficClass:
    """The class that a file's table or object describes, with the keys `KEYS`.

    ``where``: the place in the file, for errors. Raises `TriplaneError` of several kinds.
    """
    if not isinstance(values, Mapping):
        raise ClassError(f"{where} is {shown(values)}; it has to be a table of {', '.join(KEYS)}")
    for key in values:
        if key not in KEYS:
            raise ClassError(
                f"{where}: no key {shown(key)}; there are {', '.join(KEYS)}{near(str(key), KEYS)}"
            )
    for key in KEYS[:2]:
        if key not in values:
            raise ClassError(f"{where}: key {key!r} is missing")
    given = dict(values)
    try:
        for key in {"rate_limit", "guarantee"} & set(given):
            given[key] = parse(given[key], "bandwidth")
        return TrafficClass(**given)
    except TriplaneError as error:
        raise ClassError(f"{where}: {error}") from None


DEFAULT = TrafficClass("default", 0)
"""The class of transfers that name none, where a table does not describe number 0."""


@dataclass(frozen=True)
class TrafficClasses:
    """The classes of a machine in order of their numbers; the default class is one of them.

    ``given``: as described, in any order; none: there are no classes, and nothing is different.
    Raises `ClassError` if two have one name, one number or one operation.
    """

    given: tuple[TrafficClass, ...] = ()
    classes: tuple[TrafficClass, ...] = field(init=False)

    def __post_init__(self) -> None:
        given = tuple(self.given)
        for one in given:
            if not isinstance(one, TrafficClass):
                raise ClassError(f"classes has {shown(one)}; it has to be a TrafficClass")
        default = () if any(one.number == 0 for one in given) else (DEFAULT,)
        every = (*default, *given) if given else ()
        _check_once("name", [one.name for one in every])
        _check_once("number", [one.number for one in every])
        _check_once("operation", [name for one in every for name in one.operations])
        object.__setattr__(self, "given", given)
        object.__setattr__(self, "classes", tuple(sorted(every, key=lambda one: one.number)))

    def __bool__(self) -> bool:
        return bool(self.classes)

    @cached_property
    def numbers(self) -> _Longs:
        """The number of each class, int64, rising."""
        return np.array([one.number for one in self.classes], np.int64)

    @cached_property
    def priorities(self) -> _Longs:
        """The priority of each class, int64 [classes]."""
        return np.array([one.priority for one in self.classes], np.int64)

    @cached_property
    def weights(self) -> _Floats:
        """The weight of each class, float64 [classes]."""
        return np.array([one.weight for one in self.classes])

    @cached_property
    def limited(self) -> tuple[TrafficClass, ...]:
        """The classes with a rate limit, in order of their numbers."""
        return tuple(one for one in self.classes if one.rate_limit < math.inf)

    @cached_property
    def guaranteed(self) -> tuple[TrafficClass, ...]:
        """The classes with a guarantee, in order of their numbers."""
        return tuple(one for one in self.classes if one.guarantee)

    def rows(self, numbers: _Longs) -> _Longs:
        """The place in ``classes`` of each class number, int64; all have been checked."""
        return np.searchsorted(self.numbers, numbers)

    def check(self, traits: Traits, where: str) -> None:
        """Raise `ClassError` if the traits name a class that is not in the table.

        ``where``: who gives them, for the error.
        """
        column = traits.columns.get(TRAIT)
        if column is None:
            return
        unknown = column[~np.isin(column, self.numbers)]
        unknown = unknown[unknown != 0]
        if len(unknown):
            there = ", ".join(f"{one.number} ({one.name})" for one in self.classes)
            choices = f"there are {there}" if there else "the machine has no table of classes"
            raise ClassError(f"{where} has traffic_class {unknown[0]}, which is none; {choices}")

    def called(self, name: str) -> TrafficClass:
        """The class of that name; raises `ClassError` with the choices."""
        for one in self.classes:
            if one.name == name:
                return one
        names = [one.name for one in self.classes]
        raise ClassError(
            f"no traffic class {shown(name)}; there are {', '.join(names) or 'none'}"
            f"{near(name, names)}"
        )

    def of_operation(self, operation: str) -> int:
        """The number of the class of an operation, or of its variant; 0 where none names it."""
        return self._by_operation.get(operation.partition(":")[0], 0)

    @cached_property
    def _by_operation(self) -> dict[str, int]:
        return {name: one.number for one in self.classes for name in one.operations}


def _check_once(what: str, values: Iterable[object]) -> None:
    for value, times in Counter(values).items():
        if times > 1:
            raise ClassError(f"{times} traffic classes have the {what} {shown(value)}")


NO_CLASSES = TrafficClasses()
"""The table of a machine without traffic classes."""


def in_class(traits: Traits, number: int, rows: int) -> Traits:
    """The ``traits`` of so many rows, in class ``number`` where they are in no other."""
    if not number or not rows:
        return traits
    column = traits.column(TRAIT, rows)
    return traits_of(dict(traits.columns) | {TRAIT: np.where(column == 0, number, column)})
