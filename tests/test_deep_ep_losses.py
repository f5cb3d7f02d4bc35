"""DeepEP's low-latency mode masks the ranks that are lost, and goes on: `enable_shrink`."""

import os
import signal
from typing import Any

import pytest
import torch

from collectives import init
from collectives.adapters.deep_ep import Buffer
from fabric.failure import RankLost
from tests.support.adapter_ranks import launch
from tests.support.deep_ep_oracle import World, made, result
from tests.support.surviving import Loss
from tests.test_deep_ep_low_latency import HIDDEN, MOST, dispatched, rows, wanted

LOST = 1
STAGES = ("before dispatch", "before combine", "two batches")


def buffer_of(world: World, **options: Any) -> Buffer:
    comm = init()
    size = Buffer.get_low_latency_rdma_size_hint(MOST, HIDDEN, comm.size, world.experts)
    return Buffer(comm, 0, size, low_latency_mode=True, **options)


def end(kill: bool) -> None:
    if kill:
        os.kill(os.getpid(), signal.SIGKILL)
    raise Loss


def masks(buffer: Buffer) -> list[int]:
    status = torch.full((buffer.group_size,), 7, dtype=torch.int32)
    buffer.low_latency_query_mask_buffer(status)
    found: list[int] = status.tolist()
    return found


def received(buffer: Buffer, world: World, got: Any, masked: tuple[int, ...]) -> None:
    """What has arrived is what those that are not masked have sent."""
    x, counts, handle, *_ = got
    for here in range(world.local):
        came = rows(world, buffer.rank * world.local + here, masked=masked)
        assert int(counts[here]) == len(came)
        for at, (source, row) in enumerate(came):
            assert torch.equal(x[here, at], world.tokens[source].x[row])
        for source in masked:
            assert handle[1][here, source] & (2**32 - 1) == 0


def combined(buffer: Buffer, world: World, got: Any, **options: Any) -> None:
    """Every token has the weighted results of the experts that are left, and no others."""
    rank = buffer.rank
    own = world.tokens[rank]
    total, event, hook = buffer.low_latency_combine(
        result(got[0], rank), own.idx, own.weights, got[2], **options
    )
    if hook is not None:
        hook()
    elif options.get("async_finish"):
        event.current_stream_wait()
    torch.testing.assert_close(
        total.float(), wanted(world, rank, masked=(LOST,)), rtol=2**-7, atol=2**-8
    )


def loses(world: World, stage: str, kill: bool) -> list[int]:
    buffer = buffer_of(world, enable_shrink=True)
    whole = dispatched(buffer, world, use_fp8=False)
    received(buffer, world, whole, ())
    if stage == "before dispatch":
        if buffer.rank == LOST:
            end(kill)
        got = dispatched(buffer, world, use_fp8=False, return_recv_hook=True)
        got[4]()
        received(buffer, world, got, (LOST,))
        combined(buffer, world, got, return_recv_hook=True)
    if stage == "before combine":
        if buffer.rank == LOST:
            end(kill)
        combined(buffer, world, whole, async_finish=True)
    if stage == "two batches":
        other = dispatched(buffer, world, use_fp8=False)
        if buffer.rank == LOST:
            end(kill)
        combined(buffer, world, other)
        combined(buffer, world, other)  # the other of two buffers still has a dispatch of before
    found = masks(buffer)
    buffer.clean_low_latency_buffer(MOST, HIDDEN, world.experts)
    buffer.low_latency_clean_mask_buffer()
    assert masks(buffer) == [0] * world.ranks
    again = dispatched(buffer, world, use_fp8=False)
    received(buffer, world, again, (LOST,))
    combined(buffer, world, again)
    assert masks(buffer) == found
    return found


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("sync", ["strict", "eager"])
def test_a_lost_rank_is_masked_and_the_call_ends_well(stage: str, sync: str) -> None:
    world = made(4, 2, hidden=HIDDEN)
    found = launch(loses, 4, args=(world, stage, False), on_loss="shrink", sync=sync)
    assert isinstance(found[LOST], Loss)
    assert [found[rank] for rank in (0, 2, 3)] == [[0, 1, 0, 0]] * 3


def test_a_killed_process_is_masked() -> None:
    world = made(4, 2, hidden=HIDDEN)
    found = launch(
        loses, 4, args=(world, "before combine", True), on_loss="shrink", transport="zmq"
    )
    assert isinstance(found[LOST], RankLost)
    assert [found[rank] for rank in (0, 2, 3)] == [[0, 1, 0, 0]] * 3


def raises(world: World) -> list[int]:
    buffer = buffer_of(world)
    if buffer.rank == LOST:
        raise Loss
    with pytest.raises(RankLost):
        dispatched(buffer, world)
    return masks(buffer)


def test_without_enable_shrink_a_loss_is_an_error() -> None:
    found = launch(raises, 3, args=(made(3, 1, hidden=HIDDEN),), on_loss="shrink")
    assert [found[rank] for rank in (0, 2)] == [[0, 0, 0]] * 2
