"""Round trips of dispatch and combine in which one argument is odd: right results, or our errors.

``python -m tests.support.moe_doors SECONDS`` tries arguments at random, for so long, on threads,
over ZeroMQ and over MPI, and says what differs.
"""

import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch

from collectives import Communicator, init
from collectives.adapters.deep_ep import Buffer, Config, ElasticBuffer
from collectives.adapters.torch_npu import (
    npu_moe_distribute_combine_v2,
    npu_moe_distribute_dispatch_v2,
)
from collectives.moe import LowLatency, Normal
from fabric.launching.launch import launch
from topology.errors import TriplaneError

RANKS, TOKENS, HIDDEN, EXPERTS, TOP_K = 2, 4, 128, 4, 2
GUILTY = 1
BF16 = torch.bfloat16

Give = Callable[[str, Any], Any]
"""An argument's name and right value to what is passed."""


class Case(NamedTuple):
    """``everywhere``: whether every rank passes it, or only `GUILTY`."""

    target: str
    argument: str
    oddness: str
    everywhere: bool


def tokens(rank: int) -> Any:
    """The tokens of a rank: small integers, so that sums are exact in every type."""
    return np.random.default_rng(rank).integers(-8, 8, (TOKENS, HIDDEN)).astype(np.float32)


def chosen(rank: int) -> Any:
    """Each token's experts, one of them masked."""
    idx = np.array([[0, 1], [2, 3], [3, 0], [1, -1]])
    return np.where(idx < 0, -1, (idx + rank) % EXPERTS)


WEIGHTS = np.array([[0.5, 1], [2, 0.25], [1, 1], [4, 0.5]], np.float32)


def factor(expert: Any) -> Any:
    """What an expert multiplies with."""
    return np.float32(1) + np.asarray(expert).astype(np.float32)


def wanted(rank: int) -> Any:
    """What must come home: a loop over tokens in plain numpy."""
    out = np.zeros((TOKENS, HIDDEN), np.float32)
    for token, experts in enumerate(chosen(rank)):
        for slot, expert in enumerate(experts):
            if expert >= 0:
                out[token] += WEIGHTS[token, slot] * factor(expert) * tokens(rank)[token]
    return out


def low_latency(comm: Communicator, give: Give) -> Any:
    buffer = LowLatency(
        comm, experts=give("experts", EXPERTS), hidden=give("hidden", HIDDEN),
        max_tokens=give("max_tokens", TOKENS), wire=give("wire", "as-is"),
        result_size=give("result_size", None), message=give("message", None),
        repeats=give("repeats", False),
    )  # fmt: skip
    got, handle, work = buffer.dispatch(
        give("x", tokens(comm.rank)), give("topk_idx", chosen(comm.rank)),
        async_op=give("async_op", False), timeout=give("timeout", None),
    )  # fmt: skip
    work.wait()
    first = buffer.expert_ranks.first[comm.rank]
    filled = np.arange(buffer.rows) < got.counts[:, None]  # other rows hold anything
    came = np.where(filled[..., None], _array(got.x), 0)
    y = came * factor(first + np.arange(len(came)))[:, None, None]
    out = give("out", np.empty((TOKENS, HIDDEN), np.float32))
    total, _ = buffer.combine(
        give("y", y), give("handle", handle), give("topk_weights", WEIGHTS), out=out,
        async_op=False, timeout=None,
    )  # fmt: skip
    return total


