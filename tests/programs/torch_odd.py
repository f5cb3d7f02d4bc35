"""Odd arguments in every call of a process group, beside gloo: what a rank of it does.

    python tests/programs/torch_odd.py [SECONDS [SEED [RANKS]]]    # a longer run than the test's

Each case is a call with tensors and arguments that all ranks draw from the same numbers, made over
gloo and over this backend. What comes of it has to be the same, tensors and their properties, or,
over this backend, a `ValueError` or `TypeError`; then the next one goes on. It says each that is
not so, as a line of JSON, and last how many cases there were.
"""

import faulthandler
import itertools
import json
import random
import sys
import time
import warnings
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor

import collectives.adapters.torch as adapter

CASES = 250
REFUSALS = (ValueError, TypeError)
TYPES = [
    torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int8, torch.int32,
    torch.int64, torch.uint8, torch.bool, torch.complex64, torch.complex32, torch.float8_e4m3fn,
    torch.float8_e8m0fnu, torch.uint16,
]  # fmt: skip
OPS = [
    dist.ReduceOp.SUM, dist.ReduceOp.PRODUCT, dist.ReduceOp.MIN, dist.ReduceOp.MAX,
    dist.ReduceOp.AVG, dist.ReduceOp.BAND, dist.ReduceOp.BOR, dist.ReduceOp.BXOR,
    dist.ReduceOp.PREMUL_SUM(2.0), "sum", 0, None,
]  # fmt: skip


class Draw:
    """What a case is made of: equal numbers at all ranks, and numbers of each rank's own.

    ``packed``: tensors have no gaps: gloo takes the memory of those that have, and not their items.
    """

    def __init__(self, seed: int, rank: int, ranks: int, packed: bool) -> None:
        self.same, self.rank, self.ranks, self.packed = random.Random(seed), rank, ranks, packed
        self.own = torch.Generator().manual_seed(seed * 64 + rank)
        self.made: list[Tensor] = []

    def one(self, *choices: Any) -> Any:
        return self.same.choice(choices)

    def mostly(self, usual: Any, *choices: Any) -> Any:
        return usual if self.same.random() < 0.75 else self.one(*choices)

    def tensor(self, length: int, dtype: torch.dtype, *avoided: str) -> Tensor:
        """Small whole numbers, in a tensor of some form with the first dimension ``length``."""
        shape = self.one((length,), (length, 2), (length, 1, 3))
        values = torch.randint(0, 4, shape, generator=self.own).to(dtype)
        form = self.mostly("plain", "turned", "gaps", "grad", "scalar", "view", "expanded")
        if form in avoided:
            form = "plain"
        if form == "turned" and values.dim() > 1:
            values = values.t().contiguous().t() if values.dim() == 2 else values.transpose(0, 2)
        elif form == "gaps":
            wide = torch.zeros((*shape, 2), dtype=torch.int32).to(dtype)
            wide[..., 0] = values
            values = wide[..., 0]
        elif form == "grad" and dtype.is_floating_point and dtype.itemsize > 1:
            values.requires_grad_()
        elif form == "scalar":
            values = values.flatten()[0].clone() if values.numel() else values
        elif form == "view":
            values = torch.cat([values, values])[len(values) :]
        elif form == "expanded" and length:
            values = values[:1].expand(shape)
        return self.kept(values)

    def kept(self, tensor: Tensor) -> Tensor:
        """A tensor that is looked at when the call is over."""
        given = tensor.contiguous() if self.packed and not tensor.requires_grad else tensor
        self.made.append(given)
        return given

    def left_over(self, root: Any, tensor: Tensor) -> None:
        """After a reduce, what is in the tensor of a rank that is not the root does not matter."""
        if self.rank != root:
            self.made = [each for each in self.made if each is not tensor]

    def rank_like(self, rank: int) -> Any:
        """A rank, as several things that stand for one, or that do not."""
        return self.mostly(
            rank, np.int64(rank), torch.tensor(rank), np.array(rank), bool(rank), float(rank),
            -1, self.ranks, 10**12, str(rank), None,
        )  # fmt: skip

    def cut(self, total: int) -> list[int]:
        """How many of a total go to each rank."""
        cuts = sorted(self.same.randint(0, total) for _ in range(self.ranks - 1))
        return [b - a for a, b in itertools.pairwise([0, *cuts, total])]

    def form(self) -> Callable[[list[int]], Any]:
        """Makes of splits something that stands for them, or does not, at all ranks alike."""
        return self.one(
            tuple, np.array, torch.tensor, torch.Size, tensors, floats, short, more, negative,
            strings,
        )  # fmt: skip


