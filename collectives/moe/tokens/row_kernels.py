"""The loops that order tokens and move their rows, compiled; none holds the interpreter lock.

``pointer(address)``: for ``carray(pointer, shape, dtype)``, which is the array there. ``copy(to,
of, size)``: from address to address.
"""

from typing import Any

import numba
import numpy as np
from numba.core import cgutils, types
from numba.extending import intrinsic
from numpy.typing import NDArray

from topology.compiled import unlocked

_Bytes = NDArray[np.uint8]
_Longs = NDArray[np.int64]
_Ints = NDArray[np.int32]
_Floats = NDArray[np.float32]

_MASKED = -1
"""`collectives.moe.routing.routing.MASKED`."""


def _pointer_to(typing: Any, address: Any) -> Any:
    """An address as a pointer, for ``numba.carray``."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], context.get_value_type(signature.return_type))

    return types.voidptr(address), generate


def _copy_of(typing: Any, to: Any, of: Any, size: Any) -> Any:
    """Copies bytes from address to address as C's memcpy does: loops of numba take three times."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = context.get_value_type(types.voidptr)
        into, source = (builder.inttoptr(address, pointer) for address in arguments[:2])
        _memcpy(builder, into, source, arguments[2], 1)
        return context.get_dummy_value()

    return types.void(to, of, size), generate


_memcpy: Any = cgutils.raw_memcpy
pointer: Any = intrinsic(_pointer_to)
copy: Any = intrinsic(_copy_of)
carray: Any = numba.carray  # type: ignore[attr-defined]


@unlocked
def fetch(source: _Longs, by_source: _Longs, into: _Longs, widths: _Longs, rows_each: int) -> None:
    """Copy tokens from their senders' memory to their places here.

    ``source``: ``[ranks, 4]``, for each the addresses of its rows, their scales, the numbers
    (int64) of the tokens to copy, and how many (0: skip the rank). ``by_source``: ``[ranks,
    experts]``, how many are for each expert. ``into``: addresses of rows, scales and numbers
    (int32), with room for ``rows_each`` for each expert; ``widths``: bytes of a row, and of its
    scales.
    """
    experts = by_source.shape[1]
    at = np.arange(experts) * rows_each
    row, scale = widths[0], widths[1]
    number = carray(pointer(into[2]), (experts * rows_each,), np.int32)
    for rank in range(len(source)):
        n = source[rank, 3]
        if n == 0:  # they come in another way
            at += by_source[rank]
            continue
        token = carray(pointer(source[rank, 2]), (n,), np.int64)
        i = 0
        for expert in range(experts):
            for _ in range(by_source[rank, expert]):
                t, to = token[i], at[expert]
                copy(into[0] + to * row, source[rank, 0] + t * row, row)
                copy(into[1] + to * scale, source[rank, 1] + t * scale, scale)
                number[to] = t
                at[expert] += 1
                i += 1


@unlocked
def pack(
    rows: _Bytes, scales: _Bytes, extra: _Bytes, token: _Longs, begin: _Longs, out: _Bytes
) -> None:
    """Write a message for each peer: rows of its tokens, then their scales, then their records.

    ``rows`` and ``scales``: ``[tokens, bytes]``; ``token``: of every row, by peer; ``extra``: the
    records, ``[rows, bytes]``; ``begin``: where each peer's begin in ``token``, and the end.
    """
    width, scale, more = rows.shape[1], scales.shape[1], extra.shape[1]
    whole = np.ascontiguousarray(rows), np.ascontiguousarray(scales), np.ascontiguousarray(extra)
    given, factors, records = whole[0].ctypes.data, whole[1].ctypes.data, whole[2].ctypes.data
    for peer in range(len(begin) - 1):
        first, last = begin[peer], begin[peer + 1]
        at = out.ctypes.data + first * (width + scale + more)
        for i in range(first, last):
            copy(at, given + token[i] * width, width)
            at += width
        for i in range(first, last):
            copy(at, factors + token[i] * scale, scale)
            at += scale
        for i in range(first, last):
            copy(at, records + i * more, more)
            at += more


