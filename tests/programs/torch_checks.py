"""What a rank of the backend does in `test_torch_backend`: each check is a function, run in order.

Each makes calls over the group of all ranks and compares what comes with what torch itself computes
from the inputs of all ranks, which each rank can make again. Says of each, as a line of JSON, its
name and what went wrong, or an empty text.
"""

import json
import sys
import tempfile
import traceback
import warnings
import weakref
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch._dynamo  # it takes long, and what is imported here is imported before the ranks fork
import torch.distributed as dist
import torch.distributed.fsdp
import torch.distributed.tensor
from torch import Tensor

import collectives.adapters.torch as adapter

CHECKS: list[Callable[[], None]] = []
OPS = {
    dist.ReduceOp.SUM: torch.add, dist.ReduceOp.PRODUCT: torch.mul,
    dist.ReduceOp.MIN: torch.minimum, dist.ReduceOp.MAX: torch.maximum,
}  # fmt: skip
BITS = {
    dist.ReduceOp.BAND: torch.bitwise_and, dist.ReduceOp.BOR: torch.bitwise_or,
    dist.ReduceOp.BXOR: torch.bitwise_xor,
}  # fmt: skip
FLOATS = [torch.float64, torch.float32, torch.float16, torch.bfloat16]
WHOLES = [torch.int8, torch.int16, torch.int32, torch.int64, torch.uint8]
SMALL = [
    torch.float8_e4m3fn, torch.float8_e5m2, torch.float8_e4m3fnuz, torch.float8_e5m2fnuz,
    torch.float8_e8m0fnu,
]  # fmt: skip
OTHERS = [torch.bool, torch.complex64, torch.complex128, torch.uint16, torch.uint32, torch.uint64]


def check(run: Callable[[], None]) -> Callable[[], None]:
    CHECKS.append(run)
    return run


def values(rank: int, shape: tuple[int, ...], dtype: torch.dtype, most: int = 3) -> Tensor:
    """The input of a rank: small whole numbers, so that sums and products are exact."""
    made = torch.Generator().manual_seed(1000 * rank + sum(shape))
    return torch.randint(0, most + 1, shape, generator=made).to(dtype)


def everybody(shape: tuple[int, ...], dtype: torch.dtype) -> list[Tensor]:
    return [values(rank, shape, dtype) for rank in range(dist.get_world_size())]


def bits(tensor: Tensor) -> Tensor:
    """Its bytes: how tensors of any type are compared."""
    return tensor.detach().contiguous().view(torch.uint8)


def same(got: Tensor, want: Tensor, what: object = "") -> None:
    if got.dtype != want.dtype or got.shape != want.shape or not bits(got).equal(bits(want)):
        raise AssertionError(f"{what}: got {got}, not {want}")


