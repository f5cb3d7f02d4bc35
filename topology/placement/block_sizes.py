"""How large tightly-coupled blocks are: distributions of NPUs a block with a given mean.

The paper (arXiv 2506.12708v2, section 6.1.2) takes block sizes from production traces that are not
published and gives their mean alone. Each mix here is an assumption about the rest.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from topology.arguments import number
from topology.errors import PlacementError
from topology.names import near

Longs = NDArray[np.int64]
Floats = NDArray[np.float64]

LARGEST_POWER = 64
"""NPUs of the largest block of ``powers``. Assumption: eight nodes, four times a prefill instance
of the paper (16 NPUs)."""

LARGEST = 128
"""NPUs of the largest block of ``geometric``; at the paper's means larger ones hardly occur."""

DECODE = 160
"""NPUs of a decode instance of the paper (EP320, section 5.1): one block, as all of its experts
exchange tokens in every layer."""

USUAL_MEAN = 9.7
"""Mean of the blocks of ``decode`` that are no decode instances. Chosen after the fact: it is among
the values with which the paper's three figures come out (docs/placement.md has their range)."""


@dataclass(frozen=True, eq=False)
class BlockSizes:
    """A distribution of block sizes: ``sizes`` in NPUs, int64 [n], ``share`` of each, float64 [n].

    The shares add up to 1.
    """

    sizes: Longs
    share: Floats

    @property
    def mean(self) -> float:
        """Mean NPUs of a block."""
        return float(self.sizes @ self.share)

    def expected_rate(self, supernode: int) -> float:
        """The allocation rate of a supernode of so many NPUs by renewal theory, as a fraction.

        Blocks are taken in turn until one does not fit. What is left free then is, for a supernode
        much larger than its blocks, half of the mean of the squares over the mean, and half an NPU
        less as sizes are whole numbers.
        """
        squares = float((self.sizes.astype(np.float64) ** 2) @ self.share)
        return 1 - (squares / (2 * self.mean) - 0.5) / supernode


def powers(mean: float) -> BlockSizes:
    """Powers of two up to `LARGEST_POWER`, with shares in proportion to a power of the size."""
    powers_of_two = np.arange(LARGEST_POWER.bit_length())
    return _with_mean("powers", mean, 2**powers_of_two, -powers_of_two.astype(np.float64))


def geometric(mean: float) -> BlockSizes:
    """Every size up to `LARGEST`, each less frequent than the one below by the same factor."""
    sizes = np.arange(1, LARGEST + 1)
    return _with_mean("geometric", mean, sizes, -sizes.astype(np.float64))


def uniform(mean: float) -> BlockSizes:
    """Every size from 1 up to twice the mean less 1; the largest is rarer for a broken mean."""
    top = 2 * mean - 1
    whole = int(top)
    sizes = np.arange(1, whole + 2)
    # Of two uniform distributions, up to `whole` and up to one more, in the right proportion.
    part = top - whole
    share = np.append(np.full(whole, (1 - part) / whole), 0.0) + part / (whole + 1)
    return BlockSizes(sizes, share)


def decode(mean: float) -> BlockSizes:
    """`powers` with the mean `USUAL_MEAN`, and decode instances of `DECODE` NPUs for the rest.

    So the mean goes up because there are more of the largest blocks.
    """
    usual = powers(USUAL_MEAN)
    more = (mean - USUAL_MEAN) / (DECODE - USUAL_MEAN)
    if not 0 <= more <= 1:
        raise _impossible("decode", mean, USUAL_MEAN, DECODE)
    return BlockSizes(np.append(usual.sizes, DECODE), np.append(usual.share * (1 - more), more))


MIXES: Mapping[str, Callable[[float], BlockSizes]] = MappingProxyType(
    {"powers": powers, "geometric": geometric, "uniform": uniform, "decode": decode}
)
"""The distributions by name."""


def block_sizes(mix: str, mean: float) -> BlockSizes:
    """The distribution called ``mix``, of `MIXES`, with a ``mean`` in NPUs.

    Raises `PlacementError` with the choices, and for a mean that it cannot have.
    """
    if mix not in MIXES:
        raise PlacementError(f"no mix {mix!r}; there are {', '.join(MIXES)}{near(mix, MIXES)}")
    return MIXES[mix](number(mean, "the mean block", 1.0, float(LARGEST)))


def _with_mean(name: str, mean: float, sizes: Longs, slope: Floats) -> BlockSizes:
    """Shares whose logarithms go as ``slope``, by a factor that gives the mean (by bisection)."""

    def shares(bend: float) -> Floats:
        weights = np.exp(bend * slope - (bend * slope).max())
        found: Floats = weights / weights.sum()
        return found

    low, high = -50.0, 50.0
    if not sizes @ shares(high) <= mean <= sizes @ shares(low):
        raise _impossible(name, mean, int(sizes[0]), int(sizes[-1]))
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if sizes @ shares(middle) > mean else (low, middle)
    return BlockSizes(sizes, shares(low))


def _impossible(name: str, mean: float, least: float, most: float) -> PlacementError:
    return PlacementError(
        f"a mean block of {mean:g} NPUs: that of {name} is from {least} to {most}"
    )
