"""The directory of a server, which clients read while it is written."""

from hypothesis import given
from hypothesis import strategies as st

from collectives.memory.pool.core.hashing import key_hash
from collectives.memory.pool.core.shard import StoredValue
from collectives.memory.pool.core.tiers import Place
from collectives.memory.pool.directory import (
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
    assert directory_size(1) == 1024 + 64 * 64
    assert directory_size(1000) == 1024 + 64 * 2048
    assert directory_size(1 << 30) == 1024 + 64 * (1 << 17)
