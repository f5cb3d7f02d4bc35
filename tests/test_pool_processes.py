"""The pool as processes of one host: many clients, and any process killed at any time."""

import contextlib
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from collectives.memory.pool.core.errors import PoolError, PoolLost
from collectives.memory.pool.core.eviction import Lru
from collectives.memory.pool.core.tiers import PAGE, shape_of
from collectives.memory.pool.directory import DirectoryView
from collectives.memory.pool.hosted import server
from collectives.memory.pool.hosted.questions import record_of
from collectives.memory.pool.hosted.remote import RemoteAccess
from collectives.memory.pool.hosted.serving import serving
from collectives.memory.pool.hosted.shard import HostedShard
from collectives.memory.pool.hosted.wire import frame
from collectives.memory.pool.pool import Pool
from fabric.host.liveness import GONE, ancestors, state
from tests.test_liveness import await_, linux

LIMIT = 60.0
MIB = 1 << 20
CLIENTS = [sys.executable, str(Path(__file__).parent / "programs" / "pool_clients.py")]


def view(address: str) -> dict[str, Any]:
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(LIMIT)
        line.connect(address)
        told = b"".join(iter(lambda: line.recv(1 << 16), b""))
    found: dict[str, Any] = json.loads(told)
    return found


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A pool of two servers, small enough to be full at once."""
    with serving(2, dram=1 << 20, ssd=1 << 19) as address:
        yield address


def counts(pool: Pool, name: str) -> int:
    return sum(one[name] for one in pool.stats().values())


def test_places_reserved_ahead_take_nothing_from_a_small_quota() -> None:
    size, keys = 16 << 10, [str(number) for number in range(8)]
    with (
        serving(1, dram=64 * MIB, quotas={"small": len(keys) * size}) as address,
        Pool.connect(address) as clients,
    ):
        pool = clients.within("small")
        for key in keys:
            pool.put(key, bytes(size))
        assert pool.batch_exists(keys) == [True] * len(keys)
        assert counts(pool, "evicted") == 0
        pool.put("one more", bytes(size))
        assert counts(pool, "evicted") == 1


def test_processes_see_what_others_have_put(address: str) -> None:
    with Pool.connect(address) as pool, Pool.connect(address) as other:
        pool.put("small", b"text")
        pool.put("large", bytes(300_000))
        assert other.batch_get(["small", "large", "none"]) == [b"text", bytes(300_000), None]
        assert [other.size("large"), other.size("none")] == [300_000, None]
        keys = [f"{number}" for number in range(1100)]  # more than fit into one question
        assert all(other.within("many").batch_put({key: key.encode() for key in keys[:600]}))
        found = pool.within("many").batch_get(keys)
        assert all(one in (None, key.encode()) for key, one in zip(keys, found, strict=True))
        assert other.batch_remove(["small", "none"]) == [True, False]
        assert not pool.exists("small")
        assert other.pin("large")
        assert not pool.unpin("large")
        assert other.unpin("large")
        assert pool.clear() == 1
        assert other.within("many").clear() > 0
        assert counts(pool, "used_dram") == 0


@pytest.mark.parametrize("killed", [0, 3])
def test_eight_clients_at_once_read_only_what_was_put(address: str, killed: int) -> None:
    """In a full pool of two tiers; with three of them killed while they write and read."""
    run = [*CLIENTS, address, "8", "150", str(killed)]
    assert subprocess.run(run, timeout=LIMIT, check=False).returncode == 0
    with Pool.connect(address) as pool:
        assert counts(pool, "evicted") > 0
        assert counts(pool, "moved_down") > 0
        assert counts(pool, "damaged") == 0
        pool.clear()  # all that is left is what the killed ones had, and that goes with them
        await_(lambda: counts(pool, "used_dram") == counts(pool, "used_ssd") == 0)


def test_threads_of_a_process_share_a_connection(address: str) -> None:
    """Each finds its own values, small and large, however their questions alternate."""
    with Pool.connect(address) as pool:
        wrong: list[tuple[int, int]] = []

        def work(number: int) -> None:
            mine = pool.within(f"{number}")
            for at in range(60):
                value = b"%d %d " % (number, at) * (1, 4000)[at % 2]
                mine.put("key", value)
                if mine.get("key") not in (None, value):
                    wrong.append((number, at))

        threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(LIMIT)
        assert not any(thread.is_alive() for thread in threads)
        assert wrong == []
        assert len(pool.servers) == 2
        for number in range(6):
            pool.within(f"{number}").clear()


def ended_in_the_middle(address: str, what: str) -> None:
    """A client that is killed after ``what``, a program with ``access`` to the server of a key."""
    program = f"""
