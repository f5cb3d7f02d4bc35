"""Job: what `fabric.launch` is asked for, as its ways to run it take it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fabric.settings import Settings

if TYPE_CHECKING:
    from fabric.simulate import Fabric
    from topology.graph import Topology


@dataclass(frozen=True)
class Job:
    """``main(*args)`` in each of ``ranks`` ranks, on ``system``, with what they have in common.

    ``timeout``: seconds after which they are ended; None: never.
    """

    main: Callable[..., Any]
    ranks: int
    system: "str | Path | Topology | Fabric | None"
    settings: Settings
    args: tuple[Any, ...] = ()
    timeout: float | None = None
