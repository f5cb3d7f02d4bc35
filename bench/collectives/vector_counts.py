"""How many bytes go from whom to whom in all_to_all_v: nccl-tests' pattern, or a file's matrix."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.collectives.nccl_environment import MATRIX, SCALE, SPREAD, number
from bench.machine import BenchError
from bench.options import MAX_BYTES
from topology.files.reading import read_text

Counts = NDArray[np.int64]
"""[ranks, ranks]: bytes from rank i to rank j."""


@dataclass(frozen=True, eq=False)
class VectorCounts:
    """How many bytes go from whom to whom: a ``matrix``, or nccl-tests' generated pattern.

    ``spread``: of the generated pattern, 0 uniform to 1, more for farther ranks. ``dimension``,
    ``scale``: of the file that the matrix came from.
    """

    spread: float = 1.0
    matrix: Counts | None = None
    dimension: int = 0
    scale: float = 1.0

    def counts(self, ranks: int, total: int) -> Counts:
        """Bytes from each rank to each, int64 [ranks, ranks]: a file's matrix, or the pattern.

        In the pattern each rank sends ``total`` bytes.
        """
        return spread_counts(ranks, total, self.spread) if self.matrix is None else self.matrix


def traffic_of(ranks: int, matrix: str | None, environment: Mapping[str, str]) -> VectorCounts:
    """The traffic from ``matrix``, a file, or else from nccl-tests' variables.

    Raises `BenchError`.
    """
    spread = min(max(number(environment, SPREAD), 0.0), 1.0)
    scale = max(number(environment, SCALE), 0.0)
    path = matrix or environment.get(MATRIX)
    if path is None:
        return VectorCounts(spread)
    counts = read_matrix(path, scale)
    if len(counts) < ranks:
        raise BenchError(f"traffic matrix {path} is {len(counts)} wide; {ranks} ranks need as much")
    return VectorCounts(spread, counts[:ranks, :ranks], len(counts), scale)


def busiest(counts: Counts) -> int:
    """The most bytes that any rank sends or receives."""
    return int(max(counts.sum(0).max(), counts.sum(1).max()))


def read_matrix(path: str, scale: float = 1.0) -> Counts:
    """The traffic matrix in a file of nccl-tests: in line i, bytes from i to each j.

    Values are multiplied by ``scale``, then rounded down to multiples of 16. Raises `BenchError`
    naming file and place.
    """
    text = read_text(path, BenchError)
    lines = [(at, line.split()) for at, line in enumerate(text.split("\n"), start=1)]
    rows = [(at, cells) for at, cells in lines if cells]
    if not rows:
        raise BenchError(f"traffic matrix {path} is empty")
    for row, (line, cells) in enumerate(rows):
        if len(cells) != len(rows):
            shape = f"{len(rows)} rows, and row {row} has {len(cells)} columns (line {line})"
            raise BenchError(f"traffic matrix {path} must be square: it has {shape}")
    values = [
        [_bytes(f"{path}, row {row}, column {column}", line, cell, scale)
         for column, cell in enumerate(cells)]
        for row, (line, cells) in enumerate(rows)
    ]  # fmt: skip
    return np.array(values, np.int64)


def _bytes(place: str, line: int, text: str, scale: float) -> int:
    where = f"traffic matrix {place}: {text!r:.60}"
    try:
        value = float(text)
    except ValueError:
        raise BenchError(f"{where} is not a number (line {line})") from None
    if not value >= 0:
        raise BenchError(f"{where} is not 0 or more (line {line})")
    if value * scale > MAX_BYTES or value == np.inf:
        raise BenchError(f"{where} times {scale:g} is above {MAX_BYTES} bytes (line {line})")
    return int(value * scale) & ~15


def spread_counts(ranks: int, total: int, spread: float) -> Counts:
    """nccl-tests' generated traffic: bytes from each rank to each, int64 [ranks, ranks].

    Each rank sends about ``total`` bytes. ``spread`` 0 is uniform; at 1 bytes are proportional to
    the distance of the ranks.
    """
    if ranks == 1:
        return np.array([[total & ~15]])
    me = np.arange(ranks)
    distance = (me[None, :] - me[:, None]) % ranks
    far = distance * float(total) / float(ranks * (ranks - 1) // 2)
    mixed = (1.0 - spread) * (float(total) / ranks) + spread * far
    return mixed.astype(np.int64) & ~15
