"""What stand-ins for devices have in common: checks of torch where one is installed."""

from typing import Any

import torch


def devices_are_the_cpu(kind: str, *more: Any) -> None:
    """Wherever torch takes a device of the type ``kind``, or one of ``more``, it is the CPU."""
    current = getattr(torch, kind).current_device()
    for device in (kind, f"{kind}:1", torch.device(kind, 1), 0, current, *more):
        assert torch.ones(2, device=device).device == torch.device("cpu")
        assert torch.ones(2).to(device).sum() == 2
        torch.ones(2).to(device=device, dtype=torch.float16)
        getattr(torch.ones(2), kind)(device, non_blocking=True)
        torch.nn.Linear(2, 2).to(device)
        torch.nn.Linear(2, 2, device=device)
        torch.Generator(device)
    with torch.device(kind):
        assert torch.ones(2).sum() == 2


def indices_are_kept(kind: str) -> None:
    """The device that a program chooses is the current one, though all of them are the CPU."""
    devices = getattr(torch, kind)
    for device, index in ((3, 3), (torch.device(kind, 2), 2), (f"{kind}:1", 1), (0, 0)):
        devices.set_device(device)
        assert devices.current_device() == torch.accelerator.current_device_index() == index
    with devices.device(5):
        assert devices.current_device() == 5
    assert devices.current_device() == 0
    assert torch.accelerator.current_accelerator() == torch.device(kind)
    assert torch.accelerator.device_count() == devices.device_count() == 8
