"""The table of collectives and their algorithms, and `schedule`, which looks one up in it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collectives.algorithms import (
    allgather,
    allreduce,
    alltoall,
    barrier,
    broadcast,
    domains,
    gather,
    reduce,
    reducescatter,
    scatter,
    sendrecv,
)
from collectives.algorithms.sizes import check_collective, counts_of
from fabric.schedule.step import ScheduleError, Step
from fabric.schedule.uniform import GroupExchange, UniformSteps
from topology.arguments import integer, shown
from topology.graph import MULTICAST, REDUCE


@dataclass(frozen=True, slots=True)
class CallShape:
    """What the schedule of a collective depends on, besides the collective and the algorithm.

    ``size``: bytes, as `collectives.algorithms.sizes.buffers` says; ``itemsize``: bytes that are
    never cut; ``ranks_per_node``: ranks that share a node.
    """

    ranks: int
    size: int
    root: int = 0
    itemsize: int = 1
    ranks_per_node: int = 16

    @property
    def counts(self) -> NDArray[np.int64]:
        """The bytes from each rank to each, all blocks being alike: int64 [ranks, ranks]."""
        return np.full((self.ranks, self.ranks), self.size, np.int64)


ALL, NODE, ACROSS = "all", "node", "across"
"""Which ranks `Algorithm.joined` says are joined by switches."""


@dataclass(frozen=True)
class Algorithm:
    """An algorithm of a collective: ``function`` returns its steps, and can be called through it.

    ``takes``: the function's arguments, as names of a `CallShape`. ``of_own_counts``: True if it
    can be given the `RankCounts` of one rank, and then returns that rank's rows. ``able``: what
    switches must be able to do, bits of `topology.graph.ABILITIES`, between the ranks that are
    ``joined``: all of them (`ALL`), those of each node (`NODE`), those of one place in each node
    (`ACROSS`); see `collectives.algorithms.offload`. ``uniform``: takes the same arguments, and
    returns the steps as exchanges where they are such, else nothing. Its docstring is the
    function's, which states the cost.
    """

    function: Callable[..., Iterator[Step]]
    takes: tuple[str, ...] = ("ranks", "size")
    of_own_counts: bool = False
    able: int = 0
    joined: tuple[str, ...] = ()
    uniform: Callable[..., tuple[GroupExchange, ...]] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "__doc__", self.function.__doc__)

    def __call__(self, *arguments: Any, **named: Any) -> Iterator[Step]:
        """The steps for arguments of the function."""
        return self.function(*arguments, **named)

    def steps(self, shape: CallShape) -> Iterator[Step]:
        """The steps of a collective of this shape; `UniformSteps` where they are exchanges."""
        given = {name: getattr(shape, name) for name in self.takes}
        exchanges = self.uniform(**given) if self.uniform else ()
        make = partial(self.function, **given)
        return UniformSteps(exchanges, make) if exchanges else make()


_ITEMS = ("ranks", "size", "itemsize")
_ROOTED = ("ranks", "size", "root")
_ROOTED_ITEMS = (*_ROOTED, "itemsize")
_BY_NODE = ("ranks", "size", "ranks_per_node")
_ITEMS_BY_NODE = (*_ITEMS, "ranks_per_node")
_BOTH = MULTICAST | REDUCE

ALGORITHMS: Mapping[str, Mapping[str, Algorithm]] = MappingProxyType(
    {
        "all_reduce": {
            "direct": Algorithm(allreduce.direct),
            "two_shot": Algorithm(allreduce.two_shot, _ITEMS),
            "ring": Algorithm(allreduce.ring, _ITEMS),
            "recursive_doubling": Algorithm(allreduce.recursive_doubling),
            "halving_doubling": Algorithm(allreduce.halving_doubling, _ITEMS),
            "tree": Algorithm(allreduce.tree),
            "hierarchical": Algorithm(
                allreduce.hierarchical, _ITEMS_BY_NODE, uniform=allreduce.hierarchical_exchanges
            ),
            "nvls": Algorithm(allreduce.nvls, _ITEMS, able=_BOTH, joined=(ALL,)),
            "nvls_tree": Algorithm(domains.nvls_tree, _ITEMS_BY_NODE, able=_BOTH, joined=(NODE,)),
            "sharp": Algorithm(domains.sharp, _ITEMS_BY_NODE, able=_BOTH, joined=(NODE, ACROSS)),
        },
        "all_gather": {
            "direct": Algorithm(allgather.direct),
            "ring": Algorithm(allgather.ring),
            "recursive_doubling": Algorithm(allgather.recursive_doubling),
            "bruck": Algorithm(allgather.bruck),
            "hierarchical": Algorithm(allgather.hierarchical, _BY_NODE),
            "nvls": Algorithm(allgather.nvls, able=MULTICAST, joined=(ALL,)),
        },
        "reduce_scatter": {
            "direct": Algorithm(reducescatter.direct),
            "pairwise": Algorithm(reducescatter.pairwise),
            "ring": Algorithm(reducescatter.ring),
            "recursive_halving": Algorithm(reducescatter.recursive_halving),
            "hierarchical": Algorithm(reducescatter.hierarchical, _BY_NODE),
            "nvls": Algorithm(reducescatter.nvls, able=REDUCE, joined=(ALL,)),
        },
        "all_to_all": {
            "direct": Algorithm(alltoall.direct, uniform=alltoall.direct_exchanges),
            "pairwise": Algorithm(alltoall.pairwise, uniform=alltoall.pairwise_exchanges),
            "bruck": Algorithm(alltoall.bruck),
            "hierarchical": Algorithm(alltoall.hierarchical, _BY_NODE),
        },
        "all_to_all_v": {
            "direct": Algorithm(alltoall.direct_v, ("counts",), of_own_counts=True),
            "pairwise": Algorithm(alltoall.pairwise_v, ("counts",), of_own_counts=True),
            "hierarchical": Algorithm(alltoall.hierarchical_v, ("counts", "ranks_per_node")),
        },
        "broadcast": {
            "direct": Algorithm(broadcast.direct, _ROOTED),
            "binomial": Algorithm(broadcast.binomial, _ROOTED),
            "scatter_allgather": Algorithm(broadcast.scatter_allgather, _ROOTED_ITEMS),
            "chain": Algorithm(broadcast.chain, _ROOTED_ITEMS),
            "hierarchical": Algorithm(broadcast.hierarchical, (*_ROOTED, "ranks_per_node")),
            "nvls": Algorithm(broadcast.nvls, _ROOTED, able=MULTICAST, joined=(ALL,)),
        },
        "reduce": {
            "direct": Algorithm(reduce.direct, _ROOTED),
            "binomial": Algorithm(reduce.binomial, _ROOTED),
            "rabenseifner": Algorithm(reduce.rabenseifner, _ROOTED_ITEMS),
        },
        "gather": {
            "direct": Algorithm(gather.direct, _ROOTED),
            "binomial": Algorithm(gather.binomial, _ROOTED),
        },
        "scatter": {
            "direct": Algorithm(scatter.direct, _ROOTED),
            "binomial": Algorithm(scatter.binomial, _ROOTED),
        },
        "send_recv": {"shift": Algorithm(sendrecv.shift)},
        "barrier": {"dissemination": Algorithm(barrier.dissemination, ("ranks",))},
    }
)
"""Every collective with its algorithms by name."""

MOST_DIRECT = 1024
"""Ranks up to which `default` takes a ``direct`` algorithm, which has a row for every pair."""


def algorithms(op: str) -> Mapping[str, Algorithm]:
    """The algorithms of collective ``op`` by name.

    Raises `ScheduleError` for an unknown collective.
    """
    check_collective(op)
    return ALGORITHMS[op]


def algorithm(op: str, name: str) -> Algorithm:
    """The algorithm ``name`` of collective ``op``, or the one in the MSCCL file of that path.

    Raises `ScheduleError` with the choices, and `MscclError` for a file that is wrong.
    """
    table = algorithms(op)
    if is_file(name):
        return _of_file(op, name)
    if not isinstance(name, str) or name not in table:
        choices = ", ".join(table)
        raise ScheduleError(f"{op} has no algorithm {shown(name)}; choose one of {choices}")
    return table[name]


def is_file(name: object) -> bool:
    """True if the name of an algorithm is the path of an MSCCL file: it ends in ``.xml``."""
    return isinstance(name, str) and name.endswith(".xml")


def _of_file(op: str, path: str) -> Algorithm:
    from collectives.algorithms.msccl.schedule import of_file

    return Algorithm(of_file(path, op), (*_ROOTED, "itemsize"))


def default(op: str, ranks: int, size: int) -> str:
    """The name of an algorithm that is good enough if the fabric has not been asked.

    On a fabric without bottlenecks one step of all pairs has the least latency and moves no byte
    twice: ``direct`` for the all-to-alls, ``all_gather`` and ``reduce_scatter`` of up to
    `MOST_DIRECT` ranks, and beyond, where its rows would fill the memory, ``pairwise`` or ``ring``.
    The others follow MPICH (Thakur, Rabenseifner, Gropp 2005, with its thresholds but one):
    all_reduce of whole vectors up to 32 KiB, where a step costs more than halves save on the links
    of today, and by halves above; reduce by a tree up to 2 KiB, by halves above; broadcast by a
    tree below 12 KiB or 8 ranks, scatter and all-gather above; gather and scatter by trees.
    """
    algorithms(op)
    ranks, size = counts_of(ranks, size)
    many = ranks > MOST_DIRECT
    rules = {
        "all_reduce": "recursive_doubling" if size <= 32 << 10 else "halving_doubling",
        "all_gather": "ring" if many else "direct",
        "reduce_scatter": "pairwise" if many else "direct",
        "all_to_all": "pairwise" if many else "direct",
        "all_to_all_v": "pairwise" if many else "direct",
        "broadcast": "binomial" if size < 12288 or ranks < 8 else "scatter_allgather",
        "reduce": "binomial" if size <= 2048 else "rabenseifner",
        "gather": "binomial",
        "scatter": "binomial",
        "send_recv": "shift",
        "barrier": "dissemination",
    }
    return rules[op]


def schedule(
    op: str,
    ranks: int,
    size: int,
    algorithm: str | None = None,
    *,
    root: int = 0,
    itemsize: int = 1,
    ranks_per_node: int = 16,
) -> Iterator[Step]:
    """The steps of a collective, by the named algorithm or by `default`, generated lazily.

    ``size`` is in bytes and means what `collectives.algorithms.sizes.buffers` says; ``itemsize``
    bytes are never cut.
    ``ranks_per_node`` matters to the hierarchical algorithms; a node of CloudMatrix384 has 16 dies.
    Raises `ScheduleError` at the call, not later, for an unknown name or a number that is not
    allowed.
    """
    algorithms(op)
    ranks, size = counts_of(ranks, size)
    made = _lookup(op, default(op, ranks, size) if algorithm is None else algorithm)
    root, itemsize, ranks_per_node = (
        integer(value, name, error=ScheduleError)
        for value, name in (
            (root, "root"), (itemsize, "itemsize"), (ranks_per_node, "ranks_per_node")
        )
    )  # fmt: skip
    if not 0 <= root < ranks:
        raise ScheduleError(f"root is {root}; there are ranks 0 to {ranks - 1}")
    if itemsize < 1 or size % itemsize:
        raise ScheduleError(f"size of {size} bytes is not a number of items of {itemsize} bytes")
    if ranks_per_node < 1:
        raise ScheduleError(f"ranks_per_node is {ranks_per_node}, below 1")
    return made.steps(CallShape(ranks, size, root, itemsize, ranks_per_node))


# `schedule` has a parameter of the same name, which is what its callers write.
_lookup = algorithm
