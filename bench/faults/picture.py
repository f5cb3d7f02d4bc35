"""The picture of a sweep over failures: how many cost how much, a curve for each kind."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bench.faults.sweep import Sweep
from bench.plot import canvas


def draw(found: Sequence[Sweep], path: Path) -> None:
    """Draw the share of failures over what they cost at most, to ``path``; raises `OSError`.

    Failures that the workload does not survive are missing at the top of a curve.
    """
    with canvas(path, 7, 4) as figure:
        axes = figure.add_subplot()
        for each in found:
            slow = 100 * (each.slowdowns - 1)
            share = 100 * np.arange(len(slow) + 1) / max(each.count, 1)
            first = slow[:1] if len(slow) else np.zeros(1)
            label = f"{each.kind} ({each.count})"
            axes.step(np.concatenate([first, slow]), share, where="post", label=label)
        axes.set_xlabel("slower than the whole machine, %")
        axes.set_ylabel("of the failures, %")
        axes.set_ylim(0, 102)
        axes.legend()
