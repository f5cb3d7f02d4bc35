"""What a pool decides: owners, pages, evictions, against slow and obvious versions."""

from collections import Counter
from dataclasses import asdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectives.memory.pool.core.errors import PoolError, PoolFull, PoolLost
from collectives.memory.pool.core.eviction import POLICIES, Lru, eviction_policy
from collectives.memory.pool.core.hash_ring import HashRing
from collectives.memory.pool.core.hashing import content_hash, prefix_keys, prefix_length
from collectives.memory.pool.core.pages import Pages, Run
from collectives.memory.pool.core.shard import Holder, Shard
from collectives.memory.pool.core.tiers import (
    Move,
    Place,
    PoolTier,
    StoreShape,
    namespace_of,
    tiers_of,
)
from tests.support.slow_pool import SlowPool

PAGE = 16
KEYS = st.sampled_from([f"{space}/{name}" for space in "ab" for name in "vwxyz"])
FEW = st.sampled_from(["a/x", "a/y", "b/x", "b/y"])


def ring(servers: int, virtual_nodes: int = 128) -> HashRing:
    return HashRing(tuple(f"s{number}" for number in range(servers)), virtual_nodes)


def test_servers_have_like_shares_of_the_keys() -> None:
    of_eight = ring(8)
    shares = Counter(of_eight.owner(f"/key {number}") for number in range(20_000))
    assert len(shares) == 8
    assert max(shares.values()) < 1.35 * 20_000 / 8


def test_only_the_keys_of_a_lost_server_get_another_owner() -> None:
    before, after = ring(5), ring(5).without(["s2"])
    for number in range(2000):
        key = f"/{number}"
        owners = before.owners(key, 2)
        assert owners[0] == before.owner(key)
        assert len(set(owners)) == 2
        left = [one for one in owners if one != "s2"]
        assert after.owners(key, len(left)) == tuple(left)


def test_a_ring_says_what_cannot_be() -> None:
    with pytest.raises(PoolLost, match="no server"):
        ring(1).without(["s0"]).owner("/k")
    with pytest.raises(PoolError, match="named twice"):
        HashRing(("a", "a"))
    with pytest.raises(PoolError, match="0 virtual nodes"):
        ring(2, 0)
    assert set(ring(2).owners("/k", 5)) == {"s0", "s1"}


@given(st.lists(st.integers(1, 9), max_size=40), st.randoms())
def test_no_page_is_given_twice_and_none_is_lost(sizes: list[int], chance: object) -> None:
    pages, taken = Pages(50), list[tuple[Run, ...]]()
    for size in sizes:
        while pages.free < size:
            pages.give(taken.pop(chance.randrange(len(taken))))  # type: ignore[attr-defined]
        taken.append(pages.take(size))
        used = [
            page for runs in taken for first, many in runs for page in range(first, first + many)
        ]
        assert len(used) == len(set(used)) == 50 - pages.free
        assert all(0 <= page < 50 for page in used)
    for runs in taken:
        pages.give(runs)
    assert pages.take(50) == ((0, 50),)


def test_pages_that_were_used_just_before_are_used_again() -> None:
    pages = Pages(1000)
    kept = [pages.take(10) for _ in range(5)]
    pages.give(kept[0])
    pages.give(kept[4])  # joins all that is free behind it
    pages.give(kept[2])
    assert [pages.take(10), pages.take(10)] == [kept[2], kept[0]]
    assert pages.take(10) == kept[4]


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[str, str, int]]:
    kinds = st.sampled_from(["put", "get", "get", "remove"])
    return draw(st.lists(st.tuples(kinds, KEYS, st.integers(1, 4)), min_size=30, max_size=80))


