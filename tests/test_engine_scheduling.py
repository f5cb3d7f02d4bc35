"""What a scheduler has its worker do with KV blocks: for other instances, and for the pool."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from collectives import init
from collectives.adapters.step_log import StepLog
from collectives.adapters.vllm.errors import KVError
from collectives.adapters.vllm.holds import SLOTS
from collectives.adapters.vllm.orders import Hold, LoadOrder, PoolRead, PoolWrite, StepOrders
from collectives.adapters.vllm.pool_keys import PoolKeys, fingerprint, identity_of, layer_keys
from collectives.adapters.vllm.pool_scheduling import PoolScheduling
from collectives.adapters.vllm.pooled import PooledBlocks
from collectives.adapters.vllm.scheduling import Scheduling
from collectives.adapters.vllm.settings import Instance
from collectives.memory import Pool
from collectives.memory.timed_pool import TimedPool
from fabric import launch

BLOCK = 4
POOL_BLOCK = 128
KEYS = PoolKeys("a model", POOL_BLOCK, 2)


def request(name: str, tokens: int, params: dict[str, Any] | None = None, **more: Any) -> Any:
    given = {
        "request_id": name, "prompt_token_ids": list(range(tokens)), "kv_transfer_params": params,
        "all_token_ids": list(range(tokens)), "num_tokens": tokens, "cache_salt": None,
        "lora_request": None, "prompt_embeds": None, "mm_features": [],
        "status": SimpleNamespace(name="FINISHED_LENGTH_CAPPED"),
    }  # fmt: skip
    return SimpleNamespace(**{**given, **more})


def scheduler(rank: int) -> Scheduling:
    made = Scheduling(Instance(rank, 2, 1), BLOCK, rank == 0, rank == 1)
    made.world = "w"
    return made


def ticket_of(tokens: int, producer: Scheduling | None = None) -> dict[str, Any]:
    """The ticket of a prompt that instance 0 has computed."""
    asked = request("a", tokens, {"do_remote_decode": True})
    blocks = list(range(10, 10 + tokens // BLOCK + 1))
    held, ticket = (producer or scheduler(0)).finished(asked, blocks)
    assert held == (tokens >= BLOCK)
    assert ticket is not None
    return ticket


def orders(given: Scheduling) -> StepOrders:
    made = StepOrders()
    given.give(made)
    return made


def test_a_prompts_whole_blocks_are_held_until_they_are_given_back() -> None:
    producer = scheduler(0)
    ticket = ticket_of(10, producer)
    assert orders(producer).holds == [Hold("a", 0, 0)]
    assert orders(producer).holds == []
    assert (ticket["remote_engine_id"], ticket["remote_tokens"]) == (0, 10)
    assert ticket["remote_block_ids"] == [10, 11]
    assert json.loads(json.dumps(ticket)) == ticket
    producer.given_back(["a", "another"])
    for _ in range(SLOTS - 1):
        ticket_of(10, producer)
    assert ticket_of(10, producer)["remote_turn"] == 1  # the slot's second prompt
    full = producer.finished(request("z", 10, {"do_remote_decode": True}), [1, 2, 3])
    assert full == (False, None)


def test_what_nobody_goes_on_with_is_not_held() -> None:
    producer, given_up = scheduler(0), SimpleNamespace(name="FINISHED_ABORTED")
    asked = request("a", 10, {"do_remote_decode": True}, status=given_up)
    assert producer.finished(asked, [7, 8, 9]) == (False, None)
    assert producer.finished(request("b", 10), [7, 8, 9]) == (False, None)
    ticket_of(3, producer)  # a prompt without a whole block
    assert orders(producer).holds == []


@pytest.mark.parametrize(
    ("tokens", "computed", "matched", "theirs", "blocks"),
    [
        (10, 0, 8, [10, 11], [5, 6]), (10, 4, 4, [11], [6]), (8, 0, 4, [10], [5]),
        (9, 8, 0, [], []),
    ],
)  # fmt: skip
def test_whole_blocks_are_read_and_the_last_token_is_computed(
    tokens: int, computed: int, matched: int, theirs: list[int], blocks: list[int]
) -> None:
    consumer = scheduler(1)
    asked = request("b", tokens, ticket_of(tokens))
    consumer.begin(asked)
    assert consumer.matched(asked, computed) == matched
    consumer.allocated(asked, [5, 6, 7], matched)
    expected = LoadOrder("a", "w", 0, 0, 0, matched, theirs, blocks)
    assert orders(consumer).loads == [expected]  # with no blocks, to let go of the hold
    assert orders(consumer).loads == []


def test_a_longer_prompt_that_begins_alike_is_served_as_far() -> None:
    assert scheduler(1).matched(request("b", 30, ticket_of(10)), 0) == 8


def test_wrong_tickets_and_roles_are_named() -> None:
    consumer = scheduler(1)
    with pytest.raises(KVError, match="are of another prompt of 10 tokens"):
        consumer.matched(request("b", 9, ticket_of(10)), 0)
    with pytest.raises(KVError, match="has no remote_world, remote_engine_id, remote_request_id"):
        consumer.matched(request("b", 9, {"do_remote_prefill": True}), 0)
    with pytest.raises(KVError, match="kv_role would have to be kv_producer or kv_both"):
        consumer.begin(request("b", 9, {"do_remote_decode": True}))
    single = Scheduling(Instance(0, 1, 1, pool="a"), BLOCK, True, True)
    with pytest.raises(KVError, match="and this is the only instance"):
        single.begin(request("b", 9, {"do_remote_decode": True}))


# --- the pool


def pooled(pool: Pool) -> PoolScheduling:
    made = PoolScheduling(pool, 64)
    made.keys = KEYS
    return made


def step(name: str, before: int, tokens: int, blocks: int, new: bool = False) -> Any:
    table = list(range(100, 100 + blocks))
    cached = SimpleNamespace(
        req_ids=[] if new else [name], num_computed_tokens=[] if new else [before]
    )
    return SimpleNamespace(
        scheduled_new_reqs=[SimpleNamespace(req_id=name, num_computed_tokens=before)] * new,
        scheduled_cached_reqs=cached, num_scheduled_tokens={name: tokens},
        kv_connector_block_state=SimpleNamespace(resolve_block_ids=lambda _: (table,)),
    )  # fmt: skip


def ordered(given: PoolScheduling, one: Any) -> tuple[list[PoolRead], list[PoolWrite]]:
    made = StepOrders()
    given.give(made, one)
    return made.reads, made.writes


def test_blocks_are_stored_when_they_are_whole_and_all_their_tokens_known() -> None:
    with Pool.local(dram=1 << 20) as pool:
        given, asked = pooled(pool), request("a", 300)
        given.begin(asked)
        keys = KEYS.of(asked, 300)
        assert len(keys) == 2
        assert given.matched(asked, 0) == 0
        first = PoolWrite("a", keys[:1], [100, 101])
        assert ordered(given, step("a", 0, 200, 4, new=True)) == ([], [first])
        second = PoolWrite("a", keys[1:], [100, 101, 102, 103])
        assert ordered(given, step("a", 200, 100, 5)) == ([], [second])
        # Scheduled ahead: the block is whole after the step, its last token is not known yet.
        assert ordered(given, step("a", 383, 1, 6)) == ([], [])
        asked.all_token_ids, asked.num_tokens = list(range(384)), 384
        assert [len(one.keys) for one in ordered(given, step("a", 384, 1, 7))[1]] == [1]
        # What could not be read is computed again, and stored.
        assert ordered(given, step("a", 128, 200, 6))[1] == [second]
        given.finished(asked)
        assert ordered(given, step("a", 500, 100, 9)) == ([], [])


@pytest.mark.parametrize(
    ("there", "computed", "matched", "wanted"),
    [
        ([0, 1, 2], 0, 320, [0, 1, 2, 3, 4, -1]),  # of 384, the last token's block is computed
        ([0, 1], 64, 192, [-1, 1, 2, 3]),
        ([0, 1], 192, 64, [-1, 3]),
        ([0, 1], 256, 0, None), ([1, 2], 0, 0, None), ([], 0, 0, None),
    ],
)  # fmt: skip
def test_blocks_that_all_layers_have_are_read_from_the_first_on(
    there: list[int], computed: int, matched: int, wanted: list[int] | None
) -> None:
    with Pool.local(dram=1 << 20) as pool:
        given, asked = pooled(pool), request("a", 384)
        given.begin(asked)
        keys = KEYS.of(asked, 384)
        for at in there:
            pool.batch_put(dict.fromkeys(layer_keys(keys[at], 2), b"KV"))
        if 2 not in there:
            pool.put(layer_keys(keys[2], 2)[0], b"KV")  # of one layer only
        assert given.matched(asked, computed) == matched
        given.allocated(asked, list(range(6)), matched)
        reads, _ = ordered(given, step("a", computed + matched, 1, 6, new=True))
        if wanted is None:
            assert reads == []
        else:
            first = (computed // 128) if matched else 0
            assert reads == [PoolRead("a", keys[first : first + len(wanted) // 2], wanted)]


def test_keys_differ_in_all_that_the_bytes_depend_on(tmp_path: Path) -> None:
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(bytes(1 << 20))
    assert fingerprint(tmp_path) == fingerprint(tmp_path)
    assert fingerprint(tmp_path / "no folder") is None

    def config(**changed: Any) -> Any:
        given = {
            "model": str(tmp_path), "revision": None, "quantization": None, "dtype": "float32",
            "cache_dtype": "auto", "tensor_parallel_size": 1, "rope": 1.0, **changed,
        }  # fmt: skip
        return SimpleNamespace(
            model_config=SimpleNamespace(
                hf_config=SimpleNamespace(to_dict=lambda: {"rope": given["rope"]}), **given
            ),
            cache_config=SimpleNamespace(**given),
            parallel_config=SimpleNamespace(pipeline_parallel_size=1, **given),
        )

    layout = [["layer 0", [[2, 4], [4, 1], "torch.float32", "kernel"]]]
    known = {
        identity_of(config(**{name: value}), None, layout)
        for name, value in (
            ("model", str(tmp_path)), ("model", "another"), ("revision", "v2"), ("rope", 2.0),
            ("quantization", "awq"), ("dtype", "bfloat16"), ("cache_dtype", "fp8"),
            ("tensor_parallel_size", 2),
        )
    }  # fmt: skip
    known.add(identity_of(config(), None, [["layer 0", [[2, 4], [1, 2], "torch.float32", "k"]]]))
    known.add(identity_of(config(), "name@1", layout))
    with weights.open("r+b") as file:
        file.seek(1 << 19)
        file.write(b"other weights")
    known.add(identity_of(config(), None, layout))
    assert len(known) == 11
    salted = [request("a", 128, cache_salt=salt) for salt in (None, "x", "y")]
    keys = {PoolKeys(identity, 128, 1).of(one, 128)[0] for identity in known for one in salted}
    assert len(keys) == 33


@pytest.mark.parametrize("of", [{"lora_request": 1}, {"prompt_embeds": 1}, {"mm_features": [1]}])
def test_requests_of_more_than_tokens_pass_the_pool_by(of: dict[str, Any]) -> None:
    with Pool.local(dram=1 << 20) as pool:
        given, asked = pooled(pool), request("a", 128 + 1, **of)
        given.begin(asked)
        pool.batch_put(dict.fromkeys(layer_keys(KEYS.of(asked, 128)[0], 2), b"KV"))
        assert given.matched(asked, 0) == 0
        assert ordered(given, step("a", 0, 129, 3, new=True)) == ([], [])


def test_blocks_go_to_the_pool_and_come_back_and_none_after_one_that_was_lost() -> None:
    rows = {f"layer {at}": np.arange(8 * 6, dtype=np.uint8).reshape(8, 6) + at for at in range(2)}
    empty = {name: np.zeros_like(row) for name, row in rows.items()}

    def main() -> Any:
        with init() as comm, Pool.local(dram=1 << 20) as pool:
            log, timed = StepLog(), TimedPool(comm, pool)
            one, other = (PooledBlocks(timed, of, 128, 2, log) for of in (rows, empty))
            for name in rows:
                one.write(name, [PoolWrite("a", ["k0", "k1"], [5, 4, 0, 7])])
                one.end()
            pool.remove("k1#1")
            lost = other.begin([PoolRead("b", ["k0", "k1"], [-1, 1, 2, 3])])
            other.lose(lost)
            for name in rows:
                other.wait(name)
                other.write(name, [PoolWrite("b", ["k2"], [0, 1, 2, 3, 6, 7])])
                other.write(name, [PoolWrite("c", ["k3"], [6, 7])])
            other.lose(set())
            other.write("layer 0", [PoolWrite("b", ["k4"], [9, 1])])  # once wrong, always wrong
            other.end()
            there = pool.batch_exists(["k2#0", "k3#0", "k4#0"])
            return lost, there, [(row.operation, row.tokens, row.duration) for row in log.rows()]

    ((lost, there, noted),) = launch(main, ranks=1, transport="inproc", sync="eager")
    assert lost == {2, 3}
    assert there == [False, True, False]
    assert empty["layer 0"][1].tolist() == rows["layer 0"][4].tolist()
    assert empty["layer 1"][1].tolist() == rows["layer 1"][4].tolist()
    assert not empty["layer 1"][[0, 2, 3]].any()
    moved = [("pool write", 256)] * 2 + [("pool read", 256), ("pool read", 128)]
    assert [row[:2] for row in noted] == [*moved, *[("pool write", 128)] * 2]
    assert all(duration > 0 for *_, duration in noted)
