"""Which block is given up first: an eviction policy is an object that sees every use of a tier."""

import importlib
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Protocol

from collectives.memory.pool.core.errors import PoolError


class EvictionPolicy(Protocol):
    """The order in which the blocks of one tier are evicted; each tier has a policy of its own.

    A block that is moved to another tier leaves one policy and is added to the other's.
    """

    def added(self, key: str) -> None:
        """Note that the block ``key`` is now in the tier."""

    def used(self, key: str) -> None:
        """Note that a block in the tier was read."""

    def removed(self, key: str) -> None:
        """Forget a block: it was evicted, moved or removed."""

    def victims(self) -> Iterator[str]:
        """Iterate over all blocks, the first to be evicted first.

        Whoever iterates stops before it changes anything. Blocks that are pinned are passed over.
        """


class Lru:
    """Evicts the block that was used least recently; to be added is a use."""

    def __init__(self) -> None:
        self._order: OrderedDict[str, None] = OrderedDict()

    def added(self, key: str) -> None:
        """See `EvictionPolicy`."""
        self._order[key] = None

    def used(self, key: str) -> None:
        """See `EvictionPolicy`."""
        self._order.move_to_end(key)

    def removed(self, key: str) -> None:
        """See `EvictionPolicy`."""
        del self._order[key]

    def victims(self) -> Iterator[str]:
        """See `EvictionPolicy`."""
        return iter(self._order)


class Lfu:
    """Evicts the block that was used least often since it was added to the tier.

    To be added is the first use. Of blocks that were used alike, the one used least recently.
    """

    def __init__(self) -> None:
        self._uses: dict[str, int] = {}
        self._of_uses: dict[int, OrderedDict[str, None]] = {}

    def added(self, key: str) -> None:
        """See `EvictionPolicy`."""
        self._put(key, 1)

    def used(self, key: str) -> None:
        """See `EvictionPolicy`."""
        uses = self._uses[key]
        self.removed(key)
        self._put(key, uses + 1)

    def removed(self, key: str) -> None:
        """See `EvictionPolicy`."""
        uses = self._uses.pop(key)
        alike = self._of_uses[uses]
        del alike[key]
        if not alike:
            del self._of_uses[uses]

    def victims(self) -> Iterator[str]:
        """See `EvictionPolicy`."""
        if not self._of_uses:
            return
        least = min(self._of_uses)  # most often that is all that is asked for
        yield from self._of_uses[least]
        for uses in sorted(self._of_uses)[1:]:
            yield from self._of_uses[uses]

    def _put(self, key: str, uses: int) -> None:
        self._uses[key] = uses
        self._of_uses.setdefault(uses, OrderedDict())[key] = None


MakePolicy = Callable[[], EvictionPolicy]

POLICIES: Mapping[str, MakePolicy] = MappingProxyType({"lru": Lru, "lfu": Lfu})
"""The policies that have a name."""


def eviction_policy(given: str | MakePolicy) -> MakePolicy:
    """What makes policies: by name, or a callable of the user's that is returned as it is.

    ``given``: also ``"module:attribute"`` of a callable. Raises `PoolError` for an unknown name,
    with the choices.
    """
    if not isinstance(given, str):
        return given
    module, colon, attribute = given.partition(":")
    if colon:
        try:
            found: MakePolicy = getattr(importlib.import_module(module), attribute)
        except (ImportError, AttributeError) as error:
            raise PoolError(f"no eviction policy {given!r}: {error}") from None
        return found
    if given not in POLICIES:
        raise PoolError(f"no eviction policy {given!r}; there are {', '.join(POLICIES)}")
    return POLICIES[given]
