"""Workloads of other simulators, in and out: GOAL, Chakra's execution traces, ns-3-UB."""

from collectives.workloads.replay import Replay, replay
from collectives.workloads.workload import Workload, WorkloadError, of_steps, of_timeline

__all__ = ["Replay", "Workload", "WorkloadError", "of_steps", "of_timeline", "replay"]