import os, signal
from collectives.memory.pool.pool import Pool
pool = Pool.connect({address!r})
members = pool._members
access = members._links[members.ring.owner("/key")]
{what}
os.kill(os.getpid(), signal.SIGKILL)
"""
    ended = subprocess.run([sys.executable, "-c", program], timeout=LIMIT, check=False)
    assert ended.returncode == -signal.SIGKILL


def test_a_write_that_was_cut_off_is_never_seen(address: str) -> None:
    write = """
[(number, place)] = access.reserve([("", 500_000)])
access.tiers[0].write(place.runs, b"x" * 250_000)
"""
    with Pool.connect(address) as pool:
        ended_in_the_middle(address, write)
        assert pool.get("key") is None
        await_(lambda: counts(pool, "used_dram") == 0)
        pool.put("key", b"y" * 500_000)
        ended_in_the_middle(address, write)
        assert pool.get("key") == b"y" * 500_000
        pool.clear()


def test_what_a_client_had_stored_is_there_though_it_is_killed_before_anybody_asks(
    address: str,
) -> None:
    """Large values are in the client's log by then, of which the server has not heard."""
    with Pool.connect(address) as pool:
        assert pool.get("key") is None
        ended_in_the_middle(
            address, 'pool.put("key", b"a" * 90_000); pool.put("key", b"b" * 90_000)'
        )
        assert pool.get("key") == b"b" * 90_000
        pool.clear()
        await_(lambda: counts(pool, "used_dram") == 0)


def test_all_that_a_client_has_said_is_read_though_it_ended_before_it_read_all() -> None:
    """Its connection is then reset, and what is sent to it fails."""
    served = HostedShard(shape_of(1, {"dram": 1 << 20}, PAGE, {}), Lru)
    mine, line = socket.socketpair()
    with selectors.DefaultSelector() as ready, line:
        client = server._Client(line, served.directory.join(), cut=True)
        ready.register(line, selectors.EVENT_READ, client)
        said, stored = frame(["sizes", "/key"]), record_of(1, [(7, "/key", 9, 5)])
        line.send(b"never read")
        mine.sendall(said)
        assert DirectoryView(served.directory.memory).logs.append(client.number, stored)
        mine.close()
        found = [*server._heard(served, mine, ready, 10.0), *server._heard(served, mine, ready, 10)]
        assert [one.message and one.message[0] for one in found] == ["sizes", "commit", None]
        assert found[1].commit is not None
        assert found[1].commit.values == [(7, "/key", 9, 5)]
    served.close()


def test_a_log_with_anything_else_in_it_ends_its_client_and_harms_nobody(address: str) -> None:
    with Pool.connect(address) as pool:
        pool.put("key", b"text")
        good = record_of(0, [(1, "/key", 3, 0)])
        no_text, no_namespace = good[:-1] + b"\xff", record_of(0, [(1, "key", 3, 0)])
        for said in (frame(["find", "/key"]), b"", good[:9], good[:-1], no_text, no_namespace):
            ended_in_the_middle(
                address,
                f"access.sizes(['/key']); access._view.logs.append(access._number, "
                f"bytes({list(said)}))",
            )
            assert pool.get("key") == b"text"
        strange = Pool.connect(address)
        assert strange.get("key") == b"text"
        access = strange._members._links[strange._members.ring.owner("/key")]
        assert isinstance(access, RemoteAccess)
        assert access._view is not None
        assert access._view.logs.append(access._number, frame(["remove", "/key"]))
        assert pool.size("key") == 4
        before = access._line
        await_(lambda: strange.get("key") == b"text" and access._line is not before)  # was cut off
        strange.close()
        pool.clear()


def test_batches_of_like_values_find_their_places_reserved() -> None:
    with serving(1, dram=1 << 26) as address, Pool.connect(address) as pool:
        (link,) = pool._members._links.values()
        assert isinstance(link, RemoteAccess)
        for size in (100, 20_000):
            values = {f"key {at}": bytes([at]) * size for at in range(8)}
            for _ in range(3):
                assert all(pool.batch_put(values))
            with pytest.MonkeyPatch.context() as patch:
                patch.delattr(RemoteAccess, "_ask")
                assert all(pool.batch_put(values))
            mixed = {**values, "key 3": b"3" * 9_000, "key 5": b"5"}
            assert all(pool.batch_put(mixed))
            assert pool.batch_get(list(mixed)) == list(mixed.values())
        pool.clear()
        assert counts(pool, "used_dram") == 0


def test_what_a_killed_reader_has_kept_is_free_again(address: str) -> None:
    with Pool.connect(address) as pool:
        pool.put("key", b"y" * 500_000)
        ended_in_the_middle(
            address, 'access.find(["/key"]); access.pin(["/key"]); pool.remove("key")'
        )
        await_(lambda: counts(pool, "used_dram") == 0)


