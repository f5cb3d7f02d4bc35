"""Which instance of the engine this is, where the others meet it, and which pool it uses."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from collectives.adapters.vllm.errors import KVError
from collectives.memory.pool.core.hashing import LEAST_BLOCK, check_block
from collectives.memory.pool.core.tiers import whole_key
from collectives.memory.timed_pool import PLANE
from fabric.machine_json import VARIABLE
from fabric.settings import PREFIX, Settings
from topology.names import near
from topology.placement.allocate import spread

SOFTWARE = "hixl-roce"
"""The default: CANN's HIXL over RoCE, the RDMA plane."""


def files_apart(word: str) -> dict[str, str]:
    """Variables by which another world of this process writes files of its own.

    They are those of the environment's trace and record, whose names then end in ``-word``.
    """
    found: dict[str, str] = {}
    for name in (PREFIX + "TRACE", PREFIX + "RECORD"):
        if file := os.environ.get(name):
            path = Path(file)
            found[name] = str(path.with_name(f"{path.stem}-{word}{path.suffix}"))
    return found


@dataclass(frozen=True, slots=True)
class Instance:
    """The options in ``kv_connector_extra_config``: this instance is ``rank`` of ``ranks``.

    Instances meet at ``address`` of instance 0, at ``port`` (the engine's ``kv_port``).
    ``timeout``: seconds that one waits for another; ``start_timeout``: seconds until another has
    started, which may include loading and compiling a model. ``hold``: seconds for which the blocks
    of a prompt stay in the cache until another instance begins to read them. ``software``: see
    `SOFTWARE`.

    ``pool``: the address of a pool of blocks, None for none; ``namespace``: of the blocks there;
    ``pool_plane``: over which it is accessed; ``pool_block``: tokens of a block there, None for the
    least that can be; ``model``: what stands for the model's weights in the keys, None: see
    `collectives.adapters.vllm.pool_keys`.
    """

    rank: int
    ranks: int
    port: int
    address: str = "127.0.0.1"
    timeout: float = 60.0
    start_timeout: float = 600.0
    hold: float = 480.0
    software: str = SOFTWARE
    pool: str | None = None
    namespace: str = ""
    pool_plane: str = PLANE
    pool_block: int | None = None
    model: str | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.rank < self.ranks:
            raise KVError(
                f"rank is {self.rank} of ranks {self.ranks}; each instance has its own rank from 0"
                " on"
            )
        if self.ranks == 1 and self.pool is None:
            raise KVError(
                "kv_connector_extra_config has no pool, and ranks is 1: there is nobody to move KV"
                " to; give the address of a pool, or rank and ranks"
            )
        for name in ("timeout", "start_timeout", "hold"):
            if not getattr(self, name) > 0:
                raise KVError(f"{name} is {getattr(self, name)}; it has to be above 0")
        whole_key(self.namespace, "")

    @staticmethod
    def of(config: Any) -> "Instance":
        """The instance that a ``VllmConfig`` describes; raises `KVError` with the choices."""
        transfer = config.kv_transfer_config
        given = dict(transfer.kv_connector_extra_config)
        for key in given:
            if key not in KEYS:
                raise KVError(
                    f"kv_connector_extra_config has {key!r}; there are"
                    f" {', '.join(KEYS)}{near(key, KEYS)}"
                )
        missing = [key for key in ("rank", "ranks") if key not in given]
        if len(missing) == 1 or (missing and "pool" not in given):
            raise KVError(f"kv_connector_extra_config has no {' and no '.join(missing)}")
        parallel = config.parallel_config
        for name in ("tensor", "pipeline", "data"):
            size = getattr(parallel, f"{name}_parallel_size")
            if size != 1:
                raise KVError(f"{name}_parallel_size is {size}; with this connector it has to be 1")
        made = Instance(**{"rank": 0, "ranks": 1, "port": transfer.kv_port, **given})
        if made.pool is not None:
            _check_for_pool(config)
        return made

    def block_in_pool(self, block: int) -> int:
        """Tokens of a block in the pool, where the engine's have ``block``; raises `KVError`."""
        size = self.pool_block or -(-LEAST_BLOCK // block) * block
        if size % block:
            raise KVError(
                f"pool_block is {size}; it has to be a multiple of the engine's block_size {block}"
            )
        check_block(size)
        return size

    def environment(self) -> Mapping[str, str]:
        """The environment for the world of instances; see `fabric.settings.Settings`.

        Its software is the connector's own, as the environment's is for the experts' tokens; its
        trace and its record end in ``-kv``. Each instance is on a node of its own, as far as there
        are nodes, unless the machine says where the ranks are.
        """
        # the ranks of one instance write a trace and a record, too
        given = {**os.environ, **files_apart("kv"), PREFIX + "SOFTWARE": self.software}
        machine = Settings.from_environment(given).machine
        if machine is not None and machine.placement is None and not machine.without:
            topology = machine.whole()
            places = spread(topology, self.ranks, topology.accelerators)
            given[VARIABLE] = machine.changed(placement=tuple(places.tolist())).to_text()
            given.pop(PREFIX + "SYSTEM", None)  # it would override the machine
        return given


KEYS = tuple(each.name for each in fields(Instance) if each.name != "port")


def _check_for_pool(config: Any) -> None:
    policy = config.kv_transfer_config.kv_load_failure_policy
    if policy != "recompute":
        raise KVError(
            f"kv_load_failure_policy is {policy!r}; with a pool it has to be 'recompute': a block"
            " may go between the question for it and the read"
        )
    if config.speculative_config is not None:
        raise KVError("speculative_config is given; with a pool it has to be None")
