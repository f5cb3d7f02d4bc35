"""Exceptions out of signal handlers: wherever they come, nobody waits for ever."""

import random
import threading
from typing import Any

import numpy as np
import pytest

from collectives import init
from fabric import launch
from fabric.failure import RankFailed, WorldError
from fabric.host.waiting import Bells, Latch
from tests.support.interrupts import calls_without_end

LIMIT = 120.0
"""Seconds that anything may take."""


def test_an_interrupt_at_any_moment_ends_the_world() -> None:
    chance = random.Random(17)
    for _ in range(2):
        ended = launch(
            calls_without_end, 2, None, "zmq", args=(chance.uniform(0.001, 0.03),),
            return_exceptions=True, timeout=LIMIT,
        )  # fmt: skip
        assert isinstance(ended[0], KeyboardInterrupt)
        assert isinstance(ended[1], RankFailed)
        assert str(ended[1]).startswith("rank 0 raised KeyboardInterrupt")


def test_a_turn_that_an_exception_has_left_is_found() -> None:
    """As one that comes before the first instruction of ``__exit__``."""
    taken = []

    def other(driver: Any) -> None:
        with driver:
            taken.append(True)

    def body() -> None:
        comm = init()
        driver = comm._member.driver
        driver.__enter__()
        with pytest.raises(WorldError, match="signal handler"):
            comm.all_reduce(np.ones(8))
        for leave in (False, True):
            if leave:
                driver.__enter__()
                comm._member.close(WorldError("interrupted"))
            thread = threading.Thread(target=other, args=(driver,), daemon=True)
            thread.start()
            thread.join(LIMIT)
        assert taken == [True, True]

    ended = launch(body, 1, None, return_exceptions=True)
    assert ended == [None] or "signal handler" in str(ended[0]), ended


def test_bells_wake_all_who_wait() -> None:
    bells, latch, woken = Bells(), Latch(), list[bool]()
    threads = [
        threading.Thread(target=lambda: woken.append(latch.wait(LIMIT)), daemon=True)
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    latch.set()
    for thread in threads:
        thread.join(LIMIT)
    assert woken == [True] * 3
    assert latch.wait()
    latch.clear()
    assert not latch.wait(0.01)
    bells.wait(lambda: True)  # at once
    bells.ring()  # nobody waits
    assert not bells._waiting