def test_a_stranger_that_sends_anything_is_cut_off_and_harms_nobody(address: str) -> None:
    paths = view(address)["servers"]
    with Pool.connect(address) as pool:
        pool.put("key", b"text")
        for sent in (
            b"\xff" * 100, frame(["no verb"]), frame([]), frame(["find", 5]), frame(["find", "k"]),
            frame(["reserve", ["/k", -1]]), frame(["small", ["/k", 3, 0]], b"four"),
            frame(["release", [1.5], []]), frame(["commit", [[], 0]]), frame([["find"]]),
        ):  # fmt: skip
            for path in paths.values():
                with socket.socket(socket.AF_UNIX) as line:
                    line.settimeout(LIMIT)
                    line.connect(path)
                    with contextlib.suppress(BrokenPipeError):
                        line.sendall(sent)
                    while line.recv(1 << 16):
                        pass
        assert pool.get("key") == b"text"
        pool.clear()


def test_a_forked_child_does_not_use_its_parents_connections(address: str) -> None:
    with Pool.connect(address) as pool:
        pool.put("key", b"text")
        program = """
import os, sys
from collectives.memory.pool.pool import Pool
from collectives.memory.pool.core.errors import PoolError
pool = Pool.connect(sys.argv[1])
assert pool.get("key") == b"text"
if not os.fork():
    try:
        pool.get("key")
    except PoolError as error:
        os._exit(0 if "was forked" in str(error) else 3)
    os._exit(4)
assert os.wait()[1] == 0
assert pool.get("key") == b"text"
"""
        subprocess.run([sys.executable, "-c", program, address], timeout=LIMIT, check=True)
        pool.clear()


