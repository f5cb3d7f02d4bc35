"""Schedules of MSCCL: read, verified, timed and run as ours are; ours written and read back."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.cli import main
from collectives import init
from collectives.algorithms import reference, spec
from collectives.algorithms.msccl.file import MscclError, read
from collectives.algorithms.msccl.schedule import load
from collectives.algorithms.msccl.write import NAMES, write
from collectives.algorithms.sizes import COLLECTIVES, buffers
from collectives.algorithms.table import ALGORITHMS, schedule
from collectives.workloads.htsim import MOST, write_cm
from fabric import Fabric, launch
from fabric.schedule.step import ScheduleError, Step
from topology import system

HEAD = '<algo name="t" nchunksperloop="{chunks}" ngpus="2" coll="{coll}" inplace="{place}">\n'
SWAP = HEAD.format(chunks=2, coll="alltoall", place=1)
"""An all-to-all of two in place: each sends the chunk that it is about to overwrite."""
SWAP += "".join(
    f'<gpu id="{me}" i_chunks="2" o_chunks="2" s_chunks="0">\n'
    f'<tb id="0" send="{1 - me}" recv="{1 - me}" chan="0">\n'
    f'<step s="0" type="s" srcbuf="i" srcoff="{1 - me}" dstbuf="o" dstoff="{me}" cnt="1" depid="-1"'
    f' deps="-1" hasdep="0"/>\n'
    f'<step s="1" type="r" srcbuf="i" srcoff="{me}" dstbuf="o" dstoff="{1 - me}" cnt="1" depid="-1"'
    f' deps="-1" hasdep="0"/>\n'
    "</tb>\n</gpu>\n" for me in (0, 1)
)  # fmt: skip
SWAP += "</algo>\n"


def _ring(ranks: int) -> str:
    """An all-reduce by a ring as msccl-tools writes it: rrs, rrcs and rcs, one block a rank."""
    lines = [f'<algo name="ring" nchunksperloop="{ranks}" ngpus="{ranks}" coll="allreduce">']
    wait = 'depid="-1" deps="-1" hasdep="0"'
    for me in range(ranks):
        after, before = (me + 1) % ranks, (me - 1) % ranks
        lines.append(f'<gpu id="{me}" i_chunks="{ranks}" o_chunks="{ranks}" s_chunks="0">')
        lines.append(f'<tb id="0" send="{after}" recv="{before}" chan="0">')
        kinds = ["s", *["rrs"] * (ranks - 2), "rrcs", *["rcs"] * (ranks - 2), "r"]
        for number, kind in enumerate(kinds):
            chunk = (me - number) % ranks
            lines.append(
                f'<step s="{number}" type="{kind}" srcbuf="i" srcoff="{chunk}" dstbuf="o"'
                f' dstoff="{chunk}" cnt="1" {wait}/>'
            )
        lines += ["</tb>", "</gpu>"]
    return "\n".join([*lines, "</algo>"])


@pytest.fixture
def fabric() -> Fabric:
    return Fabric(system("star:16"))


def written(folder: Path, text: str) -> str:
    path = folder / "given.xml"
    path.write_text(text, "utf-8")
    return str(path)


EVERY = [
    (op, name, ranks) for op in NAMES for name, one in ALGORITHMS[op].items() if not one.able
    for ranks in (2, 3, 8)
]  # fmt: skip


@pytest.mark.parametrize(("op", "name", "ranks"), EVERY)
def test_ours_are_read_back_and_do_the_same(tmp_path: Path, op: str, name: str, ranks: int) -> None:
    size = ranks * 840 * 8
    steps = list(schedule(op, ranks, size, name, itemsize=8, ranks_per_node=4))
    write(tmp_path / "o.xml", steps, op, ranks, size)
    found = load(str(tmp_path / "o.xml"))
    rng = np.random.default_rng(1)
    sent, held = buffers(op, ranks, size)
    given = [rng.integers(0, 1 << 40, sent // 8) for _ in range(ranks)]
    mine = reference.run(found.steps(ranks, size, 0, 8), given, held)
    must = getattr(spec, op)(given)
    for has, wanted in zip(mine, must, strict=True):
        if wanted is not None:
            np.testing.assert_array_equal(has[: len(wanted)], wanted)


@pytest.mark.parametrize(
    ("op", "name"),
    [("all_reduce", "ring"), ("all_reduce", "two_shot"), ("all_gather", "direct"),
     ("all_gather", "ring"), ("reduce_scatter", "direct"), ("all_to_all", "pairwise"),
     ("all_to_all", "bruck"), ("reduce", "binomial")],
)  # fmt: skip
def test_ours_take_as_long_when_they_are_read_back(
    tmp_path: Path, fabric: Fabric, op: str, name: str
) -> None:
    size = 8 * 840 * 8
    steps = list(schedule(op, 8, size, name, itemsize=8))
    write(tmp_path / "o.xml", steps, op, 8, size)
    again = load(str(tmp_path / "o.xml")).steps(8, size, 0, 8)
    times = [fabric.simulate(one, operation=op, ranks=8).duration for one in (steps, again)]
    assert times[1] == pytest.approx(times[0], rel=1e-9)


def test_a_ring_of_fused_steps_takes_its_closed_form(tmp_path: Path, fabric: Fabric) -> None:
    """2(n - 1) times what a chunk takes alone: nothing waits, and nothing is sent twice."""
    found = load(written(tmp_path, _ring(6)))
    size = 6 << 20
    assert found.network_rounds == 10
    duration = fabric.simulate(found.steps(6, size), operation="all_reduce", ranks=6).duration
    alone = fabric.simulate([Step([0], [1], size // 6)], operation="all_reduce", ranks=6).duration
    assert duration == pytest.approx(10 * alone, rel=1e-9)


def test_what_is_overwritten_is_kept_for_who_has_still_to_take_it(tmp_path: Path) -> None:
    found = load(written(tmp_path, SWAP))
    assert found.network_rounds == 1
    given = [np.arange(4, dtype=np.int64) + 10 * rank for rank in (0, 1)]
    has = reference.run(found.steps(2, 16, 0, 8), given, 32)
    assert [one.tolist() for one in has] == [[0, 1, 10, 11], [2, 3, 12, 13]]


@given(st.integers(2, 5), st.integers(1, 4), st.randoms(use_true_random=False))
@settings(max_examples=30, deadline=None)
def test_random_gathers_end_as_the_sequential_model_says(
    ranks: int, parts: int, chance: "np.random.RandomState"
) -> None:
    """Each rank sends its chunks to all others in any order and over any channel: an all-gather."""
    import tempfile

    lines = [f'<algo name="g" nchunksperloop="{ranks * parts}" ngpus="{ranks}" coll="allgather">']
    order = {
        (src, dst): chance.sample(range(parts), parts)  # type: ignore[attr-defined]
        for src, dst in itertools.permutations(range(ranks), 2)
    }
    wait = 'depid="-1" deps="-1" hasdep="0"'
    for me in range(ranks):
        lines.append(f'<gpu id="{me}" i_chunks="{parts}" o_chunks="{ranks * parts}" s_chunks="0">')
        lines.append('<tb id="0" send="-1" recv="-1" chan="0">')
        lines.append(
            f'<step s="0" type="cpy" srcbuf="i" srcoff="0" dstbuf="o" dstoff="{me * parts}"'
            f' cnt="{parts}" {wait}/></tb>'
        )
        for peer in (one for one in range(ranks) if one != me):
            lines.append(f'<tb id="{peer + 1}" send="{peer}" recv="{peer}" chan="0">')
            ways = [("s", me, part) for part in order[me, peer]]
            ways += [("r", peer, part) for part in order[peer, me]]
            if me > peer:  # one end sends all first, or each might wait for the other
                chance.shuffle(ways)
            takes = iter([("r", peer, part) for part in order[peer, me]])
            keep = iter([("s", me, part) for part in order[me, peer]])
            for number, (kind, _, _) in enumerate(ways):
                _, owner, part = next(keep if kind == "s" else takes)
                ends = f'srcbuf="{"i" if kind == "s" else "o"}" srcoff="{part}"'
                lines.append(
                    f'<step s="{number}" type="{kind}" {ends} dstbuf="o"'
                    f' dstoff="{owner * parts + part}" cnt="1" {wait}/>'
                )
            lines.append("</tb>")
        lines.append("</gpu>")
    with tempfile.TemporaryDirectory() as folder:
        found = load(written(Path(folder), "\n".join([*lines, "</algo>"])))
    given_ = [np.arange(parts) + 100 * rank for rank in range(ranks)]
    has = reference.run(found.steps(ranks, 8 * parts, 0, 8), given_, 8 * parts * ranks)
    for one in has:
        assert one.tolist() == np.concatenate(given_).tolist()


def _step(kind: str = "s", number: int = 0, more: str = 'cnt="1" depid="-1" deps="-1"') -> str:
    ends = 'srcbuf="i" srcoff="0" dstbuf="o" dstoff="0"'
    return f'<step s="{number}" type="{kind}" {ends} {more}/>'


def _file(inner: str, head: str = HEAD.format(chunks=2, coll="allreduce", place=0)) -> str:
    return (
        f'{head}<gpu id="0" i_chunks="2" o_chunks="2" s_chunks="0">\n{inner}\n</gpu>\n'
        '<gpu id="1" i_chunks="2" o_chunks="2" s_chunks="0"></gpu>\n</algo>'
    )


TB = '<tb id="0" send="1" recv="-1" chan="0">\n{}</tb>'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<algo", "is no XML: line 1, column 1: unclosed token"),
        ("<!DOCTYPE a [<!ENTITY b 'c'>]><algo/>", "line 1: a document type"),
        ("<system/>", "line 1: an element 'system' as the root"),
        (HEAD.format(chunks=2, coll="allreduc", place=0) + "</algo>", "near it: allreduce"),
        (HEAD.format(chunks=0, coll="allreduce", place=0) + "</algo>", "nchunksperloop is '0'"),
        (HEAD.format(chunks=2, coll="allreduce", place=0) + "</algo>", "it has no gpu 0, and"),
        (_file("<step/>"), "line 3: an element 'step' in gpu"),
        (_file('<tb id="0" send="2" recv="-1" chan="0"/>'), "line 3: send is '2'; .* -1 to 1"),
        (_file(TB.format(_step("put"))), "line 4: type is 'put'; there are s, r, rcs"),
        (_file(TB.format(_step(number=1))), "line 4: step 1; 0 is the next"),
        (_file(TB.format(_step("r"))), "line 4: a step r in a tb whose recv is -1"),
        (_file(TB.format(_step(more='cnt="0" depid="-1" deps="-1"'))), "line 4: cnt is '0'"),
        (_file(TB.format(_step(more='cnt="3" depid="-1" deps="-1"'))),
         "line 4: chunks 0 to 2 of buffer i, which has 2"),
        (_file(TB.format(_step(more='cnt="1" depid="7" deps="0"'))),
         "line 4: it waits for step 0 of tb 7, which the gpu has not"),
        (_file(TB.format(_step(more='cnt="1" depid="0" deps="0"'))),
         "line 4: this step s of gpu 0 is never reached"),
        (_file(TB.format(_step())), "gpu 0 sends 1 more than gpu 1 receives on channel 0"),
        (_file(TB.format(_step()) + TB.format("").replace('"0" s', '"1" s')),
         "line 4: send 1 on channel 0 is already the tb's on line 3"),
        (_file(""), "given.xml: the schedule does not do what is specified: rank 0"),
        (_file("", HEAD.format(chunks=3, coll="allgather", place=0)),
         "nchunksperloop is 3; 2 ranks share them"),
    ],
)  # fmt: skip
def test_wrong_files_are_named_by_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(MscclError, match=said):
        load(written(tmp_path, text))


def test_a_wait_in_a_circle_is_named(tmp_path: Path) -> None:
    wait = [_step("nop", more=f'cnt="0" depid="{1 - me}" deps="0"') for me in (0, 1)]
    blocks = "".join(f'<tb id="{me}" send="-1" recv="-1" chan="0">{wait[me]}</tb>' for me in (0, 1))
    with pytest.raises(MscclError, match="line 3: this step nop of gpu 0 is never reached"):
        load(written(tmp_path, _file(blocks)))


def test_sizes_and_ranks_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    found = load(written(tmp_path, _ring(4)))
    with pytest.raises(ScheduleError, match="is a schedule of 4 ranks, not 8"):
        found.steps(8, 64)
    with pytest.raises(ScheduleError, match="4 chunks: it takes multiples of 16 bytes, not 40"):
        found.steps(4, 40, 0, 4)
    with pytest.raises(ScheduleError, match="a schedule of all_reduce, not of all_gather"):
        schedule("all_gather", 4, 64, str(tmp_path / "given.xml"))


def test_it_is_an_algorithm_for_programs_and_for_bench(tmp_path: Path) -> None:
    path = written(tmp_path, _ring(4))

    def program() -> list[float]:
        with init() as comm:
            x = np.arange(8, dtype=np.float64) * (comm.rank + 1)
            comm.all_reduce(x, algorithm=path)
            return [*x.tolist(), comm.now()]

    *_, first = launch(program, ranks=4, system="h100", transport="inproc")
    assert first[:-1] == [10.0 * at for at in range(8)]
    words = ["bench", "all_reduce", "--ranks", "4", "-b", "1M", "-e", "1M", "--system", "h100"]
    found = CliRunner().invoke(main, [*words, "--algorithm", path, "--format", "json"])
    assert found.exit_code == 0, found.stderr
    assert json.loads(found.stdout)[0]["algorithm"] == path
    wrong = CliRunner().invoke(main, [*words, "--algorithm", "no.xml"])
    assert "no.xml cannot be read: No such file" in wrong.stderr


def test_schedules_are_checked_and_written_by_the_command(tmp_path: Path) -> None:
    out = tmp_path / "out.xml"
    words = ["schedule", "export", "all_gather", "--ranks", "4", "--size", "64K"]
    made = CliRunner().invoke(main, [*words, "--algorithm", "ring", "-o", str(out)])
    assert made.exit_code == 0, made.stderr
    found = CliRunner().invoke(main, ["schedule", "check", str(out), "--format", "json"])
    (record,) = json.loads(found.stdout)
    assert record == {
        "file": str(out), "name": "ring", "op": "all_gather", "ranks": 4, "chunks": 4, "rounds": 3,
        "transfers": 12, "sent_per_byte": 0.75, "verified": True,
    }  # fmt: skip
    wrong = CliRunner().invoke(main, [*words, "-o", str(tmp_path / "out.txt")])
    assert "it has to end in .xml or .cm" in wrong.stderr
    barrier = [*words[:2], "barrier", *words[3:], "-o", str(out)]
    assert "MSCCL has no collective barrier" in CliRunner().invoke(main, barrier).stderr


def test_collectives_are_named_alike_everywhere() -> None:
    assert tuple(ALGORITHMS) == COLLECTIVES
    assert set(NAMES) <= set(COLLECTIVES)


def test_chunks_of_more_than_a_step_takes_are_several(tmp_path: Path) -> None:
    step = Step([0], [1], 100 * 8, 0, 0), Step([0, 1], [0, 1], [8, 8], [0, 0], [792, 792])
    write(tmp_path / "o.xml", step[:1], "broadcast", 2, 800)
    counts = [one.count for block in read(tmp_path / "o.xml").gpus[0].blocks.values()
              for one in block.steps]  # fmt: skip
    assert counts == [1]  # nothing cuts the 800 bytes, so they are one chunk


def test_a_connection_matrix_has_a_barrier_between_steps(tmp_path: Path) -> None:
    steps = [
        Step([0, 0, 1, 2], [1, 1, 1, 0], [10, 5, 7, 3]), Step([1], [1], 9), Step([1], [2], MOST + 2)
    ]  # fmt: skip
    write_cm(tmp_path / "o.cm", steps, 3)
    assert (tmp_path / "o.cm").read_text().splitlines() == [
        "Nodes 3", "Connections 4", "Triggers 1",
        "0->1 id 1 start 0 size 15 send_done_trigger 1",
        "2->0 id 2 start 0 size 3 send_done_trigger 1",
        f"1->2 id 3 trigger 1 size {MOST}", "1->2 id 4 trigger 1 size 2",
        "trigger id 1 barrier count 2",
    ]  # fmt: skip
    with pytest.raises(ScheduleError, match="no byte of the schedule leaves its rank"):
        write_cm(tmp_path / "o.cm", steps[1:2], 3)
    with pytest.raises(ScheduleError, match="a step has rank 2; there are ranks 0 to 1"):
        write_cm(tmp_path / "o.cm", steps, 2)
