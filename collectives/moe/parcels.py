"""Parcels: what the low-latency mode sends to each rank and back, and where it goes there.

Ranks that are threads lend each other what they send: each token is copied once, by its receiver,
and results not at all. Other ranks pack a message for each peer.
"""

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collectives.communicator import Communicator
from collectives.moe.choices import Selected
from collectives.moe.hosts import Hosts
from collectives.moe.landing import Landing, bytes_of
from collectives.moe.quantise import add_up, address_of
from collectives.moe.routing import Ints
from collectives.moe.scatter import into
from collectives.moe.scratch import Scratch
from collectives.moe.tensors import Array
from fabric.exchange import Round
from fabric.transport import Bytes, Lent, Loan, Tally

NUMBER = 4
"""Bytes of a token's row at its source."""


class Tokens:
    """Tokens on their way to the experts that they chose.

    ``rows``, ``scales``: of every token of this rank, in bytes. ``by_source``: ``[ranks, local
    experts]``, how many come from where for whom; they go into ``room``.
    """

    def __init__(
        self, comm: Communicator, encoded: tuple[Bytes, Bytes], chosen: Selected, hosts: Hosts,
        room: Landing, by_source: Ints, scratch: Scratch,
    ) -> None:  # fmt: skip
        self._comm, (self._rows, self._scales), self._chosen = comm, encoded, chosen
        self._edges = _edges(chosen.counts, hosts)
        self._room, self._by_source, self._scratch = room, by_source, scratch
        self._loans: list[tuple[int, Loan]] = []
        self._each = self._rows.shape[1] + self._scales.shape[1] + NUMBER

    def send(self) -> Round:
        """The messages of this rank: for each other rows by expert and token, scales, numbers."""
        return self._lend() if self._comm.lends else self._pack()

    def finish(self) -> None:
        """Take what was lent, and one's own."""
        from collectives.moe import kernels

        room, source = self._room, np.zeros((self._comm.size, 4), np.int64)
        for rank, loan in self._loans:
            source[rank] = loan.what[1]
        scales = room.about if room.scales is None else room.scales
        arrays = (room.x, scales, room.about)
        kernels.fetch(
            source, self._by_source, np.array([address_of(array) for array in arrays]),
            np.array([self._rows.shape[1], self._scales.shape[1]]), room.x.shape[1],
        )  # fmt: skip
        for _, loan in self._loans:
            loan.give_back()

    def _own(self) -> None:
        first, last = self._edges[self._comm.rank : self._comm.rank + 2]
        if first < last:
            self._loans.append((self._comm.rank, Loan(self._place(first, last - first))))

    def _place(self, first: int, n: int) -> "tuple[Tokens, tuple[int, int, int, int]]":
        """Where a receiver finds some of these tokens; it holds on to the memory."""
        token = self._chosen.token
        at = address_of(token) + token.itemsize * first
        return self, (address_of(self._rows), address_of(self._scales), at, n)

    def _lend(self) -> Round:
        rank = self._comm.rank
        spans = [(peer, a, b) for peer, (a, b) in enumerate(pairwise(self._edges)) if a < b]
        tally = Tally(sum(1 for peer, *_ in spans if peer != rank))
        sends = [
            (peer, Lent((b - a) * self._each, self._place(a, b - a), tally))
            for peer, a, b in spans if peer != rank
        ]  # fmt: skip
        self._own()
        receives = []
        for peer, n in enumerate(self._by_source.sum(axis=1).tolist()):
            if n and peer != rank:
                loan = Loan()
                self._loans.append((peer, loan))
                receives.append((peer, n * self._each, loan))
        return Round(sends, receives)

    def _pack(self) -> Round:
        from collectives.moe import kernels

        rank, each = self._comm.rank, self._each
        first, last = self._edges[rank : rank + 2]
        token = np.delete(self._chosen.token, slice(first, last))
        edges = np.array(self._edges)
        edges[rank + 1 :] -= last - first
        number = token.astype(np.int32).view(np.uint8).reshape(-1, NUMBER)
        whole = self._scratch.room("tokens", len(token) * each)
        kernels.pack(self._rows, self._scales, number, token, edges, whole)
        self._own()
        sends = [
            (peer, whole[a * each : b * each])
            for peer, (a, b) in enumerate(pairwise(edges.tolist())) if a < b
        ]  # fmt: skip
        return Round(sends, [take for take in self._takes() if take[0] != rank])

    def _takes(self) -> list[tuple[int, int, Any]]:
        until = self._by_source.cumsum(axis=0)
        spans = np.stack([until - self._by_source, until], axis=-1).tolist()  # [source][expert]
        takes = []
        for source, size in enumerate(self._by_source.sum(axis=1).tolist()):
            if size:
                mine = list(enumerate(spans[source]))
                rows = [self._room.parts(a, b, expert) for expert, (a, b) in mine if a < b]
                parts = [part for kind in zip(*rows, strict=True) for part in kind]
                takes.append((source, size * self._each, into(parts)))
        return takes


