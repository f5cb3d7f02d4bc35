"""What libzmq says of the connections of a socket that it monitors.

`zmq.utils.monitor` reads the same, and imports asyncio for it, which takes each rank longer than
all of ZeroMQ.
"""

import struct

import zmq

_EVENT = struct.Struct("=Hi")


def event_of(monitor: "zmq.Socket[bytes]") -> tuple[int, int]:
    """The next event that has come to a ``monitor``, as in ``zmq.Event``, and its value."""
    event, value = _EVENT.unpack(monitor.recv_multipart()[0])
    return int(event), int(value)