def combined(inputs: list[Tensor], combine: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    total = inputs[0].clone()
    for each in inputs[1:]:
        total = combine(total, each)
    return total


@check
def every_reduction_of_every_type() -> None:
    rank, cases = dist.get_rank(), [(OPS, FLOATS + WHOLES), (BITS, [*WHOLES, torch.bool])]
    for ops, dtypes in cases:
        for op, combine in ops.items():
            for dtype in dtypes:
                inputs = everybody((5, 3), dtype)
                mine = inputs[rank].clone()
                dist.all_reduce(mine, op)
                same(mine, combined(inputs, combine), (op, dtype))
    for dtype in FLOATS:
        inputs = everybody((7,), dtype)
        mine = inputs[rank].clone()
        dist.all_reduce(mine, dist.ReduceOp.AVG)
        # Of numbers as small as these the sum is exact, so one rounding is all there is.
        same(mine, (combined(inputs, torch.add).double() / len(inputs)).to(dtype), dtype)
        mine = inputs[rank].clone()
        dist.all_reduce(mine, dist.ReduceOp.PREMUL_SUM(0.5))
        same(mine, combined([each * 0.5 for each in inputs], torch.add), dtype)


@check
def every_type_is_moved() -> None:
    rank, ranks = dist.get_rank(), dist.get_world_size()
    for dtype in FLOATS + WHOLES + SMALL + OTHERS + [torch.complex32]:
        raw = [values(r, (4, 16), torch.uint8, 255) for r in range(ranks)]
        inputs = [(r & 1).bool() if dtype is torch.bool else r.view(dtype) for r in raw]
        root = inputs[rank].clone()
        dist.broadcast(root, 1)
        same(root, inputs[1], dtype)
        out = torch.empty((ranks, *inputs[0].shape), dtype=dtype)
        dist.all_gather_single(out, inputs[rank])
        same(out, torch.stack(inputs), dtype)
        listed = [torch.empty_like(inputs[0]) for _ in range(ranks)]
        dist.all_gather(listed, inputs[rank])
        for got, want in zip(listed, inputs, strict=True):
            same(got, want, dtype)
        turned = torch.empty((ranks, *inputs[0].shape), dtype=dtype)
        dist.all_to_all_single(turned, torch.stack([inputs[rank]] * ranks))
        same(turned, torch.stack(inputs), dtype)


@check
def rooted_calls() -> None:
    rank, ranks = dist.get_rank(), dist.get_world_size()
    inputs = everybody((3, 2), torch.float32)
    for root in range(ranks):
        mine = inputs[rank].clone()
        dist.reduce(mine, root, dist.ReduceOp.MAX)
        same(mine, combined(inputs, torch.maximum) if rank == root else inputs[rank])
        mine = inputs[rank].clone()
        dist.reduce(mine, root, dist.ReduceOp.PREMUL_SUM(2.0))
        same(mine, combined([2 * x for x in inputs], torch.add) if rank == root else inputs[rank])
        into = [torch.empty(3, 2) for _ in range(ranks)] if rank == root else None
        dist.gather(inputs[rank], into, root)
        for got, want in zip(into or [], inputs, strict=rank == root):
            same(got, want)
        out = torch.empty(3, 2)
        dist.scatter(out, [10 * x for x in inputs] if rank == root else None, root)
        same(out, 10 * inputs[rank])


@check
def scattered_reductions() -> None:
    rank, ranks = dist.get_rank(), dist.get_world_size()
    inputs = everybody((ranks, 4), torch.float32)
    total = combined(inputs, torch.add)
    out = torch.empty(4)
    dist.reduce_scatter_single(out, inputs[rank])
    same(out, total[rank])
    dist.reduce_scatter(out, list(inputs[rank].unbind(0)))
    same(out, total[rank])
    dist.reduce_scatter(out, [row.clone() for row in inputs[rank]], dist.ReduceOp.PREMUL_SUM(0.5))
    same(out, 0.5 * total[rank])
    kept = inputs[rank].clone()
    dist.reduce_scatter_single(out, inputs[rank], dist.ReduceOp.MAX)
    same(out, combined(inputs, torch.maximum)[rank])
    same(inputs[rank], kept, "the input stays as it is")


@check
def lists_of_uneven_tensors() -> None:
    rank, ranks = dist.get_rank(), dist.get_world_size()
    lengths = [3 * r % 5 for r in range(ranks)]  # some are empty
    inputs = [values(r, (lengths[r],), torch.int32) for r in range(ranks)]
    got = [torch.empty(length, dtype=torch.int32) for length in lengths]
    dist.all_gather(got, inputs[rank])
    for mine, want in zip(got, inputs, strict=True):
        same(mine, want)
    tables = [[values(10 * r + k, (lengths[k],), torch.int32) for k in range(ranks)]
              for r in range(ranks)]  # fmt: skip
    out = torch.empty(lengths[rank], dtype=torch.int32)
    dist.reduce_scatter(out, [row.clone() for row in tables[rank]])
    same(out, combined([tables[r][rank] for r in range(ranks)], torch.add))


@check
def exchanges() -> None:
    rank, ranks = dist.get_rank(), dist.get_world_size()
    counts = [[(r + 2 * k) % 4 for k in range(ranks)] for r in range(ranks)]
    rows = [[values(10 * r + k, (counts[r][k], 3), torch.float32) for k in range(ranks)]
            for r in range(ranks)]  # fmt: skip
    want = [rows[r][rank] for r in range(ranks)]
    into = [torch.empty_like(row) for row in want]
    dist.all_to_all(into, rows[rank])
    for got, right in zip(into, want, strict=True):
        same(got, right)
    out = torch.empty(sum(len(row) for row in want), 3)
    dist.all_to_all_single(out, torch.cat(rows[rank]), [len(w) for w in want], counts[rank])
    same(out, torch.cat(want))


@check
def tensors_with_gaps() -> None:
    rank = dist.get_rank()
    inputs = everybody((6, 8), torch.float32)
    mine = inputs[rank].clone().t()[::2]
    dist.all_reduce(mine)
    same(mine, combined(inputs, torch.add).t()[::2])
    out = [torch.zeros(8, 6).t() for _ in inputs]
    dist.all_gather(out, inputs[rank])
    for got, want in zip(out, inputs, strict=True):
        same(got, want)
    column = torch.zeros(4, 4)
    dist.broadcast(column[:, 1] if rank else column[:, 1].fill_(7), 0)
    same(column, torch.tensor([[0.0, 7, 0, 0]] * 4))


@check
def tensors_that_ranks_share() -> None:
    rank, n = dist.get_rank(), dist.get_world_size()
    for dtype in (torch.float32, torch.bfloat16, torch.int8, torch.bool):
        x, out = (adapter.empty(*size, dtype=dtype) for size in ((700, 512), (n, 700, 512)))
        assert x.dtype == dtype, dtype
        assert out.shape == (n, 700, 512), dtype
        assert not x.any(), dtype
        inputs = everybody((700, 512), dtype)
        x[:] = inputs[rank]
        dist.all_gather_into_tensor(out, x)
        same(out, torch.stack(inputs), dtype)
        if dtype != torch.bool:
            dist.all_reduce(x)
            same(x, combined(inputs, torch.add), dtype)
    assert adapter.empty(3).dtype == torch.get_default_dtype()
    assert adapter.empty(2, 0).shape == (2, 0)


@check
def nothing_at_all() -> None:
    empty = torch.empty(0)
    dist.all_reduce(empty)
    dist.broadcast(empty, 0)
    dist.all_gather([torch.empty(0) for _ in range(dist.get_world_size())], empty)
    dist.all_to_all_single(torch.empty(0, 3), torch.empty(0, 3))


@check
def many_at_once() -> None:
    rank, inputs = dist.get_rank(), everybody((1000,), torch.float32)
    total = combined(inputs, torch.add)
    mine = [inputs[rank] * k for k in range(20)]
    works = [dist.all_reduce(each, async_op=True) for each in mine]
    for work, each, k in reversed(list(zip(works, mine, range(20), strict=True))):
        work.wait()
        if not (work.is_completed() and work.is_success() and work.exception() is None):
            raise AssertionError("waited for, but not over")
        same(each, total * k)
    polled = inputs[rank].clone()
    work = dist.all_reduce(polled, async_op=True)
    while not work.is_completed():
        pass
    same(polled, total)


@check
def futures_and_what_follows_them() -> None:
    rank, inputs = dist.get_rank(), everybody((100,), torch.float32)
    total, ranks = combined(inputs, torch.add), dist.get_world_size()

    def again(future: Any) -> Tensor:
        (tensor,) = future.value()
        dist.all_reduce(tensor)  # from the thread that sets futures
        return tensor

    mine = inputs[rank].clone()
    work = dist.all_reduce(mine, async_op=True)
    same(work.get_future().then(again).wait(), total * ranks)

    def waits(future: Any) -> Tensor:  # as PowerSGD's hook does
        tensor = future.value()[0].clone()
        inner = dist.all_reduce(tensor, async_op=True).get_future()
        nested = inner.then(lambda each: dist.all_reduce(each.value()[0]) or each.value()[0])
        return nested.wait()  # type: ignore[no-any-return]

    outer = dist.all_reduce(inputs[rank].clone(), async_op=True).get_future()
    same(outer.then(waits).wait(), total * ranks**2)
    over = dist.all_reduce(mine, async_op=True)
    over.wait()
    same(over.get_future().wait()[0], total * ranks**2)
    same(over.result()[0], total * ranks**2)


@check
def calls_of_one_memory_are_in_order() -> None:
    rank, inputs = dist.get_rank(), everybody((6,), torch.float32)
    total, ranks = combined(inputs, torch.add), dist.get_world_size()
    x = inputs[rank].clone()
    works = [dist.all_reduce(x, async_op=True) for _ in range(3)]
    dist.all_reduce(x)  # one that waits, after those that nobody has waited for yet
    same(x, total * ranks**3)
    for work in works:
        work.wait()
    both = torch.cat([inputs[rank]] * ranks)
    mine = both[rank * 6 : rank * 6 + 6]
    works = [dist.reduce_scatter_single(mine, both, async_op=True),
             dist.all_gather_single(both, mine, async_op=True)]  # fmt: skip
    for work in reversed(works):
        work.wait()
    same(both, torch.cat([total] * ranks))
    wide = torch.zeros(6, 2)
    outs, gaps = [torch.zeros(6) for _ in range(ranks)], wide[:, 0]
    works = [dist.all_gather(outs, inputs[rank], async_op=True),
             dist.all_reduce(outs[1], dist.ReduceOp.PREMUL_SUM(2.0), async_op=True)]  # fmt: skip
    gaps.copy_(inputs[rank])
    works += [dist.all_reduce(gaps, async_op=True), dist.broadcast(gaps, 0, async_op=True)]
    for work in works:
        work.wait()
    same(outs[1], inputs[1] * 2 * ranks)
    same(gaps, total)
    unused = torch.ones(2)
    kept = weakref.ref(unused)
    dist.all_reduce(unused, async_op=True)
    del unused
    for _ in range(3):  # what nobody waits for is not kept
        for _ in range(70):
            dist.all_reduce(torch.ones(2), async_op=True)
        dist.barrier()
    if kept() is not None:
        raise AssertionError("a tensor of a call that is over is kept")


@check
def coalesced() -> None:
    rank, inputs = dist.get_rank(), everybody((8,), torch.float32)
    total = combined(inputs, torch.add)
    for asynchronous in (False, True):
        mine = [inputs[rank] * k for k in range(4)]
        with dist.distributed_c10d._coalescing_manager(async_ops=asynchronous) as manager:
            for each in mine:
                dist.all_reduce(each)
        manager.wait()
        for k, each in enumerate(mine):
            same(each, total * k)
    outs = [torch.empty(len(inputs), 8) for _ in range(3)]
    device = torch.device("cpu")
    with dist.distributed_c10d._coalescing_manager(device=device, async_ops=True) as manager:
        for k, out in enumerate(outs):
            dist.all_gather_single(out, inputs[rank] + k)
    manager.wait()
    for k, out in enumerate(outs):
        same(out, torch.stack(inputs) + k)
    out = torch.empty(2)
    whole = everybody((2 * len(inputs),), torch.float32)
    with dist.distributed_c10d._coalescing_manager(async_ops=True) as manager:
        dist.reduce_scatter_single(out, whole[rank])
    manager.wait()
    same(out, combined(whole, torch.add).view(-1, 2)[rank])
    dist.all_reduce_coalesced(mine := [inputs[rank].clone(), inputs[rank] * 2])
    same(mine[1], total * 2)


@check
def messages() -> None:
    rank, ranks = dist.get_rank(), dist.get_world_size()
    after, before = (rank + 1) % ranks, (rank - 1) % ranks
    inputs = everybody((50,), torch.float32)
    # Tags out of order, and several of one tag in order.
    sent = [dist.isend(inputs[rank] + tag, after, tag=tag % 3) for tag in range(6)]
    for tag in (2, 0, 1, 5, 3, 4):
        got = torch.empty(50)
        if dist.recv(got, before, tag=tag % 3) != before:
            raise AssertionError("recv must say who has sent")
        same(got, inputs[before] + tag)
    for work in sent:
        work.wait()
    got = torch.empty(50)
    ops = [dist.P2POp(dist.irecv, got, before), dist.P2POp(dist.isend, inputs[rank], after)]
    for work in dist.batch_isend_irecv(ops):
        work.wait()
    same(got, inputs[before])


@check
def messages_to_oneself() -> None:
    rank, first, second = dist.get_rank(), torch.empty(3), torch.empty(3)
    works = [
        dist.irecv(first, rank, tag=1), dist.isend(torch.full((3,), 2.0), rank, tag=2),
        dist.isend(torch.full((3,), 1.0), rank, tag=1), dist.irecv(second, rank, tag=2),
    ]  # fmt: skip
    for work in works:
        work.wait()
    same(first, torch.full((3,), 1.0))
    same(second, torch.full((3,), 2.0))
    alone = dist.isend(first, rank, tag=3)
    try:
        alone.wait(timedelta(milliseconds=20))
    except dist.DistBackendError as error:
        if f"rank {rank}" not in str(error):
            raise
    else:
        raise AssertionError("nobody receives it")
    dist.irecv(second, rank, tag=3).wait()
    alone.wait()


@check
def messages_from_anybody() -> None:
    rank, ranks = dist.get_rank(), dist.get_world_size()
    if rank:
        for k in range(3):
            dist.send(torch.full((4,), float(10 * rank + k)), 0, tag=7)
        dist.send(torch.full((1 << 20,), float(rank)), 0, tag=8)
    else:
        seen: dict[int, list[float]] = {}
        for _ in range(3 * (ranks - 1)):
            got = torch.empty(4)
            seen.setdefault(dist.recv(got, tag=7), []).append(got[0].item())
        want = {r: [10.0 * r + k for k in range(3)] for r in range(1, ranks)}
        if seen != want:
            raise AssertionError(f"{seen}, not {want}")
        rest = [torch.empty(1 << 20) for _ in range(1, ranks)]
        works = [dist.irecv(each, tag=8) for each in rest]
        for work, each in zip(works, rest, strict=True):
            work.wait()
            same(each, torch.full_like(each, work._source_rank()))
        if {work._source_rank() for work in works} != set(range(1, ranks)):
            raise AssertionError("each has sent one")
    dist.barrier()


@check
def objects() -> None:
    rank, ranks = dist.get_rank(), dist.get_world_size()
    got: list[Any] = [None] * ranks
    dist.all_gather_object(got, {"rank": rank, "long": "x" * 10 * rank})
    if got != [{"rank": r, "long": "x" * 10 * r} for r in range(ranks)]:
        raise AssertionError(got)
    words = [("from", rank), [rank]]
    dist.broadcast_object_list(words, 1)
    if words != [("from", 1), [1]]:
        raise AssertionError(words)
    mine: list[Any] = [None]
    dist.scatter_object_list(mine, [f"for {r}" for r in range(ranks)] if rank == 0 else None, 0)
    if mine != [f"for {rank}"]:
        raise AssertionError(mine)


@check
def groups_that_overlap() -> None:
    rank, ranks = dist.get_rank(), dist.get_world_size()
    pairs = [dist.new_group([a, b]) for a in range(ranks) for b in range(a + 1, ranks)]
    twice = dist.new_group([0, 1]), dist.new_group([0, 1])
    inputs, begun = everybody((10,), torch.float32), []
    for pair in reversed(pairs):  # all under way at once, in an order of each rank's own
        if isinstance(pair, dist.ProcessGroup):
            mine = inputs[rank].clone()
            begun.append((pair, mine, dist.all_reduce(mine, group=pair, async_op=True)))
    for pair, mine, work in begun:
        work.wait()
        same(mine, sum(inputs[r] for r in dist.get_process_group_ranks(pair)))
    if rank < 2:  # of two groups of the same ranks, calls in another order at each
        tensors = {group: inputs[rank] + k for k, group in enumerate(twice)}
        order = twice if rank else twice[::-1]
        works = [dist.all_reduce(tensors[g], group=g, async_op=True) for g in order]
        for work in works:
            work.wait()
        for k, group in enumerate(twice):
            same(tensors[group], inputs[0] + inputs[1] + 2 * k)
    for pair in pairs:
        if isinstance(pair, dist.ProcessGroup):
            dist.destroy_process_group(pair)
    beside = dist.new_group(backend="gloo")
    mine = inputs[rank].clone()
    dist.all_reduce(mine, group=beside)
    same(mine, combined(inputs, torch.add))


@check
def a_group_that_is_split() -> None:
    rank, ranks = dist.get_rank(), dist.get_world_size()
    world = dist.group.WORLD
    made = world.split_group([ranks - 1, 0], group_name="ends")
    if (made is not None) != (rank in (0, ranks - 1)):
        raise AssertionError(made)
    if made is not None:
        if (made.rank(), made.size()) != ((0 if rank else 1), 2):
            raise AssertionError((made.rank(), made.size()))
        mine = torch.full((2,), float(rank))
        made.broadcast([mine], adapter_root(0)).wait()
        same(mine, torch.full((2,), float(ranks - 1)))


def adapter_root(root: int) -> dist.BroadcastOptions:
    options = dist.BroadcastOptions()
    options.rootRank = root
    return options


@check
def barriers() -> None:
    dist.barrier()
    dist.barrier(async_op=True).wait()
    for everybody_late in (False, True):
        dist.group.WORLD.monitored_barrier(timedelta(seconds=20), everybody_late)


@check
def functional_calls() -> None:
    import torch.distributed._functional_collectives as functional

    rank, ranks, group = dist.get_rank(), dist.get_world_size(), dist.group.WORLD
    inputs = everybody((ranks, 2), torch.float32)
    total = combined(inputs, torch.add)
    wait = functional.wait_tensor
    same(wait(functional.all_reduce(inputs[rank], "sum", group)), total)
    same(wait(functional.all_reduce(inputs[rank], "avg", group)), total / ranks)
    for each in functional.all_reduce_coalesced([inputs[rank], inputs[rank]], "sum", group):
        same(wait(each), total)
    same(wait(functional.all_gather_single(inputs[rank], 0, group)), torch.cat(inputs))
    same(
        wait(functional.reduce_scatter_single(inputs[rank], "sum", 0, group)),
        total[rank : rank + 1],
    )
    out = wait(functional.all_to_all_single(inputs[rank], None, None, group))
    same(out, torch.stack([each[rank] for each in inputs]))
    same(wait(functional.broadcast(inputs[rank], 1, group)), inputs[1])


@check
def compiled() -> None:
    import torch.distributed._functional_collectives as functional

    def twice_the_sum(x: Tensor) -> Tensor:
        return functional.all_reduce(x * 2, "sum", dist.group.WORLD) + 1

    inputs = everybody((6,), torch.float32)
    fast = torch.compile(twice_the_sum, backend="aot_eager", fullgraph=True)
    same(fast(inputs[dist.get_rank()]), 2 * combined(inputs, torch.add) + 1)


@check
def distributed_tensors() -> None:
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.tensor import Replicate, Shard, distribute_tensor

    ranks = dist.get_world_size()
    whole = torch.arange(ranks * ranks * 6.0).reshape(ranks * 2, ranks * 3)
    mesh = init_device_mesh("cpu", (ranks,))
    rows = distribute_tensor(whole, mesh, [Shard(0)])
    same(rows.redistribute(mesh, [Replicate()]).to_local(), whole)
    same(rows.redistribute(mesh, [Shard(1)]).full_tensor(), whole)
    other = distribute_tensor(whole.t().contiguous(), mesh, [Replicate()])
    same((rows @ other).full_tensor(), whole @ whole.t())
    square = init_device_mesh("cpu", (2, ranks // 2), mesh_dim_names=("a", "b"))
    both = distribute_tensor(whole, square, [Shard(0), Shard(1)])
    same(both.full_tensor(), whole)


def trained(wrap: Callable[[torch.nn.Module], torch.nn.Module], rank: int | None) -> list[Tensor]:
    """The parameters of a small model after three steps; with all ranks' inputs for rank None."""
    torch.manual_seed(1)
    model = wrap(
        torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.ReLU(), torch.nn.Linear(16, 4))
    )
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    data = torch.randn(dist.get_world_size(), 4, 8)
    for _ in range(3):
        optimizer.zero_grad()
        model(data.flatten(0, 1) if rank is None else data[rank]).square().mean().backward()
        optimizer.step()
    full = [getattr(each, "full_tensor", lambda each=each: each)() for each in model.parameters()]
    return [each.detach() for each in full]


@check
def training() -> None:
    from torch.distributed.fsdp import fully_shard

    alone = trained(lambda model: model, None)
    for wrap in (torch.nn.parallel.DistributedDataParallel, fully_shard):
        for got, want in zip(trained(wrap, dist.get_rank()), alone, strict=True):
            torch.testing.assert_close(got, want)


@check
def the_emulated_clock() -> None:
    comm, rank = adapter.communicator(), dist.get_rank()
    x = torch.zeros(1 << 18)
    dist.all_reduce(x)
    before = comm.now()
    work = comm.all_reduce(x)  # the same call, without torch
    begin, end = work.times()
    alone = end - begin
    dist.all_reduce(x)
    begin, end = adapter.times()
    if not 0 < alone == end - begin or comm.now() != end:
        raise AssertionError((before, alone, begin, end, comm.now()))
    begun = dist.all_reduce(x, async_op=True)
    begin, end = begun.times()
    begun.get_future().wait()
    if not comm.now() >= end > begin:
        raise AssertionError((begin, end))
    if rank == 0:
        dist.recv(x)
        begin, end = adapter.times()
        if not end > begin:
            raise AssertionError((begin, end))
    elif rank == 1:
        dist.send(x, 0)


@check
def sparse_tensors() -> None:
    rank, ranks = dist.get_rank(), dist.get_world_size()
    dense = [values(r, (6, 2), torch.float32) * (r != 1) for r in range(ranks)]  # one is empty
    mine = dense[rank].to_sparse()
    dist.all_reduce(mine)
    same(mine.to_dense(), combined(dense, torch.add))


@check
def tensors_stay_what_they_were() -> None:
    rank, ranks = dist.get_rank(), dist.get_world_size()
    parameter, out = torch.nn.Parameter(torch.full((4,), float(rank))), torch.zeros(4 * ranks)
    dist.all_gather_single(out, parameter)
    dist.reduce_scatter_single(torch.zeros(4), out)
    dist.all_reduce(parameter)
    dist.broadcast(parameter, 0)
    if out.requires_grad or not parameter.is_leaf or parameter[0] != ranks * (ranks - 1) / 2:
        raise AssertionError((out, parameter))
    for each in (parameter.detach(), out, torch.zeros(4, dtype=torch.bfloat16)):
        dist.broadcast(each, 0)
        each.untyped_storage().resize_(0)
        each.untyped_storage().resize_(1024)
    mine = torch.full((3,), 1j + rank).conj()
    got = torch.zeros(3 * ranks, dtype=torch.complex64)
    dist.group.WORLD.all_gather_single(got, mine).wait()
    same(got[3:6], torch.full((3,), 1 - 1j))


@check
def sharded_as_of_old() -> None:
    from torch.distributed.fsdp import FullyShardedDataParallel

    alone = trained(lambda model: model, None)
    mine = trained(lambda model: FullyShardedDataParallel(model, device_id=torch.device("cpu")),
                   dist.get_rank())  # fmt: skip
    whole = torch.cat([each.flatten() for each in alone])
    flat = torch.cat([each.flatten() for each in mine])
    share = -(-len(whole) // dist.get_world_size())
    at = share * dist.get_rank()
    torch.testing.assert_close(flat[: len(whole) - at], whole[at : at + share])


@check
def states_that_are_loaded() -> None:
    from torch.distributed.checkpoint.state_dict import (
        StateDictOptions,
        get_model_state_dict,
        set_model_state_dict,
    )  # fmt: skip
    from torch.distributed.fsdp import fully_shard

    torch.manual_seed(dist.get_rank())
    model = torch.nn.Linear(6, 5)
    fully_shard(model)
    full = {name: torch.full(value.shape, 3.0) for name, value in model.state_dict().items()}
    options = StateDictOptions(full_state_dict=True, broadcast_from_rank0=True)
    set_model_state_dict(model, full if dist.get_rank() == 0 else {}, options=options)
    found = get_model_state_dict(model, options=StateDictOptions(full_state_dict=True))
    for name, value in found.items():
        same(value, torch.full(value.shape, 3.0), name)


@check
def who_watches() -> None:
    from torch.distributed.tensor.debug import CommDebugMode

    x, ranks = torch.ones(4), dist.get_world_size()
    with torch.profiler.profile(record_shapes=True) as profile, CommDebugMode() as counted:
        dist.all_reduce(x)
        dist.all_gather_single(torch.zeros(4 * ranks), x, async_op=True).wait()
    seen = {event.name: event for event in profile.events()}
    if not {"c10d::allreduce_", "c10d::_allgather_base_"} <= set(seen):
        raise AssertionError(sorted(seen))
    if seen["triplane::all_gather"].concrete_inputs[2] != ranks:
        raise AssertionError(seen["triplane::all_gather"].concrete_inputs)
    begin, took = seen["triplane::all_reduce"].concrete_inputs[3:]
    if not (begin > 0 and 0 < took < 1000):
        raise AssertionError((begin, took))
    if counted.get_total_counts() != 2 or x[0] != ranks:
        raise AssertionError((counted.get_comm_counts(), x))


@check
def traces_of_executions() -> None:
    with tempfile.TemporaryDirectory() as folder:
        file, observer = Path(folder) / "trace.json", torch.profiler.ExecutionTraceObserver()
        observer.register_callback(str(file))
        observer.start()
        dist.all_reduce(torch.ones(4))
        observer.stop()
        observer.unregister_callback()
        nodes = {each["name"]: each["inputs"] for each in json.loads(file.read_text())["nodes"]}
    if nodes["c10d::allreduce_"]["shapes"][0] != [[4]]:
        raise AssertionError(nodes["c10d::allreduce_"])
    shown = nodes["triplane::all_reduce"]["values"]
    if shown[1:3] != [dist.group.WORLD.group_name, dist.get_world_size()] or not 0 < shown[4] < 1e3:
        raise AssertionError(shown)


@check
def futures_are_set_by_those_who_wait() -> None:
    for begin in (
        lambda: dist.all_reduce(torch.ones(2), async_op=True),
        lambda: dist.broadcast(torch.ones(2), 0, async_op=True),
        lambda: dist.barrier(async_op=True),
    ):
        for early in (True, False):
            work = begin()
            future = work.get_future() if early else None
            work.wait()
            future = future or work.get_future()
            if not (future.done() and work.is_completed() and future.value() == work.result()):
                raise AssertionError((early, future.done()))
    work = dist.all_reduce(torch.ones(2), async_op=True)
    doubled = work.get_future().then(lambda each: each.value()[0] * 2)
    work.wait()
    same(doubled.wait(), torch.full((2,), 2.0 * dist.get_world_size()))


@check
def what_stands_for_splits() -> None:
    import numpy as np

    ranks = dist.get_world_size()
    x = torch.arange(2.0 * ranks) + 100 * dist.get_rank()
    want = torch.empty(2 * ranks)
    dist.all_to_all_single(want, x)
    for form in (tuple, np.array, torch.Size, lambda each: [torch.tensor(n) for n in each]):
        out = torch.empty(2 * ranks)
        dist.all_to_all_single(out, x, form([2] * ranks), form([2] * ranks))
        same(out, want, form)
    first = [2 * ranks - 1, -1] + [1] + [0] * (ranks - 3)
    for splits in (first, [3] * ranks, [2] * (ranks - 1)):
        refused(lambda splits=splits: dist.all_to_all_single(want, x, splits, splits), "splits")
    refused(lambda: dist.all_to_all_single(want[1:], x[1:]), "divided equally")


@check
def types_that_only_travel() -> None:
    half = torch.full((2,), 1.5 + 0j, dtype=torch.complex32)
    for x, word in (
        (half, "complex32"), (torch.ones(2).to(torch.float8_e8m0fnu), "float8_e8m0fnu"),
        (torch.zeros(2, dtype=torch.uint8).view(torch.float4_e2m1fn_x2), "float4_e2m1fn_x2"),
    ):  # fmt: skip
        refused(lambda x=x: dist.reduce(x, 0), word)
        refused(lambda x=x: dist.group.WORLD.allreduce([x]), word)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch does not want such types to be used any more
        packed = torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.quint8)
    refused(lambda: dist.broadcast(packed, 0), "quint8")
    refused(lambda: dist.all_reduce(torch.ones(2, dtype=torch.int32), PREMUL), "PREMUL_SUM")
    for dtype, large in ((torch.float16, 40000.0), (torch.bfloat16, 3e38), (torch.float32, 3e38)):
        x = torch.full((3,), large, dtype=dtype)
        dist.all_reduce(x, dist.ReduceOp.AVG)
        torch.testing.assert_close(x, torch.full((3,), large, dtype=dtype))


PREMUL = dist.ReduceOp.PREMUL_SUM(2.0)


def refused(call: Callable[[], object], word: str) -> None:
    """Such a call is a `ValueError` with that word; nothing was sent, so the next ones go on."""
    try:
        call()
    except ValueError as error:
        if word not in str(error):
            raise
    else:
        raise AssertionError(f"{word} was not refused")


@check
def other_lists_than_there_can_be() -> None:
    ranks, x = dist.get_world_size(), torch.ones(2)
    fitting = [torch.zeros(2) for _ in range(ranks)]
    other = [torch.zeros(2, dtype=torch.float64) for _ in range(ranks)]
    refused(lambda: dist.all_gather(fitting[1:], x), "output tensors")
    refused(lambda: dist.all_gather(other, x), "float64")
    refused(lambda: dist.all_gather([torch.zeros(3) for _ in fitting], x), "shape")
    refused(lambda: dist.reduce_scatter(x, fitting[1:]), "input tensors")
    refused(lambda: dist.all_to_all(fitting, fitting[1:]), "input tensors")
    refused(lambda: dist.group.WORLD.allreduce([x, x]), "tensors of this rank")
    refused(lambda: dist.isend(x, 0, tag=-1), "tag")
    refused(lambda: dist.new_group(backend="cuda:triplane"), "CPU")
    if dist.group.WORLD._device_types != [torch.device("cpu")]:
        raise AssertionError(dist.group.WORLD._device_types)


@check
def what_cannot_be() -> None:
    for call, part in (
        (lambda: dist.all_to_all_single(torch.empty(4), torch.empty(4), [1], [4]), "splits [4]"),
        (lambda: dist.all_reduce(torch.zeros(2), dist.ReduceOp.BAND), "band of float32"),
        (lambda: adapter.communicator(dist.new_group(backend="gloo")), "backend 'gloo'"),
    ):
        try:
            call()
        except ValueError as error:
            if part not in str(error):
                raise
        else:
            raise AssertionError(f"that {part!r} cannot be was not said")


def main(rank: int, ranks: int, folder: Path) -> None:
    warnings.simplefilter("error")
    warnings.filterwarnings("ignore", message="ComplexHalf support is experimental")
    warnings.filterwarnings("ignore", category=FutureWarning, module="torch")
    dist.init_process_group(
        adapter.NAME, init_method=f"file://{folder / 'store'}", rank=rank, world_size=ranks,
        timeout=timedelta(seconds=60),
    )  # fmt: skip
    for run in CHECKS:
        wrong = ""
        try:
            run()
        except Exception:
            wrong = traceback.format_exc()
        sys.stdout.write(json.dumps([run.__name__, wrong]) + "\n")
        sys.stdout.flush()
    dist.destroy_process_group()
