"""Workloads of other simulators, in and out: GOAL schedules and Chakra execution traces."""

from collectives.workloads.replay import Replay, replay
from collectives.workloads.workload import Workload, WorkloadError, of_steps, of_timeline

__all__ = ["Replay", "Workload", "WorkloadError", "of_steps", "of_timeline", "replay"]
