"""The authority over calls and failures: no I/O, so a case is a few records and their replies."""

import itertools
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabric.clock.emulator import Emulator
from fabric.fabric import Fabric
from fabric.failure import KINDS, CallMismatch, Deadlock, RankFailed, RankLost, TimedOut, WorldError
from fabric.schedule.plan import TimedRows, plans
from fabric.schedule.step import Step
from fabric.world.messages import (
    AskTime,
    Begin,
    Blocked,
    Compute,
    End,
    Exchange,
    Exchanged,
    Fail,
    FromRank,
    FromWorld,
    Leave,
    Over,
    Threads,
    TimeReply,
    Wait,
)
from fabric.world.register import ranks
from fabric.world.world import EXPLANATION_PATIENCE, OVER, SETTLING, World
from topology import star

WORDS = "all_reduce(sum, float32[4])"


def rows(size: int) -> list[TimedRows]:
    """Each rank's part of a ring: 1000 bytes to the next."""
    me = list(range(size))
    return [plan.rows for plan in plans([Step(me, [*me[1:], 0], 1000)], size)]


class Told:
    """A world, and everything that it has told each rank."""

    def __init__(self, size: int, timed: bool = False) -> None:
        emulator = Emulator(Fabric(star(max(size, 2))), size) if timed else None
        self.world, self.size, self.rows = World(size, emulator), size, rows(size)
        self.replies: dict[int, list[FromWorld]] = {rank: [] for rank in range(size)}

    def tell(self, rank: int, message: FromRank, at: float = 0.0) -> None:
        self.world.handle(rank, message, at)
        self.tick(at)

    def tick(self, at: float) -> None:
        self.world.tick(at)
        for rank, reply in self.world.replies():
            self.replies[rank].append(reply)

    def begin(self, rank: int, op: int = 1, words: str = WORDS, wait: bool = True) -> None:
        group = tuple(range(self.size))
        self.tell(rank, Begin(op, group, self.rows[rank], words, "all_reduce"))
        if wait:
            self.tell(rank, Wait(op))

    def error(self) -> WorldError:
        """What has ended the world, as every rank was told it."""
        ends = {replies[-1] for replies in self.replies.values()}
        assert len(ends) == 1
        end = ends.pop()
        assert isinstance(end, End)
        assert str(self.world.error) == end.message
        return KINDS[end.kind](end.message, end.rank)

    def times(self, rank: int) -> list[TimeReply]:
        """What a rank was told of its clock."""
        return [reply for reply in self.replies[rank] if isinstance(reply, TimeReply)]


def test_an_exchange_gives_every_rank_what_each_brought_in_order() -> None:
    told = Told(3)
    for rank in (2, 0, 0, 1):
        told.tell(rank, Exchange(rank * 10))
    assert told.replies[1] == [Exchanged([0, 10, 20])]
    told.tell(1, Exchange(11))
    told.tell(2, Exchange(21))
    assert told.replies[2] == [Exchanged([0, 10, 20]), Exchanged([0, 11, 21])]


def test_without_an_emulator_time_is_the_wall_clock_since_the_start() -> None:
    told = Told(1)
    told.tell(0, AskTime(7), at=1.5)
    assert told.replies[0] == [TimeReply(7, 1.5)]


def test_with_one_time_is_what_the_fabric_says() -> None:
    told = Told(3, timed=True)
    for rank in range(3):
        told.begin(rank)
        told.tell(rank, AskTime(rank))
    expected = Fabric(star(3)).simulate([Step([0, 1, 2], [1, 2, 0], 1000)], ranks=3).rank_finish
    times = [told.times(rank)[-1] for rank in range(3)]
    assert [time.token for time in times] == [0, 1, 2]
    assert [time.seconds for time in times] == pytest.approx(list(expected), rel=1e-6)


@pytest.mark.parametrize("timed", [False, True])
def test_calls_that_do_not_match_are_told_with_who_called_what(timed: bool) -> None:
    told = Told(8, timed)
    told.begin(0, words="broadcast(float32[4], root 0)")
    for rank in range(1, 8):
        told.begin(rank)
    error = told.error()
    assert isinstance(error, CallMismatch)
    assert str(error) == (
        f"calls do not match: rank 0 called broadcast(float32[4], root 0); ranks 1-7 called {WORDS}"
    )
    assert error.rank == 0


def test_a_mismatch_waits_for_the_others_but_not_for_ever() -> None:
    told = Told(4)
    told.begin(0)
    told.begin(2, words="barrier()")
    assert told.world.error is None
    told.tick(EXPLANATION_PATIENCE)
    assert str(told.error()).endswith(
        f"rank 0 called {WORDS}; rank 2 called barrier(); ranks 1 and 3 nothing yet"
    )


