"""Routings in the files of torch's programs: ``.safetensors`` and ``.pt``.

The tensor is ``topk_idx``, ``topk_ids`` or the only one of integers; of one rank it may be
``[tokens, top_k]``. How many experts there are stands beside it as ``experts``.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collectives.moe.routing.routing import RoutingError
from topology.files.reading import read_bytes, shown, whole
from topology.files.safetensors import read_safetensors

NAMES = ("topk_idx", "topk_ids")
"""What the tensor of experts is called."""

MOST_BYTES = 1 << 29
"""Bytes of a file at most."""


def of_safetensors(path: Path) -> tuple[NDArray[Any], int | None]:
    """The experts in a ``.safetensors`` file, and how many there are; raises `RoutingError`."""
    found = read_safetensors(path, RoutingError, MOST_BYTES)
    return _table(found.arrays), _experts({**found.metadata, **found.arrays})


def of_torch(path: Path) -> tuple[NDArray[Any], int | None]:
    """The experts in a file of ``torch.save``, and how many there are; raises `RoutingError`.

    Only tensors are read (``weights_only``): a pickle that would run code is refused.
    """
    read_bytes(path, RoutingError, MOST_BYTES)  # that it is a file, and no larger
    try:
        import torch
    except ModuleNotFoundError:
        raise RoutingError(
            "a file of torch.save needs torch to be read: pip install 'triplane[torch]', or save it"
            " as safetensors or npz"
        ) from None
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as fault:  # pickle, zip and torch raise many types, of which no list is made
        why = re.split(r"[.\n]", str(fault).strip())[0]
        raise RoutingError(f"it is no file of tensors alone: {why:.160}") from None
    given = loaded if isinstance(loaded, dict) else {NAMES[0]: loaded}
    arrays = {str(name): one.numpy() for name, one in given.items()
              if isinstance(one, torch.Tensor) and not one.dtype.is_floating_point}  # fmt: skip
    return _table(arrays), _experts({**given, **arrays})


def _table(arrays: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
    """The tensor of experts ``[ranks, tokens, top_k]``."""
    known = [name for name in NAMES if name in arrays]
    name = known[0] if known else _only(arrays)
    table = arrays[name]
    if table.ndim == 2:
        table = table[None]
    if table.ndim != 3 or table.dtype.kind not in "iu":
        raise RoutingError(
            f"{name} is {table.dtype}{list(table.shape)}; integers [ranks, tokens, top_k] are"
            " expected, or [tokens, top_k] of one rank"
        )
    return table.astype(np.int64)


def _only(arrays: Mapping[str, NDArray[Any]]) -> str:
    found = list(_of_experts(arrays))
    if len(found) != 1:
        raise RoutingError(
            f"it has no tensor {' or '.join(NAMES)}; it has {', '.join(arrays) or 'none':.200}"
        )
    return found[0]


def _of_experts(arrays: Mapping[str, NDArray[Any]]) -> Iterator[str]:
    return (name for name, one in arrays.items() if one.dtype.kind in "iu" and one.ndim in (2, 3))


def _experts(given: Mapping[str, Any]) -> int | None:
    """How many experts a file says there are; None if it does not."""
    if "experts" not in given:
        return None
    value = given["experts"]
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.item()
    found = whole(value, 1, 1 << 20)
    if found is None:
        raise RoutingError(f"experts is {shown(value)}; a whole number of 1 or more is expected")
    return found
