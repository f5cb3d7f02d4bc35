"""What `nixl_agent` is configured with, and the handles and figures that it gives."""

from dataclasses import dataclass, field
from enum import Enum

from collectives.adapters.nixl.descriptors import MemoryKind, TransferList

PORT = 5555
"""Where agents listen that say nothing else."""

BACKEND = "UCX"
"""The one backend; memory of this host is reached with the kernel's help, whatever it is called."""


class ThreadSync(Enum):
    """NIXL's modes of synchronisation; agents are safe to use from several threads in each."""

    NIXL_THREAD_SYNC_NONE = 0
    NIXL_THREAD_SYNC_STRICT = 1
    NIXL_THREAD_SYNC_RW = 2
    NIXL_THREAD_SYNC_DEFAULT = 0


@dataclass
class AgentConfig:
    """NIXL's ``nixl_agent_config``; ``enable_listen_thread`` and ``listen_port`` count."""

    enable_prog_thread: bool = True
    enable_listen_thread: bool = False
    listen_port: int = PORT
    capture_telemetry: bool = False
    num_threads: int = 0
    backends: list[str] = field(default_factory=lambda: [BACKEND])
    sync_mode: ThreadSync | None = None


@dataclass(eq=False)
class PreparedList:
    """NIXL's ``nixl_prepped_dlist_handle``: a checked list of one side of transfers.

    ``agent``: whose memory it is.
    """

    agent: str
    descriptors: TransferList

    def release(self) -> None:
        """Forget the list. Idempotent."""
        self.descriptors = TransferList(MemoryKind.DRAM_SEG)


@dataclass(eq=False)
class TransferHandle:
    """NIXL's ``nixl_xfer_handle``: a transfer that can be posted again and again.

    ``state``: "INIT", "DONE" or "ERR"; ``notice``: what the other agent is told then.
    """

    writes: bool
    local: TransferList
    remote: TransferList
    agent: str
    notice: bytes = b""
    state: str = "INIT"
    began: float = 0.0
    took: float = 0.0

    def release(self) -> None:
        """Forget the transfer; it is over already. Idempotent."""
        self.local = self.remote = TransferList(MemoryKind.DRAM_SEG)


@dataclass(frozen=True)
class Telemetry:
    """NIXL's ``nixlXferTelemetry``: times in microseconds."""

    startTime: int  # noqa: N815  (NIXL's names)
    postDuration: int  # noqa: N815
    xferDuration: int  # noqa: N815
    totalBytes: int  # noqa: N815
    descCount: int  # noqa: N815
