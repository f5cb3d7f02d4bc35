"""NIXL's `nixl_agent` over memory of processes of one host.

Transfers are over when `NixlAgent.transfer` returns. A descriptor list that is sent to another
agent is JSON, never a pickle. There is one backend, called "UCX" as programs ask for it; metadata
goes from agent to agent (by bytes that a program passes on, or by address and port), not by a
server.
"""

import itertools
import json
import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from collectives.adapters.nixl.descriptors import (
    KINDS,
    DescriptorList,
    RegistrationList,
    TransferList,
    deserialized,
    serialized,
    stretches_of,
)
from collectives.adapters.nixl.errors import (
    NixlInvalidParamError,
    NixlNotFoundError,
    NixlNotSupportedError,
)
from collectives.adapters.nixl.handles import (
    BACKEND,
    PORT,
    AgentConfig,
    PreparedList,
    Telemetry,
    TransferHandle,
)
from collectives.memory.agents import AgentError, ProcessAgent, card_of

_LOG = logging.getLogger("nixl.api")

MEMORY = ["DRAM_SEG"]
"""The memory that it can reach."""

LOCAL = "NIXL_INIT_AGENT"
"""The name of the initiator's side in `NixlAgent.prep_xfer_dlist`."""


class NixlAgent:
    """NIXL's ``nixl_agent``; ``instantiate_all`` decides nothing, as there is one backend."""

    def __init__(
        self, agent_name: str, nixl_conf: AgentConfig | None = None, instantiate_all: bool = False
    ) -> None:
        conf = nixl_conf or AgentConfig()
        self.name = agent_name
        self.notifs: dict[str, list[bytes]] = {}
        self.plugin_list = [BACKEND]
        self.backends = {name: number for number, name in enumerate(conf.backends)}
        self._agent = ProcessAgent(agent_name, conf.listen_port if conf.enable_listen_thread else 0)
        self._sought: dict[str, int] = {}
        self._handles = itertools.count()

    # Memory.

    def get_reg_descs(self, descs: Any, mem_type: str | None = None) -> RegistrationList | None:
        """The list of ``descs`` to register; None, and a line in the log, for what is none."""
        if isinstance(descs, RegistrationList):
            return descs
        found = None if isinstance(descs, DescriptorList) else stretches_of(descs, mem_type)
        return None if _is_none(found) else RegistrationList(*found or ())

    def get_xfer_descs(self, descs: Any, mem_type: str | None = None) -> TransferList | None:
        """The list of ``descs`` to transfer; None, and a line in the log, for what is none."""
        if isinstance(descs, TransferList):
            return descs
        found = None if isinstance(descs, DescriptorList) else stretches_of(descs, mem_type)
        return None if _is_none(found) else TransferList(*found or ())

    def register_memory(
        self, reg_list: Any, mem_type: str | None = None, backends: Sequence[str] = ()
    ) -> RegistrationList:
        """Let other agents read and write memory; returns the list of it."""
        descs = self.get_reg_descs(reg_list, mem_type)
        if descs is None:
            raise NixlInvalidParamError(f"{reg_list!r:.80} is no memory that can be registered")
        _check_kind(descs)
        for address, size, _ in descs.rows:
            self._agent.expose(address, size)
        return descs

    def deregister_memory(self, dereg_list: RegistrationList, backends: Sequence[str] = ()) -> None:
        """Register memory no more; raises `NixlNotFoundError` if some was not."""
        for address, size, _ in dereg_list.rows:
            if not self._agent.withdraw(address):
                raise NixlNotFoundError(f"{size} bytes at {address} are not registered")

    def get_serialized_descs(self, descs: DescriptorList) -> bytes:
        """A list as bytes for another agent."""
        return serialized(descs)

    def deserialize_descs(self, serialized_descs: bytes) -> DescriptorList:
        """The list in bytes of `get_serialized_descs`."""
        return deserialized(serialized_descs)

    # Other agents.

    def get_agent_metadata(self) -> bytes:
        """What another agent must know of this one, for its `add_remote_agent`."""
        return json.dumps(self._agent.card.as_json()).encode()

    def get_partial_agent_metadata(
        self, descs: RegistrationList, inc_conn_info: bool = False, backends: Sequence[str] = ()
    ) -> bytes:
        """The same of some memory only."""
        card = {**self._agent.card.as_json(), "memory": [row[:2] for row in descs.rows]}
        return json.dumps(card).encode()

    def add_remote_agent(self, metadata: bytes) -> str:
        """Know another agent by its metadata; returns its name."""
        try:
            card = card_of(json.loads(metadata))
            self._agent.add(card)
        except (AgentError, ValueError) as error:
            raise NixlInvalidParamError(f"metadata of an agent: {error}") from None
        return card.name

    def remove_remote_agent(self, agent: str) -> None:
        """Forget another agent; raises `NixlNotFoundError` if it is not known."""
        if not self._agent.forget(agent):
            raise NixlNotFoundError(f"agent {agent!r} is not known to {self.name!r}")

    def make_connection(self, remote_agent: str, backends: Sequence[str] = ()) -> None:
        """Nothing has to be done before the first transfer; the agent has to be known."""
        self._known(remote_agent)

    def fetch_remote_metadata(
        self, remote_agent: str, ip_addr: str = "", port: int = PORT, label: str = ""
    ) -> None:
        """Ask the agent that listens at ``port``, now or when it does; see `check_remote_metadata`.

        Raises `NixlNotSupportedError` without an address: there is no metadata server.
        """
        self._sought[remote_agent] = _port(ip_addr, port)
        self.check_remote_metadata(remote_agent)

    def send_local_metadata(self, ip_addr: str = "", port: int = PORT) -> None:
        """Give the agent that listens at ``port`` what it must know of this one."""
        self._agent.tell(_port(ip_addr, port))

    def send_partial_agent_metadata(
        self, descs: RegistrationList, inc_conn_info: bool = False, backends: Sequence[str] = (),
        ip_addr: str = "", port: int = PORT, label: str = "",
    ) -> None:  # fmt: skip
        """The same of some memory only, which is added to what was sent before."""
        memory = [(address, size) for address, size, _ in descs.rows]
        self._agent.tell(_port(ip_addr, port), memory)

    def invalidate_local_metadata(self, ip_addr: str = "", port: int = PORT) -> None:
        """Have the agent that listens at ``port`` forget this one; it may have ended already."""
        try:
            self._agent.leave(_port(ip_addr, port))
        except AgentError as error:
            _LOG.info("%s", error)

    def check_remote_metadata(self, agent: str, descs: TransferList | None = None) -> bool:
        """Whether an agent is known, with the memory of ``descs``."""
        port = self._sought.get(agent)
        if port is not None and self._agent.known(agent) is None:
            try:
                self._agent.ask(port)
            except AgentError as error:
                _LOG.debug("%s", error)
        card = self._agent.known(agent)
        if card is None:
            return False
        self._sought.pop(agent, None)
        return descs is None or all(card.has(at, size) for at, size, _ in descs.rows)

    # Transfers.

    def prep_xfer_dlist(
        self, agent_name: str, xfer_list: Any, mem_type: str | None = None,
        backends: Sequence[str] = (),
    ) -> PreparedList:  # fmt: skip
        """A list of one side of transfers, of `LOCAL` or another agent."""
        name = self.name if agent_name in ("", LOCAL) else agent_name
        descriptors = self._transfers(xfer_list, mem_type)
        self._check_known(name, descriptors)
        return PreparedList(name, descriptors)

    def make_prepped_xfer(
        self, operation: str, local_xfer_side: PreparedList, local_indices: Iterable[int],
        remote_xfer_side: PreparedList, remote_indices: Iterable[int],
        notif_msg: bytes | str = b"", backends: Sequence[str] = (), skip_desc_merge: bool = False,
    ) -> TransferHandle:  # fmt: skip
        """A transfer of these places of two prepared lists."""
        return self._handle(
            operation, local_xfer_side.descriptors.pick(local_indices),
            remote_xfer_side.descriptors.pick(remote_indices), remote_xfer_side.agent, notif_msg,
        )  # fmt: skip

    def initialize_xfer(
        self, operation: str, local_descs: TransferList, remote_descs: TransferList,
        remote_agent: str, notif_msg: bytes | str = b"", backends: Sequence[str] = (),
    ) -> TransferHandle:  # fmt: skip
        """A transfer between two lists of as many stretches, as long as each other.

        Raises `NixlNotFoundError` for memory of the other agent that is not known here.
        """
        self._check_known(remote_agent, remote_descs)
        return self._handle(operation, local_descs, remote_descs, remote_agent, notif_msg)

    def transfer(self, handle: TransferHandle, notif_msg: bytes | str = b"") -> str:
        """Move the bytes, and then notify the other agent; returns "DONE" or "ERR"."""
        handle.began = began = time.time()
        here, there = ([row[0] for row in side.rows] for side in (handle.local, handle.remote))
        sizes = [row[1] for row in handle.local.rows]
        try:
            self._agent.move(handle.agent, handle.writes, here, there, sizes)
            notice = _bytes(notif_msg) or handle.notice
            if notice:
                self._agent.notify(handle.agent, notice)
            handle.state = "DONE"
        except AgentError as error:
            _LOG.error("%s", error)
            handle.state = "ERR"
        handle.took = time.time() - began
        return handle.state

    def check_xfer_state(self, handle: TransferHandle) -> str:
        """What `transfer` has returned: "DONE" or "ERR"."""
        if handle.state == "INIT":
            raise NixlInvalidParamError("the transfer has not been posted yet")
        return handle.state

    def query_xfer_backend(self, handle: TransferHandle) -> str:
        """The backend that moves it."""
        return next(iter(self.backends), BACKEND)

    def get_xfer_telemetry(self, handle: TransferHandle) -> Telemetry:
        """How long the last posting has taken."""
        took = round(handle.took * 1e6)
        sizes = [row[1] for row in handle.local.rows]
        return Telemetry(round(handle.began * 1e6), took, took, sum(sizes), len(sizes))

    def release_xfer_handle(self, handle: TransferHandle) -> None:
        """Forget a transfer."""
        handle.release()

    def release_dlist_handle(self, handle: PreparedList) -> None:
        """Forget a prepared list."""
        handle.release()

    # Notifications.

    def send_notif(
        self, remote_agent_name: str, notif_msg: bytes | str, backend: str | None = None
    ) -> None:
        """Send a message to another agent; raises `NixlNotFoundError` if it is not known."""
        self._known(remote_agent_name)
        self._agent.notify(remote_agent_name, _bytes(notif_msg))

    def get_new_notifs(self, backends: Sequence[str] = ()) -> dict[str, list[bytes]]:
        """The messages since the last call, by sender."""
        found: dict[str, list[bytes]] = {}
        for sender, message in self._agent.notes():
            found.setdefault(sender, []).append(message)
        return found

    def update_notifs(self, backends: Sequence[str] = ()) -> dict[str, list[bytes]]:
        """All messages that were not taken, by sender, in ``notifs``."""
        for sender, messages in self.get_new_notifs().items():
            self.notifs.setdefault(sender, []).extend(messages)
        return self.notifs

    def check_remote_xfer_done(
        self, remote_agent_name: str, lookup_tag: bytes, backends: Sequence[str] = (),
        tag_is_prefix: bool = True,
    ) -> bool:  # fmt: skip
        """Whether a message of an agent begins with a tag (or has it within); it is then taken."""
        messages = self.update_notifs().get(remote_agent_name, [])
        for message in messages:
            if message.startswith(lookup_tag) if tag_is_prefix else lookup_tag in message:
                messages.remove(message)
                return True
        return False

    # Backends.

    def get_plugin_list(self) -> list[str]:
        """The names of the backends that there are."""
        return self.plugin_list

    def get_plugin_mem_types(self, backend: str) -> list[str]:
        """The kinds of memory that a backend can reach."""
        return MEMORY if backend in self.plugin_list else []

    def get_backend_mem_types(self, backend: str) -> list[str]:
        """The same of a backend that was made."""
        return MEMORY if backend in self.backends else []

    def get_plugin_params(self, backend: str) -> Mapping[str, str]:
        """The options of a backend: there are none."""
        return {}

    def get_backend_params(self, backend: str) -> Mapping[str, str]:
        """The options of a backend that was made: there are none."""
        return {}

    def create_backend(self, backend: str, initParams: Mapping[str, str] | None = None) -> None:  # noqa: N803
        """Make a backend; all are the one that there is."""
        self.backends.setdefault(backend, len(self.backends))

    def _known(self, name: str) -> None:
        if self._agent.known(name) is None:
            raise NixlNotFoundError(f"agent {name!r} is not known to {self.name!r}")

    def _check_known(self, name: str, descriptors: TransferList) -> None:
        """Raise `NixlNotFoundError` unless this memory of an agent is known to be registered."""
        self._known(name)
        card = self._agent.known(name)
        for address, size, _ in descriptors.rows:
            if card is None or not card.has(address, size):
                raise NixlNotFoundError(
                    f"agent {name!r} has registered no {size} bytes at {address}, as far as"
                    f" {self.name!r} knows"
                )

    def _transfers(self, given: Any, kind: str | None) -> TransferList:
        found = self.get_xfer_descs(given, kind)
        if found is None:
            raise NixlInvalidParamError(f"{given!r:.80} is no list of memory to transfer")
        _check_kind(found)
        return found

    def _handle(
        self, operation: str, local: TransferList, remote: TransferList, agent: str,
        notice: bytes | str,
    ) -> TransferHandle:  # fmt: skip
        if operation not in ("READ", "WRITE"):
            raise NixlInvalidParamError(f"operation is {operation!r}; it can be READ, WRITE")
        sizes = [[row[1] for row in side.rows] for side in (local, remote)]
        if sizes[0] != sizes[1]:
            raise NixlInvalidParamError(
                f"a transfer has {len(sizes[0])} stretches here and {len(sizes[1])} at agent"
                f" {agent!r}, or their lengths differ"
            )
        return TransferHandle(operation == "WRITE", local, remote, agent, _bytes(notice))


def _is_none(found: object) -> bool:
    if found is None:
        _LOG.error("that is no list of (address, length, device) with a memory type, and no tensor")
    return found is None


def _check_kind(descriptors: DescriptorList) -> None:
    if descriptors.getType() != KINDS["DRAM"]:
        raise NixlNotSupportedError(f"{descriptors.getType().name}: only DRAM_SEG is reached here")


def _port(address: str, port: int) -> int:
    if not address:
        raise NixlNotSupportedError("there is no metadata server: give an address and a port")
    return port


def _bytes(message: bytes | str) -> bytes:
    return message.encode() if isinstance(message, str) else bytes(message)
