"""The reader of schedules and the spec, by hand: small cases whose answers can be seen."""

from typing import Any

import ml_dtypes
import numpy as np
import pytest
from numpy.typing import NDArray

from collectives.algorithms import spec
from collectives.algorithms.reference import POISON, check, run
from fabric.schedule.step import ScheduleError, Step


def rows(*arrays: list[int]) -> list[NDArray[np.int64]]:
    return [np.array(array, np.int64) for array in arrays]


def lists(outputs: Any) -> list[Any]:
    return [None if output is None else output.tolist() for output in outputs]


def test_a_step_reads_what_stood_before_it() -> None:
    steps = [
        Step([0, 1], [0, 1], 8),
        Step([0, 1], [1, 0], 8, reads="recv"),  # two ranks swap what they hold
    ]
    assert lists(run(steps, rows([1], [2]), 8)) == [[2], [1]]


def test_reducing_rows_combine_in_row_order() -> None:
    send = [np.array([x], np.float64) for x in (1e16, 1.0, -1e16)]
    copy = Step(0, 0, 8)
    one = run([copy, Step([1, 2], 0, 8, reduces=True)], send, 8)[0][0]
    other = run([copy, Step([2, 1], 0, 8, reduces=True)], send, 8)[0][0]
    assert (one, other) == (0.0, 1.0)


def test_offsets_are_bytes_and_empty_rows_do_nothing() -> None:
    step = Step([0, 1], [1, 0], [8, 0], [8, 0], [16, 0])
    got = run([step], rows([1, 2], [3, 4]), [8, 24])
    assert got[1][2] == 2
    assert got[1].view(np.uint8)[:16].tolist() == [POISON] * 16
    assert got[0].view(np.uint8).tolist() == [POISON] * 8


def test_work_grows_to_what_is_written_to_it() -> None:
    steps = [Step(0, 1, 8, 0, 800, writes="work"), Step(1, 0, 8, 800, 0, reads="work")]
    assert lists(run(steps, rows([5], [6]), 8))[0] == [5]


@pytest.mark.parametrize(
    "step",
    [
        Step(0, 1, 9),
        Step(0, 1, 8, 1),
        Step(0, 1, 8, 0, 1),
        Step(0, 1, 1, reads="work"),
        Step(0, 2, 8),
    ],
)
def test_rows_that_leave_a_buffer_or_the_ranks(step: Step) -> None:
    with pytest.raises(ScheduleError):
        run([step], rows([1], [2]), 8)


def test_averages_divide_once_after_the_last_step() -> None:
    steps = [Step([0, 1, 2], [0, 1, 2], 8), Step([1, 2], 0, 8, reduces=True)]
    assert run(steps, rows([1], [2], [5]), 8, "avg")[0][0] == 2


@pytest.mark.parametrize("op", ["mean", ""])
def test_unknown_reduction_names_the_choices(op: str) -> None:
    with pytest.raises(ScheduleError, match="sum, prod, min, max, avg"):
        run([], rows([1]), 8, op)


# Soundness.


def overlapping(**options: Any) -> Step:
    return Step([0, 1], [2, 2], 8, 0, [0, 4], **options)


def test_two_rows_may_write_one_byte_only_if_they_reduce() -> None:
    with pytest.raises(ScheduleError, match=r"step 0 \(x\): row 1 writes bytes of rank 2 twice"):
        check([overlapping(label="x")], 3)
    check([overlapping(reduces=True)], 3)


@pytest.mark.parametrize("reduces", [False, True])
def test_nobody_reads_what_is_being_written(reduces: bool) -> None:
    options: dict[str, Any] = {"reads": "recv", "writes": "recv", "reduces": reduces}
    with pytest.raises(ScheduleError, match="step 1: row 0 reads bytes of rank 0"):
        check([Step(0, 1, 8), Step([0, 1], [1, 0], 8, **options)], 2)
    with pytest.raises(ScheduleError, match="row 1 reads bytes of rank 1"):
        check([Step([0, 1], [1, 2], [8, 1], [0, 7], [0, 7], **options)], 3)
    check([Step([0, 1], [1, 2], [8, 1], [0, 8], [0, 7], **options)], 3)


def test_a_long_write_is_not_hidden_by_a_short_one_after_it() -> None:
    step = Step([0, 1, 2], [2, 2, 3], [100, 1, 1], [0, 0, 50], [0, 10, 60],
                reads="recv", reduces=True)  # fmt: skip
    with pytest.raises(ScheduleError, match="row 2 reads"):
        check([step], 4)


def test_other_buffers_other_ranks_and_empty_rows_are_no_conflict() -> None:
    check([Step([0, 1], [1, 0], 8, reads="recv", writes="work")], 2)
    check([Step([0, 1], [1, 2], 0, reads="recv")], 3)
    check([Step([0, 1], [2, 3], 8, reads="recv")], 4)
    check([Step([], [], [])], 1)


def test_send_is_read_only_and_ranks_are_counted() -> None:
    with pytest.raises(ScheduleError, match="send buffer"):
        check([Step(0, 1, 8, writes="send")], 2)
    with pytest.raises(ScheduleError, match="rank 2; there are ranks 0 to 1"):
        check([Step(0, 2, 8)], 2)


# The spec.


