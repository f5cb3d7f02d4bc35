"""For a PYTHONPATH: torch says that the CPU has no AMX, in every process that an engine starts.

Virtual machines may show the flag and still stop vLLM's AMX kernels with an illegal instruction.
"""

import torch.cpu

torch.cpu._is_amx_tile_supported = lambda: False
