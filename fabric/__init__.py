"""How long transfers take, and how they really happen."""

from fabric.endpoint import Costs, Endpoint, EndpointError
from fabric.simulate import Fabric
from fabric.step import ScheduleError, Step
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
]
