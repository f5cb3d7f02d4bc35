"""One odd argument in a round trip: what comes home is right, or every rank has one of our errors.

`tests.support.moe_doors` has the round trips and what can be odd; ``python -m
tests.support.moe_doors 600`` tries more of it for so many seconds, over ZeroMQ and MPI, too, and
whether all of them say the same.
"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support import moe_doors
from tests.support.moe_doors import Case

KNOWN = moe_doors.arguments()


@st.composite
def cases(draw: st.DrawFn) -> Case:
    target, argument, oddnesses = draw(st.sampled_from(KNOWN))
    oddness = draw(st.sampled_from(oddnesses))
    return moe_doors.made(target, argument, oddness, draw(st.booleans()))


@settings(max_examples=100, deadline=None)
@given(case=cases())
def test_an_odd_argument_is_taken_right_or_refused(case: Case) -> None:
    assert moe_doors.fault(case, "inproc") is None


SILENT = [
    ("low_latency", "topk_idx", "uint64"), ("normal", "topk_idx", "uint64"),
    ("low_latency", "out", "strided"), ("normal", "out", "strided"),
    ("low_latency", "out", "overlapping"), ("normal", "out", "read-only"),
    ("normal", "handle", "object()"), ("low_latency", "experts", "numpy float"),
    ("deep_ep", "topk_weights", "first row"), ("deep_ep", "config", "object()"),
    ("deep_ep", "home_weights", "longer"), ("elastic", "y", "first row"),
    ("torch_npu", "performance_info", "tensor of two"), ("torch_npu", "scales", "tensor of two"),
]  # fmt: skip


@pytest.mark.parametrize("what", SILENT, ids="-".join)
def test_what_was_taken_wrong_once(what: tuple[str, str, str]) -> None:
    assert moe_doors.fault(Case(*what, False), "inproc") is None
