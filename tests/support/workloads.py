"""Workloads drawn at random, for the tests of the formats."""

from hypothesis import strategies as st

from collectives.workloads.workload import ANY, CALC, COLLECTIVE, RECV, SEND, Workload, Writer


@st.composite
def workloads(
    draw: st.DrawFn, *, collectives: bool = False, starts: bool = False, anybody: bool = False,
    unit: float = 1e-9,
) -> Workload:  # fmt: skip
    """Sound workloads, though most can never end; durations are whole numbers of ``unit``."""
    ranks = draw(st.integers(1, 4))
    kinds = [CALC, SEND, RECV, *([COLLECTIVE] if collectives else [])]
    groups = [tuple(range(ranks))]
    if collectives:
        groups += draw(st.lists(st.permutations(range(ranks)).map(tuple), max_size=2))
    writer, rank_of = Writer(), list[int]()
    low = ANY if anybody else 0
    for _ in range(draw(st.integers(0, 12))):
        rank, kind = draw(st.integers(0, ranks - 1)), draw(st.sampled_from(kinds))
        name, size = draw(st.text(max_size=4)), draw(st.integers(0, 1 << 40))
        least = low if kind == RECV else 0
        if kind == CALC:
            length, place = draw(st.integers(0, 10**6)), draw(st.integers(0, 1))
            writer.add(rank, CALC, name, duration=length * unit, unit=place)
        elif kind == COLLECTIVE:
            writer.add(
                rank, kind, name, size=size, collective=draw(st.integers(0, 8)),
                group=draw(st.integers(0, len(groups) - 1)), root=draw(st.integers(0, ranks - 1)),
            )  # fmt: skip
        else:
            writer.add(
                rank, kind, name, size=size, peer=draw(st.integers(least, ranks - 1)),
                tag=draw(st.integers(least, 1 << 30)),
            )  # fmt: skip
        rank_of.append(rank)
    for _ in range(draw(st.integers(0, 10)) if rank_of else 0):
        later = draw(st.integers(0, len(rank_of) - 1))
        same = [at for at, rank in enumerate(rank_of) if rank == rank_of[later]]
        writer.need(later, draw(st.sampled_from(same)), starts and draw(st.booleans()))
    return writer.done(ranks, groups)
