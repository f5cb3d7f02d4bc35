"""Routings from files: numpy's arrays, JSON, or a table of text, checked cell by cell."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collectives.moe.routing.routing import MASKED, Ints, Routing, RoutingError
from collectives.moe.routing.tensor_files import of_safetensors, of_torch
from topology.files.arrays import read_npy, read_npz
from topology.files.reading import read_json, shown, whole
from topology.files.tables import NumberedLine, read_table

SUFFIXES = (".npy", ".npz", ".json", ".csv", ".safetensors", ".pt")
"""Files that `from_file` reads."""

MOST_RANKS = 1 << 17
"""Ranks of a routing at most."""

MOST_EXPERTS = 1 << 20
"""Experts of a routing at most."""

MOST_PAIRS = 1 << 28
"""Ranks times experts at most: tables of that size are counted."""

MOST_BYTES = 1 << 29
"""Bytes of the arrays of a file at most."""

_DECORATION = ("topk_weights", "comment", "description", "name", "note", "source")
_CHECKED = ("ranks", "top_k", "tokens")
_NO_EXPERT = re.compile(
    r"(tokens?|token_.*|position|layer.*|step.*|time.*|weights?.*|w[0-9]+|scores?.*|prob.*|gates?.*"
    r"|logits?.*|experts|top_?k)",
    re.IGNORECASE,
)
"""Headers of columns that do not hold a token's experts."""


