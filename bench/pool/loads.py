"""How long the loads behind the published figures take on the machine."""

from bench.serving.prefill import AskedPrefill, step_of
from bench.serving.setting import AskedInstance, instance
from collectives.memory.pool.emulated.storage import Storage, StorageQueues
from collectives.memory.pool.emulated.transfers import Transfers
from collectives.memory.pool.emulated.ways import READ, PoolWays
from collectives.workloads.inference.deployment import PREFILL
from fabric.machine import MachineSpec

NODES, NPUS_A_NODE, DIES_AN_NPU = 32, 8, 2
"""The nodes whose DRAM is pooled (20 of decode and 12 of prefill), and what a node has."""

PREFILL_NODES = 2
"""Of an instance: 16 NPUs, 32 dies."""

KV_BLOCK, KV_PIECES = 128, 122
"""Tokens of a block, and its pieces: 61 of 128 KiB and 61 of 16 KiB, as MemFabric tests reads of
DeepSeek-R1's KV (Ascend/memfabric_hybrid)."""

KV_BYTES = 61 * (128 + 16) * 1024

COPIES = "hixl-fabricmem-aicpu"
"""The stack whose copies of pieces are measured (hicann/hixl benchmarks/performance_en.md)."""


def object_load(size: float, many: int) -> float:
    """Seconds until the last of ``many`` loads of ``size`` bytes is over, begun at once.

    They are of one bucket, whose bandwidth they share.
    """
    queues = StorageQueues(Storage())
    return max(queues.over("object", 0, int(size), 0.0) for _ in range(many))


def prefill_seconds(machine: MachineSpec, tokens: int, reuse: float) -> float:
    """Seconds of the prefill of ``tokens`` an NPU, of whose prompts a share ``reuse`` is cached.

    As ``triplane bench prefill --reused`` composes it; the cached tokens' KV is there already.
    """
    own = instance(AskedInstance(), machine, PREFILL)
    return step_of(own, AskedPrefill(reused=reuse), tokens).seconds


def context_load(machine: MachineSpec, plane: str, tokens: int) -> float:
    """Seconds until each die of an instance has its share of ``tokens`` an NPU from the pool.

    All 32 dies begin at once; blocks are spread over all servers in turn.
    """
    dies = PREFILL_NODES * NPUS_A_NODE * DIES_AN_NPU
    ways = PoolWays(machine.changed(software=COPIES, planes=None), plane, dies, NODES,
                    PREFILL_NODES)  # fmt: skip
    blocks = tokens // DIES_AN_NPU // KV_BLOCK
    servers = list(ways.servers)
    time = Transfers(ways)
    for die in range(dies):
        for block in range(blocks):
            server = servers[(die * blocks + block) % len(servers)]
            _read(time, ways.legs(die, server, True))
    return time.run()


def _read(time: Transfers, legs: tuple[tuple[str, int, int], ...]) -> None:
    (operation, src, dst), *rest = legs

    def then(now: float) -> None:
        if rest:
            _read(time, tuple(rest))

    time.send(operation, src, dst, KV_BYTES, KV_PIECES, then)


def model_load(machine: MachineSpec, size: float) -> float:
    """Seconds in which a die reads ``size`` bytes of a CPU's memory on another node, one stream."""
    ways = PoolWays(machine.changed(planes=None), "ub", 1, 2)
    time, far = Transfers(ways), list(ways.servers)[-1]
    time.send(READ, ways.servers[far], 0, int(size), 1, lambda _: None)
    return time.run()