def normal(comm: Communicator, give: Give) -> Any:
    buffer = Normal(
        comm, experts=give("experts", EXPERTS), hidden=give("hidden", HIDDEN),
        wire=give("wire", "as-is"), expert_alignment=give("expert_alignment", 2),
        ranks_per_node=give("ranks_per_node", None), chunks=give("chunks", 4),
        result_size=give("result_size", None), message=give("message", None),
        repeats=give("repeats", False),
    )  # fmt: skip
    got, handle, work = buffer.dispatch(
        give("x", tokens(comm.rank)), give("topk_idx", chosen(comm.rank)),
        give("topk_weights", WEIGHTS), async_op=give("async_op", False),
        timeout=give("timeout", None),
    )  # fmt: skip
    work.wait()
    first = buffer.expert_ranks.first[comm.rank]
    local, carried = _array(got.topk_idx), _array(got.topk_weights)
    each = factor(first + local) * (1 if got.topk_weights is None else carried)
    scale = np.where(local >= 0, each, 0).sum(axis=1, keepdims=True)
    y = (_array(got.x) * scale).astype(np.float32)
    out = give("out", np.empty((TOKENS, HIDDEN), np.float32))
    start = give("start", np.zeros((TOKENS, HIDDEN), np.float32))
    total, home, _ = buffer.combine(
        give("y", y), give("handle", handle), give("home_weights", carried), start=start, out=out
    )
    if home is not None:
        give("home", home)
    return total


def deep_ep(comm: Communicator, give: Give) -> Any:
    buffer = Buffer(comm, give("num_nvl_bytes", int(1e8)), give("num_rdma_bytes", 0))
    x, idx, weights = _tensors(comm)
    idx = give("topk_idx", idx)
    ranks, _, experts, flags, event = buffer.get_dispatch_layout(
        idx, give("num_experts", EXPERTS), previous_event=give("previous_event", None)
    )
    got, local, carried, _, handle, event = buffer.dispatch(
        give("x", x), None, give("num_tokens_per_rank", ranks),
        give("num_tokens_per_rdma_rank", None), give("is_token_in_rank", flags),
        give("num_tokens_per_expert", experts), idx, give("topk_weights", weights),
        give("expert_alignment", 1), give("num_worst_tokens", 0), give("config", Config()),
        give("previous_event", None), give("async_finish", False),
    )  # fmt: skip
    if event.event is not None:
        event.current_stream_wait()
    y = _weighted(comm, got, local, carried)
    total, _, _ = buffer.combine(
        give("y", y), give("handle", handle), give("home_weights", carried),
        give("bias", torch.zeros_like(x)), give("config", Config()),
    )  # fmt: skip
    return total


