"""What the scheduler of an instance tells its worker to do with KV caches, step by step."""

from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import numpy as np

from collectives.adapters.vllm.errors import KVError

NOT_WANTED = -1
"""In place of a block of the engine that is not to be filled from the pool."""


@dataclass(frozen=True, slots=True)
class Hold:
    """A prompt whose blocks stay in the cache for the instance that asks for ``request``.

    ``slot``, ``turn``: see `collectives.adapters.vllm.holds`.
    """

    request: str
    slot: int
    turn: int


@dataclass(frozen=True, slots=True)
class LoadOrder:
    """An order to read ``tokens`` tokens from rank ``source``, and then to let go of its hold.

    ``theirs``: its blocks, ``blocks``: the own ones that they fill; none: only to let go of it.
    ``world``: the world of instances in which it holds them.
    """

    request: str
    world: str
    source: int
    slot: int
    turn: int
    tokens: int
    theirs: list[int]
    blocks: list[int]


@dataclass(frozen=True, slots=True)
class PoolRead:
    """An order to read blocks of a request from the pool.

    ``keys``: of blocks there; ``blocks``: those of the engine that they fill, so many to each key,
    `NOT_WANTED` where it has them already.
    """

    request: str
    keys: list[str]
    blocks: list[int]


@dataclass(frozen=True, slots=True)
class PoolWrite:
    """An order to store blocks that a step completes, after it has computed them.

    ``keys``: of blocks in the pool; ``table``: the engine's blocks of the request from the first on
    to the end of the last one, of which the last ones are stored, so many under each key.
    """

    request: str
    keys: list[str]
    table: list[int]


@dataclass
class StepOrders:
    """The orders of one step."""

    holds: list[Hold] = field(default_factory=list)
    loads: list[LoadOrder] = field(default_factory=list)
    reads: list[PoolRead] = field(default_factory=list)
    writes: list[PoolWrite] = field(default_factory=list)

    @property
    def moves(self) -> bool:
        """Whether anything is to be moved."""
        return bool(self.loads or self.reads or self.writes)


@dataclass(frozen=True, slots=True)
class Ticket:
    """Where a prompt's KV is: rank ``source`` of ``world`` holds it for ``request`` in ``blocks``.

    ``tokens``: how many the prompt has; ``digest``: of these tokens; ``slot``, ``turn``: of the
    hold. It travels as ``kv_transfer_params``.
    """

    world: str
    source: int
    request: str
    tokens: int
    digest: str
    slot: int
    turn: int
    blocks: list[int]

    def params(self) -> dict[str, Any]:
        """The ticket as ``kv_transfer_params``, for `of`, with the keys of vLLM's proxies."""
        said = {name: getattr(self, mine) for name, mine in _PARAMS.items()}
        return {"do_remote_prefill": True, "do_remote_decode": False, **said}

    @staticmethod
    def of(params: dict[str, Any], prompt: list[int]) -> "Ticket":
        """The ticket in a request's ``kv_transfer_params``; raises `KVError` for a wrong one."""
        missing = [name for name in _PARAMS if name not in params]
        if missing:
            raise KVError(
                f"kv_transfer_params has no {', '.join(missing)}; give on what the prefill"
                " request's output has in kv_transfer_params"
            )
        ticket = Ticket(**{mine: params[name] for name, mine in _PARAMS.items()})
        if ticket.digest != digest(prompt[: ticket.tokens]) or ticket.tokens > len(prompt):
            raise KVError(
                f"kv_transfer_params are of another prompt of {ticket.tokens} tokens (request"
                f" {ticket.request} of rank {ticket.source}) than this one of {len(prompt)}"
            )
        return ticket


_PARAMS = {
    "remote_world": "world", "remote_engine_id": "source", "remote_request_id": "request",
    "remote_tokens": "tokens", "remote_digest": "digest", "remote_slot": "slot",
    "remote_turn": "turn", "remote_block_ids": "blocks",
}  # fmt: skip


def digest(tokens: list[int]) -> str:
    """A hash of the tokens, 32 hexadecimal digits."""
    return blake2b(np.array(tokens, np.int64).tobytes(), digest_size=16).hexdigest()
