"""What serving engines keep in a pool: KV of prompts by their prefixes, and models in blocks."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import ArrayLike

from collectives.memory.pool.core.errors import PoolError, PoolFull
from collectives.memory.pool.core.hashing import (
    LEAST_BLOCK,
    check_block,
    prefix_keys,
    prefix_length,
)
from collectives.memory.pool.pool import Pool, bytes_of

MODEL_BLOCK = 16 << 20
"""Bytes of a block of a model."""


@dataclass(frozen=True)
class ContextCache:
    """The KV of prompts in a pool, in blocks of ``block`` tokens, each by all tokens to its end.

    ``model``: name and version of what the KV is of; that of another is never found. Raises
    `PoolError` for a block size that no cache uses.
    """

    pool: Pool
    model: str
    block: int = LEAST_BLOCK

    def __post_init__(self) -> None:
        check_block(self.block)

    def keys(self, tokens: ArrayLike) -> list[str]:
        """The keys of the whole blocks of a prompt, see `prefix_keys`."""
        return prefix_keys(tokens, self.block, self.model)

    def cached(self, tokens: ArrayLike) -> int:
        """How many tokens of a prompt, from the first on, need not be computed."""
        return self.block * prefix_length(self.pool.batch_exists(self.keys(tokens)))

    def load(self, tokens: ArrayLike, into: Sequence[Any]) -> int:
        """Fill ``into``, memory for a block each, with the KV of the prompt's first blocks.

        Returns how many tokens they are: those of blocks that are there, from the first on, and
        for which there is memory. What is in the memory of further blocks is lost.
        """
        keys = self.keys(tokens)[: len(into)]
        found = self.pool.batch_get_into(keys, into[: len(keys)])
        return self.block * prefix_length([one is not None for one in found])

    def store(self, tokens: ArrayLike, blocks: Sequence[Any], first: int = 0) -> int:
        """Store the KV of the prompt's blocks from number ``first`` on; returns how many were.

        Raises `PoolError` if the prompt has fewer whole blocks.
        """
        keys = self.keys(tokens)[first : first + len(blocks)]
        if len(keys) < len(blocks):
            raise PoolError(f"{len(blocks)} blocks from number {first} on; {len(keys)} are whole")
        return sum(self.pool.batch_put(dict(zip(keys, blocks, strict=True))))


@dataclass(frozen=True)
class ModelCache:
    """Models in a pool, in blocks of ``block`` bytes, under a name with a version."""

    pool: Pool
    block: int = MODEL_BLOCK

    def has(self, name: str) -> bool:
        """Whether all blocks of a model are there."""
        size = self._size(name)
        return size is not None and all(self.pool.batch_exists(self._keys(name, size)))

    def store(self, name: str, model: Any) -> None:
        """Store a model, anything with bytes; raises `PoolFull`, and then it is not there."""
        view = bytes_of(model, "the model")
        keys = self._keys(name, len(view))
        for at, key in enumerate(keys):
            try:
                self.pool.put(key, view[at * self.block : (at + 1) * self.block])
            except PoolFull:
                self.remove(name)
                raise
        self.pool.put(self._key(name, "size"), str(len(view)).encode())

    def load(self, name: str) -> bytearray | None:
        """The bytes of a model; None if a part of it is not there."""
        size = self._size(name)
        if size is None:
            return None
        whole = bytearray(size)
        view, keys = memoryview(whole), self._keys(name, size)
        rooms = [view[at * self.block : (at + 1) * self.block] for at in range(len(keys))]
        return None if None in self.pool.batch_get_into(keys, rooms) else whole

    def prefetch(self, name: str) -> bool:
        """Move a model's blocks to the first tier, as far as they fit; whether all are there."""
        size = self._size(name)
        if size is None:
            return False
        room = memoryview(bytearray(min(size, self.block)))
        return all(self.pool.get_into(key, room) is not None for key in self._keys(name, size))

    def remove(self, name: str) -> None:
        """Remove what is there of a model."""
        size = self._size(name)
        self.pool.batch_remove([self._key(name, "size"), *self._keys(name, size or 0)])

    def _size(self, name: str) -> int | None:
        told = self.pool.get(self._key(name, "size"))
        return None if told is None else int(told)

    def _keys(self, name: str, size: int) -> list[str]:
        return [self._key(name, str(at)) for at in range(-(-size // self.block))]

    def _key(self, name: str, part: str) -> str:
        return f"{name}#{part}"
