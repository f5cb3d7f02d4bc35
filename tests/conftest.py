"""What all tests share: draws that repeat, no deadline for one, and one thread a process."""

import os
import signal

import pytest
from hypothesis import settings

settings.register_profile("house", deadline=None, derandomize=True)
settings.load_profile("house")

# Cores are shared by workers and by the processes that they start: threads of a matrix product
# would wait for each other. NumPy and torch look at this when they are loaded.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# A shell's job in the background ignores Ctrl-C, and so would what tests start and interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(optionalhook=True)  # environments of engines have no xdist
def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores, up to four: tests wait for processes that they start."""
    return min(4, len(os.sched_getaffinity(0)) + 1)
