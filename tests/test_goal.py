"""GOAL in and out, and what a workload takes: closed forms, and our own simulations."""

import math
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings

from bench.cli import main
from collectives import schedule
from collectives.algorithms import allreduce, alltoall
from collectives.workloads import WorkloadError, goal, of_steps, of_timeline, replay
from collectives.workloads.mailbox import Mailbox
from collectives.workloads.workload import ANY, CALC, RECV, SEND, Writer
from fabric import Costs, Endpoint, Fabric, Step
from fabric.failure import WorldError
from tests.support.workloads import workloads
from topology import star, supernode
from topology.units import GB, NS, US

STAR = Fabric(star(8, bandwidth=1 * GB, latency=1 * US), endpoint=Endpoint("none"))
HOP = 1 * US


def seconds(text: str, fabric: Fabric = STAR, **how: float) -> list[float]:
    """When each operation of a schedule ends."""
    return replay(goal.parse(text), fabric, **how).finish.tolist()  # type: ignore[arg-type]


@given(workloads(starts=True, anybody=True))
@settings(derandomize=True, deadline=None)
def test_a_schedule_comes_back_as_it_was(workload) -> None:  # type: ignore[no-untyped-def]
    text = "\n".join(goal.dump(workload))
    again = goal.parse(text)
    assert again.equals(workload)
    assert "\n".join(goal.dump(again)) == text


def test_what_the_grammar_allows() -> None:
    found = goal.parse(
        """
        /* a comment
           of two lines */
        num_ranks 2
        rank 1 {  // the second
        a: recv 10b from -1 tag -1 cpu 2 nic 1
        recv 3 b from 0

        c_1: calc 5 cpu 3 }
        rank 0 {
        l1: send 10b to 1 tag 7
        l2: send 3b to 1 nic 2
        l2 requires l1
        l1 irequires l3
        l3: calc 100
        }"""
    )
    assert found.rank.tolist() == [0, 0, 0, 1, 1, 1]
    assert found.kind.tolist() == [SEND, SEND, CALC, RECV, RECV, CALC]
    assert found.size.tolist() == [10, 3, 0, 10, 3, 0]
    assert found.peer.tolist() == [1, 1, 0, ANY, 0, 0]
    assert found.tag.tolist() == [7, 0, 0, ANY, 0, 0]
    assert found.unit.tolist() == [0, 0, 0, 2, 0, 3]
    assert found.nic.tolist() == [0, 2, 0, 1, 0, 0]
    assert found.name == ("l1", "l2", "l3", "a", "", "c_1")
    np.testing.assert_allclose(found.duration, [0, 0, 100 * NS, 0, 0, 5 * NS])
    needs = zip(found.later, found.earlier, found.started, strict=True)
    assert sorted(needs) == [(0, 2, True), (1, 0, False)]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "line 2: 'num_ranks' is expected, not the end"),
        ("num_ranks 0", "line 1: the number of ranks, 1 to 1048576, is expected, not '0'"),
        ("num_ranks 2\nrank 2 {\n}", "line 2: a rank, 0 to 1, is expected, not '2'"),
        ("num_ranks 1\nrank 0 {\nl1: calc x\n}", "line 3: a size, .* is expected, not 'x'"),
        ("num_ranks 1\nrank 0 {\nl1: jump 3\n}", "line 3: 'jump' is no operation"),
        ("num_ranks 1\nrank 0 {\nl1: send 3 to 0\n}", "line 3: 'b' is expected, not 'to'"),
        ("num_ranks 1\nrank 0 {\nl1: send 3b from 0\n}", "line 3: 'to' is expected, not 'from'"),
        ("num_ranks 1\nrank 0 {\nsend 3b to -1\n}", "line 3: a rank, 0 to 0, is expected"),
        ("num_ranks 1\nrank 0 {\nl1: calc 3 tag 4\n}", "line 3: '.n' is expected, not 'tag'"),
        ("num_ranks 1\nrank 0 {\nl1 requires l2\n}", "line 3: rank 0 has no label 'l1'"),
        ("num_ranks 1\nrank 0 {\nl: calc 1\nl: calc 1\n}", "line 4: label 'l' .* comes twice"),
        ("num_ranks 1\nrank 0 {\n}\nrank 0 {\n}", "rank 0 comes twice"),
        ("num_ranks 1\nrank 0 {\ncalc 1", "calc, send, recv or a label is expected, not the end"),
        ("num_ranks 1\nrank 0 {\n§", "line 3: '§.*' is no part of GOAL"),
        ("num_ranks 1\nrank 0 {\nl: calc " + "9" * 25, "a size, .* is expected"),
        ("num_ranks 1 /* never closed", "is no part of GOAL"),
        ("num_ranks 3\nrank 1 {\n}\n", "2 of 3 ranks have no section, rank 0 the first of them"),
        ("num_ranks 1\nrank 0 {\n  l1:  jump 3\n}", r"line 3: 'jump' is no .* \(column 8\)"),
    ],
)
def test_a_fault_is_named_with_its_line(text: str, fault: str) -> None:
    with pytest.raises(WorkloadError, match=fault.replace("'.n'", r"'\\n'")):
        goal.parse(text)


