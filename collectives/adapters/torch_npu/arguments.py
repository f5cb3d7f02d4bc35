"""Checks of the arguments that dispatch and combine share."""

from functools import lru_cache
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray

from collectives.adapters.groups import communicator
from collectives.adapters.token_arguments import choices, expect, in_range, on_cpu
from collectives.adapters.torch_npu.layout import ExpertLayout
from collectives.calls.communicator import Communicator
from collectives.moe.tensors import TokenError, array_of, integer
from collectives.moe.tokens.low_latency import LowLatency
from collectives.moe.tokens.selection import once
from topology.arguments import shown

COMM_ALGS = ("", "fullmesh", "fullmesh_v1", "fullmesh_v2")
"""Each token straight to each of its experts, whatever it is called."""

ASSIST = 128
"""Numbers of ``assist_info_for_combine`` a row: its source rank, token and slot come first."""

_FLOATS = (torch.bfloat16, torch.float16)


def communicator_of(group_ep: Any) -> Communicator:
    """The communicator of ``group_ep``: a group, its name, or a `Communicator`.

    Raises `TokenError` with the names that there are.
    """
    if isinstance(group_ep, str):
        for group, name in dist.distributed_c10d._world.pg_names.items():
            if name == group_ep:
                return _own(group)
        known = listed(tuple(dist.distributed_c10d._world.pg_names.values()))
        raise TokenError(f"there is no group {shown(group_ep)}; there are {known}")
    if not isinstance(group_ep, dist.ProcessGroup | Communicator):
        return communicator(group_ep)  # which says what it can be
    return _own(group_ep)


@lru_cache(maxsize=16)
def _own(group: Any) -> Communicator:
    """The communicator for a group; so many groups are remembered."""
    return communicator(group)


@lru_cache(maxsize=16)
def buffers(
    comm: Communicator, hosted: tuple[int, ...], hidden: int, slots: int, most: int, wire: str
) -> LowLatency:
    """Buffers for these calls; those of so many kinds are remembered."""
    rows = comm.size * most * slots
    return LowLatency(
        comm, experts=hosted, hidden=hidden, max_tokens=most * slots, wire=wire, rows=rows,
        reuse=True,
    )  # fmt: skip


def check_supported(
    comm: Communicator, ranks: Any, rank: Any, *, tp: tuple[Any, Any, Any], shard: Any, const: Any,
    comm_alg: Any, absent: dict[str, Any],
) -> None:  # fmt: skip
    """Raise `TokenError` for another group than that of ``comm``, and for what is not here."""
    size = integer(ranks, "ep_world_size", 1)
    if (size, integer(rank, "ep_rank_id", 0)) != (comm.size, comm.rank):
        raise TokenError(
            f"ep_world_size is {ranks} and ep_rank_id {rank}; this is rank {comm.rank} of"
            f" {comm.size}"
        )
    if not isinstance(tp[0], str):
        raise TokenError(f"group_tp is {shown(tp[0])}; it has to be the name of a group, or ''")
    for what, given, only in (
        ("tp_world_size", tp[1], (0, 1)), ("tp_rank_id", tp[2], (0,)),
        ("expert_shard_type", shard, (0,)), ("const_expert_num", const, (0,)),
    ):  # fmt: skip
        if integer(given, what, 0) not in only:
            raise TokenError(f"{what} is {given}; Triplane has only the default")
    if not isinstance(comm_alg, str) or comm_alg not in COMM_ALGS:
        raise TokenError(
            f"comm_alg is {shown(comm_alg)}; it can be {', '.join(map(repr, COMM_ALGS))}"
        )
    for what, given in absent.items():
        if given is not None:
            raise TokenError(f"{what} is {shown(given)}; Triplane has only the default")


def one_of(given: Any, what: str, allowed: tuple[int, ...]) -> int:
    """``given`` as an integer; raises `TokenError` with the choices if ``allowed`` lacks it."""
    number = integer(given, what, 0)
    if number not in allowed:
        raise TokenError(f"{what} is {number}; it can be {listed(allowed)}")
    return number


def chosen_experts(
    expert_ids: Any, tokens: int | None, layout: ExpertLayout, zeros: Any, copies: Any
) -> NDArray[np.int64]:
    """The experts of each token, none twice; raises `TokenError`."""
    most = 1 << 31
    special = integer(zeros, "zero_expert_num", 0, most) + integer(
        copies, "copy_expert_num", 0, most
    )
    ids = choices(expert_ids, tokens)
    in_range(ids, layout.experts + special)
    once(ids)
    return ids


def tokens_of(x: Any) -> torch.Tensor:
    """``x`` without gaps, if it is bfloat16 or float16 ``[any, hidden]``; else `TokenError`."""
    if not isinstance(x, torch.Tensor) or x.dim() != 2 or x.dtype not in _FLOATS:
        kind = x.dtype if isinstance(x, torch.Tensor) else type(x).__name__
        raise TokenError(f"tokens are {kind}; they have to be [any, hidden] of {listed(_FLOATS)}")
    return on_cpu(x, "x").detach().contiguous()


def active_choices(mask: Any, ids: NDArray[np.int64]) -> NDArray[np.bool_]:
    """``x_active_mask``, of tokens or of choices, as a mask like ``ids``; None: all are active."""
    if mask is None:
        return np.ones(ids.shape, bool)
    shape = tuple(ids.shape) if getattr(mask, "dim", lambda: 1)() == 2 else (len(ids),)
    flags = array_of(expect(mask, "x_active_mask", torch.bool, shape))
    return np.broadcast_to(flags.reshape(len(ids), -1), ids.shape)


def listed(things: tuple[Any, ...]) -> str:
    """``things`` as text, with commas between them."""
    return ", ".join(map(str, things))
