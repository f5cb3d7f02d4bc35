"""Which algorithm is fastest for a size on a topology: simulated once, and remembered.

The answer depends on nothing but the question: the same at every rank, in every run, whatever was
asked before. So ranks that ask by themselves, in processes of their own, agree.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from collectives.algorithms.offload import possible, require
from collectives.algorithms.table import ALGORITHMS, algorithms, default, schedule
from fabric.endpoint.costs import Endpoint
from fabric.engines.account import least
from fabric.fabric import Fabric
from fabric.schedule.step import ScheduleError, Step
from fabric.world.messages import Advice, MachineLabel

MOST_ASKED = 1024
"""Ranks up to which the fabric is asked; beyond, `default` answers: a row for every pair of ranks
would take longer to simulate than the choice is worth."""

TIE = 0.01
"""Times that differ by no more than this fraction are alike. Of those `collectives.default`'s is
taken, else the algorithm that comes first in `collectives.algorithms.table.ALGORITHMS`: what saves
a latency of a long transfer there can move twice the bytes here."""

_REMEMBERED = 1 << 12  # answers kept for a fabric
_PANELS = 8  # groups of ranks whose routes are kept for a fabric


def choose(
    fabric: Fabric, op: str, ranks: int, size: int, *, group: Sequence[int] | None = None,
    itemsize: int = 1, root: int = 0, ranks_per_node: int = 16,
) -> str:  # fmt: skip
    """The name of the algorithm of ``op`` that is fastest on ``fabric``, or within `TIE` of it.

    ``group``: which ranks of the fabric take part, in their order; default: its first ``ranks``.
    The rest means what it means in `schedule`. Of a size (bytes) only the three leading bits count,
    rounded up, so sizes that hardly differ share an answer. Raises `ScheduleError` for what
    `schedule` refuses, and for ranks that have no place.
    """
    named = fabric.software.algorithms.get(op) or tuple(algorithms(op))
    if len(named) == 1:
        return named[0]
    if not 1 < ranks <= MOST_ASKED:
        return _first(named, op, ranks, size)
    question = _question(ranks, op, size, group, itemsize, root, ranks_per_node)
    memory = fabric.kept(_Answers)
    with memory.lock:  # ranks that are threads ask all at once: one of them works, all learn
        if question not in memory.answers:
            _check(fabric, question, ranks)
            while len(memory.answers) >= _REMEMBERED:
                memory.answers.popitem(last=False)
            memory.answers[question] = _fastest(_panel(fabric, memory, question.group), question)
        return memory.answers[question]


def advice(
    fabric: Fabric, op: str, group: Sequence[int], size: int, itemsize: int, root: int,
    algorithm: str | None,
) -> Advice:  # fmt: skip
    """How the ranks ``group`` of the fabric make a call: the reply to `RankControl.advise`.

    ``size``, ``itemsize``: in bytes, and with ``root`` as in `collectives.schedule`; ``algorithm``:
    the one asked for, None: the fastest. Raises `ScheduleError` for one that the machine cannot
    do.
    """
    node = node_size(fabric, group)
    if algorithm is not None:
        require(fabric, op, algorithm, group, node)
    name = algorithm or choose(
        fabric, op, len(group), size, group=group, itemsize=itemsize, root=root,
        ranks_per_node=node,
    )  # fmt: skip
    machine = MachineLabel(fabric.topology.name, fabric.software.stack(op, size))
    return Advice(name, node, fabric.software.regime(op, size, name), machine)


def table(
    fabric: Fabric, op: str, ranks: int, size: int, *, group: Sequence[int] | None = None,
    itemsize: int = 1, root: int = 0, ranks_per_node: int = 16,
) -> Mapping[str, float]:  # fmt: skip
    """The seconds that each algorithm of ``op`` takes for exactly this size.

    Arguments as in `choose`. Without algorithms that the machine cannot do.
    """
    question = _question(ranks, op, size, group, itemsize, root, ranks_per_node)
    _check(fabric, question, ranks)
    memory = fabric.kept(_Answers)
    with memory.lock:
        panel = _panel(fabric, memory, question.group)
        names = possible(panel, op, range(ranks), ranks_per_node)
        return {name: _time(panel, question, name, size) for name in names}


def node_size(fabric: Fabric, group: int | Sequence[int]) -> int:
    """The number of ranks of a group that share the node of its first one.

    See ``ranks_per_node`` in `schedule`. ``group``: ranks of the fabric, or how many of its first
    ones. 1 if the system has no nodes.
    """
    members = range(group) if isinstance(group, int) else group
    return fabric.topology.node_width(fabric.places[list(members)])


def offered(software: Endpoint, op: str, *, between_nodes: bool) -> tuple[str, ...]:
    """The algorithms of ``op`` that a software stack has; none where it does not say.

    ``between_nodes``: whether the ranks sit in several nodes, without which it does not take one of
    two levels.
    """
    names = software.algorithms.get(op, ())
    return tuple(
        name
        for name in names
        if between_nodes or "ranks_per_node" not in ALGORITHMS[op][name].takes
    )


def _offered(fabric: Fabric, op: str, ranks: int, ranks_per_node: int) -> tuple[str, ...]:
    """Of the software's those that the machine can do for the first ``ranks``; else all it can."""
    can = possible(fabric, op, range(ranks), ranks_per_node)
    named = offered(fabric.software, op, between_nodes=ranks > ranks_per_node)
    return tuple(name for name in can if name in named) or can


