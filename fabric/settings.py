"""Settings: the emulated machine that ranks run on, and how emulated time passes for them."""

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from fabric.failure import WorldError
from fabric.machine import MachineSpec
from fabric.machine_json import VARIABLE
from topology.arguments import PATH, flag, integer, number, shown, text
from topology.errors import ArgumentError, TriplaneError
from topology.names import near

if TYPE_CHECKING:
    from fabric.clock.emulator import Emulator
    from fabric.fabric import Fabric

CLOCKS = ("virtual", "paced")
SYNCS = ("strict", "eager")
ON_LOSSES = ("end", "shrink")
NO_SYSTEM = "none"
"""The name of no emulated machine."""

NO_SHRINK_UNDER_MPI = (
    "on_loss is 'shrink', and MPI's launchers end all ranks with the loss of one: MPI without ULFM"
    " cannot go on; use another transport and launcher"
)

PREFIX = "TRIPLANE_"
"""What the environment variables of settings begin with; the rest is the name in capitals."""


@dataclass(frozen=True)
class Settings:
    """The settings that all ranks of a world have in common.

    ``machine``: the emulated machine; None: there is none, and `now` is the wall clock. ``clock``:
    one of `CLOCKS`. ``sync``: on virtual time, one of `SYNCS`. ``scale``: on paced time, wall
    seconds for each emulated second.

    ``heartbeat``: seconds of silence after which a rank on another host counts as lost.
    ``stop_timeout``: the same for a rank of this host whose process is stopped. ``grace``: seconds
    that survivors of a failure have to end by themselves. ``trace``: the file that gets a trace of
    all that the ranks do, when they have ended; see `fabric.clock.perfetto`. ``record``: the file
    that gets all calls of the ranks, to be replayed; see `fabric.run_log`. ``as_part_of``: of how
    many ranks the world's are some, the others being modelled; see `fabric.clock.part_of`. None:
    they are all.

    ``on_loss``: one of `ON_LOSSES`: whether the loss of a rank ends the world, or the others go on
    in a smaller group. ``loss_detection``: emulated seconds from the loss of a rank until the
    others know of it. Nobody has published such a time for a supernode: 10 ms is an assumption.
    ``spares``: how many ranks, the last ones, wait until the others take them in after a loss.

    ``live``: whether a local server shows what the ranks do, as with `triplane run --live`;
    ``live_wait``: whether they begin when a browser watches.

    Raises `WorldError` with the choices, `ArgumentError` for a value of another type.
    """

    machine: MachineSpec | None = field(default_factory=MachineSpec)
    clock: str = "virtual"
    sync: str = "strict"
    scale: float = 1.0
    heartbeat: float = 2.0
    stop_timeout: float = 1.5
    grace: float = 5.0
    trace: str | None = None
    record: str | None = None
    as_part_of: int | None = None
    on_loss: str = "end"
    loss_detection: float = 0.01
    live: bool = False
    spares: int = 0
    live_wait: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.machine, MachineSpec | None):
            raise ArgumentError(
                f"machine is {shown(self.machine)}; it has to be a MachineSpec or None"
            )
        for name in _OTHERS:
            object.__setattr__(self, name, _normal(name, getattr(self, name)))
        for name, choices in (("clock", CLOCKS), ("sync", SYNCS), ("on_loss", ON_LOSSES)):
            value = getattr(self, name)
            if value not in choices:
                raise WorldError(
                    f"no {name} {value!r}; there are {', '.join(choices)}{near(value, choices)}"
                )
        for name in _NUMBERS:
            value = getattr(self, name)
            if not (0 < value < math.inf or (name in _MAY_BE_0 and value == 0)):
                raise WorldError(f"{name} is {value}: it must be a number above 0")
        if self.as_part_of is not None and self.machine is None:
            raise WorldError(f"as_part_of is {self.as_part_of}, and no machine is emulated")
        if self.live and self.machine is None:
            raise WorldError("live shows an emulated machine, and none is emulated")
        if self.live_wait and not self.live:
            raise WorldError("live_wait is of live, which is off")
        if self.as_part_of is not None and self.survives:
            raise WorldError(
                f"on_loss is 'shrink', and as_part_of {self.as_part_of}: what modelled ranks do"
                " after the loss of running ones is not modelled"
            )
        if self.spares and not self.survives:
            raise WorldError(
                f"spares is {self.spares}, and on_loss is 'end': nobody could take them in after a"
                " loss; they go with on_loss='shrink'"
            )
        if self.record is not None and (self.paced or self.survives):
            given = "clock is 'paced'" if self.paced else "on_loss is 'shrink'"
            raise WorldError(
                f"record is {self.record!r}, and {given}: only runs on virtual time that end with"
                " the loss of a rank can be recorded"
            )

    def copies(self, ranks: int) -> int:
        """How many modelled ranks each of ``ranks`` stands for, itself included.

        Raises `WorldError` where ``as_part_of`` is no multiple of them.
        """
        whole = ranks if self.as_part_of is None else self.as_part_of
        if whole % ranks:
            raise WorldError(f"as_part_of is {whole}; it has to be a multiple of the {ranks} ranks")
        return whole // ranks

    @property
    def survives(self) -> bool:
        """Whether the world goes on after the loss of a rank."""
        return self.on_loss == "shrink"

    @property
    def paced(self) -> float | None:
        """Seconds of wall clock per emulated second with the paced clock.

        None with the virtual clock.
        """
        return self.scale if self.clock == "paced" else None

    def as_json(self) -> dict[str, Any]:
        """The settings as a dict of JSON values, for `from_json`."""
        machine = None if self.machine is None else self.machine.to_json()
        return {"machine": machine, **{name: getattr(self, name) for name in _OTHERS}}

    @staticmethod
    def from_json(values: Mapping[str, Any]) -> "Settings":
        """The settings in a dict that `as_json` returned."""
        spec = values["machine"]
        machine = None if spec is None else MachineSpec.from_json(spec)
        return Settings(**{**values, "machine": machine})

    def fabric(self) -> "Fabric | None":
        """The machine, built anew; None if there is none. Raises as `MachineSpec.build`."""
        return None if self.machine is None else self.machine.build()

    def environment(self) -> dict[str, str]:
        """The settings as environment variables, for `from_environment`."""
        machine = self.machine
        values = {
            "machine": NO_SYSTEM if machine is None else machine.to_text(),
            # Where they are set already, they would override what the machine says.
            "system": machine and machine.system, "software": machine and machine.software,
            **{name: getattr(self, name) for name in _OTHERS},
        }  # fmt: skip
        return {PREFIX + name.upper(): _text(value) for name, value in values.items()}

    @staticmethod
    def from_environment(environment: Mapping[str, str] | None = None) -> "Settings":
        """The settings in ``TRIPLANE_MACHINE``, ``TRIPLANE_CLOCK`` and so on.

        The machine is JSON or the path of its file, or "none"; ``TRIPLANE_SYSTEM`` and
        ``TRIPLANE_SOFTWARE`` override what it says. An empty variable means None.

        ``environment``: the default is this process's. Raises `ArgumentError` or `WorldError` for a
        value that is not allowed.
        """
        given = os.environ if environment is None else environment
        values: dict[str, Any] = {"machine": _machine(given)}
        for name in _OTHERS:
            text = given.get(PREFIX + name.upper())
            if text is not None:
                values[name] = _value(name, text)
        return Settings(**values)


