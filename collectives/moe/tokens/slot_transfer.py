"""What the low-latency mode sends to each rank and back, and where it goes there.

Ranks that can read each other's memory tell each other where their tokens and results lie: each is
copied once, by its receiver; between threads, results are not copied at all. Other ranks pack a
message for each peer. Processes of one host read copies instead, see `staged_slots`, unless there
are very many tokens.
"""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from collectives.calls.communicator import Communicator
from collectives.calls.untimed import Rounds
from collectives.moe.routing.expert_ranks import ExpertRanks
from collectives.moe.routing.routing import Ints
from collectives.moe.tensors import Array
from collectives.moe.tokens.arrivals import Arrivals, bytes_of
from collectives.moe.tokens.loading import row_kernels
from collectives.moe.tokens.quantise import add_up
from collectives.moe.tokens.scratch import Scratch
from collectives.moe.tokens.segments import into
from collectives.moe.tokens.selection import Selected
from fabric.ranks.message_moves import Round
from fabric.transports.base import Bytes, PeerMemory, address_of

NUMBER = 4
"""Bytes of a token's row at its source."""


class Tokens:
    """The tokens of this rank, on their way to the experts that they chose.

    ``encoded``: the bytes of all tokens and of their scales; other ranks may read them at once.
    """

    def __init__(
        self, comm: Communicator, encoded: tuple[Bytes, Bytes], chosen: Selected,
        expert_ranks: ExpertRanks,
    ) -> None:  # fmt: skip
        self._comm, (self._rows, self._scales), self._chosen = comm, encoded, chosen
        self._edges = _edges(chosen.counts, expert_ranks)
        self._memory = comm.memory
        if self._memory is not None:
            self._memory.expose(self)

    @property
    def places(self) -> Ints:
        """The places of each rank's tokens: int64 ``[ranks, 4]``, see `row_kernels.fetch`."""
        edges, token = np.array(self._edges), self._chosen.token
        table = np.empty((self._comm.size, 4), np.int64)
        table[:, 3] = np.diff(edges)
        table[:, :3] = [address_of(each) for each in (self._rows, self._scales, token)]
        table[:, 2] += token.itemsize * edges[:-1]
        return table

    def rounds(self, source: Ints, by_source: Ints, room: Arrivals, scratch: Scratch) -> Rounds:
        """The rounds that bring the tokens for this rank into ``room``.

        ``source``: each rank's `places` entry for this one; ``by_source``: int64 ``[ranks, local
        experts]``, how many tokens come from where for which expert.
        """
        rank, memory = self._comm.rank, self._memory
        near = source
        if memory is None or not memory.in_place:  # the kernel takes this rank's own only
            near = np.where((np.arange(len(source)) == rank)[:, None], source, 0)

        def fetch() -> Round:
            self._fetch(near, by_source, room)
            if memory is not None and not memory.in_place:
                self._read(memory, source, by_source, room)
            return Round([], [])

        if memory is not None:
            return [fetch, *self._comm.telling.barrier()]
        return [lambda: self._messages(by_source, room, scratch), fetch]

    def finish(self) -> None:
        """Release the tokens, which no rank reads any more."""
        if self._memory is not None:
            self._memory.withdraw(self)

    def _fetch(self, source: Ints, by_source: Ints, room: Arrivals) -> None:
        widths = np.array([self._rows.shape[1], self._scales.shape[1]])
        row_kernels().fetch(source, by_source, room.addresses, widths, room.x.shape[1])

    def _read(self, memory: PeerMemory, source: Ints, by_source: Ints, room: Arrivals) -> None:
        """The tokens of other processes, from where they lie."""
        experts = np.arange(by_source.shape[1])
        first = by_source.cumsum(axis=0) - by_source + experts * room.x.shape[1]
        places = [(room.x, self._rows, 0)]
        if room.scales is not None:
            places.append((room.scales, self._scales, 1))
        for peer, (*address, tokens, n) in enumerate(source.tolist()):
            if peer == self._comm.rank or not n:
                continue
            each, counts = self._comm.members[peer], by_source[peer]
            token = np.empty(n, np.int64)
            memory.read(each, [tokens], [address_of(token)], [token.nbytes])
            at = np.repeat(first[peer] - counts.cumsum() + counts, counts) + np.arange(n)
            for array, mine, column in places:
                width = mine.shape[1]
                there, here = address[column] + token * width, address_of(array) + at * width
                memory.read(each, there, here, width)
            room.records.reshape(-1)[at] = token

    def _messages(self, by_source: Ints, room: Arrivals, scratch: Scratch) -> Round:
        """For each other rank: rows by expert and token, their scales, their numbers."""
        rank, each = self._comm.rank, self._rows.shape[1] + self._scales.shape[1] + NUMBER
        first, last = self._edges[rank : rank + 2]
        token = np.delete(self._chosen.token, slice(first, last))
        edges = np.array(self._edges)
        edges[rank + 1 :] -= last - first
        number = token.astype(np.int32).view(np.uint8).reshape(-1, NUMBER)
        whole = scratch.room("tokens", len(token) * each)
        row_kernels().pack(self._rows, self._scales, number, token, edges, whole)
        sends = [
            (peer, whole[a * each : b * each])
            for peer, (a, b) in enumerate(pairwise(edges.tolist())) if a < b
        ]  # fmt: skip
        receives = [
            (source, sum(part.size for part in parts), into(parts))
            for source, parts in _parts(by_source, room) if source != rank
        ]  # fmt: skip
        return Round(sends, receives)


