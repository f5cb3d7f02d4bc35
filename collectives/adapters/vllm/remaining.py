"""The part of a worker of vLLM in going on after a loss: to be a rank of a smaller world.

What is left of a data-parallel engine are the replicas of which every rank is left: each of them is
``world_size`` ranks of the world (tensor and pipeline parallel), one after the other.
"""

import gc
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch.distributed as dist
from torch._C._distributed_c10d import TCPStore
from torch.distributed import distributed_c10d
from vllm.config import set_current_vllm_config
from vllm.distributed import parallel_state
from vllm.utils.network_utils import get_ip

from collectives.adapters.torch import NAME, communicator, shrink
from fabric.failure import RankLost
from fabric.host.liveness import host
from fabric.settings import PREFIX

LOOPBACK = "127.0.0.1"


def goes_on() -> bool:
    """True where the world of this process goes on after a loss."""
    return os.environ.get(PREFIX + "ON_LOSS") == "shrink"


class RanksLeft(NamedTuple):
    """What a replica has to know of those that are left, alike in all of its workers.

    ``rank`` of ``size`` replicas; ``replicas``: the numbers that they all had at first.
    ``address``, ``port``: a store of torch for them. ``wave``: the latest that one of them is at.
    """

    rank: int
    size: int
    replicas: tuple[int, ...]
    address: str
    port: int
    wave: int


@contextmanager
def without_sentinel(parallel: Any) -> Iterator[None]:
    """Make a worker without vLLM's own sentinel, which wants the kernels of a GPU."""
    asked, parallel.enable_fault_tolerance = parallel.enable_fault_tolerance, False
    try:
        yield
    finally:
        parallel.enable_fault_tolerance = asked


class Survivor:
    """A worker's way into a smaller world: the groups, the model and the KV cache anew.

    ``replica``: the number that the worker's replica had at first.
    """

    def __init__(self, worker: Any) -> None:
        self._worker, self._requests = worker, dict[str, Any]()
        self.replica = int(worker.parallel_config.data_parallel_rank)

    def go_on(self, wave: int) -> RanksLeft:
        """Agree with all that are left, and be one of them, ready for requests.

        All experts are loaded again, so the model is whole. Requests keep their tokens; what has
        been computed for them is lost. Raises `RankLost` where a rank of this replica is missing.
        """
        worker = self._worker
        found = self._met(self._agreed(), wave)
        parallel = worker.parallel_config
        parallel.data_parallel_size, parallel.data_parallel_rank = found.size, found.rank
        with set_current_vllm_config(worker.vllm_config):
            self._forget_groups()
            runner = vars(worker).pop("model_runner", None)
            if runner is not None:  # else another rank was lost while there was none
                self._requests = runner.requests
            del runner
            for known in ("static_forward_context", "static_all_moe_layers"):
                getattr(worker.compilation_config, known).clear()
            gc.collect()  # before as much memory is asked for again
            worker.init_device()
            worker.load_model()
            worker.initialize_from_config(worker.kv_cache_layout)
            worker.model_runner.requests = self._requests
        return found

    def _agreed(self) -> tuple[int, ...]:
        """The replicas that are left, all of them whole."""
        each = int(self._worker.parallel_config.world_size)
        while True:
            group = shrink()
            ranks = Counter(rank // each for rank in communicator().members)
            if ranks[self.replica] < each:
                group.abort()
                raise RankLost(
                    f"of the {each} ranks of replica {self.replica}, {ranks[self.replica]} are"
                    " left: it cannot go on"
                )
            if set(ranks.values()) == {each}:
                return tuple(sorted(ranks))

    def _met(self, replicas: tuple[int, ...], wave: int) -> RanksLeft:
        """Tell each other the rest, and give torch a store: its own may be with the lost."""
        group: Any = dist.group.WORLD
        known: list[Any] = [None] * dist.get_world_size()
        dist.all_gather_object(known, (host(), get_ip(), wave))
        together = len({name for name, _, _ in known}) == 1
        address, port = LOOPBACK if together else known[0][1], [0]
        if dist.get_rank() == 0:
            store = TCPStore(address, 0, is_master=True, wait_for_workers=False)
            port = [store.port]
        dist.broadcast_object_list(port, 0)
        if dist.get_rank() != 0:
            store = TCPStore(address, port[0], is_master=False)
        distributed_c10d._world.pg_map[group] = (NAME, store)
        latest = max(wave for _, _, wave in known)
        mine = replicas.index(self.replica)
        return RanksLeft(mine, len(replicas), replicas, address, port[0], latest)

    def _forget_groups(self) -> None:
        """Have vLLM make its groups anew; torch has forgotten them when the world shrank."""
        for group in list(vars(parallel_state).values()):
            if isinstance(group, parallel_state.GroupCoordinator):
                for made in ("device_group", "cpu_group"):
                    vars(group).pop(made, None)
        parallel_state.destroy_model_parallel()
        parallel_state._WORLD = parallel_state._NODE_COUNT = None
