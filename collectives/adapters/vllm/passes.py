"""What a worker of vLLM is at: which step, and which module of the model."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from torch import nn

from collectives.adapters.step_log import StepLog
from collectives.adapters.torch.work import Pending, span
from collectives.adapters.vllm.metrics import StepMetrics
from collectives.calls.communicator import Communicator

WARM_UP, DUMMY = "warm-up", "dummy"
"""Kinds of steps that no request has asked for: a worker's first, and one for others' sake."""


class Passes:
    """The steps of one worker, whose calls all its groups write into ``log``.

    A call is of the innermost module that is under way (`watch`). Where modules are not watched,
    as in compiled models, calls of a group are counted in each step. ``metrics`` learns of each
    step that is over.
    """

    def __init__(self) -> None:
        self.log = StepLog()
        self.metrics: StepMetrics | None = None
        self._told = 0
        self._modules: list[str] = []
        self._counts: Counter[str] = Counter()

    def watch(self, model: nn.Module) -> None:
        """Learn which module of ``model`` is under way, from now on."""
        for name, module in model.named_modules():
            module.register_forward_pre_hook(lambda *_, name=name: self._modules.append(name))
            module.register_forward_hook(lambda *_: self._left(), always_call=True)

    def _left(self) -> None:
        self._modules.pop()

    @contextmanager
    def step(self, comm: Communicator, kind: str = "") -> Iterator[None]:
        """One step, of that kind, and a span of traces; ``comm``: of all ranks."""
        number = self.log.begin(kind)
        self._modules.clear()
        self._counts.clear()
        with comm.span(f"{kind} step {number}".lstrip()):
            yield
        if self.metrics is not None:
            rows = self.log.since(self._told)
            self._told += len(rows)
            self.metrics.learn(rows)

    def layer(self, group: str) -> str:
        """What to call the module that makes a call in a group of ranks (tp, pp, dp, ep)."""
        if self._modules and self._modules[-1]:
            return self._modules[-1]
        self._counts[group] += 1
        return f"{group} {self._counts[group] - 1}"


class Parts:
    """The parts of a call of a process group, and its `times` in emulated seconds."""

    def __init__(self, parts: Sequence[Pending]) -> None:
        self._parts = tuple(parts)

    def times(self) -> tuple[float, float]:
        """When the first part began and the last ended at this rank, in emulated seconds."""
        return span(self._parts)


def held(communicators: Sequence[Any], passes: Passes) -> None:
    """Have the communicators of a worker's groups write into the same ``passes``."""
    for each in communicators:
        each.passes = passes
        if each.all2all_manager is not None:
            each.all2all_manager.passes = passes
