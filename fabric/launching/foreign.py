"""Foreign launchers: a rank's seat from what torchrun or mpiexec leaves in the environment.

Rank 0 starts the authority; where the ranks are on several hosts it listens where the others can
reach it, and that needs keys.
"""

import hashlib
import os
import secrets
import socket
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fabric.authority.serve import start
from fabric.curve import Keys, private
from fabric.failure import TimedOut, TransportError, WorldError
from fabric.launching.folder import MAX_PATH
from fabric.launching.joining import Seat, number
from fabric.launching.mpiexec import library
from fabric.settings import Settings

PORT_OFFSET = 17
"""From ``MASTER_PORT``, where torch's own store listens, to the authority's port."""

PATIENCE = 60.0
"""Seconds that ranks wait for rank 0."""

ADDRESS_BYTES = 512
"""Room for what rank 0 tells the others by MPI."""


def seat_of(given: Mapping[str, str]) -> Seat:
    """The seat of this process; rank 0 starts the authority. Raises `WorldError`."""
    if {"RANK", "WORLD_SIZE"} <= given.keys():
        return _under_torchrun(given)
    return _under_mpi(given)


def _under_torchrun(given: Mapping[str, str]) -> Seat:
    rank, size = number(given, "RANK"), number(given, "WORLD_SIZE")
    local = number(given, "LOCAL_RANK", 0)
    together = number(given, "LOCAL_WORLD_SIZE", 1) == size
    run = "/".join(
        given.get(name, "")
        for name in ("MASTER_PORT", "TORCHELASTIC_RUN_ID", "TORCHELASTIC_RESTART_COUNT")
    )
    token = hashlib.blake2b(run.encode(), digest_size=12).hexdigest()
    keys = Keys.from_environment(given)
    address = _folder(rank, token) if together else _at_master(given, keys)
    if rank == 0:
        address = start(size, Settings.from_environment(given), address, token, keys, given)
    transport = given.get("TRIPLANE_TRANSPORT", "zmq")
    return Seat(rank, size, local, address, token, transport, keys)


def _at_master(given: Mapping[str, str], keys: Keys | None) -> str:
    """On several hosts, beside torch's own store."""
    host = given.get("MASTER_ADDR", "")
    port = number(given, "MASTER_PORT") + PORT_OFFSET
    try:
        address = f"tcp://{socket.gethostbyname(host)}:{port}"
    except OSError as error:
        raise TransportError(f"MASTER_ADDR is {host!r}: {error}") from None
    if keys is None and not private(address):
        raise TransportError(
            f"ranks on several hosts meet at {address}, which needs keys: give every host the same"
            " TRIPLANE_CURVE_PUBLIC and TRIPLANE_CURVE_SECRET (`triplane run --make-keys FILE`)"
        )
    return address


def _folder(rank: int, token: str) -> str:
    """On one host, in a folder that all ranks can name and only this user can enter."""
    folder = Path(tempfile.gettempdir()) / f"triplane-{os.getuid()}-{token}"
    if len(os.fsencode(folder)) + len("/control") > MAX_PATH:
        raise TransportError(f"the path of {folder} is too long for a socket; set TMPDIR")
    due = time.monotonic() + PATIENCE
    if rank == 0:
        folder.mkdir(mode=0o700, exist_ok=True)
    while not folder.exists():
        if time.monotonic() > due:
            raise TimedOut(f"rank 0 has not come to {folder} within {PATIENCE:g} s", 0)
        time.sleep(0.02)
    found = folder.lstat()
    if found.st_uid != os.getuid() or found.st_mode & 0o077 or folder.is_symlink():
        raise TransportError(f"{folder} is not private: it is not this user's, or others may enter")
    return f"ipc://{folder}/control"


def _under_mpi(given: Mapping[str, str]) -> Seat:
    library()
    from mpi4py import MPI

    world = MPI.COMM_WORLD
    beside = world.Split_type(MPI.COMM_TYPE_SHARED)
    rank, size, local, together = world.rank, world.size, beside.rank, beside.size == world.size
    beside.Free()
    told = ""
    if rank == 0:
        told = _told_by_mpi(size, together, given)
    address, token, public, secret = _broadcast(world, told).split("\n")
    keys = Keys(public, secret) if public else None
    if not address:
        raise WorldError(f"rank 0 could not start the authority over the ranks: {token}", 0)
    return Seat(rank, size, local, address, token, given.get("TRIPLANE_TRANSPORT", "mpi"), keys)


def _told_by_mpi(size: int, together: bool, given: Mapping[str, str]) -> str:
    """Where the authority is, and how to get in: what rank 0 tells the others."""
    keys, token = Keys.from_environment(given), secrets.token_hex(12)
    bind = ""
    try:
        if not together:
            keys = keys or Keys.make()
            bind = f"tcp://{socket.gethostbyname(socket.gethostname())}:*"
        address = start(size, Settings.from_environment(given), bind, token, keys, given)
    except (OSError, WorldError) as error:
        return f"\n{' '.join(str(error).split())[: ADDRESS_BYTES - 8]}\n\n"
    return "\n".join((address, token, keys.public if keys else "", keys.secret if keys else ""))


def _broadcast(world: Any, text: str) -> str:
    """Rank 0's text at every rank, or `TimedOut`: a rank that never calls must not hang others."""
    import numpy as np

    buffer = np.zeros(ADDRESS_BYTES, np.uint8)
    told = text.encode()[:ADDRESS_BYTES]
    buffer[: len(told)] = np.frombuffer(told, np.uint8)
    request, due = world.Ibcast(buffer, 0), time.monotonic() + PATIENCE
    while not request.Test():
        if time.monotonic() > due:
            raise TimedOut(f"not all ranks have come within {PATIENCE:g} s")
        time.sleep(0.001)
    return buffer.tobytes().rstrip(b"\0").decode()