def tensors(splits: list[int]) -> list[Tensor]:
    return [torch.tensor(each) for each in splits]


def floats(splits: list[int]) -> list[float]:
    return [float(each) for each in splits]


def short(splits: list[int]) -> list[int]:
    return splits[:-1]


def more(splits: list[int]) -> list[int]:
    return [each + 1 for each in splits]


def negative(splits: list[int]) -> list[int]:
    return [splits[0] + 5, splits[1] - 5, *splits[2:]]


def strings(splits: list[int]) -> list[str]:
    return [str(each) for each in splits]


Made = Callable[[Any], Any]
"""A case, ready to be made over a group; it returns a work, or None where it has waited."""


def reduced(draw: Draw, dtype: torch.dtype) -> Made:
    # Only some ranks of a reduce write an expanded tensor, so only they refuse it.
    x, op = draw.tensor(draw.one(0, 1, 5), dtype, "expanded"), draw.one(*OPS)
    late = draw.one(True, False)
    if draw.one(True, False):
        return lambda group: dist.all_reduce(x, op, group=group, async_op=late)
    root = draw.rank_like(draw.one(0, 1))
    draw.left_over(root, x)
    return lambda group: dist.reduce(x, root, op, group=group, async_op=late)


def broadcast(draw: Draw, dtype: torch.dtype) -> Made:
    x, root = draw.tensor(draw.one(0, 1, 4), dtype), draw.rank_like(draw.one(0, 1))
    late = draw.mostly(False, True, 1, np.True_)
    return lambda group: dist.broadcast(x, root, group=group, async_op=late)


def gathered(draw: Draw, dtype: torch.dtype) -> Made:
    length = draw.one(0, 1, 4)
    x = draw.tensor(length, dtype)
    count = draw.mostly(draw.ranks, 0, 1, draw.ranks + 1)
    if draw.one(True, False):
        other = draw.mostly(dtype, *TYPES)
        out = torch.zeros((count * x.shape[0] if x.dim() else count, *x.shape[1:])).to(other)
        out = draw.kept(out)
        return lambda group: dist.all_gather_single(out, x, group=group)
    kind = draw.mostly("same", "flat", "long", "type", "gaps")
    outs = [draw.kept(listed(x, kind)) for _ in range(count)]
    given = draw.mostly(outs, tuple(outs), iter(outs))
    return lambda group: dist.all_gather(given, x, group=group)


def listed(x: Tensor, form: str) -> Tensor:
    """A tensor for something like ``x``, or not quite."""
    if form == "flat":
        return torch.zeros(x.numel(), dtype=torch.int32).to(x.dtype)
    if form == "long":
        return torch.zeros(x.numel() + 1, dtype=torch.int32).to(x.dtype)
    if form == "type":
        return torch.zeros(x.shape, dtype=torch.float64)
    if form == "gaps":
        return torch.zeros((*x.shape, 3), dtype=torch.int32).to(x.dtype)[..., 1]
    return torch.zeros(x.shape, dtype=torch.int32).to(x.dtype)


def scattered(draw: Draw, dtype: torch.dtype) -> Made:
    # gloo breaks down over reduce_scatter_single with tensors of no dimension.
    out, op = draw.tensor(draw.one(1, 4), dtype, "scalar"), draw.one(*OPS)
    count = draw.mostly(draw.ranks, 1, draw.ranks + 1)
    kind = draw.mostly("same", "flat", "long", "type", "gaps")
    if draw.one(True, False):
        x = draw.tensor(count * draw.one(1, 4), draw.mostly(dtype, *TYPES), "scalar")
        return lambda group: dist.reduce_scatter_single(out, x, op, group=group)
    inputs = [draw.kept(listed(out, kind)) for _ in range(count)]
    return lambda group: dist.reduce_scatter(out, inputs, op, group=group)


