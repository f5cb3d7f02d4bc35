"""What programs ask of DeepEP's C++ part, and how calls are begun."""

from typing import NamedTuple

from collectives.adapters.deep_ep.cuda import installed
from collectives.adapters.deep_ep.event import Arrival, EventHandle, EventOverlap


class Runtime(NamedTuple):
    """Rank ``rank`` of ``size``, as DeepEP's C++ part; a node has ``width`` ranks."""

    rank: int
    size: int
    width: int

    def is_available(self) -> bool:
        """True: the buffer can be used."""
        return True

    def get_num_rdma_ranks(self) -> int:
        """Number of nodes."""
        return max(self.size // self.width, 1)

    def get_rdma_rank(self) -> int:
        """The number of this rank's node."""
        return self.rank // self.width

    def get_local_device_id(self) -> int:
        """The rank's place in its node."""
        return self.rank % self.width


def event_of(
    name: str, arrival: Arrival, *, asynchronous: bool, hooked: bool = False
) -> EventOverlap:
    """The event of a call, which is waited for here unless it is ``asynchronous`` or ``hooked``.

    With the stand-in for torch.cuda, ``torch.cuda.synchronize()`` waits for it too.
    """
    device = installed()
    if device is not None:
        device.note(name, arrival)
    if not asynchronous and not hooked:
        arrival.wait()
    elif device is not None:
        device.expect(arrival)
    return EventOverlap(EventHandle(arrival) if asynchronous else None, arrival=arrival)
