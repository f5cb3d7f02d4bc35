"""The choice of an algorithm: the fastest by the engine, the same for everybody, asked once."""

import threading

import pytest

from collectives.algorithms.choose import MOST_ASKED, TIE, choose, rounded, table
from collectives.algorithms.offload import NAMES, possible
from collectives.algorithms.table import ALGORITHMS, default, schedule
from fabric.engines.account import least
from fabric.fabric import Fabric
from fabric.schedule.step import ScheduleError
from topology import cloudmatrix384, dgx_h800, star
from topology.graph import Topology
from topology.units import GB, US

SYSTEMS = {"star": star(16), "cloudmatrix": cloudmatrix384(), "dgx": dgx_h800(nodes=4)}
ASKED = [op for op, names in ALGORITHMS.items() if len(names) > 1]


@pytest.fixture(params=SYSTEMS)
def topology(request: pytest.FixtureRequest) -> Topology:
    return SYSTEMS[request.param]


@pytest.mark.parametrize("op", ASKED)
def test_the_choice_is_the_fastest_that_there_is(op: str, topology: Topology) -> None:
    fabric = Fabric(topology, endpoint="hccl" if "ub" in topology.planes else "raw")
    for ranks, size in ((2, 8), (7, 4096), (16, 1 << 20)):
        times = table(fabric, op, ranks, size)
        able = {"nvls"} if "nvlink" in topology.planes and ranks <= 8 else set()
        assert list(times) == [n for n in ALGORITHMS[op] if n not in NAMES or n in able]
        alike = [name for name in times if times[name] <= min(times.values()) * (1 + TIE)]
        usual = default(op, ranks, size)
        assert choose(fabric, op, ranks, size) == (usual if usual in alike else alike[0])


def test_many_small_and_few_large_messages_want_different_algorithms() -> None:
    # On ideal ports of 196 GB/s, 1 us apart, by hand: one_shot of S bytes takes 1 us + 15 S / B,
    # two_shot 2 us + 2 (15/16) S / B; they meet where (15 - 30/16) S / B is 1 us: 14,933 bytes.
    fabric = Fabric(SYSTEMS["star"])
    meet = US * 196 * GB / (15 - 30 / 16)
    assert choose(fabric, "all_reduce", 16, rounded(int(meet / 1.5))) == "direct"
    assert choose(fabric, "all_reduce", 16, rounded(int(meet * 1.5))) == "two_shot"


@pytest.mark.parametrize("op", ALGORITHMS)
@pytest.mark.parametrize(("ranks", "size"), [(2, 16), (5, 1 << 12), (16, 1 << 20)])
def test_no_schedule_is_faster_than_its_closed_form(
    op: str, ranks: int, size: int, topology: Topology
) -> None:
    for software in ("raw", "hccl") if "ub" in topology.planes else ("raw",):
        fabric = Fabric(topology, endpoint=software)
        for name in possible(fabric, op, range(ranks), 16):
            time = fabric.simulate(schedule(op, ranks, size, name), ranks=ranks).duration
            bound = least(fabric, schedule(op, ranks, size, name), ranks)
            assert 0 < bound <= time * (1 + 1e-9)


def test_a_closed_form_is_left_when_it_is_enough() -> None:
    fabric, size = Fabric(SYSTEMS["cloudmatrix"]), 1 << 20
    whole = least(fabric, schedule("all_reduce", 320, size, "ring"), 320)
    steps = schedule("all_reduce", 320, size, "ring")
    assert 1 * US < least(fabric, steps, 320, above=1 * US) < whole / 2
    assert len(list(steps)) > 300


def test_where_the_ranks_sit_matters() -> None:
    fabric = Fabric(SYSTEMS["cloudmatrix"], planes=("ub", "rdma"))
    within = table(fabric, "all_to_all", 16, 1 << 20)
    apart = table(fabric, "all_to_all", 16, 1 << 20, group=range(0, 256, 16))
    assert within["direct"] < apart["direct"]
    alone = Fabric(SYSTEMS["cloudmatrix"], planes=("ub", "rdma"), placement=fabric.places[:256:16])
    assert apart == table(alone, "all_to_all", 16, 1 << 20)


def test_the_answer_does_not_depend_on_what_was_asked_before() -> None:
    questions = [(op, 24, 1 << size) for op in ("all_reduce", "broadcast") for size in (4, 14, 22)]
    asked, fresh = Fabric(SYSTEMS["dgx"]), Fabric(SYSTEMS["dgx"])
    for op, ranks, size in reversed(questions):
        choose(asked, op, 8, size, group=range(8, 16))
        choose(asked, op, ranks, size)
    asked.simulate(schedule("all_to_all", 32, 4096), ranks=32)
    for op, ranks, size in questions:
        assert table(asked, op, ranks, size) == table(fresh, op, ranks, size)
        assert choose(asked, op, ranks, size) == choose(Fabric(SYSTEMS["dgx"]), op, ranks, size)


def test_the_fabric_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    fabric, calls, simulate = Fabric(SYSTEMS["star"]), [], Fabric.simulate

    def counted(self, *given, **named):  # type: ignore[no-untyped-def]
        calls.append(named)
        return simulate(self, *given, **named)

    monkeypatch.setattr(Fabric, "simulate", counted)
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(choose(fabric, "all_reduce", 16, 1 << 20)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert found == ["two_shot"] * 8
    assert 0 < len(calls) < len(ALGORITHMS["all_reduce"])  # the rest was ruled out
    before = len(calls)
    assert choose(fabric, "all_reduce", 16, (1 << 20) - 8) == "two_shot"
    assert len(calls) == before


@pytest.mark.parametrize(
    ("size", "itemsize", "found"),
    [(0, 1, 0), (7, 1, 7), (9, 1, 10), (1000, 4, 1024), (1024, 4, 1024), (1025, 1, 1280),
     (5120, 1, 5120), (13, 13, 26), (1 << 40, 8, 1 << 40)],
)  # fmt: skip
def test_sizes_that_hardly_differ_share_an_answer(size: int, itemsize: int, found: int) -> None:
    assert rounded(size, itemsize) == found


def test_what_is_not_worth_asking_is_the_default() -> None:
    fabric = Fabric(star(MOST_ASKED + 1))
    many = MOST_ASKED + 1
    assert choose(fabric, "all_reduce", many, 4096) == default("all_reduce", many, 4096)
    assert choose(fabric, "all_reduce", 1, 4096) == default("all_reduce", 1, 4096)
    assert choose(fabric, "barrier", 8, 0) == "dissemination"
    assert choose(fabric, "send_recv", 8, 64) == "shift"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"op": "all_magic"}, "unknown collective 'all_magic'"),
        ({"ranks": 17}, "rank 16 has no place; there are 0 to 15"),
        ({"group": (3, 16)}, "a group of 2 ranks was named, but 4 take part"),
        ({"group": (0, 1, 2, 16)}, "rank 16 has no place"),
        ({"size": -4}, "-4 bytes"),
        ({"size": 6, "itemsize": 4}, "6 bytes"),
        ({"itemsize": 0}, "items of 0 bytes"),
        ({"root": 4}, "root is 4"),
        ({"ranks_per_node": 0}, "ranks_per_node is 0"),
    ],
)
def test_what_cannot_be_is_refused(given: dict[str, object], said: str) -> None:
    arguments = {"op": "broadcast", "ranks": 4, "size": 64, **given}
    with pytest.raises(ScheduleError, match=said):
        choose(Fabric(SYSTEMS["star"]), **arguments)  # type: ignore[arg-type]
