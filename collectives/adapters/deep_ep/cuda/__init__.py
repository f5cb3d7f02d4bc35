"""A stand-in for torch.cuda on the CPU, for programs that know nothing else. Only where asked for.

torch meets CUDA in four places, and each is served here:

- **Functions of C** (`boundary`): torch's Python calls ``torch._C._cuda_*`` and ``_accelerator_*``,
  which a CPU build lacks. They are put there, on a `Device`: its index, its streams, its memory
  statistics. What torch.cuda and torch.accelerator make of them stays torch's own: contexts,
  guards, RNG state. Those that a CPU cannot stand for raise a `StandInError` with their name.
- **Types of C** (`types`): streams, events, graphs. They are types that annotations, ``isinstance``
  and subclasses take; to make a graph, or a memory pool, is a `StandInError`.
- **Names of devices** (`naming`): a ``TorchFunctionMode`` has "cuda", "cuda:1",
  ``torch.device("cuda")`` and integers mean the CPU wherever torch takes a device, in every thread
  that begins while it stands. Tensors are and say that they are on the CPU; what takes a tensor to
  the device or back is a copy, as there.
- **Kernels** (`kernels`): what a program registers for "CUDA" with ``torch.library`` is called for
  tensors on the CPU, unless it has registered something for the CPU, too.

There is one device at a time, and everything that a stream would do is over when a call returns,
but for the calls of a buffer, which `Device.synchronize` sees through. Events take the emulated
clock, so what a program measures with them is what the emulated machine would take. The process
groups of "nccl" are those of "triplane". Random numbers of the device are those of the CPU, from
one generator. Memory statistics are 0: nothing is counted. ``torch.compile`` compiles for the CPU.
"""

from collectives.adapters.deep_ep.cuda.device import MEMORY, SMS, Device, StandInError
from collectives.adapters.deep_ep.cuda.standing import Standing, install, installed

__all__ = ["MEMORY", "SMS", "Device", "StandInError", "Standing", "install", "installed"]
