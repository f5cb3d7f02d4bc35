"""Who sends what to whom, in which steps, and the calls that do it with real data."""

from collectives.algorithms import ALGORITHMS, algorithm, buffers, default, schedule
from collectives.communicator import Communicator, init
from collectives.messages import Recv, Send
from collectives.views import ArgumentError
from collectives.work import Work

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