def exchanged(draw: Draw, dtype: torch.dtype) -> Made:
    length = draw.one(0, 2, 4, 5, 6)
    way, other = draw.one("even", "splits", "lists"), draw.mostly(dtype, *TYPES)
    # torch itself takes complex numbers for pairs of real ones here, of either tensor by itself. So
    # a single one can be split where two numbers can: then less is sent than received, which only
    # the ranks that receive it can refuse.
    paired = ("scalar",) if dtype.is_complex and way == "splits" else ()
    x = draw.tensor(length, dtype, *paired)
    other = other if other.is_complex == dtype.is_complex else dtype
    if way == "even":
        out = draw.tensor(length, other)
        return lambda group: dist.all_to_all_single(out, x, group=group)
    if way == "splits":
        splits = draw.cut(length)
        mine = [splits[draw.rank]] * draw.ranks
        out = torch.zeros((sum(mine), *x.shape[1:]), dtype=torch.int32).to(other)
        out = draw.kept(out)
        forms = draw.mostly((list, list), (draw.form(), list), (list, draw.form()))
        sent, back = forms[0](splits), forms[1](mine)
        return lambda group: dist.all_to_all_single(out, x, back, sent, group=group)
    count = draw.mostly(draw.ranks, 0, 1)
    kind = draw.mostly("same", "flat", "long", "type")
    inputs, outs = [x] * count, [draw.kept(listed(x, kind)) for _ in range(count)]
    return lambda group: dist.all_to_all(outs, inputs, group=group)


def messages(draw: Draw, dtype: torch.dtype) -> Made:
    """Around the ring; `isend` first, so that an error is one of all ranks."""
    x = draw.tensor(draw.one(0, 1, 4), dtype)
    out = draw.kept(torch.zeros(x.shape, dtype=torch.int32).to(dtype))
    tag = draw.mostly(draw.one(0, 3), np.int32(4), True, -1, 2.0, torch.tensor(5))
    after, before = (draw.rank + 1) % draw.ranks, (draw.rank - 1) % draw.ranks
    wrong = draw.mostly(None, -1, draw.ranks, np.int64(0))
    if wrong is not None and not isinstance(wrong, np.int64):
        return lambda group: dist.isend(x, wrong, group=group, tag=tag)

    def ring(group: Any) -> None:
        works = dist.isend(x, after, group=group, tag=tag), dist.irecv(out, before, group, tag)
        for work in works:
            if work is not None:
                work.wait()

    return ring


def barrier(draw: Draw, _: torch.dtype) -> Made:
    devices = draw.one(None, [0], [0, 1], 0)
    late = draw.one(True, False)
    return lambda group: dist.barrier(group=group, async_op=late, device_ids=devices)


def direct(draw: Draw, dtype: torch.dtype) -> Made:
    """Methods of the group, in the forms in which C++ has them."""
    x, limit = draw.tensor(4, dtype), timedelta(seconds=20)
    outs = [draw.kept(listed(x, "same")) for _ in range(draw.ranks)]
    calls: list[Made] = [
        lambda group: group.allreduce(x),
        lambda group: group.allreduce([x], dist.ReduceOp.MAX),
        lambda group: group.allreduce([x], dist.ReduceOp.MAX, timeout=limit),
        lambda group: group.allreduce([x, outs[0]]),
        lambda group: group.broadcast([x, outs[0]], dist.BroadcastOptions()),
        lambda group: group.allreduce([]),
        lambda group: group.allreduce_coalesced([outs[0], outs[1]]),
        lambda group: group.broadcast(x, 1),
        lambda group: group.broadcast(x, root=0, timeout=limit),
        lambda group: group.allgather(outs, x),
        lambda group: group.allgather([outs], [x]),
        lambda group: group.barrier(),
        lambda group: group.barrier(timeout=limit),
        lambda group: group.alltoall(outs, [x] * draw.ranks),
        lambda group: group.alltoall_base(outs[0], x, [], []),
        lambda group: group._allgather_base(torch.stack(outs), x),
        lambda group: group.monitored_barrier(limit),
        lambda group: group.allgather_coalesced([outs] * draw.ranks, [x] * draw.ranks),
    ]
    return draw.one(*calls)


