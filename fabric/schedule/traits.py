"""Traits: what transfers say to an engine beside their bytes, such as their traffic class.

**The one place where such a column is declared is `GivenTraits`.** A new entry there is at once a
keyword of `Step`. It is taken into plans, into the rows that ranks report and into the streams that
engines read (`Streams.trait`). An engine that reads it has its name in `Engine.models`; every other
engine refuses steps that have it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypedDict

import numpy as np
from numpy.typing import ArrayLike, NDArray

_Longs = NDArray[np.int64]

HIGHEST = (1 << 16) - 1
"""The highest value of a trait; the lowest is 0."""


class GivenTraits(TypedDict, total=False):
    """The traits, as keywords of `Step`: integers, one a row or one for all, 0 to `HIGHEST`.

    0 is what a transfer has where nothing is given, and must mean that nothing special is asked.

    ``traffic_class``: the number of the transfer's traffic class; 0: the default class.
    ``in_switch``: what switches on the way do with it, a number of `fabric.schedule.in_switch`;
    ``in_switch_ranks``: how many ranks take part in that.
    """

    traffic_class: ArrayLike
    in_switch: ArrayLike
    in_switch_ranks: ArrayLike


TRAITS = tuple(GivenTraits.__annotations__)
"""The names of all traits."""


@dataclass(frozen=True, slots=True, eq=False)
class Traits:
    """The traits of rows or streams: a column, int64, for each that is not 0 in all of them.

    So rows that ask for nothing special have no columns, and cost nothing.
    """

    columns: Mapping[str, _Longs]

    def __bool__(self) -> bool:
        return bool(self.columns)

    def __reduce__(self) -> tuple[Any, ...]:
        return traits_of, (dict(self.columns),)

    def column(self, name: str, rows: int) -> _Longs:
        """The trait called ``name`` of each of ``rows`` rows, int64; raises `KeyError`.

        ``rows``: how many rows these are the traits of.
        """
        if name not in TRAITS:
            raise KeyError(f"no trait {name!r}; there are {', '.join(TRAITS)}")
        found = self.columns.get(name)
        return np.zeros(rows, np.int64) if found is None else found

    def pick(self, which: NDArray[Any] | slice) -> "Traits":
        """The traits of the rows selected by ``which``: a mask, row numbers or a slice."""
        if not self.columns:
            return self
        return traits_of({name: column[which] for name, column in self.columns.items()})


NO_TRAITS = Traits(MappingProxyType({}))
"""The traits of rows of which nothing special is asked."""


def traits_of(columns: Mapping[str, _Longs]) -> Traits:
    """`Traits` of these columns, without those that are 0 in every row."""
    kept = {name: column for name, column in columns.items() if column.any()}
    return Traits(MappingProxyType(kept)) if kept else NO_TRAITS


def joined(parts: Iterable[tuple[Traits, int]]) -> Traits:
    """The traits of several sets of rows one after the other.

    ``parts``: the traits of each, and the number of its rows.
    """
    known = list(parts)
    if all(traits is NO_TRAITS for traits, _ in known):  # the usual case, made short
        return NO_TRAITS
    names = [name for name in TRAITS if any(name in traits.columns for traits, _ in known)]
    return traits_of({name: _joined(name, known) for name in names})


def _joined(name: str, parts: Sequence[tuple[Traits, int]]) -> _Longs:
    return np.concatenate([traits.column(name, rows) for traits, rows in parts])


def in_order(traits: Traits) -> Iterator[tuple[int, str, _Longs]]:
    """The columns that there are, in the order of `TRAITS`: number and name of the trait, column.

    Unlike the order of ``traits.columns`` this one is the same in all processes.
    """
    for number, name in enumerate(TRAITS):
        if name in traits.columns:
            yield number, name, traits.columns[name]
