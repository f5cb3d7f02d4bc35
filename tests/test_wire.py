"""Records as bytes: what goes in comes out, and nothing else does any harm."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fabric.schedule.plan import Plan, plan
from fabric.schedule.step import Step
from fabric.world.wire import FIELDS, SLOTS, Packer, Unpacker, WireError, parsed

SIZE = 4
GROUP = (3, 0, 2, 1)


def a_plan(size: int, rank: int = 1) -> Plan:
    return plan([Step([0, 1], [1, 2], [size, 5]), Step(1, 1, 3)], SIZE, rank)


def begin(op: int, own: Plan, words: str = "words") -> tuple[Any, ...]:
    return "begin", op, GROUP, own, words, "all_reduce", None


def same(sent: tuple[Any, ...], come: tuple[Any, ...]) -> bool:
    if sent[0] != "begin":
        return sent == come
    rows = come[3]
    return (*sent[:3], *sent[4:]) == (*come[:3], *come[4:]) and rows.digest == sent[3].rows.digest


def test_what_is_packed_is_unpacked() -> None:
    records = [
        ("hello", 1, "token", 2, SIZE, 77, "born", "host"),
        ("exchange", {"any": ["json", None, 1.5]}),
        begin(1 << 63, a_plan(7)),
        ("wait", 1 << 63),
        ("compute", 1e-6),
        ("now", 0),
        ("settle", 1),
        ("blocked", None),
        ("blocked", 3),
        ("fail", "ValueError", "bö\n", None),
        ("count", 1, 2),
        ("counted", 1, 2, 3),
        ("sent", [0, 5]),
        ("leave",),
        ("beat",),
    ]
    come = Unpacker(SIZE).unpack(Packer().pack(records))
    assert all(map(same, records, come))
    assert len(come) == len(records)


def test_a_plan_is_sent_once() -> None:
    packer, unpacker, own = Packer(), Unpacker(SIZE), a_plan(7)
    first, again = packer.pack([begin(1, own)]), packer.pack([begin(2, own), begin(3, a_plan(7))])
    assert [len(first), len(again)] == [2, 1]
    assert len(again[0]) < 100
    for frames, ops in ((first, [1]), (again, [2, 3])):
        assert [record[1] for record in unpacker.unpack(frames)] == ops


def test_both_sides_forget_at_the_same_moment() -> None:
    packer, unpacker = Packer(), Unpacker(SIZE)
    kept = [a_plan(size) for size in range(3 * SLOTS["rows"])]
    for turn, own in enumerate([*kept, *kept[::-1], *kept[:: SLOTS["rows"] // 2]]):
        record = begin(turn, own, f"call {turn % 5}")
        (come,) = unpacker.unpack(packer.pack([record]))
        assert same(record, come)


def test_a_plan_that_is_no_more_is_not_mistaken_for_a_new_one() -> None:
    """Python gives a new object the identity of one that is gone."""
    packer, unpacker = Packer(), Unpacker(SIZE)
    for size in range(2000):
        record = begin(size, a_plan(size % 97))
        (come,) = unpacker.unpack(packer.pack([record]))
        assert come[3].size[0] == size % 97


def frames(*items: Any) -> list[bytes]:
    return [json.dumps(list(items)).encode()]


ROWS = np.stack([[0], [0], [1], [8], [1], [0]]).astype("<i8")


@pytest.mark.parametrize(
    "message",
    [
        [b""],
        [b"{}"],
        [b"[1]"],
        [b"[[]]"],
        [b'[["x"]]'],
        [b"[" * 100000],
        [b"\xff"],
        [b'[["wait"]]'],
        frames(["wait", -1]),
        frames(["wait", 1 << 64]),
        frames(["wait", True]),
        frames(["wait", 1.0]),
        [b'[["compute", 1e999]]'],
        [b'[["compute", NaN]]'],
        frames(["compute", "1"]),
        frames(["begin", 1, 0, None]),
        frames(["rows", 0, 0]),
        frames(["group", 0, [SIZE]]),
        frames(["group", 0, "ab"]),
        frames(["group", SLOTS["group"], [0]]),
        frames([["wait"], 1]),
        frames(["call", 0, 0, 0, "a", "b"]),
        frames(["fail", 1, "x", None]),
        frames(["leave", 1]),
        [*frames(["rows", 0, 0]), b"\0" * 47],
        *(
            [*frames(["group", 0, [0, 1]], ["rows", 0, 0], ["call", 0, 0, 0, "a", "b"]), blob]
            for blob in (ROWS.tobytes()[:-8] + b"\7" * 8, (-ROWS).tobytes(), (ROWS * 5).tobytes())
        ),
    ],
)
def test_what_is_malformed_is_refused(message: list[bytes]) -> None:
    with pytest.raises(WireError):
        Unpacker(SIZE).unpack(message)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from([*FIELDS]),
    lambda inner: st.lists(inner, max_size=7) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=30,
)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.lists(json_values, max_size=5), st.lists(st.binary(max_size=200), max_size=3))
def test_no_json_does_any_harm(items: list[Any], blobs: list[bytes]) -> None:
    harmless([json.dumps(items).encode(), *blobs])


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.lists(st.binary(max_size=300), min_size=1, max_size=3))
def test_no_bytes_do_any_harm(message: list[bytes]) -> None:
    harmless(message)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.data())
def test_no_change_of_a_message_does_any_harm(data: st.DataObject) -> None:
    message = Packer().pack([begin(1, a_plan(7)), ("wait", 1), ("exchange", {"a": 1})])
    number = data.draw(st.integers(0, len(message) - 1))
    frame = bytearray(message[number])
    for _ in range(data.draw(st.integers(1, 4))):
        frame[data.draw(st.integers(0, len(frame) - 1))] = data.draw(st.integers(0, 255))
    message[number] = bytes(frame[: data.draw(st.integers(0, len(frame)))])
    harmless(message)


def harmless(message: list[bytes]) -> None:
    """It is refused, or records come out whose fields are what they should be."""
    try:
        records = Unpacker(SIZE).unpack(message)
    except WireError:
        return
    for record in records:
        assert record[0] in FIELDS
        if record[0] == "begin":
            _, op, group, rows, words, operation, _ = record
            assert 0 <= op < 1 << 64
            assert set(group) <= set(range(SIZE))
            assert isinstance(words + operation, str)
            if len(rows):
                assert min(rows.src.min(), rows.dst.min()) >= 0
                assert max(rows.src.max(), rows.dst.max()) < len(group)
                assert min(rows.size.min(), rows.step.min(), rows.messages.min()) >= 0


def test_a_frame_is_a_list() -> None:
    assert parsed(b"[1, 2]") == [1, 2]
    with pytest.raises(WireError, match="no list"):
        parsed(b"3")
