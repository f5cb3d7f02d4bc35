"""What can be passed as a buffer, what cannot, and what an error says about it."""

import array
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from collectives.algorithms import spec
from collectives.calls import buffers
from collectives.calls.buffers import NOTHING, ArgumentError, name_of, shift, view
from collectives.calls.reductions import PIECE, average, lower, reduction
from fabric.schedule.step import ScheduleError


def test_the_bytes_are_the_users_own() -> None:
    x = np.arange(6, dtype=np.int32).reshape(2, 3)
    seen = view(x, "x", True)
    assert (seen.items, seen.dtype, seen.bytes.size) == (6, np.dtype(np.int32), 24)
    seen.bytes[:4] = 255
    assert x[0, 0] == -1


@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (1,), (2, 3)])
def test_every_shape(shape: tuple[int, ...]) -> None:
    x = np.ones(shape, np.float64)
    seen = view(x, "x", True)
    seen.bytes[:] = 0
    assert seen.items == x.size
    assert not x.any()


def test_items_apart_are_packed_and_brought_home() -> None:
    matrix = np.arange(12.0).reshape(3, 4)
    seen = view(matrix[:, ::2], "x", True)
    assert seen.bytes.view(np.float64).tolist() == [0, 2, 4, 6, 8, 10]
    seen.bytes.view(np.float64)[:] = -1
    assert matrix[0, 0] == 0
    seen.unpack()
    assert matrix[:, ::2].tolist() == [[-1, -1]] * 3
    assert matrix[:, 1].tolist() == [1, 5, 9]


