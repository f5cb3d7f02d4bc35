"""MachineSpec: everything about an emulated machine as one value, in Python and as a JSON file.

Command lines, `fabric.launch`, the environment of ranks and every answer carry this one value, so
that what was simulated or run once can be run again. The file's format is in docs/formats.md.
"""

import json
import math
import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from fabric.classes.table import TrafficClass, TrafficClasses, class_of
from fabric.faults.table import NO_FAULTS, FaultPlan, plan_of
from fabric.machine_json import FORMAT, check_key, contents_of, machines_in
from fabric.rank_places import places_of
from topology.arguments import INT64, PATH, integer, integers, number, shown, text
from topology.errors import ArgumentError, TriplaneError
from topology.files.output import text_file
from topology.files.reading import json_of
from topology.files.reading import shown as as_written
from topology.names import near
from topology.routing.policies import Policy

if TYPE_CHECKING:
    from fabric.fabric import Fabric
    from topology.graph import Ints, Topology

Option = str | int | float | bool | None
"""The value of an option of an engine or a system."""


class MachineError(TriplaneError):
    """A machine's description has something unknown or impossible in it."""


class MachineWarning(UserWarning):
    """A machine is built, but probably not as it was meant."""


@dataclass(frozen=True)
class MachineSpec:
    """A description of a machine, from which `build` makes a `Fabric`.

    - ``system``: a preset's name with its size (``"dgx_h800:16"``), or a topology file's path, as
      `topology.system` takes them.
    - ``software``: names of software stacks with commas between them; None: the system's own.
    - ``engine``: by which transfers are timed; ``engine_options``: its options by name.
    - ``routing``: a policy of `topology.routing.policies` as text, such as ``"hash:seed=7"``; a
      policy itself is kept as its text.
    - ``planes``: in order of preference; None: those of the software, else of the system.
    - ``placement``: where the ranks are: a rank table's path (``FILE`` or ``FILE:PART``), or the
      endpoint of each rank, int [ranks], counted with those that are taken out; None: in order.
    - ``without``: names of switches, links and nodes that are taken out.
    - ``classes``: the traffic classes, see `fabric.classes.table.TrafficClass`. ``faults``: what
      breaks when, a `fabric.faults.table.FaultPlan`, or a list of its faults.
    - ``tolerance``: the engine's option of that name: how far times may be off, as a fraction;
      ``seed``: the engine's option of that name; None: the engine's default.
    - ``system_options``: arguments of the system's preset by name, such as ``{"rdma": "ib"}``; see
      `topology.presets.catalogue.parameters`.

    Raises `ArgumentError` for a value of another type, `ClassError` and `FaultError` for classes
    and faults that cannot be. `build` checks whether the names exist.
    """

    system: str = "cloudmatrix384"
    software: str | None = None
    engine: str = "flow"
    engine_options: Mapping[str, Option] = field(default_factory=dict, hash=False)
    routing: str = "spray"
    planes: tuple[str, ...] | None = None
    placement: str | tuple[int, ...] | None = None
    without: tuple[str, ...] = ()
    classes: tuple[TrafficClass, ...] = ()
    faults: FaultPlan = NO_FAULTS
    tolerance: float | None = None
    seed: int | None = None
    system_options: Mapping[str, Option] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        software, planes = self.software, self.planes
        checked = {
            "system": text(self.system, "system", most=PATH),
            "software": None if software is None else text(software, "software", most=PATH),
            "engine": text(self.engine, "engine"),
            "engine_options": _options(self.engine_options, "engine_options"),
            "routing": _routing(self.routing),
            "planes": None if planes is None else (_names(planes, "planes") or None),
            "placement": _placement(self.placement),
            "without": _names(self.without, "without"),
            "classes": _classes(self.classes),
            "faults": plan_of(self.faults, "faults"),
            "tolerance": None if self.tolerance is None else number(self.tolerance, "tolerance"),
            "seed": None if self.seed is None else integer(self.seed, "seed", 0),
            "system_options": _options(self.system_options, "system_options"),
        }
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    def __reduce__(self) -> tuple[Any, ...]:
        return MachineSpec.from_json, (self.to_json(),)

    def build(self) -> "Fabric":
        """The machine as a `Fabric`, on which schedules can be timed; its ``spec`` is this value.

        Raises `TriplaneError` of several kinds for unknown names, with the choices. Warns
        (`MachineWarning`) if no software is named for a topology that does not say which it runs.
        """
        from fabric.endpoint.stacks import stacks_of
        from fabric.fabric import Fabric

        topology, places = self.placed()
        if self.software is None and _is_unknown(topology):
            warnings.warn(_unknown(self.system), MachineWarning, stacklevel=2)
        fabric = Fabric(
            topology, engine=self.engine, routing=self.routing,
            endpoint=stacks_of(self.software, topology), planes=self.planes, placement=places,
            classes=self.classes, faults=self.faults,
            **_given(tolerance=self.tolerance), **_given(engine_options=self._for_engine()),
        )  # fmt: skip
        object.__setattr__(fabric, "spec", self)
        return fabric

    def whole(self) -> "Topology":
        """The system with nothing taken out.

        Raises `TopologyError` for an unknown name, `MachineError` for options that it does not
        take, and what its preset raises.
        """
        from topology.presets.catalogue import parameters, system

        if not self.system_options:
            return system(self.system)
        known = [name for name in parameters(self.system) if name != "name"]
        for option in self.system_options:
            if option not in known:
                raise MachineError(
                    f"system {self.system!r} has no option {option!r}; it has"
                    f" {', '.join(known) or 'none'}{near(option, known)}"
                )
        try:
            return system(self.system, **self.system_options)
        except TypeError as error:  # a value of a type that the preset cannot work with
            raise MachineError(f"system_options of {self.system!r}: {error}") from None

    def topology(self) -> "Topology":
        """The system without what is taken out; raises as `whole`, and for unknown names."""
        return _left(self.whole(), self.without)

    def changed(self, **values: Any) -> "MachineSpec":
        """The machine with other ``values`` of fields; another system has none of its options."""
        if values.get("system", self.system) != self.system:
            values = {"system_options": {}, **values}
        return replace(self, **values)

    def placed(self) -> "tuple[Topology, Ints | None]":
        """The topology, and the endpoint in it of each rank: int32 [ranks], None: in order.

        Raises `TopologyError` for unknown names, and for places that are taken out.
        """
        whole = self.whole()
        left = _left(whole, self.without)
        return left, places_of(self.placement, whole, left)

    def _for_engine(self) -> dict[str, Option] | None:
        """The engine's options, the seed among them; None for none."""
        return (dict(self.engine_options) | _given(seed=self.seed)) or None

    def to_json(self) -> dict[str, Any]:
        """All fields as JSON values, and ``format``: what `from_json` takes."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        plain = {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in values.items()
        }
        options = {name: dict(values[name]) for name in ("engine_options", "system_options")}
        classes = [one.to_json() for one in self.classes]
        faults = self.faults.to_json()
        return {"format": FORMAT, **plain, **options, "classes": classes, "faults": faults}

    def to_short_json(self) -> dict[str, Any]:
        """`to_json` without what has its default: what `from_json` takes, where many are kept."""
        usual = MachineSpec().to_json()
        kept = ("format", "system")
        return {
            name: value for name, value in self.to_json().items()
            if name in kept or value != usual[name]
        }  # fmt: skip

    @staticmethod
    def from_json(values: object) -> "MachineSpec":
        """The machine that `to_json` or a person wrote; what is left out has its default.

        Raises `MachineError` for an unknown key, a value of the wrong type, and another version.
        """
        if not isinstance(values, Mapping):
            raise MachineError(f"a machine is an object with keys, not {as_written(values)}")
        for key, value in values.items():
            check_key(key, value, MachineError)
        if values.get("format", FORMAT) != FORMAT:
            raise MachineError(f"format is {as_written(values['format'])}; known is {FORMAT}")
        return MachineSpec(**{key: value for key, value in values.items() if key != "format"})

    def save(self, path: str | Path) -> None:
        """Write the machine to a JSON file at ``path``, a key a line; raises `OSError`."""
        lines = (f"  {json.dumps(key)}: {_json(value)}" for key, value in self.to_json().items())
        with text_file(path) as file:
            file.write("{\n" + ",\n".join(lines) + "\n}\n")

    @staticmethod
    def load(path: str | Path) -> "MachineSpec":
        """The machine in the file at ``path``: one that `save` wrote, or a result that holds one.

        A result is the JSON of a benchmark, a timeline, or a trace. Raises `MachineError` naming
        file and fault, also if a result has several machines.
        """
        contents = contents_of(path, MachineError)
        try:
            return _found(contents)
        except TriplaneError as error:
            raise MachineError(f"{path}: {error}") from None

    def to_text(self) -> str:
        """The machine as one line of JSON, for an environment variable; `from_text` takes it."""
        return _json(self.to_json())

    @staticmethod
    def from_text(line: str) -> "MachineSpec":
        """The machine in ``line``: JSON, or a path for `load`; raises `MachineError`."""
        if not line.lstrip().startswith("{"):
            return MachineSpec.load(line)
        try:
            return MachineSpec.from_json(json_of(line, "a machine", MachineError))
        except TriplaneError as error:
            raise MachineError(str(error)) from None


def as_text(system: str | Path) -> str:
    """A name or path as text for `MachineSpec.system`: a `Path` is taken for no name."""
    plain = str(system)
    if not isinstance(system, Path):
        return plain
    is_plain = os.sep not in plain and not plain.endswith(".toml")
    return f".{os.sep}{plain}" if is_plain else plain


def _is_unknown(topology: "Topology") -> bool:
    """True for a file that says neither of what family of machines it is nor what made it."""
    made = topology.provenance
    return not made.family and not made.preset


def _unknown(system: str) -> str:
    from fabric.endpoint.records import stacks

    families = dict.fromkeys(family for stack in stacks().values() for family in stack.usual)
    return (
        f"{system} does not say of which family of machines it is, so no software's costs are"
        " added and times are those of the wire alone; write family under [provenance] in the file"
        f" ({', '.join(families)}), or name the software (raw: the wire)"
    )


def _left(whole: "Topology", without: tuple[str, ...]) -> "Topology":
    return whole.without(*without) if without else whole


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _names(values: Any, name: str) -> tuple[str, ...]:
    if not isinstance(values, list | tuple):
        raise ArgumentError(f"{name} is {shown(values)}; it has to be a list of names")
    return tuple(text(value, f"{name}[{at}]") for at, value in enumerate(values))


def _placement(value: Any) -> str | tuple[int, ...] | None:
    if value is None or isinstance(value, str):
        return None if value is None else text(value, "placement", most=PATH)
    return tuple(integers(value, "placement", None, 0))


def _routing(value: Any) -> str:
    policy = str(value) if isinstance(value, Policy) else value
    return text(policy, "routing", most=PATH + len("static:"))


def _options(values: Any, field: str) -> Mapping[str, Option]:
    if not isinstance(values, Mapping):
        raise ArgumentError(f"{field} is {shown(values)}; it has to be a dict of options")
    for key, value in values.items():
        name = text(key, f"a key of {field}")
        fits = isinstance(value, str | int | float | None) and (
            not isinstance(value, float) or math.isfinite(value)
        )
        if not fits or (type(value) is int and not INT64[0] <= value <= INT64[1]):
            raise ArgumentError(
                f"{field}[{name!r}] is {shown(value)}; it has to be a text, a finite"
                " number, True, False or None"
            )
    return MappingProxyType(dict(values))


def _classes(values: Any) -> tuple[TrafficClass, ...]:
    if not isinstance(values, list | tuple):
        raise ArgumentError(f"classes is {shown(values)}; it has to be a list of traffic classes")
    made = (
        one if isinstance(one, TrafficClass) else class_of(one, f"classes[{at}]")
        for at, one in enumerate(values)
    )
    return TrafficClasses(tuple(made)).given


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _found(contents: object) -> MachineSpec:
    """The machine that the JSON of a file is or holds."""
    held = list(machines_in(contents, MachineError))
    if not held:
        return MachineSpec.from_json(contents)
    if any(one is None for one in held):
        raise MachineError("it is an answer without a machine")
    machines = {MachineSpec.from_json(one): None for one in held}
    if len(machines) > 1:
        raise MachineError(f"it is an answer of {len(machines)} machines, and one is needed")
    return next(iter(machines))
