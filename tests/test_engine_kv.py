"""KV blocks between instances of an engine: what one has kept, another fetches, or learns why."""

import multiprocessing
import os
import queue
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from collectives.adapters.vllm.errors import KVError
from collectives.adapters.vllm.settings import Instance
from collectives.adapters.vllm.store import Kept
from tests.support.worlds import free_port

PATIENCE = 240.0
"""Seconds: kernels may have to be compiled, on a machine that has much else to do."""

SHAPES = {"layer 0": ((2, 4), torch.bfloat16), "layer 1": ((3,), torch.float32)}


def blocks(count: int, seed: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {
        name: torch.randn(count, *shape, generator=generator).to(kind)
        for name, (shape, kind) in SHAPES.items()
    }


def producer(rank: int, port: int, said: Any, steps: Any) -> None:
    from collectives.adapters.vllm.transfer import Peers

    peers = Peers(Instance(rank, 3, port, timeout=PATIENCE), SHAPES)
    peers.kept.put("a", blocks(5, rank))
    said.put((rank, "kept"))
    word = steps.get(timeout=PATIENCE)
    if word == "die":
        os.kill(os.getpid(), 9)
    peers.close()


def consumer(rank: int, port: int, said: Any, steps: Any) -> None:
    from collectives.adapters.vllm.transfer import Peers

    peers = Peers(Instance(rank, 3, port, timeout=PATIENCE), SHAPES)
    steps.get(timeout=PATIENCE)
    try:
        for source, first, count in ((0, 1, 3), (1, 0, 5), (0, 0, 1)):
            coming = peers.pull("a", source, first, count)
            if coming is None:
                said.put((rank, (source, "gone", None)))
                continue
            for each in coming.values():
                each.work.wait(PATIENCE)
            got = {name: each.into.float().tolist() for name, each in coming.items()}
            times = [each.work.times() for each in coming.values()]
            said.put((rank, (source, got, times)))
        try:
            peers.pull("a", rank, 0, 1)
        except KVError as error:
            said.put((rank, str(error)))
        peers.close()
    except Exception as error:
        said.put((rank, f"{type(error).__name__}: {error}"))


def other(rank: int, port: int, said: Any, steps: Any) -> None:
    from collectives.adapters.vllm.transfer import Peers

    shapes = {"layer 0": ((2, 8), torch.bfloat16)} if rank else SHAPES
    try:
        Peers(Instance(rank, 2, port, timeout=PATIENCE), shapes)
    except Exception as error:
        said.put((rank, f"{type(error).__name__}: {error}"))


def alone(rank: int, port: int, said: Any, steps: Any) -> None:
    from collectives.adapters.vllm.transfer import Peers

    try:
        Peers(Instance(rank, 2, port, start_timeout=0.5), SHAPES)
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


def blocks_come() -> tuple[list[Any], list[int | None]]:
    with World(producer, producer, consumer) as world:
        assert {rank for rank, _ in world.heard(2)} == {0, 1}
        world.steps[2].put("go")
        said = [what for _, what in world.heard(4)]
        for steps in world.steps[:2]:
            steps.put("end")
    return said, [process.exitcode for process in world.processes]


def test_blocks_come_as_they_were_kept_and_only_once(told: Told) -> None:
    said, codes = told(blocks_come)
    for (source, got, times), (first, count) in zip(said[:2], ((1, 3), (0, 5)), strict=True):
        kept = blocks(5, source)
        for name, tensor in kept.items():
            assert got[name] == tensor[first : first + count].float().tolist()
        assert all(end > begin for begin, end in times)
    assert said[2] == (0, "gone", None)
    assert said[3] == "rank 2 asks rank 2 of 3 for KV"
    assert codes == [0, 0, 0]


def one_leaves_after_the_store() -> list[list[int | None]]:
    codes = []
    for pause in (0.002, 0.003, 0.005):  # about as long as rank 0 needs to leave
        with World(producer, producer, consumer) as world:
            world.heard(2)
            world.steps[2].put("go")
            world.heard(4)
            world.steps[0].put("end")
            time.sleep(pause)
            world.steps[1].put("end")
        codes.append([process.exitcode for process in world.processes])
    return codes


def test_an_instance_may_leave_after_the_one_that_has_the_store(told: Told) -> None:
    assert told(one_leaves_after_the_store) == [[0, 0, 0]] * 3


def one_dies() -> str:
    with World(producer, producer, consumer) as world:
        world.heard(2)
        world.steps[1].put("die")
        world.processes[1].join(PATIENCE)
        world.steps[2].put("go")
        said = world.heard(1)[0][1]
        while not isinstance(said, str):  # what rank 0 had may still come before the news
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


def test_the_oldest_are_dropped_first_and_the_newest_is_kept() -> None:
    kept = Kept(100)
    for name, size in (("a", 40), ("b", 40), ("c", 40), ("d", 400)):
        kept.put(name, {"layer": torch.full((size,), 1, dtype=torch.uint8)})
        there = {"c": {"b", "c"}}.get(name)
        assert there is None or kept.take("a") is None
    assert kept.take("b") is None
    taken = kept.take("d")
    assert taken is not None
    assert taken["layer"].nbytes == 400
    assert kept.take("d") is None
    kept.put("e", {"layer": torch.zeros(100, dtype=torch.uint8)})
    assert kept.take("e") is not None


def config(extra: dict[str, Any], **sizes: int) -> Any:
    transfer = SimpleNamespace(kv_connector_extra_config=extra, kv_port=1)
    names = ("tensor", "pipeline", "data")
    parallel = {f"{name}_parallel_size": sizes.get(name, 1) for name in names}
    return SimpleNamespace(kv_transfer_config=transfer, parallel_config=SimpleNamespace(**parallel))


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
    ):
        with pytest.raises(KVError, match=words):
            Instance.of(config(extra, **sizes))


def test_kv_is_timed_on_the_rdma_plane_and_has_a_trace_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from fabric.endpoint.presets import preset

    monkeypatch.delenv("TRIPLANE_SOFTWARE", raising=False)
    monkeypatch.setenv("TRIPLANE_TRACE", "out/step.json")
    given = Instance(0, 2, 1).environment()
    assert preset(given["TRIPLANE_SOFTWARE"]).planes == ("rdma",)
    assert given["TRIPLANE_TRACE"] == "out/step-kv.json"
