"""A rank's place in a world, as its launcher leaves it in the environment."""

from collections.abc import Mapping
from dataclasses import dataclass

from fabric.failure import WorldError
from fabric.host.curve import Keys
from fabric.launching.job import checked_size


@dataclass(frozen=True)
class Seat:
    """A rank's place in a world, and the address of its authority.

    ``control``, ``token``: where the authority listens, and the secret that lets the rank in.
    ``transport``: its name, or where it is (`fabric.transports.base.located`).
    ``launcher``: the process with which it must end, or 0; ``born``: its
    `fabric.host.liveness.birth`. Raises `WorldError` for a rank outside the world.
    """

    rank: int
    size: int
    local_rank: int
    control: str
    token: str = ""
    transport: str = "zmq"
    keys: Keys | None = None
    launcher: int = 0
    born: str = ""

    def __post_init__(self) -> None:
        checked_size(self.size)
        if not 0 <= self.rank < self.size:
            raise WorldError(f"rank {self.rank} of {self.size}: there are 0 to {self.size - 1}")

    def environment(self) -> dict[str, str]:
        """The environment variables that hand the seat to a process."""
        return {
            "RANK": str(self.rank), "WORLD_SIZE": str(self.size),
            "LOCAL_RANK": str(self.local_rank), "TRIPLANE_CONTROL": self.control,
            "TRIPLANE_TOKEN": self.token, "TRIPLANE_TRANSPORT": self.transport,
            "TRIPLANE_LAUNCHER": f"{self.launcher} {self.born}",
            **(self.keys.environment() if self.keys else {}),
        }  # fmt: skip

    @staticmethod
    def from_environment(given: Mapping[str, str]) -> "Seat":
        """The seat in an environment that `environment` wrote.

        Raises `WorldError` for a missing or wrong value.
        """
        return Seat(
            number(given, "RANK"), number(given, "WORLD_SIZE"), number(given, "LOCAL_RANK", 0),
            given["TRIPLANE_CONTROL"], given.get("TRIPLANE_TOKEN", ""),
            given.get("TRIPLANE_TRANSPORT", "zmq"), Keys.from_environment(given),
            *_launcher(given.get("TRIPLANE_LAUNCHER", "0")),
        )  # fmt: skip


def _launcher(text: str) -> tuple[int, str]:
    pid, _, born = text.partition(" ")
    return number({"TRIPLANE_LAUNCHER": pid}, "TRIPLANE_LAUNCHER"), born


def number(given: Mapping[str, str], name: str, default: int | None = None) -> int:
    """The whole number in the environment variable ``name``; raises `WorldError` if it is none."""
    text = given.get(name, "" if default is None else str(default))
    if not (text.isascii() and text.isdigit()):
        raise WorldError(f"{name} in the environment is {text!r}, not a number")
    return int(text)