def deep_ep_low_latency(comm: Communicator, give: Give) -> Any:
    size = Buffer.get_low_latency_rdma_size_hint(TOKENS, HIDDEN, RANKS, EXPERTS)
    buffer = Buffer(comm, 0, give("num_rdma_bytes", size), low_latency_mode=True)
    x, idx, weights = _tensors(comm)
    got, counts, handle, event, hook = buffer.low_latency_dispatch(
        give("x", x), give("topk_idx", idx), give("num_max_tokens", TOKENS),
        give("num_experts", EXPERTS),
        give("stats", torch.zeros(EXPERTS // RANKS, dtype=torch.int32)),
        give("costs", torch.zeros(RANKS, dtype=torch.int64)), give("use_fp8", False),
        give("round_scale", False), give("use_ue8m0", False), give("async_finish", False),
        give("return_recv_hook", False),
    )  # fmt: skip
    if hook is not None:
        hook()
    elif event.event is not None:
        event.current_stream_wait()
    first = comm.rank * len(got)
    filled = torch.arange(got.shape[1]) < counts[:, None]  # other rows hold anything
    got = got.where(filled[..., None], 0)
    y = (got.float() * torch.from_numpy(factor(first + np.arange(len(got))))[:, None, None]).to(
        BF16
    )
    total, _, hook = buffer.low_latency_combine(
        give("y", y), give("topk_idx", idx), give("topk_weights", weights), give("handle", handle),
        give("use_logfmt", False), False, False, False,
        give("out", torch.empty_like(x)), give("costs", None),
    )  # fmt: skip
    return total


def elastic(comm: Communicator, give: Give) -> Any:
    buffer = ElasticBuffer(
        comm, give("num_bytes", None), give("num_cpu_bytes", 0), give("most", TOKENS),
        give("hidden", HIDDEN), give("num_topk", 0), deterministic=give("deterministic", False),
        num_allocated_qps=give("num_allocated_qps", 0),
    )  # fmt: skip
    x, idx, weights = _tensors(comm)
    got, local, carried, handle, event = buffer.dispatch(
        give("x", x), give("topk_idx", idx), give("topk_weights", weights),
        give("stats", torch.zeros(EXPERTS // RANKS, dtype=torch.int32)),
        give("num_experts", EXPERTS), give("most", TOKENS), give("expert_alignment", None),
        give("num_sms", 0), give("num_qps", 0), give("previous_event", None), None,
        give("async_with_compute_stream", False), do_cpu_sync=give("do_cpu_sync", None),
        do_zero_padding=give("do_zero_padding", False),
    )  # fmt: skip
    if event.event is not None:
        event.current_stream_wait()
    y = _weighted(
        comm, got[: handle.way.rows], local[: handle.way.rows], carried[: handle.way.rows]
    )
    y = torch.cat([y, torch.zeros((len(got) - len(y), HIDDEN), dtype=BF16)])
    total, _, _ = buffer.combine(
        give("y", y), give("handle", handle), give("home_weights", carried),
        give("bias", torch.zeros_like(x)),
    )  # fmt: skip
    return total


def torch_npu(comm: Communicator, give: Give) -> Any:
    x, idx, weights = _tensors(comm)
    common = {
        "group_ep": give("group_ep", comm), "ep_world_size": give("ep_world_size", RANKS),
        "ep_rank_id": give("ep_rank_id", comm.rank),
        "moe_expert_num": give("moe_expert_num", EXPERTS),
        "x_active_mask": give("x_active_mask", torch.ones(TOKENS, dtype=torch.bool)),
        "tp_world_size": give("tp_world_size", 0), "group_tp": give("group_tp", ""),
        "global_bs": give("global_bs", 0), "comm_alg": give("comm_alg", ""),
        "zero_expert_num": give("zero_expert_num", 0),
        "shared_expert_num": give("shared_expert_num", 1),
        "shared_expert_rank_num": give("shared_expert_rank_num", 0),
        "performance_info": give("performance_info", None),
        "elastic_info": give("elastic_info", None),
    }  # fmt: skip
    idx = give("expert_ids", idx.to(torch.int32))
    got, _, assist, nums, counts, _, _ = npu_moe_distribute_dispatch_v2(
        give("x", x), idx, quant_mode=give("quant_mode", 0), scales=give("scales", None),
        expert_scales=give("expert_scales", weights),
        expert_token_nums_type=give("expert_token_nums_type", 1), **common,
    )  # fmt: skip
    each = np.diff(nums.numpy(), prepend=0) if give("expert_token_nums_type", 1) == 0 else nums
    expert = np.repeat(comm.rank * len(nums) + np.arange(len(nums)), np.asarray(each))
    y = torch.zeros(got.shape, dtype=BF16)
    y[: len(expert)] = got[: len(expert)] * torch.from_numpy(factor(expert))[:, None]
    return npu_moe_distribute_combine_v2(
        give("y", y), idx, give("assist", assist), give("counts", counts),
        give("weights", weights), shared_expert_x=give("shared_expert_x", None), **common,
    )  # fmt: skip


def _tensors(comm: Communicator) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    x = torch.from_numpy(tokens(comm.rank)).to(BF16)
    return x, torch.from_numpy(chosen(comm.rank)), torch.from_numpy(WEIGHTS.copy())


def _weighted(comm: Communicator, got: Any, local: Any, carried: Any) -> torch.Tensor:
    first = comm.rank * EXPERTS // RANKS
    scale = torch.where(local >= 0, (1.0 + first + local.float()) * carried, 0).sum(1, keepdim=True)
    return (got.float() * scale).to(BF16)


TARGETS: dict[str, Callable[[Communicator, Give], Any]] = {
    each.__name__: each
    for each in (low_latency, normal, deep_ep, deep_ep_low_latency, elastic, torch_npu)
}


def _strided(value: Any) -> Any:
    """The same items with gaps between them."""
    if isinstance(value, torch.Tensor):
        wide = torch.zeros((*value.shape[:-1], 2 * value.shape[-1]), dtype=value.dtype)
        wide[..., ::2] = value
        return wide[..., ::2]
    wide = np.zeros((*value.shape[:-1], 2 * value.shape[-1]), value.dtype)
    wide[..., ::2] = value
    return wide[..., ::2]


def _array(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        plain = value.detach()
        return plain.float().numpy() if plain.dtype == BF16 else plain.numpy()
    return value


def _read_only(value: Any) -> Any:
    copy = _array(value).copy()
    copy.flags.writeable = False
    return copy


def _spoilt(value: Any, what: Any) -> Any:
    """One item replaced."""
    copy = value.clone() if isinstance(value, torch.Tensor) else value.copy()
    copy[(-1,) * copy.ndim] = what
    return copy


def _overlapping(value: Any) -> Any:
    array = _array(value).copy()
    return np.lib.stride_tricks.as_strided(array, array.shape, (0,) * array.ndim)


class Unprintable:
    """Its text cannot be had."""

    def __repr__(self) -> str:
        raise RuntimeError("no words")


class Indexed:
    """A number of somebody's own."""

    def __init__(self, value: int) -> None:
        self.value = value

    def __index__(self) -> int:
        return self.value


ARRAYS: dict[str, Callable[[Any], Any]] = {
    "strided": _strided, "read-only": _read_only, "overlapping": _overlapping,
    "array": _array, "tensor": lambda v: v if isinstance(v, torch.Tensor) else torch.from_numpy(v),
    "list": lambda v: v.tolist(), "transposed": lambda v: v.swapaxes(0, -1),
    "3-d": lambda v: v[None],
    "1-d": lambda v: v.reshape(-1), "first row": lambda v: v[:1], "no rows": lambda v: v[:0],
    "one column": lambda v: v[..., :1], "fortran": lambda v: np.asfortranarray(_array(v)),
    "float64": lambda v: _array(v).astype(np.float64), "int8": lambda v: _array(v).astype(np.int8),
    "uint64": lambda v: _array(v).astype(np.uint64), "bool": lambda v: _array(v).astype(bool),
    "big-endian": lambda v: _array(v).astype(_array(v).dtype.newbyteorder(">")),
    "complex": lambda v: _array(v).astype(complex), "object": lambda v: _array(v).astype(object),
    "masked": lambda v: np.ma.masked_array(_array(v)),
    "memoryview": lambda v: memoryview(np.ascontiguousarray(_array(v))),
    "bytearray": lambda v: bytearray(16), "meta": lambda v: torch.empty(v.shape, device="meta"),
    "sparse": lambda v: torch.from_numpy(_array(v).astype(np.float32)).to_sparse(),
    "gradient": lambda v: torch.from_numpy(_array(v).astype(np.float32)).requires_grad_(),
    "tuple": lambda v: (v, v), "last is huge": lambda v: _spoilt(v, 100),
    "last is negative": lambda v: _spoilt(v, -7),
    "longer": lambda v: np.concatenate([_array(v)] * 2),
}  # fmt: skip
OTHERS: dict[str, Callable[[Any], Any]] = {
    "None": lambda v: None, "text": lambda v: "one", "nan": lambda v: float("nan"),
    "object()": lambda v: object(), "unprintable": lambda v: Unprintable(), "[]": lambda v: [],
    "type": lambda v: int, "tensor of two": lambda v: torch.ones(2), "0-d": lambda v: np.array(2.5),
}  # fmt: skip
NUMBERS: dict[str, Callable[[Any], Any]] = {
    "numpy": np.int32, "torch": torch.tensor, "0-d array": np.array, "indexed": Indexed,
    "float": float, "numpy float": np.float32, "True": lambda v: True, "zero": lambda v: 0,
    "negative": lambda v: -v - 1, "one more": lambda v: v + 1, "2**31": lambda v: 2**31,
    "2**62": lambda v: 2**62, "10**400": lambda v: 10**400, "digits": str,
    "array": lambda v: [v, v], "bytes": lambda v: b"2",
}  # fmt: skip


CHANGED = ("overlapping", "last is huge", "last is negative", "None")
"""What makes other numbers of numbers: the right result is another one, or there is none."""


KEPT = (
    "strided", "read-only", "array", "tensor", "fortran", "memoryview", "big-endian", "list",
    "numpy", "torch", "0-d array", "indexed", "float", "numpy float", "digits", "unprintable",
)  # fmt: skip
"""What means the same, if anything. Of others all ranks together may mean another call."""


def made(target: str, argument: str, oddness: str, everywhere: bool) -> Case:
    """A case of which it is known what is right."""
    return Case(target, argument, oddness, everywhere and oddness in KEPT)


def odd(oddness: str, value: Any) -> Any:
    """What is passed in the place of ``value``."""
    tables = [OTHERS]
    if isinstance(value, np.ndarray | torch.Tensor):
        tables.append(ARRAYS)
    else:
        tables.append(NUMBERS)
    for table in tables:
        if oddness in table:
            given = value if isinstance(value, np.ndarray | torch.Tensor | int) else 1
            with np.errstate(all="ignore"):  # rows that nobody has filled hold anything
                return table[oddness](given)
    return value


def arguments() -> list[tuple[str, str, list[str]]]:
    """Every argument of every target, with what can be odd about it."""
    found: list[tuple[str, str, list[str]]] = []
    for name, target in TARGETS.items():
        seen: dict[str, Any] = {}
        launch(_listed, RANKS, None, args=(target, seen), timeout=60)
        for argument, value in seen.items():
            arrays = isinstance(value, np.ndarray | torch.Tensor)
            found.append((name, argument, [*(ARRAYS if arrays else NUMBERS), *OTHERS]))
    return found


def _listed(target: Callable[[Communicator, Give], Any], seen: dict[str, Any]) -> None:
    """Only to learn of its arguments; it may fail on one rank."""

    def give(name: str, value: Any) -> Any:
        seen.setdefault(name, value)
        return value

    with init() as comm:
        target(comm, give)


def rank(case: Case) -> bool:
    """A rank's part: whether what came home is right."""
    with init(timeout=300) as comm:

        def give(name: str, value: Any) -> Any:
            mine = case.everywhere or comm.rank == GUILTY
            return odd(case.oddness, value) if name == case.argument and mine else value

        total = TARGETS[case.target](comm, give)
        comm.barrier()
        if case.oddness in CHANGED:
            return True
        found = _array(total.detach()) if isinstance(total, torch.Tensor) else np.asarray(total)
        return found.shape == (TOKENS, HIDDEN) and np.allclose(found, wanted(comm.rank), 1e-2, 0.1)


def outcomes(case: Case, transport: str) -> list[Any]:
    """What each rank has to show."""
    return launch(rank, RANKS, None, transport, args=(case,), timeout=400, return_exceptions=True)


def fault(case: Case, transport: str) -> str | None:
    """What is wrong about a case; None if all ranks are right, or all have one of our errors."""
    seen = outcomes(case, transport)
    if seen == [True] * RANKS or all(isinstance(each, TriplaneError) for each in seen):
        return None
    return f"{case} over {transport}: {[_words(each) for each in seen]}"


def _words(outcome: Any) -> str:
    kind = type(outcome).__name__
    return f"{kind}: {outcome}" if isinstance(outcome, Exception) else repr(outcome)


def main(seconds: float) -> int:
    """Cases at random; each that is told differently over ZeroMQ or MPI is a fault, too."""
    until, tried, faults, known = time.monotonic() + seconds, Counter[str](), [], arguments()
    choose = random.Random(seconds)
    while time.monotonic() < until:
        target, argument, oddnesses = choose.choice(known)
        case = made(target, argument, choose.choice(oddnesses), choose.random() < 0.5)
        transport = choose.choices(("inproc", "zmq", "mpi"), (20, 2, 1))[0]
        tried[transport] += 1
        wrong = fault(case, transport)
        # Where every rank is refused, chance decides whose refusal is the first.
        if wrong is None and transport != "inproc" and not case.everywhere:
            kinds = [[type(each) for each in outcomes(case, t)] for t in ("inproc", transport)]
            wrong = None if kinds[0] == kinds[1] else f"{case}: {kinds} over inproc, {transport}"
        if wrong is not None:
            faults.append(wrong)
            sys.stdout.write(f"{wrong}\n")
            sys.stdout.flush()
    sys.stdout.write(f"{dict(tried)}, {len(faults)} faults\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1])))
