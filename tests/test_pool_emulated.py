"""A pool in emulated time: against closed forms, single transfers alone, and a slow pool."""

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectives.memory.pool.core.errors import PoolError
from collectives.memory.pool.core.hash_ring import HashRing
from collectives.memory.pool.core.tiers import StoreShape, tiers_of
from collectives.memory.pool.emulated.replay import BlockShape, ReplayAnswer, replay
from collectives.memory.pool.emulated.requests import CacheRequest, ChatLoad, read_requests
from collectives.memory.pool.emulated.storage import Storage, StorageQueues
from collectives.memory.pool.emulated.transfers import Transfers
from collectives.memory.pool.emulated.ways import READ, WRITE, PoolWays
from fabric.machine import MachineSpec
from fabric.schedule.step import Step
from tests.support.slow_pool import SlowPool
from topology.units import GB, US

BLOCK = BlockShape(128, 8 << 20)
SIZE = BLOCK.bytes


@pytest.fixture(scope="module")
def ub() -> PoolWays:
    return PoolWays(MachineSpec(), "ub", 4, 2)


@pytest.fixture(scope="module")
def vpc() -> PoolWays:
    return PoolWays(MachineSpec(), "vpc", 4, 2)


def asks(time: float, *blocks: int) -> CacheRequest:
    return CacheRequest(time, BLOCK.tokens * len(blocks) + 1, 10, blocks)


def shape(dram: int, ssd: int = 0, stored: int = 0) -> StoreShape:
    """In blocks of a server."""
    sizes = {"dram": dram * SIZE, "ssd": ssd * SIZE, "object": stored * SIZE}
    return StoreShape(tiers_of(sizes), SIZE)


def alone(ways: PoolWays, operation: str, src: int, dst: int, messages: int = 1) -> float:
    """Seconds of one block's transfer by a simulation of it alone."""
    places = tuple(ways.fabric.places[[src, dst]].tolist())
    spec = ways.fabric.spec
    assert spec is not None
    two = spec.changed(placement=places).build()
    step = Step(0, 1, SIZE, messages=messages)
    return two.simulate([step], operation=operation, ranks=2).duration


def test_a_block_takes_over_ub_what_the_published_read_takes(ub: PoolWays) -> None:
    owner = HashRing(tuple(ub.servers)).owner("/1")
    found = replay(ub, [asks(0, 1), asks(1, 1)], shape(4), BLOCK)
    client = 1  # the second request is the next client's
    (leg,) = ub.legs(client, owner, True)
    assert leg == (READ, ub.servers[owner], client)
    assert found.gets.tolist() == pytest.approx([alone(ub, *leg)], rel=1e-12)
    rate = 149 * GB  # Table 1: 147 between nodes, 151 within one
    assert found.gets[0] == pytest.approx(SIZE / rate, abs=3 * US)
    assert found.puts.tolist() == pytest.approx([alone(ub, WRITE, 0, ub.servers[owner])], rel=1e-12)
    assert (found.hits, found.blocks, found.hit_rate) == (1, 2, 0.5)
    assert found.span == pytest.approx(1 + found.gets[0])


def test_over_vpc_a_block_of_another_node_goes_by_its_cpu(vpc: PoolWays) -> None:
    owner = HashRing(tuple(vpc.servers)).owner("/1")
    node = vpc.node[owner]
    far = next(client for client in range(4) if vpc._nodes[client] != node)
    near = next(client for client in range(4) if vpc._nodes[client] == node)
    assert len(vpc.legs(near, owner, True)) == 1
    first, second = vpc.legs(far, owner, True)
    wire = 50 * GB  # 400 Gbit/s of a Qingtian card
    took = alone(vpc, *first)
    assert took == pytest.approx(SIZE / wire, rel=0.1)
    requests = [asks(0, 1), *[asks(at + 1, 1) for at in range(4)]]
    found = replay(vpc, requests, shape(4), BLOCK)
    assert found.gets[-1] == pytest.approx(took + alone(vpc, *second), rel=1e-12)
    assert found.gets[0] == pytest.approx(alone(vpc, *vpc.legs(near, owner, True)[0]), rel=1e-12)


