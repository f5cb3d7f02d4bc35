"""The registered memory of a DeepEP buffer, for programs that put tensors there."""

import math

import torch

from collectives.moe.tensors import TokenError, integer


class Memory:
    """Two pieces of memory of given sizes in bytes.

    Each is allocated when it is first asked for.
    """

    def __init__(self, num_nvl_bytes: int, num_rdma_bytes: int) -> None:
        self._sizes = {False: num_nvl_bytes, True: num_rdma_bytes}
        self._pieces: dict[bool, torch.Tensor] = {}

    def tensor(
        self, dtype: torch.dtype, size: torch.Size | None, offset: int, rdma: bool
    ) -> torch.Tensor:
        """A tensor of ``size`` over the memory from item ``offset`` on.

        Raises `TokenError` beyond its end.

        ``rdma``: which of the two buffers.
        """
        if not isinstance(dtype, torch.dtype):
            raise TokenError(f"dtype is a {type(dtype).__name__}; it has to be a type of torch")
        offset = integer(offset, "offset", 0)
        if rdma not in self._pieces:
            self._pieces[rdma] = torch.empty((self._sizes[rdma],), dtype=torch.uint8)
        has = self._sizes[rdma] // dtype.itemsize
        shape = None if size is None else tuple(integer(n, "size", 0) for n in size)
        items = has - offset if shape is None else math.prod(shape)
        if not 0 <= offset <= offset + items <= has:
            raise TokenError(
                f"items {offset} to {offset + items} of the {'RDMA' if rdma else 'NVL'} buffer: it"
                f" has {has} of {dtype}"
            )
        whole = self._pieces[rdma][: has * dtype.itemsize].view(dtype)
        piece = whole[offset : offset + items]
        return piece if shape is None else piece.view(shape)
