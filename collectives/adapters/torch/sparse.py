"""All-reduce of sparse tensors: every rank gathers all of them, and adds them up."""

import torch
from torch import Tensor

from collectives.calls.communicator import Communicator


def all_reduce(communicator: Communicator, tensor: Tensor, op: str, timeout: float) -> None:
    """Fill a sparse COO tensor with the sum of those of all ranks, which may have different items.

    It is over when it returns. Raises `ValueError` for another reduction or layout.
    """
    if op != "sum" or tensor.layout is not torch.sparse_coo:
        raise ValueError(f"{op} of a tensor of layout {tensor.layout}: only sums of sparse_coo are")
    mine = tensor.coalesce()
    counts = torch.empty(communicator.size, dtype=torch.int64)
    communicator.all_gather(counts, torch.tensor([mine._nnz()]), timeout=timeout)
    # One row an item, so that the pieces of all ranks are one after the other.
    places = _gathered(communicator, mine.indices().t().contiguous(), counts, timeout)
    values = _gathered(communicator, mine.values().contiguous(), counts, timeout)
    total = torch.sparse_coo_tensor(places.t(), values, tensor.shape, check_invariants=False)
    tensor.copy_(total.coalesce())


def _gathered(communicator: Communicator, rows: Tensor, counts: Tensor, timeout: float) -> Tensor:
    """All ranks' rows, ``counts`` of each, in the order of ranks."""
    out = rows.new_empty((int(counts.sum()), *rows.shape[1:]))
    works = [
        communicator.broadcast(piece.copy_(rows) if root == communicator.rank else piece,
                               root, async_op=True)
        for root, piece in enumerate(torch.split(out, counts.tolist()))
    ]  # fmt: skip
    for work in works:
        work.wait(timeout)
    return out
