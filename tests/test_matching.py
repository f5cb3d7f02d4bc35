from hypothesis import given
from hypothesis import strategies as st

from fabric.transports.base import ANY, Bytes
from fabric.transports.matching import Matching, Message, Receive, refusal


def _ignore(at: int, piece: Bytes) -> None:
    return None


events = st.lists(
    st.tuples(st.booleans(), st.integers(-1, 3), st.sampled_from([0, 1, (1 << 64) - 1]))
)


@given(events)
def test_the_earliest_receive_meets_the_earliest_message(
    history: list[tuple[bool, int, int]],
) -> None:
    """The oracle looks through two lists in order."""
    matching: Matching[Message] = Matching()
    receives: list[Receive] = []
    messages: list[Message] = []
    for is_receive, peer, tag in history:
        if is_receive:
            receive = Receive(peer, tag, 0, 0, _ignore)
            fits = [m for m in messages if m.tag == tag and peer in (m.peer, ANY)]
            assert matching.post(receive) is (fits[0] if fits else None)
            receives += [] if fits else [receive]
            messages = [m for m in messages if m not in fits[:1]]
        else:
            message = Message(max(peer, 0), tag, 0, 0)
            takes = [r for r in receives if r.tag == tag and r.peer in (message.peer, ANY)]
            assert matching.arrive(message) is (takes[0] if takes else None)
            messages += [] if takes else [message]
            receives = [r for r in receives if r not in takes[:1]]
        assert set(matching.messages()) == set(messages)
        assert set(matching.receives()) == set(receives)


@given(st.integers(0, 1), st.integers(0, 1), st.integers(0, 1), st.integers(0, 1))
def test_a_refusal_says_what_differs(mark: int, size: int, other: int, length: int) -> None:
    error = refusal(5, Receive(3, 9, mark, size, _ignore), Message(3, 9, other, length))
    if (mark, size) == (other, length):
        assert error is None
    else:
        assert f"rank 5 waits for {size} bytes from rank 3 in call {mark:#010x}" in str(error)
        assert f"rank 3 has sent {length} bytes in call {other:#010x} (tag 0x9)" in str(error)


def test_a_long_queue_is_as_fast_as_a_short_one_and_keeps_nothing() -> None:
    matching: Matching[Message] = Matching()
    sent = [Message(1, 4, 0, k) for k in range(50_000)]
    for message in sent:
        assert matching.arrive(message) is None
    for message in sent:
        assert matching.post(Receive(1, 4, 0, 0, _ignore)) is message
        assert message.next is None
        assert message.last is None
    assert matching.messages() == matching.receives() == []