@settings(max_examples=300)
@given(
    histories(), st.sampled_from(sorted(POLICIES)),
    st.lists(st.integers(1, 8), min_size=1, max_size=3), st.sampled_from([None, 1, 3, 6]),
)  # fmt: skip
def test_a_shard_has_the_hits_and_evictions_of_a_slow_simulation(
    history: list[tuple[str, str, int]], policy: str, tiers: list[int], quota: int | None
) -> None:
    names = ["npu", "dram", "ssd"]
    quotas = {} if quota is None else {"a": quota}
    slow = SlowPool(tiers, policy, quotas)
    shape = StoreShape(
        tuple(PoolTier(names[at], PAGE * pages) for at, pages in enumerate(tiers)), PAGE,
        {name: PAGE * pages for name, pages in quotas.items()},
    )  # fmt: skip
    shard, me = Shard(shape, POLICIES[policy]), Holder()
    for kind, key, pages in history:
        if kind == "put":
            try:
                number, _ = shard.reserve(me, namespace_of(key), pages * PAGE)
                stored = shard.commit(me, number, key, pages * PAGE, 0)
            except PoolFull:
                stored = False
            assert stored == slow.put(key, pages)
        elif kind == "get":
            found = shard.find(me, key)
            assert (found is not None) == slow.get(key)
            if found is not None:
                shard.release(me, found[0])
        else:
            assert shard.remove(key) == slow.remove(key)
        assert {key: shard._values[key].place.tier for key in shard._values} == slow.where()
    assert (sum(shard.counts.hits), shard.counts.misses) == (slow.hits, slow.misses)


class Bytes:
    """Memory whose every page has the text that was written there last."""

    def __init__(self, shape: StoreShape) -> None:
        self.tiers = [[""] * (tier.size // shape.page) for tier in shape.tiers]

    def write(self, place: Place, text: str) -> None:
        for first, many in place.runs:
            self.tiers[place.tier][first : first + many] = [text] * many

    def read(self, place: Place) -> set[str]:
        return {
            text
            for first, many in place.runs
            for text in self.tiers[place.tier][first : first + many]
        }

    def carry_out(self, moves: list[Move]) -> None:
        held = ""
        for source, target, _ in moves:
            (value,) = {held} if source is None else self.read(source)
            if target is None:
                held = value
            else:
                self.write(target, value)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["reserve", "commit", "abort", "find", "release", "pin", "unpin", "remove", "leave"]
        ),
        st.integers(0, 1), FEW, st.integers(1, 4), st.integers(0, 5),
    ),
    min_size=30, max_size=80,
)  # fmt: skip


@settings(max_examples=300)
@given(STEPS, st.lists(st.integers(2, 8), min_size=1, max_size=3))
def test_who_holds_a_place_finds_there_what_was_put(
    steps: list[tuple[str, int, str, int, int]], tiers: list[int]
) -> None:
    """Several clients at once, which write and read in parts, and end at any moment."""
    shape = StoreShape(
        tuple(PoolTier(("npu", "dram", "ssd")[at], PAGE * pages) for at, pages in enumerate(tiers)),
        PAGE, {"a": 3 * PAGE},
    )  # fmt: skip
    shard, memory = Shard(shape, Lru), Bytes(shape)
    holders = [Holder(), Holder()]
    texts: dict[int, str] = {}  # of a reservation or a read
    for count, (kind, who, key, pages, which) in enumerate(steps):
        me = holders[who]
        chosen = list({"commit": me.reserved, "abort": me.reserved}.get(kind, me.reading))
        number = chosen[which % len(chosen)] if chosen else 0
        if kind == "reserve":
            try:
                number, place = shard.reserve(me, namespace_of(key), pages * PAGE)
            except PoolFull:
                memory.carry_out(shard.take_moves())
                continue
            memory.carry_out(shard.take_moves())
            texts[number] = f"{key} {count}"
            memory.write(place, texts[number])
        elif kind == "commit":
            if chosen:
                name = texts[number].split()[0]
                assert shard.commit(me, number, name, me.reserved[number].size, number)
            assert not shard.commit(me, 0, key, 1, 0)
        elif kind == "abort":
            shard.abort(me, number)
        elif kind == "find":
            found = shard.find(me, key)
            memory.carry_out(shard.take_moves())
            if found is not None:
                texts[found[0]] = texts[found[1].digest]
                assert texts[found[0]].split()[0] == key
        elif kind == "release":
            if chosen:
                assert memory.read(me.reading[number].place) == {texts[number]}
            shard.release(me, number)
        elif kind == "pin":
            assert shard.pin(me, key) == (key in shard)
        elif kind == "unpin":
            had = key in me.pinned
            assert shard.unpin(me, key) == had
        elif kind == "remove":
            shard.remove(key)
        else:
            shard.leave(me)
        for holder in holders:
            for read, value in holder.reading.items():
                assert memory.read(value.place) == {texts[read]}
    for holder in holders:
        shard.leave(holder)
    for space in "ab":
        shard.clear(space)
    assert [shard.free(at) for at in range(len(shape.tiers))] == [tier.size for tier in shape.tiers]
    assert set(shard.used.values()) <= {0}


