"""What a serving run is asked for, and what comes out of it: values without a course of events."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from collectives.workloads.inference.requests import ServedRequest


class PrefixCache(Protocol):
    """Where caches of earlier prompts are kept: asked before a prefill, given prompts after it."""

    def reused(self, request: ServedRequest, now: float) -> tuple[int, float]:
        """How many of the prompt's first tokens are there, and the seconds to load them."""
        ...

    def keep(self, request: ServedRequest, now: float) -> None:
        """Take in what was computed of a prompt by ``now``."""
        ...


class Role(StrEnum):
    """What an instance does."""

    PREFILL = "prefill"
    DECODE = "decode"


@dataclass(frozen=True)
class FlexibleGroups:
    """Groups of accelerators that prefill at first, and change their role with the load.

    ``groups``: how many; ``as_prefill``, ``as_decode``: the instances that one is; ``seconds``: of
    a change, when its requests are gone; ``interval``: seconds between looks at the load;
    ``patience``: seconds of waiting for a prefill after which more of those are wanted. More
    decoding is wanted when over `HIGH` of its room is taken. One group at a time changes, and only
    if what it leaves then has no more than `HIGH` to do: of prefill, what arrived since the last
    look, in full batches.
    """

    groups: int
    as_prefill: int
    as_decode: int
    seconds: float
    interval: float
    patience: float

    def accelerators(self, plan: "ServingPlan") -> int:
        """Accelerators of all groups, as large as the larger of their roles."""
        each = (
            self.as_prefill * plan.prefill_accelerators, self.as_decode * plan.decode_accelerators
        )  # fmt: skip
        return self.groups * max(each)


@dataclass(frozen=True)
class RoleChange:
    """A group's change to ``role``: when it took no more requests, and when it began anew."""

    role: Role
    left: float
    began: float


@dataclass(frozen=True)
class ServingPlan:
    """What serves, and how long its steps last.

    ``prefill_instances``, ``decode_instances``: how many; ``prefill_accelerators``,
    ``decode_accelerators``: of each. ``prefill_tokens``: of a batch, an accelerator; ``batch``:
    requests that an accelerator decodes at most. ``prefill``: seconds of a batch, by computed
    tokens of an accelerator, mean prompt, and the share of prompts that is reused; ``decode``:
    seconds of a step, by requests of an accelerator and mean context; ``emitted``: tokens that a
    step makes of a request; ``handoff``: seconds of a prompt's cache on one link, by its tokens;
    ``links``: of a prefill instance. ``cache``: kept caches, None: none. ``flexible``: groups
    besides the instances, None: none.
    """

    prefill_instances: int
    decode_instances: int
    prefill_accelerators: int
    decode_accelerators: int
    prefill_tokens: int
    batch: int
    prefill: Callable[[float, float, float], float]
    decode: Callable[[float, float], float]
    emitted: float
    handoff: Callable[[float], float]
    links: int
    cache: PrefixCache | None = None
    flexible: FlexibleGroups | None = None

    @property
    def accelerators(self) -> int:
        """Accelerators of all instances and groups."""
        return (
            self.prefill_instances * self.prefill_accelerators
            + self.decode_instances * self.decode_accelerators
            + (self.flexible.accelerators(self) if self.flexible else 0)
        )


@dataclass(eq=False, slots=True)
class ServedTimes:
    """When a request arrived, had its first token, was taken by a decoding instance, and was done.

    Seconds; ``reused``: tokens of the prompt that were not computed.
    """

    request: ServedRequest
    prefilled: float = 0.0
    first: float = 0.0
    admitted: float = 0.0
    done: float = 0.0
    reused: int = 0

    @property
    def ttft(self) -> float:
        """Seconds from arrival to the first token."""
        return self.first - self.request.arrival

    @property
    def tpot(self) -> float | None:
        """Seconds for each token after the first; None if there is none."""
        after = self.request.output - 1
        return (self.done - self.first) / after if after else None


@dataclass(frozen=True)
class ServingRun:
    """Every request's times, and how long a kind's instances were busy and there (seconds of all).

    ``decoded``: seconds in a decoding instance, over all requests; ``changes``: of groups' roles.
    """

    served: tuple[ServedTimes, ...]
    prefill_busy: float
    decode_busy: float
    decoded: float
    prefill_there: float
    decode_there: float
    changes: tuple[RoleChange, ...] = ()

    @property
    def seconds(self) -> float:
        """From 0 to when the last request is done."""
        return max((one.done for one in self.served), default=0.0)
