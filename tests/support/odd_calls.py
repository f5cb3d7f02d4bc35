"""Odd calls of a communicator: drawn by hypothesis, made by two ranks, and what numpy says of them.

An argument is drawn with what it means, or that it has to be refused; all ranks get the same ones,
so that either all refuse a call or none does. A call that is refused has changed nothing.
"""

import array
import enum
import fractions
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import ml_dtypes
import numpy as np
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from collectives import Communicator, Recv, Send, init
from fabric.schedule.step import Step
from topology.errors import TriplaneError

Array = NDArray[Any]
RANKS = 2
REFUSED = "refused"


class Side(enum.IntEnum):
    LEFT, RIGHT = range(2)


class Strange:
    """What has no value, and cannot even be shown."""

    def __index__(self) -> int:
        raise KeyError("x")

    __float__ = __bool__ = __index__  # type: ignore[assignment]

    def __repr__(self) -> str:
        raise OSError("no")


NONSENSE: tuple[Any, ...] = (
    "0", b"1", 1j, math.nan, [0], (), {}, np.array([1]), np.array(["1"]), np.complex64(1),
    np.datetime64(1, "s"), np.timedelta64(1, "s"), Strange(), 10**400, -(10**5000), ...,
)  # fmt: skip
"""Neither an integer nor a number of seconds that anybody can mean."""

RANK = (
    [(0, 0), (1, 1), (np.int64(1), 1), (np.uint8(0), 0), (True, 1), (False, 0), (np.array(1), 1),
     (Side.RIGHT, 1)],
    [*NONSENSE, None, -1, 2, 0.0, 1.5, np.float32(1), np.True_, np.int64(-1), 2**64, math.inf],
)  # fmt: skip
TAG = (
    [(0, 0), (-5, -5), (2**63 - 1, 2**63 - 1), (np.int16(7), 7), (True, 1), (Side.LEFT, 0)],
    [*NONSENSE, None, 2**63, 0.5, np.uint64(2**63), np.False_],
)
COLOR = ([(None, None), (0, 0), (-7, -7), (np.int8(3), 3), (True, 1)], TAG[1][:-1])
LIMIT = (
    [(None, None), (60, 60), (600.5, 600.5), (np.float32(60), 60), (math.inf, math.inf),
     (np.array(99), 99), (fractions.Fraction(100, 1), 100), (10**9, 10**9)],
    [*NONSENSE, -1, -0.5, -math.inf, np.float16("nan"), "", np.int8(-3)],
)  # fmt: skip
SECONDS = (
    [(0, 0), (1e-6, 1e-6), (np.float32(0.5), 0.5), (True, 1), (np.array(2), 2), (np.int8(1), 1),
     (fractions.Fraction(1, 4), 0.25), (-0.0, 0)],
    [*NONSENSE, None, -1, -1e-9, math.inf, 1e300, np.float64(-2)],
)  # fmt: skip
FLAG = (
    [(False, False), (True, True), (np.True_, True), (0, False), (1, True), (np.array(True), True)],
    [*NONSENSE[:-1], None, 2, "False", 0.5],
)
NAME = (
    [("", ""), ("a", "a"), ("\x1b[31m \u6211", "\x1b[31m \u6211"), (np.str_("b"), "b")],
    [*NONSENSE[1:], None, 5, b"a", "\ud800", "x" * 5000],
)
REDUCTION = (
    [
        (op, op)
        for op in ("sum", "prod", "min", "max", "avg", "band", "bor", "bxor", np.str_("sum"))
    ],
    [*NONSENSE, None, "mean", "SUM", 5],
)
ALGORITHM = ([(None, None)], [*NONSENSE, "best", "", 5])

INTEGERS = ("int8", "uint8", "int16", "int64", "uint64")
FLOATS = ("float16", "float32", "float64", "bfloat16", "float8_e4m3fn")
MOVED = (">f4", ">i2", "S3", "M8[s]", "V4", "i2,f4", "float8_e8m0fnu", "int4", "complex128")
DTYPES = ("bool", "complex64", *INTEGERS, *FLOATS, *MOVED)
OF_TORCH = ("bool", "complex64", "int8", "uint8", "int16", "int64", *FLOATS)


def dtype_of(name: str) -> np.dtype[Any]:
    return np.dtype(getattr(ml_dtypes, name, name))


