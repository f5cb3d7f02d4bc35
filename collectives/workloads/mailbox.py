"""Which receive takes which message: in order, by sender and tag, as MPI has it."""

from collections import defaultdict, deque
from itertools import count

from collectives.workloads.workload import ANY

_Key = tuple[int, int]  # sender and tag


class Mailbox:
    """The messages and receives of a rank that have not met yet, each found without a search.

    Messages and receives are named by their numbers. A receive may take a message from anybody or
    of any tag (`ANY`); of those that fit, it takes the earliest.
    """

    def __init__(self) -> None:
        self._order = count()
        self._sent: dict[_Key, deque[tuple[int, int]]] = defaultdict(deque)
        self._wanted: dict[_Key, deque[tuple[int, int]]] = defaultdict(deque)

    def sent(self, send: int, sender: int, tag: int) -> int | None:
        """Note that a message is sent.

        Returns the receive that takes it, or None if it waits for one.
        """
        keys = ((sender, tag), (ANY, tag), (sender, ANY), (ANY, ANY))
        return self._met(send, (sender, tag), keys, self._wanted, self._sent)

    def wanted(self, recv: int, sender: int, tag: int) -> int | None:
        """Note that a receive has begun.

        Returns the message that it takes, or None if it waits for one.
        """
        keys: tuple[_Key, ...] = ((sender, tag),)
        if ANY in (sender, tag):
            keys = tuple(
                key for key in self._sent if sender in (ANY, key[0]) and tag in (ANY, key[1])
            )
        return self._met(recv, (sender, tag), keys, self._sent, self._wanted)

    def _met(
        self, op: int, own: _Key, keys: tuple[_Key, ...],
        others: dict[_Key, deque[tuple[int, int]]], mine: dict[_Key, deque[tuple[int, int]]],
    ) -> int | None:  # fmt: skip
        first = min(((others[key][0], key) for key in keys if key in others), default=None)
        if first is None:
            mine[own].append((next(self._order), op))
            return None
        (_, found), key = first
        others[key].popleft()
        if not others[key]:
            del others[key]
        return found