class Home:
    """Results on their way home: a row for each choice.

    ``y``: ``[local experts, rows, hidden]``; ``by_source``: as in `Tokens`.
    """

    def __init__(
        self, comm: Communicator, chosen: Selected, hosts: Hosts, y: Array, by_source: Ints,
        scratch: Scratch,
    ) -> None:  # fmt: skip
        self._comm, self._chosen, self._hosts, self._y = comm, chosen, hosts, y
        self._edges = _edges(chosen.counts, hosts)
        until = by_source.cumsum(axis=0)
        # The row of `y`, flattened, where those for a source begin: [ranks, local experts].
        self._first = np.arange(len(y)) * y.shape[1] + until - by_source
        self._by_source, self._scratch = by_source, scratch
        self._width = y.shape[2] * y.dtype.itemsize
        self._loans: list[tuple[int, Loan]] = []
        self._rows = np.empty((0, y.shape[2]), y.dtype)

    def send(self) -> Round:
        """The messages of this rank: results for each source, by expert and token."""
        return self._lend() if self._comm.lends else self._pack()

    def add_up(self, weights: NDArray[np.float32], out: Array) -> None:
        """Fill ``out`` with the weighted sums of what has come."""
        counts, row = self._chosen.counts, self._chosen.row
        before = counts.cumsum() - counts
        begin = address_of(self._rows) + before * self._width
        for rank, loan in self._loans:
            first = self._hosts.first[rank]
            begin[first : first + self._hosts.local[rank]] = loan.what[1]
        after = np.arange(counts.sum()) - np.repeat(before, counts)
        address = np.append(np.repeat(begin, counts) + after * self._width, 0)
        add_up(address[row], weights, out)  # the last one answers for -1
        for _, loan in self._loans:
            loan.give_back()

    def _lend(self) -> Round:
        rank, width = self._comm.rank, self._width
        at = address_of(self._y) + self._first * width
        sizes = self._by_source.sum(axis=1).tolist()
        tally = Tally(sum(1 for peer, n in enumerate(sizes) if n and peer != rank))
        sends = [
            (peer, Lent(n * width, (self, at[peer]), tally))
            for peer, n in enumerate(sizes) if n and peer != rank
        ]  # fmt: skip
        receives = []
        for peer, (a, b) in enumerate(pairwise(self._edges)):
            if a < b:
                loan = Loan((self, at[rank]) if peer == rank else None)
                self._loans.append((peer, loan))
                if peer != rank:
                    receives.append((peer, (b - a) * width, loan))
        return Round(sends, receives)

    def _pack(self) -> Round:
        rank, sends = self._comm.rank, self._packed()
        self._rows = self._table("home", len(self._chosen.token))
        receives = []
        for peer, (a, b) in enumerate(pairwise(self._edges)):
            if peer == rank:
                own = address_of(self._y) + self._first[rank] * self._width
                self._loans.append((rank, Loan((self, own))))
            elif a < b:
                home = bytes_of(self._rows[a:b])
                receives.append((peer, home.size, home))
        others = [(peer, data) for peer, data in enumerate(sends) if data.size and peer != rank]
        return Round(others, receives)

    def _packed(self) -> list[Bytes]:
        first, n = self._first.ravel(), self._by_source.copy()
        n[self._comm.rank] = 0  # one's own are added up where they are
        sizes, n = n.sum(axis=1), n.ravel()
        flat = self._y.reshape(-1, self._y.shape[2])
        if self._by_source.shape[1] == 1:  # as they lie
            spans = zip(first.tolist(), n.tolist(), strict=True)
            return [bytes_of(flat[a : a + m]) for a, m in spans]
        index = np.repeat(first - (n.cumsum() - n), n) + np.arange(n.sum())
        packed = self._table("results", len(index))
        flat.take(index, axis=0, out=packed, mode="clip")  # others would copy once more
        edges = np.append(0, sizes.cumsum()).tolist()
        return [bytes_of(packed[a:b]) for a, b in pairwise(edges)]

    def _table(self, name: str, rows: int) -> Array:
        room = self._scratch.room(name, rows * self._width)
        return room.view(self._y.dtype).reshape(rows, self._y.shape[2])


def _edges(counts: Ints, hosts: Hosts) -> list[int]:
    """Where the choices for each rank begin, in the order of experts, and their end."""
    ends = np.append(0, counts.cumsum())
    edges: list[int] = ends[np.append(hosts.first, hosts.experts)].tolist()
    return edges