def test_files(tmp_path: Path) -> None:
    workload = of_steps(allreduce.ring(4, 1000), 4)
    goal.save(workload, tmp_path / "x.goal")
    assert goal.load(tmp_path / "x.goal").equals(workload)
    with pytest.raises(WorkloadError, match=r"none\.goal cannot be read: No such file"):
        goal.load(tmp_path / "none.goal")
    (tmp_path / "y.goal").write_bytes(
        b"\xef\xbb\xbf" + (tmp_path / "x.goal").read_bytes().replace(b"\n", b"\r\n")
    )
    assert goal.load(tmp_path / "y.goal").equals(workload)
    (tmp_path / "bad.goal").write_bytes(b"\xff\xfe")
    with pytest.raises(WorkloadError, match=r"bad\.goal is no text"):
        goal.load(tmp_path / "bad.goal")


# What it takes.


def test_a_message() -> None:
    text = "num_ranks 2\nrank 0 {\nsend 1000000b to 1\n}\nrank 1 {\nrecv 1000000b from 0\n}"
    assert seconds(text) == pytest.approx([1 * US * 1000 + HOP] * 2)


def test_a_binary_tree_takes_its_depth() -> None:
    lines = ["num_ranks 8"]
    for rank in range(8):
        lines += [f"rank {rank} {{"] + ([f"r: recv 1b from {rank & rank - 1}"] if rank else [])
        for bit in (1, 2, 4):
            if rank & -rank > bit or not rank:
                lines += [f"s{bit}: send 1b to {rank + bit}"]
                lines += [f"s{bit} requires r"] if rank else []
        lines += ["}"]
    assert max(seconds("\n".join(lines))) == pytest.approx(3 * (HOP + 1 * NS), rel=1e-2)


def test_computing_is_one_after_the_other_on_a_processor_and_beside_on_another() -> None:
    text = "num_ranks 1\nrank 0 {\ncalc 1000\ncalc 500\ncalc 700 cpu 1\n}"
    assert seconds(text) == pytest.approx([1000 * NS, 1500 * NS, 700 * NS])


def test_computing_runs_in_the_order_in_which_it_could_begin() -> None:
    text = """num_ranks 1\nrank 0 {
    a: calc 100 cpu 1\nb: calc 50 cpu 2\nfirst: calc 1000\nlate: calc 10\nearly: calc 20
    late requires a\nearly requires b\n}"""
    ended = [1000 * NS + 20 * NS + 10 * NS, 1000 * NS + 20 * NS]
    assert seconds(text)[3:] == pytest.approx(ended)


def test_a_send_does_not_wait_for_its_receive_unless_it_is_large() -> None:
    text = """num_ranks 2\nrank 0 {\nsend 1000b to 1\n}
    rank 1 {\nc: calc 50000\nr: recv 1000b from 0\nr requires c\n}"""
    assert seconds(text) == pytest.approx([1 * US + HOP, 50 * US, 50 * US])
    late = 50 * US + 1 * US + HOP
    assert seconds(text, rendezvous=1000) == pytest.approx([late, 50 * US, late])
    assert seconds(text, rendezvous=1001) == pytest.approx([1 * US + HOP, 50 * US, 50 * US])


