"""A function of some numbers, known on a grid as far as it was asked, and between by lines."""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import product
from math import prod


class Interpolated:
    """``function`` of a number for each axis, by linear interpolation along every axis.

    Points are computed when they are first needed. Beyond the first and last ones of an axis it
    goes on with the slope there. ``axes``: rising, two or more points each.
    """

    def __init__(self, function: Callable[..., float], *axes: Sequence[float]) -> None:
        self._function, self._axes = function, axes
        self._known: dict[tuple[int, ...], float] = {}

    def __call__(self, *numbers: float) -> float:
        """The interpolated value."""
        places = [_place(*one) for one in zip(self._axes, numbers, strict=True)]
        value = 0.0
        ends = [((at, 1 - along), (at + 1, along)) for at, along in places]
        for corner in product(*ends):
            if weight := prod(share for _, share in corner):
                value += weight * self._at(tuple(at for at, _ in corner))
        return value

    def _at(self, place: tuple[int, ...]) -> float:
        if place not in self._known:
            points = (axis[at] for axis, at in zip(self._axes, place, strict=True))
            self._known[place] = self._function(*points)
        return self._known[place]


def _place(points: Sequence[float], value: float) -> tuple[int, float]:
    """The number of the point before ``value``, and how far it is on the way to the next."""
    at = min(max(bisect_right(points, value) - 1, 0), len(points) - 2)
    return at, (value - points[at]) / (points[at + 1] - points[at])


def doubling(first: float, last: float) -> list[float]:
    """``first``, twice as much and so on, and ``last``; two points at least."""
    points = [first]
    while points[-1] * 2 < last:
        points.append(points[-1] * 2)
    return [*points, max(last, first * 2)] if last <= first else [*points, last]
