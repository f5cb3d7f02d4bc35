"""Who sends what to whom, in which steps: collectives as schedules. No clock, no socket."""

from collectives.algorithms import ALGORITHMS, algorithm, buffers, default, schedule

__all__ = ["ALGORITHMS", "algorithm", "buffers", "default", "schedule"]
