"""Where the parts of a message go in the receiver's memory."""

from collections.abc import Sequence

from fabric.transports.base import Bytes, Take


def into(parts: Sequence[Bytes]) -> Take:
    """A function that takes a message piece by piece into these parts, one after the other."""
    ends, end = [], 0
    for part in parts:
        end += part.size
        ends.append(end)

    def take(at: int, piece: Bytes) -> None:
        last = at + piece.size
        for part, end in zip(parts, ends, strict=True):
            begin = end - part.size
            first, until = max(at, begin), min(last, end)
            if first < until:
                part[first - begin : until - begin] = piece[first - at : until - at]

    return take
