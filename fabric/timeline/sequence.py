"""Timelines of calls on one machine, one after the other, as one timeline."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fabric.timeline.file import TimelineError
from fabric.timeline.value import Timeline


def in_sequence(timelines: Sequence[Timeline]) -> Timeline:
    """One timeline in which each of ``timelines`` begins when the one before has ended.

    They are of as many ranks on the same places of one machine, without faults in time. A step
    without a label gets its operation's; ``bound`` is the sum of theirs, ``bottleneck`` that of the
    one with the most of it. Statistics of packets are left out. Raises `TimelineError` for
    timelines that do not fit together, or for none.
    """
    if not timelines:
        raise TimelineError("there is no timeline to begin with")
    first, *others = timelines
    if not others:
        return first
    for one in timelines:
        _check(first, one)
    begins = [0.0, *accumulate(one.duration for one in timelines)]
    labels = [_labels(one) for one in timelines]
    steps = [0, *accumulate(map(len, labels))]
    same, over = [0] * len(timelines), begins[-1]

    def column(name: str, of: Sequence[Any]) -> NDArray[Any]:
        return np.concatenate(
            [getattr(one, name) + more for one, more in zip(timelines, of, strict=False)]
        )

    most = max((one.bottleneck for one in timelines), key=lambda cause: cause.time)
    return replace(
        first,
        src=column("src", same), dst=column("dst", same), size=column("size", same),
        step=column("step", steps), start=column("start", begins), finish=column("finish", begins),
        rank_finish=begins[-2] + timelines[-1].rank_finish,
        bound=sum(one.bound for one in timelines),
        bottleneck=replace(most, share=most.time / over if over else 0.0),
        labels=tuple(label for mine in labels for label in mine),
        resource_bytes=sum(one.resource_bytes for one in others) + first.resource_bytes,
        software=_named(timelines, lambda one: one.software),
        operation=_named(timelines, lambda one: one.operation),
        title=_named(timelines, lambda one: one.title), packets=None,
    )  # fmt: skip


def _check(first: Timeline, one: Timeline) -> None:
    same = one.router is first.router or (
        one.topology.equals(first.topology)
        and (one.router.policy, one.router.planes) == (first.router.policy, first.router.planes)
    )
    if not same or not np.array_equal(one.places, first.places):
        raise TimelineError(
            f"timelines on {first.topology.name} and {one.topology.name} are of two machines, and"
            " do not follow each other"
        )
    if one.ranks != first.ranks:
        raise TimelineError(
            f"timelines of {first.ranks} and of {one.ranks} ranks do not follow each other"
        )
    if one.faulted is not None:
        raise TimelineError("a timeline with faults in time follows no other: they come again")


def _labels(one: Timeline) -> list[str]:
    """A label for each step."""
    count = max(len(one.labels), int(one.step.max(initial=-1)) + 1)
    given = [*one.labels, *[""] * (count - len(one.labels))]
    return [label or one.operation for label in given]


def _named(timelines: Sequence[Timeline], name: Callable[[Timeline], str]) -> str:
    """What they are called, each name once."""
    return ", ".join(dict.fromkeys(filter(None, map(name, timelines))))
