import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from topology.errors import TriplaneError, UnitError
from topology.units import GB, NS, UNITS, US, Gbit, GiB, parse, show

POSITIVE = st.floats(min_value=1e-12, max_value=1e18)


@pytest.mark.parametrize(
    ("text", "quantity", "value"),
    [
        ("28 GB/s", "bandwidth", 28e9),
        ("400 Gbit/s", "bandwidth", 50e9),
        ("400Gbit/s", "bandwidth", 50e9),
        ("1 GiB/s", "bandwidth", 2**30),
        ("187.5 ns", "time", 187.5 * NS),
        (" 1.2 us ", "time", 1.2e-6),
        ("1e3 ms", "time", 1.0),
        ("7 KiB", "size", 7168),
        (".5 MB", "size", 500_000),
        ("inf GB/s", "bandwidth", math.inf),
        ("-1 us", "time", -1e-6),
    ],
)
def test_parse_reads_a_number_and_its_unit(text: str, quantity: str, value: float) -> None:
    assert parse(text, quantity) == pytest.approx(value, rel=1e-15)


@pytest.mark.parametrize(
    ("text", "quantity"),
    [
        ("28", "bandwidth"),  # no unit: bits or bytes?
        ("28 GB", "bandwidth"),
        ("28 Gbps", "bandwidth"),
        ("GB/s", "bandwidth"),
        ("", "time"),
        ("1 us us", "time"),
        ("1 GB/s", "time"),
        ("one us", "time"),
        ("nan us", "time"),
        ("1,5 us", "time"),
        ("1 gb", "size"),
    ],
)
def test_parse_refuses_what_is_no_quantity_and_names_the_units(text: str, quantity: str) -> None:
    with pytest.raises(UnitError) as refusal:
        parse(text, quantity)
    assert repr(text) in str(refusal.value)
    assert all(unit in str(refusal.value) for unit in UNITS[quantity])


def test_parse_refuses_a_bare_number() -> None:
    with pytest.raises(TriplaneError, match="28"):
        parse(28, "bandwidth")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("value", "quantity", "text"),
    [
        (28 * GB, "bandwidth", "28 GB/s"),
        (187.5 * NS, "time", "187.5 ns"),
        (3.6 * US, "time", "3.6 us"),
        (7168, "size", "7168 B"),
        (math.inf, "bandwidth", "inf GB/s"),
    ],
)
def test_show_reads_like_the_data_sheet(value: float, quantity: str, text: str) -> None:
    assert show(value, quantity) == text


@given(value=POSITIVE, quantity=st.sampled_from(["time", "bandwidth", "size"]))
def test_parse_reads_back_exactly_what_show_writes(value: float, quantity: str) -> None:
    assert parse(show(value, quantity), quantity) == value


def test_constants_agree_with_their_names() -> None:
    assert pytest.approx(8 * Gbit) == GB
    assert GiB == 1024**3
    assert parse(show(160 * GB / 7, "bandwidth"), "bandwidth") == 160 * GB / 7
