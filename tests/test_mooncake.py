"""Mooncake's names over the pool; `programs/mooncake_programs.py` runs its own programs."""

import ctypes
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from collectives.adapters.mooncake.__main__ import environment
from collectives.adapters.mooncake.memory import RegisteredMemory
from collectives.adapters.mooncake.settings import (
    BUFFER_OVERFLOW,
    INVALID_PARAMS,
    NO_AVAILABLE_HANDLE,
    OBJECT_NOT_FOUND,
    ReplicateConfig,
    SoftPinAction,
    size_of,
)
from collectives.adapters.mooncake.store import MooncakeDistributedStore
from collectives.memory.pool.hosted.serving import POOL_ADDRESS, serving

MIB = 1 << 20


def set_up(master: str = "here:1", segment: int = 8 * MIB) -> MooncakeDistributedStore:
    store = MooncakeDistributedStore()
    assert store.setup("localhost", "P2PHANDSHAKE", segment, 2 * MIB, "tcp", "", master) == 0
    return store


@pytest.fixture
def store() -> Iterator[MooncakeDistributedStore]:
    store = set_up()
    yield store
    store.close()


def test_objects_are_stored_once_and_upserted(store: MooncakeDistributedStore) -> None:
    assert store.put("key", b"first") == store.put("key", b"second") == 0
    assert store.get("key") == b"first"
    assert store.upsert("key", b"third") == 0
    assert (store.get("key"), store.get_size("key"), store.is_exist("key")) == (b"third", 5, 1)
    assert store.get("none") == b""
    assert (store.get_size("none"), store.is_exist("none")) == (OBJECT_NOT_FOUND, 0)
    assert store.put_parts("parts", b"one", bytearray(b"two")) == 0
    assert store.put_batch(["a", "b"], [b"1", b"2"]) == 0
    assert store.get_batch(["a", "b", "c", "parts"]) == [b"1", b"2", b"", b"onetwo"]
    assert store.upsert_batch(["a"], [b"3"]) == store.upsert_parts("b", b"4", b"5") == 0
    assert store.get_batch(["a", "b"]) == [b"3", b"45"]
    assert store.batch_is_exist(["a", "c"]) == [1, 0]
    assert store.batch_remove(["a", "c"]) == [0, OBJECT_NOT_FOUND]
    assert store.remove("b", force=True) == 0
    assert store.remove_all() == 2
    buffer = store.get_buffer("none")
    assert buffer is None


def test_a_buffer_is_a_copy_with_an_address(store: MooncakeDistributedStore) -> None:
    store.put("key", b"some bytes")
    (buffer, missing) = store.batch_get_buffer(["key", "none"])
    assert missing is None
    assert buffer is not None
    assert (bytes(buffer), buffer.size(), len(memoryview(buffer))) == (b"some bytes", 10, 10)
    assert ctypes.string_at(buffer.ptr(), 10) == b"some bytes"


def test_registered_memory_is_read_into_and_written_from(store: MooncakeDistributedStore) -> None:
    room = (ctypes.c_ubyte * 100)()
    at = ctypes.addressof(room)
    assert store.put_from("key", at, 10) == INVALID_PARAMS  # not registered
    assert store.register_buffer(at, 100) == 0
    assert store.register_buffer(at + 50, 100) == INVALID_PARAMS  # meets the first
    room[:10] = b"0123456789"
    assert store.put_from("key", at, 10) == 0
    assert store.batch_put_from(["k1", "k2"], [at, at + 2], [2, 3]) == [0, 0]
    assert store.get_batch(["key", "k1", "k2"]) == [b"0123456789", b"01", b"234"]
    assert store.upsert_from("k1", at + 4, 2) == 0
    assert store.batch_upsert_from(["k2"], [at + 7], [3]) == [0]
    assert store.get_batch(["k1", "k2"]) == [b"45", b"789"]
    assert store.batch_put_from_multi_buffers(["m"], [[at, at + 8]], [[2, 2]]) == [0]
    assert store.get("m") == b"0189"
    assert store.get_into("key", at + 50, 50) == 10
    assert bytes(room[50:60]) == b"0123456789"
    assert store.get_into("key", at, 5) == INVALID_PARAMS
    assert store.get_into("key", at + 95, 20) == INVALID_PARAMS
    assert store.get_into("none", at, 5) == OBJECT_NOT_FOUND
    assert store.batch_get_into(["m", "none"], [at, at + 20], [4, 4]) == [4, OBJECT_NOT_FOUND]
    assert store.batch_get_into(["m"], [at, at], [4, 4]) == [INVALID_PARAMS]
    parts = store.batch_get_into_multi_buffers(["key", "m"], [[at, at + 30], [at]], [[4, 6], [2]])
    assert parts == [10, INVALID_PARAMS]
    assert (bytes(room[:4]), bytes(room[30:36])) == (b"0123", b"456789")
    assert store.unregister_buffer(at) == 0
    assert store.unregister_buffer(at) == INVALID_PARAMS
    assert store.get_into("key", at, 50) == INVALID_PARAMS


