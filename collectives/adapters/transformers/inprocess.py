"""Many ranks in one process: threads, each with a slice of the tokens."""

import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from collectives.adapters.step_log import StepEntry, StepLog
from collectives.adapters.token_exchange import MAX_TOKENS
from collectives.adapters.transformers.function import share
from collectives.adapters.transformers.layers import Choice, Layers, mixture
from collectives.calls.communicator import Communicator
from collectives.calls.start import init
from collectives.moe import TokenError, Wire
from fabric.failure import TimedOut, WorldError
from fabric.launching.launch import launch

Task = Callable[[Communicator, Layers], Tensor]


@dataclass(frozen=True, slots=True)
class Span:
    """A call from its first rank's arrival, ``begin``, to its last rank's ``end``, in seconds."""

    begin: float
    end: float

    def times(self) -> tuple[float, float]:
        """Begin and end in emulated seconds."""
        return self.begin, self.end


ENDING = 600.0
"""Seconds that ranks have to end what they are in: models compute for long."""


class Ranks:
    """Threads that are the ranks of a world, and all do the work that they are given.

    Made by `in_process`. ``record``: the log of their calls, one entry for a call of all ranks.
    """

    def __init__(self, ranks: int, choice: Choice, system: str, **options: Any) -> None:
        self.ranks, self.record, self._choice = ranks, StepLog(), choice
        self._tasks: list[queue.SimpleQueue[Task | None]] = [
            queue.SimpleQueue() for _ in range(ranks)
        ]
        self._results: queue.SimpleQueue[tuple[int, Any, list[StepEntry]]] = queue.SimpleQueue()
        self._world = threading.Thread(target=self._launched, args=(system, options), daemon=True)
        self._ended = False
        self._world.start()

    def do(self, task: Callable[[int], Task]) -> list[Tensor]:
        """Run ``task(rank)`` at each rank; returns what each computes, in rank order.

        Raises what one of them raised, and `TokenError` after `close`.
        """
        if self._ended:
            raise TokenError("the ranks of this process have ended: `in_process` is over")
        for rank, tasks in enumerate(self._tasks):
            tasks.put(task(rank))
        answers = sorted((self._results.get() for _ in self._tasks), key=lambda answer: answer[0])
        self._check([made for _, made, _ in answers])
        for calls in zip(*(rows for _, _, rows in answers), strict=True):
            span = Span(min(row.begin for row in calls), max(row.end for row in calls))
            tokens = sum(row.tokens for row in calls)
            first = calls[0]
            machine = first.system, first.software
            self.record.add(first.layer, first.operation, tokens, span, machine)
        return [made for _, made, _ in answers]

    def close(self) -> None:
        """Stop the ranks' threads. Idempotent. Raises `TimedOut` if they do not end."""
        self._ended = True
        for tasks in self._tasks:
            tasks.put(None)
        self._world.join(ENDING)
        if self._world.is_alive():
            raise TimedOut(f"the ranks of this process have not ended within {ENDING:g} s")

    def _check(self, made: list[Any]) -> None:
        errors = [each for each in made if isinstance(each, Exception)]
        if errors:
            self.close()
            # What the others saw of it is the less telling half.
            raise next((each for each in errors if not isinstance(each, WorldError)), errors[0])

    def _launched(self, system: str, options: dict[str, Any]) -> None:
        try:
            launch(self._rank, self.ranks, system, sync="eager", **options)
        except Exception as error:
            # Perhaps before there was any rank to answer.
            for rank in range(self.ranks):
                self._results.put((rank, error, []))

    def _rank(self) -> None:
        with init() as comm, torch.no_grad():
            layers, told = Layers(self._choice, StepLog()), 0
            while (task := self._tasks[comm.rank].get()) is not None:
                try:
                    made = task(comm, layers)
                    rows = layers.record.rows()
                except Exception as error:
                    self._results.put((comm.rank, error, []))
                    raise
                self._results.put((comm.rank, made, rows[told:]))
                told = len(rows)


@contextmanager
def in_process(
    name: str = "triplane", ranks: int = 8, mode: str = "normal", *, wire: str | Wire = "as-is",
    max_tokens: int = MAX_TOKENS, system: str = "cloudmatrix384", software: str | None = None,
    trace: str | None = None,
) -> Iterator[StepLog]:  # fmt: skip
    """A context manager that makes ``name`` an ``experts_implementation`` of threads.

    Each has an equal slice of a layer's tokens and its share of the experts; real tokens go from
    thread to thread. For inference only. ``mode``, ``wire``, ``max_tokens``: as in
    `collectives.adapters.transformers.register`; ``system``, ``software``, ``trace``: as in
    `fabric.launch`. In low-latency mode a slice has at most ``max_tokens``.

    Yields a `Record`. Raises what the ranks raise, and `TokenError` for a model that is called
    after the block.
    """
    from transformers.integrations.moe import ALL_EXPERTS_FUNCTIONS

    world = Ranks(ranks, Choice(mode, wire, max_tokens), system, software=software, trace=trace)

    def experts(module: Any, hidden_states: Tensor, *choices: Tensor) -> Tensor:
        if torch.is_grad_enabled() and hidden_states.requires_grad:
            raise TokenError(f"{name!r} of in_process has no gradients; use torch.no_grad")

        def task(rank: int) -> Task:
            tokens = len(hidden_states)
            own = slice(rank * tokens // ranks, (rank + 1) * tokens // ranks)

            def run(comm: Communicator, layers: Layers) -> Tensor:
                layer = layers.name(module)
                carried = layers.exchange(comm, module.num_experts, hidden_states.shape[-1])
                mine = share(module, comm.rank, comm.size)
                pieces = [each[own] for each in (hidden_states, *choices)]
                with comm.span(layer):
                    return mixture(carried, mine, -1, layer, *pieces)

            return run

        return torch.cat(world.do(task))

    ALL_EXPERTS_FUNCTIONS.register(name, experts)
    try:
        yield world.record
    finally:
        world.close()
