"""torch_npu's MoE dispatch and combine against loops over tokens, also with shared experts."""

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch

from collectives import init
from collectives.adapters.torch_npu import (
    npu_moe_distribute_combine_v2,
    npu_moe_distribute_dispatch_v2,
)
from tests.support.adapter_ranks import every_rank_is_told, launch

HIDDEN = 64


class Case(NamedTuple):
    ranks: int
    experts: int
    shared: int = 0
    shared_ranks: int = 0
    quant: int = 0
    tokens: int = 5
    top_k: int = 3
    special: int = 0
    dtype: torch.dtype = torch.bfloat16

    @property
    def options(self) -> dict[str, Any]:
        return {
            "shared_expert_num": self.shared, "shared_expert_rank_num": self.shared_ranks,
            "zero_expert_num": self.special, "copy_expert_num": self.special,
        }  # fmt: skip

    def rank_of(self, expert: int) -> int:
        return self.shared_ranks + expert // (self.experts // (self.ranks - self.shared_ranks))

    def data(self, rank: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """Tokens, experts, weights, and which choices are active."""
        generator = torch.Generator().manual_seed(rank + 100 * self.ranks)
        x = torch.randn((self.tokens, HIDDEN), generator=generator).to(self.dtype)
        scores = torch.rand((self.tokens, self.experts + 2 * self.special), generator=generator)
        ids = scores.topk(self.top_k)[1].to(torch.int32)
        active = torch.rand((self.tokens, self.top_k), generator=generator) < 0.8
        active[0] = False
        return x, ids, torch.rand((self.tokens, self.top_k), generator=generator), active

    def arrivals(self, rank: int) -> list[tuple[int, int, int, int]]:
        """(expert here, source, token, slot) of each row; shared experts take slots after top_k."""
        rows = []
        for source in range(self.ranks):
            _, ids, _, active = self.data(source)
            for token in range(self.tokens):
                for slot in range(self.top_k):
                    expert = int(ids[token, slot])
                    goes = active[token, slot] and expert < self.experts
                    if goes and self.rank_of(expert) == rank:
                        rows.append((expert, source, token, slot))
                each = self.shared_ranks // self.shared if self.shared_ranks else 0
                if (
                    rank < self.shared_ranks
                    and source % each == rank % each
                    and active[token].any()
                ):
                    rows.append((0, source, token, self.top_k + rank // each))
        return sorted(rows)


def result(x: torch.Tensor, rank: int, expert: int) -> torch.Tensor:
    return (x.float() * (0.5 + rank + expert / 8)).to(x.dtype)


def dispatched(comm: Any, case: Case, **options: Any) -> tuple[torch.Tensor, ...]:
    x, ids, weights, active = case.data(comm.rank)
    return npu_moe_distribute_dispatch_v2(
        x, ids, comm, comm.size, comm.rank, case.experts, x_active_mask=active,
        expert_scales=weights, quant_mode=case.quant, **case.options, **options,
    )  # fmt: skip


def round_trips(case: Case) -> None:
    with init() as comm:
        rank, rows = comm.rank, case.arrivals(comm.rank)
        hosts_shared = rank < case.shared_ranks
        local = 1 if hosts_shared else case.experts // (case.ranks - case.shared_ranks)
        got, scales, assist, nums, counts, tp, weights = dispatched(comm, case)
        room = case.tokens * case.ranks * min(local, case.top_k)
        if hosts_shared:
            room = case.tokens * -(-case.ranks // (case.shared_ranks // case.shared))
        assert got.shape == (room, HIDDEN)
        assert got.dtype == (torch.int8 if case.quant else case.dtype)
        assert assist.shape == (max(case.tokens * case.top_k, room * 128),)
        assert assist.view(-1, 128)[: len(rows), :3].tolist() == [list(row[1:]) for row in rows]
        experts = sorted({row[0] for row in rows})
        first = 0 if hosts_shared else (rank - case.shared_ranks) * local
        assert all(first <= expert < first + local for expert in experts)
        each = [sum(row[0] == first + e for row in rows) for e in range(local)]
        assert nums.dtype == torch.int64
        assert nums.tolist() == each
        until = [
            sum((row[0], row[1]) <= (first + e, s) for row in rows)
            for e in range(local) for s in range(case.ranks)
        ]  # fmt: skip
        assert counts.tolist() == until
        assert tp.shape == (0,)
        y = torch.zeros((room, HIDDEN), dtype=case.dtype)
        for number, (expert, source, token, slot) in enumerate(rows):
            x = case.data(source)[0][token]
            if case.quant:
                scale = x.float().abs().max() / 127
                torch.testing.assert_close(scales[number], scale, rtol=1e-6, atol=0)
                back = got[number].float() * scales[number]
                assert (back - x.float()).abs().max() <= scale * 0.501
            else:
                assert torch.equal(got[number], x)
            own = 1.0 if hosts_shared else float(case.data(source)[2][token, slot])
            assert float(weights[number]) == pytest.approx(own, rel=1e-6)
            y[number] = result(x, rank, expert)
        x, ids, own_weights, active = case.data(rank)
        shared_x = torch.ones_like(x)
        total = npu_moe_distribute_combine_v2(
            y, ids, assist, counts, own_weights, comm, comm.size, rank, case.experts,
            x_active_mask=active, ori_x=x, shared_expert_x=shared_x, **case.options,
        )  # fmt: skip
        assert total.dtype == case.dtype
        for token in range(case.tokens):
            wanted = torch.ones(HIDDEN)
            for slot in range(case.top_k):
                expert, weight = int(ids[token, slot]), own_weights[token, slot]
                if not active[token, slot]:
                    continue
                if expert < case.experts:
                    wanted += weight * result(x[token], case.rank_of(expert), expert).float()
                elif expert >= case.experts + case.special:
                    wanted += weight * x[token].float()
            if case.shared_ranks and active[token].any():
                of_each = case.shared_ranks // case.shared
                for shared in range(case.shared):
                    host = shared * of_each + rank % of_each
                    wanted += result(x[token], host, 0).float()
            error = 2.0**-7 if case.dtype == torch.bfloat16 else 2.0**-10
            torch.testing.assert_close(total[token].float(), wanted, rtol=3 * error, atol=4 * error)


@pytest.mark.parametrize(
    "case",
    [
        Case(1, 4), Case(2, 8), Case(4, 8, quant=2), Case(3, 6, dtype=torch.float16),
        Case(4, 6, shared=1, shared_ranks=1), Case(6, 8, shared=2, shared_ranks=4, quant=2),
        Case(2, 4, special=2),
    ],
    ids=str,
)  # fmt: skip
def test_round_trip(case: Case) -> None:
    launch(round_trips, case.ranks, args=(case,))


def smoothed(case: Case) -> None:
    with init() as comm:
        rows = case.arrivals(comm.rank)
        table = torch.rand((case.experts + case.shared, HIDDEN),
                           generator=torch.Generator().manual_seed(1)) + 0.5  # fmt: skip
        got, scales, assist, *_ = dispatched(comm, case, scales=table)
        assert assist.view(-1, 128)[: len(rows), :3].tolist() == [list(row[1:]) for row in rows]
        for number, (expert, source, token, _) in enumerate(rows):
            row = 0 if comm.rank < case.shared_ranks else expert + case.shared
            x = (case.data(source)[0][token].float() * table[row]).to(case.dtype).float()
            assert (got[number].float() * scales[number] - x).abs().max() <= x.abs().max() / 250


def test_experts_with_scales_get_tokens_multiplied_with_them() -> None:
    launch(smoothed, 4, args=(Case(4, 6, shared=1, shared_ranks=1, quant=2),))


def sums(case: Case) -> list[int]:
    with init() as comm:
        return [int(n) for n in dispatched(comm, case, expert_token_nums_type=0)[3]]


def test_counts_with_all_before() -> None:
    case = Case(2, 8)
    for rank, told in enumerate(launch(sums, 2, args=(case,))):
        experts = [row[0] - 4 * rank for row in case.arrivals(rank)]
        assert told == [sum(e <= upto for e in experts) for upto in range(4)]


def wrong(change: Callable[[dict[str, Any]], None]) -> None:
    with init() as comm:
        case = Case(2, 8)
        x, ids, _, _ = case.data(comm.rank)
        given: dict[str, Any] = {
            "x": x, "expert_ids": ids, "group_ep": comm, "ep_world_size": 2,
            "ep_rank_id": comm.rank, "moe_expert_num": 8,
        }  # fmt: skip
        if comm.rank == 1:
            change(given)
        npu_moe_distribute_dispatch_v2(**given)


WRONG = {
    r"topk_idx\[2, 0\] is expert 8; experts are 0 to 7": lambda g: g["expert_ids"][2].fill_(8),
    "quant_mode is 3; it can be 0, 2": lambda g: g.update(quant_mode=3),
    "tp_world_size is 2; Triplane has only": lambda g: g.update(tp_world_size=2),
    "ep_rank_id 0; this is rank 1 of 2": lambda g: g.update(ep_rank_id=0),
    "moe_expert_num is 7; it has to be a multiple of 2": lambda g: g.update(moe_expert_num=7),
    "global_bs is 4; it has to be 2 times": lambda g: g.update(global_bs=4),
    "tokens are torch.float32": lambda g: g.update(x=g["x"].float()),
    "shared_expert_rank_num 3": lambda g: g.update(shared_expert_rank_num=3),
}


@pytest.mark.parametrize("words", WRONG)
def test_what_is_wrong_is_told_to_every_rank(words: str) -> None:
    every_rank_is_told(wrong, 2, 1, words, (WRONG[words],))


def minus_one() -> None:
    """A choice of -1 goes nowhere, also where the first rank has the shared expert."""
    with init() as comm:
        case = Case(3, 6, shared=1, shared_ranks=1)
        x, ids, _, _ = case.data(comm.rank)
        ids[:, 0] = -1
        given = (comm, comm.size, comm.rank, case.experts)
        got, _, assist, nums, counts, *_ = npu_moe_distribute_dispatch_v2(
            x, ids, *given, **case.options
        )
        if comm.rank == 0:
            assert nums.tolist() == [3 * case.tokens]
        weights = torch.full(ids.shape, 0.25)
        weights[:, 0] = torch.nan  # of no choice
        total = npu_moe_distribute_combine_v2(
            got, ids, assist, counts, weights, *given, ori_x=x, **case.options
        )
        torch.testing.assert_close(total.float(), 1.5 * x.float(), rtol=2**-7, atol=2**-7)


def test_a_choice_that_was_not_made_is_none_of_the_shared_expert() -> None:
    launch(minus_one, 3)


PASSED_OVER = {
    "token 1 chooses expert 3 in slots": lambda g: g["expert_ids"][1].fill_(3),
    "scales are given, and quant_mode is 0": lambda g: g.update(scales=torch.ones((8, HIDDEN))),
    "comm_alg is 'hierarchy'; it can be ''": lambda g: g.update(comm_alg="hierarchy"),
    "performance_info is .* Triplane has only": lambda g: g.update(performance_info=torch.ones(2)),
    "ep_world_size is 2.0; it has to be an integer": lambda g: g.update(ep_world_size=2.0),
}


@pytest.mark.parametrize("words", PASSED_OVER)
def test_what_was_passed_over_is_refused(words: str) -> None:
    every_rank_is_told(wrong, 2, 1, words, (PASSED_OVER[words],))