def test_an_interrupted_question_does_not_mix_up_answers(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Pool.connect(address) as pool:
        values = {f"{number}": b"%d" % number for number in range(20)}
        pool.batch_put(values)

        def interrupted(self: RemoteAccess, line: object, ahead: bool) -> None:
            raise KeyboardInterrupt

        for key in list(values)[:5]:
            with monkeypatch.context() as patched:
                patched.setattr(RemoteAccess, "_receive", interrupted)
                with pytest.raises(KeyboardInterrupt):
                    pool.get(f"not {key}")
            assert pool.batch_get(list(values)) == list(values.values())
        assert len(pool.servers) == 2
        pool.clear()


def kill(pid: int) -> None:
    """Kill a process, and wait until it is gone."""
    os.kill(pid, signal.SIGKILL)
    await_(lambda: state(pid) == GONE)


@linux
def test_a_server_that_is_killed_or_stands_still_is_a_miss() -> None:
    keys = [f"{number}" for number in range(60)]
    with serving(3, dram=8 << 20) as address:
        servers = view(address)["processes"]
        with Pool.connect(address, timeout=0.2) as pool, Pool.connect(address) as patient:
            pool.batch_put({key: key.encode() * 5000 for key in keys})
            owner = {key: pool._members.ring.owner(f"/{key}") for key in keys}
            kill(servers["server0"])
            assert pool.batch_get(keys) == [
                None if owner[key] == "server0" else key.encode() * 5000 for key in keys
            ]
            assert pool.servers == ("server1", "server2")
            await_(lambda: set(view(address)["servers"]) == {"server1", "server2"})
            assert all(patient.batch_put({key: key.encode() * 6000 for key in keys}))
            assert pool.batch_get(keys) == [key.encode() * 6000 for key in keys]
            os.kill(servers["server1"], signal.SIGSTOP)
            found = pool.batch_get(keys)  # what can be read at a glance is, also now
            stored = pool.batch_put({key: b"again" for key in keys})
            assert pool.servers == ("server2",)
            os.kill(servers["server1"], signal.SIGCONT)
            assert all(
                one in (None, key.encode() * 6000) for key, one in zip(keys, found, strict=True)
            )
            assert all(stored)
            assert pool.batch_get(keys) == [b"again"] * 60
            kill(servers["server2"])
            assert pool.get(keys[0]) is None
            with pytest.raises(PoolLost):
                pool.put("key", b"text")


def test_eight_clients_go_on_when_a_server_is_killed() -> None:
    with serving(3, dram=1 << 20) as address:
        running = subprocess.Popen([*CLIENTS, address, "8", "150"])
        with Pool.connect(address) as pool:
            await_(lambda: counts(pool, "puts") > 50)
            os.kill(view(address)["processes"]["server1"], signal.SIGKILL)
            assert running.wait(LIMIT) == 0


OWNER = """
import sys, time
from collectives.memory.pool.hosted.serving import serving
from collectives.memory.pool.hosted.shard import HostedShard
with serving(2, dram=1 << 20) as address:
    print(address, flush=True)
    time.sleep(600)
"""


def test_what_is_read_at_a_glance_counts_as_a_use() -> None:
    """So least recently used is what no process has read, whether it asked the server or not."""
    with serving(1, dram=4 * PAGE) as address, Pool.connect(address) as one:
        for number in range(4):
            one.put(f"{number}", b"text")
        with Pool.connect(address) as two:
            two.size("none")  # connects: from now on it need not ask
            assert two.get("0") == two.get("1") == b"text"
            two.put("4", b"text")
            assert two.batch_exists(["0", "1", "2", "3", "4"]) == [True, True, False, True, True]
            assert one.stats()["server0"]["hits"] == 2
            assert two.get("4") == b"text"
            two.report()
            due = time.monotonic() + 10
            while one.stats()["server0"]["hits"] < 3:  # it is told without an answer
                assert time.monotonic() < due
            assert two.get("4") == b"text"
        while one.stats()["server0"]["hits"] < 4:  # and at the end
            assert time.monotonic() < due


def test_a_replaced_or_removed_value_is_not_seen_any_more_by_anybody(address: str) -> None:
    with Pool.connect(address) as one, Pool.connect(address) as two:
        for size in (10, 50_000):
            for at in range(60):
                writes, reads = (one, two) if at % 3 else (two, one)
                writes.put("key", b"%d" % at * size)
                assert reads.get("key") == b"%d" % at * size
            assert two.size("key") == 2 * size
            two.remove("key")
            assert one.get("key") is None
            assert not one.exists("key")


@linux
@pytest.mark.parametrize("last", [0, 1])
def test_the_value_that_was_stored_later_stays_whichever_is_read_first(last: int) -> None:
    """Two clients that have said so while the server stood still: no socket is before the other."""
    with serving(1, dram=MIB) as address, Pool.connect(address) as pool:
        pid, (path,) = view(address)["processes"]["server0"], view(address)["servers"].values()
        both = [RemoteAccess("server0", path, LIMIT) for _ in range(2)]
        places = [access.reserve([("", 10_000)])[0] for access in both]
        os.kill(pid, signal.SIGSTOP)
        for number in (last, 1 - last) if last else (1, 0):
            reserved = places[number]
            assert isinstance(reserved, tuple)
            value = memoryview(b"%d" % number * 10_000)
            digest = both[number].tiers[0].write_hashed(reserved[1].runs, value, "/key")
            time = 2 if number == last else 1
            line = both[number]._line
            assert line is not None
            line.sendall(frame(["commit", time, 0, [reserved[0], "/key", 10_000, digest]]))
        os.kill(pid, signal.SIGCONT)
        assert pool.get("key") == b"%d" % last * 10_000
        for access in both:
            access.close()


@linux
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_nothing_is_left_of_a_pool_whose_starter_is_killed(how: int) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", OWNER], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as starter:
        assert starter.stdout is not None
        address = starter.stdout.readline().decode().strip()
        processes = list(view(address)["processes"].values())
        memory = {os.readlink(one) for one in Path(f"/proc/{processes[0]}/fd").iterdir()}
        assert any(name.startswith("/memfd:triplane-pool") for name in memory)
        assert not any(name.startswith("/dev/shm") for name in memory)
        starter.send_signal(how)
        starter.wait(LIMIT)
    await_(lambda: not Path(address).parent.exists())
    await_(lambda: all(state(pid) == GONE for pid in processes))


@linux
def test_a_pool_whose_controller_is_killed_is_lost_and_leaves_nothing() -> None:
    with serving(2, dram=MIB) as address, Pool.connect(address) as pool:
        pool.put("key", b"text")
        processes = view(address)["processes"].values()
        (controller,) = {next(ancestors(pid)) for pid in processes}
        kill(controller)
        await_(lambda: all(state(pid) == GONE for pid in processes))
        assert pool.get("key") is None
        with pytest.raises(PoolLost, match="no server of the pool is left"):
            pool.put("key", b"text")
        with pytest.raises(PoolLost, match="does not answer"):
            Pool.connect(address)
    assert not Path(address).parent.exists()


def test_what_cannot_be_started_or_reached_is_said() -> None:
    for wrong, error, said in (
        (lambda: Pool.connect("/no/such/pool"), PoolLost, "'/no/such/pool' does not answer"),
        (lambda: serving(0).__enter__(), PoolError, "0 servers"),
        (lambda: serving(policy="fifo").__enter__(), PoolError, "no eviction policy 'fifo'"),
        (lambda: serving(1, dram=10).__enter__(), PoolError, "less than a page"),
    ):  # type: tuple[Callable[[], object], type[Exception], str]
        with pytest.raises(error, match=said):
            wrong()


def test_a_pool_larger_than_the_host_is_full_before_it_harms_anybody() -> None:
    """Memory is asked for when it is used, and what cannot be had is refused."""
    with serving(1, dram=1 << 40) as address, Pool.connect(address) as pool:
        pool.put("key", bytes(PAGE))
        assert pool.get("key") == bytes(PAGE)
