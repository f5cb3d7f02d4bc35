"""Tiers: kinds of memory of a server, the fastest first, and how large each is."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from collectives.memory.pool.core.errors import PoolError
from collectives.memory.pool.core.pages import Run

TIERS = ("npu", "dram", "ssd", "object")
"""NPU memory, DRAM that is pooled over UB, and SSDs and object storage behind the VPC plane, in the
order in which blocks move down."""

PAGE = 4096
"""Bytes of a page: a value takes whole pages."""

DRAM = 1 << 28
"""Bytes of DRAM of a server where nothing is said, 256 MiB; only what is used takes memory."""


@dataclass(frozen=True)
class PoolTier:
    """``name``: one of `TIERS`; ``size``: bytes at each server.

    Raises `PoolError` for another name, or a size below 0.
    """

    name: str
    size: int

    def __post_init__(self) -> None:
        if self.name not in TIERS:
            raise PoolError(f"no tier {self.name!r}; there are {', '.join(TIERS)}")
        if self.size < 0:
            raise PoolError(f"tier {self.name} has {self.size} bytes; it cannot be")


@dataclass(frozen=True)
class StoreShape:
    """What a server is made of: ``tiers`` in the order in which blocks move down, ``page`` bytes.

    ``quotas``: bytes of values that a namespace may have at this server, in all tiers together; a
    namespace that is not named has no limit. Raises `PoolError` if there is no tier, or if they are
    in another order than `TIERS`.
    """

    tiers: tuple[PoolTier, ...]
    page: int = PAGE
    quotas: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        order = [TIERS.index(tier.name) for tier in self.tiers]
        if not order or order != sorted(set(order)):
            names = ", ".join(tier.name for tier in self.tiers) or "none"
            raise PoolError(f"tiers are {names}; they are one or more of {', '.join(TIERS)}")
        if self.page < 1:
            raise PoolError(f"a page of {self.page} bytes; it has at least 1")
        for namespace, size in self.quotas.items():
            if size < 0:
                raise PoolError(f"the quota of {namespace!r} is {size} bytes; it cannot be")

    def pages(self, size: int) -> int:
        """How many pages a value of ``size`` bytes takes; an empty one takes one, too."""
        return max(1, -(-size // self.page))


class Place(NamedTuple):
    """Where a value is at a server: the number of the tier, and runs of pages there."""

    tier: int
    runs: tuple[Run, ...]


class Move(NamedTuple):
    """``size`` bytes of a value that a server has to copy before anything else is done.

    ``source`` or ``target`` is None where it is memory for the moment: what is read out is written
    back by the next move that has no source.
    """

    source: Place | None
    target: Place | None
    size: int


def tiers_of(sizes: Mapping[str, int]) -> tuple[PoolTier, ...]:
    """The tiers with these sizes in bytes, by name, in the order of `TIERS`; 0 is no such tier."""
    unknown = [name for name in sizes if name not in TIERS]
    if unknown:
        raise PoolError(f"no tier {unknown[0]!r}; there are {', '.join(TIERS)}")
    return tuple(PoolTier(name, sizes[name]) for name in TIERS if sizes.get(name))


def namespace_of(key: str) -> str:
    """The namespace of a whole key, which is ``NAMESPACE/KEY``."""
    return key[: key.index("/")]


def whole_key(namespace: str, key: str) -> str:
    """The key with its namespace; raises `PoolError` for a namespace with a slash in it."""
    if "/" in namespace:
        raise PoolError(f"namespace {namespace!r} has a slash in it, which separates it from keys")
    return f"{namespace}/{key}"


def shape_of(
    servers: int, sizes: Mapping[str, int], page: int, quotas: Mapping[str, int]
) -> StoreShape:
    """What each of ``servers`` servers is made of: tiers of these sizes, its part of the quotas."""
    for namespace in quotas:
        whole_key(namespace, "")
    parts = {namespace: size // max(servers, 1) for namespace, size in quotas.items()}
    return StoreShape(tiers_of(sizes), page, parts)
