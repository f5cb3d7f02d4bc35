"""What ``import torch_npu`` finds if this folder is on Python's path: Triplane's adapter."""

from collectives.adapters.torch_npu.standin import stand_in

stand_in()
