"""What windows are given, checked: memory, devices, types and numbers of words."""

from collections.abc import Collection
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from collectives.calls.buffers import view
from collectives.calls.communicator import Communicator
from collectives.memory.errors import WindowError
from fabric.memory.places import OwnMemory, allocated, registered
from fabric.memory.words import WordAct, unsigned
from topology.arguments import integer, shown

DEVICES = ("npu", "cpu")
"""Whose memory a window is of: a rank's own NPU's, or its node's CPU's."""

WORDS = (np.dtype(np.int64), np.dtype(np.uint64))
"""The types of a word."""


def word_act(kind: str, at: Any, value: Any, compare: Any) -> WordAct:
    """What is done to a word; raises `ArgumentError` for numbers that are not of 64 bits."""
    numbers = [
        unsigned(integer(each, name, -(1 << 63), (1 << 64) - 1))
        for each, name in ((value, "value"), (compare, "compare"))
    ]
    return WordAct(kind, integer(at, "at"), *numbers)


def own_memory(given: Any, comm: Communicator) -> OwnMemory:
    """The memory of a rank's part of a window: ``given`` is a number of bytes, or a buffer.

    Raises `WindowError`, `ArgumentError` for what is neither, `TransportError` without room.
    """
    if isinstance(given, int | np.integer) and not isinstance(given, bool):
        in_place = comm.memory is not None and comm.memory.in_place
        return allocated(integer(given, "memory", 0), not in_place)
    buffer = view(given, "memory", True)
    if buffer.home is not None:
        raise WindowError(
            f"memory of shape {list(buffer.home.shape)} has gaps: a window is bytes side by side"
        )
    return registered(buffer.bytes)


def device_of(given: Any, name: str) -> str:
    """One of `DEVICES`; raises `WindowError` for anything else. ``name``: of the argument."""
    return one_of(given, DEVICES, name)


def one_of(given: Any, choices: Collection[str], name: str) -> str:
    """``given``, if it is one of ``choices``; raises `WindowError` for anything else."""
    if not isinstance(given, str) or given not in choices:
        raise WindowError(f"{name} is {shown(given)}; it can be {', '.join(choices)}")
    return given


def word_type(given: DTypeLike) -> np.dtype[Any]:
    """One of `WORDS`; raises `WindowError` for anything else."""
    dtype = np.dtype(given)
    if dtype not in WORDS:
        raise WindowError(f"a word is {', '.join(map(str, WORDS))}, and cannot be {dtype}")
    return dtype
