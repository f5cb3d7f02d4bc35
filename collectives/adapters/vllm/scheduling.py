"""The half of hand-offs between instances that lives beside an instance's scheduler."""

from collections import deque
from collections.abc import Iterable
from typing import Any

from collectives.adapters.vllm.errors import KVError
from collectives.adapters.vllm.holds import SLOTS
from collectives.adapters.vllm.orders import Hold, LoadOrder, StepOrders, Ticket, digest
from collectives.adapters.vllm.settings import Instance


class Scheduling:
    """Which requests are held for other instances, and which come from others.

    ``block``: tokens of a block; ``producer``, ``consumer``: True if the instance may hold KV for
    others, and read it from others. ``world``: as the worker says when it has met the others.
    """

    def __init__(self, given: Instance, block: int, producer: bool, consumer: bool) -> None:
        self._given, self._block = given, block
        self._producer, self._consumer = producer, consumer
        self.world = ""
        self._free, self._turns = deque(range(SLOTS)), [0] * SLOTS
        self._held: dict[str, int] = {}  # the slots of requests
        self._holds: list[Hold] = []
        self._loads: list[LoadOrder] = []

    def begin(self, request: Any) -> None:
        """Begin a request; raises `KVError` if this instance has not the role for it."""
        params = request.kv_transfer_params or {}
        asked = {
            "do_remote_decode": (self._producer, "kv_producer"),
            "do_remote_prefill": (self._consumer, "kv_consumer"),
        }
        for name, (may, role) in asked.items():
            if params.get(name) and not may:
                raise KVError(
                    f"request {request.request_id} has {name}; this instance's kv_role would have"
                    f" to be {role} or kv_both"
                )
            if params.get(name) and self._given.ranks == 1:
                raise KVError(
                    f"request {request.request_id} has {name}, and this is the only instance:"
                    " kv_connector_extra_config has neither rank nor ranks"
                )

    def matched(self, request: Any, computed: int) -> int:
        """Number of tokens after the first ``computed`` that another instance has.

        In whole blocks. The last token of a prompt is always computed here: its result is the next
        token.
        """
        prompt = list(request.prompt_token_ids)
        there = min(Ticket.of(request.kv_transfer_params, prompt).tokens, len(prompt) - 1)
        return max(there // self._block * self._block - computed, 0)

    def allocated(self, request: Any, blocks: list[int], tokens: int) -> None:
        """Note the blocks of a request into which ``tokens`` tokens are to be read.

        With no tokens the holder only learns that it is not asked for them.
        """
        prompt = list(request.prompt_token_ids)
        ticket = Ticket.of(request.kv_transfer_params, prompt)
        if not ticket.blocks:
            return
        until = min(ticket.tokens, len(prompt) - 1) // self._block
        which = slice(until - tokens // self._block, until)
        self._loads.append(
            LoadOrder(
                ticket.request, ticket.world, ticket.source, ticket.slot, ticket.turn, tokens,
                ticket.blocks[which], blocks[which],
            )
        )  # fmt: skip

    def give(self, orders: StepOrders) -> None:
        """Add what has to be done to the orders of the step that is about to run."""
        orders.holds, self._holds = self._holds, []
        orders.loads, self._loads = self._loads, []

    def finished(self, request: Any, blocks: list[int]) -> tuple[bool, dict[str, Any] | None]:
        """Whether the request's ``blocks`` are held, and what the decode instance has to know.

        That is its ``kv_transfer_params``; None for a request that no other instance goes on with,
        for one that was given up, and where so many prompts are held already that there is no slot.
        """
        name, prompt = request.request_id, list(request.prompt_token_ids)
        params = request.kv_transfer_params or {}
        given_up = request.status.name in ("FINISHED_ABORTED", "FINISHED_ERROR")
        if not params.get("do_remote_decode") or given_up or not self._free:
            return False, None
        whole = blocks[: len(prompt) // self._block]
        slot = self._free.popleft() if whole else 0
        turn = self._turns[slot]
        if whole:
            self._held[name] = slot
            self._holds.append(Hold(name, slot, turn))
        ticket = Ticket(
            self.world, self._given.rank, name, len(prompt), digest(prompt), slot, turn, whole
        )
        return bool(whole), ticket.params()

    def given_back(self, requests: Iterable[str]) -> None:
        """Take note that these requests' blocks are held no longer."""
        for name in requests:
            slot = self._held.pop(name, None)
            if slot is not None:
                self._turns[slot] += 1
                self._free.append(slot)
