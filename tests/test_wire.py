"""Messages as bytes: what goes in comes out, and nothing else does any harm."""

import json
import math
from typing import Any, get_args, get_type_hints

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fabric.memory.places import MemoryPlace
from fabric.memory.words import WordAct
from fabric.schedule.plan import Plan, plan
from fabric.schedule.step import Step
from fabric.world.codec import WireError, parsed, tag
from fabric.world.messages import (
    Advice,
    AdviceReply,
    AskAdvice,
    AskFrames,
    AskTime,
    Beat,
    Begin,
    Blocked,
    Compute,
    End,
    Exchange,
    Exchanged,
    Fail,
    FrameCount,
    FramesSent,
    Hello,
    Leave,
    MachineLabel,
    Settle,
    Threads,
    TimesReply,
    ToAuthority,
    ToRank,
    Wait,
    Welcome,
)
from fabric.world.wire import (
    REPEATED,
    SLOTS,
    Packer,
    Unpacker,
    pack_replies,
    unpack_hello,
    unpack_replies,
)

SIZE = 4
GROUP = (3, 0, 2, 1)


def a_plan(size: int, rank: int = 1) -> Plan:
    return plan([Step([0, 1], [1, 2], [size, 5]), Step(1, 1, 3)], SIZE, rank)


def begin(op: int, own: Plan, words: str = "words") -> Begin:
    return Begin(op, GROUP, own.rows, words, "all_reduce")


def same(sent: ToAuthority, received: ToAuthority) -> bool:
    if not isinstance(sent, Begin):
        return type(sent) is type(received) and sent == received
    assert isinstance(received, Begin)
    return (
        sent._replace(rows=received.rows) == received and sent.rows.digest == received.rows.digest
    )


def test_what_is_packed_is_unpacked() -> None:
    messages: list[ToAuthority] = [
        Hello(1, "token", 2, SIZE, 77, "born", "host"),
        Exchange({"any": ["json", None, 1.5]}),
        begin(1 << 63, a_plan(7)),
        Wait(1 << 63),
        Compute(1e-6),
        AskTime(0),
        AskAdvice(1, "all_reduce", GROUP, 8, 4, 0, None),
        Settle(1),
        Blocked(None),
        Blocked(3),
        Threads(True),
        Fail("ValueError", "bö\n", None),
        AskFrames(1, 2),
        FrameCount(1, 2, 3),
        FramesSent((0, 5)),
        Leave(),
        Beat(),
    ]
    received = Unpacker(SIZE).unpack(Packer().pack(messages))
    assert all(map(same, messages, received))
    assert len(received) == len(messages)


def test_replies_come_out_as_they_were() -> None:
    replies: list[ToRank] = [
        Welcome({"system": None}, 1.5, None, 7, "host"),
        Exchanged([{"a": 1}, None]),
        AdviceReply(3, Advice("ring", 16, "all_reduce", MachineLabel("star", "raw"))),
        AdviceReply(4, None),
        TimesReply(5, None, None, "why"),
        TimesReply(6, 0.0, math.inf),
        End("Deadlock", "words", None),
    ]
    assert unpack_replies(pack_replies(replies)) == replies


@pytest.mark.parametrize(
    "item", [["timesreply", 1], ["advicereply", 1, ["a", 2, "b"]], ["welcome", [], 0, None, 1, ""]]
)
def test_replies_are_checked_too(item: list[Any]) -> None:
    with pytest.raises(WireError):
        unpack_replies(json.dumps([item]).encode())


VALUES: dict[str, Any] = {
    "<class 'int'>": 7, "<class 'str'>": "text", "<class 'float'>": 0.5, "int | None": None,
    "float | None": 1.5, "str | None": "name", "tuple[int, ...]": GROUP, "typing.Any": {"a": [1]},
    "<class 'bool'>": True,
    "<class 'fabric.schedule.plan.TimedRows'>": a_plan(7).rows,
    "collections.abc.Sequence[typing.Any]": [1, "b"],
    "collections.abc.Mapping[str, typing.Any]": {"c": None},
    "fabric.world.messages.Advice | None": Advice("ring", 2, "all_reduce", MachineLabel("a", "b")),
    "fabric.world.messages.MachineLabel | None": MachineLabel("a", "b"),
    "<class 'fabric.memory.places.MemoryPlace'>": MemoryPlace("host", 1, 1 << 47, 64, ""),
    "fabric.memory.words.WordAct | None": WordAct("cas", 8, (1 << 64) - 1, 2),
}  # fmt: skip
"""One of each type that a field has."""


def kinds(union: Any) -> list[type]:
    return [kind for kind in get_args(union)]


@pytest.mark.parametrize("kind", [*kinds(ToAuthority), *kinds(ToRank)], ids=tag)
def test_every_message_can_travel(kind: type) -> None:
    """Its class is all that there is to say of it: no table needs to know of a new one."""
    values = [VALUES[str(hint)] for hint in get_type_hints(kind).values()]
    message = kind(*values)
    if kind in kinds(ToAuthority):
        (received,) = Unpacker(SIZE).unpack(Packer().pack([message]))
        assert same(message, received)
    else:
        assert unpack_replies(pack_replies([message])) == [message]


def test_two_messages_never_begin_alike() -> None:
    for union in (ToAuthority, ToRank):
        assert len(set(map(tag, kinds(union)))) == len(kinds(union))


def test_a_stranger_may_say_hello_and_nothing_else() -> None:
    hello = Hello(1, "token", None, SIZE, 77, "born", "host")
    assert unpack_hello(Packer().pack([hello])[0]) == hello
    for messages in ([Leave()], [hello, hello], []):
        with pytest.raises(WireError):
            unpack_hello(Packer().pack(messages)[0])


