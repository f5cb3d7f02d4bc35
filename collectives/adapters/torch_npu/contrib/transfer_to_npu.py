"""Programs for CUDA on NPUs: importing this has torch.cuda stood in for, too.

torch_npu's module of that name makes torch.cuda mean torch.npu. Here both mean the CPU.
"""

from collectives.adapters.deep_ep import cuda

standing = cuda.install()
"""What removes it again; None if torch.cuda was stood in for already."""
