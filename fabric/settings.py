"""Settings: the emulated machine that ranks run on, and how emulated time passes for them."""

import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fabric.failure import WorldError
from topology.arguments import PATH, number, text
from topology.names import near

if TYPE_CHECKING:
    from fabric.clock.emulator import Emulator
    from fabric.fabric import Fabric
    from topology.graph import Topology

CLOCKS = ("virtual", "paced")
SYNCS = ("strict", "eager")
NO_SYSTEM = "none"
"""The name of no emulated machine."""

PREFIX = "TRIPLANE_"
"""What the environment variables of settings begin with; the rest is the name in capitals."""


@dataclass(frozen=True)
class Settings:
    """The settings that all ranks of a world have in common.

    ``system``: as in `topology.system`; None, or "none": no emulated machine, `now` is the wall
    clock. ``software``: the stacks that time calls, see `fabric.endpoint.stacks.stacks_of`; None:
    for each operation the stack that the system usually runs. ``clock``: one of `CLOCKS`. ``sync``:
    on virtual time, one of `SYNCS`. ``scale``: on paced time, wall seconds for each emulated
    second.

    ``heartbeat``: seconds of silence after which a rank on another host counts as lost.
    ``stop_timeout``: the same for a rank of this host whose process is stopped. ``grace``: seconds
    that survivors of a failure have to end by themselves. ``trace``: the file that gets a trace of
    all that the ranks do, when they have ended; see `fabric.clock.perfetto`.

    Raises `WorldError` with the choices, `ArgumentError` for a value of another type.
    """

    system: str | None = "cloudmatrix384"
    software: str | None = None
    clock: str = "virtual"
    sync: str = "strict"
    scale: float = 1.0
    heartbeat: float = 2.0
    stop_timeout: float = 1.5
    grace: float = 5.0
    trace: str | None = None

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            object.__setattr__(self, name, _normal(name, value))
        for name, choices in (("clock", CLOCKS), ("sync", SYNCS)):
            value = getattr(self, name)
            if value not in choices:
                raise WorldError(
                    f"no {name} {value!r}; there are {', '.join(choices)}{near(value, choices)}"
                )
        for name in ("scale", "heartbeat", "stop_timeout", "grace"):
            value = getattr(self, name)
            if not (0 < value < math.inf or (name == "grace" and value == 0)):
                raise WorldError(f"{name} is {value}: it must be a number above 0")

    @property
    def paced(self) -> float | None:
        """Seconds of wall clock per emulated second with the paced clock.

        None with the virtual clock.
        """
        return self.scale if self.clock == "paced" else None

    def as_json(self) -> dict[str, Any]:
        """The settings as a dict of JSON values, for `from_json`."""
        return asdict(self)

    @staticmethod
    def from_json(values: Mapping[str, Any]) -> "Settings":
        """The settings in a dict that `as_json` returned."""
        return Settings(**values)

    def environment(self) -> dict[str, str]:
        """The settings as environment variables, for `from_environment`."""
        values = {name: "" if value is None else str(value) for name, value in asdict(self).items()}
        return {PREFIX + name.upper(): value for name, value in values.items()}

    @staticmethod
    def from_environment(environment: Mapping[str, str] | None = None) -> "Settings":
        """The settings in ``TRIPLANE_SYSTEM``, ``TRIPLANE_CLOCK`` and so on.

        An empty variable means None.

        ``environment``: the default is this process's. Raises `ArgumentError` or `WorldError` for a
        value that is not allowed.
        """
        given = os.environ if environment is None else environment
        values: dict[str, Any] = {}
        for field in fields(Settings):
            text = given.get(PREFIX + field.name.upper())
            if text is not None:
                values[field.name] = _value(field.name, text)
        return Settings(**values)


def _normal(name: str, value: Any) -> Any:
    """A setting as a plain value of its kind; raises `ArgumentError`."""
    if name in ("scale", "heartbeat", "stop_timeout", "grace"):
        return number(value, name)
    none = {"system": (None, NO_SYSTEM), "software": (None,), "trace": (None,)}.get(name, ())
    return None if isinstance(value, str | None) and value in none else text(value, name, most=PATH)


def _value(name: str, text: str) -> str | float | None:
    if name in ("system", "software", "trace"):
        return text or None
    if name in ("clock", "sync"):
        return text
    try:
        return float(text)
    except ValueError:
        raise WorldError(f"{PREFIX}{name.upper()} is {text!r}, not a number") from None


def machine(settings: Settings, system: "str | Path | Topology | Fabric | None") -> "Fabric | None":
    """The fabric that the settings speak of, or the one that is given; None without a system."""
    from fabric.endpoint.stacks import stacks_of
    from fabric.fabric import Fabric
    from topology.presets.catalogue import system as named

    if system is None or isinstance(system, Fabric):
        return system
    topology = named(system) if isinstance(system, str | Path) else system
    return Fabric(topology, endpoint=stacks_of(settings.software, topology.provenance.family))


def emulator(settings: Settings, fabric: "Fabric | None", size: int) -> "Emulator | None":
    """The authority over time of ``size`` ranks; None without a fabric.

    Raises `WorldError` where the fabric has no room for so many.
    """
    if fabric is None:
        return None
    from fabric.clock.emulator import Emulator

    if size > len(fabric.places):
        raise WorldError(
            f"{size} ranks are more than the {len(fabric.places)} endpoints of"
            f" {fabric.topology.name}"
        )
    if size > 1:
        _compile(fabric)
    mode = "paced" if settings.paced else settings.sync
    return Emulator(fabric, size, mode, record=settings.trace is not None)


def _compile(fabric: "Fabric") -> None:
    """Have the kernels compiled before the ranks begin; the first time that takes half a minute.

    Later they would be compiled by every rank for itself, while the others wait.
    """
    from fabric.schedule.step import Step

    fabric.simulate([Step([0, 1], [1, 0], 1)], ranks=2)
