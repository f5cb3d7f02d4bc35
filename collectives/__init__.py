"""Who sends what to whom, in which steps, and the calls that do it with real data."""

from collectives.algorithms.sizes import buffers
from collectives.algorithms.table import ALGORITHMS, algorithm, default, schedule
from collectives.calls.buffers import ArgumentError
from collectives.calls.communicator import Communicator
from collectives.calls.messages import Recv, Send
from collectives.calls.start import init
from collectives.calls.work import Work

__all__ = [
    "ALGORITHMS",
    "ArgumentError",
    "Communicator",
    "Recv",
    "Send",
    "Work",
    "algorithm",
    "buffers",
    "default",
    "init",
    "schedule",
]
