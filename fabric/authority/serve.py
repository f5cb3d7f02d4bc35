"""The authority as a process of its own, where no launcher of ours is.

Rank 0 starts it (`start`) and tells it on its standard input what to serve, as JSON; it answers
with its address. It ends by itself when no rank is left, however the ranks have ended.
"""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fabric.authority.zserver import Server
from fabric.curve import Keys
from fabric.failure import KINDS, TransportError, WorldError
from fabric.launching.folder import endpoint, private_folder
from fabric.launching.tracing import opened
from fabric.settings import Settings

TURN = 0.1
"""Seconds between two looks whether anybody is left."""

PATIENCE = 120.0
"""Seconds that the first ranks have to come."""

LAUNCHERS = ("PMI", "OMPI_", "PMIX_", "PRTE_", "HYDRA_", "MPI_")
"""What the environment variables of MPI's launchers begin with: the authority is no rank."""


def start(
    size: int, settings: Settings, bind: str, token: str, keys: Keys | None,
    environment: Mapping[str, str],
) -> str:  # fmt: skip
    """Start an authority over ``size`` ranks beside this process; returns its address.

    ``bind``: as in `Server`, or empty: in a private folder. Raises what the authority could not
    do, such as `TransportError` for an address that is in use.
    """
    order = {
        "size": size, "settings": settings.as_json(), "bind": bind, "token": token,
        "keys": [keys.public, keys.secret] if keys else None,
    }  # fmt: skip
    clean = {key: value for key, value in environment.items() if not key.startswith(LAUNCHERS)}
    ours = str(Path(__file__).parents[1])
    clean["PYTHONPATH"] = os.pathsep.join(filter(None, (ours, environment.get("PYTHONPATH"))))
    # In a session of its own, and with none of the launcher's pipes, it outlives whoever is killed
    # just long enough to tell the others.
    process = subprocess.Popen(
        [sys.executable, "-m", "fabric.authority.serve"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        env=clean, start_new_session=True,
    )  # fmt: skip
    kind, text = _told(process, json.dumps(order).encode() + b"\n")
    process.returncode = 0  # it goes on after this process, which must not wait for it
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


def serve(order: Mapping[str, Any]) -> tuple[Server, contextlib.ExitStack]:
    """The authority that was ordered, and what is to be closed after it."""
    settings = Settings.from_json(order["settings"])
    keys = Keys(*order["keys"]) if order["keys"] else None
    stack = contextlib.ExitStack()
    try:
        world = stack.enter_context(opened(order["size"], settings, settings.system))
        bind = order["bind"] or endpoint(stack.enter_context(private_folder()), "control")
        if order["bind"].startswith("ipc://"):  # rank 0 made the folder, and may be gone by then
            stack.callback(_remove, Path(bind.removeprefix("ipc://")))
        server = Server(world, settings, bind, token=order["token"], keys=keys, watch=True)
        stack.callback(server.close)
    except BaseException:
        stack.close()
        raise
    return server, stack


def main() -> None:
    """Serve what standard input says until nobody is left."""
    parent = os.getppid()
    order = json.loads(sys.stdin.readline())
    try:
        server, stack = serve(order)
    except ValueError as error:  # every error of ours is one
        _answer(type(error).__name__, str(error))
        return
    with stack:
        _answer("address", server.address)
        sys.stdout.close()
        began = time.monotonic()
        while not server.deserted(parent, time.monotonic() - began > PATIENCE):
            time.sleep(TURN)


def _remove(path: Path) -> None:
    """Take away a socket's file, which libzmq leaves, and its folder."""
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)
        path.parent.rmdir()


def _answer(kind: str, text: str) -> None:
    sys.stdout.write(json.dumps([kind, text]) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
