import numpy as np
import pytest

from fabric import ScheduleError, Step
from fabric.schedule.plan import plan
from fabric.schedule.step import MAX_SIZE, turns


def test_scalars_are_spread_over_the_rows() -> None:
    step = Step([0, 1, 2], 3, 100, src_at=[0, 100, 200], messages=2)
    assert len(step) == 3
    np.testing.assert_array_equal(step.dst, [3, 3, 3])
    np.testing.assert_array_equal(step.size, [100, 100, 100])
    np.testing.assert_array_equal(step.dst_at, [0, 0, 0])
    np.testing.assert_array_equal(step.messages, [2, 2, 2])
    assert {column.dtype for column in (step.src, step.dst, step.size)} == {np.dtype(np.int64)}


def test_whole_numbers_of_any_kind() -> None:
    step = Step(np.array([0, 1], np.uint8), np.array([1, 0], ">i2"), 2e6, np.float32(8))
    assert [column.tolist() for column in (step.src, step.dst, step.size, step.src_at)] == [
        [0, 1], [1, 0], [2000000] * 2, [8, 8],
    ]  # fmt: skip
    assert {column.dtype for column in (step.src, step.dst, step.size)} == {np.dtype(np.int64)}


def test_one_row_of_scalars() -> None:
    step = Step(0, 1, 8)
    assert len(step) == 1
    assert step.messages is None
    assert (step.reads, step.writes, step.reduces, step.label) == ("send", "recv", False, "")


def test_a_step_beside_another_is_of_its_turn() -> None:
    one, beside = Step(0, 1, 8), Step(1, 0, 8, beside=True)
    numbers = [turn for turn, _ in turns([beside, one, beside, beside, one])]
    assert numbers == [0, 1, 1, 1, 2]
    assert beside.pick(np.array([True])).beside
    assert plan([one, beside, one], 2, 0).rows.step.tolist() == [0, 0, 1]
    assert [part.number for part in plan([one, beside, one], 2, 0).parts] == [0, 1, 2]


def test_an_empty_step() -> None:
    assert len(Step([], [], [])) == 0
    assert len(Step([], [], 7, messages=1)) == 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (([0, 1], [1, 2, 3], 1), "do not fit together"),
        (([0, -1], 1, 1), "src of row 1 is -1"),
        ((0, [1, 2, -7], 1), "dst of row 2 is -7"),
        ((0, 1, -1), "size of row 0 is -1"),
        ((0, 1, 1, -4), "src_at of row 0 is -4"),
        ((0, 1, 1, 0, -4), "dst_at of row 0 is -4"),
        ((0, 1, [1, MAX_SIZE + 1]), "size of row 1 is 9007199254740993 bytes"),
        ((0, 1, 1 << 70), "size of a step is 1180591620717411303424; it has to be integers"),
        (([0, 1], [1], 1), r"dst has the shape \[1\]; it has to be one number, or \[2\]"),
        (([[0, 1], [1, 0]], [0, 1], 1), "do not fit together"),
        ((0.5, 1, 1), "src of a step is 0.5"),
        (([0, 1.5], 1, 1), "src of a step is"),
        ((0, 1, np.nan), "size of a step is nan"),
        ((0, 1, np.inf), "size of a step is inf"),
        ((0, "1", 1), "dst of a step is '1'"),
        ((0, None, 1), "dst of a step is None"),
        ((0, 1, [True, False]), "size of a step is"),
        ((0, 1, np.array([1 << 63], np.uint64)), "size of a step is"),
        ((0, 1, np.ma.masked_array([1, 2], [0, 1])), "size of a step is"),
        (([0, [1]], 1, 1), "src of a step is no column of integers"),
    ],
)
def test_what_is_not_sound_is_refused(arguments: tuple[object, ...], says: str) -> None:
    with pytest.raises(ScheduleError, match=says):
        Step(*arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("buffers", [{"reads": "sent"}, {"writes": "out"}])
def test_unknown_buffers(buffers: dict[str, str]) -> None:
    with pytest.raises(ScheduleError, match="send, recv, work"):
        Step(0, 1, 1, **buffers)  # type: ignore[arg-type]


def test_messages_below_zero() -> None:
    with pytest.raises(ScheduleError, match="messages of row 1 is -5"):
        Step([0, 1], [1, 0], 1, messages=[1, -5])


def test_the_largest_transfer() -> None:
    assert Step(0, 1, MAX_SIZE).size[0] == 1 << 53


def test_a_step_cannot_be_changed() -> None:
    step = Step(0, 1, 8)
    with pytest.raises(AttributeError):
        step.label = "other"  # type: ignore[misc]