def test_other_things_with_memory() -> None:
    raw = bytearray(b"abcd")
    view(raw, "x", True).bytes[0] = ord("z")
    assert raw == b"zbcd"
    assert view(b"abc", "x").dtype == np.uint8
    assert view(memoryview(array.array("d", [1.0])), "x").dtype == np.float64
    assert view(array.array("i", [1, 2]), "x", True).items == 2

    class Exporter:
        def __init__(self) -> None:
            self.data = np.arange(3.0)

        def __dlpack__(self, **options: Any) -> Any:
            return self.data.__dlpack__(**options)

        def __dlpack_device__(self) -> Any:
            return self.data.__dlpack_device__()

    exporter = Exporter()
    view(exporter, "x", True).bytes.view(np.float64)[0] = 7
    assert exporter.data[0] == 7


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([1, 2], "x is a list, which has no memory of its own"),
        (3.0, "x is a float"),
        (None, "x is a NoneType"),
        (np.array([object()]), "x holds object"),
        (np.ma.masked_array([1, 2], [0, 1]), "x is a masked array"),
    ],
)
def test_what_has_no_memory_is_refused(given: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        view(given, "x")


def test_read_only_is_refused_where_it_is_written() -> None:
    x = np.arange(3)
    x.flags.writeable = False
    assert view(x, "x").items == 3
    for given in (x, b"abc"):
        with pytest.raises(ArgumentError, match="out is read-only"):
            view(given, "out", True)


def test_shared_memory() -> None:
    line = np.zeros(10, np.int32)
    assert shift(view(line, "x"), view(line, "x")) == 0
    assert shift(view(line, "x"), view(line[4:6], "x")) == 16
    assert shift(view(line[4:6], "x"), view(line, "x")) == -16
    assert shift(view(line[:5], "x"), view(line[5:], "x")) is None
    assert shift(view(line, "x"), NOTHING) is None


def test_names_are_the_same_where_bytes_mean_the_same() -> None:
    names = [name_of(np.dtype(t)) for t in ("<f4", ">f4", ml_dtypes.bfloat16, [("a", "i4")])]
    assert names == ["float32", ">f4", "bfloat16", "[('a', '<i4')]"]


@pytest.mark.parametrize("op", ["sum", "prod", "min", "max"])
@pytest.mark.parametrize(
    "dtype",
    ["bool", "int8", "uint8", "int16", "int32", "int64", "uint64", "float16", "float32", "float64",
     ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e5m2, ml_dtypes.float8_e4m3fnuz],
    ids=str,
)  # fmt: skip
def test_reductions_of_real_numbers(op: str, dtype: Any) -> None:
    assert reduction(op, np.dtype(dtype)) is spec.COMBINE[op]


def test_reductions_without_a_meaning() -> None:
    for op, dtype in (
        ("min", "c8"), ("max", "c16"), ("avg", "?"), ("band", "f4"), ("sum", "m8[s]"),
        ("sum", "S3"), ("max", "M8[s]"), ("bxor", "V4"), ("sum", [("a", "f4")]), ("sum", ">f4"),
    ):  # fmt: skip
        with pytest.raises(ArgumentError, match=f"{op} of .* has no meaning"):
            reduction(op, np.dtype(dtype))


@pytest.mark.parametrize("name", ["int4", "uint4", "float4_e2m1fn", "float8_e8m0fnu"])
@pytest.mark.parametrize("op", ["sum", "avg", "max", "bor"])
def test_types_that_only_travel(op: str, name: str) -> None:
    with pytest.raises(ArgumentError, match=f"{op} of {name} has no meaning: .* can be sent"):
        reduction(op, np.dtype(getattr(ml_dtypes, name)))


def test_an_unknown_reduction() -> None:
    with pytest.raises(ScheduleError, match="unknown reduction 'mean'; choose one of sum, prod"):
        reduction("mean", np.dtype("f4"))


@pytest.mark.parametrize("ranks", [1, 2, 3, 700])
@pytest.mark.parametrize(
    "dtype",
    ["i1", "u2", "i8", "f2", "f4", "f8", "c8", ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn],
    ids=str,
)
def test_averages_are_those_of_the_spec(dtype: Any, ranks: int) -> None:
    number = np.arange(PIECE + 9) % 16 - (0 if dtype == "u2" else 7)
    total, lent = number.astype(dtype), number.astype(dtype)
    if total.dtype.kind in "fc" and total.itemsize >= 4:
        total[PIECE + 3], total[5:7] = (
            np.inf,
            np.finfo(total.real.dtype).max,
        )  # beyond, and to be cut
    want = spec.averaged(total, ranks)
    average(view(total, "x", True), ranks)
    assert total.tobytes() == want.tobytes()
    want = spec.shares(lent, ranks)
    lower(view(lent, "x").bytes, lent.dtype, ranks, view(lent, "x").bytes)
    assert lent.tobytes() == want.tobytes()


torch_types = [
    "float32", "float64", "float16", "bfloat16", "int64", "uint8", "bool", "complex64",
    "float8_e4m3fn", "float8_e5m2",
]  # fmt: skip


@pytest.mark.parametrize("name", torch_types)
def test_tensors_share_their_memory(name: str) -> None:
    torch = pytest.importorskip("torch", reason="torch is an optional extra")
    tensor = torch.ones((2, 3), dtype=getattr(torch, name))
    seen = view(tensor, "x", True)
    assert name_of(seen.dtype) == name
    seen.bytes[:] = 0
    wide = torch.complex64 if tensor.is_complex() else torch.float32
    assert not tensor.to(wide).any()
    assert view(tensor.t(), "x").home is not None
    assert view(torch.ones((), dtype=getattr(torch, name)), "x").items == 1


def test_tensors_that_cannot_be() -> None:
    torch = pytest.importorskip("torch", reason="torch is an optional extra")
    freed = torch.ones(8)
    freed.untyped_storage().resize_(8)
    bare = torch.ones(8)
    bare.untyped_storage().resize_(0)
    for given, message in (
        (torch.ones(3, device="meta"), "on meta"),
        (torch.eye(3).to_sparse(), "layout torch.sparse_coo"),
        (freed, "storage is too short"),
        (bare, "storage is too short"),
        (torch.zeros(1).expand(4), "several items at one place"),
        (torch.ones(3, dtype=torch.complex64).conj(), "lazy conjugate or negative, and the call w"),
        (torch.ones(3, dtype=torch.complex64).conj().imag, "lazy conjugate or negative"),
    ):
        with pytest.raises(ArgumentError, match=message):
            view(given, "x", True)
    assert view(torch.ones(3, requires_grad=True), "x").items == 3
    read = view(torch.full((3,), 1 + 2j, dtype=torch.complex64).conj(), "x")
    assert read.bytes.view(np.complex64).tolist() == [1 - 2j] * 3
    assert view(torch.ones(1).expand(4), "x").bytes.view(np.float32).tolist() == [1] * 4


@pytest.mark.filterwarnings("ignore:ComplexHalf support is experimental")
def test_types_of_torch_that_only_travel() -> None:
    torch = pytest.importorskip("torch", reason="torch is an optional extra")
    raw = torch.arange(32, dtype=torch.uint8)
    for name in ("complex32", "float8_e8m0fnu", "float4_e2m1fn_x2", "bits16", "int4", "uint1"):
        kind = getattr(torch, name)
        tensor = torch.empty((2, 2), dtype=kind)
        seen = view(tensor, "x", True)
        assert (seen.items, seen.bytes.size) == (4, 4 * tensor.element_size())
        assert name_of(seen.dtype).removeprefix("torch.") == name
        for op in (*spec.COMBINE, *spec.BITWISE):
            with pytest.raises(ArgumentError, match=f"{op} of .*{name} has no meaning"):
                reduction(op, seen.dtype)
        apart = view(raw.view(kind)[::2], "x", True)  # bytes go home as they were
        before = raw.clone()
        apart.unpack()
        assert torch.equal(raw, before)


def test_a_tensor_is_afterwards_what_it_was() -> None:
    torch = pytest.importorskip("torch", reason="torch is an optional extra")
    for dtype in (torch.float32, torch.bfloat16, torch.complex32):
        tensor = torch.zeros(4, dtype=dtype)
        view(tensor, "x", True)
        tensor.resize_(400)
        tensor.untyped_storage().resize_(0)


def test_items_that_lie_in_one_place_are_not_written() -> None:
    line = np.zeros(8)
    strided = np.lib.stride_tricks.as_strided
    for wrong in (strided(line, (4,), (0,)), strided(line, (3, 4), (8, 8))):
        with pytest.raises(ArgumentError, match="several items at one place"):
            view(wrong, "out", True)
        assert view(wrong, "x").items == wrong.size
    for right in (line[::-1], line[::3], np.zeros((3, 4)).T, np.zeros((3, 1, 4))[:, :, ::-2]):
        seen = view(right, "out", True)
        seen.bytes.view(np.float64)[:] = np.arange(seen.items)
        seen.unpack()
        assert right.reshape(-1).tolist() == list(range(seen.items))


@pytest.mark.parametrize("kind", ["float32", "bfloat16", "int64"])
def test_a_tensor_without_items_is_one(kind: str) -> None:
    """It has no address; numpy before 2.4 takes an interface at 0 for none."""
    torch = pytest.importorskip("torch")
    tensor = torch.zeros((0, 128), dtype=getattr(torch, kind))
    assert view(tensor, "x", True).items == 0
    assert buffers._TensorMemory(tensor, "x").__array_interface__["data"][0]