def _parts(by_source: Ints, room: Arrivals) -> list[tuple[int, list[Bytes]]]:
    """Where the message of each rank that has any goes, in the order of its parts."""
    until = by_source.cumsum(axis=0)
    spans = np.stack([until - by_source, until], axis=-1).tolist()  # [source][expert]
    parts = []
    for source, mine in enumerate(spans):
        rows = [room.parts(a, b, expert) for expert, (a, b) in enumerate(mine) if a < b]
        if rows:
            parts.append((source, [part for kind in zip(*rows, strict=True) for part in kind]))
    return parts


class Returns:
    """The results of this rank's experts on their way back: a row for each choice.

    ``y``: ``[local experts, rows, hidden]``; ``by_source``: as in `Tokens`.
    """

    def __init__(
        self, comm: Communicator, chosen: Selected, expert_ranks: ExpertRanks, y: Array,
        by_source: Ints, scratch: Scratch,
    ) -> None:  # fmt: skip
        self._comm, self._chosen, self._expert_ranks, self._y = comm, chosen, expert_ranks, y
        self._edges = _edges(chosen.counts, expert_ranks)
        until = by_source.cumsum(axis=0)
        # The row of `y`, flattened, where those for a source begin: [ranks, local experts].
        self._first = np.arange(len(y)) * y.shape[1] + until - by_source
        self._by_source, self._scratch = by_source, scratch
        self._width = y.shape[2] * y.dtype.itemsize
        self._memory = comm.memory
        if self._memory is not None:
            self._memory.expose(self)

    def rounds(self, weights: NDArray[np.float32], out: Array) -> Rounds:
        """The rounds that fill ``out`` with the weighted sums of all ranks' results."""
        at = address_of(self._y) + self._first * self._width
        local, rank = self._expert_ranks.local, self._comm.rank
        given = np.arange(int(local.max())) < local[:, None]
        told = np.zeros(given.shape, np.int64)

        memory = self._memory
        if memory is not None and memory.in_place:
            begin = told
        else:
            rows = self._table("home", len(self._chosen.token))
            begin = np.zeros_like(told)
            begin[given] = address_of(rows) + self._before * self._width
            begin[rank, : at.shape[1]] = at[rank]

        def add_up() -> Round:
            if memory is not None and not memory.in_place:
                self._read(memory, told, begin)
            self._add_up(begin[given], weights, out)
            return Round([], [])

        if memory is None:
            return [lambda: self._messages(rows), add_up]
        tell = np.zeros_like(told)
        tell[:, : at.shape[1]] = at
        telling = self._comm.telling
        return [*telling.rounds(told, tell), add_up, *telling.barrier()]

    def finish(self) -> None:
        """Release the results, which no rank reads any more."""
        if self._memory is not None:
            self._memory.withdraw(self)

    @property
    def _before(self) -> Ints:
        """How many choices come before those of each expert."""
        before: Ints = self._chosen.counts.cumsum() - self._chosen.counts
        return before

    def _add_up(self, begin: Ints, weights: NDArray[np.float32], out: Array) -> None:
        """``begin``: where the results of each expert for this rank begin."""
        counts = self._chosen.counts
        after = np.arange(counts.sum()) - np.repeat(self._before, counts)
        address = np.append(np.repeat(begin, counts) + after * self._width, 0)
        add_up(address[self._chosen.row], weights, out)  # the last one answers for -1

    def _read(self, memory: PeerMemory, there: Ints, here: Ints) -> None:
        """The results of other processes, by host and expert, from where they lie."""
        sizes, first = self._chosen.counts * self._width, self._expert_ranks.first
        for peer, n in enumerate(self._expert_ranks.local.tolist()):
            if peer != self._comm.rank and n:
                size = sizes[first[peer] : first[peer] + n]
                memory.read(self._comm.members[peer], there[peer, :n], here[peer, :n], size)

    def _messages(self, rows: Array) -> Round:
        """For each other rank: results by expert and token; its own of others go into ``rows``."""
        rank = self._comm.rank
        sends = [(peer, data) for peer, data in enumerate(self._packed()) if data.size]
        homes = [bytes_of(rows[a:b]) for a, b in pairwise(self._edges)]
        receives = [(peer, home.size, home) for peer, home in enumerate(homes) if home.size]
        return Round(
            [one for one in sends if one[0] != rank], [one for one in receives if one[0] != rank]
        )

    def _index(self) -> tuple[Ints, Ints]:
        """The rows of others' results, by source and expert, and how many each source has.

        One's own are added up where they are.
        """
        first, n = self._first.ravel(), self._by_source.copy()
        n[self._comm.rank] = 0
        sizes, n = n.sum(axis=1), n.ravel()
        return np.repeat(first - (n.cumsum() - n), n) + np.arange(n.sum()), sizes

    def _packed(self) -> list[Bytes]:
        flat = self._y.reshape(-1, self._y.shape[2])
        index, sizes = self._index()
        if self._by_source.shape[1] == 1:  # as they lie
            spans = zip(self._first[:, 0].tolist(), sizes.tolist(), strict=True)
            return [bytes_of(flat[a : a + m]) for a, m in spans]
        packed = self._table("results", len(index))
        flat.take(index, axis=0, out=packed, mode="clip")  # others would copy once more
        edges = np.append(0, sizes.cumsum()).tolist()
        return [bytes_of(packed[a:b]) for a, b in pairwise(edges)]

    def _table(self, name: str, rows: int) -> Array:
        room = self._scratch.room(name, rows * self._width)
        return room.view(self._y.dtype).reshape(rows, self._y.shape[2])


def _edges(counts: Ints, expert_ranks: ExpertRanks) -> list[int]:
    """Where the choices for each rank begin, in the order of experts, and their end."""
    ends = np.append(0, counts.cumsum())
    edges: list[int] = ends[np.append(expert_ranks.first, expert_ranks.experts)].tolist()
    return edges
