"""One rank's part of the tests of dispatch and combine with real tokens, and what must come out."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from collectives import init
from collectives.moe import LowLatency, Normal, Wire, decode, oracle
from collectives.moe.routing.expert_ranks import expert_ranks
from collectives.moe.tokens.quantise import as_float32, encode, rounded


class Case(NamedTuple):
    """A mode with all that it takes; ``choices``, ``x``, ``weights``: of every rank."""

    mode: str
    experts: int | list[int]
    choices: list[Any]
    x: list[Any]
    weights: list[Any]
    wire: Wire = Wire()
    node: int | None = None
    times: int = 1
    max_tokens: int | None = None


def factor(expert: Any) -> Any:
    """What an expert multiplies tokens with: not exact in bfloat16."""
    return np.float32(1) + np.asarray(expert).astype(np.float32) / np.float32(7)


def rank(case: Case) -> list[tuple[NDArray[Any], float, float]]:
    """Dispatch, apply the experts and combine, so many times: result and clocks."""
    with init() as comm:
        return parts(case, comm)


def parts(
    case: Case, comm: Any, combine_at: float | None = None
) -> list[tuple[NDArray[Any], float, float]]:
    """The same in a world that is there; ``combine_at``: when the first combine begins."""
    run = _low_latency if case.mode == "low-latency" else _normal
    return run(case, comm, combine_at)


def _apart(comm: Any, combine_at: float | None) -> None:
    if combine_at is not None:
        comm.compute(combine_at - comm.now())


def _low_latency(
    case: Case, comm: Any, combine_at: float | None
) -> list[tuple[NDArray[Any], float, float]]:
    me, x = comm.rank, case.x[comm.rank]
    buffer = LowLatency(
        comm, experts=case.experts, hidden=x.shape[1], wire=case.wire,
        max_tokens=case.max_tokens or max(1, *(len(one) for one in case.x)),
    )  # fmt: skip
    seen = []
    for _ in range(case.times):
        got, handle, _ = buffer.dispatch(x, case.choices[me])
        dispatched = comm.now()
        y = buffer.results(handle)
        for expert, n in enumerate(got.counts.tolist()):
            scales = None if got.scales is None else got.scales[expert, :n]
            value = decode(got.x[expert, :n], scales)
            y[expert, :n] = rounded(value * factor(buffer.expert_ranks.first[me] + expert), x.dtype)
            _check_source(case, got, buffer.expert_ranks.first[me] + expert, expert)
        _apart(comm, combine_at)
        out, _ = buffer.combine(y, handle, case.weights[me])
        seen.append((out, dispatched, comm.now()))
    return seen


def _check_source(case: Case, got: Any, expert: int, place: int) -> None:
    rows = [
        (source, token)
        for source, choices in enumerate(case.choices)
        for token in np.flatnonzero((np.asarray(choices) == expert).any(axis=1)).tolist()
    ]
    assert got.counts[place] == len(rows)
    assert got.token[place, : len(rows)].tolist() == [token for _, token in rows]
    sources = np.bincount([source for source, _ in rows], minlength=len(case.choices))
    assert got.by_source[place].tolist() == sources.tolist()


def _normal(
    case: Case, comm: Any, combine_at: float | None
) -> list[tuple[NDArray[Any], float, float]]:
    me, x, weights = comm.rank, case.x[comm.rank], case.weights[comm.rank]
    buffer = Normal(
        comm, experts=case.experts, hidden=x.shape[1], wire=case.wire, ranks_per_node=case.node
    )
    seen, handle, chosen, carried = [], None, None, None
    for _ in range(case.times):
        if handle is None:
            got, handle, _ = buffer.dispatch(x, case.choices[me], weights)
            chosen, carried = got.topk_idx, got.topk_weights
        else:
            got, handle, _ = buffer.dispatch(x, handle=handle)
        assert chosen is not None
        assert carried is not None
        dispatched = comm.now()
        y = mixed(
            decode(got.x, got.scales), chosen, carried, buffer.expert_ranks.first[me], x.dtype
        )
        _apart(comm, combine_at)
        out, summed, _ = buffer.combine(y, handle, carried)
        np.testing.assert_array_equal(
            summed, np.where(np.asarray(case.choices[me]) >= 0, weights, 0)
        )
        seen.append((out, dispatched, comm.now()))
    return seen


def mixed(x: Any, local: Any, weights: Any, first: Any, dtype: Any) -> NDArray[Any]:
    """What a rank's experts make of its tokens: their weighted sum, in the order of slots."""
    total = np.zeros_like(x)
    for slot in range(local.shape[1]):
        made = local[:, slot] >= 0
        scale = factor(local[made, slot] + first) * weights[made, slot]
        total[made] += x[made] * scale[:, None].astype(np.float32)
    return rounded(total, dtype)


def dense(case: Case, me: int) -> NDArray[Any]:
    """The mixture of one rank's tokens, computed in one process in the order that is stated."""
    x, choices = case.x[me], np.asarray(case.choices[me], np.int64)
    value = decode(*_wired(x, case.wire))
    if case.mode == "low-latency":
        rows = value[:, None] * factor(np.maximum(choices, 0))[..., None]
        flat = rounded(rows.reshape(-1, x.shape[1]), x.dtype)
        made = flat.reshape(*choices.shape, x.shape[1])
        return rounded(oracle.weighted_sum(made, case.weights[me], choices), x.dtype)
    where = expert_ranks(case.experts, len(case.x))
    ranks = len(case.x)
    host = np.append(where.rank, -1)[choices]
    levels = [[r] for r in range(ranks)]
    if case.node is not None:
        levels = [list(range(n, n + case.node)) for n in range(0, ranks, case.node)]
    total = np.zeros(x.shape, np.float32)
    for places in levels:
        part = np.zeros(x.shape, np.float32)
        for place in places:
            local = np.where(host == place, choices, -1)
            part += as_float32(mixed(value, local, case.weights[me], 0, x.dtype))
        total += part if case.node is None else as_float32(rounded(part, x.dtype))
    return rounded(total, x.dtype)


def _wired(x: NDArray[Any], wire: Wire) -> tuple[Any, Any]:
    rows, scales = encode(x, wire)
    kind = wire.scales(x.shape[1])
    numbers = rows.reshape(-1).view(wire.dtype(x.dtype)).reshape(x.shape)
    if kind is None:
        return numbers, None
    flat = np.ascontiguousarray(scales).reshape(-1).view(kind[1])
    return numbers, flat.reshape(len(x), *kind[0])
