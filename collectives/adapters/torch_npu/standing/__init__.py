"""A stand-in for torch.npu on the CPU, installed only on request.

It is made of the same parts as that for torch.cuda (`collectives.adapters.deep_ep.cuda`): names of
devices, streams and events in emulated time, process groups, kernels. What differs is that torch
itself knows nothing of NPUs: a build of torch has one name for devices of other packages, which
torch_npu calls "npu", and torch_npu brings all of torch.npu along. So does this (`surface`).
"""

from collectives.adapters.torch_npu.standing.installing import NpuStandIn, install, installed

__all__ = ["NpuStandIn", "install", "installed"]
