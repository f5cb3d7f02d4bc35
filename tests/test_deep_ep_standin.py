"""Standing in for deep_ep and torch.cuda: an unchanged program, and that nothing of it stays."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from collectives.adapters import deep_ep
from collectives.adapters.deep_ep.cuda import StandInError, install
from tests.support import stood_in
from tests.support.worlds import free_port
from topology.errors import TriplaneError

HERE = Path(__file__).parent


def test_a_program_for_deep_ep_runs_with_no_line_changed() -> None:
    command = [sys.executable, "-W", "error::RuntimeWarning", "-m", "collectives.adapters.deep_ep"]
    environment = {**os.environ, "MASTER_PORT": str(free_port())}
    ended = subprocess.run(
        [*command, str(HERE / "programs" / "deep_ep_user.py")], env=environment, cwd=HERE.parent,
        text=True, capture_output=True, timeout=240,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    lines = sorted(ended.stdout.splitlines())
    assert lines == [f"rank {r}: [2.0, 2.0, 2.0, 2.0] Triplane" for r in range(2)]


def test_standing_in_ends() -> None:
    before = dict(vars(torch.cuda))
    assert "deep_ep" not in sys.modules
    standing = deep_ep.stand_in()
    assert standing is not None
    try:
        import deep_ep as found  # type: ignore[import-not-found]
        from deep_ep.buffers.legacy import Buffer  # type: ignore[import-not-found]
        from deep_ep.utils import EventOverlap  # type: ignore[import-not-found]

        assert found is deep_ep
        assert Buffer is deep_ep.Buffer
        assert EventOverlap is deep_ep.EventOverlap
        assert deep_ep.stand_in() is None
        assert torch.cuda.is_available()
        tensor = torch.zeros(3, device="cuda", dtype=torch.float32)
        assert tensor.device.type == "cpu"
        assert tensor.to(torch.device("cuda:1")) is tensor
        tensor.record_stream(torch.cuda.current_stream())
        with torch.cuda.stream(torch.cuda.Stream()):
            event = torch.cuda.current_stream().record_event()
        assert event.query()
    finally:
        standing.remove()
        for name in [name for name in sys.modules if name.split(".")[0] == "deep_ep"]:
            del sys.modules[name]
    assert dict(vars(torch.cuda)) == before


def test_what_is_no_checkout_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="is no checkout of DeepEP"):
        deep_ep.environment({}, tmp_path)
    made = deep_ep.environment({"PYTHONPATH": "x", "HOME": "y"})
    assert made["PYTHONPATH"].endswith(f"{os.pathsep}x")
    assert made["HOME"] == "y"


@pytest.fixture
def standing() -> Iterator[None]:
    made = install()
    assert made is not None
    try:
        yield
    finally:
        torch.set_default_device(None)
        made.remove()


def types_are_types() -> None:
    class Own(torch.cuda.Stream):
        """As engines have one."""

    hint: Any = torch.cuda.Stream | torch.cuda.Event | torch.cuda.CUDAGraph | torch.Generator | None
    assert isinstance(torch.cuda.current_stream(), hint)
    assert isinstance(Own(priority=-1), torch.Stream)
    assert isinstance(torch.cuda.Event(), torch.Event)
    assert isinstance(torch.default_generator, torch.Generator)


def streams_have_an_identity() -> None:
    own, default = torch.cuda.Stream(), torch.cuda.default_stream()
    assert own != default == torch.cuda.current_stream()
    with torch.cuda.stream(own):
        assert torch.cuda.current_stream() == own == torch.accelerator.current_stream()
        own.wait_stream(default)
    with own:
        assert torch.cuda.current_stream() == own
    assert torch.cuda.current_stream() == default
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    with pytest.raises(ValueError, match="have to be recorded"):
        begin.elapsed_time(end)
    begin.record()
    end.record(own)
    assert begin.elapsed_time(end) >= 0


def devices_are_names_of_the_cpu() -> None:
    stood_in.devices_are_the_cpu("cuda", torch.device(0), np.int64(1))
    assert torch.device("cuda:3").index == 3
    assert torch.ones(2).to(torch.float16).dtype == torch.float16
    torch.nn.Linear(2, 2).cuda(0)
    torch.set_default_device("cuda")
    assert torch.ones(2).sum() == 2
    torch.set_default_device("meta")
    assert torch.ones(2).is_meta
    torch.set_default_device(None)


def indices_are_kept() -> None:
    stood_in.indices_are_kept("cuda")


def copies_are_copies() -> None:
    host, array = torch.zeros(2), np.zeros(2)
    there, back = host.cuda(), torch.as_tensor(array, device="cuda")
    host.fill_(7)
    array[:] = 7
    assert there.sum() == back.sum() == 0
    assert there.cuda() is there
    home, again = there.cpu(), there.to("cpu")
    there.fill_(9)
    assert home.sum() == again.sum() == 0
    pinned = host.pin_memory()
    host.fill_(1)
    assert pinned.sum() == 14
    weight = torch.nn.Parameter(torch.ones(2))
    assert weight.cuda() is weight  # a copy would be no leaf


def random_numbers_repeat() -> None:
    state = torch.cuda.get_rng_state()
    first = torch.rand(3, device="cuda")
    torch.cuda.set_rng_state(state)
    assert torch.equal(first, torch.rand(3, device="cuda"))
    for seed in (torch.manual_seed, torch.cuda.manual_seed, torch.cuda.manual_seed_all):
        seed(3)
        second = torch.rand(3, device="cuda")
        seed(3)
        assert torch.equal(second, torch.rand(3, device="cuda"))
    with torch.random.fork_rng(devices=[0]):
        torch.rand(3)
    generator = torch.Generator(device="cuda").manual_seed(1)
    torch.randn(3, generator=generator, device="cuda")
    assert len(torch.cuda.get_rng_state_all()) == 8


def questions_have_answers() -> None:
    assert torch.cuda.get_device_capability() == (9, 0)
    assert torch.cuda.get_device_properties("cuda").multi_processor_count == 132
    assert torch.cuda.memory_stats()["active_bytes.all.peak"] == 0
    assert torch.cuda.max_memory_allocated() == torch.accelerator.memory_allocated() == 0
    assert torch.cuda.mem_get_info()[1] == torch.cuda.get_device_properties(0).total_memory
    assert torch.cuda.graph_pool_handle() != torch.cuda.graph_pool_handle()
    assert not torch.cuda.is_current_stream_capturing()
    assert torch.distributed.get_default_backend_for_device("cuda")
    with torch.cuda.nvtx.range("a"):
        assert torch.cuda.nvtx.range_push("b") == 1
    torch.cuda.nvtx.range_pop()


def autocast_computes_in_its_type() -> None:
    square = torch.ones(2, 2, device="cuda")
    for dtype, options in ((torch.bfloat16, {"dtype": torch.bfloat16}), (torch.float16, {})):
        with torch.autocast("cuda", **options):
            assert torch.is_autocast_enabled("cuda")
            assert (square @ square).dtype == dtype == torch.get_autocast_dtype("cuda")
    assert not torch.is_autocast_enabled("cuda")


def other_threads_know_it() -> None:
    seen: list[torch.Tensor] = []
    thread = threading.Thread(target=lambda: seen.append(torch.ones(2, device="cuda").to(0)))
    thread.start()
    thread.join()
    assert len(seen) == 1


class Doubled(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        return 2 * x

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        return torch.full_like(grad, 2, device="cuda") * torch.ones(3, device=0) * grad


def gradients_know_it() -> None:
    x = torch.ones(3, device="cuda", requires_grad=True)
    y = Doubled.apply(x).sum()  # type: ignore[no-untyped-call]
    assert torch.autograd.grad(y, x, retain_graph=True)[0].tolist() == [2, 2, 2]
    y.backward()
    assert x.grad is not None
    assert x.grad.tolist() == [2, 2, 2]


def kernels_for_cuda_run() -> None:
    library = torch.library.Library("triplane_standin_test", "DEF")
    library.define("twice(Tensor x) -> Tensor")
    torch.library.impl(library, "twice", "CUDA")(lambda x: 2 * x)
    library.define("once(Tensor x) -> Tensor")
    library.impl("once", lambda x: x.clone(), "CPU")
    library.impl("once", lambda x: 3 * x, "CUDA")
    ours = torch.ops.triplane_standin_test
    assert ours.twice(torch.ones(1)).item() == 2
    assert ours.once(torch.ones(1)).item() == 1  # the program's own for the CPU comes first


def checkpoints_come_to_the_cpu(folder: Path) -> None:
    torch.save({"a": torch.ones(2)}, folder / "a.pt")
    for where in ("cuda", "cuda:1", torch.device("cuda", 0), {"cuda:1": "cuda:0"}, None):
        assert torch.load(folder / "a.pt", map_location=where)["a"].sum() == 2


def graphs_are_traced() -> None:
    @torch.compile(backend="eager")
    def traced(x: torch.Tensor) -> torch.Tensor:
        return x.cuda() + torch.ones(2, device="cuda")

    assert traced(torch.ones(2)).tolist() == [2, 2]


def models_are_told_where_they_are() -> None:
    store = torch.distributed.HashStore()
    torch.distributed.init_process_group("nccl", rank=0, world_size=1, store=store)
    try:
        for device in (1, torch.device("cuda", 0)):
            model = torch.nn.Linear(2, 2).to(device)
            parallel = torch.nn.parallel.DistributedDataParallel(model, [device], device)
            parallel(torch.ones(1, 2)).sum().backward()
            assert model.weight.grad is not None
        group = torch.distributed.group.WORLD
        assert group is not None
        assert group._get_backend(torch.device("cuda")) is group  # type: ignore[comparison-overlap]
        with pytest.raises(RuntimeError, match="No backend type associated with device type xpu"):
            group._get_backend(torch.device("xpu"))
    finally:
        torch.distributed.destroy_process_group()


STOOD = (
    types_are_types, streams_have_an_identity, devices_are_names_of_the_cpu, indices_are_kept,
    copies_are_copies, random_numbers_repeat, questions_have_answers,
    autocast_computes_in_its_type, other_threads_know_it, gradients_know_it, kernels_for_cuda_run,
    graphs_are_traced, models_are_told_where_they_are,
)  # fmt: skip


@pytest.mark.usefixtures("standing")
@pytest.mark.parametrize("check", STOOD)
def test_what_a_cpu_can_stand_for(check: Callable[[], None]) -> None:
    check()


@pytest.mark.usefixtures("standing")
def test_checkpoints(tmp_path: Path) -> None:
    checkpoints_come_to_the_cpu(tmp_path)


REFUSED: dict[str, Callable[[], Any]] = {
    "CUDAGraph": lambda: torch.cuda.CUDAGraph(),
    "graph": lambda: torch.cuda.graph(None),  # type: ignore[arg-type]
    "make_graphed_callables": lambda: torch.cuda.make_graphed_callables(1, 2),  # type: ignore[call-overload]
    "MemPool": lambda: torch.cuda.MemPool(),
    "cudaProfilerStart": lambda: torch.cuda.profiler.start(),
    "memorySnapshot": lambda: torch.cuda.memory_snapshot(),
    "interprocess": lambda: torch.cuda.Event(interprocess=True),
    "ExternalStream": lambda: torch.cuda.ExternalStream(3),
    "utilization": lambda: torch.cuda.utilization(),
    "_nccl_version": lambda: torch.cuda.nccl.version(),
}


@pytest.mark.usefixtures("standing")
@pytest.mark.parametrize("name", REFUSED)
def test_what_it_cannot_is_refused_by_name(name: str) -> None:
    with pytest.raises(StandInError, match=name) as raised:
        REFUSED[name]()
    assert isinstance(raised.value, TriplaneError)