def test_a_plan_is_sent_once() -> None:
    packer, unpacker, own = Packer(), Unpacker(SIZE), a_plan(7)
    first, again = packer.pack([begin(1, own)]), packer.pack([begin(2, own), begin(3, a_plan(7))])
    assert [len(first), len(again)] == [2, 1]
    assert len(again[0]) < 100
    for frames, ops in ((first, [1]), (again, [2, 3])):
        assert [
            message.op for message in unpacker.unpack(frames) if isinstance(message, Begin)
        ] == ops


def test_calls_of_a_kind_are_sent_as_one() -> None:
    packer, unpacker, own = Packer(), Unpacker(SIZE), a_plan(7)
    kept, other = begin(1, own), begin(2, a_plan(8))
    one, two = (each._replace(waits=True) for each in (kept, other))
    first = [one._replace(op=op) for op in range(REPEATED - 3)]
    sent = [
        *first, begin(9_000, own), one._replace(op=9_001), one._replace(op=9_002),
        one._replace(op=9_004), Wait(9_004), one._replace(op=9_005), two._replace(op=9_006),
        one._replace(op=9_007), one._replace(op=9_008, at=1.0), one._replace(op=9_009),
        one._replace(op=(1 << 64) - 2), one._replace(op=(1 << 64) - 1),
    ]  # fmt: skip
    packed = packer.pack(sent)
    assert len(json.loads(packed[0])) < len(sent) - REPEATED + 20
    received = unpacker.unpack(packed)
    each = [single for message in received for single in singles(message)]
    assert len(each) == len(sent)
    assert all(map(same, sent, each))


def test_calls_that_come_as_one_are_sent_on_as_one() -> None:
    packer, unpacker = Packer(), Unpacker(SIZE)
    one = begin(1, a_plan(7))._replace(waits=True)
    sent = [one._replace(times=5), one._replace(op=6, times=7), one._replace(op=20, times=3)]
    first, other = unpacker.unpack(packer.pack(sent))
    assert same(first, one._replace(times=12))
    assert same(other, one._replace(op=20, times=3))


def singles(message: Any) -> list[Any]:
    """A message, or the single calls that it stands for."""
    if not isinstance(message, Begin):
        return [message]
    ops = range(message.op, message.op + message.times)
    return [message._replace(op=op, times=1) for op in ops]


def test_both_sides_forget_at_the_same_moment() -> None:
    packer, unpacker = Packer(), Unpacker(SIZE)
    kept = [a_plan(size) for size in range(3 * SLOTS["rows"])]
    for turn, own in enumerate([*kept, *kept[::-1], *kept[:: SLOTS["rows"] // 2]]):
        message = begin(turn, own, f"call {turn % 5}")
        (received,) = unpacker.unpack(packer.pack([message]))
        assert same(message, received)


def test_a_plan_that_is_no_more_is_not_mistaken_for_a_new_one() -> None:
    """Python gives a new object the identity of one that is gone."""
    packer, unpacker = Packer(), Unpacker(SIZE)
    for size in range(2000):
        (received,) = unpacker.unpack(packer.pack([begin(size, a_plan(size % 97))]))
        assert isinstance(received, Begin)
        assert received.rows.size[0] == size % 97


def frames(*items: Any) -> list[bytes]:
    return [json.dumps(list(items)).encode()]


CALL = ["group", 0, [0, 1]], ["rows", 0, 0, []], ["call", 0, 0, 0, "a", "b"]
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
        [b'[["compute", 1' + b"0" * 400 + b"]]"],
        frames(["askadvice", 0, "all_reduce", [-1], 8, 4, 0, None]),
        [b'[["compute", 1e999]]'],
        [b'[["compute", NaN]]'],
        frames(["compute", "1"]),
        frames(["begin", 1, 0, None, True, 1]),
        *(
            [*frames(*CALL, ["begin", op, 0, None, True, times]), ROWS.tobytes()]
            for op, times in ((1, 0), (1, REPEATED + 2), ((1 << 64) - 1, 2))
        ),
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
            [*frames(*CALL), blob]
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
    | st.sampled_from([tag(kind) for kind in get_args(ToAuthority)]),
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
    message = Packer().pack([begin(1, a_plan(7)), Wait(1), Exchange({"a": 1})])
    number = data.draw(st.integers(0, len(message) - 1))
    frame = bytearray(message[number])
    for _ in range(data.draw(st.integers(1, 4))):
        frame[data.draw(st.integers(0, len(frame) - 1))] = data.draw(st.integers(0, 255))
    message[number] = bytes(frame[: data.draw(st.integers(0, len(frame)))])
    harmless(message)


def harmless(message: list[bytes]) -> None:
    """It is refused, or messages come out whose fields are what they should be."""
    try:
        messages = Unpacker(SIZE).unpack(message)
    except WireError:
        return
    for message_ in messages:
        assert isinstance(message_, ToAuthority)
        if isinstance(message_, Begin):
            rows, group = message_.rows, message_.group
            assert 0 <= message_.op < 1 << 64
            assert set(group) <= set(range(SIZE))
            assert isinstance(message_.words + message_.operation, str)
            if len(rows):
                assert min(rows.src.min(), rows.dst.min()) >= 0
                assert max(rows.src.max(), rows.dst.max()) < len(group)
                assert min(rows.size.min(), rows.step.min(), rows.messages.min()) >= 0


def test_a_frame_is_a_list() -> None:
    assert parsed(b"[1, 2]") == [1, 2]
    with pytest.raises(WireError, match="no list"):
        parsed(b"3")