@unlocked
def count_choices(choices: _Longs, repeats: bool, counts: _Longs) -> bool:
    """Fill ``counts`` with how many ``choices``, ``[tokens, top_k]``, there are of each expert.

    False where a choice is no expert, or, but for ``repeats``, a token chooses one twice.
    """
    experts = len(counts)
    counts[:] = 0
    last = np.full(experts, -1, np.int64)  # the last token that chose each
    for t in range(choices.shape[0]):
        for k in range(choices.shape[1]):
            expert = choices[t, k]
            if expert == _MASKED:
                continue
            if expert < 0 or expert >= experts or (last[expert] == t and not repeats):
                return False
            last[expert] = t
            counts[expert] += 1
    return True


@unlocked
def tell_counts(counts: _Longs, local: _Longs, tell: _Longs) -> None:
    """Fill the first columns of ``tell``, a row a rank, with the ``counts`` of its experts.

    ``local``: how many each has; 0 up to the most of a rank.
    """
    most, expert = local.max(), 0
    for rank in range(len(local)):
        for place in range(most):
            tell[rank, place] = counts[expert] if place < local[rank] else 0
            expert += place < local[rank]


@unlocked
def select(
    choices: _Longs, home: _Longs, repeats: bool, token: _Longs, row: _Longs, counts: _Longs,
    sent: _Longs,
) -> int:  # fmt: skip
    """Order the choices by expert and token, as `Selected`; returns how many are not masked.

    ``choices``: ``[tokens, top_k]``; ``home``: the rank of each expert. The rest is filled, of
    ``token`` the beginning. -1 where a choice is wrong, see `count_choices`.
    """
    if not count_choices(choices, repeats, counts):
        return -1
    at = counts.cumsum() - counts
    sent[:] = 0
    for expert in range(len(counts)):
        sent[home[expert]] += counts[expert]
    for t in range(choices.shape[0]):
        for k in range(choices.shape[1]):
            expert = choices[t, k]
            row[t, k] = -1
            if expert != _MASKED:
                row[t, k] = at[expert]
                token[at[expert]] = t
                at[expert] += 1
    return int(counts.sum())


@unlocked
def stage_slots(
    rows: _Bytes, scales: _Bytes, token: _Longs, counts: _Longs, local: _Longs, memory: _Bytes,
    tell: _Longs,
) -> None:  # fmt: skip
    """Copy ``token``, ``rows`` and ``scales``, each without gaps, to ``memory``, one after another.

    ``tell``: of each rank, the tokens for each of its ``local`` experts, of which ``counts`` are;
    and after these columns, as many as the most experts of a rank: where the rows begin in
    ``memory``, the scales, the tokens for the rank, and how many these are.
    """
    first = token.size * token.itemsize
    after = first + rows.size
    copy(memory.ctypes.data, token.ctypes.data, first)
    copy(memory.ctypes.data + first, rows.ctypes.data, rows.size)
    copy(memory.ctypes.data + after, scales.ctypes.data, scales.size)
    tell_counts(counts, local, tell)
    most, before = local.max(), 0
    for rank in range(len(local)):
        n = tell[rank, :most].sum()
        tell[rank, most] = first
        tell[rank, most + 1] = after
        tell[rank, most + 2] = before * token.itemsize
        tell[rank, most + 3] = n
        before += n


@unlocked
def fetch_slots(
    told: _Longs, most: int, begin: _Longs, into: _Longs, row: int, scale: int, rows_each: int,
    by_source: _Longs, by_expert: _Longs, counts: _Longs,
) -> None:  # fmt: skip
    """Copy the tokens for this rank from what `stage_slots` has made at each, and told this one.

    ``told``: ``[ranks, ...]``; ``most``: experts of a rank at most; ``begin``: the address of each
    rank's memory; ``row``, ``scale``: bytes of each. Filled: ``by_source``, ``[ranks, experts]``,
    ``by_expert``, its transpose, and ``counts``, its sum. The rest as for `fetch`.
    """
    counts[:] = 0
    for rank in range(by_source.shape[0]):
        for expert in range(by_source.shape[1]):
            by_source[rank, expert] = by_expert[expert, rank] = told[rank, expert]
            counts[expert] += told[rank, expert]
    source = told[:, most : most + 4].copy()
    source[:, :3] += begin.reshape(-1, 1)
    fetch(source, by_source, into, np.array([row, scale]), rows_each)


