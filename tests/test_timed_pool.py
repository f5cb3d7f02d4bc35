"""A pool as ranks use it: its bytes are the pool's, its times those of reads and writes of DRAM."""

from typing import Any

import numpy as np
import pytest

from collectives import init
from collectives.memory import Pool
from collectives.memory.errors import WindowError
from collectives.memory.timed_pool import TimedPool
from fabric import launch
from fabric.machine import MachineSpec

SIZE = 1 << 18
NODE = 16  # dies of a node of CloudMatrix384


def main(pool: Pool) -> Any:
    with init() as comm:
        timed = TimedPool(comm, pool)
        out = [np.zeros(SIZE, np.uint8) for _ in range(3)]
        found: Any = None
        if comm.rank == 0:
            values = {key: np.full(SIZE, number, np.uint8) for number, key in enumerate("ab", 1)}
            written = timed.batch_put(values)
            written.wait()
            read = timed.batch_get_into(["b", "no", "a"], out)
            read.wait()
            missed = timed.batch_get_into(["no"], out[:1])
            missed.wait()
            at = comm.now()
            spent = [end - begin for begin, end in (written.times(), read.times())]
            assert at == read.times()[1]  # a miss takes no time
            found = written.found, read.found, missed.works, [int(each[0]) for each in out], spent
        comm.barrier()
        return found


def used(pool: Pool) -> list[float]:
    """Seconds of a write of two values and of a read of them, by one of two ranks on two nodes."""
    machine = MachineSpec(placement=(0, NODE))
    found = launch(main, ranks=2, system=machine, transport="inproc", args=(pool,))[0]
    written, read, missed, filled, spent = found
    assert written == (True, True)
    assert read == (SIZE, None, SIZE)
    assert missed == ()
    assert filled[::2] == [2, 1]
    return list(spent)


def test_values_move_and_take_the_time_of_reads_and_writes() -> None:
    with Pool.local(servers=2, dram=1 << 22) as pool:
        write, read = used(pool)
    with Pool.local(servers=2, dram=1 << 22, replicas=2) as pool:
        twice, again = used(pool)
    assert 2 * SIZE / 200e9 < read < write  # no faster than the port of a die
    assert twice > write  # by how much depends on where the values are: their keys are hashed
    assert again <= read * 1.01


def test_a_plane_on_which_npus_have_no_port_is_refused_by_name() -> None:
    def alone() -> None:
        with init() as comm, Pool.local(dram=1 << 20) as pool:
            TimedPool(comm, pool, "vpc")

    with pytest.raises(WindowError, match="npu memory of rank 0 has no port on plane vpc"):
        launch(alone, ranks=1, transport="inproc")