def test_what_is_held_is_not_evicted_and_a_full_tier_says_so() -> None:
    shard, me = Shard(StoreShape((PoolTier("dram", 2 * PAGE),), PAGE), Lru), Holder()
    for name in "xy":
        shard.commit(me, shard.reserve(me, "", 1)[0], f"/{name}", 1, 0)
        assert shard.pin(me, f"/{name}")
    with pytest.raises(PoolFull, match="no room for 16 bytes in tier dram: of 2 pages 0 are free"):
        shard.reserve(me, "", 1)
    assert shard.unpin(me, "/x")
    shard.reserve(me, "", 1)
    assert "/x" not in shard
    assert "/y" in shard
    assert asdict(shard.counts)["refused"] == 1


def test_a_policy_of_the_users_own_decides() -> None:
    class Last(Lru):
        """Evicts what was used last."""

        def victims(self):  # type: ignore[no-untyped-def]
            return reversed(self._order)

    shard, me = Shard(StoreShape((PoolTier("dram", 2 * PAGE),), PAGE), Last), Holder()
    for name in "xyz":
        shard.commit(me, shard.reserve(me, "", 1)[0], f"/{name}", 1, 0)
    assert ["/x" in shard, "/y" in shard, "/z" in shard] == [True, False, True]
    assert eviction_policy("collectives.memory.pool.core.eviction:Lru") is Lru
    for wrong in ("fifo", "no.such:thing", "collectives:thing"):
        with pytest.raises(PoolError, match="no eviction policy"):
            eviction_policy(wrong)


def test_keys_of_prefixes_are_equal_where_all_tokens_before_are() -> None:
    tokens = list(range(1000))
    keys = prefix_keys(tokens, 128, "a model")
    assert len(keys) == 7
    assert prefix_keys(tokens[:900], 128, "a model") == keys
    other = [*tokens[:300], -1, *tokens[301:]]
    changed = prefix_keys(other, 128, "a model")
    assert changed[:2] == keys[:2]
    assert not set(changed[2:]) & set(keys)
    assert not set(keys) & set(prefix_keys(tokens, 128, "another"))
    assert not set(keys) & set(prefix_keys(tokens, 256, "a model"))
    with pytest.raises(PoolError, match="blocks of 64 tokens; a context cache has 128 to 512"):
        prefix_keys(tokens, 64)
    assert prefix_length([True, True, False, True]) == 2
    assert prefix_length([]) == 0


def test_a_hash_is_of_the_key_and_of_the_bytes() -> None:
    assert content_hash("/a", b"text") != content_hash("/b", b"text")
    assert content_hash("/a", b"text") != content_hash("/a", b"texu")


def test_a_shape_says_what_cannot_be() -> None:
    for make, said in (
        (lambda: PoolTier("tape", 1), "no tier 'tape'; there are npu, dram, ssd, object"),
        (lambda: PoolTier("dram", -1), "-1 bytes"),
        (lambda: StoreShape(()), "tiers are none"),
        (lambda: StoreShape((PoolTier("ssd", 1), PoolTier("dram", 1))), "tiers are ssd, dram"),
        (lambda: StoreShape((PoolTier("dram", 1),), 0), "a page of 0 bytes"),
        (lambda: StoreShape((PoolTier("dram", 1),), 1, {"a": -1}), "the quota of 'a' is -1"),
        (lambda: tiers_of({"tape": 1}), "no tier 'tape'"),
    ):  # fmt: skip
        with pytest.raises(PoolError, match=said):
            make()