@unlocked
def stage_results(
    y: int, width: int, rows_each: int, by_source: _Longs, rank: int, memory: _Bytes, most: int,
    tell: _Longs, own: _Longs,
) -> None:  # fmt: skip
    """Copy other ranks' results to ``memory``, by rank and expert.

    ``y``: the address of the results, of ``width`` bytes each and ``rows_each`` rows of an expert;
    ``by_source``: ``[ranks, experts]``, how many there are. ``tell``: of each other rank, where
    those of each expert begin in ``memory``, and in column ``most`` all their bytes. ``own``: gets
    the addresses of those for this ``rank``, by expert.
    """
    experts = by_source.shape[1]
    at = y + np.arange(experts) * (rows_each * width)
    to = 0
    for source in range(len(by_source)):
        if source == rank:
            own[:] = at
        before = to
        for expert in range(experts):
            size = by_source[source, expert] * width
            if source != rank:
                tell[source, expert] = to
                copy(memory.ctypes.data + to, at[expert], size)
                to += size
            at[expert] += size
        tell[source, most] = to - before


@unlocked
def find_results(
    told: _Longs, begin: _Longs, own: _Longs, rank: int, local: _Longs, choices: _Longs,
    row: _Longs, counts: _Longs, width: int, address: _Longs,
) -> None:  # fmt: skip
    """Fill ``address``, ``[tokens, top_k]``, with where the result of each choice is; 0 for none.

    ``told``: by each rank, as `stage_results` has it; ``begin``: the address of each rank's memory;
    ``own``: of this ``rank``. The results have the order of `select`, which has made ``row`` and
    ``counts``.
    """
    place = np.empty(len(counts), np.int64)  # of an expert's row 0, were that its first
    expert, before = 0, 0
    for host in range(len(local)):
        for one in range(local[host]):
            first = own[one] if host == rank else begin[host] + told[host, one]
            place[expert] = first - before * width
            before += counts[expert]
            expert += 1
    for t in range(choices.shape[0]):
        for k in range(choices.shape[1]):
            address[t, k] = 0
            if row[t, k] >= 0:
                address[t, k] = place[choices[t, k]] + row[t, k] * width


@unlocked
def select_copies(
    choices: _Longs, home: _Longs, repeats: bool, token: _Longs, row: _Longs, counts: _Longs,
    by_expert: _Longs,
) -> tuple[int, int]:  # fmt: skip
    """Order the copies of tokens, one for each rank that it needs, by rank and token, as `Copied`.

    Returns how many there are, and of a token at most. ``by_expert``: gets how many choose each
    expert. The rest as for `select`; -1 where a choice is wrong.
    """
    if not count_choices(choices, repeats, by_expert):
        return -1, 0
    ranks = len(counts)
    counts[:] = 0
    needs = np.full(ranks, -1, np.int64)  # the last token that each needs
    for t in range(choices.shape[0]):
        for k in range(choices.shape[1]):
            expert = choices[t, k]
            if expert != _MASKED and needs[home[expert]] != t:
                needs[home[expert]] = t
                counts[home[expert]] += 1
    at = counts.cumsum() - counts
    needs[:] = -1
    most = 0
    for t in range(choices.shape[0]):
        for k in range(choices.shape[1]):
            if choices[t, k] != _MASKED:
                needs[home[choices[t, k]]] = t
        n = 0
        for rank in range(ranks):
            if needs[rank] == t:
                row[t, n] = at[rank]
                token[at[rank]] = t
                at[rank] += 1
                n += 1
        row[t, n:] = -1
        most = max(most, n)
    return counts.sum(), most


