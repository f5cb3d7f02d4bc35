"""Hashes: of a key for its owner, of a block's bytes, and of tokens for the key of a prefix."""

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
from numpy.typing import ArrayLike
from xxhash import xxh3_64, xxh3_64_intdigest, xxh64_intdigest

from collectives.memory.pool.core.errors import PoolError

LEAST_BLOCK, MOST_BLOCK = 128, 512
"""Tokens of a block of a context cache (arXiv 2506.12708v2 section 4.4.2)."""

_DIGEST = 16
"""Bytes of a prefix hash: two prefixes with one hash would get each other's blocks."""


def key_hash(key: str) -> int:
    """A number below 2**64 that stands for ``key`` on the ring of servers and in directories."""
    return xxh3_64_intdigest(key.encode())


def content_hash(key: str, value: memoryview | bytes) -> int:
    """The hash of a block's bytes under its key, below 2**64.

    The key is part of it: a block that is read at another block's place is found out as surely as
    one whose bytes have changed. XXH3 reads several times as fast as memory is copied, which a
    cryptographic hash does not; it guards against accidents, not against who can write the memory.
    The key enters by another hash than `key_hash`: two keys with one `key_hash` differ in this.
    """
    return xxh3_64_intdigest(value, xxh64_intdigest(key.encode()))


def content_hasher(key: str) -> xxh3_64:
    """What computes `content_hash` from pieces: ``update(piece)`` of each, then ``intdigest()``."""
    return xxh3_64(seed=xxh64_intdigest(key.encode()))


def prefix_keys(tokens: ArrayLike, block: int = LEAST_BLOCK, model: str = "") -> list[str]:
    """The keys of the whole blocks of a prompt, each of ``block`` tokens.

    ``tokens``: integers [tokens]. Each key is a hash of the block's tokens and of the key before
    it, so it stands for all tokens up to the end of its block: equal keys mean equal prefixes.
    ``model``: what else must be equal for a block to be of use, such as name and version of a
    model. Tokens after the last whole block have no key. Raises `PoolError` for a block size that
    no cache uses.
    """
    check_block(block)
    column = np.ascontiguousarray(tokens, dtype="<i8")
    if column.ndim != 1:
        raise PoolError(f"tokens have shape {list(column.shape)}; they have to be one row")
    keys, last = list[str](), blake2b(model.encode(), digest_size=_DIGEST).digest()
    bytes_of, size = column.data.cast("B"), 8 * block
    for at in range(0, len(column) // block * size, size):
        last = blake2b(bytes_of[at : at + size], digest_size=_DIGEST, key=last).digest()
        keys.append(last.hex())
    return keys


def check_block(block: int) -> None:
    """Raise `PoolError` unless a block of a context cache may have so many tokens."""
    if not LEAST_BLOCK <= block <= MOST_BLOCK:
        raise PoolError(
            f"blocks of {block} tokens; a context cache has {LEAST_BLOCK} to {MOST_BLOCK}"
        )


def prefix_length(found: Sequence[bool]) -> int:
    """How many blocks at the beginning are there: a block is of no use without those before."""
    return next((at for at, one in enumerate(found) if not one), len(found))
