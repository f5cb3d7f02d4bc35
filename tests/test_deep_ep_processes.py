"""Ranks of DeepEP's adapter as processes: every mode's checks, one after the other in one world."""

import pytest

from collectives import init
from collectives.adapters.deep_ep import Buffer, ElasticBuffer
from collectives.adapters.deep_ep.domains import SCALEUP
from tests import test_deep_ep as normal
from tests import test_deep_ep_elastic as elastic
from tests import test_deep_ep_low_latency as low_latency
from tests.support.adapter_ranks import launch
from tests.support.deep_ep_oracle import made

RANKS = 4


def every_mode() -> None:
    with init() as comm:
        normal.round_trips(Buffer(comm, int(2e9), int(2e9)), made(RANKS, 7))
        world = made(RANKS, 8, hidden=low_latency.HIDDEN)
        size = Buffer.get_low_latency_rdma_size_hint(
            low_latency.MOST, low_latency.HIDDEN, RANKS, world.experts
        )
        low_latency.layouts_are_right(Buffer(comm, 0, size, low_latency_mode=True), world)
        world = made(RANKS, 41)
        buffer = ElasticBuffer(
            comm, num_max_tokens_per_rank=elastic.MOST, hidden=world.hidden, explicitly_destroy=True
        )
        elastic.plain(buffer, world, [1, 2])
        buffer.destroy()


def test_every_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SCALEUP, "2")
    launch(every_mode, RANKS, transport="zmq")
