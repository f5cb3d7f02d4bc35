"""What a replayed run says, as rows: by call, kind of call, step, layer or rank."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from collectives.workloads.recorded.replay import ReplayedRun
from fabric.endpoint.costs import FREE
from fabric.run_log.value import BEGIN, COMPUTE, SPAN, SPAN_END, Floats, Ints, RunLog


@dataclass(frozen=True, slots=True)
class Told:
    """What is told of calls together, in emulated seconds, each a mean over the ranks that make it.

    ``key``: what they have in common; ``calls``: how many; ``ranks``: that make one at most.
    ``time``: what they take, each from when a rank begins its part until that is over; ``wait``:
    how much of it the rank has waited for the last one to begin; ``longest``: the longest of them;
    ``recorded``: ``time`` when the run was recorded, None where the run did not say.
    """

    key: tuple[Hashable, ...]
    calls: int
    ranks: int
    time: float
    wait: float
    longest: float
    recorded: float | None


@dataclass(frozen=True)
class Tables:
    """The tables of a replayed run; calls that are not over, or take no time, are left out."""

    run: ReplayedRun

    def by_kind(self) -> list[Told]:
        """By what was called, in order of first calls: ``(words,)``."""
        return self._told([(words,) for words in self._words])

    def by_call(self) -> list[Told]:
        """Every call: ``(number, layer, words)``, in order of their begins."""
        layer = self._layer_of_call
        return self._told([(call, layer[call], words) for call, words in enumerate(self._words)])

    def by_layer(self) -> list[Told]:
        """By the innermost span around a call, and operation: ``(layer, operation)``."""
        layer = self._layer_of_call
        return self._told([(layer[call], _op(words)) for call, words in enumerate(self._words)])

    def by_step(self) -> list[Told]:
        """By steps of the engine, and operation: ``(step, operation)``.

        A step begins where a rank makes the same call of the same layer once more.
        """
        step = self._step_of_call
        return self._told([(step[call], _op(words)) for call, words in enumerate(self._words)])

    def by_rank(self) -> list[tuple[int, float, float, float]]:
        """Of each rank, in seconds: when it ended, how long in calls, and how long it computed.

        In calls: whatever it does meanwhile.
        """
        log, run = self.run.log, self.run
        spent = np.where(np.isnan(run.end), 0.0, run.end - run.begin)
        in_calls = np.bincount(log.parts.rank, np.nan_to_num(spent), log.ranks)
        what, who = log.entries.what, log.entries.rank
        computed = np.bincount(
            who[what == COMPUTE], log.entries.value[what == COMPUTE], log.ranks
        ) * run.compute_scale  # fmt: skip
        columns = zip(run.clock.tolist(), in_calls.tolist(), computed.tolist(), strict=True)
        return [(rank, *row) for rank, row in enumerate(columns)]

    def _told(self, keys: Sequence[tuple[Hashable, ...]]) -> list[Told]:
        """What is told of calls that have one of ``keys``, by call, in common."""
        log, free = self.run.log, self._is_free
        found: dict[tuple[Hashable, ...], list[int]] = {}
        for call in self._order.tolist():
            if not free[call] and not np.isnan(self._time[call]):
                found.setdefault(keys[call], []).append(call)
        return [
            Told(
                key, len(calls), max(len(log.call(call).group) for call in calls),
                float(self._time[calls].sum()), float(self._wait[calls].sum()),
                float(self._longest[calls].max()), _known(float(self._recorded[calls].sum())),
            )
            for key, calls in found.items()
        ]  # fmt: skip

    @cached_property
    def _words(self) -> list[str]:
        log = self.run.log
        return [log.call(call).words for call in range(len(log.kind))]

    @cached_property
    def _order(self) -> Ints:
        return np.argsort(self._first, kind="stable")

    @cached_property
    def _is_free(self) -> list[bool]:
        log = self.run.log
        return [log.call(call).operation == FREE for call in range(len(log.kind))]

    @cached_property
    def _first(self) -> Floats:
        first = np.full(len(self.run.log.kind), np.inf)
        known = ~np.isnan(self.run.begin)
        np.minimum.at(first, self.run.log.parts.call[known], self.run.begin[known])
        return first

    @cached_property
    def _time(self) -> Floats:
        return self._mean(self.run.end - self.run.begin)

    @cached_property
    def _recorded(self) -> Floats:
        return self._mean(self.run.log.parts.end - self.run.log.parts.begin)

    @cached_property
    def _longest(self) -> Floats:
        return self._most(self.run.end - self.run.begin)

    @cached_property
    def _wait(self) -> Floats:
        last = self._most(self.run.begin)
        return self._mean(last[self.run.log.parts.call] - self.run.begin)

    def _mean(self, values: Floats) -> Floats:
        """The mean over the ranks of each call; nan where one of them is."""
        log = self.run.log
        calls = len(log.kind)
        count = np.bincount(log.parts.call, minlength=calls)
        found: Floats = np.bincount(log.parts.call, values, calls) / np.maximum(count, 1)
        return found

    def _most(self, values: Floats) -> Floats:
        most = np.full(len(self.run.log.kind), -np.inf)
        known = ~np.isnan(values)
        np.maximum.at(most, self.run.log.parts.call[known], values[known])
        return most

    @cached_property
    def _layers(self) -> list[str]:
        return layers(self.run.log)

    @cached_property
    def _layer_of_call(self) -> dict[int, str]:
        calls = self.run.log.parts.call.tolist()
        return dict(zip(reversed(calls), reversed(self._layers), strict=True))

    @cached_property
    def _step_of_call(self) -> dict[int, int]:
        steps = steps_of(self.run.log, self._layers)
        calls = self.run.log.parts.call.tolist()
        return dict(zip(reversed(calls), reversed(steps), strict=True))


def _op(words: str) -> str:
    """The name of what was called, without its arguments."""
    return words.partition("(")[0]


def _known(value: float) -> float | None:
    return None if np.isnan(value) else value


def layers(log: RunLog) -> list[str]:
    """Of each part of a log, the name of the innermost span around its begin; "" for none."""
    around: list[dict[int, str]] = [{} for _ in range(log.ranks)]
    found = [""] * len(log.parts.call)
    columns = (column.tolist() for column in log.entries)
    for rank, what, number, value in zip(*columns, strict=True):
        if what == BEGIN:
            found[number] = next(reversed(around[rank].values()), "")
        elif what == SPAN:
            around[rank][number] = log.spans[int(value)]
        elif what == SPAN_END:
            around[rank].pop(number, None)
    return found


def steps_of(log: RunLog, layer: Sequence[str]) -> list[int]:
    """Of each part of a log, the number of its rank's step: see `Tables.by_step`.

    ``layer``: of each part, see `layers`. Calls outside of any span begin no step.
    """
    step, seen = [0] * log.ranks, [set[tuple[str, int]]() for _ in range(log.ranks)]
    found = []
    columns = (log.parts.call, log.parts.rank)
    for call, rank, name in zip(*(c.tolist() for c in columns), layer, strict=True):
        what = name, int(log.kind[call])
        if name and what in seen[rank]:
            step[rank] += 1
            seen[rank].clear()
        seen[rank].add(what)
        found.append(step[rank])
    return found
