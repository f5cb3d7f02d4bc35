"""How the processes that share a store of torch become the ranks of a world.

Under ``triplane run`` they already are. Otherwise rank 0 starts the authority over time and
failures as a process of its own, and puts its address into the store for the others. Every
``init_process_group`` makes a new world, so a program can leave one that has failed for another.
"""

import dataclasses
import json
import os
import re
import secrets
import socket
from collections.abc import Mapping, Sequence
from datetime import timedelta

from torch._C._distributed_c10d import PrefixStore, Store

from fabric.failure import KINDS, TimedOut, TransportError, WorldError
from fabric.host.curve import Keys
from fabric.host.liveness import host
from fabric.launching.agreement import description
from fabric.launching.authority import AuthorityOrder, start
from fabric.launching.current import alone, member
from fabric.launching.joining import take_seat
from fabric.launching.member import Member
from fabric.launching.seat import Seat
from fabric.settings import PREFIX, Settings

PATIENCE = 300.0
"""Seconds that ranks wait for each other, and for rank 0's authority to start: its kernels may have
to be compiled first."""


def settings(environment: Mapping[str, str]) -> Settings:
    """The settings in the environment (docs/running.md), with eager time unless it says otherwise.

    Ranks of torch also wait for each other in its store, which strict time cannot see.
    """
    given = Settings.from_environment(environment)
    return given if PREFIX + "SYNC" in environment else dataclasses.replace(given, sync="eager")


def launched() -> bool:
    """True if ``triplane run`` has made this process a rank, which it is until it ends."""
    return PREFIX + "CONTROL" in os.environ


def joined(
    store: Store, rank: int, size: int, environment: Mapping[str, str] | None = None
) -> Member:
    """Join a world of all ``size`` processes that call this with the same store.

    Returns the member.

    ``environment``: for a world beside the one that ``triplane run`` may have made; None: the
    process's. Raises `WorldError` if the processes cannot meet.
    """
    given = os.environ if environment is None else environment
    if environment is None and launched():
        return _launched(rank, size)
    if size == 1:
        return alone(settings(given))
    # A store may be used again after a world has ended, with the keys of that still in it.
    turn = store.add(f"triplane/turn/{rank}", 1)
    meeting = PrefixStore(f"triplane/{turn}", store)
    meeting.set(f"host/{rank}", host())
    hosts = [_got(meeting, f"host/{peer}").decode() for peer in range(size)]
    if rank == 0:
        meeting.set("authority", _started(hosts, given))
    address, token = _told(_got(meeting, "authority"))
    local = hosts[:rank].count(hosts[rank])
    transport = given.get(PREFIX + "TRANSPORT", "zmq")
    seat = Seat(rank, size, local, address, token, transport, Keys.from_environment(given))
    # Engines have a store of their own, and their parts may be different programs.
    by_port = given.get("RANK") == str(rank) and given.get("WORLD_SIZE") == str(size)
    mine = description(given, local, programs=environment is None and by_port)
    return take_seat(seat, patience=PATIENCE, described=mine)


def _got(store: Store, key: str) -> bytes:
    """What another rank has set; the store's own time-out is that of the group's calls."""
    try:
        store.wait([key], timedelta(seconds=PATIENCE))
    except RuntimeError as error:
        raise TimedOut(f"the ranks do not meet in torch's store: {error}") from error
    return store.get(key)


def _launched(rank: int, size: int) -> Member:
    me = member()
    if me.settings.survives and size < me.size:  # of those that are left, who find out together
        return me
    if (me.rank, me.size) != (rank, size):
        raise WorldError(
            f"rank {rank} of {size} of torch.distributed is rank {me.rank} of {me.size} of the"
            " world that was launched: they must be the same"
        )
    return me


def _started(hosts: Sequence[str], given: Mapping[str, str]) -> str:
    """Start the authority; what to tell the others: its address and token, or what went wrong."""
    token, keys = secrets.token_hex(16), Keys.from_environment(given)
    try:
        bind = "" if len(set(hosts)) == 1 else _reachable(given, keys)
        address = start(AuthorityOrder(len(hosts), settings(given), bind, token, keys), given)
    except (OSError, WorldError) as error:
        return json.dumps([type(error).__name__, str(error)])
    return json.dumps(["address", address, token])


def _reachable(given: Mapping[str, str], keys: Keys | None) -> str:
    """Where to listen for ranks of other hosts."""
    if keys is None:
        raise TransportError(
            "ranks on several hosts need keys: give every host the same TRIPLANE_CURVE_PUBLIC and"
            " TRIPLANE_CURVE_SECRET (`triplane run --make-keys FILE`)"
        )
    bind = re.sub(r":\d+$", "", given.get(PREFIX + "BIND", ""))
    return f"{bind or 'tcp://' + socket.gethostbyname(socket.gethostname())}:*"


def _told(word: bytes) -> tuple[str, str]:
    kind, *rest = json.loads(word)
    if kind != "address":
        raise KINDS.get(kind, WorldError)(f"rank 0 could not start the authority: {rest[0]}", 0)
    address, token = rest
    return str(address), str(token)