def _first(names: Sequence[str], op: str, ranks: int, size: int) -> str:
    """`default`'s algorithm, or the first one if the software does not have that."""
    usual = default(op, ranks, size)
    return usual if usual in names else names[0]


def rounded(size: int, itemsize: int = 1) -> int:
    """``size`` in bytes rounded up to three leading bits, and to a whole number of items."""
    unit = 1 << max(size.bit_length() - 3, 0)
    return -(-(-(-size // unit) * unit) // itemsize) * itemsize


@dataclass(frozen=True, slots=True)
class _Question:
    """All that the choice of an algorithm depends on, besides the fabric."""

    op: str
    group: tuple[int, ...]
    size: int
    itemsize: int
    root: int
    ranks_per_node: int

    def steps(self, algorithm: str, size: int) -> Iterator[Step]:
        return schedule(
            self.op, len(self.group), size, algorithm, root=self.root, itemsize=self.itemsize,
            ranks_per_node=self.ranks_per_node,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Answers:
    """What is kept with a fabric: the answers, and by group the fabric as its ranks see it."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    answers: OrderedDict[_Question, str] = field(default_factory=OrderedDict)
    panels: OrderedDict[tuple[int, ...], Fabric] = field(default_factory=OrderedDict)


def _question(
    ranks: int, op: str, size: int, group: Sequence[int] | None, itemsize: int, root: int,
    ranks_per_node: int,
) -> _Question:  # fmt: skip
    if size < 0 or itemsize < 1 or size % itemsize:  # what rounding would hide
        schedule(op, ranks, size, root=root, itemsize=itemsize)
    members = tuple(range(ranks) if group is None else group)
    return _Question(op, members, rounded(size, itemsize), itemsize, root, ranks_per_node)


def _check(fabric: Fabric, question: _Question, ranks: int) -> None:
    """Raise `ScheduleError` for a group that does not fit the fabric, or what cannot be."""
    members, places = question.group, len(fabric.places)
    if len(members) != ranks:
        raise ScheduleError(f"a group of {len(members)} ranks was named, but {ranks} take part")
    outside = [rank for rank in members if not 0 <= rank < places]
    if outside:
        there = f"0 to {places - 1} of {fabric.topology.name}"
        raise ScheduleError(f"rank {outside[0]} has no place; there are {there}")
    question.steps(default(question.op, ranks, question.size), question.size)


def _panel(fabric: Fabric, memory: _Answers, group: tuple[int, ...]) -> Fabric:
    """The fabric under a group alone, with routes of its own.

    Its own, because the caller's is used by others meanwhile; and all of them looked up now,
    because which are known can change the last bits of an answer.
    """
    if group not in memory.panels:
        while len(memory.panels) >= _PANELS:
            memory.panels.popitem(last=False)
        places = fabric.places[list(group)]
        panel = replace(
            fabric, endpoint=fabric.software, planes=fabric.router.planes, placement=places
        )
        panel.router.paths(np.repeat(places, len(places)), np.tile(places, len(places)))
        memory.panels[group] = panel
    memory.panels.move_to_end(group)
    return memory.panels[group]


def _fastest(panel: Fabric, question: _Question) -> str:
    """Branch and bound: only what its closed form does not rule out is simulated."""
    size, ranks, node = question.size, len(question.group), question.ranks_per_node
    names = _offered(panel, question.op, ranks, node)
    first = _first(names, question.op, ranks, size)
    times = {first: _time(panel, question, first, size)}

    def enough() -> float:
        return min(times.values()) * (1 + TIE)

    bounds = {
        name: least(
            panel, question.steps(name, size), ranks,
            operation=panel.software.regime(question.op, None, name), size=size, above=enough(),
        )
        for name in names if name != first
    }  # fmt: skip
    for name in sorted(bounds, key=lambda name: bounds[name]):
        if bounds[name] <= enough():
            times[name] = _time(panel, question, name, size)
    return next(name for name in (first, *names) if times.get(name, np.inf) <= enough())


def _time(panel: Fabric, question: _Question, name: str, size: int) -> float:
    ranks, steps = len(question.group), question.steps(name, size)
    operation = panel.software.regime(question.op, None, name)
    return panel.simulate(steps, operation=operation, size=size, ranks=ranks).duration
