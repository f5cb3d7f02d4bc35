"""The controller of a pool, a process: it starts the servers, and says which there are.

``python -m collectives.memory.pool.hosted.controller SETTINGS``, where SETTINGS is the JSON of
`PoolSettings`. It prints its address, and ends with its starter: when its standard input is closed,
or when it has another parent. Its servers end with it, and the folder of their sockets goes.
"""

import json
import os
import select
import signal
import socket
import sys
import traceback
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import NoReturn

from collectives.memory.pool.core.errors import PoolError
from collectives.memory.pool.core.eviction import eviction_policy
from collectives.memory.pool.core.hash_ring import VIRTUAL_NODES, server_names
from collectives.memory.pool.core.tiers import DRAM, PAGE, shape_of
from collectives.memory.pool.hosted.server import serve
from collectives.memory.pool.hosted.shard import HostedShard
from fabric.host.folder import MAX_PATH, private_folder
from fabric.host.liveness import birth, die_with
from topology.errors import TriplaneError

LOOK = 0.1
"""Seconds between two looks at the servers and the starter."""

_BACKLOG = 128


@dataclass(frozen=True)
class PoolSettings:
    """What a pool of processes is made of; see `serving`."""

    servers: int = 2
    sizes: dict[str, int] = field(default_factory=lambda: {"dram": DRAM})
    policy: str = "lru"
    replicas: int = 1
    page: int = PAGE
    quotas: dict[str, int] = field(default_factory=dict)
    virtual_nodes: int = VIRTUAL_NODES
    disk: str | None = None

    def to_text(self) -> str:
        """The settings as JSON."""
        return json.dumps(asdict(self))


def run(settings: PoolSettings) -> None:
    """Start the servers, print the address, and answer until the starter is gone."""
    starter = os.getppid()
    with private_folder() as folder:
        door = listening(folder / "controller")
        servers = started(settings, folder)
        try:
            sys.stdout.write(f"{folder / 'controller'}\n")
            sys.stdout.flush()
            while os.getppid() == starter and _attend(door, settings, folder, servers):
                pass
        finally:
            for pid in servers.values():
                os.kill(pid, signal.SIGKILL)
            for pid in servers.values():
                os.waitpid(pid, 0)


def started(settings: PoolSettings, folder: Path) -> dict[str, int]:
    """Fork a process for each server; returns their numbers by the servers' names."""
    names = server_names(settings.servers)
    shape = shape_of(settings.servers, settings.sizes, settings.page, settings.quotas)
    policy = eviction_policy(settings.policy)
    disk = None if settings.disk is None else Path(settings.disk)
    doors = {name: listening(folder / name) for name in names}
    me, born = os.getpid(), birth(os.getpid())
    servers = dict[str, int]()
    for name in names:
        served = HostedShard(shape, policy, disk)  # here, so that what goes wrong is told
        servers[name] = os.fork() or _become_server(served, doors, name, me, born)
        served.close()
    for door in doors.values():
        door.close()
    return servers


def _become_server(
    served: HostedShard, doors: dict[str, socket.socket], name: str, controller: int, born: str
) -> NoReturn:
    """Go on as a server, in a forked process, until the controller is gone."""
    code = 1
    try:
        die_with(controller, born)
        os.close(0)  # or the controller would not see that its starter has closed it
        for other, door in doors.items():
            if other != name:
                door.close()
        serve(served, doors[name])
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def listening(path: Path) -> socket.socket:
    """A socket that listens at ``path``; raises `PoolError` if the path is too long for one."""
    if len(os.fsencode(path)) > MAX_PATH:
        raise PoolError(f"{path} is too long for a socket; set TMPDIR to a shorter folder")
    door = socket.socket(socket.AF_UNIX)
    door.bind(str(path))
    door.listen(_BACKLOG)
    return door


def _attend(
    door: socket.socket, settings: PoolSettings, folder: Path, servers: dict[str, int]
) -> bool:
    """Answer who connects, and forget servers that have died; False at the end of input."""
    watched: list[socket.socket | int] = [door, 0]
    ready, _, _ = select.select(watched, [], [], LOOK)
    for name, pid in list(servers.items()):
        if os.waitpid(pid, os.WNOHANG)[0]:
            del servers[name]
    if door in ready:
        with suppress(OSError):  # who has connected is gone
            line, _ = door.accept()
            with line:
                line.settimeout(LOOK)
                line.sendall(_view(settings, folder, servers))
    return not (0 in ready and not os.read(0, 1 << 10))


def _view(settings: PoolSettings, folder: Path, servers: dict[str, int]) -> bytes:
    """What a client has to know: the servers that live, and how keys are spread over them."""
    view = {
        "servers": {name: str(folder / name) for name in servers},
        "virtual_nodes": settings.virtual_nodes, "replicas": settings.replicas,
        "processes": servers,
    }  # fmt: skip
    return json.dumps(view).encode()


def main(arguments: list[str]) -> int:
    """Run a controller with the settings in the first argument; the exit code."""
    try:
        run(PoolSettings(**json.loads(arguments[0])))
    except TriplaneError as error:
        sys.stdout.write(f"!{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