def test_a_mismatch_is_the_cause_of_what_fails_because_of_it() -> None:
    told = Told(2)
    told.begin(0)
    told.begin(1, words="barrier()", wait=False)
    told.tell(1, Fail("KeyError", "'x'", None))
    assert isinstance(told.error(), CallMismatch)


def test_a_rank_that_raises_ends_the_world_with_its_words() -> None:
    told = Told(3)
    told.begin(1)
    told.tell(1, Fail("ValueError", "boo", None))
    error = told.error()
    assert isinstance(error, RankFailed)
    assert error.rank == 1
    assert str(error) == f"rank 1 raised ValueError: boo; its last call was {WORDS} (call 1)"


def test_the_first_error_is_the_one_that_counts() -> None:
    told = Told(2)
    told.tell(0, Fail("ValueError", "first", None))
    told.tell(1, Fail("ValueError", "second", None))
    told.world.lost(1, "was killed by SIGKILL", 0.0)
    told.tick(10.0)
    assert "first" in str(told.error())


def test_a_lost_rank_is_told_with_its_cause_and_where_it_was() -> None:
    told = Told(3)
    for op in (1, 2):
        told.begin(2, op)
    told.tell(2, Blocked(2))
    told.world.lost(2, "was killed by SIGKILL", 0.0)
    told.tick(SETTLING)
    error = told.error()
    assert isinstance(error, RankLost)
    assert error.rank == 2
    assert str(error) == f"rank 2 was killed by SIGKILL while in {WORDS} (call 2)"


def test_a_lost_rank_that_told_nothing_is_told_with_who_waits_for_it() -> None:
    told = Told(4)
    told.world.lost(3, "was killed by SIGSEGV", 0.0)
    for rank in (0, 1):  # what they had noted comes a little later than the news
        told.begin(rank)
    told.tick(SETTLING)
    assert str(told.error()) == (
        f"rank 3 was killed by SIGSEGV before calling {WORDS}, in which ranks 0 and 1 wait"
    )


def test_who_cannot_be_reached_waits_for_why() -> None:
    told = Told(3)
    told.tell(0, Fail("RankLost", "rank 1 does not take what is sent to it", 1))
    assert told.world.error is None
    told.world.lost(1, "was killed by SIGBUS", 0.1)
    told.tick(0.1 + SETTLING)
    assert "rank 1 was killed by SIGBUS" in str(told.error())


def test_and_is_told_as_it_is_where_nobody_knows_why() -> None:
    told = Told(3)
    told.tell(0, Fail("RankLost", "rank 1 does not take what is sent to it", 1))
    told.tick(EXPLANATION_PATIENCE)
    error = told.error()
    assert isinstance(error, RankLost)
    assert (error.rank, str(error)) == (1, "rank 0: rank 1 does not take what is sent to it")


def test_a_time_out_of_one_rank_is_every_rank_s() -> None:
    told = Told(2)
    told.tell(0, Fail("TimedOut", "rank 0: barrier() was not over after 1 s", None))
    assert isinstance(told.error(), TimedOut)
    assert str(told.error()) == "rank 0: barrier() was not over after 1 s"


@pytest.mark.parametrize("timed", [False, True])
@pytest.mark.parametrize("first", [True, False])
def test_a_rank_that_left_without_its_part_is_missed(timed: bool, first: bool) -> None:
    told = Told(4, timed)
    order = [3, 0, 1, 2] if first else [0, 1, 2, 3]
    for rank in order:
        if rank == 3:
            told.tell(3, Leave())
        else:
            told.begin(rank)
    told.tick(EXPLANATION_PATIENCE)
    error = told.error()
    assert isinstance(error, RankLost)
    assert error.rank == 3
    assert str(error) == f"rank 3 has ended without calling {WORDS}, in which ranks 0-2 wait"


def test_a_rank_that_left_is_missed_by_nobody_who_does_not_need_it() -> None:
    told = Told(3, timed=True)
    told.tell(2, Leave())
    group = (0, 1)
    for rank, row in zip(group, rows(2), strict=True):
        told.tell(rank, Begin(5, group, row, "barrier()", "barrier"))
        told.tell(rank, Wait(5))
        told.tell(rank, Leave())
    told.tick(10.0)
    assert told.world.error is None
    assert told.world.gone == {0, 1, 2}


