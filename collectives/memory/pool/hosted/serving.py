"""Starting a pool of processes, and ending it."""

import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from collectives.memory.pool.core.errors import PoolError
from collectives.memory.pool.core.eviction import eviction_policy
from collectives.memory.pool.core.hash_ring import VIRTUAL_NODES, HashRing, server_names
from collectives.memory.pool.core.tiers import DRAM, PAGE, shape_of
from collectives.memory.pool.hosted.controller import PoolSettings
from fabric.host.folder import sweep

START = 60.0
"""Seconds in which a controller has to have started its servers."""

END = 10.0
"""Seconds in which a controller has to end its servers; then it is killed, and they with it."""

POOL_ADDRESS = "TRIPLANE_POOL"
"""The environment variable that names a pool to programs that are given no address."""


@contextmanager
def serving(
    servers: int = 2, *, dram: int = DRAM, npu: int = 0, ssd: int = 0, object_storage: int = 0,
    policy: str = "lru", replicas: int = 1, page: int = PAGE,
    quotas: Mapping[str, int] | None = None, virtual_nodes: int = VIRTUAL_NODES,
    disk: Path | None = None,
) -> Iterator[str]:  # fmt: skip
    """A context manager for a pool of processes of this host; it gives the address to connect to.

    The arguments are those of `Pool.local`; ``policy``: a name, or ``"module:attribute"``;
    ``disk``: the folder in which SSDs and object storage have their files (None: where temporary
    files are). A controller and the servers run until the end of the context, or until this process
    ends, however that is. Raises `PoolError`.
    """
    sizes = {"npu": npu, "dram": dram, "ssd": ssd, "object": object_storage}
    shape_of(servers, sizes, page, quotas or {})
    eviction_policy(policy)
    HashRing(server_names(servers), virtual_nodes)
    settings = PoolSettings(
        servers, sizes, policy, replicas, page, dict(quotas or {}), virtual_nodes,
        None if disk is None else str(disk),
    )  # fmt: skip
    command = [sys.executable, "-m", "collectives.memory.pool.hosted.controller"]
    controller = subprocess.Popen(
        [*command, settings.to_text()], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        process_group=0,
    )  # fmt: skip
    try:
        yield _address(controller)
    finally:
        _end(controller)


def _address(controller: "subprocess.Popen[bytes]") -> str:
    """What the controller prints first; raises `PoolError` if that is no address."""
    assert controller.stdout is not None
    told, due = b"", time.monotonic() + START
    while not told.endswith(b"\n"):
        left = due - time.monotonic()
        if left <= 0 or not select.select([controller.stdout], [], [], left)[0]:
            raise PoolError(f"the pool's controller has not started within {START:.0f} s")
        piece = os.read(controller.stdout.fileno(), 1 << 12)
        if not piece:
            raise PoolError("the pool's controller has ended before its servers were there")
        told += piece
    line = told.decode().rstrip("\n")
    if line.startswith("!"):
        raise PoolError(line[1:])
    return line


def _end(controller: "subprocess.Popen[bytes]") -> None:
    assert controller.stdin is not None
    assert controller.stdout is not None
    controller.stdin.close()
    try:
        controller.wait(END)
    except subprocess.TimeoutExpired:
        controller.kill()
        controller.wait()
    controller.stdout.close()
    if controller.returncode:
        sweep()  # the folder of one that was killed
