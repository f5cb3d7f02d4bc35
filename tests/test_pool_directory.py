"""The directory of a server, which clients read while it is written."""

from hypothesis import given
from hypothesis import strategies as st

from collectives.memory.pool.commit_log import LOG, CommitLogs, logs_size
from collectives.memory.pool.core.hashing import key_hash
from collectives.memory.pool.core.shard import StoredValue
from collectives.memory.pool.core.tiers import Place
from collectives.memory.pool.directory import (
    HEAD,
    Directory,
    DirectoryView,
    directory_size,
)

KEYS = [f"/{number}" for number in range(200)]


def value(key: str, page: int, tier: int = 0, runs: int = 1) -> StoredValue:
    places = tuple((page + at, 1) for at in range(runs))
    return StoredValue(key, 100 + page, 1, Place(tier, places), digest=7 * page)


@given(st.lists(st.tuples(st.sampled_from(KEYS), st.integers(0, 1000)), max_size=150))
def test_what_is_listed_is_found_where_it_was_listed_last(steps: list[tuple[str, int]]) -> None:
    """More values than slots: some are not listed, and none is found where it is not."""
    directory = Directory(20)
    try:
        view, there = DirectoryView(directory.memory), dict[str, StoredValue]()
        for key, page in steps:
            if key in there:
                directory.gone(there.pop(key))
            else:
                there[key] = value(key, page)
                directory.there(there[key])
        for key in KEYS:
            found, one = view.find(key_hash(key)), there.get(key)
            assert found is None or one is not None
            if found is not None and one is not None:
                assert (found.size, found.digest, found.place) == (one.size, one.digest, one.place)
                assert directory.key(key_hash(key)) == key
    finally:
        directory.close()


def test_few_values_are_all_listed_and_what_clients_must_ask_for_is_not() -> None:
    directory = Directory(1000)
    view = DirectoryView(directory.memory)
    for number, key in enumerate(KEYS):
        directory.there(value(key, number))
    assert sum(view.find(key_hash(key)) is not None for key in KEYS) == len(KEYS)
    for odd in (value("/lower", 1, tier=1), value("/in two runs", 1, runs=2)):
        directory.there(odd)
        assert view.find(key_hash(odd.key)) is None
        directory.gone(odd)
    directory.close()


def test_a_slot_that_is_being_written_is_not_read() -> None:
    directory = Directory(10)
    view = DirectoryView(directory.memory)
    directory.there(value("/key", 3))
    at, _ = directory._at[key_hash("/key")]
    directory.memory.bytes[at] += 1  # the version, odd: as a server that was killed leaves it
    assert view.find(key_hash("/key")) is None
    directory.memory.bytes[at] += 1
    assert view.find(key_hash("/key")) is not None
    directory.close()


def test_a_directory_has_two_slots_a_page_up_to_a_limit() -> None:
    assert directory_size(1) == HEAD + 64 * 64
    assert directory_size(1000) == HEAD + 64 * 2048
    assert directory_size(1 << 30) == HEAD + 64 * (1 << 17)
    assert HEAD < 1 << 20


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3000), st.booleans()), max_size=60))
def test_logs_give_what_was_appended_in_order_and_take_no_more_than_fits(
    steps: list[tuple[int, int, bool]],
) -> None:
    """Beside a queue for each client: a record fits if what was not taken out leaves it room."""
    memory = memoryview(bytearray(logs_size(3)))
    client, server = CommitLogs(memory, 3), CommitLogs(memory, 3)
    queues: list[list[bytes]] = [[], [], []]
    for count, (number, size, is_taken) in enumerate(steps):
        record = bytes([count]) * size
        fits = sum(len(one) + 12 for one in queues[number]) + size + 12 <= LOG
        assert client.append(number, record) is fits
        queues[number] += [record] * fits
        assert server.are_empty() is not any(queues)
        if is_taken:
            assert list(server.take(number)) == queues[number]
            queues[number].clear()
    for number, queue in enumerate(queues):
        assert list(server.take(number)) == queue
        server.forget(number)
    assert server.are_empty()


def test_a_record_that_is_not_all_there_yet_is_left_for_the_next_time() -> None:
    memory = memoryview(bytearray(logs_size(1)))
    logs = CommitLogs(memory, 1)
    assert logs.append(0, b"first")
    assert logs.append(0, b"second")
    last = 2 * 8 + 2 * 12 + len(b"first") + len(b"second") - 1
    memory[last] ^= 1
    assert list(logs.take(0)) == [b"first"]
    assert list(logs.take(0)) == []
    memory[last] ^= 1
    assert list(logs.take(0)) == [b"second"]
    assert logs.are_empty()
