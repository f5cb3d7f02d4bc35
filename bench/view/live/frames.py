"""Frames: what a browser does not have yet of a watched world, as data that the page reads.

A browser that is slow gets fewer frames, each with all that it has missed: so nothing is ever
queued for it.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.view.film_payload import eighths
from bench.view.live.watched import LiveMark, RankStretch, Watched
from topology.labels import label


@dataclass
class Seen:
    """What a browser has been sent: versions of the film, and numbers of what only grows.

    ``skipped``: versions that it was not sent, as it was busy with one before.
    """

    version: int = 0
    film: int = 0
    epoch: int = -1
    stretch: int = 0
    mark: int = 0
    skipped: int = 0


def frame(world: Watched, seen: Seen, links: "np.ndarray[Any, np.dtype[np.int64]]") -> Any:
    """What has changed since ``seen``, which it brings up to date: for `packing.pack`.

    ``links``: the number on the page of each link of the topology.
    """
    film = world.film
    bins, more = film.changed(seen.film, seen.epoch), film.carriers(seen.film)
    first = max(seen.stretch, world.passed)
    if seen.version:
        seen.skipped += max(0, world.version - seen.version - 1)
    found = {
        "now": world.now, "duration": film.duration, "calls": world.calls,
        "dropped": world.dropped, "skipped": seen.skipped, "end": world.end,
        "whole": film.epoch != seen.epoch, "bins": bins.astype(np.uint16),
        "utilisation": eighths(film.utilisation(bins), 1.0), "main_label": film.main_label(bins),
        "labels": list(film.labels), "carriers": more.astype(np.uint32),
        "carried": film.carried[more].astype(np.float32),
        "pairs": world.pairs.astype(np.float32),
        "lanes": _lanes(list(world.later(first))), "passed": world.passed,
        "marks": [_mark(mark, links) for mark in world.marks[seen.mark :]],
    }  # fmt: skip
    seen.version, seen.film, seen.epoch = world.version, film.version, film.epoch
    seen.stretch, seen.mark = world.reached, len(world.marks)
    return found


def _lanes(found: list[RankStretch]) -> dict[str, Any]:
    columns = list(zip(*found, strict=True)) or [()] * len(RankStretch._fields)
    kinds = (np.uint16, np.float64, np.float64, np.uint8, np.uint8, np.int32)
    return {
        name: np.array(column, kind)
        for name, column, kind in zip(RankStretch._fields, columns, kinds, strict=True)
    }


def _mark(mark: LiveMark, links: "np.ndarray[Any, np.dtype[np.int64]]") -> dict[str, Any]:
    return {
        "at": mark.at, "text": label(mark.text), "share": mark.share,
        "links": links[mark.links].astype(np.uint32),
    }  # fmt: skip
