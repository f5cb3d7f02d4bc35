"""KV blocks between instances of an engine: what one holds, another reads, or learns why."""

import multiprocessing
import os
import queue
import re
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from collectives import init
from collectives.adapters.torch.joining import settings
from collectives.adapters.vllm.errors import KVError
from collectives.adapters.vllm.holds import Holds
from collectives.adapters.vllm.orders import Hold, LoadOrder
from collectives.adapters.vllm.settings import Instance
from collectives.adapters.vllm.transfer import layout_of, rows_of
from fabric import launch
from fabric.machine import MachineSpec
from tests.support.worlds import free_port

PATIENCE = 240.0
"""Seconds: kernels may have to be compiled, on a machine that has much else to do."""

SIZES = {"layer 0": 16, "layer 1": 12}
"""Bytes of a block of each layer."""

BLOCKS = 6


def caches(seed: int) -> dict[str, Any]:
    draw = np.random.default_rng(seed)
    return {
        name: draw.integers(1, 256, (BLOCKS, size)).astype(np.uint8) for name, size in SIZES.items()
    }


def order(world: str, source: int, theirs: list[int], ours: list[int], turn: int = 0) -> LoadOrder:
    return LoadOrder("a", world, source, 5, turn, 32 * len(ours), theirs, ours)


def producer(rank: int, port: int, said: Any, steps: Any) -> None:
    from collectives.adapters.vllm.transfer import Peers

    peers = Peers(Instance(rank, 3, port, timeout=PATIENCE), caches(rank), {"layer": 1})
    peers.hold(Hold("a", 5, 0))
    said.put((rank, "holds"))
    word = steps.get(timeout=PATIENCE)
    if word == "die":
        os.kill(os.getpid(), 9)
    said.put((rank, peers.released()))
    peers.close()


def consumer(rank: int, port: int, said: Any, steps: Any) -> None:
    from collectives.adapters.vllm.transfer import Peers

    rows = {name: np.zeros((BLOCKS, size), np.uint8) for name, size in SIZES.items()}
    peers = Peers(Instance(rank, 3, port, timeout=PATIENCE), rows, {"layer": 1})
    try:
        while (asked := steps.get(timeout=PATIENCE)) != "end":
            source, theirs, ours, is_ours = asked
            given = order(peers.world if is_ours else "another", source, theirs, ours)
            try:
                coming = peers.pull(given)
            except KVError as error:
                said.put((rank, str(error)))
                continue
            if coming is None:
                said.put((rank, "gone"))
                continue
            for work in coming.values():
                work.wait(PATIENCE)
            times = [work.times() for work in coming.values()]
            peers.pulled(given)
            said.put((rank, ({name: each[ours].copy() for name, each in rows.items()}, times)))
        peers.close()
    except Exception as error:
        said.put((rank, f"{type(error).__name__}: {error}"))


def other(rank: int, port: int, said: Any, steps: Any) -> None:
    from collectives.adapters.vllm.transfer import Peers

    try:
        Peers(Instance(rank, 2, port, timeout=PATIENCE), caches(0), {"layer 0": rank})
    except Exception as error:
        said.put((rank, f"{type(error).__name__}: {error}"))


def alone(rank: int, port: int, said: Any, steps: Any) -> None:
    from collectives.adapters.vllm.transfer import Peers

    try:
        Peers(Instance(rank, 2, port, start_timeout=0.5), caches(0), {})
    except KVError as error:
        said.put((rank, str(error)))


class World:
    """Processes that are instances, a queue of what they say, and queues of what they are told.

    They are forked by the process that makes it, which has loaded torch for all of them.
    """

    def __init__(self, *targets: Any) -> None:
        fork, port = multiprocessing.get_context("fork"), free_port()
        self.said = fork.Queue()
        self.steps = [fork.Queue() for _ in targets]
        self.processes = [
            fork.Process(target=target, args=(rank, port, self.said, steps))
            for rank, (target, steps) in enumerate(zip(targets, self.steps, strict=True))
        ]

    def __enter__(self) -> "World":
        for process in self.processes:
            process.start()
        return self

    def __exit__(self, *_: object) -> None:
        for steps in self.steps:
            steps.put("end")
        for process in self.processes:
            process.join(PATIENCE)
            process.kill()
            process.join()

    def heard(self, count: int) -> list[Any]:
        try:
            return [self.said.get(timeout=PATIENCE) for _ in range(count)]
        except queue.Empty:
            codes = [each.exitcode for each in self.processes]
            raise AssertionError(f"exit codes {codes}") from None


