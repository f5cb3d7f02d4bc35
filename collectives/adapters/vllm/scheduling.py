"""The half of the KV connector that lives beside an instance's scheduler."""

from typing import Any

from collectives.adapters.vllm.errors import KVError
from collectives.adapters.vllm.orders import LoadOrder, Orders, Save, Ticket, digest
from collectives.adapters.vllm.settings import Instance


class Scheduling:
    """Which requests are kept for other instances, and which come from others.

    ``block``: tokens of a block; ``producer``, ``consumer``: True if the instance may keep KV for
    others, and fetch it from others.
    """

    def __init__(self, given: Instance, block: int, producer: bool, consumer: bool) -> None:
        self._given, self._block = given, block
        self._producer, self._consumer = producer, consumer
        self._prefills: dict[str, list[int]] = {}  # the blocks of requests that others will decode
        self._prompts: dict[str, int] = {}  # and the lengths of their prompts
        self._saved: set[str] = set()
        self._orders = Orders()

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
        if params.get("do_remote_decode"):
            self._prefills[request.request_id] = []
            self._prompts[request.request_id] = request.num_prompt_tokens

    def matched(self, request: Any, computed: int) -> int:
        """Number of tokens after the first ``computed`` that another instance has.

        In whole blocks. The last token of a prompt is always computed here: its result is the next
        token.
        """
        params = request.kv_transfer_params or {}
        if not params.get("do_remote_prefill"):
            return 0
        prompt = list(request.prompt_token_ids)
        there = min(Ticket.of(params, prompt).tokens, len(prompt) - 1)
        return max(there // self._block * self._block - computed, 0)

    def allocated(self, request: Any, blocks: list[int], tokens: int) -> None:
        """Note the blocks of a request into which ``tokens`` tokens are to be fetched."""
        if not tokens:
            return
        prompt = list(request.prompt_token_ids)
        ticket = Ticket.of(request.kv_transfer_params, prompt)
        until = min(ticket.tokens, len(prompt) - 1) // self._block
        first = until - tokens // self._block
        load = LoadOrder(ticket.request, ticket.source, first, tokens, blocks[first:until])
        self._orders.loads.append(load)

    def orders(self, step: Any) -> Orders:
        """The transfers of the step that is about to run."""
        for new in step.scheduled_new_reqs:
            if new.req_id in self._prefills:
                self._prefills[new.req_id] = list(new.block_ids[0])
                self._save(new.req_id, new.num_computed_tokens, step)
        running = step.scheduled_cached_reqs
        for number, name in enumerate(running.req_ids):
            if name in self._prefills and name not in self._saved:
                more = running.new_block_ids[number]
                known = [] if name in running.resumed_req_ids else self._prefills[name]
                self._prefills[name] = known + list(more[0] if more else [])
                self._save(name, running.num_computed_tokens[number], step)
        made, self._orders = self._orders, Orders()
        return made

    def finished(self, request: Any) -> dict[str, Any] | None:
        """The ``kv_transfer_params`` of a prefill's output for the decode instance.

        None for others.
        """
        name = request.request_id
        if self._prefills.pop(name, None) is None:
            return None
        del self._prompts[name]
        if name not in self._saved:
            return None  # it was given up before its prompt was through
        self._saved.discard(name)
        prompt = list(request.prompt_token_ids)
        ticket = Ticket(self._given.rank, name, len(prompt), digest(prompt))
        return ticket.params()

    def _save(self, name: str, computed: int, step: Any) -> None:
        prompt = self._prompts[name]
        if computed + step.num_scheduled_tokens[name] < prompt:
            return
        self._saved.add(name)
        count = -(-prompt // self._block)
        self._orders.saves.append(Save(name, self._prefills[name][:count]))
