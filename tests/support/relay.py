"""A relay between two ends of a connection, which can be cut, or fall silent as a network does."""

import contextlib
import socket
import threading
from collections.abc import Iterator


class Relay:
    """Passes on what comes to ``address`` to the TCP endpoint ``to``, and what is answered."""

    def __init__(self, to: str) -> None:
        host, port = to.removeprefix("tcp://").split(":")
        self._to = host, int(port)
        self._ends: list[socket.socket] = []
        self._passes = threading.Event()
        self._passes.set()
        self._door = socket.create_server(("127.0.0.1", 0))
        self.address = f"tcp://127.0.0.1:{self._door.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def cut(self) -> None:
        """End the connections; both ends are told by their hosts, and no other is let in."""
        self._door.close()
        for end in self._ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def silence(self) -> None:
        """Pass on nothing any more, and tell nobody."""
        self._passes.clear()

    def close(self) -> None:
        """End everything."""
        self.cut()
        self._passes.set()
        for end in self._ends:
            end.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):  # the door is closed
            while True:
                here, _ = self._door.accept()
                there = socket.create_connection(self._to)
                self._ends += [here, there]
                for ends in ((here, there), (there, here)):
                    threading.Thread(target=self._pass_on, args=ends, daemon=True).start()

    def _pass_on(self, one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):  # it was cut
            while data := one.recv(1 << 16):
                self._passes.wait()
                other.sendall(data)
        with contextlib.suppress(OSError):
            other.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def relay(to: str) -> Iterator[Relay]:
    """A relay while this lasts."""
    made = Relay(to)
    try:
        yield made
    finally:
        made.close()