def combines(op: str, dtype: str) -> bool:
    """Whether a reduction means something, by a table of its own."""
    if dtype in INTEGERS:
        return True
    if dtype == "bool":
        return op != "avg"
    if dtype in FLOATS:
        return op in ("sum", "prod", "min", "max", "avg")
    return dtype.startswith("complex") and op in ("sum", "prod", "avg")


def combined(op: str, values: list[Array]) -> Array:
    """What numpy says, of whole numbers so small that no type rounds them."""
    dtype = values[0].dtype
    if op in ("band", "bor", "bxor"):
        ufunc: Any = {"band": np.bitwise_and, "bor": np.bitwise_or, "bxor": np.bitwise_xor}[op]
        return np.asarray(ufunc.reduce(values))
    wide = np.stack([each.astype(complex if dtype.kind == "c" else float) for each in values])
    name = {"avg": "sum"}.get(op, op)
    total = getattr(wide, name)(axis=0)
    if op == "avg":
        total = total / len(values)
        total = np.trunc(total) if dtype.kind in "iu" else total
    return total.astype(dtype)


# Buffers: by form. Each is made of values, and gives the object and an array of its items.

Made = tuple[Any, Array]


def _in(room: Array, values: Array) -> Made:
    room[...] = values.reshape(room.shape)
    return room, room


class Own(np.ndarray[Any, Any]):
    """A subclass."""


def _table(values: Array) -> Made:
    shape = (2, len(values) // 2) if len(values) % 2 == 0 else (1, len(values))
    return _in(np.empty(shape, values.dtype, order="F"), values)


def _locked(values: Array) -> Made:
    held = values.copy()
    held.flags.writeable = False
    return held, held


def _spread(values: Array) -> Made:
    one = np.array(values[:1]) if len(values) else values
    held = np.lib.stride_tricks.as_strided(one, values.shape, (0,)) if len(values) else values
    return held, held


def _raw(values: Array) -> Made:
    held = values.copy()
    return memoryview(held), held


def _bytes(values: Array) -> Made:
    held = bytearray(values.tobytes())
    return held, np.frombuffer(held, np.uint8)


def _array(values: Array) -> Made:
    held = array.array(values.dtype.char, values.tolist())
    return held, np.frombuffer(held, values.dtype)


def _tensor(values: Array, stretch: int = 1, grad: bool = False) -> Made:
    import torch

    held = torch.zeros(len(values) * stretch, dtype=getattr(torch, values.dtype.name))[::stretch]
    size = values.dtype.itemsize
    code = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}[size]
    items = held.view(code).numpy() if size < 16 else held.numpy()
    items[...] = values.view(items.dtype)
    return held.requires_grad_() if grad else held, items.view(values.dtype)


def _conj(values: Array) -> Made:
    tensor, items = _tensor(values.conj())
    return tensor.conj(), items.conj()


WRITTEN: dict[str, Callable[[Array], Made]] = {
    "plain": lambda values: _in(np.empty_like(values), values),
    "apart": lambda values: _in(np.zeros(2 * len(values), values.dtype)[::2], values),
    "backwards": lambda values: _in(np.zeros(len(values), values.dtype)[::-1], values),
    "table": _table,
    "own": lambda values: _in(np.empty_like(values).view(Own), values),
    "column": lambda values: _in(np.zeros((len(values), 3), values.dtype)[:, 1:2], values),
    "unaligned": lambda values: _in(
        np.zeros(values.nbytes + 1, np.uint8)[1:].view(values.dtype), values),
}  # fmt: skip
SPECIAL: dict[str, tuple[Callable[[Array], Made], tuple[str, ...]]] = {
    "memoryview": (_raw, ("bool", "int8", "int16", "int64", "uint64", "float32", "float64")),
    "bytearray": (_bytes, ("uint8",)),
    "array": (_array, ("int8", "int16", "float32", "float64")),
}
TENSORS: dict[str, tuple[Callable[[Array], Made], tuple[str, ...]]] = {
    "tensor": (_tensor, OF_TORCH),
    "tensor apart": (lambda values: _tensor(values, 3), OF_TORCH),
    "tensor with gradient": (
        lambda values: _tensor(values, 1, True), ("float16", "float32", "bfloat16")),
}  # fmt: skip
READ: dict[str, Callable[[Array], Made]] = {
    "locked": _locked,
    "broadcast": lambda values: (np.broadcast_to(values[None], (1, len(values))), values),
}
NEVER: dict[str, Callable[[Array], Any]] = {
    "list": lambda values: [1] * len(values),
    "masked": lambda values: np.ma.masked_array(np.ones(len(values))),
    "objects": lambda values: np.array([None] * len(values), object),
    "none": lambda values: None, "text": lambda values: "x" * len(values),
    "number": lambda values: 1.5, "set": lambda values: set(), "strange": lambda values: Strange(),
    "no width": lambda values: np.zeros(len(values), "V0"),
    "strings": lambda values: np.zeros(len(values), np.dtypes.StringDType()),
    "no memory": lambda values: memoryview(b"").__class__,
}  # fmt: skip