def test_clients_of_one_server_contend(ub: PoolWays) -> None:
    """Its CPU has 160 GB/s, which four dies share; each alone could have 149."""
    time, ends = Transfers(ub), list[float]()
    server = next(iter(ub.servers.values()))
    for client in range(4):
        time.send(READ, server, client, SIZE, 1, ends.append)
    time.run()
    assert max(ends) == pytest.approx(4 * SIZE / (160 * GB), rel=0.02)
    assert max(ends) > 3 * alone(ub, READ, server, 0)


def test_pieces_cost_a_copy_each() -> None:
    ways = PoolWays(MachineSpec(software="hixl-fabricmem-aicpu"), "ub", 1, 2)
    requests = [asks(0, 1), asks(1, 1)]
    whole, pieces = (
        replay(ways, requests, shape(4), BlockShape(128, SIZE, many)).gets[0] for many in (1, 122)
    )
    assert pieces - whole > 121 * 1 * US
    (leg,) = ways.legs(0, HashRing(tuple(ways.servers)).owner("/1"), True)
    assert pieces == pytest.approx(alone(ways, *leg, messages=122), rel=1e-9)


def test_storage_is_a_queue_for_each_node_and_one_bucket() -> None:
    queues = StorageQueues(Storage(ssd_bandwidth=10.0, ssd_latency=1.0, object_bandwidth=2.0,
                                   object_latency=5.0))  # fmt: skip
    assert queues.over("dram", 0, 100, 7.0) == 7.0
    assert queues.over("ssd", 0, 100, 0.0) == 11.0
    assert queues.over("ssd", 0, 50, 2.0) == 16.0
    assert queues.over("ssd", 1, 50, 2.0) == 8.0
    assert [queues.over("object", node, 4, 0.0) for node in (0, 1)] == [7.0, 9.0]
    for wrong in ({"ssd_bandwidth": 0.0}, {"object_latency": -1.0}):
        with pytest.raises(PoolError, match=next(iter(wrong))):
            Storage(**wrong)


def test_a_block_on_an_ssd_is_read_from_there_first(ub: PoolWays) -> None:
    """And is in DRAM after that: a third read is as quick as any."""
    server = HashRing(tuple(ub.servers)).owner("/0")
    mine = [one for one in range(200) if HashRing(tuple(ub.servers)).owner(f"/{one}") == server]
    requests = [asks(0, mine[0]), asks(1, mine[1]), asks(2, mine[0]), asks(3, mine[0])]
    found = replay(ub, requests, shape(1, ssd=4), BLOCK)
    assert found.by_tier == {"ssd": 1, "dram": 1}
    storage = Storage()
    slow = SIZE / storage.ssd_bandwidth + storage.ssd_latency
    assert found.gets[1] - found.gets[0] == pytest.approx(slow, abs=2 * US)


@settings(max_examples=25)
@given(
    st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=4), min_size=5, max_size=25),
    st.sampled_from(["lru", "lfu"]), st.integers(1, 5), st.integers(0, 2),
)  # fmt: skip
def test_hits_are_those_of_slow_pools(
    prompts: list[list[int]], policy: str, dram: int, ssd: int
) -> None:
    """One after the other, as nothing is under way any more when the next request arrives."""
    ways = PoolWays(MachineSpec(), "ub", 2, 1)
    ring = HashRing(tuple(ways.servers))
    tiers = [dram, ssd] if ssd else [dram]
    slow = {server: SlowPool(list(tiers), policy) for server in ways.servers}
    hits = 0
    for prompt in prompts:
        there = []
        for block in prompt:
            if not slow[ring.owner(f"/{block}")].get(f"/{block}"):
                break
            there.append(block)
        hits += len(there)
        for block in prompt[len(there) :]:
            pool = slow[ring.owner(f"/{block}")]
            if f"/{block}" not in pool.where():
                pool.put(f"/{block}", 1)
    requests = [asks(float(at), *prompt) for at, prompt in enumerate(prompts)]
    found = replay(ways, requests, shape(dram, ssd), BLOCK, policy=policy)
    assert found.hits == hits


def test_a_replay_is_the_same_every_time(ub: PoolWays) -> None:
    requests = ChatLoad(requests=60, rate=500.0, pause=0.01, block=128).generate()

    def again() -> ReplayAnswer:
        return replay(ub, requests, shape(20), BLOCK, policy="lfu")

    one, two = again(), again()
    np.testing.assert_array_equal(one.gets, two.gets)
    np.testing.assert_array_equal(one.puts, two.puts)
    assert (one.hits, one.by_tier, one.span) == (two.hits, two.by_tier, two.span)
    assert one.loaded == one.hits * SIZE


