"""Instances of the engine as ranks of a world, and KV blocks as messages between them.

An instance that wants blocks writes so into a store of torch that all can reach, as proxies and
engines do it by a side channel; the blocks themselves travel as Triplane's messages, one a layer. A
rank serves others in a thread of its own. Messages of rank r travel over the r-th communicator:
there that thread is the only one to send, and the engine's own thread the only one to receive.
"""

import json
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch._C._distributed_c10d import TCPStore

from collectives.adapters.torch.joining import joined
from collectives.adapters.vllm.errors import KVError
from collectives.adapters.vllm.settings import Instance
from collectives.adapters.vllm.store import Blocks, Kept
from collectives.calls.communicator import Communicator
from collectives.calls.start import everybody
from collectives.calls.work import Work
from fabric.failure import TimedOut, WorldError
from fabric.world.messages import MachineLabel

EVER = timedelta(days=365)
"""How long the serving thread waits for the next wish; the last one is `close`'s."""

POLL = 0.001
"""Seconds between two looks for an answer."""

Shapes = dict[str, tuple[tuple[int, ...], torch.dtype]]


@dataclass(frozen=True, slots=True)
class IncomingBlocks:
    """A layer's blocks under way: they are in ``into`` when ``work`` is over.

    ``machine``: the emulated machine that times the transfer.
    """

    into: Tensor
    work: Work
    machine: MachineLabel | None


class Peers:
    """One instance among the others; ``shapes``: by layer, shape and type of a block.

    Waits until all instances are there. Raises `WorldError`, and `KVError` if their caches differ.
    """

    def __init__(self, given: Instance, shapes: Shapes) -> None:
        self.given, self.kept, self._shapes = given, Kept(given.buffer_bytes), shapes
        self._store = self._client(given.rank == 0)
        self._meet()
        self._member = joined(self._store, given.rank, given.ranks, given.environment())
        self._comms: Sequence[Communicator] = [
            everybody(self._member, given.timeout) for _ in range(given.ranks)
        ]
        try:
            self._agree()
        except KVError as error:
            self._member.close(error)
            raise
        self._failed: list[WorldError] = []
        self._server = threading.Thread(target=self._serve, name="triplane-kv", daemon=True)
        self._server.start()

    def check(self) -> None:
        """Raise the error that has ended the world of instances, if any."""
        if self._failed:
            raise self._failed[0]
        self._member.driver.control.check()

    def pull(
        self, request: str, source: int, first: int, count: int
    ) -> dict[str, IncomingBlocks] | None:
        """Begin to fetch ``count`` blocks from number ``first`` on; returns the transfers by layer.

        None if the source no longer has them. Raises `KVError` if it does not answer, `WorldError`
        if it has died.
        """
        me, ranks = self.given.rank, self.given.ranks
        if source == me or not 0 <= source < ranks:
            raise KVError(f"rank {me} asks rank {source} of {ranks} for KV")
        wish = {"request": request, "to": me, "first": first, "count": count}
        number = self._wish(self._store, source, wish)
        there = self._answered(f"answer/{source}/{number}", source, request)
        return self._incoming(source, number, count) if there else None

    def close(self) -> None:
        """Leave the world of instances; raises what went wrong between them."""
        if self._server.is_alive():
            with suppress(dist.DistError):  # the store went with rank 0, and so ends the thread
                self._wish(self._store, self.given.rank, None)
            self._server.join(self.given.timeout)
            if self._server.is_alive():
                self._failed.append(TimedOut(f"rank {self.given.rank}: its KV is still asked for"))
        failed = self._failed[0] if self._failed else None
        self._member.close(failed)
        if failed is not None:
            raise failed

    def _client(self, master: bool) -> TCPStore:
        given = self.given
        return TCPStore(
            given.address, given.port, given.ranks, master, timedelta(seconds=given.start_timeout),
            wait_for_workers=False,
        )  # fmt: skip

    def _meet(self) -> None:
        """Wait until all instances have started."""
        keys = [f"here/{rank}" for rank in range(self.given.ranks)]
        self._store.set(keys[self.given.rank], "")
        try:
            self._store.wait(keys, timedelta(seconds=self.given.start_timeout))
        except dist.DistError as error:
            late = [rank for rank, key in enumerate(keys) if not self._store.check([key])]
            raise KVError(
                f"of {self.given.ranks} instances, {late} have not come to"
                f" {self.given.address}:{self.given.port} within {self.given.start_timeout:g} s"
            ) from error

    def _agree(self) -> None:
        """Refuse instances whose blocks differ."""
        shapes = [[name, shape, str(kind)] for name, (shape, kind) in self._shapes.items()]
        mine = json.dumps(shapes)
        self._store.set(f"shapes/{self.given.rank}", mine)
        others = [self._store.get(f"shapes/{rank}").decode() for rank in range(self.given.ranks)]
        for rank, other in enumerate(others):
            if other != mine:
                raise KVError(
                    f"the KV blocks of rank {self.given.rank} are {mine}, those of rank {rank}"
                    f" {other}; all instances need the same model, type and block size"
                )

    @staticmethod
    def _wish(store: TCPStore, source: int, wish: dict[str, Any] | None) -> int:
        """Ask a rank for something, or oneself to end; the number of the wish."""
        number = store.add(f"wishes/{source}", 1) - 1
        store.set(f"wish/{source}/{number}", json.dumps(wish))
        return int(number)

    def _answered(self, key: str, source: int, request: str) -> bool:
        due = time.monotonic() + self.given.timeout
        while not self._store.check([key]):
            self.check()
            if time.monotonic() > due:
                raise KVError(
                    f"rank {source} has not answered within {self.given.timeout:g} s to rank"
                    f" {self.given.rank}, which wants the KV of request {request}"
                )
            time.sleep(POLL)
        there = self._store.get(key) == b"here"
        self._store.delete_key(key)
        return there

    def _incoming(self, source: int, number: int, count: int) -> dict[str, IncomingBlocks]:
        comm, coming = self._comms[source], {}
        machine = comm.machine("send_recv")
        for name, (shape, kind) in self._shapes.items():
            into = torch.empty((count, *shape), dtype=kind)
            coming[name] = IncomingBlocks(into, comm.irecv(into, source, number), machine)
        return coming

    def _serve(self) -> None:
        """Answer wishes, one after the other, until one's own."""
        number, rank = 0, self.given.rank
        try:
            store = self._client(False)
            while (wish := _taken(store, f"wish/{rank}/{number}")) is not None:
                blocks = self.kept.take(wish["request"])
                store.set(f"answer/{rank}/{number}", "gone" if blocks is None else "here")
                if blocks is not None:
                    self._send(blocks, wish, number)
                number += 1
        except WorldError as error:
            self._failed.append(error)
        except dist.DistError:
            return  # rank 0 has left, and the store with it: nobody can wish for anything now

    def _send(self, blocks: Blocks, wish: dict[str, Any], number: int) -> None:
        comm, which = self._comms[self.given.rank], slice(wish["first"], None)
        pieces = [blocks[name][which][: wish["count"]].contiguous() for name in self._shapes]
        for work in [comm.isend(piece, wish["to"], number) for piece in pieces]:
            work.wait(self.given.timeout)


def _taken(store: TCPStore, key: str) -> dict[str, Any] | None:
    store.wait([key], EVER)
    wish: dict[str, Any] | None = json.loads(store.get(key))
    store.delete_key(key)
    return wish