KINDS = (reduced, broadcast, gathered, scattered, exchanged, messages, barrier, direct)


def bits(tensor: Tensor) -> list[int]:
    held = torch.empty(tensor.shape, dtype=tensor.dtype).copy_(tensor.detach())
    return held.reshape(-1).view(torch.uint8).tolist() if held.numel() else []


def form(tensor: Tensor) -> list[Any]:
    """All of a tensor that no call changes."""
    storage = tensor.untyped_storage()
    return [tensor.shape, tensor.stride(), tensor.requires_grad, tensor.is_leaf,
            storage.nbytes(), storage.data_ptr(), storage.resizable()]  # fmt: skip


def outcome(kind: Any, seed: int, group: Any, packed: bool) -> tuple[str, Any]:
    """What comes of a case over a group: "done" and all tensors, or "raised" and the error."""
    draw = Draw(seed, group.rank(), group.size(), packed)
    made = kind(draw, draw.mostly(torch.float32, *TYPES))
    before = [form(each) for each in draw.made]
    try:
        work = made(group)
        if work is not None:
            work.wait()
        after = [form(each) for each in draw.made]
        if before != after:
            raise AssertionError(f"{before} became {after}")
    except Exception as error:
        return "raised", error
    return "done", [[str(each.dtype), list(each.shape), bits(each)] for each in draw.made]


def main(rank: int, ranks: int, folder: Path) -> None:
    seconds, seed = (float(each) for each in (*sys.argv[3:], 0, 1)[:2])
    warnings.simplefilter("ignore")
    faulthandler.enable()
    dist.init_process_group(
        adapter.NAME, init_method=f"file://{folder / 'store'}", rank=rank, world_size=ranks,
        timeout=timedelta(seconds=60),
    )  # fmt: skip
    ours, gloo = dist.group.WORLD, beside()
    end, number = time.monotonic() + seconds, 0
    while number < CASES or (number % CASES == 0 and everywhere(time.monotonic() < end)):
        for _ in range(CASES):
            kind, case = KINDS[number % len(KINDS)], int(seed) * 1_000_000 + number
            number += 1
            found, well = compared(kind, case, ours, gloo)
            if found:
                sys.stdout.write(json.dumps([f"{kind.__name__} {case}: {found}"[:2000]]) + "\n")
                sys.stdout.flush()
            try:
                usable = everywhere(well)
            except dist.DistBackendError as error:
                error.add_note(f"after {kind.__name__} {case}")
                raise
            if not usable:
                dist.destroy_process_group(gloo)
                gloo = beside()
    sys.stdout.write(json.dumps(number) + "\n")
    dist.destroy_process_group()


def beside() -> Any:
    """A group of gloo's: after an error at one rank the one before is of no use."""
    return dist.new_group(backend="gloo", timeout=timedelta(seconds=5))


def everywhere(well: bool) -> bool:
    """Whether it is so at all ranks."""
    flag = torch.tensor([int(well)])
    dist.all_reduce(flag, dist.ReduceOp.MIN)
    return bool(flag)


def compared(kind: Any, seed: int, ours: Any, gloo: Any) -> tuple[str, bool]:
    """What is not as it has to be, in a case made over both, and whether gloo could make it.

    What is refused here is not made over gloo, which does not check the size of everything.
    """
    mine, got = outcome(kind, seed, ours, packed=False)
    if mine == "raised":
        return "" if isinstance(got, REFUSALS) else repr(got), True
    how, right = outcome(kind, seed, gloo, packed=True)
    if how == "raised" or got == right:
        return "", how == "done"
    return f"gloo {right!r}; triplane {got!r}", True


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))
    from tests.support.torch_world import said

    given = [*sys.argv[1:], *["60", "1", "2"][len(sys.argv) - 1 :]]
    for code, lines, why in said("torch_odd.py", int(given[2]), *given[:2], patience=7200.0):
        sys.stdout.write(f"{code} {json.dumps(lines, indent=1)}\n{why}\n")
