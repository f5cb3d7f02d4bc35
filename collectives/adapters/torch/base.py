"""What torch asks of every group besides calls: its name, its time-out, its devices."""

from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch._C._distributed_c10d import Backend

DEVICE = "cpu"
"""Where tensors have to be."""

_Base: Any = dist.ProcessGroup
"""Its stubs say more than torch asks: every call in all forms that C++ would take."""


class NamedGroup(_Base):  # type: ignore[misc]
    """A process group of torch in Python, with a name and a time-out of its own.

    The base class would ask a C++ backend for them, which such a group does not have.
    """

    def __init__(self, rank: int, size: int, timeout: timedelta) -> None:
        super().__init__(rank, size)
        self._timeout = timeout
        self._name = self._description = ""

    def getBackendName(self) -> str:  # noqa: N802
        """The name of the backend."""
        return "triplane"

    def name(self) -> str:
        """The name of the backend."""
        return "triplane"

    def setGroupName(self, name: str) -> None:  # noqa: N802
        """Set the name of the group."""
        self._name = name

    _set_group_name = setGroupName

    def getGroupName(self) -> str:  # noqa: N802
        """The name of the group; overridden because the base class would ask a C++ backend."""
        return self._name

    group_name = property(getGroupName)

    def setGroupDesc(self, description: str) -> None:  # noqa: N802
        """Set the description of the group."""
        self._description = description

    _set_group_desc = setGroupDesc

    def getGroupDesc(self) -> str:  # noqa: N802
        """The description of the group."""
        return self._description

    group_desc = property(getGroupDesc)

    @property
    def _device_types(self) -> list[torch.device]:
        """Where its tensors can be; the base class would say nowhere."""
        return [torch.device(DEVICE)]

    def _get_backend(self, device: torch.device) -> "NamedGroup":
        """Itself; raises `RuntimeError` for another device, in torch's words."""
        if torch.device(device).type != DEVICE:
            raise RuntimeError(f"No backend type associated with device type {device}")
        return self

    def _has_hooks(self) -> bool:
        return False

    def _wait_for_pending_works(self) -> None:
        """Nothing waits: there are no hooks."""

    def _get_sequence_number_for_group(self) -> int:
        """How many calls there were before; gloo counts none either."""
        return 0

    def _set_default_timeout(self, timeout: timedelta) -> None:
        self._timeout = timeout

    set_timeout = _set_default_timeout

    @property
    def options(self) -> Any:
        """The backend's options for torch: name and time-out."""
        return Backend.Options(self.getBackendName(), self._timeout)

    supports_splitting = supports_coalescing = supports_time_estimate = False

    def _set_sequence_number_for_group(self) -> None:
        """Calls are numbered by the communicator."""