def test_a_rank_that_left_and_then_failed_is_told_with_how_it_ended() -> None:
    told = Told(2)
    told.begin(0)
    told.tell(1, Leave())
    told.world.lost(1, "ended with exit code 3", 0.2)
    told.tick(0.2 + SETTLING)
    assert "rank 1 ended with exit code 3 before calling" in str(told.error())


def test_a_rank_that_left_before_joining_is_missed_by_those_who_join() -> None:
    told = Told(3)
    told.tell(0, Exchange(1))
    told.tell(1, Leave())
    assert str(told.error()) == "rank 1 ended before joining what rank 0 set up"


def test_ranks_that_wait_for_each_other_are_a_deadlock_in_strict_time() -> None:
    told = Told(2, timed=True)
    told.begin(0, 1, "recv(float32[1], from 1)")
    told.begin(1, 2, "recv(float32[1], from 0)")
    error = told.error()
    assert isinstance(error, Deadlock)
    assert str(error) == (
        "nobody can go on: rank 0 waits in recv(float32[1], from 1) for rank 1;"
        " rank 1 waits in recv(float32[1], from 0) for rank 0"
    )


def test_without_an_emulator_ranks_that_really_wait_for_each_other_are_one() -> None:
    told = Told(3)
    told.begin(0, 1, "a")
    told.begin(1, 2, "b")
    told.tell(0, Blocked(1))
    assert told.world.error is None
    told.tell(1, Blocked(2))
    assert "rank 0 waits in a for ranks 1 and 2; rank 1 waits in b for ranks 0 and 2" in str(
        told.error()
    )


def test_a_rank_of_several_threads_may_go_on_in_another() -> None:
    told = Told(2)
    told.begin(0, 1, "a")
    told.begin(1, 2, "b")
    told.tell(0, Threads(True))
    told.tell(0, Blocked(1))
    told.tell(1, Blocked(2))
    assert told.world.error is None
    told.tell(0, Threads(False))
    told.tell(0, Blocked(1))
    assert "rank 1 waits in b for rank 0; rank 0 waits in a for rank 1" in str(told.error())


def test_a_rank_that_waits_for_one_that_computes_is_no_deadlock() -> None:
    told = Told(2)
    told.begin(0)
    told.tell(0, Blocked(1))
    told.tick(100.0)
    assert told.world.error is None


def test_ranks_that_are_late_are_told_with_who_waits_for_them() -> None:
    told = Told(3)
    told.begin(0)
    told.begin(1)
    told.world.late([2], 5.0)
    told.tick(0.0)
    error = told.error()
    assert isinstance(error, TimedOut)
    assert error.rank == 2
    assert str(error) == (
        f"rank 2 has not ended within 5 s: ranks 0 and 1 wait in {WORDS} for rank 2"
    )


def test_what_the_emulator_refuses_ends_the_world_and_not_the_authority() -> None:
    told = Told(2, timed=True)
    told.tell(0, Compute(-1.0))
    assert "-1" in str(told.error())


def test_a_mistake_of_ours_ends_the_world_and_does_not_hang_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = Told(2, timed=True)

    def broken(self: Emulator) -> None:
        raise KeyError("lost")

    monkeypatch.setattr(Emulator, "advance", broken)
    told.tell(0, Compute(1.0))
    assert "internal error, KeyError" in str(told.error())


def test_beginning_a_call_twice_is_refused() -> None:
    told = Told(2)
    told.begin(0)
    told.begin(0)
    assert str(told.error()) == f"rank 0 has begun {WORDS} twice"


@given(st.permutations([(rank, turn) for rank in range(3) for turn in range(4)]))
def test_the_order_in_which_records_come_changes_nothing(order: list[tuple[int, int]]) -> None:
    """Each rank's own come in order, of course."""
    told = Told(3, timed=True)
    program: list[Callable[[int], FromRank]] = [
        lambda rank: Compute(1e-6 * (rank + 1)),
        lambda rank: Begin(1, (0, 1, 2), rows(3)[rank], WORDS, "all_reduce"),
        lambda rank: Wait(1),
        lambda rank: AskTime(0),
    ]
    turns = {rank: itertools.count() for rank in range(3)}
    for rank, _ in order:
        told.tell(rank, program[next(turns[rank])](rank))
    times = [told.replies[rank] for rank in range(3)]
    told = Told(3, timed=True)
    for rank in range(3):
        told.tell(rank, Compute(1e-6 * (rank + 1)))
        told.begin(rank)
        told.tell(rank, AskTime(0))
    assert times == [told.replies[rank] for rank in range(3)]


