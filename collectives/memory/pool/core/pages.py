"""Pages: which parts of a tier are free.

A value may lie in several runs, so no page is ever of no use because it lies apart, and a tier is
full exactly when its pages are used up.
"""

from itertools import islice

Run = tuple[int, int]
"""First page and number of pages."""

_LOOKS = 8
"""Free runs that are looked at for one that holds a value whole."""


class Pages:
    """The free pages of a tier of ``count`` pages, as runs that are as long as can be."""

    __slots__ = ("_at", "_until", "count", "free")

    def __init__(self, count: int) -> None:
        self.count = self.free = count
        self._at = {0: count} if count else {}
        self._until = {count: 0} if count else {}

    def take(self, many: int) -> tuple[Run, ...]:
        """Use ``many`` free pages; returns where they are: one run if one of the last freed fits.

        Of those it is the shortest, so pages that were used just before are used again, and not
        others one after another. There must be as many, see ``free``.
        """
        self.free -= many
        fits: Run | None = None
        for first, length in islice(reversed(self._at.items()), _LOOKS):
            if length >= many and (fits is None or length < fits[1]):
                fits = first, length
                if length == many:
                    break
        if fits is not None:
            self._cut(*fits, many)
            return ((fits[0], many),)
        taken: list[Run] = []
        while many:
            first, length = next(reversed(self._at.items()))
            part = min(length, many)
            self._cut(first, length, part)
            taken.append((first, part))
            many -= part
        return tuple(taken)

    def give(self, runs: tuple[Run, ...]) -> None:
        """Free pages that were taken, and join them with free ones beside them."""
        for first, length in runs:
            self.free += length
            until = first + length
            after = self._at.pop(until, 0)
            if after:
                until += after
            before = self._until.pop(first, None)
            if before is not None:
                first = before
            self._at[first], self._until[until] = until - first, first

    def _cut(self, first: int, length: int, part: int) -> None:
        """Take the first ``part`` pages of a free run."""
        del self._at[first]
        if part == length:
            del self._until[first + length]
        else:
            self._at[first + part] = length - part
            self._until[first + length] = first + part
