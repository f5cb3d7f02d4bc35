"""A function of two numbers, known on a grid as far as it was asked, and between by lines."""

from bisect import bisect_right
from collections.abc import Callable, Sequence


class Interpolated:
    """``function(x, y)`` by bilinear interpolation between the points of ``xs`` and ``ys``.

    Points are computed when they are first needed. Beyond the first and last ones it goes on with
    the slope there. ``xs``, ``ys``: rising, two or more each.
    """

    def __init__(
        self, function: Callable[[float, float], float], xs: Sequence[float], ys: Sequence[float]
    ) -> None:
        self._function, self._xs, self._ys = function, xs, ys
        self._known: dict[tuple[int, int], float] = {}

    def __call__(self, x: float, y: float) -> float:
        """The interpolated value."""
        i, along = _place(self._xs, x)
        j, up = _place(self._ys, y)
        near, far = (self._at(i, k) * (1 - along) + self._at(i + 1, k) * along for k in (j, j + 1))
        return near * (1 - up) + far * up

    def _at(self, i: int, j: int) -> float:
        if (i, j) not in self._known:
            self._known[i, j] = self._function(self._xs[i], self._ys[j])
        return self._known[i, j]


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
