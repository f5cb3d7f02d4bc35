"""A stand-in for torch.cuda on the CPU, installed only on request.

torch meets CUDA in four places, and each is served here:

- **Functions of C** (`boundary`): torch's Python code calls ``torch._C._cuda_*`` and
  ``_accelerator_*``, which a CPU build lacks. They are put there, on a `Device`: its index, its
  streams, its memory statistics. What torch.cuda and torch.accelerator make of them (contexts,
  guards, RNG state) stays torch's own code. Functions that a CPU cannot provide raise a
  `StandInError` with their name.
- **Types of C** (`types`): streams, events, graphs. They work in annotations, ``isinstance`` and
  as base classes; making a graph or a memory pool raises `StandInError`.
- **Names of devices** (`naming`): under a ``TorchFunctionMode``, "cuda", "cuda:1",
  ``torch.device("cuda")`` and integers mean the CPU wherever torch takes a device, in every thread
  that begins while the stand-in is installed. Tensors are on the CPU and say so; a call that takes
  a tensor to the device or back copies it, as with CUDA.
- **Kernels** (`kernels`): what a program registers for "CUDA" with ``torch.library`` is called for
  tensors on the CPU, unless the program has registered something for the CPU, too.

There is one device at a time. Everything queued on a stream is over when the call returns, except
the calls of a buffer, which `Device.synchronize` waits for. Events take the emulated clock, so what
a program measures with them is what the emulated machine would take. The process groups of "nccl"
are those of "triplane". Random numbers of the device are those of the CPU, from one generator.
Memory statistics are 0: nothing is counted. ``torch.compile`` compiles for the CPU.
"""

from collectives.adapters.deep_ep.cuda.device import MEMORY, SMS, Device, StandInError
from collectives.adapters.deep_ep.cuda.standing import InstalledStandIn, install, installed

__all__ = ["MEMORY", "SMS", "Device", "InstalledStandIn", "StandInError", "install", "installed"]