@pytest.mark.parametrize(
    ("numbers", "words"),
    [([3], "rank 3"), ([0, 1], "ranks 0 and 1"), ([2, 0, 1], "ranks 0-2"),
     ([0, 1, 2, 5, 7, 8], "ranks 0-2, 5, 7 and 8"), (range(320), "ranks 0-319")],
)  # fmt: skip
def test_ranks_in_words(numbers: list[int], words: str) -> None:
    assert ranks(numbers) == words


def test_a_rank_whose_program_is_over_is_missed_after_a_while() -> None:
    told = Told(3)
    for rank in (0, 2):
        told.begin(rank)
    told.tell(1, Over())
    told.tell(1, Over(), at=OVER)
    told.tick(OVER)
    assert told.world.error is None
    told.tick(OVER + 0.01)
    told.tick(OVER + 0.01 + EXPLANATION_PATIENCE)
    error = told.error()
    assert isinstance(error, RankLost)
    assert str(error).startswith(
        f"rank 1 has ended without calling {WORDS}, in which ranks 0 and 2"
    )


def test_one_that_still_makes_calls_was_not_over() -> None:
    """As a thread does, or an exit handler."""
    told = Told(2)
    told.begin(0)
    told.tell(1, Over())
    told.tell(1, Wait(7), at=OVER / 2)
    told.tell(1, Over(), at=OVER / 2)
    told.tick(1.2 * OVER)
    assert told.world.error is None
    told.begin(1)
    told.tell(1, Over(), at=3 * OVER)
    told.tick(9 * OVER)  # nobody waits for it
    assert told.world.error is None
    told.tell(1, Leave(), at=9 * OVER)
    assert 1 in told.world.gone


def test_emulated_time_goes_on_without_a_rank_whose_program_is_over() -> None:
    told = Told(3, timed=True)
    for rank in (0, 2):
        part = plans([Step(0, 1, 1000)], 2)[rank // 2].rows
        told.tell(rank, Begin(1, (0, 2), part, WORDS, "all_reduce"))
        told.tell(rank, Wait(1))
    told.tell(0, AskTime(5))
    told.tell(1, Over())
    told.tick(OVER / 2)
    assert not told.replies[0]
    told.tick(OVER + 0.01)
    assert [reply.token for reply in told.times(0)] == [5]
    told.begin(1, 2, wait=False)
    assert "rank 1 has made a call after its program was over" in str(told.world.error)


@given(st.data())
def test_calls_that_are_told_as_one_are_known_as_if_each_was_told(data: st.DataObject) -> None:
    """Whatever ranks have told by then, and whoever makes another call, or has left."""
    size = data.draw(st.integers(1, 4))
    draws = st.tuples(st.sampled_from(["a()", "b()"]), st.integers(1, 6))
    program = [
        words for words, times in data.draw(st.lists(draws, max_size=5)) for _ in range(times)
    ]
    odd = data.draw(st.none() | st.integers(0, size - 1))
    one, other = Told(size), Told(size)
    at = [0] * size
    for rank in data.draw(st.lists(st.integers(0, size - 1), max_size=30)):
        first = at[rank]
        if first == len(program):
            if data.draw(st.booleans()):
                for told in (one, other):
                    told.tell(rank, Leave())
            continue
        words = program[first]
        alike = next((n for n, each in enumerate(program[first:]) if each != words), len(program))
        times = min(data.draw(st.integers(1, 8)), alike, len(program) - first)
        at[rank] += times
        words += "?" if rank == odd and first > 5 else ""
        begin = Begin(
            first + 1, tuple(range(size)), one.rows[rank], words, "", waits=True, times=times
        )
        one.tell(rank, begin)
        for op in range(first + 1, first + 1 + times):
            other.tell(rank, begin._replace(op=op, times=1))
        if data.draw(st.booleans()):
            for told in (one, other):
                told.tell(rank, Blocked(at[rank]))
    registers = [told.world._register for told in (one, other)]
    wheres = [[register.where(rank) for rank in range(size)] for register in registers]
    assert wheres[0] == wheres[1]
    assert registers[0].open_calls() == registers[1].open_calls()
    for told in (one, other):
        told.tick(SETTLING + EXPLANATION_PATIENCE)
    assert str(one.world.error) == str(other.world.error)


def test_ranks_that_send_unlike_amounts_are_told_of_calls_that_came_as_one() -> None:
    told = Told(2)
    more = plans([Step([0, 1], [1, 0], 2000)], 2)[1].rows
    for rank, mine in enumerate((told.rows[0], more)):
        told.tell(rank, Begin(1, (0, 1), mine, WORDS, "", waits=True, times=3))
    assert isinstance(told.error(), CallMismatch)
    assert "who sends how much" in str(told.error())
