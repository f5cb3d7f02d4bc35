"""Memory: the registered memory of a DeepEP buffer, for programs that put tensors there."""

import math

import torch

from collectives.moe.tensors import TokenError


class Memory:
    """Two pieces of so many bytes; a piece that nobody asks for takes none."""

    def __init__(self, num_nvl_bytes: int, num_rdma_bytes: int) -> None:
        self._sizes = {False: num_nvl_bytes, True: num_rdma_bytes}
        self._pieces: dict[bool, torch.Tensor] = {}

    def tensor(
        self, dtype: torch.dtype, size: torch.Size | None, offset: int, rdma: bool
    ) -> torch.Tensor:
        """A piece from item ``offset`` on, in that shape; raises `TokenError`."""
        if rdma not in self._pieces:
            self._pieces[rdma] = torch.empty((self._sizes[rdma],), dtype=torch.uint8)
        has = self._sizes[rdma] // dtype.itemsize
        items = has - offset if size is None else math.prod(size)
        if not 0 <= offset <= offset + items <= has:
            raise TokenError(
                f"items {offset} to {offset + items} of the {'RDMA' if rdma else 'NVL'} buffer: it"
                f" has {has} of {dtype}"
            )
        whole = self._pieces[rdma][: has * dtype.itemsize].view(dtype)
        piece = whole[offset : offset + items]
        return piece if size is None else piece.view(size)
