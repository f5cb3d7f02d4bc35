"""A rank's seat, from what torchrun or mpiexec leaves in the environment.

Rank 0 starts the authority. On one host the others find it by a file that only this user can read
(`fabric.launching.meeting`); if ranks are on several hosts it listens at an address that the others
can reach, and that needs keys.
"""

import os
import secrets
import socket
import time
from collections.abc import Mapping
from typing import Any

from fabric.failure import TimedOut, TransportError, WorldError, words
from fabric.host.curve import Keys, private
from fabric.host.liveness import birth, die_with
from fabric.launching.agreement import JOB
from fabric.launching.authority import AuthorityOrder, start
from fabric.launching.early import report_failure
from fabric.launching.meeting import claim, fail, find, mine, name_of, publish
from fabric.launching.seat import Seat, number
from fabric.settings import NO_SHRINK_UNDER_MPI, Settings
from fabric.transports.mpi.mpiexec import library
from fabric.world.zmq_client import ProcessLine
from topology.errors import TriplaneError

PORT_OFFSET = 17
"""From ``MASTER_PORT``, where torch's own store listens, to the authority's port."""

MASTER_PATIENCE = 60.0
"""Seconds that ranks wait for rank 0."""

ADDRESS_BYTES = 512
"""Room for what rank 0 tells the others by MPI."""

REFUSAL_PATIENCE = 5.0
"""Seconds that a second rank 0 waits for an answer where another listens."""

DIE_ALONE = {"TORCHELASTIC_RUN_ID", "OMPI_COMM_WORLD_RANK"}
"""What ranks have of torchrun and Open MPI, which do not end them when they are killed."""

PUBLIC = (
    "MASTER_PORT", "TORCHELASTIC_RUN_ID", "TORCHELASTIC_RESTART_COUNT", "SLURM_JOB_ID",
    "SLURM_STEP_ID", JOB,
)  # fmt: skip
"""What in the environment of a rank names its job: anybody may know it, and others may have the
same."""


def seat_of(given: Mapping[str, str]) -> Seat:
    """The seat of this process, from its environment; rank 0 starts the authority.

    Raises `WorldError` if rank or size are wrong, or the authority cannot be reached.
    """
    if not DIE_ALONE.isdisjoint(given):
        die_with(os.getppid(), birth(os.getppid()))
    if _has_number(given):
        return _under_torchrun(given)
    return _under_mpi(given)


def by_program(given: Mapping[str, str]) -> bool:
    """True if ranks recognise one job only by public settings and their command line."""
    return _has_number(given)


def _has_number(given: Mapping[str, str]) -> bool:
    return {"RANK", "WORLD_SIZE"} <= given.keys()


def _under_torchrun(given: Mapping[str, str]) -> Seat:
    rank, size = number(given, "RANK"), number(given, "WORLD_SIZE")
    if rank >= size:
        raise WorldError(f"RANK in the environment is {rank}, and WORLD_SIZE {size}")
    keys = Keys.from_environment(given)
    transport = given.get("TRIPLANE_TRANSPORT", "zmq")
    public = [given.get(name, "") for name in PUBLIC]
    if _together(given, size, keys):
        local = number(given, "LOCAL_RANK", rank)
        address, token = _on_this_host(rank, size, name_of(public), given)
    else:
        local = number(given, "LOCAL_RANK", 0)
        address, token = _at_master(rank, size, public, keys, given)
    return Seat(rank, size, local, address, token, transport, keys)


def _together(given: Mapping[str, str], size: int, keys: Keys | None) -> bool:
    """Whether all ranks are on this host: so they say, or they meet where no other host can."""
    if number(given, "LOCAL_WORLD_SIZE", 1) == size:
        return True
    return keys is None and private(_address(given))


def _address(given: Mapping[str, str]) -> str:
    """On several hosts, beside torch's own store."""
    host, port = given.get("MASTER_ADDR", ""), number(given, "MASTER_PORT") + PORT_OFFSET
    if not host:
        raise WorldError("there is no MASTER_ADDR in the environment, where rank 0 is")
    try:
        return f"tcp://{socket.gethostbyname(host)}:{port}"
    except OSError as error:
        raise TransportError(f"MASTER_ADDR is {host!r}: {error}") from None


def _on_this_host(rank: int, size: int, name: str, given: Mapping[str, str]) -> tuple[str, str]:
    """Where the authority listens, and the token, by a file that only this user can read."""
    if rank:
        found = find(name)
        return found.address, found.token
    record = claim(name)
    if not mine(record):
        return record.address, record.token  # where a second rank 0 is refused, and all are told
    try:
        settings = Settings.from_environment(given)
        address = start(AuthorityOrder(size, settings, "", record.token, None, name), given)
        publish(name, record, address)
    except Exception as error:  # whatever it is, the others wait for an answer
        fail(name, record, words(error))
        raise
    return address, record.token


def _at_master(
    rank: int, size: int, public: list[str], keys: Keys | None, given: Mapping[str, str]
) -> tuple[str, str]:
    """Where the authority listens, and the token, which is made of the keys."""
    address = _address(given)
    if keys is None:
        raise TransportError(
            f"ranks on several hosts meet at {address}, which needs keys: give every host the same"
            " TRIPLANE_CURVE_PUBLIC and TRIPLANE_CURVE_SECRET (`triplane run --make-keys FILE`)"
        )
    token = keys.token(*public)
    if rank:
        return address, token
    try:
        settings = Settings.from_environment(given)
        return start(AuthorityOrder(size, settings, address, token, keys), given), token
    except TransportError:  # if another rank 0 of the same job listens there, it refuses this one
        ProcessLine(address, rank, size, token=token, keys=keys, patience=REFUSAL_PATIENCE).close()
        raise
    except TriplaneError as error:  # such as a machine that cannot be; the others wait
        nothing = AuthorityOrder(size, Settings(machine=None), address, token, keys)
        report_failure(Seat(rank, size, 0, start(nothing, given), token, "", keys), error)
        raise


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
        settings = Settings.from_environment(given)
        if settings.survives:
            raise WorldError(NO_SHRINK_UNDER_MPI)
        address = start(AuthorityOrder(size, settings, bind, token, keys), given)
    except Exception as error:  # whatever it is, the others wait for an answer
        return f"\n{' '.join(str(error).split())[: ADDRESS_BYTES - 8]}\n\n"
    return "\n".join((address, token, keys.public if keys else "", keys.secret if keys else ""))


def _broadcast(world: Any, text: str) -> str:
    """Rank 0's text at every rank, or `TimedOut`: a rank that never calls must not hang others."""
    import numpy as np

    buffer = np.zeros(ADDRESS_BYTES, np.uint8)
    told = text.encode()[:ADDRESS_BYTES]
    buffer[: len(told)] = np.frombuffer(told, np.uint8)
    request, due = world.Ibcast(buffer, 0), time.monotonic() + MASTER_PATIENCE
    while not request.Test():
        if time.monotonic() > due:
            raise TimedOut(f"not all ranks have come within {MASTER_PATIENCE:g} s")
        time.sleep(0.001)
    return buffer.tobytes().rstrip(b"\0").decode()
