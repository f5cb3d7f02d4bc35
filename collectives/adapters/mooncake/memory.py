"""Memory that a program has registered, by address."""

import ctypes
from bisect import bisect_right, insort
from collections.abc import Sequence


class RegisteredMemory:
    """Stretches of this process's memory that a program says it keeps; others are not touched."""

    def __init__(self) -> None:
        self._stretches: list[tuple[int, int]] = []

    def add(self, address: int, size: int) -> bool:
        """Register ``size`` bytes at ``address``; False if they are none, or meet others."""
        at = bisect_right(self._stretches, (address, size))
        before = self._stretches[at - 1] if at else (0, 0)
        after = self._stretches[at][0] if at < len(self._stretches) else 1 << 64
        if address <= 0 or size <= 0 or sum(before) > address or address + size > after:
            return False
        insort(self._stretches, (address, size))
        return True

    def remove(self, address: int) -> bool:
        """Forget the stretch that begins at ``address``; False if there is none."""
        for stretch in self._stretches:
            if stretch[0] == address:
                self._stretches.remove(stretch)
                return True
        return False

    def view(self, address: int, size: int) -> memoryview | None:
        """The ``size`` bytes at ``address``; None unless they are all registered."""
        at = bisect_right(self._stretches, (address, 1 << 64)) - 1
        first, length = self._stretches[at] if at >= 0 else (0, 0)
        if size < 0 or not first <= address or address + size > first + length:
            return None
        return memoryview((ctypes.c_ubyte * size).from_address(address)).cast("B")

    def views(self, addresses: Sequence[int], sizes: Sequence[int]) -> list[memoryview] | None:
        """The bytes at many addresses; None unless all are registered."""
        if len(addresses) != len(sizes):
            return None
        found = [self.view(*each) for each in zip(addresses, sizes, strict=True)]
        known = [one for one in found if one is not None]
        return known if len(known) == len(found) else None