def test_spec_of_moving() -> None:
    inputs = rows([1, 2], [3, 4])
    assert lists(spec.all_gather(inputs)) == [[1, 2, 3, 4]] * 2
    assert lists(spec.gather(inputs, 1)) == [None, [1, 2, 3, 4]]
    assert lists(spec.broadcast(inputs, 1)) == [[3, 4]] * 2
    assert lists(spec.scatter(inputs, 1)) == [[3], [4]]
    assert lists(spec.all_to_all(inputs)) == [[1, 3], [2, 4]]
    assert lists(spec.send_recv(inputs)) == [[3, 4], [1, 2]]
    assert lists(spec.barrier(inputs)) == [None, None]


def test_spec_of_counts() -> None:
    counts = np.array([[0, 16], [8, 8]])
    assert lists(spec.all_to_all_v(rows([1, 2], [3, 4]), counts)) == [[3], [1, 2, 4]]


@pytest.mark.parametrize(
    ("op", "want"),
    [("sum", [4, -3]), ("prod", [3, -10]), ("min", [1, -5]), ("max", [3, 2]), ("avg", [2, -1])],
)
def test_spec_of_reducing(op: str, want: list[int]) -> None:
    inputs = rows([1, 2], [3, -5])
    assert lists(spec.all_reduce(inputs, op)) == [want] * 2
    assert lists(spec.reduce(inputs, 1, op)) == [None, want]
    assert lists(spec.reduce_scatter(inputs, op)) == [want[:1], want[1:]]


def test_sums_stay_in_their_dtype() -> None:
    (got,) = spec.all_reduce([np.array([100], np.int8)] * 1)
    assert got.dtype == np.int8
    assert spec.all_reduce([np.array([100], np.int8)] * 3)[0].tolist() == [44]


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int64, np.uint64])
def test_averages_of_integers_by_many_ranks(dtype: type) -> None:
    total: NDArray[Any] = np.array([100, 7], dtype)
    assert spec.averaged(total, 300).tolist() == [0, 0]
    assert spec.averaged(total, 3).tolist() == [33, 2]
    assert spec.averaged(total, 3).dtype == dtype


@pytest.mark.parametrize("dtype", [np.float16, np.float32, ml_dtypes.bfloat16])
def test_averages_of_floats_keep_their_dtype(dtype: type) -> None:
    got = spec.combined([np.array([1, -5], dtype), np.array([2, 0], dtype)], "avg")
    assert got.dtype == dtype
    assert got.astype(float).tolist() == [1.5, -2.5]


def test_averages_divide_by_the_number_of_ranks_even_if_the_dtype_has_none_such() -> None:
    # 300 is no float8: shares are of 512, and a sum of 0.75 of them is 384, of which 300 ranks have
    total = np.array([384 / 512], ml_dtypes.float8_e4m3fn)
    assert float(spec.averaged(total, 300)[0]) == 1.25  # 1.28 rounded; 384 / 288 would be 1.375


@pytest.mark.parametrize("ranks", [1, 2, 3, 4, 5, 7, 8, 12])
@pytest.mark.parametrize(
    "dtype",
    [np.float16, np.float32, np.float64, np.longdouble, ml_dtypes.bfloat16,
     ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e4m3fnuz, ml_dtypes.float8_e5m2],
    ids=lambda dtype: np.dtype(dtype).name,
)  # fmt: skip
def test_the_average_of_the_largest_number_is_finite_and_that_of_infinity_is_not(
    dtype: Any, ranks: int
) -> None:
    finfo: Any = np.finfo if np.dtype(dtype).isbuiltin == 1 else ml_dtypes.finfo
    small = np.dtype(dtype).itemsize == 1  # so coarse that a sum of shares may be rounded beyond
    most = np.array(float(finfo(dtype).max) / 2 if small else finfo(dtype).max, dtype)
    inputs = [np.stack([most, -most, np.zeros((), dtype)]).astype(dtype)] * ranks
    got = spec.combined(inputs, "avg").astype(np.longdouble)
    step = {np.float16: 2e-3, ml_dtypes.bfloat16: 2e-2}.get(dtype, 1e-6)
    room = 0.4 if small else step
    np.testing.assert_allclose(got, inputs[0].astype(np.longdouble), rtol=room)
    if np.isinf(np.array(np.inf, dtype)):
        endless = [np.array([np.inf, -np.inf], dtype)] * ranks
        assert spec.combined(endless, "avg").astype(float).tolist() == [np.inf, -np.inf]


def test_averages_of_halves_are_as_those_of_nccl() -> None:
    """Which multiplies by 1 / ranks first; integers are summed, and may wrap around, first."""
    halves = [np.array([40000, 65504, -6e-8], np.float16)] * 2
    assert spec.combined(halves, "avg").tolist() == [40000, 65504, 0]
    assert spec.combined([np.array([100], np.int8)] * 2, "avg").tolist() == [-28]
    both = spec.combined([np.array([3e38 + 1e38j], np.complex64)] * 3, "avg")
    np.testing.assert_allclose(both, [3e38 + 1e38j], rtol=1e-6)


@pytest.mark.parametrize("ranks", [3, 7, 8, 320])
def test_averages_of_whole_numbers_are_exact(ranks: int) -> None:
    drawn = np.random.default_rng(ranks).integers(-999, 999, (ranks, 50)).astype(np.float32)
    got = spec.combined(list(drawn), "avg")
    np.testing.assert_array_equal(got, (drawn.astype(float).sum(0) / ranks).astype(np.float32))