def test_a_need_of_a_begin() -> None:
    text = "num_ranks 1\nrank 0 {\na: calc 100\nb: calc 30 cpu 1\nb irequires a\n}"
    assert seconds(text) == pytest.approx([100 * NS, 30 * NS])
    waits = "num_ranks 1\nrank 0 {\nx: calc 70\na: calc 100\nb: calc 30 cpu 1\nb irequires a\n}"
    assert seconds(waits) == pytest.approx([70 * NS, 170 * NS, 100 * NS])


def test_messages_share_the_links_that_they_cross() -> None:
    lines = ["num_ranks 3", "rank 0 {", "recv 1000b from 1", "recv 1000b from 2", "}"]
    for rank in (1, 2):
        lines += [f"rank {rank} {{", "send 1000b to 0", "}"]
    assert seconds("\n".join(lines)) == pytest.approx([2 * US + HOP] * 4)


def test_receives_take_what_fits_in_order() -> None:
    text = """num_ranks 3\nrank 0 {\na: recv 10b from -1 tag 5\nb: recv 30b from 2 tag -1
    c: recv 20b from -1 tag -1\n}
    rank 1 {\ns: send 20b to 0 tag 4\nt: send 10b to 0 tag 5\n}\nrank 2 {\nsend 30b to 0 tag 9\n}"""
    found = replay(goal.parse(text), STAR)
    assert found.into.tolist() == [-1, -1, -1, 2, 0, 1]


@pytest.mark.parametrize("op", ["all_reduce", "all_gather", "reduce_scatter", "all_to_all"])
def test_a_schedule_as_messages_takes_what_its_simulation_takes(op: str) -> None:
    fabric = Fabric(supernode(16))
    steps = list(schedule(op, 12, 12_000))
    simulated = fabric.simulate(steps)
    workload = of_steps(steps, 12)
    found = replay(workload, fabric, rendezvous=0)  # a row waits for both of its ranks
    np.testing.assert_allclose(found.rank_finish, simulated.rank_finish[:12], rtol=1e-6)
    assert of_timeline(fabric.simulate(steps, ranks=12)).equals(workload)


def test_costs_of_software_count_for_messages() -> None:
    costs = Endpoint("slow", {"send_recv": Costs(per_message=3 * US)})
    text = "num_ranks 2\nrank 0 {\nsend 0b to 1\n}\nrank 1 {\nrecv 0b from 0\n}"
    plain = seconds(text)
    slow = seconds(text, Fabric(star(2, bandwidth=1 * GB, latency=1 * US), endpoint=costs))
    assert slow[0] - plain[0] == pytest.approx(3 * US)  # it is the sender's


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (
            "rank 0 {\nrecv 1b from 1\n}\nrank 1 {\n}",
            r"1 operations never end: rank 0 waits in receive from rank 1 \(1 bytes, .*, which no",
        ),
        (
            "rank 0 {\na: calc 1\nb: calc 1\nc: calc 1\na requires b\nb irequires c\nc requires a\n"
            "b requires a\n}\nrank 1 {\n}",
            r"a circle of 2 operations of rank 0 never ends: line 3 \('a'\) needs line 4 \('b'\),"
            r" which needs line 3 \('a'\)$",
        ),
        (
            "rank 0 {\na: calc 1\na requires a\n}\nrank 1 {\n}",
            r"a circle of 1 operations of rank 0 never ends: line 3 \('a'\) needs line 3 \('a'\)",
        ),
        (
            "rank 0 {\nr: recv 1b from 1\ns: send 1b to 1\ns requires r\n}\n"
            "rank 1 {\nr: recv 1b from 0\ns: send 1b to 0\ns requires r\n}",
            r"a circle of 4 operations never ends: line 3 \('r'\) of rank 0 waits for line 9 \('s'"
            r"\) of rank 1, which needs line 8 \('r'\) of rank 1, which waits for line 4 \('s'\)",
        ),
        ("rank 0 {\nsend 1b to 1\n}\nrank 1 {\nrecv 2b from 0\n}", "sends 1 bytes to rank 1"),
    ],
)
def test_what_can_never_end_says_so(text: str, fault: str) -> None:
    with pytest.raises(WorkloadError, match=fault):
        replay(goal.parse("num_ranks 2\n" + text), STAR)


