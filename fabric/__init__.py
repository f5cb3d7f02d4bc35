"""How long transfers take, and how they really happen."""

from typing import TYPE_CHECKING

from fabric.endpoint.costs import Costs, Endpoint, EndpointError
from fabric.launch import launch
from fabric.schedule.step import ScheduleError, Step

if TYPE_CHECKING:
    from fabric.fabric import Fabric
    from fabric.timeline.value import Bottleneck, Timeline

__all__ = [
    "Bottleneck",
    "Costs",
    "Endpoint",
    "EndpointError",
    "Fabric",
    "ScheduleError",
    "Step",
    "Timeline",
    "launch",
]


def __getattr__(name: str) -> object:
    """Load the engine when it is asked for: a rank that only moves bytes starts without it."""
    if name == "Fabric":
        from fabric.fabric import Fabric

        return Fabric
    if name in ("Bottleneck", "Timeline"):
        from fabric.timeline import value

        return getattr(value, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