@dataclass
class Call:
    """One call: ``x`` and ``out`` are forms; ``given`` what is passed, ``means`` what that is."""

    op: str
    dtype: str
    items: int
    x: str
    out: str
    given: dict[str, Any] = field(default_factory=dict)
    means: dict[str, Any] = field(default_factory=dict)
    refused: bool = False
    longer: int = 0
    shared: str = ""  # how x and out share memory: "same", "block" or "shifted"

    def __str__(self) -> str:
        shown = {}
        for name, value in self.given.items():
            try:
                shown[name] = repr(value)[:80]
            except Exception as error:
                shown[name] = f"({type(value).__name__}: {error})"[:80]
        buffers = f"x {self.x}, out {self.out}, {self.longer} longer, memory {self.shared!r}"
        return f"{self.op} {self.dtype}[{self.items}] {buffers} {shown}"


REDUCING = ("all_reduce", "reduce", "reduce_scatter")
ROOTED = ("reduce", "broadcast", "gather", "scatter")
COLLECTIVES = (*REDUCING, "all_gather", "broadcast", "gather", "scatter", "all_to_all",
               "all_to_all_v", "barrier")  # fmt: skip
MATCHED = ("all_reduce", "reduce_scatter", "all_gather", "all_to_all")
"""Those that compare the lengths of x and out at every rank."""

MESSAGES = ("send", "isend", "any", "batch", "to itself")
ALONE = ("compute", "span", "split", "group", "machine")
"""Calls without buffers."""


def _argument(draw: st.DrawFn, call: Call, name: str, pool: tuple[list[Any], list[Any]]) -> None:
    """Draw an argument; one in ten is nonsense."""
    good, bad = pool
    if draw(st.integers(0, 9)) == 0:
        call.given[name], call.refused = draw(st.sampled_from(bad)), True
    else:
        call.given[name], call.means[name] = draw(st.sampled_from(good))


def _form(draw: st.DrawFn, call: Call, *, written: bool, tensors: bool) -> str:
    kinds = draw(st.integers(0, 19))
    if kinds == 0:
        call.refused = True
        return draw(st.sampled_from([*NEVER, *(("meta", "sparse") if tensors else ())]))
    if kinds <= 2:
        call.refused |= written
        return draw(st.sampled_from([*READ]))
    if kinds == 3 and call.items > 1:
        call.refused |= written
        return "spread"
    special = {**SPECIAL, **(TENSORS if tensors else {})}
    fitting = [name for name, (_, dtypes) in special.items() if call.dtype in dtypes]
    if tensors and fitting and kinds >= 12:
        return draw(st.sampled_from(fitting))
    return draw(st.sampled_from([*WRITTEN, *fitting]))


@st.composite
def odd_calls(draw: st.DrawFn, *, tensors: bool) -> Call:
    """One call, by all ranks alike."""
    op = draw(st.sampled_from((*COLLECTIVES, *COLLECTIVES, *MESSAGES, *ALONE, "run")))
    call = Call(op, draw(st.sampled_from(DTYPES)), draw(st.sampled_from((0, 1, 2, 5, 64, 3000))),
                "plain", "plain")  # fmt: skip
    if op in ALONE:
        _alone(draw, call)
        return call
    # At one rank only, an odd buffer would leave the other alone in the call.
    x_is_written, out_is_there = op == "broadcast", op not in ("reduce", "gather")
    if op != "barrier" and op != "scatter":
        call.x = _form(draw, call, written=x_is_written, tensors=tensors)
    if out_is_there and op not in ("barrier", "broadcast", "send", "isend", "any"):
        call.out = _form(draw, call, written=True, tensors=tensors)
    if op in (*REDUCING, "run"):
        _argument(draw, call, "op", REDUCTION)
        call.refused |= not combines(call.means.get("op", ""), call.dtype)
    if op in ROOTED:
        _argument(draw, call, "root", RANK)
    if op in MESSAGES:
        _argument(draw, call, "tag", TAG)
    if op in COLLECTIVES and op != "barrier":
        _argument(draw, call, "algorithm", ALGORITHM)
    if op not in ("any", "isend"):
        _argument(draw, call, "timeout", LIMIT)
    if op not in ("send", "isend", "any"):
        _argument(draw, call, "async_op", FLAG)
    if op == "all_to_all_v":
        _counts(draw, call)
    often = draw(st.integers(0, 9)) if op in MATCHED else 9
    if often < 2 and call.x == call.out == "plain" and call.items:
        call.shared = draw(st.sampled_from(("same", "block", "shifted")))
        fits = {"all_reduce": "same", "reduce_scatter": "block", "all_gather": "block"}
        call.refused |= call.shared != fits.get(op)
    elif often == 2:
        call.longer = draw(st.sampled_from((-1, 1)))
        call.longer = max(call.longer, -call.items)
        call.refused |= call.longer != 0
    return call