Told = Callable[[Callable[[], Any]], Any]


@pytest.fixture(scope="module")
def told() -> Iterator[Told]:
    """Calls a function in a process that has nothing but torch, and forks instances well."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        yield lambda scene: pool.submit(scene).result(PATIENCE)


def blocks_come() -> tuple[list[Any], dict[int, Any], list[int | None]]:
    asked = [
        (0, [1, 4, 2], [0, 1, 5], True), (0, [1], [2], True), (1, [3], [2], False),
        (2, [3], [2], True), (1, [5, 0], [4, 2], True),
    ]  # fmt: skip
    with World(producer, producer, consumer) as world:
        assert {rank for rank, _ in world.heard(2)} == {0, 1}
        said = []
        for each in asked[:-1]:
            world.steps[2].put(each)
            said += [what for _, what in world.heard(1)]
        world.steps[0].put("end")  # who began it all may leave before the others
        released = dict(world.heard(1))
        world.processes[0].join(PATIENCE)
        world.steps[2].put(asked[-1])
        said += [what for _, what in world.heard(1)]
        world.steps[1].put("end")
        released |= dict(world.heard(1))
    return said, released, [process.exitcode for process in world.processes]


def test_blocks_are_read_where_they_lie_and_once(told: Told) -> None:
    said, released, codes = told(blocks_come)
    for at, source, theirs in ((0, 0, [1, 4, 2]), (4, 1, [5, 0])):
        got, times = said[at]
        for name, rows in caches(source).items():
            assert got[name].tolist() == rows[theirs].tolist()
        assert all(end > begin for begin, end in times)
    assert said[1:4] == ["gone", "gone", "rank 2 asks rank 2 of 3 for KV"]
    assert released == {0: {"a"}, 1: {"a"}}
    assert codes == [0, 0, 0]


def one_dies() -> str:
    with World(producer, producer, consumer) as world:
        world.heard(2)
        world.steps[1].put("die")
        world.processes[1].join(PATIENCE)
        said: Any = None
        while not isinstance(said, str) or said == "gone":  # until the news is there
            world.steps[2].put((0, [1], [1], True))
            said = world.heard(1)[0][1]
        world.steps[0].put("end")
    return said


def test_an_instance_that_dies_is_named(told: Told) -> None:
    said = told(one_dies)
    assert said.startswith("RankLost")
    assert "rank 1" in said


def two_differ() -> dict[int, str]:
    with World(other, other) as world:
        return dict(world.heard(2))


def test_instances_whose_blocks_differ_both_say_so(told: Told) -> None:
    said = told(two_differ)
    for rank in range(2):
        assert said[rank].startswith(f"KVError: the KV blocks of rank {rank} are ")
        assert "the same model, type and block size" in said[rank]


def one_is_missing() -> str:
    with World(alone) as world:
        return str(world.heard(1)[0][1])


def test_an_instance_that_never_starts_is_named(told: Told) -> None:
    assert re.fullmatch(
        r"of 2 instances, \[1\] have not come to 127\.0\.0\.1:\d+ within 0\.5 s",
        told(one_is_missing),
    )


def held(seconds: float, read: bool) -> list[Any]:
    """What rank 0, which holds a prompt, and rank 1, which reads it or comes too late, find."""
    begun, late = threading.Event(), threading.Event()

    def main() -> Any:
        with init() as comm:
            holds = Holds(comm, seconds)
            if comm.rank:
                if not read:
                    late.wait(PATIENCE)
                found = holds.begin(order("", 0, [], []))
                begun.set()
                if read:
                    late.wait(PATIENCE)
                    holds.end(order("", 0, [], []))
                comm.barrier()
                return found, holds.begin(order("", 0, [], [], turn=1))
            holds.add(Hold("a", 5, 0))
            if read:
                begun.wait(PATIENCE)
            time.sleep(2 * seconds)
            before = holds.over()
            late.set()
            comm.barrier()
            return before, holds.over()

    return launch(main, ranks=2, transport="inproc", sync="eager")


def test_a_hold_ends_when_it_was_read_or_nobody_has_begun_to_in_time() -> None:
    assert held(0.05, read=True) == [(set(), {"a"}), (True, True)]
    assert held(0.05, read=False) == [({"a"}, set()), (False, True)]


def test_blocks_of_a_cache_are_rows_of_bytes_where_they_lie() -> None:
    cache = torch.zeros(3, 2, 4, 5, dtype=torch.bfloat16).transpose(1, 2)
    rows = rows_of("a", cache, 3)
    assert rows.shape == (3, 80)
    cache[1] = 1
    assert [bool(row.any()) for row in rows] == [False, True, False]
    assert layout_of(cache, "kernel") == [[4, 2, 5], [5, 20, 1], "torch.bfloat16", "kernel"]
    for wrong in (cache.transpose(0, 1), cache[:, ::2], cache[:2], cache.expand(3, 4, 2, 5)[:, :1]):
        with pytest.raises(KVError, match=r"the cache of a is .* with strides"):
            rows_of("a", wrong, 3)


def config(extra: dict[str, Any], **sizes: int) -> Any:
    transfer = SimpleNamespace(kv_connector_extra_config=extra, kv_port=1)
    names = ("tensor", "pipeline", "data")
    parallel = {f"{name}_parallel_size": sizes.get(name, 1) for name in names}
    transfer.kv_load_failure_policy = "fail"
    return SimpleNamespace(
        kv_transfer_config=transfer, parallel_config=SimpleNamespace(**parallel),
        speculative_config=None,
    )  # fmt: skip


def test_what_an_instance_is_told() -> None:
    assert Instance.of(config({"rank": 1, "ranks": 2, "timeout": 5})) == Instance(
        1, 2, 1, timeout=5
    )
    for extra, sizes, words in (
        ({"rank": 0, "rnks": 2}, {}, "has 'rnks'; there are rank, ranks, .*; near it: ranks"),
        ({"rank": 0}, {}, "has no ranks"),
        ({"rank": 2, "ranks": 2}, {}, "rank is 2 of ranks 2"),
        ({"rank": 0, "ranks": 2, "timeout": 0}, {}, "timeout is 0; it has to be above 0"),
        ({"rank": 0, "ranks": 2}, {"tensor": 2}, "tensor_parallel_size is 2; .* has to be 1"),
        ({"rank": 0, "ranks": 1}, {}, "has no pool, and ranks is 1"),
        ({"pool": "a", "rank": 0}, {}, "has no ranks"),
        ({"pool": "a"}, {}, "kv_load_failure_policy is 'fail'; with a pool .* 'recompute'"),
    ):
        with pytest.raises(KVError, match=words):
            Instance.of(config(extra, **sizes))


def test_blocks_in_the_pool_are_whole_blocks_of_the_engine() -> None:
    given = Instance(0, 1, 1, pool="a")
    assert [given.block_in_pool(block) for block in (16, 48, 128, 200)] == [128, 144, 128, 200]
    assert Instance(0, 1, 1, pool="a", pool_block=256).block_in_pool(64) == 256
    with pytest.raises(KVError, match=r"pool_block is 200; .* multiple of .* block_size 64"):
        Instance(0, 1, 1, pool="a", pool_block=200).block_in_pool(64)


def test_kv_is_timed_on_the_rdma_plane_and_has_a_trace_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from fabric.endpoint.presets import preset

    monkeypatch.delenv("TRIPLANE_SOFTWARE", raising=False)
    monkeypatch.setenv("TRIPLANE_TRACE", "out/step.json")
    given = Instance(0, 2, 1).environment()
    assert preset(given["TRIPLANE_SOFTWARE"]).planes == ("rdma",)
    assert given["TRIPLANE_TRACE"] == "out/step-kv.json"
    assert settings(given).sync == "eager"
    machine = settings(given).machine
    assert machine is not None
    topology, places = machine.placed()
    assert places is not None
    assert topology.node[places[0]] != topology.node[places[1]]
    monkeypatch.setenv("TRIPLANE_MACHINE", MachineSpec(placement=(0, 5)).to_text())
    assert Instance(0, 2, 1).environment()["TRIPLANE_MACHINE"] == os.environ["TRIPLANE_MACHINE"]
