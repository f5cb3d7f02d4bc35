"""Which instance of the engine this is, and where the others meet it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from collectives.adapters.vllm.errors import KVError
from fabric.settings import PREFIX
from topology.names import near

KEYS = ("rank", "ranks", "address", "timeout", "start_timeout", "buffer_bytes", "software")
SOFTWARE = "hixl-roce"
"""The default: CANN's HIXL over RoCE, the RDMA plane."""


@dataclass(frozen=True, slots=True)
class Instance:
    """The options in ``kv_connector_extra_config``: this instance is ``rank`` of ``ranks``.

    Instances meet at ``address`` of instance 0, at ``port`` (the engine's ``kv_port``).
    ``timeout``: seconds that one waits for another; ``start_timeout``: seconds until another has
    started, which may include loading and compiling a model. ``buffer_bytes``: kept for others at
    most; the oldest are dropped first. ``software``: see `SOFTWARE`.
    """

    rank: int
    ranks: int
    port: int
    address: str = "127.0.0.1"
    timeout: float = 60.0
    start_timeout: float = 600.0
    buffer_bytes: int = 1 << 30
    software: str = SOFTWARE

    def __post_init__(self) -> None:
        if self.ranks < 2 or not 0 <= self.rank < self.ranks:
            raise KVError(
                f"rank is {self.rank} of ranks {self.ranks}; there are 2 or more instances, and"
                " each has its own rank from 0 on"
            )
        for name in ("timeout", "start_timeout", "buffer_bytes"):
            if not getattr(self, name) > 0:
                raise KVError(f"{name} is {getattr(self, name)}; it has to be above 0")

    @staticmethod
    def of(config: Any) -> "Instance":
        """The instance that a ``VllmConfig`` describes; raises `KVError` with the choices."""
        given = dict(config.kv_transfer_config.kv_connector_extra_config)
        for key in given:
            if key not in KEYS:
                raise KVError(
                    f"kv_connector_extra_config has {key!r}; there are"
                    f" {', '.join(KEYS)}{near(key, KEYS)}"
                )
        missing = [key for key in ("rank", "ranks") if key not in given]
        if missing:
            raise KVError(f"kv_connector_extra_config has no {' and no '.join(missing)}")
        parallel = config.parallel_config
        for name in ("tensor", "pipeline", "data"):
            size = getattr(parallel, f"{name}_parallel_size")
            if size != 1:
                raise KVError(f"{name}_parallel_size is {size}; with this connector it has to be 1")
        return Instance(port=config.kv_transfer_config.kv_port, **given)

    def environment(self) -> Mapping[str, str]:
        """The environment for the world of instances; see `fabric.settings.Settings`.

        Its software is the connector's own, as the environment's is for the experts' tokens; its
        trace and its record end in ``-kv``.
        """
        given = {**os.environ, PREFIX + "SOFTWARE": self.software}
        for name in ("TRACE", "RECORD"):
            if file := given.get(PREFIX + name):  # the ranks of one instance write one, too
                path = Path(file)
                given[PREFIX + name] = str(path.with_name(f"{path.stem}-kv{path.suffix}"))
        return given