def test_stretches_of_memory_are_known_by_address() -> None:
    memory, room = RegisteredMemory(), (ctypes.c_ubyte * 64)()
    at = ctypes.addressof(room)
    assert memory.add(at + 32, 16)
    assert memory.add(at, 32)
    assert not memory.add(at + 16, 1)
    assert not memory.add(0, 8)
    assert memory.view(at + 32, 16) is not None
    for address, size in ((at + 31, 2), (at + 40, 9), (at - 1, 1), (at + 48, 1), (at, -1)):
        assert memory.view(address, size) is None


def test_what_is_wrong_has_a_code(store: MooncakeDistributedStore) -> None:
    new = MooncakeDistributedStore()
    assert new.health_check() == 1
    assert new.put("key", b"") == INVALID_PARAMS
    assert (new.get("key"), new.batch_is_exist(["key"])) == (b"", [-1])
    assert new.setup({"local_hostname": "a", "metadata_server": "b",
                      "global_segment_size": "50%"}) == INVALID_PARAMS  # fmt: skip
    assert new.setup({"local_hostname": "a:1", "metadata_server": "b"}) == 0
    assert (new.get_hostname(), new.health_check(), new.close()) == ("a:1", 0, 0)
    assert store.put("large", bytes(3 * MIB)) == BUFFER_OVERFLOW
    for number in range(4):
        pinned = ReplicateConfig(with_hard_pin=True)
        assert store.put(f"{number}", bytes(2 * MIB), pinned) == 0
    assert store.put("5", bytes(MIB)) == NO_AVAILABLE_HANDLE
    wrong = ReplicateConfig(soft_pin_ttl_ms=5)
    assert store.put("key", b"", wrong) == INVALID_PARAMS
    wrong.soft_pin_action = SoftPinAction.ENABLE
    assert not wrong.refused()
    with pytest.raises(AttributeError, match="no attribute 'replicas'"):
        wrong.replicas = 3  # type: ignore[attr-defined]
    assert [size_of(text) for text in ("16MB", "1.5 K", 7, "x", -1, None)] == [
        16 * MIB, 1536, 7, None, None, None,
    ]  # fmt: skip


def test_stores_of_one_master_share_a_pool_that_goes_with_the_last() -> None:
    one, two, other = set_up("a:1"), set_up("a:1"), set_up("b:1")
    one.put("key", b"text")
    assert (two.get("key"), other.get("key")) == (b"text", b"")
    one.close()
    assert two.get("key") == b"text"
    two.close()
    again = set_up("a:1")
    assert again.get("key") == b""
    again.close()
    other.close()


def test_processes_share_the_pool_that_the_environment_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    program = """
from mooncake.store import MooncakeDistributedStore
store = MooncakeDistributedStore()
assert store.setup("localhost", "meta", 1 << 20, 1 << 20, "tcp", "", "127.0.0.1:50051") == 0
store.put("from another process", b"text")
store.close()
"""
    with serving(2, dram=MIB) as address:
        monkeypatch.setenv(POOL_ADDRESS, address)
        ran = [sys.executable, "-c", program]
        subprocess.run(ran, env=environment(os.environ), check=True, timeout=60.0)
        store = set_up()
        assert store.get("from another process") == b"text"
        store.close()


def test_a_program_is_run_with_the_adapter(tmp_path: Path) -> None:
    path = tmp_path / "program.py"
    path.write_text(
        "import os, sys\nfrom mooncake.store import MooncakeDistributedStore\n"
        f"sys.exit(3 if {POOL_ADDRESS!r} in os.environ and sys.argv[1:] == ['a'] else 4)\n"
    )
    command = [sys.executable, "-m", "collectives.adapters.mooncake", "--servers", "1"]
    ended = subprocess.run([*command, str(path), "a"], check=False, timeout=60.0)
    assert ended.returncode == 3
