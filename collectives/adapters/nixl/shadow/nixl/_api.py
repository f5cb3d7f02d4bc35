"""NIXL's ``nixl._api`` as Triplane has it."""

from collectives.adapters.nixl.agent import NixlAgent as nixl_agent  # noqa: N813
from collectives.adapters.nixl.handles import PORT as DEFAULT_COMM_PORT
from collectives.adapters.nixl.handles import AgentConfig as nixl_agent_config  # noqa: N813
from collectives.adapters.nixl.handles import PreparedList as nixl_prepped_dlist_handle  # noqa: N813
from collectives.adapters.nixl.handles import ThreadSync as nixl_thread_sync_t  # noqa: N813
from collectives.adapters.nixl.handles import TransferHandle as nixl_xfer_handle  # noqa: N813

nixl_backend_handle = int

__all__ = [
    "DEFAULT_COMM_PORT", "nixl_agent", "nixl_agent_config", "nixl_backend_handle",
    "nixl_prepped_dlist_handle", "nixl_thread_sync_t", "nixl_xfer_handle",
]  # fmt: skip
