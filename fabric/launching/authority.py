"""The authority as a process of its own, for launchers that are not Triplane's.

Rank 0 starts it (`start`) and sends it on its standard input what to serve, as JSON; it answers
with its address. It ends by itself when no rank is left, however the ranks have ended, or by
SIGTERM or SIGINT; the trace is written in any case.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fabric.failure import KINDS, TransportError, WorldError
from fabric.host.curve import Keys
from fabric.host.folder import endpoint, private_folder, sweep
from fabric.launching.guard import GUARDED
from fabric.launching.job import checked_size
from fabric.launching.meeting import withdraw
from fabric.launching.tracing import opened
from fabric.settings import Settings
from fabric.world.zmq_server import Server
from topology.errors import TriplaneError
from topology.files.output import text_file

DESERTED_LOOK = 0.1
"""Seconds between two looks whether anybody is left."""

FIRST_RANKS_PATIENCE = 120.0
"""Seconds within which the first ranks have to join."""

WRITTEN = "TRIPLANE_WRITTEN"
"""The environment variable that names a file which the authority makes when the world has ended and
its trace, if one was asked for, is written."""

LATECOMERS_LINGER = 1.0
"""Seconds that an authority stays whose world has ended before all ranks had joined."""

ENDING = 2.0
"""Seconds that ranks of a world that has ended before its time are given to end."""

LAUNCHERS = ("PMI", "OMPI_", "PMIX_", "PRTE_", "HYDRA_", "MPI_")
"""What the environment variables of MPI's launchers begin with: the authority is no rank."""


@dataclass(frozen=True)
class AuthorityOrder:
    """What an authority is to serve: ``size`` ranks with these settings.

    ``bind``, ``token``, ``keys``: as in `Server`; ``bind`` may be empty: in a private folder.
    ``meeting``: the name under which the ranks have found it, released at the end.
    """

    size: int
    settings: Settings
    bind: str
    token: str
    keys: Keys | None
    meeting: str = ""

    def __post_init__(self) -> None:
        checked_size(self.size)

    def as_json(self) -> dict[str, Any]:
        """The settings as a dict of JSON values, which `from_json` takes."""
        keys = [self.keys.public, self.keys.secret] if self.keys else None
        return {**vars(self), "settings": self.settings.as_json(), "keys": keys}

    @staticmethod
    def from_json(values: Mapping[str, Any]) -> "AuthorityOrder":
        """The settings in a dict that `as_json` returned."""
        keys = Keys(*values["keys"]) if values["keys"] else None
        settings = Settings.from_json(values["settings"])
        return AuthorityOrder(**{**values, "settings": settings, "keys": keys})


def start(order: AuthorityOrder, environment: Mapping[str, str]) -> str:
    """Start an authority beside this process; returns its address.

    Raises what the authority could not do, such as `TransportError` for an address that is in use.
    """
    clean = {
        key: value for key, value in environment.items()
        if not key.startswith(LAUNCHERS) and key != GUARDED
    }  # fmt: skip
    ours = str(Path(__file__).parents[2])
    clean["PYTHONPATH"] = os.pathsep.join(filter(None, (ours, environment.get("PYTHONPATH"))))
    # In a session of its own, no descendant of this process (see `main`), and with none of the
    # launcher's pipes, it outlives whoever is killed just long enough to tell the others and to
    # write the trace: servers of engines kill all their descendants when they end.
    process = subprocess.Popen(
        [sys.executable, "-m", "fabric.launching.authority"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        env=clean, start_new_session=True,
    )  # fmt: skip
    kind, text = _told(process, json.dumps(order.as_json()).encode() + b"\n")
    process.wait()  # what answers is a child of it, and it is over
    if kind == "address":
        return text
    raise KINDS.get(kind, WorldError)(text)


def _told(process: "subprocess.Popen[bytes]", order: bytes) -> tuple[str, str]:
    if process.stdin is None or process.stdout is None:
        raise TransportError("the authority over the ranks has no pipes")
    with process.stdin as ask, process.stdout as said:
        ask.write(order)
        ask.flush()
        line = said.readline()
    if not line:
        raise TransportError("the authority over the ranks could not be started")
    kind, text = json.loads(line)
    return str(kind), str(text)


def serve(order: AuthorityOrder) -> tuple[Server, contextlib.ExitStack]:
    """The authority that was ordered, and what is to be closed after it."""
    stack = contextlib.ExitStack()
    try:
        world = stack.enter_context(opened(order.size, order.settings))
        bind = order.bind or endpoint(stack.enter_context(private_folder()), "control")
        server = Server(world, order.settings, bind, token=order.token, keys=order.keys, watch=True)
        stack.callback(server.close)
        if order.meeting:  # as the first thing: nobody else shall come
            stack.callback(withdraw, order.meeting, order.token)
    except BaseException:
        stack.close()
        raise
    return server, stack


def main() -> None:
    """Serve what standard input says until nobody is left."""
    starter = os.getppid()
    order = AuthorityOrder.from_json(json.loads(sys.stdin.readline()))
    if os.fork():
        os._exit(0)
    stopped = _stopped()
    try:
        server, stack = serve(order)
    except ValueError as error:  # every error of ours is one
        _answer(type(error).__name__, str(error))
        return
    with _noted(os.environ.get(WRITTEN)), stack:
        _answer("address", server.address)
        sys.stdout.close()
        began = time.monotonic()
        while not stopped.is_set() and not server.peers.deserted(
            order.size, starter, time.monotonic() - began > FIRST_RANKS_PATIENCE
        ):
            stopped.wait(DESERTED_LOOK)
        server.peers.end_stopped()
        if server.late_news():
            time.sleep(LATECOMERS_LINGER)
    _take_away(server)


def _take_away(server: Server) -> None:
    """Remove what ranks leave that were lost, or whose launcher ends them before they can."""
    due = time.monotonic() + ENDING
    while server.error is not None and server.peers.run() and time.monotonic() < due:
        time.sleep(DESERTED_LOOK)
    sweep(server.peers.lost_processes())


def _stopped() -> threading.Event:
    """Set by a signal to end; what has been made is then closed, in its order."""
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    return stopped


@contextlib.contextmanager
def _noted(written: str | None) -> Iterator[None]:
    """Make a file at the end, for whoever waits for a trace; in it, why that was not written."""
    why = ""
    try:
        yield
    except TriplaneError as error:
        why = str(error)
    if written:
        with contextlib.suppress(OSError), text_file(written) as file:  # nobody may wait any more
            file.write(why)


def _answer(kind: str, text: str) -> None:
    sys.stdout.write(json.dumps([kind, text]) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
