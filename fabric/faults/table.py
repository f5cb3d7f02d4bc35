"""What breaks in a machine, and when: faults as frozen values, in Python, TOML and JSON.

A fault takes something from a machine for some time: links, chips, dies, nodes, racks, a plane.
Routes follow when it is detected, see `FaultPlan.detection`.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Any

from topology.arguments import LONGEST, integer, number, shown, text
from topology.errors import TriplaneError
from topology.names import near
from topology.units import MS, NS, parse, show

HARDWARE = 100 * NS
"""Seconds to detect and switch over in hardware: the class that UB 2.0 names (Huawei, Hot Chips
2025: "100-ns-class fault detection and switchover")."""

SOFTWARE = 1 * MS
"""Seconds until software has new routes. Assumption: "milliseconds", nothing is published."""

DETECTIONS: Mapping[str, float] = MappingProxyType({"hardware": HARDWARE, "software": SOFTWARE})
"""The detection delays that have names, in seconds."""

KINDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"dead": (), "degraded": ("share",), "lossy": ("loss",), "flapping": ("period", "duty")}
)
"""The kinds of faults, and the keys that each needs beside those of all."""

TIMES = ("from", "until", "period", "mtbf", "mttr")
"""The keys whose values are times."""

FRACTIONS = ("share", "loss", "duty")
"""The keys whose values lie between 0 and 1."""

KEYS = ("what", "kind", *TIMES[:2], *FRACTIONS[:2], "period", "duty", "mtbf", "mttr")
"""The keys of a fault in TOML and JSON; the first has to be there."""

PLAN_KEYS = ("detection", "seed", "faults")
"""The keys of a plan in TOML and JSON."""


class FaultError(TriplaneError):
    """A fault cannot be as it is described."""


@dataclass(frozen=True)
class Fault:
    """One thing, or several at once, that break.

    - ``what``: names, as `fabric.faults.things.links_of` reads them. They break together, or, where
      times are drawn, each name for itself; of a name with wildcards each thing that it means.
    - ``kind``: ``"dead"``; ``"degraded"``: ``share`` of the bandwidth is left; ``"lossy"``: of all
      packets the part ``loss`` is lost and sent again; ``"flapping"``: dead in the first part
      ``duty`` of every ``period`` seconds.
    - ``start``, ``until``: seconds of emulated time from and until which it is broken. In files the
      first is called ``from``.
    - ``mtbf``, ``mttr``: mean seconds between a repair and the next failure, and of a repair; then
      it breaks again and again between ``start`` and ``until``, at times that are drawn
      (exponential).

    Raises `FaultError` for a value that cannot be, `ArgumentError` for one of another type.
    """

    what: tuple[str, ...]
    kind: str = "dead"
    start: float = 0.0
    until: float = math.inf
    share: float | None = None
    loss: float | None = None
    period: float | None = None
    duty: float | None = None
    mtbf: float | None = None
    mttr: float | None = None

    def __post_init__(self) -> None:
        given = (self.what,) if isinstance(self.what, str) else self.what
        if not isinstance(given, Sequence) or not given:
            raise FaultError(f"what is {shown(given)}; it has to be a name or a list of names")
        object.__setattr__(self, "what", tuple(text(one, "what of a fault") for one in given))
        of = f"of the fault of {', '.join(self.what)[:100]}"
        if self.kind not in KINDS:
            raise FaultError(
                f"kind {of} is {shown(self.kind)}; there are {', '.join(KINDS)}"
                f"{near(str(self.kind), KINDS)}"
            )
        for name in ("start", "until", "period", "mtbf", "mttr"):
            value = getattr(self, name)
            if value is not None:
                self._set(name, number(value, f"{_key(name)} {of}", 0, math.inf, "seconds"))
        for name in FRACTIONS:
            value = getattr(self, name)
            if value is not None:
                self._set(name, number(value, f"{name} {of}"))
                if not 0 < getattr(self, name) < 1:
                    raise FaultError(f"{name} {of} is {shown(value)}; it has to be between 0 and 1")
        self._check(of)

    def _set(self, name: str, value: float | None) -> None:
        object.__setattr__(self, name, value)

    def _check(self, of: str) -> None:
        optional = {key for keys in KINDS.values() for key in keys}
        for key in sorted(optional):
            needed, there = key in KINDS[self.kind], getattr(self, key) is not None
            if needed and not there:
                raise FaultError(f"a {self.kind} fault needs {key}, which that {of} lacks")
            if there and not needed:
                raise FaultError(f"{key} {of}, which is {self.kind}, means nothing")
        if (self.mtbf is None) != (self.mttr is None):
            raise FaultError(f"mtbf and mttr {of} go together; only one is given")
        for key in ("period", "mtbf", "mttr"):
            value = getattr(self, key)
            if value is not None and not 0 < value < math.inf:
                raise FaultError(f"{key} {of} is {value:g} s; it has to be more than 0, and finite")
        if not self.start < self.until:
            raise FaultError(
                f"until {of} is {self.until:g} s, and from {self.start:g} s: not before"
            )
        repeated = "flapping" if self.period else "drawn" if self.drawn else ""
        if repeated and self.until > LONGEST:
            raise FaultError(f"a {repeated} fault needs until, which that {of} lacks")

    @property
    def drawn(self) -> bool:
        """Whether its times are drawn."""
        return self.mtbf is not None

    def to_json(self) -> dict[str, Any]:
        """The fault as JSON values, without what has its default; `fault_of` takes it."""
        values: dict[str, Any] = {"what": list(self.what)}
        for name in (one.name for one in fields(Fault) if one.name != "what"):
            value, key = getattr(self, name), _key(name)
            if value != _DEFAULTS[name]:
                values[key] = show(value, "time") if key in TIMES else value
        return values


_DEFAULTS = {one.name: one.default for one in fields(Fault)}


def _key(name: str) -> str:
    """What a field is called in files: ``from`` is a word of Python."""
    return "from" if name == "start" else name


def fault_of(values: object, where: str) -> Fault:
    """The fault that a file's table or object describes, with the keys `KEYS`.

    ``where``: the place in the file, for errors. Raises `FaultError`.
    """
    if not isinstance(values, Mapping):
        raise FaultError(f"{where} is {shown(values)}; it has to be a table of {', '.join(KEYS)}")
    _check_keys(values, KEYS, where)
    if "what" not in values:
        raise FaultError(f"{where}: key 'what' is missing")
    try:
        given: dict[str, Any] = {
            key: parse(value, "time") if key in TIMES else value for key, value in values.items()
        }
        if "from" in given:
            given["start"] = given.pop("from")
        return Fault(**given)
    except TriplaneError as error:
        raise FaultError(f"{where}: {error}") from None


def _check_keys(values: Mapping[Any, Any], known: Sequence[str], where: str) -> None:
    for key in values:
        if key not in known:
            raise FaultError(
                f"{where}: no key {shown(key)}; there are {', '.join(known)}{near(str(key), known)}"
            )


@dataclass(frozen=True)
class FaultPlan:
    """All that breaks in a machine.

    ``faults``: in any order; where several hold of a link at a time, their shares are multiplied.
    ``detection``: how long a link has to be dead, or back, until routes take account of it:
    ``"hardware"`` (`HARDWARE`), ``"software"`` (`SOFTWARE`), or a time in seconds. ``seed``: of
    the times that are drawn. Raises `FaultError`.
    """

    faults: tuple[Fault, ...] = ()
    detection: str | float = "hardware"
    seed: int = 0

    def __post_init__(self) -> None:
        for one in self.faults:
            if not isinstance(one, Fault):
                raise FaultError(f"faults has {shown(one)}; it has to be a Fault")
        object.__setattr__(self, "faults", tuple(self.faults))
        object.__setattr__(self, "seed", integer(self.seed, "seed of faults", 0, error=FaultError))
        if isinstance(self.detection, str):
            if self.detection not in DETECTIONS:
                raise FaultError(
                    f"detection is {shown(self.detection)}; there are {', '.join(DETECTIONS)}, or a"
                    " time such as '2 ms'"
                )
        else:
            delay = number(self.detection, "detection", 0, LONGEST, "seconds")
            object.__setattr__(self, "detection", delay)

    def __bool__(self) -> bool:
        return bool(self.faults)

    @property
    def delay(self) -> float:
        """The seconds until routes take account of what has changed."""
        named = self.detection
        return DETECTIONS[named] if isinstance(named, str) else named

    def to_json(self) -> dict[str, Any] | list[Any]:
        """The plan as JSON values, which `plan_of` takes; an empty list where nothing breaks."""
        if not self:
            return []
        named = self.detection
        return {
            "detection": named if isinstance(named, str) else show(named, "time"),
            "seed": self.seed, "faults": [one.to_json() for one in self.faults],
        }  # fmt: skip


NO_FAULTS = FaultPlan()
"""The plan of a machine in which nothing breaks."""


def plan_of(values: object, where: str) -> FaultPlan:
    """The plan that an object of a file describes, or a list of faults; raises `FaultError`."""
    if isinstance(values, FaultPlan):
        return values
    if isinstance(values, list | tuple):
        values = {"faults": values}
    if not isinstance(values, Mapping):
        raise FaultError(f"{where} is {shown(values)}; it has to be a list of faults")
    _check_keys(values, PLAN_KEYS, where)
    listed = values.get("faults", ())
    if not isinstance(listed, list | tuple):
        raise FaultError(f"{where}: faults is {shown(listed)}; it has to be a list of faults")
    made = tuple(one if isinstance(one, Fault) else fault_of(one, f"{where}[{at}]")
                 for at, one in enumerate(listed))  # fmt: skip
    return planned(values, made)


def planned(values: Mapping[str, Any], faults: tuple[Fault, ...]) -> FaultPlan:
    """The plan of these ``faults`` with the detection and seed among the ``values`` of a file."""
    return FaultPlan(faults, **dict(_settings(values)))


def _settings(values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    if "seed" in values:
        yield "seed", values["seed"]
    if "detection" in values:
        named = values["detection"]
        is_time = isinstance(named, str) and named not in DETECTIONS and named[:1].isdigit()
        if not isinstance(named, str):
            raise FaultError(
                f"detection is {shown(named)}; there are {', '.join(DETECTIONS)}, or a time such as"
                " '2 ms'"
            )
        yield "detection", parse(named, "time") if is_time else named
