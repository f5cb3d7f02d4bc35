"""``bench contrast``: each scene beside its closed form."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from bench.cli import main
from bench.contrast.scenes import BANDWIDTH, LATENCY, LONG, SCENES, records
from topology.units import US

MTU = 2000
WIRE = MTU / BANDWIDTH / US
"""Microseconds of a packet on a link."""
START = LATENCY / US


def scene(name: str) -> dict[int, tuple[float, float]]:
    """What flow and packet say of each point, in microseconds."""
    return {
        int(str(row["value"])): (float(str(row["flow_us"])), float(str(row["packet_us"])))
        for row in records((name,), MTU)
    }


def test_an_incast_takes_a_packet_longer_however_long_it_is() -> None:
    for packets, (fluid, by_packets) in scene("incast").items():
        assert fluid == pytest.approx(START + 8 * packets * WIRE)
        assert by_packets == pytest.approx(START + (8 * packets + 1) * WIRE, abs=1e-6)


def test_packets_that_choose_at_random_meet() -> None:
    """The fluid has all links of the tree: each transfer has a port for itself."""
    found = scene("hash")
    for packets, (fluid, by_packets) in found.items():
        assert fluid == pytest.approx(5 * START + packets * WIRE)
        # Five links more to store and forward on; the rest is what waits.
        assert by_packets > fluid + 5 * WIRE
    assert found[4][1] - found[4][0] > 1.5 * 5 * WIRE
    assert found[256][1] > 1.05 * found[256][0]


def test_shallow_buffers_hold_back_who_goes_elsewhere() -> None:
    found = scene("buffers")
    times = [by_packets for _, by_packets in found.values()]
    assert times == sorted(times, reverse=True)
    for fluid, _ in found.values():  # what the fan-in leaves of its port, three quarters
        assert fluid == pytest.approx(START + LONG * WIRE * 4 / 3)
    # Where nothing is ever full, the two transfers of the sender take turns.
    assert found[LONG][1] == pytest.approx(START + (2 * LONG + 1) * WIRE, abs=1e-6)


def test_behind_the_head_of_line_a_packet_goes_when_the_hot_port_takes_one() -> None:
    for senders, (fluid, by_packets) in scene("head-of-line").items():
        share = 1 - 1 / senders if senders > 2 else 1 / 2
        assert fluid == pytest.approx(START + LONG * WIRE / share)
        turns = max(senders, 2) * LONG * WIRE
        if senders > 1:
            assert turns < by_packets < 1.25 * turns
        if senders > 4:
            assert by_packets == pytest.approx(turns, rel=0.02)


def run(*args: str, code: int = 0) -> str:
    found = CliRunner().invoke(main, ["bench", "contrast", *args])
    assert found.exit_code == code, found.output
    return found.output


def test_the_command_says_draws_and_refuses(tmp_path: Path) -> None:
    rows = json.loads(run("--scenes", "incast,buffers", "--mtu", str(MTU), "--format", "json"))
    assert {row["scene"] for row in rows} == {"incast", "buffers"}
    for row in rows:
        assert row["packet_over_flow"] == pytest.approx(row["packet_us"] / row["flow_us"])
    path = tmp_path / "c.svg"
    text = run("--scenes", "incast", "--plot", str(path))
    assert "# incast: 8 senders to one" in text
    drawn = path.read_text("utf-8")
    assert "incast" in drawn
    assert "packets a transfer" in drawn
    refused = run("--scenes", "incst", code=2)
    assert "there are incast, hash, buffers, head-of-line; near it: incast" in refused
    assert set(SCENES) == {"incast", "hash", "buffers", "head-of-line"}
