"""Routings that were captured from a running model: of many layers and steps, and how to use them.

A file is numpy's ``.npz``, with a row for each token of each layer and step:

- ``topk_idx``: integers ``[rows, top_k]``, the experts of the token, -1 where none is chosen;
- ``step``, ``layer``, ``rank``: integers ``[rows]``; ``layer`` is the number of a name;
- ``experts``: how many there are; ``layers``: uint8, a JSON list of the layers' names;
- ``topk_weights``: float32 as ``topk_idx``, if they are known;

or ``.jsonl``, JSON lines: an object for the tokens of a rank in a layer and step, such as
``{"step": 0, "layer": "moe 1", "rank": 0, "experts": 8, "topk_idx": [[0, 5], [2, 1]],
"topk_weights": null}``.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collectives.moe.routing.routing import MASKED, Ints, Routing, RoutingError
from topology.files.arrays import is_npz, read_npz
from topology.files.output import byte_file, text_file
from topology.files.reading import json_of, read_text, shown, whole

LINES = ".jsonl"
"""The suffix of JSON lines."""

MOST_RANKS = 1 << 17
"""Ranks of a capture at most."""

MOST_EXPERTS = 1 << 20
"""Experts at most."""

MOST_BYTES = 1 << 30
"""Bytes of the arrays of a file at most."""

SEED = 5
"""Beside that of the user, of the choice of tokens."""

_STEPS = re.compile(r"(\d{1,9})(?:-(\d{1,9}))?")
_COLUMNS = ("step", "layer", "rank")


@dataclass(frozen=True, eq=False)
class CapturedRouting:
    """The experts of tokens of many layers and steps, one a row.

    ``topk_idx``: int64 ``[rows, top_k]``; ``step``, ``layer``, ``rank``: int64 ``[rows]``;
    ``layers``: their names; ``experts``: how many there are; ``weights``: float32 as ``topk_idx``,
    None where they are not known. Raises `RoutingError` for what does not fit together.
    """

    topk_idx: Ints
    step: Ints
    layer: Ints
    rank: Ints
    layers: tuple[str, ...]
    experts: int
    weights: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        if self.topk_idx.ndim != 2 or not self.topk_idx.size:
            raise RoutingError(
                f"topk_idx is {list(self.topk_idx.shape)}; tokens x top_k are needed"
            )
        _check("topk_idx", self.topk_idx, MASKED, self.experts)
        highest = {"step": 1 << 53, "layer": len(self.layers), "rank": MOST_RANKS}
        for name, end in highest.items():
            column = getattr(self, name)
            if column.shape != self.topk_idx.shape[:1]:
                raise RoutingError(f"{name} has {list(column.shape)} rows of {len(self.topk_idx)}")
            _check(name, column, 0, end)
        if self.weights is not None and self.weights.shape != self.topk_idx.shape:
            raise RoutingError(f"topk_weights is {list(self.weights.shape)}")

    @property
    def top_k(self) -> int:
        """How many experts a token chooses."""
        return int(self.topk_idx.shape[1])

    @cached_property
    def ranks(self) -> int:
        """How many ranks brought tokens, or more: one more than the highest."""
        return int(self.rank.max()) + 1

    @property
    def is_single(self) -> bool:
        """Whether all is of one layer and step: a routing as it was."""
        return len(np.unique(self.step)) == len(np.unique(self.layer)) == 1

    @property
    def most_tokens(self) -> int:
        """How many tokens a rank brought to a layer of a step at most."""
        _, counts = np.unique(np.stack([self.step, self.layer, self.rank]), axis=1,
                              return_counts=True)  # fmt: skip
        return int(counts.max())

    def chosen(self, layer: str | None = None, steps: range | None = None) -> "CapturedRouting":
        """Those of one layer, and of some steps; raises `RoutingError` where there are none."""
        which = np.ones(len(self.step), bool)
        if layer is not None:
            if layer not in self.layers:
                raise RoutingError(f"there is no layer {layer!r}; there are {_some(self.layers)}")
            which &= self.layer == self.layers.index(layer)
        if steps is not None:
            which &= (self.step >= steps.start) & (self.step < steps.stop)
        if not which.any():
            last = int(self.step.max())
            raise RoutingError(f"no token of that layer and step; the steps are 0 to {last}")
        weights = None if self.weights is None else self.weights[which]
        return CapturedRouting(
            self.topk_idx[which], self.step[which], self.layer[which], self.rank[which],
            self.layers, self.experts, weights,
        )  # fmt: skip

    def as_it_was(self) -> Routing:
        """The routing of one layer and step, rank by rank; raises `RoutingError` for more."""
        if not self.is_single:
            raise RoutingError("it has tokens of several layers or steps: choose one of each")
        return Routing([self.topk_idx[self.rank == each] for each in range(self.ranks)],
                       self.experts)  # fmt: skip

    def drawn(self, ranks: int, tokens: int, seed: int = 0) -> Routing:
        """A routing of ``ranks`` ranks with ``tokens`` tokens each, of tokens that were captured.

        Each of these is taken as often as any other, or once more; in what order is drawn from
        ``seed``. The first tokens of a rank are the same in every batch that has so many.
        """
        rows, needed = len(self.topk_idx), ranks * tokens
        chances = np.random.default_rng((SEED, seed))
        order = [chances.permutation(rows) for _ in range(-(-needed // rows))]
        taken = np.concatenate([np.zeros(0, np.int64), *order])[:needed]
        rank_after_rank = taken.reshape(tokens, ranks).T
        return Routing(list(self.topk_idx[rank_after_rank]), self.experts)

    def blocks(self) -> Iterator[tuple[int, int, int, NDArray[np.bool_]]]:
        """Iterate over ``(step, layer, rank, rows)``, with a mask of the rows of each."""
        keys = np.stack([getattr(self, name) for name in _COLUMNS])
        for step, layer, rank in np.unique(keys, axis=1).T.tolist():
            which = (self.step == step) & (self.layer == layer) & (self.rank == rank)
            yield step, layer, rank, which


def selected_capture(text: str) -> CapturedRouting:
    """The capture that ``PATH`` or ``PATH#layer=NAME,step=FIRST[-LAST]`` names.

    Raises `RoutingError` for another selection, and as `load_captured` and `chosen`.
    """
    path, _, selection = text.partition("#")
    given: dict[str, Any] = {}
    for word in selection.split(",") if selection else ():
        name, _, value = word.partition("=")
        steps = _STEPS.fullmatch(value)
        if name == "layer" and value:
            given["layer"] = value
        elif name == "step" and steps:
            first, last = int(steps[1]), int(steps[2] or steps[1])
            given["steps"] = range(first, last + 1)
        else:
            raise RoutingError(
                f"{text}: {shown(word)} selects nothing; layer=NAME, step=N or step=FIRST-LAST do"
            )
    try:
        return load_captured(path).chosen(**given)
    except RoutingError as error:
        raise RoutingError(str(error) if path in str(error) else f"{path}: {error}") from None


def save_captured(captured: CapturedRouting, path: str | Path) -> None:
    """Write the file at ``path``, JSON lines if it ends in ``.jsonl``; raises `OSError`."""
    if Path(path).suffix.lower() == LINES:
        _save_lines(captured, path)
        return
    columns: dict[str, Any] = {
        "topk_idx": captured.topk_idx.astype(np.int32), "experts": np.int64(captured.experts),
        "layers": np.frombuffer(json.dumps(captured.layers).encode(), np.uint8),
        **{name: getattr(captured, name) for name in _COLUMNS},
    }  # fmt: skip
    if captured.weights is not None:
        columns["topk_weights"] = captured.weights
    with byte_file(path) as file:
        np.savez_compressed(file, allow_pickle=False, **columns)


def _save_lines(captured: CapturedRouting, path: str | Path) -> None:
    with text_file(path) as file:
        for step, layer, rank, rows in captured.blocks():
            weights = None if captured.weights is None else captured.weights[rows].tolist()
            line = {
                "step": step, "layer": captured.layers[layer], "rank": rank,
                "experts": captured.experts, "topk_idx": captured.topk_idx[rows].tolist(),
                "topk_weights": weights,
            }  # fmt: skip
            file.write(json.dumps(line) + "\n")


def is_captured(path: str | Path) -> bool:
    """Whether the file at ``path`` is a capture, and no routing of one layer and step.

    ``path``: as in `selected_capture`.
    """
    path = str(path).partition("#")[0]
    if Path(path).suffix.lower() == LINES:
        return True
    return is_npz(path) and "layer" in read_npz(path, RoutingError, most=MOST_BYTES)


def load_captured(path: str | Path) -> CapturedRouting:
    """The capture in the file at ``path``; raises `RoutingError` naming file and fault."""
    try:
        return _of_lines(path) if Path(path).suffix.lower() == LINES else _of_npz(path)
    except RoutingError as error:
        raise RoutingError(f"cannot read captured routings from {path}: {error}") from None


def _of_npz(path: str | Path) -> CapturedRouting:
    arrays = read_npz(path, RoutingError, "capture of routings", most=MOST_BYTES)
    for name in ("topk_idx", *_COLUMNS, "experts", "layers"):
        if name not in arrays or arrays[name].dtype.kind not in "iu":
            raise RoutingError(f"it has no integers {name}")
    weights = arrays.get("topk_weights")
    if weights is not None and weights.dtype.kind != "f":
        raise RoutingError(f"topk_weights is {weights.dtype}")
    experts = whole(arrays["experts"].reshape(-1)[:1].tolist()[0], 1, MOST_EXPERTS)
    names = json_of(arrays["layers"].tobytes().decode(errors="replace"), "layers", RoutingError)
    if experts is None or not isinstance(names, list) or not all(isinstance(n, str) for n in names):
        raise RoutingError(f"experts is {shown(arrays['experts'].tolist())}, layers {shown(names)}")
    step, layer, rank = (arrays[name].astype(np.int64) for name in _COLUMNS)
    return CapturedRouting(
        arrays["topk_idx"].astype(np.int64), step, layer, rank, tuple(names), experts,
        None if weights is None else weights.astype(np.float32),
    )  # fmt: skip


def _of_lines(path: str | Path) -> CapturedRouting:
    text = read_text(path, RoutingError)
    lines = [json_of(line, f"line {number}", RoutingError)
             for number, line in enumerate(text.splitlines(), 1) if line.strip()]  # fmt: skip
    blocks = []
    for number, line in enumerate(lines, 1):
        try:
            blocks.append(_block(line))
        except (TypeError, ValueError, KeyError, OverflowError) as error:
            raise RoutingError(f"line {number} is {shown(line)}: {error}") from None
    return gathered(blocks)


@dataclass(frozen=True, eq=False)
class RoutedTokens:
    """The tokens of a ``rank`` in a ``layer`` of a ``step``: their experts, of so many.

    ``topk_idx``: int64 ``[tokens, top_k]``; ``weights``: float32 of that shape, or None.
    """

    step: int
    layer: str
    rank: int
    experts: int
    topk_idx: Ints
    weights: NDArray[np.float32] | None = None


def _block(line: Any) -> RoutedTokens:
    if not isinstance(line, Mapping):
        raise RoutingError(f"it is {shown(line)}; an object is expected")
    numbers = {"step": 1 << 53, "rank": MOST_RANKS - 1, "experts": MOST_EXPERTS}
    for name, most in numbers.items():
        if whole(line[name], 0, most) is None:
            raise ValueError(f"{name} is {shown(line[name])}")
    chosen = np.array(line["topk_idx"])
    if chosen.ndim != 2 or chosen.dtype.kind != "i":
        raise ValueError("topk_idx is no list of tokens of equally many experts")
    weights = line.get("topk_weights")
    return RoutedTokens(
        line["step"], str(line["layer"]), line["rank"], line["experts"], chosen.astype(np.int64),
        None if weights is None else np.array(weights, np.float32),
    )  # fmt: skip


def gathered(blocks: Iterable[RoutedTokens]) -> CapturedRouting:
    """All of these tokens; raises `RoutingError` if there are none, or they differ in experts.

    Weights are kept where all have them.
    """
    given = [block for block in blocks if len(block.topk_idx)]
    kinds = {(block.experts, block.topk_idx.shape[1]) for block in given}
    if len(kinds) != 1:
        found = ", ".join(f"top-{top_k} of {experts}" for experts, top_k in sorted(kinds))
        raise RoutingError(
            f"it has {found or 'no tokens'}; one number of experts and top_k is needed"
        )
    layers = list(dict.fromkeys(block.layer for block in given))
    size = [len(block.topk_idx) for block in given]
    weights = [block.weights for block in given if block.weights is not None]

    def column(values: list[int]) -> Ints:
        return np.repeat(np.array(values, np.int64), size)

    return CapturedRouting(
        np.concatenate([block.topk_idx for block in given]),
        column([block.step for block in given]),
        column([layers.index(block.layer) for block in given]),
        column([block.rank for block in given]), tuple(layers), given[0].experts,
        np.concatenate(weights) if len(weights) == len(given) else None,
    )  # fmt: skip


def _check(name: str, column: Ints, low: int, end: int) -> None:
    if column.min() < low or column.max() >= end:
        bad = column.min() if column.min() < low else column.max()
        raise RoutingError(f"{name} has {bad}, outside {low}..{end - 1}")


def _some(names: tuple[str, ...]) -> str:
    return ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
