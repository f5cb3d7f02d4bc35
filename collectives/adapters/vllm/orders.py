"""What the scheduler of an instance tells its worker to do with KV caches, step by step."""

from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import numpy as np
from vllm.distributed.kv_transfer.kv_connector.v1.base import KVConnectorMetadata

from collectives.adapters.vllm.errors import KVError


@dataclass(frozen=True, slots=True)
class Save:
    """An order to keep a prompt's ``blocks`` for the instance that asks for ``request``."""

    request: str
    blocks: list[int]


@dataclass(frozen=True, slots=True)
class LoadOrder:
    """An order to fill ``blocks`` with those that rank ``source`` has kept, from ``first`` on."""

    request: str
    source: int
    first: int
    tokens: int
    blocks: list[int]


@dataclass
class Orders(KVConnectorMetadata):  # type: ignore[misc]
    """The orders of one step."""

    saves: list[Save] = field(default_factory=list)
    loads: list[LoadOrder] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Ticket:
    """Where a prompt's KV is: rank ``source`` has kept it for ``request``.

    ``tokens``: how many the prompt has; ``digest``: of these tokens. It travels as
    ``kv_transfer_params``.
    """

    source: int
    request: str
    tokens: int
    digest: str

    def params(self) -> dict[str, Any]:
        """The ticket as ``kv_transfer_params``, for `of`, with the keys of vLLM's proxies."""
        return {
            "do_remote_prefill": True, "do_remote_decode": False, "remote_engine_id": self.source,
            "remote_request_id": self.request, "remote_tokens": self.tokens,
            "remote_digest": self.digest,
        }  # fmt: skip

    @staticmethod
    def of(params: dict[str, Any], prompt: list[int]) -> "Ticket":
        """The ticket in a request's ``kv_transfer_params``; raises `KVError` for a wrong one."""
        names = ("remote_engine_id", "remote_request_id", "remote_tokens", "remote_digest")
        missing = [name for name in names if name not in params]
        if missing:
            raise KVError(
                f"kv_transfer_params has no {', '.join(missing)}; give on what the prefill"
                " request's output has in kv_transfer_params"
            )
        ticket = Ticket(*(params[name] for name in names))
        if ticket.digest != digest(prompt[: ticket.tokens]) or ticket.tokens > len(prompt):
            raise KVError(
                f"kv_transfer_params are of another prompt of {ticket.tokens} tokens (request"
                f" {ticket.request} of rank {ticket.source}) than this one of {len(prompt)}"
            )
        return ticket


def digest(tokens: list[int]) -> str:
    """A hash of the tokens, 32 hexadecimal digits."""
    return blake2b(np.array(tokens, np.int64).tobytes(), digest_size=16).hexdigest()