def test_chats_send_again_what_was_said_before() -> None:
    load = ChatLoad(requests=400, block=128, prompts=5)
    requests = load.generate()
    assert requests == load.generate()
    assert requests != ChatLoad(requests=400, block=128, prompts=5, seed=1).generate()
    assert len(requests) == 400
    assert [one.time for one in requests] == sorted(one.time for one in requests)
    assert all(len(one.blocks) == one.prompt // 128 for one in requests)
    begins = {one.blocks[:16] for one in requests}  # 2048 tokens of a system prompt
    assert len(begins) == 5
    seen: set[tuple[int, ...]] = set()
    longer = 0
    for one in requests:  # a later turn begins with all whole blocks of the one before
        longer += any(one.blocks[:at] in seen for at in range(17, len(one.blocks) + 1))
        seen.add(one.blocks)
    assert longer > 200


def test_popular_prompts_are_more_popular_the_larger_the_exponent() -> None:
    def first(zipf: float) -> float:
        requests = ChatLoad(requests=2000, zipf=zipf, turns=1.0, prompts=20).generate()
        counts = np.unique([one.blocks[0] for one in requests], return_counts=True)[1]
        return float(counts.max() / counts.sum())

    assert first(0.0) < 0.08
    harmonic = sum(1 / n for n in range(1, 21))
    assert first(1.0) == pytest.approx(1 / harmonic, abs=0.04)


def test_a_trace_of_mooncake_is_read(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    path.write_text(
        '{"timestamp": 2000, "input_length": 1100, "output_length": 5, "hash_ids": [0, 1, 9]}\n\n'
        '{"timestamp": 500.0, "input_length": 100, "output_length": 0, "hash_ids": [4], "x": 1}\n'
    )
    assert read_requests(path) == [
        CacheRequest(0.5, 100, 0, ()),
        CacheRequest(2.0, 1100, 5, (0, 1)),
    ]
    for text, said in (
        ("", "has no request"),
        ("[]", "line 1: "),
        ("{", "line 1"),
        ('{"timestamp": -1, "input_length": 1, "output_length": 1, "hash_ids": []}', "timestamp"),
        ('{"timestamp": 1, "input_length": "x", "output_length": 1}', "input_length"),
        ('{"timestamp": 1, "input_length": 1, "output_length": 1, "hash_ids": [1.5]}', "hash_ids"),
        ('{"timestamp": 1, "input_length": 1, "output_length": 1}', "hash_ids"),
    ):  # fmt: skip
        path.write_text(text)
        with pytest.raises(PoolError, match=said):
            read_requests(path)


def test_what_a_machine_cannot_be_is_said() -> None:
    for machine, plane, clients, nodes, said in (
        (MachineSpec("dgx_h800"), "ub", 1, 1, "dgx_h800 has no plane ub"),
        (MachineSpec(), "rdma", 1, 1, "no pool over plane 'rdma'; there are ub, vpc"),
        (MachineSpec(), "ub", 1, 49, "49 nodes; cloudmatrix384 has 48"),
        (MachineSpec(), "ub", 17, 1, "17 clients; 1 nodes have 16 dies"),
        (MachineSpec(software="cann-ep"), "ub", 1, 1, "software cann-ep has no costs for read:cpu"),
    ):
        with pytest.raises(PoolError, match=said):
            PoolWays(machine, plane, clients, nodes)
    for wrong in (
        {"rate": 0.0},
        {"turns": 0.5},
        {"requests": 0},
        {"block": 100},
        {"zipf": math.nan},
    ):
        with pytest.raises(PoolError):
            ChatLoad(**wrong)  # type: ignore[arg-type]


def test_clients_are_spread_over_the_nodes() -> None:
    for clients, nodes, expected in (
        (2, 4, [0, 2]),
        (4, 4, [0, 1, 2, 3]),
        (6, 4, [0, 1, 2, 3, 0, 1]),
    ):
        ways = PoolWays(MachineSpec(), "ub", clients, nodes)
        assert ways._nodes == expected
        assert len(set(ways.fabric.places[:clients].tolist())) == clients