def test_a_send_to_oneself_costs_no_wire() -> None:
    assert seconds("num_ranks 1\nrank 0 {\nsend 5b to 0\nrecv 5b from 0\n}") == [0, 0]


def test_more_ranks_than_places() -> None:
    with pytest.raises(WorldError, match="a world of 9 ranks"):
        replay(goal.parse("num_ranks 9" + "".join(f"\nrank {n} {{\n}}" for n in range(9))), STAR)


def test_workloads_that_are_not_sound() -> None:
    for bad, fault in [
        ({"peer": 3}, "peer of operation 0 .* is 3, outside 0..1"),
        ({"size": -1}, "size of operation 0 .* is -1"),
        ({"size": 1 << 70}, "does not fit into 64 bits"),
        ({"duration": math.inf}, "computes for inf s"),
    ]:
        writer = Writer()
        writer.add(0, SEND, "a", **bad)  # type: ignore[arg-type]
        with pytest.raises(WorkloadError, match=fault):
            writer.done(2)


# The command line.


def run(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(main, list(arguments), prog_name="triplane")
    assert result.exit_code == code, result.output
    return result.output


def test_ours_out_and_in_again(tmp_path: Path) -> None:
    path, trace = tmp_path / "x.goal", tmp_path / "x.json"
    run("bench", "all_to_all", "--system", "star:8", "--ranks", "8", "-b", "1M", "-e", "1M",
        "--algorithm", "pairwise", "--goal", str(path))  # fmt: skip
    told = run("bench", "trace", str(path), "--system", "star:8", "--format", "csv", "--trace",
               str(trace))  # fmt: skip
    names, values = (line.split(",") for line in told.splitlines())
    row = dict(zip(names, values, strict=True))
    expected = Fabric(star(8)).simulate(alltoall.pairwise(8, (1 << 20) // 8)).duration
    assert float(row["time_us"]) == pytest.approx(expected / US, rel=1e-6)
    assert (row["ranks"], row["messages"]) == ("8", "56")
    assert '"to rank' not in trace.read_text()
    assert trace.read_text().count('"ph":"s"') == 56


def test_bad_files_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("hello")
    (tmp_path / "x.goal").write_text("hello")
    assert "ends in .goal or .et" in run("bench", "trace", str(tmp_path / "x.txt"), code=2)
    assert "line 1: 'num_ranks'" in run("bench", "trace", str(tmp_path / "x.goal"), code=2)
    two = (str(tmp_path / "x.goal"),) * 2
    assert "a GOAL schedule is one argument; 2 are given" in run("bench", "trace", *two, code=2)


def test_steps_with_copies_and_several_messages_of_a_pair() -> None:
    steps = [Step([0, 0, 1], [1, 1, 1], [10, 20, 5]), Step(1, 0, 7)]
    found = of_steps(steps, 3)
    assert found.size[found.kind == SEND].tolist() == [10, 20, 7]
    assert replay(found, STAR).duration == pytest.approx(2 * HOP + 37 * NS, rel=1e-3)


def test_very_long_computing_is_refused_and_very_many_messages_find_their_receives() -> None:
    writer = Writer()
    writer.add(0, CALC, "a", duration=1e308)  # the sum of two is infinite, and nothing ends
    with pytest.raises(WorkloadError, match=r"\('a'\) of rank 0 computes for 1e.308 s; 0 to 1e.12"):
        writer.done(1)
    box = Mailbox()
    assert [box.wanted(1, 5, 7), box.wanted(2, ANY, 7), box.wanted(3, 5, ANY)] == [None] * 3
    assert [box.sent(op, 5, 7) for op in (11, 12, 13, 14, 15)] == [1, 2, 3, None, None]
    assert [box.sent(16, 6, 7), box.wanted(4, ANY, 7), box.wanted(5, 6, ANY)] == [None, 14, 16]
    assert [box.wanted(6, ANY, ANY), box.wanted(7, ANY, ANY)] == [15, None]