_OTHERS = tuple(each.name for each in fields(Settings) if each.name != "machine")
"""The settings that are no machine."""

_NUMBERS = ("scale", "heartbeat", "stop_timeout", "grace", "loss_detection")
_FLAGS = ("live", "live_wait")
_MAY_BE_0 = ("grace", "loss_detection")
_FILES = ("trace", "record")
_WHOLE: Mapping[str, int | None] = {"as_part_of": None, "spares": 0}


def _normal(name: str, value: Any) -> Any:
    """A setting as a plain value of its kind; raises `ArgumentError`."""
    if name in _NUMBERS:
        return number(value, name)
    if name == "as_part_of":
        return None if value is None else integer(value, name, 1)
    if name in _FLAGS:
        return flag(value, name)
    if name == "spares":
        return integer(value, name, 0)
    return None if name in _FILES and value is None else text(value, name, most=PATH)


def _text(value: Any) -> str:
    """A setting as the text of a variable: nothing for None and False."""
    return "" if value is None or value is False else "1" if value is True else str(value)


def _value(name: str, text: str) -> str | float | int | None:
    if name in _FILES:
        return text or None
    if name in _FLAGS:
        return _on(name, text)
    if name in _WHOLE and (not text or text.isdecimal()):
        return int(text) if text else _WHOLE[name]
    if name not in (*_NUMBERS, *_WHOLE):
        return text
    try:
        return float(text)
    except ValueError:
        raise WorldError(f"{PREFIX}{name.upper()} is {text!r}, not a number") from None


def _on(name: str, text: str) -> bool:
    if text not in ("", "0", "1"):
        raise WorldError(f"{PREFIX}{name.upper()} is {text!r}; it has to be 1, or 0 or nothing")
    return text == "1"


def _machine(given: Mapping[str, str]) -> MachineSpec | None:
    """The machine of the variables; a single one overrides what ``TRIPLANE_MACHINE`` says."""
    line, name = given.get(VARIABLE) or "{}", given.get(PREFIX + "SYSTEM")
    if name in ("", NO_SYSTEM) or (name is None and line == NO_SYSTEM):
        return None
    try:
        found = MachineSpec() if line == NO_SYSTEM else MachineSpec.from_text(line)
    except TriplaneError as error:
        raise WorldError(f"{VARIABLE}: {error}") from None
    changed: dict[str, Any] = {} if name is None else {"system": name}
    if PREFIX + "SOFTWARE" in given:
        changed["software"] = given[PREFIX + "SOFTWARE"] or None
    return found.changed(**changed)


def emulator(settings: Settings, fabric: "Fabric | None", size: int) -> "Emulator | None":
    """The authority over time of ``size`` ranks; None without a fabric.

    Raises `WorldError` where the fabric has no room for so many.
    """
    if fabric is None:
        return None
    mode = "paced" if settings.paced else settings.sync
    record = (settings.trace, settings.record) != (None, None)
    whole = size * settings.copies(size)
    return _emulator(fabric, size, whole, mode, record, settings.loss_detection)


def strict_emulator(fabric: "Fabric", size: int, whole: int) -> "Emulator":
    """The authority over strict time of ``size`` ranks of ``whole``, which records all.

    Raises `WorldError` where the fabric has no room for so many.
    """
    return _emulator(fabric, size, whole, "strict", True, 0.0)


def _emulator(
    fabric: "Fabric", size: int, whole: int, mode: str, record: bool, detection: float
) -> "Emulator":
    from fabric.clock.emulator import Emulator

    if whole > len(fabric.places):
        raise WorldError(
            f"{whole} ranks are more than the {len(fabric.places)} endpoints of"
            f" {fabric.topology.name}"
        )
    if whole > 1:  # or it would be compiled while ranks wait, who would learn of nothing meanwhile
        fabric.compile()
    if whole > size:
        from fabric.clock.part_of import EmulatorOfMany

        return EmulatorOfMany(fabric, size, whole, mode, record=record)
    return Emulator(fabric, size, mode, record=record, detection=detection)
