"""Mooncake's `TransferEngine` over memory of processes of one host.

Its names and return values: 0 or an address where something is done, a negative number or 0 where
it cannot be, with a line in the log of ``triplane`` that says why. A peer is named ``host:port`` by
the port at which it answers; only processes of this host are reached. Transfers are over when they
return, also the asynchronous ones.
"""

import ctypes
import itertools
import logging
from collections.abc import Sequence
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from collectives.memory.agents import AgentError, ProcessAgent
from fabric.transports.base import address_of

_LOG = logging.getLogger("triplane")

P2P = "P2PHANDSHAKE"
"""The metadata server of engines that ask each other; then any port will do."""

DONE, FAILED = 1, -1
"""What `TransferEngine.transfer_check_status` returns."""


class TransferOpcode(IntEnum):
    """What a transfer does."""

    Read = 0
    Write = 1
    READ = 0
    WRITE = 1


class TransferNotify:
    """A notification that follows a transfer: ``name``, and ``msg``."""

    def __init__(self, name: str = "", msg: str = "") -> None:
        self.name, self.msg = name, msg


class TransferEngine:
    """One process that reads and writes registered memory of others; see Mooncake's class."""

    TransferOpcode = TransferOpcode

    def __init__(self) -> None:
        self._agent: ProcessAgent | None = None
        self._managed: dict[int, NDArray[np.uint8]] = {}
        self._numbers = itertools.count(1)
        self._batches: dict[int, int] = {}

    def initialize(
        self, local_hostname: str, metadata_server: str, protocol: str, device_name: str
    ) -> int:
        """Answer as ``local_hostname``, ``host`` or ``host:port``.

        ``protocol``, ``device_name``: are taken, and decide nothing here. Returns 0; -1 if the
        port is in use and peers could not find another one.
        """
        port = _port(local_hostname)
        try:
            self._agent = ProcessAgent(local_hostname, port)
        except AgentError as error:
            if metadata_server != P2P:
                return _failed(error)
            self._agent = ProcessAgent(local_hostname)
        return 0

    def initialize_ext(
        self, local_hostname: str, metadata_server: str, protocol: str, device_name: str,
        metadata_type: str,
    ) -> int:  # fmt: skip
        """As `initialize`; ``metadata_type`` decides nothing here."""
        return self.initialize(local_hostname, metadata_server, protocol, device_name)

    def get_rpc_port(self) -> int:
        """The port at which others ask for its memory; -1 before `initialize`."""
        return -1 if self._agent is None else self._agent.port

    def register_memory(self, buffer_addr: int, capacity: int, location: str = "*") -> int:
        """Let others read and write ``capacity`` bytes at ``buffer_addr``; returns 0 or -1."""
        return self._each([buffer_addr], [capacity])

    def unregister_memory(self, buffer_addr: int) -> int:
        """Register it no more; returns 0, or -1 if it was not."""
        if self._agent is not None and self._agent.withdraw(buffer_addr):
            return 0
        return _failed(f"no memory is registered at address {buffer_addr}")

    def batch_register_memory(
        self, buffer_addresses: Sequence[int], capacities: Sequence[int], location: str = "*"
    ) -> int:
        """`register_memory` of many; returns 0 or -1."""
        return self._each(buffer_addresses, capacities)

    def batch_unregister_memory(self, buffer_addresses: Sequence[int]) -> int:
        """`unregister_memory` of many; returns 0, or -1 if one was not registered."""
        return min([self.unregister_memory(address) for address in buffer_addresses], default=0)

    def allocate_managed_buffer(self, length: int) -> int:
        """New registered memory of ``length`` bytes; returns its address, 0 if there is none."""
        if length <= 0:
            return 0
        room = np.zeros(length, np.uint8)
        address = address_of(room)
        if self.register_memory(address, length):
            return 0
        self._managed[address] = room
        return address

    def free_managed_buffer(self, buffer_addr: int, length: int) -> int:
        """Give back what `allocate_managed_buffer` returned; returns 0, or -1 if it was none."""
        if self._managed.pop(buffer_addr, None) is None:
            return _failed(f"no managed buffer is at address {buffer_addr}")
        return self.unregister_memory(buffer_addr)

    def get_first_buffer_address(self, segment_name: str) -> int:
        """The address of what ``segment_name`` has registered first; 0 if there is nothing."""
        try:
            agent, name = self._peer(segment_name, fresh=True)
        except AgentError as error:
            _failed(error)
            return 0
        card = agent.known(name)
        return card.memory[0][0] if card is not None and card.memory else 0

    def write_bytes_to_buffer(self, dest_address: int, src_ptr: bytes, length: int) -> int:
        """Copy bytes to memory of this process; returns 0, or -1 if there are not so many."""
        if len(src_ptr) < length:
            return _failed(f"{length} bytes of {len(src_ptr)} are to be copied")
        ctypes.memmove(dest_address, bytes(src_ptr[:length]), length)
        return 0

    def read_bytes_from_buffer(self, source_address: int, length: int) -> bytes:
        """The bytes at an address of this process."""
        return ctypes.string_at(source_address, length)

    def transfer_sync_write(
        self, target_hostname: str, buffer: int, peer_buffer_address: int, length: int,
        transport_hint: str = "",
    ) -> int:  # fmt: skip
        """Write to a peer's memory; returns 0 or -1. ``transport_hint`` decides nothing here."""
        return self._move(target_hostname, True, [buffer], [peer_buffer_address], [length])

    def transfer_sync_read(
        self, target_hostname: str, buffer: int, peer_buffer_address: int, length: int,
        transport_hint: str = "",
    ) -> int:  # fmt: skip
        """Read a peer's memory; returns 0 or -1."""
        return self._move(target_hostname, False, [buffer], [peer_buffer_address], [length])

    def transfer_sync(
        self, target_hostname: str, buffer: int, peer_buffer_address: int, length: int,
        opcode: int, notify: TransferNotify | None = None, transport_hint: str = "",
    ) -> int:  # fmt: skip
        """Read or write, and then notify the peer; returns 0 or -1."""
        return self.batch_transfer_sync(
            target_hostname, [buffer], [peer_buffer_address], [length], opcode, notify
        )

    def batch_transfer_sync_write(
        self, target_hostname: str, buffers: Sequence[int], peer_buffer_addresses: Sequence[int],
        lengths: Sequence[int], transport_hint: str = "",
    ) -> int:  # fmt: skip
        """Write many stretches; returns 0 or -1."""
        return self._move(target_hostname, True, buffers, peer_buffer_addresses, lengths)

    def batch_transfer_sync_read(
        self, target_hostname: str, buffers: Sequence[int], peer_buffer_addresses: Sequence[int],
        lengths: Sequence[int], transport_hint: str = "",
    ) -> int:  # fmt: skip
        """Read many stretches; returns 0 or -1."""
        return self._move(target_hostname, False, buffers, peer_buffer_addresses, lengths)

    def batch_transfer_sync(
        self, target_hostname: str, buffers: Sequence[int], peer_buffer_addresses: Sequence[int],
        lengths: Sequence[int], opcode: int, notify: TransferNotify | None = None,
        transport_hint: str = "",
    ) -> int:  # fmt: skip
        """Read or write many stretches, and then notify the peer; returns 0 or -1."""
        writes = int(opcode) == TransferOpcode.Write
        code = self._move(target_hostname, writes, buffers, peer_buffer_addresses, lengths)
        if not code and notify is not None:
            try:
                agent, name = self._peer(target_hostname)
                agent.notify(name, f"{notify.name}\0{notify.msg}".encode())
            except AgentError as error:
                return _failed(error)
        return code

    def transfer_submit_write(
        self, target_hostname: str, buffer: int, peer_buffer_address: int, length: int,
        transport_hint: str = "",
    ) -> int:  # fmt: skip
        """Write; returns a number for `transfer_check_status`."""
        return self.batch_transfer_async_write(
            target_hostname, [buffer], [peer_buffer_address], [length]
        )

    def transfer_check_status(self, batch_id: int) -> int:
        """1 if the transfer is over, -1 if it has failed, or is no transfer that is not known."""
        return self._batches.pop(batch_id, FAILED)

    def batch_transfer_async_write(
        self, target_hostname: str, buffers: Sequence[int], peer_buffer_addresses: Sequence[int],
        lengths: Sequence[int], transport_hint: str = "",
    ) -> int:  # fmt: skip
        """Write many stretches; returns a number for `get_batch_transfer_status`."""
        return self.batch_transfer_async(
            target_hostname, buffers, peer_buffer_addresses, lengths, TransferOpcode.Write
        )

    def batch_transfer_async_read(
        self, target_hostname: str, buffers: Sequence[int], peer_buffer_addresses: Sequence[int],
        lengths: Sequence[int], transport_hint: str = "",
    ) -> int:  # fmt: skip
        """Read many stretches; returns a number for `get_batch_transfer_status`."""
        return self.batch_transfer_async(
            target_hostname, buffers, peer_buffer_addresses, lengths, TransferOpcode.Read
        )

    def batch_transfer_async(
        self, target_hostname: str, buffers: Sequence[int], peer_buffer_addresses: Sequence[int],
        lengths: Sequence[int], opcode: int, transport_hint: str = "",
    ) -> int:  # fmt: skip
        """Read or write many stretches; returns a number for `get_batch_transfer_status`.

        0 if there is no such peer.
        """
        try:
            self._peer(target_hostname)
        except AgentError as error:
            _failed(error)
            return 0
        code = self.batch_transfer_sync(
            target_hostname, buffers, peer_buffer_addresses, lengths, opcode
        )
        number = next(self._numbers)
        self._batches[number] = FAILED if code else DONE
        return number

    def get_batch_transfer_status(self, batch_ids: Sequence[int]) -> int:
        """0 if all of these are over, -1 if one has failed."""
        return 0 if {self._batches.pop(one, FAILED) for one in batch_ids} <= {DONE} else -1

    def get_notifies(self) -> list[TransferNotify]:
        """The notifications of peers since the last call."""
        notes = [] if self._agent is None else self._agent.notes()
        texts = (message.decode(errors="replace").partition("\0") for _, message in notes)
        return [TransferNotify(name, msg) for name, _, msg in texts]

    def send_probe(self, peer_server_name: str) -> int:
        """0 if a peer answers, -1 if not."""
        try:
            self._peer(peer_server_name, fresh=True)
        except AgentError as error:
            return _failed(error)
        return 0

    def _each(self, addresses: Sequence[int], sizes: Sequence[int]) -> int:
        if self._agent is None:
            return _failed("memory is registered before initialize")
        try:
            for address, size in zip(addresses, sizes, strict=True):
                self._agent.expose(address, size)
        except (AgentError, ValueError) as error:
            return _failed(error)
        return 0

    def _move(
        self, target: str, writes: bool, here: Sequence[int], there: Sequence[int],
        sizes: Sequence[int],
    ) -> int:  # fmt: skip
        try:
            agent, name = self._peer(target)
            agent.move(name, writes, here, there, sizes)
        except (AgentError, ValueError) as error:
            return _failed(error)
        return 0

    def _peer(self, target: str, fresh: bool = False) -> tuple[ProcessAgent, str]:
        """The own agent, and the name of the peer at ``target``; ``fresh``: asked anew."""
        agent = self._agent
        if agent is None:
            raise AgentError("an engine is used before initialize")
        if target == agent.name or _port(target) == agent.port:
            return agent, agent.name
        if fresh or agent.known(target) is None:
            card = agent.ask(_port(target))
            if card.name != target:  # by the port that it got, not the one that it asked for
                agent.alias(target, card)
        return agent, target


def _port(name: str) -> int:
    text = name.rpartition(":")[2]
    return int(text) if ":" in name and text.isdecimal() else 0


def _failed(why: object) -> int:
    _LOG.warning("TransferEngine: %s", why)
    return -1