@unlocked
def stage_rows(
    rows: _Bytes, scales: _Bytes, choices: _Longs, weights: _Bytes, token: _Longs, counts: _Longs,
    by_expert: _Longs, local: _Longs, memory: _Bytes, tell: _Longs,
) -> None:  # fmt: skip
    """Copy what is known of tokens, each array without gaps, to ``memory``, unless that is empty.

    ``tell``: of each rank, how many choose each of its ``local`` experts, of which ``by_expert``
    are; and after these columns, as many as the most experts of a rank: where the rows begin in
    ``memory``, the scales, the choices, the weights, the tokens for the rank, and how many of
    ``counts`` these are.
    """
    sizes = (8 * token.size, 8 * choices.size, weights.size, rows.size, scales.size)
    of = (
        token.ctypes.data, choices.ctypes.data, weights.ctypes.data, rows.ctypes.data,
        scales.ctypes.data,
    )  # fmt: skip
    begin = np.zeros(len(sizes), np.int64)
    to = 0
    for part in range(len(sizes)):
        begin[part] = to
        if memory.size:
            copy(memory.ctypes.data + to, of[part], sizes[part])
        to += sizes[part]
    tell_counts(by_expert, local, tell)
    most, before = local.max(), 0
    for rank in range(len(local)):
        tell[rank, most] = begin[3]
        tell[rank, most + 1] = begin[4]
        tell[rank, most + 2] = begin[1]
        tell[rank, most + 3] = begin[2]
        tell[rank, most + 4] = 8 * before
        tell[rank, most + 5] = counts[rank]
        before += counts[rank]


@unlocked
def fetch_rows(
    told: _Longs, most: int, begin: _Longs, into: _Longs, widths: _Longs, first: int, local: int,
    choices: _Longs, weights: _Floats, number: _Ints,
) -> None:  # fmt: skip
    """Copy the tokens for this rank from what `stage_rows` has made at each, and told this one.

    By rank and token. ``told``, ``most``, ``begin``, ``widths``: as for `fetch_slots`; ``into``:
    addresses of rows and scales. ``choices`` and ``weights``, ``[tokens, top_k]``, are filled with
    those of the ``local`` experts here, of which ``first`` is the first, the others with -1 and 0;
    ``weights`` may have no columns. ``number``: gets the row of each token at its source.
    """
    row, scale = widths[0], widths[1]
    top_k, carried = choices.shape[1], weights.shape[1]
    to = 0
    for rank in range(len(told)):
        n = told[rank, most + 5]
        if n == 0:
            continue
        place = told[rank, most : most + 5] + begin[rank]
        token = carray(pointer(place[4]), (n,), np.int64)
        for i in range(n):
            t = token[i]
            copy(into[0] + to * row, place[0] + t * row, row)
            copy(into[1] + to * scale, place[1] + t * scale, scale)
            number[to] = t
            chosen = carray(pointer(place[2] + t * 8 * top_k), (top_k,), np.int64)
            weighed = carray(pointer(place[3] + t * 4 * carried), (carried,), np.float32)
            for k in range(top_k):
                here = first <= chosen[k] < first + local
                choices[to, k] = chosen[k] - first if here else -1
                if carried:
                    weights[to, k] = weighed[k] if here else np.float32(0)
            to += 1


@unlocked
def find_copies(row: _Longs, counts: _Longs, begin: _Longs, width: int, address: _Longs) -> None:
    """Fill ``address`` with where the result of each copy is that ``row`` names; 0 for -1.

    ``begin``: where those of each rank begin, so many as ``counts`` says, of ``width`` bytes each.
    """
    place = np.empty(counts.sum(), np.int64)
    at = 0
    for rank in range(len(counts)):
        for i in range(counts[rank]):
            place[at] = begin[rank] + i * width
            at += 1
    for t in range(row.shape[0]):
        for k in range(row.shape[1]):
            address[t, k] = place[row[t, k]] if row[t, k] >= 0 else 0
