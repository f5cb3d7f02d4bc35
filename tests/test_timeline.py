import numpy as np
import pytest

from collectives.algorithms import allreduce
from fabric import Costs, Endpoint, Fabric, Step, Timeline
from topology import Topology, fat_tree, ring, star, supernode
from topology.units import GB, US


def run(topology: Topology, steps: list[Step], **options: object) -> Timeline:
    fabric = Fabric(topology, endpoint=Endpoint("test"), **options)  # type: ignore[arg-type]
    return fabric.simulate(steps)


def scattered(ranks: int, rows: int, seed: int) -> Step:
    rng = np.random.default_rng(seed)
    src, dst = rng.integers(0, ranks, (2, rows))
    return Step(src, dst, rng.integers(0, 1 << 20, rows))


MIXED = [scattered(16, 90, 1), *allreduce.ring(16, 1 << 20), scattered(16, 900, 2)]
SHAPES = {
    "star": star(16),
    "tree": fat_tree(4),
    "ring": ring(16),
    "supernode": supernode(16),
    "hurt": supernode(16).without("node0.l1.3", "node1.l1.2->l2.2.*"),
}


@pytest.mark.parametrize("policy", ["spray", "hash", "adaptive"])
@pytest.mark.parametrize("where", SHAPES)
def test_no_link_is_busier_than_the_time_there_was(where: str, policy: str) -> None:
    timeline = run(SHAPES[where], MIXED, routing=policy)
    assert timeline.link_busy.shape == (SHAPES[where].n_links,)
    assert timeline.link_busy.max() <= timeline.duration * (1 + 1e-9)
    assert timeline.link_busy.min() >= 0


@pytest.mark.parametrize("policy", ["spray", "hash"])
@pytest.mark.parametrize("where", SHAPES)
def test_bytes_on_links_are_bytes_times_hops(where: str, policy: str) -> None:
    topology = SHAPES[where]
    timeline = run(topology, MIXED, routing=policy)
    router, places = timeline.router, topology.accelerators
    path = router.paths(places[timeline.src], places[timeline.dst])
    table = router.table
    load = np.concatenate([[0.0], np.cumsum(table.weight)])
    hops = (load[table.begin[1:]] - load[table.begin[:-1]])[path]
    np.testing.assert_allclose(hops, np.round(hops))
    assert timeline.link_bytes.sum() == pytest.approx((timeline.size * hops).sum())


def test_what_leaves_a_host_is_what_it_sends() -> None:
    topology = SHAPES["tree"]
    timeline = run(topology, MIXED)
    away = timeline.src != timeline.dst
    for rank in (0, 5, 15):
        out = timeline.link_bytes[topology.link_src == rank].sum()
        into = timeline.link_bytes[topology.link_dst == rank].sum()
        assert out == pytest.approx(timeline.size[away & (timeline.src == rank)].sum())
        assert into == pytest.approx(timeline.size[away & (timeline.dst == rank)].sum())


def test_a_full_port_is_busy_all_the_time() -> None:
    timeline = run(star(4), [Step([0, 1, 2], 3, 1_000_000)])
    port = timeline.router.topology
    into = port.link_dst == port.vertex("host3")
    assert timeline.link_busy[into][0] == pytest.approx(timeline.duration - 1 * US)


def test_links_of_planes_not_in_use_carry_nothing() -> None:
    machine = supernode(16)
    timeline = run(machine, [scattered(32, 200, 3)], planes=("ub",))
    other = machine.link_plane != machine.plane("ub")
    assert timeline.link_bytes[other].sum() == 0
    assert timeline.link_bytes[~other].sum() > 0


def test_links_of_a_bundle_carry_alike() -> None:
    machine = supernode(16)
    timeline = run(machine, [Step(0, 17, 7_000_000)])
    out = timeline.link_bytes[machine.link_src == 0]
    np.testing.assert_allclose(out[out > 0], np.full(7, 1_000_000.0))


def test_rows_keep_their_order() -> None:
    timeline = run(star(16), MIXED)
    np.testing.assert_array_equal(timeline.src, np.concatenate([step.src for step in MIXED]))
    np.testing.assert_array_equal(timeline.size, np.concatenate([step.size for step in MIXED]))
    steps = np.repeat(np.arange(len(MIXED)), [len(step) for step in MIXED])
    np.testing.assert_array_equal(timeline.step, steps)
    assert len(timeline.labels) == len(MIXED)
    assert (timeline.finish >= timeline.start).all()
    assert timeline.duration == pytest.approx(timeline.finish.max())
    assert timeline.rank_finish.shape == (16,)


def test_a_rank_begins_a_step_when_it_has_finished_the_one_before() -> None:
    timeline = run(star(16), MIXED)
    for rank in range(16):
        mine = (timeline.src == rank) | (timeline.dst == rank)
        through = 0.0
        for step in np.unique(timeline.step[mine]):
            rows = mine & (timeline.step == step)
            assert timeline.start[rows].min() >= through * (1 - 1e-12)
            through = max(through, timeline.finish[rows].max())


def test_what_software_costs_comes_after_the_last_byte() -> None:
    endpoint = Endpoint("test", {"": Costs(per_byte=1e-12), "dispatch": Costs(per_byte=1e-9)})
    fabric = Fabric(star(2), endpoint=endpoint)
    plain = fabric.simulate([Step(0, 1, 1000)])
    dispatch = fabric.simulate([Step(0, 1, 1000)], operation="dispatch")
    assert plain.rank_finish[1] - plain.finish[0] == pytest.approx(1e-9)
    assert dispatch.rank_finish[1] - dispatch.finish[0] == pytest.approx(1e-6)
    assert dispatch.rank_finish[0] == pytest.approx(dispatch.finish[0])


def test_nothing_at_all() -> None:
    timeline = run(star(4), [])
    assert timeline.duration == 0
    assert timeline.link_bytes.sum() == 0
    assert len(timeline.finish) == 0


def test_a_lone_rank_is_through_at_once() -> None:
    timeline = run(star(4, bandwidth=1 * GB), [Step(0, 0, 1000)])
    assert timeline.duration == 0
    assert timeline.finish[0] == 0
