"""What test_torch_npu_standin.py asks of torch.npu in a process of its own."""

import sys
import threading

import pytest
import torch

from collectives.adapters.deep_ep.cuda import StandInError
from collectives.adapters.torch_npu import stand_in
from tests.support.stood_in import devices_are_the_cpu, indices_are_kept

BEFORE = dict(vars(torch)), dict(vars(torch.cuda)), dict(vars(torch.Tensor))
STANDING = stand_in()

import torch_npu  # noqa: E402
from torch_npu.npu import amp  # noqa: E402

REFUSED = {
    "NPUGraph": lambda: torch.npu.NPUGraph(), "MemPool": lambda: torch.npu.MemPool(),
    "ExternalEvent": lambda: torch.npu.ExternalEvent(),
    "utilization": lambda: torch.npu.utilization(),
    "memory_snapshot": lambda: torch.npu.memory_snapshot(),
}  # fmt: skip


def devices() -> None:
    devices_are_the_cpu("npu")
    indices_are_kept("npu")
    with pytest.raises(ValueError, match="Expected a npu device"):
        torch.npu.set_device("cpu")
    host = torch.zeros(2)
    there = host.npu()
    host.fill_(7)
    assert there.sum() == 0
    assert there.npu() is there
    assert not torch.ones(2).npu().is_npu


def streams() -> None:
    own, default = torch.npu.Stream(), torch.npu.default_stream()
    assert own != default == torch.npu.current_stream()
    with torch.npu.stream(own):
        assert torch.npu.current_stream() == own == torch.accelerator.current_stream()
        own.wait_stream(default)
        event = own.record_event()
    assert torch.npu.current_stream() == default
    assert isinstance(event, torch.npu.Event)
    assert event.query()
    assert own.npu_stream == own.stream_id


def answers() -> None:
    assert torch.npu.memory_stats()["active_bytes.all.peak"] == 0
    assert torch.npu.memory_allocated() == torch.npu.max_memory_reserved("npu:0") == 0
    assert torch.npu.mem_get_info()[1] == torch.npu.get_device_properties(0).total_memory
    state = torch.npu.get_rng_state()
    first = torch.rand(3, device="npu")
    torch.npu.set_rng_state(state)
    assert torch.equal(first, torch.rand(3, device="npu"))
    torch.npu.manual_seed_all(3)
    second = torch.rand(3, device="npu")
    torch.manual_seed(3)
    assert torch.equal(second, torch.rand(3, device="npu"))
    square = torch.ones(2, 2, device="npu")
    for context in (amp.autocast(), torch.autocast("npu"), torch.npu.amp.autocast()):
        with context:
            assert (square @ square).dtype == torch.float16
    seen: list[torch.Tensor] = []
    thread = threading.Thread(target=lambda: seen.append(torch.ones(2, device="npu")))
    thread.start()
    thread.join()
    assert len(seen) == 1
    library = torch.library.Library("triplane_npu_test", "DEF")
    library.define("twice(Tensor x) -> Tensor")
    library.define("once(Tensor x) -> Tensor")
    library.impl("twice", lambda x: 2 * x, "PrivateUse1")
    library.impl("once", lambda x: 3 * x, "PrivateUse1")
    library.impl("once", lambda x: x.clone(), "CPU")
    assert torch.ops.triplane_npu_test.twice(torch.ones(1)).item() == 2
    assert torch.ops.triplane_npu_test.once(torch.ones(1)).item() == 1


def refusals() -> None:
    for name, ask in REFUSED.items():
        with pytest.raises(StandInError, match=f"{name}.*docs/ascend.md"):
            ask()
    assert not hasattr(torch.npu, "utilization")
    assert not hasattr(torch_npu, "npu_fusion_attention")


def both() -> None:
    assert not torch.cuda.is_available()
    from torch_npu.contrib import transfer_to_npu

    assert torch.cuda.is_available()
    assert torch.ones(2, device="cuda").cuda().npu().sum() == 2
    transfer_to_npu.standing.remove()


def main() -> None:
    assert STANDING is not None
    assert stand_in() is None
    for check in (devices, streams, answers, refusals, both):
        check()
    STANDING.remove()
    assert not hasattr(torch, "npu")
    assert (dict(vars(torch)), dict(vars(torch.cuda)), dict(vars(torch.Tensor))) == BEFORE
    sys.stdout.write("torch is as it was\n")


if __name__ == "__main__":
    main()
