"""Small messages from one rank to many, or from many to one, handled as one.

Between hundreds of threads a collective step is some 100,000 messages of a few bytes. An object and
a wake-up for each of them cost far more than the copy of its bytes; so what a rank sends in a step
is one `Bundle` that all its peers share, and what it waits for is one `Collection`.
"""

from collections.abc import Callable, Iterable, Sequence

from fabric.transports.base import Bytes, Request
from fabric.transports.matching import Message, Receive, refusal


class Bundle:
    """One message to each of many ranks; ``pieces``: by receiver, those not taken yet."""

    __slots__ = ("mark", "peer", "pieces", "tag")

    def __init__(self, peer: int, tag: int, mark: int, pieces: dict[int, bytes]) -> None:
        self.peer, self.tag, self.mark, self.pieces = peer, tag, mark, pieces


class Collection(Request):
    """One message from each of many ranks; ``lacks``: the sizes of those that have not arrived."""

    __slots__ = ("_peers", "_pieces", "_take", "lacks", "mark", "tag")

    def __init__(
        self, peers: Sequence[int], sizes: Sequence[int], tag: int, mark: int,
        take: Callable[[list[bytes]], None],
    ) -> None:  # fmt: skip
        super().__init__(peers[0] if peers else 0)
        self.tag, self.mark = tag, mark
        self.lacks = dict(zip(peers, sizes, strict=True))
        self._peers, self._take = peers, take
        self._pieces: dict[int, bytes] = {}
        if not self.lacks:
            self._finish()

    def put(self, rank: int, peer: int, mark: int, piece: bytes) -> bool:
        """Add the message of ``peer``, from which one is missing; returns True if it was the last.

        A message of another size or mark than expected ends the request with a `CallMismatch`.
        """
        size = self.lacks.pop(peer)
        self._pieces[peer] = piece
        if size != len(piece) or mark != self.mark:
            awaited = Receive(peer, self.tag, self.mark, size, _nothing)
            sent = Message(peer, self.tag, mark, len(piece))
            self.error = self.error or refusal(rank, awaited, sent)
            self.done = True
        if self.lacks:
            return False
        self._finish()
        return True

    def put_all(self, rank: int, bundles: Iterable[Bundle]) -> list[Bundle]:
        """Add what there is for ``rank`` in bundles of the tag; returns those without any."""
        others = []
        for bundle in bundles:
            if bundle.peer in self.lacks:
                self.put(rank, bundle.peer, bundle.mark, bundle.pieces.pop(rank))
            else:
                others.append(bundle)
        return others

    def missing(self) -> Sequence[int]:
        """The ranks whose messages have not arrived; empty when the request is done."""
        return () if self.done else tuple(self.lacks)

    def _finish(self) -> None:
        if not self.done:
            self._take(list(map(self._pieces.__getitem__, self._peers)))
            self.done = True


def _nothing(at: int, piece: Bytes) -> None:
    """Take nothing of a message that is refused."""
