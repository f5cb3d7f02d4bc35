"""What a benchmark of one-sided accesses is asked for, and on which endpoints its ranks sit."""

import math
from dataclasses import dataclass, replace

import numpy as np

from bench.machine import BenchError, check_fits
from collectives.workloads.background.beside import check_streams
from collectives.workloads.background.streams import Background
from fabric.clock.memory_machine import cpus_of
from fabric.endpoint.costs import WIRE, Endpoint
from fabric.endpoint.one_sided import READ, SIDES, WRITE, with_memory
from fabric.endpoint.presets import names, preset
from fabric.endpoint.records import stacks
from fabric.fabric import Fabric
from fabric.machine import MachineSpec
from topology.graph import LEVELS, Ints, Topology

PATTERNS = ("pair", "one-to-many", "many-to-one")
"""Who accesses whose memory: rank 0 that of rank 1, or of all others, or all others that of 0."""

OPERATIONS = {"put": WRITE, "get": READ}
"""What an access is to a software stack."""


@dataclass(frozen=True)
class AccessFlags:
    """The user's options; sizes in bytes.

    ``blocks``, ``bulk``: how many blocks of the row's size an access has, or how many bytes in all;
    ``window``: accesses that are outstanding together. ``local``, ``remote``: whose memory the
    initiator's buffer and the window are, "npu" or "cpu". ``distance``: of `LEVELS`, from the first
    rank to the others; None: to another node of the supernode, or as far as there is.
    """

    minbytes: int = 8
    maxbytes: int = 4 << 20
    stepfactor: int = 2
    blocks: int | None = None
    bulk: int | None = None
    window: int = 1
    pattern: str = PATTERNS[0]
    ranks: int | None = None
    local: str = "npu"
    remote: str = "npu"
    distance: str | None = None
    iters: int = 20
    warmup: int = 1

    @property
    def world(self) -> int:
        """How many ranks there are: 2 of a pair, else 8 where nothing else is asked for."""
        return self.ranks or (2 if self.pattern == PATTERNS[0] else 8)

    def sizes(self) -> list[int]:
        """The sizes of blocks, from the least to the most by the factor; raises `BenchError`."""
        if not 0 < self.minbytes <= self.maxbytes:
            raise BenchError(f"-b {self.minbytes} to -e {self.maxbytes} has no size from 1 on")
        found = [self.minbytes]
        while found[-1] * self.stepfactor <= self.maxbytes and self.stepfactor > 1:
            found.append(found[-1] * self.stepfactor)
        return found

    def blocks_of(self, size: int) -> int:
        """How many blocks of ``size`` bytes an access has."""
        return math.ceil(self.bulk / size) if self.bulk else self.blocks or 1


@dataclass(frozen=True, eq=False)
class AccessBench:
    """A checked request: ``op``, "put" or "get", on ``fabric``, whose software times it.

    ``software``: the stack that has constants for it; ``distance``: one of `LEVELS`; ``streams``:
    what is beside the accesses.
    """

    op: str
    flags: AccessFlags
    fabric: Fabric
    machine: MachineSpec
    software: Endpoint
    distance: str
    streams: tuple[Background, ...] = ()

    @property
    def sides(self) -> tuple[bool, bool]:
        """Whether the initiator's memory, and the target's, is a CPU's."""
        return self.flags.local == "cpu", self.flags.remote == "cpu"

    @property
    def operation(self) -> str:
        """What the accesses are to a software stack, such as ``read:cpu``."""
        return OPERATIONS[self.op] + SIDES[self.sides]

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """Who accesses whose memory."""
        others = range(1, self.flags.world)
        if self.flags.pattern == "many-to-one":
            return [(rank, 0) for rank in others]
        return [(0, rank) for rank in others]


def prepare(
    op: str, flags: AccessFlags, machine: MachineSpec, streams: tuple[Background, ...] = ()
) -> AccessBench:
    """The benchmark that was asked for, checked; raises `TriplaneError` for what is wrong."""
    flags.sizes()
    if flags.blocks and flags.bulk:
        raise BenchError("--blocks and --bulk both say how many blocks an access has: give one")
    if flags.pattern == PATTERNS[0] and flags.world != 2:
        raise BenchError(f"--pattern pair is of 2 ranks, and --ranks asks for {flags.world}")
    if flags.world < 2:
        raise BenchError(f"--ranks {flags.world}: accesses are between 2 ranks or more")
    fabric = machine.build()
    software = _software(op, machine, fabric)
    fabric, distance = _placed(fabric, flags)
    check_fits(flags.world, fabric)
    check_streams(fabric, streams, flags.world)
    placed = machine.changed(placement=tuple(fabric.places[: flags.world].tolist()))
    return AccessBench(op, flags, fabric, placed, software, distance, streams)


def _software(op: str, machine: MachineSpec, fabric: Fabric) -> Endpoint:
    """What times accesses on the machine; refuses stacks that were named and know nothing of it."""
    made = with_memory(fabric.software, fabric.topology, fabric.router.planes)
    operation = OPERATIONS[op]
    asked = machine.software
    if asked not in (None, WIRE) and made.costs(operation) != fabric.software.costs(operation):
        known = (name for name, one in stacks().items() if one.memory_of or one.one_sided)
        others = (name for name in names() if operation in preset(name).by_operation)
        there = ", ".join(dict.fromkeys([*known, *others]))
        raise BenchError(
            f"--software {asked} has no costs for {operation}s of memory over"
            f" {', '.join(fabric.router.planes)}; there are {there}"
        )
    return made


def _placed(fabric: Fabric, flags: AccessFlags) -> tuple[Fabric, str]:
    """The fabric with the ranks so far apart as was asked for, and how far that is."""
    topology = fabric.topology
    if fabric.placement is not None:
        if flags.distance is not None:
            raise BenchError("--distance and --rank-table both say where ranks are: give one")
        check_fits(flags.world, fabric)
        return fabric, LEVELS[int(_levels(topology, fabric.places)[1 : flags.world].max())]
    places = fabric.places
    far = _levels(topology, places)
    there = [name for number, name in enumerate(LEVELS) if (far[1:] == number).any()]
    asked = flags.distance or ("supernode" if "supernode" in there else there[-1] if there else "")
    if asked not in there:
        raise BenchError(f"--distance {asked}: {topology.name} has {', '.join(there) or 'none'}")
    fit = places[1:][far[1:] == LEVELS.index(asked)]
    if flags.local == flags.remote == "cpu":  # ranks of one CPU would copy within its memory
        cpus = np.array(cpus_of(topology, fabric.router, np.concatenate([places[:1], fit])))
        fit = fit[cpus[1:] != cpus[0]]
    if len(fit) < flags.world - 1:
        raise BenchError(
            f"{flags.world - 1} ranks do not fit at --distance {asked} from the first one: there"
            f" are {len(fit)} places"
        )
    chosen: Ints = np.concatenate([places[:1], fit[: flags.world - 1]])
    return replace(fabric, placement=chosen), asked


def _levels(topology: Topology, places: Ints) -> Ints:
    levels: Ints = topology.level(places[0], places).astype(np.int32)
    return levels
