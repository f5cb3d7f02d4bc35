"""How long transfers take, and how they really happen."""

from typing import TYPE_CHECKING

from fabric.endpoint import Costs, Endpoint, EndpointError
from fabric.launch import launch
from fabric.step import ScheduleError, Step

if TYPE_CHECKING:
    from fabric.simulate import Fabric
    from fabric.timeline import Bottleneck, Timeline

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
        from fabric.simulate import Fabric

        return Fabric
    if name in ("Bottleneck", "Timeline"):
        from fabric import timeline

        return getattr(timeline, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
