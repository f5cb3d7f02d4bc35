"""Workloads of other simulators, in and out: GOAL schedules and Chakra execution traces."""

from collectives.interchange.graph import Workload, WorkloadError, of_steps, of_timeline
from collectives.interchange.replay import Replay, replay

__all__ = ["Replay", "Workload", "WorkloadError", "of_steps", "of_timeline", "replay"]