def from_file(path: str | Path, experts: int | None = None, default: int | None = None) -> Routing:
    """The routing in the file at ``path``.

    - ``.npy``: integers ``[ranks, tokens, top_k]``.
    - ``.npz``: the same array as ``topk_idx``, and optionally ``experts``, a number.
    - ``.json``: ``{"experts": n, "topk_idx": [[[...], ...], ...]}`` by rank, token and slot, or
      the list alone; ranks may have different numbers of tokens. ``ranks``, ``tokens`` and
      ``top_k``, if present, must agree with the list.
    - ``.csv``: one line for each token: its rank, then its experts, -1 for a masked choice; commas,
      semicolons or tabs between. Lines that begin with ``rank`` or ``#`` are skipped; the largest
      rank decides the number of ranks.
    - ``.safetensors``, ``.pt``: see `collectives.moe.routing.tensor_files`.

    ``experts`` or ``default`` must be given if the file does not say how many there are. Raises
    `RoutingError` naming file, place, value and what is expected.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise RoutingError(f"cannot read a routing from {path}; can from {', '.join(SUFFIXES)}")
    if experts is not None and whole(experts, 1, MOST_EXPERTS) is None:
        raise RoutingError(f"{shown(experts)} experts; 1 to {MOST_EXPERTS} are possible")
    try:
        table, told = _READERS[suffix](path, default if experts is None else experts)
    except RoutingError as error:
        raise RoutingError(f"cannot read a routing from {path}: {_less(error, path)}") from None
    known = next((n for n in (experts, told, default) if n is not None), None)
    if known is None:
        raise RoutingError(f"{path} does not tell how many experts there are; give experts")
    if told not in (None, known):
        raise RoutingError(f"{path} is of {told} experts, not of {known}")
    if len(table) * known > MOST_PAIRS:
        raise RoutingError(
            f"{path} is of {len(table)} ranks and {known} experts, more than {MOST_PAIRS} pairs"
        )
    try:
        return Routing(table, known)
    except RoutingError as error:
        raise RoutingError(f"{path}: {error}") from None


def _less(error: RoutingError, path: Path) -> str:
    """What an error says beside the name of the file, which it may begin with."""
    return re.sub(rf"^{re.escape(str(path))}:? ?(is no JSON: )?", "", str(error))


_Table = Sequence[Ints] | NDArray[Any]


def _of_npy(path: Path, _: int | None) -> tuple[_Table, None]:
    return _checked("it", read_npy(path, RoutingError, MOST_BYTES)), None


def _of_npz(path: Path, _: int | None) -> tuple[_Table, int | None]:
    arrays = read_npz(path, RoutingError, most=MOST_BYTES)
    _check_names(arrays)
    told = None
    if "experts" in arrays:
        given = arrays["experts"]
        if given.size != 1 or given.dtype.kind not in "iu":
            raise RoutingError(
                f"experts is {given.dtype}{list(given.shape)}; one whole number is expected"
            )
        told = _experts(int(given.reshape(())))
    table = _checked("topk_idx", arrays["topk_idx"])
    for name in _CHECKED:
        if name in arrays:
            _agree(name, arrays[name].tolist(), table)
    return table, told


def _checked(name: str, table: NDArray[Any]) -> NDArray[Any]:
    if table.ndim != 3 or table.dtype.kind not in "iu" or not len(table):
        raise RoutingError(
            f"{name} is {table.dtype}{list(table.shape)}; integers [ranks, tokens, top_k] are"
            " expected"
        )
    if len(table) > MOST_RANKS:
        raise RoutingError(f"{name} is of {len(table)} ranks; {MOST_RANKS} at most are possible")
    return table


def _of_json(path: Path, _: int | None) -> tuple[_Table, int | None]:
    given = read_json(path, RoutingError)
    if isinstance(given, list):
        return _ranks("it", given), None
    if not isinstance(given, dict):
        raise RoutingError(f"it is {shown(given)}; an object or a list of ranks is expected")
    _check_names(given)
    table = _ranks("topk_idx", given["topk_idx"])
    for name in _CHECKED:
        if name in given:
            _agree(name, given[name], table)
    return table, _experts(given["experts"]) if "experts" in given else None


def _check_names(given: Mapping[str, Any]) -> None:
    if "topk_idx" not in given:
        raise RoutingError(f"it has no topk_idx; it has {', '.join(given) or 'nothing':.200}")
    known = ("topk_idx", "experts", *_CHECKED, *_DECORATION)
    unknown = [name for name in given if name not in known]
    if unknown:
        raise RoutingError(f"it has {shown(unknown[0])}; known are {', '.join(known)}")


def _experts(given: object) -> int:
    found = None if isinstance(given, str) else whole(given, 1, MOST_EXPERTS)
    if found is None:
        raise RoutingError(f"experts is {shown(given)}; a whole number of 1 or more is expected")
    return found


def _agree(name: str, given: object, table: _Table) -> None:
    """Raise `RoutingError` where a file says another number than it has."""
    tokens = [len(rank) for rank in table]
    alike = tokens[0] if len(set(tokens)) == 1 else None
    has = {"ranks": [len(table)], "top_k": [table[0].shape[1]], "tokens": [tokens, alike]}[name]
    if isinstance(given, bool) or given not in has:
        raise RoutingError(f"{name} is {shown(given)}, and topk_idx has {shown(has[0])}")


def _ranks(name: str, given: object) -> list[Ints]:
    """The choices of every rank, from lists in lists."""
    ranks = _list(name, given, "ranks")
    if not 0 < len(ranks) <= MOST_RANKS:
        raise RoutingError(f"{name} is of {len(ranks)} ranks; 1 to {MOST_RANKS} are possible")
    tokens = [_list(f"{name}[{at}]", rank, "tokens") for at, rank in enumerate(ranks)]
    width: int | None = None
    found = []
    for rank, rows in enumerate(tokens):
        for at, row in enumerate(rows):
            where = f"{name}[{rank}][{at}]"
            width = len(_list(where, row, "experts")) if width is None else width
            _check_row(where, row, width)
        found.append(np.array(rows, np.int64).reshape(len(rows), width or 0))
    if not width:
        raise RoutingError(f"{name} has no token that chooses an expert")
    return [rows.reshape(len(rows), width) for rows in found]


def _list(where: str, given: object, what: str) -> list[Any]:
    if not isinstance(given, list):
        raise RoutingError(f"{where} is {shown(given)}; a list of {what} is expected")
    return given


def _check_row(where: str, row: object, width: int) -> None:
    experts = _list(where, row, "experts")
    if len(experts) != width:
        raise RoutingError(f"{where} has {len(experts)} experts, and others {width}")
    for slot, expert in enumerate(experts):
        if type(expert) is not int or not MASKED <= expert < MOST_EXPERTS:
            raise RoutingError(
                f"{where}[{slot}] is {shown(expert)}; an expert, 0 or more, or {MASKED} is expected"
            )


def _of_csv(path: Path, experts: int | None) -> tuple[_Table, None]:
    lines = read_table(path, RoutingError)
    rows: dict[int, list[list[int]]] = {}
    width: int | None = None
    for line in lines:
        if line.cells[0].lower().startswith("rank"):
            _check_header(line)
            continue
        width = len(line.cells) if width is None else width
        if width < 2 or len(line.cells) != width:
            first = "a rank and its token's experts" if width < 2 else f"{width} cells, as before,"
            raise RoutingError(
                f"line {line.number} has {len(line.cells)} cells: {first} are expected"
                f" ({MASKED} is a masked choice)"
            )
        rank = _cell(line, 0, 0, MOST_RANKS - 1, "rank")
        limit = MOST_EXPERTS if experts is None else experts
        chosen = [_cell(line, at, MASKED, limit - 1, "expert") for at in range(1, width)]
        _check_chosen(line, chosen)
        rows.setdefault(rank, []).append(chosen)
    if width is None:
        raise RoutingError("it has no token: every line has to be a rank and its token's experts")
    empty = np.empty((0, width - 1), np.int64)
    ranks = range(max(rows) + 1)
    return [np.array(rows[rank], np.int64) if rank in rows else empty for rank in ranks], None


def _check_header(line: NumberedLine) -> None:
    for at, name in enumerate(line.cells[1:], start=2):
        if _NO_EXPERT.fullmatch(name):
            raise RoutingError(
                f"line {line.number}, column {at}: {shown(name)} is no column of a routing: after"
                " the rank only experts are expected"
            )


def _cell(line: NumberedLine, at: int, low: int, high: int, what: str) -> int:
    found = whole(line.cells[at], low, high)
    if found is None:
        masked = f" or {MASKED} (masked)" if low == MASKED else ""
        raise RoutingError(
            f"line {line.number}, column {at + 1}: {shown(line.cells[at])} is no {what}: a whole"
            f" number from 0 to {high}{masked} is expected"
        )
    return found


def _check_chosen(line: NumberedLine, chosen: list[int]) -> None:
    seen: set[int] = set()
    for at, expert in enumerate(chosen):
        if expert in seen:
            raise RoutingError(
                f"line {line.number}, column {at + 2}: expert {expert} comes twice; the experts of"
                " a token have to differ"
            )
        if expert != MASKED:
            seen.add(expert)


def _of_safetensors(path: Path, _: int | None) -> tuple[_Table, int | None]:
    table, told = of_safetensors(path)
    return _checked("it", table), told


def _of_torch(path: Path, _: int | None) -> tuple[_Table, int | None]:
    table, told = of_torch(path)
    return _checked("it", table), told


_READERS = {
    ".npy": _of_npy, ".npz": _of_npz, ".json": _of_json, ".csv": _of_csv,
    ".safetensors": _of_safetensors, ".pt": _of_torch,
}  # fmt: skip
