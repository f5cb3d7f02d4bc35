"""Memory for tokens that arrive, with their scales and a record of each."""

import math
import mmap
import weakref
from collections import deque
from functools import cached_property
from typing import Any

import numpy as np

from collectives.calls.buffers import name_of
from collectives.moe.routing.expert_ranks import ExpertRanks
from collectives.moe.routing.routing import Ints
from collectives.moe.tensors import Array, TokenError, like
from collectives.moe.tokens.quantise import Wire
from fabric.transports.base import Bytes, address_of

LARGE = 1 << 22
"""Bytes from which on numpy asks for large pages."""


def mapped(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """An array in pages of the usual size, with undefined content.

    numpy asks for pages of 2 MiB, of which a single row of an expert would occupy one, and all of
    which the kernel clears first. Raises `TokenError` if the host has not enough memory.
    """
    size = dtype.itemsize * math.prod(shape)
    if size < LARGE:
        return np.empty(shape, dtype)
    try:
        memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    except (OSError, OverflowError, ValueError) as error:
        dims = " x ".join(map(str, shape))
        raise TokenError(
            f"a buffer of {dims} {name_of(dtype)} takes {size} bytes, which this host does not"
            f" give: {error}"
        ) from None
    return np.frombuffer(memory, np.uint8).view(dtype).reshape(shape)


class _Owner(np.ndarray[Any, np.dtype[Any]]):
    """The owner of a piece of memory for as long as any array, view or tensor of it exists."""


class Recycled:
    """Memory for arrays that users get, taken back once no view of it is left.

    Fresh memory of that size costs more time than filling it.
    """

    def __init__(self, most: int = 4) -> None:
        """``most``: pieces that are kept."""
        self._free: deque[Bytes] = deque(maxlen=most)

    def room(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        """An array with undefined content, in memory that an earlier array has left if possible."""
        size = dtype.itemsize * math.prod(shape)
        if size < LARGE:
            return np.empty(shape, dtype)
        memory = self._taken(size)
        owner = memory.view(_Owner)  # numpy keeps it as the base of what is made of it
        weakref.finalize(owner, self._free.append, memory).atexit = False
        return owner[:size].view(np.ndarray).view(dtype).reshape(shape)

    def _taken(self, size: int) -> Bytes:
        for _ in range(len(self._free)):
            try:
                memory = self._free.popleft()
            except IndexError:  # another thread was faster
                break
            if size <= memory.size <= 4 * size:
                return memory
            self._free.append(memory)
        return mapped((size,), np.dtype(np.uint8))


class Arrivals:
    """Memory for an array ``shape`` of tokens with ``hidden`` channels each, of the wire's type.

    ``x``: the tokens, ``[*shape, hidden]``; ``scales``: ``[*shape, ...]`` or None. The argument
    ``records`` is the numpy type of what is recorded of a token (`token_record`); the attribute is
    the array of these records, of shape ``shape``. ``pool``: takes the memory of ``x`` from there;
    None: new memory, of which pages never written take none. Raises `TokenError` if the host has
    too little memory.
    """

    def __init__(
        self, shape: tuple[int, ...], hidden: int, wire: Wire, dtype: np.dtype[Any],
        records: np.dtype[Any], pool: Recycled | None = None,
    ) -> None:  # fmt: skip
        room = mapped if pool is None else pool.room
        self.x = room((*shape, hidden), wire.dtype(dtype))
        kind = wire.scales(hidden)
        self.scales = None if kind is None else mapped((*shape, *kind[0]), kind[1])
        try:
            self.records = np.empty(shape, records)
        except MemoryError as error:
            raise TokenError(f"what is known of {math.prod(shape)} tokens: {error}") from None
        self._alike: dict[type, tuple[Any, ...]] = {}

    @cached_property
    def addresses(self) -> Ints:
        """Of the tokens, their scales (if there are none, of anything), and the records."""
        scales = self.records if self.scales is None else self.scales
        return np.array([address_of(array) for array in (self.x, scales, self.records)])

    def like(self, given: Any) -> tuple[Any, Any, Any]:
        """Tokens, scales and records in the form of ``given``; see `collectives.moe.tensors.like`.

        New tensors of the same memory each time, which users may change as they like.
        """
        kind = type(given)
        if kind not in self._alike:
            arrays = (self.x, self.scales, self.records)
            self._alike[kind] = tuple(None if a is None else like(given, a) for a in arrays)
        whole, scales, records = (
            a if a is None or isinstance(a, np.ndarray) else a.detach() for a in self._alike[kind]
        )
        return whole, scales, records

    def parts(self, first: int, last: int, *at: int) -> tuple[Bytes, ...]:
        """The bytes of some tokens as views: numbers, scales, and the record of each.

        ``first`` to ``last``: the tokens; ``at``: leading indices.
        """
        where: Any = (*at, slice(first, last))
        arrays = (self.x, self.scales, self.records)
        return tuple(bytes_of(a[where]) for a in arrays if a is not None and a.dtype.itemsize)

    def rows(self) -> tuple[Bytes, Bytes]:
        """The bytes of all tokens and of their scales: uint8 ``[tokens, bytes]`` each, views."""
        tokens = len(self.x)
        scales = np.empty((tokens, 0), np.uint8) if self.scales is None else self.scales
        return _table(self.x, tokens), _table(scales, tokens)


def token_record(top_k: int, weights: bool) -> np.dtype[Any]:
    """The dtype of what normal mode records of a token: its row at its source, experts, weights."""
    carried = (top_k if weights else 0,)
    return np.dtype([("token", "i4"), ("expert", "i8", (top_k,)), ("weight", "f4", carried)])


def with_local_experts(records: Array, dst: Ints, expert_ranks: ExpertRanks) -> Array:
    """The records of tokens as their destinations need them: experts numbered there, -1 elsewhere.

    Written into ``records``; weights of experts elsewhere become 0. ``dst``: the destination of
    each token.
    """
    if not records.dtype.itemsize:
        return records
    expert = records["expert"]
    here = (np.append(expert_ranks.rank, -1)[expert] == dst[:, None]) & (expert >= 0)
    records["expert"] = np.where(here, expert - expert_ranks.first[dst][:, None], -1)
    carried = records["weight"].shape[1]
    # Not multiplied: 0 times NaN is NaN.
    records["weight"] = np.where(here[:, :carried], records["weight"], np.float32(0))
    return records


def bytes_of(array: Array) -> Bytes:
    """The bytes of a contiguous array: uint8, a view."""
    return array.reshape(-1).view(np.uint8)


def _table(array: Array, rows: int) -> Bytes:
    width = array.dtype.itemsize * int(np.prod(array.shape[1:]))
    return array.reshape(-1).view(np.uint8).reshape(rows, width)
