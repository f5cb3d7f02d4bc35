"""The pool inside one process: what programs call."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectives.memory.pool.core.errors import PoolError, PoolFull, PoolLost, ServerLost
from collectives.memory.pool.core.tiers import PAGE
from collectives.memory.pool.local import LocalAccess
from collectives.memory.pool.pool import Pool
from topology.errors import ArgumentError


def access(pool: Pool, server: str = "server0") -> LocalAccess:
    found = pool._members._links[server]
    assert isinstance(found, LocalAccess)
    return found


def text(number: int, size: int) -> bytes:
    return np.random.default_rng(number).bytes(size)


def test_what_was_put_is_read_until_it_is_removed() -> None:
    with Pool.local(3) as pool:
        values = {f"key {number}": text(number, size) for number, size in
                  enumerate([0, 1, 100, PAGE, PAGE + 1, 100_000, 1 << 20])}  # fmt: skip
        assert pool.batch_put(values) == [True] * len(values)
        assert pool.batch_get(list(values)) == list(values.values())
        assert [pool.size(key) for key in values] == [len(value) for value in values.values()]
        assert pool.get("another") is None
        assert not pool.exists("another")
        assert pool.batch_exists(["key 1", "another", "key 2"]) == [True, False, True]
        assert pool.batch_remove(["key 1", "another"]) == [True, False]
        assert pool.get("key 1") is None
        pool.put("key 2", b"shorter")
        assert pool.get("key 2") == b"shorter"
        assert pool.clear() == len(values) - 1
        assert pool.stats()["server0"]["used_dram"] == 0


def test_any_buffer_is_a_value_and_is_filled() -> None:
    with Pool.local() as pool:
        given = np.arange(24, dtype=np.float32).reshape(4, 6)
        pool.put("array", given)
        pool.put("with gaps", given[:, ::2])
        into = np.zeros((4, 6), np.float32)
        assert pool.get_into("array", into) == given.nbytes
        np.testing.assert_array_equal(into, given)
        assert pool.get("with gaps") == given[:, ::2].tobytes()
        room = bytearray(given.nbytes + 3)
        assert pool.batch_get_into(["array", "none"], [room, bytearray(8)]) == [given.nbytes, None]
        assert bytes(room) == given.tobytes() + bytes(3)
        for wrong, error, said in (
            (lambda: pool.get_into("array", bytearray(7)), PoolError, "96 bytes, more than 7"),
            (lambda: pool.get_into("array", bytes(200)), ArgumentError, "read-only"),
            (lambda: pool.get_into("array", np.zeros((4, 99))[:, ::2]), PoolError, "side by side"),
            (lambda: pool.batch_get_into(["array"], []), PoolError, "1 keys and memory for 0"),
            (lambda: pool.put("number", 5), ArgumentError, "no memory of its own"),
        ):  # type: tuple[Callable[[], Any], type[Exception], str]
            with pytest.raises(error, match=said):
                wrong()


def test_namespaces_never_meet_and_keep_their_quotas() -> None:
    with Pool.local(dram=64 * PAGE, quotas={"small": 3 * PAGE}) as pool:
        small, other = pool.within("small"), pool.within("other")
        small.put("key", b"small")
        other.put("key", b"other")
        assert (small.get("key"), other.get("key"), pool.get("key")) == (b"small", b"other", None)
        for number in range(5):
            small.put(f"{number}", b"text")
        assert small.batch_exists(["key", "0", "1", "2", "3", "4"]) == [False] * 3 + [True] * 3
        with pytest.raises(PoolFull, match=r"namespace 'small' may have 12288 at a server"):
            small.put("large", bytes(4 * PAGE))
        assert other.clear() == 1
        assert small.exists("4")
        with pytest.raises(PoolError, match="'a/b' has a slash"):
            pool.within("a/b")


@pytest.mark.parametrize("tier", ["dram", "ssd", "object"])
def test_bytes_that_have_changed_in_a_tier_are_a_miss(tier: str) -> None:
    sizes = {"dram": 4 * PAGE, "ssd": 4 * PAGE, "object_storage": 4 * PAGE}
    with Pool.local(**sizes) as pool:  # type: ignore[arg-type]
        for number in range(12):
            pool.put(f"{number}", text(number, PAGE))
        served = access(pool)._served
        at = [one.name for one in served.shard.shape.tiers].index(tier)
        there = [key for key, one in served.shard._values.items() if one.place.tier == at]
        assert len(there) == 4
        first, _ = served.shard._values[there[0]].place.runs[0]
        served.tiers[at].bytes[first * PAGE + 5] ^= 1
        assert pool.get(there[0][1:]) is None
        assert not pool.exists(there[0][1:])
        assert pool.stats()["server0"]["damaged"] == 1
        for key in there[1:]:
            assert pool.get(key[1:]) == text(int(key[1:]), PAGE)


def test_large_values_that_have_changed_are_a_miss_too() -> None:
    with Pool.local() as pool:
        pool.put("key", text(1, 100_000))
        access(pool).tiers[0].bytes[77_777] ^= 128
        assert pool.get("key") is None
        assert pool.stats()["server0"]["damaged"] == 1
        assert pool.stats()["server0"]["used_dram"] == 0


class Gone(LocalAccess):
    """A server that does not answer any more."""

    def find(self, keys: Any) -> Any:
        raise ServerLost("gone")

    def store_small(self, values: Any) -> Any:
        raise ServerLost("gone")


def lose(pool: Pool, server: str) -> None:
    links: Any = pool._members._links
    links[server] = Gone(links[server]._served)


def test_a_lost_server_is_a_miss_and_others_take_its_keys() -> None:
    with Pool.local(3) as pool:
        keys = [f"{number}" for number in range(60)]
        pool.batch_put({key: key.encode() for key in keys})
        lose(pool, "server1")
        owners = {key: pool._members.ring.owner(f"/{key}") for key in keys}
        assert pool.batch_get(keys) == [
            None if owners[key] == "server1" else key.encode() for key in keys
        ]
        assert pool.servers == ("server0", "server2")
        assert all(pool.batch_put({key: b"again" for key in keys}))
        assert pool.batch_get(keys) == [b"again"] * 60
        for server in pool.servers:
            lose(pool, server)
        with pytest.raises(PoolLost, match="no server of the pool is left"):
            pool.put("key", b"text")
        assert pool.get("key") is None
        assert pool.batch_put({"key": b"text"}) == [False]
        assert not pool.exists("key")


def test_with_replicas_nothing_is_lost_with_a_server() -> None:
    with Pool.local(3, replicas=2) as pool:
        keys = [f"{number}" for number in range(60)]
        pool.batch_put({key: key.encode() for key in keys})
        assert sum(one["values"] for one in pool.stats().values()) == 120
        lose(pool, "server1")
        assert pool.batch_get(keys) == [key.encode() for key in keys]
        assert pool.batch_remove(keys) == [True] * 60
        assert pool.batch_get(keys) == [None] * 60
        assert sum(one["values"] for one in pool.stats().values()) == 0
    with pytest.raises(PoolError, match="4 replicas; the pool has 3 servers"):
        Pool.local(3, replicas=4)


def test_a_server_that_is_lost_while_it_is_written_to_is_passed_over() -> None:
    with Pool.local(3) as pool:
        for server in pool.servers[:2]:
            lose(pool, server)
        keys = [f"{number}" for number in range(20)]
        assert all(pool.batch_put({key: key.encode() for key in keys}))
        assert pool.batch_get(keys) == [key.encode() for key in keys]


def test_pins_keep_values_and_a_full_pool_says_so() -> None:
    with Pool.local(dram=4 * PAGE) as pool:
        for number in range(4):
            pool.put(f"{number}", b"text")
            assert pool.pin(f"{number}")
        with pytest.raises(PoolFull, match="no room for 4096 bytes in tier dram"):
            pool.put("4", b"text")
        with pytest.raises(PoolFull):  # where it raises, no earlier value is left
            pool.put("2", b"other")
        assert pool.get("2") is None
        assert pool.unpin("0")
        assert not pool.unpin("0")
        assert not pool.pin("none")
        pool.put("4", b"text")
        assert pool.batch_exists(["0", "1", "3", "4"]) == [False, True, True, True]
        assert pool.batch_put({"5": bytes(PAGE), "6": bytes(9 * PAGE)}) == [True, False]


def test_a_closed_pool_is_refused_and_a_wrong_one_is_not_made() -> None:
    pool = Pool.local()
    pool.close()
    pool.close()
    with pytest.raises(PoolError, match="the pool is closed"):
        pool.get("key")
    for wrong, said in (
        (lambda: Pool.local(0), "0 servers"),
        (lambda: Pool.local(policy="fifo"), "no eviction policy 'fifo'"),
        (lambda: Pool.local(dram=0), "tiers are none"),
        (lambda: Pool.local(dram=100), "less than a page"),
        (lambda: Pool.local(quotas={"a/b": 1}), "has a slash"),
    ):
        with pytest.raises(PoolError, match=said):
            wrong()


VALUES = st.tuples(st.integers(0, 9), st.sampled_from([0, 1, 500, PAGE + 1, 3 * PAGE]))


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.sampled_from(["put", "get", "remove", "into"]), VALUES), min_size=20),
    st.integers(1, 3), st.sampled_from([0, 4 * PAGE]),
)  # fmt: skip
def test_a_pool_is_a_dict_that_forgets(
    history: list[tuple[str, tuple[int, int]]], servers: int, ssd: int
) -> None:
    model: dict[str, bytes] = {}
    with Pool.local(servers, dram=6 * PAGE, ssd=ssd) as pool:
        for at, (kind, (number, size)) in enumerate(history):
            key = f"{number}"
            if kind == "put":
                pool.put(key, text(at, size))
                model[key] = text(at, size)
                assert pool.get(key) == model[key]
            elif kind == "remove":
                assert pool.remove(key) <= (key in model)
                model.pop(key, None)
                assert pool.get(key) is None
            elif kind == "get":
                assert pool.get(key) in (None, model.get(key))
            else:
                room = bytearray(3 * PAGE)
                got = pool.get_into(key, room)
                assert got is None or bytes(room[:got]) == model[key]