def _alone(draw: st.DrawFn, call: Call) -> None:
    if call.op == "compute":
        _argument(draw, call, "seconds", SECONDS)
    elif call.op in ("span", "machine"):
        _argument(draw, call, "name", NAME)
    elif call.op == "split":
        _argument(draw, call, "color", COLOR)
        _argument(draw, call, "key", TAG)
    else:
        good = [([0, 1], [0, 1]), ((1, 0), [1, 0]), (range(2), [0, 1]), ([True, 0], [1, 0]),
                (np.array([1, 0], np.uint8), [1, 0]), ([np.int64(1), 0], [1, 0])]  # fmt: skip
        bad = [*(thing for thing in NONSENSE if not isinstance(thing, list | tuple)), [0, 0], [2],
               [0.0, 1], np.array([0.0, 1]), np.array([True, False]), np.array([[0, 1]]), {0, 1},
               None, 5, [-1, 0], [0, 2**70]]  # fmt: skip
        bad = [thing for thing in bad if not (isinstance(thing, np.ndarray) and thing.size == 1)]
        _argument(draw, call, "ranks", (good, bad))


def _counts(draw: st.DrawFn, call: Call) -> None:
    """Of x and out: both hold ``items`` for each rank, of which these are sent."""
    n = call.items
    a, b = draw(st.integers(0, n)), draw(st.integers(0, n))
    call.means["counts"] = counts = [a, b]  # to the own rank, and to the other one
    kinds: list[Callable[[list[int]], Any]] = [
        list, tuple, np.array, lambda each: np.array(each, np.uint64),
        lambda each: np.array(each, ">i4"), lambda each: array.array("q", each),
        lambda each: [np.int16(each[0]), *each[1:]],
    ]  # fmt: skip
    wrong: list[Callable[[list[int]], Any]] = [
        lambda each: [-1, 1], lambda each: [2**63, 2**63], lambda each: [2**62] * 2,
        lambda each: np.array([2**63, 2**63], np.uint64), lambda each: np.array([2**63 - 1, 1]),
        lambda each: [0.0, 1], lambda each: np.array(each, float), lambda each: [0],
        lambda each: [0, 0, 0], lambda each: 0, lambda each: np.zeros((1, 2), int),
        lambda each: "01", lambda each: b"\0\0", lambda each: {0: 0, 1: 0}, lambda each: {0, 1},
        lambda each: None, lambda each: [None, 0], lambda each: np.array([False, True]),
        lambda each: [n + 1, n + 1], lambda each: Strange(), lambda each: [2**70, 0],
    ]  # fmt: skip
    for name in ("send_counts", "recv_counts"):
        nonsense = draw(st.integers(0, 9)) == 0
        call.refused |= nonsense
        call.given[name] = draw(st.sampled_from(wrong if nonsense else kinds))(counts)


