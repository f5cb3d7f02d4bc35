"""Tensors of torch, as the calls of a `Communicator` take them."""

from collections.abc import Sequence

import torch


def alike(tensors: Sequence[torch.Tensor]) -> bool:
    """True if all tensors have equally many items."""
    return len({tensor.numel() for tensor in tensors}) <= 1


class FlatTensors:
    """Several tensors one after the other in ``flat``; not copied if they lie so already.

    ``filled``: True if a call writes ``flat`` and `spread` has to copy it back; else it is only
    read.
    """

    def __init__(self, tensors: Sequence[torch.Tensor], *, filled: bool) -> None:
        self._tensors = tensors
        together = _together(tensors)
        self._apart = together is None
        if together is not None:
            self.flat = together
        elif filled:
            first = tensors[0]
            self.flat = first.new_empty(sum(tensor.numel() for tensor in tensors))
        else:
            self.flat = torch.cat([tensor.detach().reshape(-1) for tensor in tensors])

    def spread(self) -> None:
        """Copy received items from the flat buffer into the tensors, if they are not its views."""
        if not self._apart:
            return
        at = 0
        for tensor in self._tensors:
            piece = self.flat[at : at + tensor.numel()]
            tensor.detach().copy_(piece.view(tensor.shape))
            at += tensor.numel()


def _together(tensors: Sequence[torch.Tensor]) -> torch.Tensor | None:
    """The memory of tensors that lie one after the other, as in the pieces of one; else None."""
    first = tensors[0]
    memory, at, size = first.untyped_storage().data_ptr(), first.data_ptr(), first.element_size()
    total = 0
    for tensor in tensors:
        if (
            not tensor.is_contiguous()
            or tensor.dtype != first.dtype
            or (tensor.numel() and tensor.data_ptr() != at + total * size)
            or tensor.untyped_storage().data_ptr() != memory
        ):
            return None
        total += tensor.numel()
    return first.detach().as_strided((total,), (1,))