def drawn(how_many: int, start: int, *, tensors: bool) -> list[Call]:
    """So many calls, the same for the same ``start``."""
    calls: list[Call] = []

    @seed(start)
    @settings(
        max_examples=how_many, database=None, deadline=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(odd_calls(tensors=tensors))
    def collect(call: Call) -> None:
        calls.append(call)

    collect()
    return calls


# At a rank.


def values(call: Call, rank: int, items: int, *, small: bool) -> Array:
    """What a rank has: small whole numbers that can be combined, or any bytes."""
    drawn_ = np.random.default_rng([rank, items, len(call.dtype)])
    dtype = dtype_of(call.dtype)
    if small or call.dtype == "bool":
        return drawn_.integers(0, 2 if call.dtype == "bool" else 4, items).astype(dtype)
    found = drawn_.integers(0, 100, items * dtype.itemsize, np.uint8).view(dtype)
    return np.repeat(found[:1], items) if call.x == "spread" else found


def given_by(call: Call, rank: int, items: int) -> Array:
    small = call.op in (*REDUCING, "run") and call.dtype not in MOVED[:-1]
    found = values(call, rank, items, small=small)
    return np.repeat(found[:1], items) if call.x == "spread" else found


def made(form: str, content: Array) -> Made:
    """The object that is passed, and an array of its items."""
    if form in NEVER:
        return NEVER[form](content), np.zeros(0)
    if form in ("meta", "sparse"):
        import torch

        held = torch.ones(max(len(content), 1), device="meta" if form == "meta" else "cpu")
        return held if form == "meta" else held.to_sparse(), np.zeros(0)
    special = {**SPECIAL, **TENSORS}
    if form == "spread":
        return _spread(content)
    return special[form][0](content) if form in special else {**WRITTEN, **READ}[form](content)


def sizes(call: Call) -> tuple[int, int]:
    """Items of x and of out."""
    n = call.items
    x, out = {
        "reduce_scatter": (RANKS * n, n), "all_gather": (n, RANKS * n), "gather": (n, RANKS * n),
        "scatter": (RANKS * n, n), "all_to_all": (RANKS * n, RANKS * n),
        "all_to_all_v": (RANKS * n, RANKS * n),
    }.get(call.op, (n, n))  # fmt: skip
    return x, out + call.longer


def shared(call: Call, rank: int, x: Array, before: Array) -> tuple[Array, Array]:
    """Views of x and out in one memory, that holds what x is to be at last."""
    short, long_ = sorted((len(x), len(before)))
    begin = {"same": 0, "block": rank * short if short < long_ else 1, "shifted": 1}[call.shared]
    if call.shared == "same" and short < long_ and rank == 0:
        begin = 1  # where the block of rank 0 is, it would be in place
    line = np.zeros(long_ + short + 1, x.dtype)
    longer, shorter = line[:long_], line[begin : begin + short]
    own, other = (longer, shorter) if len(x) >= len(before) else (shorter, longer)
    other[...], own[...] = before, x
    return own, other


def wanted(call: Call, rank: int, before: Array) -> tuple[Array, ...]:
    """What x and out must hold at a rank; ``before``: what was in out."""
    n_x, _ = sizes(call)
    x = [given_by(call, each, n_x) for each in range(RANKS)]
    mine, op = x[rank], call.op
    if call.refused or op in ("barrier", *ALONE):
        return mine, before
    root = call.means.get("root", 0)
    if op in ("all_reduce", "run"):
        return mine, combined(call.means["op"], x)
    if op == "reduce":
        return mine, combined(call.means["op"], x) if rank == root else before
    if op == "reduce_scatter":
        return mine, np.split(combined(call.means["op"], x), RANKS)[rank]
    if op == "broadcast":
        return x[root], before
    if op in ("all_gather", "gather"):
        return mine, np.concatenate(x) if op == "all_gather" or rank == root else before
    if op == "scatter":
        return mine, np.split(x[root], RANKS)[rank]
    if op == "all_to_all":
        return mine, np.concatenate([np.split(each, RANKS)[rank] for each in x])
    if op == "all_to_all_v":
        return mine, _exchanged(call, rank, x, before)
    return mine, x[rank] if op == "to itself" else x[1 - rank] if op == "batch" or rank else before


def _exchanged(call: Call, rank: int, x: list[Array], before: Array) -> Array:
    own, other = call.means["counts"]
    pieces = []
    for src in range(RANKS):
        to = [own, other] if src == 0 else [other, own]
        at = sum(to[:rank])
        pieces.append(x[src][at : at + to[rank]])
    return np.concatenate([*pieces, before[own + other :]])


def make(comm: Communicator, call: Call, x: Any, out: Any) -> Any:
    """Make the call, to its end."""
    op, given_ = call.op, dict(call.given)
    me = comm.rank
    if op in ("all_reduce", "reduce"):
        work = getattr(comm, op)(x, out=out, **given_)
    elif op == "broadcast":
        work = comm.broadcast(x, **given_)
    elif op == "barrier":
        work = comm.barrier(**given_)
    elif op == "all_to_all_v":
        counts = [given_.pop(name) for name in ("send_counts", "recv_counts")]
        if me and not call.refused:
            counts = [list(reversed(list(each))) for each in counts]
        work = comm.all_to_all_v(out, x, *counts, **given_)
    elif op in COLLECTIVES:
        work = getattr(comm, op)(out, x, **given_)
    elif op == "compute":
        return comm.compute(given_["seconds"])
    elif op == "span":
        with comm.span(given_["name"]):
            return None
    elif op == "machine":
        return comm.machine(given_["name"])
    elif op == "split":
        return _group(comm.split(**given_))
    elif op == "group":
        return _group(comm.group(given_["ranks"]))
    elif op == "run":
        size = call.items * dtype_of(call.dtype).itemsize
        steps = [Step([0, 1], [0, 1], size), Step([0, 1], [1, 0], size, reduces=True)]
        work = comm.run(steps, x, out, **given_)
    else:
        return _message(comm, call, x, out, given_)
    return work.wait(60)


def _group(comm: Communicator | None) -> Any:
    return None if comm is None else comm.members


def _message(comm: Communicator, call: Call, x: Any, out: Any, given_: dict[str, Any]) -> Any:
    me, tag = comm.rank, given_.pop("tag")
    if call.op == "batch":
        ends = [Send(x, 1 - me, tag), Recv(out, 1 - me, tag)]
        return comm.batch(ends, **given_).wait(60)
    if call.op == "to itself":
        return comm.batch([Send(x, me, tag), Recv(out, me, tag)], **given_).wait(60)
    if call.op == "send":
        if me == 0 or call.refused:
            return comm.send(x, np.int8(1 - me), tag, **given_).wait()
        return comm.recv(out, np.int8(0), tag, **given_).wait()
    if me == 0 or call.refused:
        return comm.isend(x, 1 - me, tag).wait(np.float32(60))
    if call.op == "isend":
        return comm.irecv(out, 0, tag).wait(60)
    work = comm.irecv_any(out, tag)
    work.wait(60)
    return work.source


def outcome(comm: Communicator, call: Call) -> tuple[str, ...]:
    """What has become of a call, the same on every transport."""
    n_x, n_out = sizes(call)
    mine = given_by(call, comm.rank, n_x)
    before = np.random.default_rng(7).integers(0, 2, n_out).astype(np.uint8)
    before = before.astype(dtype_of(call.dtype)) if call.dtype not in MOVED else np.zeros(
        n_out, dtype_of(call.dtype))  # fmt: skip
    before = np.repeat(before[:1], n_out) if call.out == "spread" else before
    x, x_items = made(call.x, mine)
    out, out_items = made(call.out, before)
    if call.shared:
        x, out = x_items, out_items = shared(call, comm.rank, mine, before)
        before = out.copy()
    try:
        told = make(comm, call, x, out)
    except TriplaneError as error:
        said = (REFUSED, type(error).__name__, str(error))
    except Exception as error:  # what must never be
        return "broken", type(error).__name__, str(error)
    else:
        said = ("made", "", str(told))
    for name, form, items, want in zip(
        ("x", "out"), (call.x, call.out), (x_items, out_items),
        wanted(call, comm.rank, before), strict=True,
    ):  # fmt: skip
        if form in (*NEVER, "meta", "sparse") or (call.shared and name == "x" and not call.refused):
            continue  # what is no memory; what the call has filled, too
        has, must = np.array(items), np.asarray(want, dtype_of(call.dtype))  # of its byte order
        if has.tobytes() != must.tobytes():
            return "wrong", name, f"{has.ravel()[:9]} and not {must[:9]}"
    return said


def outcomes(calls: list[Call]) -> list[tuple[str, ...]]:
    """What a rank does: all of the calls; it fails at the first that is not as it must be."""
    found: list[tuple[str, ...]] = []
    with init() as comm:
        for place, call in enumerate(calls):
            found.append(outcome(comm, call))
            expected = REFUSED if call.refused else "made"
            assert found[-1][0] == expected, f"call {place}, {call}: {found[-1]}"
        comm.barrier(timeout=60)
        if comm.machine("all_reduce") is not None:
            found.append(("over", "at", repr(comm.now())))
    return found
