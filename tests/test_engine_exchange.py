"""What the engines' adapters share: tokens to their experts and back, with gradients and times."""

from contextlib import nullcontext
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from collectives import init
from collectives.adapters.step_log import StepEntry, StepLog, as_json, table
from collectives.adapters.token_exchange import MODES, ExpertRows, exchange
from collectives.adapters.vllm.metrics import StepMetrics
from collectives.adapters.vllm.passes import Passes
from collectives.moe import TokenError
from fabric import launch

HIDDEN, EXPERTS = 32, 6


def weights(seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(EXPERTS, HIDDEN, HIDDEN, generator=generator, dtype=torch.float32) / 6


def dense(x: torch.Tensor, idx: torch.Tensor, w: torch.Tensor, expert: torch.Tensor) -> Any:
    """The whole mixture in one place, a choice at a time."""
    out = torch.zeros_like(x)
    for slot in range(idx.shape[1]):
        chosen = idx[:, slot].clamp(min=0)
        made = torch.einsum("th,thk->tk", x, expert[chosen])
        out = out + made * w[:, slot, None] * (idx[:, slot, None] >= 0)
    return out


def local(rows: ExpertRows, expert: torch.Tensor, first: int, count: int) -> torch.Tensor:
    mine = expert[first : first + count]
    return dense(rows.x, rows.experts, rows.weights, mine)


def tokens(rank: int, count: int, top_k: int, seed: int) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(seed * 100 + rank)
    x = torch.randn(count, HIDDEN, generator=generator)
    idx = torch.stack(
        [torch.randperm(EXPERTS, generator=generator)[:top_k] for _ in range(count)]
        or [torch.zeros(top_k, dtype=torch.int64)]
    )[:count]
    idx[torch.rand(idx.shape, generator=generator) < 0.2] = -1
    return x, idx, torch.rand(count, top_k, generator=generator)


def share(rank: int, ranks: int) -> tuple[int, int]:
    each, more = divmod(EXPERTS, ranks)
    count = each + (rank < more)
    return rank * each + min(rank, more), count


def mixed(mode: str, counts: list[int], top_k: int, seed: int, wire: str) -> Any:
    with init() as comm:
        given = tokens(comm.rank, counts[comm.rank], top_k, seed)
        with torch.no_grad():
            made = exchange(comm, mode, experts=EXPERTS, hidden=HIDDEN, wire=wire, max_tokens=9)
            expert = weights(seed)
            rows = made.dispatch(*given, "layer")
            y = local(rows, expert, *share(comm.rank, comm.size))
            found = made.combine(y, rows, "layer")
        return found, dense(*given, expert)


@settings(derandomize=True, deadline=None, max_examples=25)
@given(
    st.sampled_from(MODES), st.lists(st.integers(0, 9), min_size=1, max_size=5),
    st.integers(1, EXPERTS), st.integers(0, 99),
)  # fmt: skip
def test_it_is_the_dense_mixture(mode: str, counts: list[int], top_k: int, seed: int) -> None:
    results = launch(mixed, len(counts), args=(mode, counts, top_k, seed, "as-is"))
    for found, expected in results:
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("mode", MODES)
def test_tokens_sent_as_int8_come_back_within_its_error(mode: str) -> None:
    for found, expected in launch(mixed, 3, args=(mode, [5, 0, 9], 3, 1, "int8")):
        assert found.dtype == torch.float32
        # each channel is off by amax / 254 at most, which the experts spread over all channels
        torch.testing.assert_close(found, expected, rtol=0, atol=0.1)
        assert not len(found) or (found != expected).any()


def differentiated(wire: str) -> Any:
    with init() as comm:
        x, idx, w = tokens(comm.rank, 4 + comm.rank, 3, 7)
        expert = weights(7).requires_grad_()
        x.requires_grad_()
        w.requires_grad_()
        made = exchange(comm, "normal", experts=EXPERTS, hidden=HIDDEN, wire=wire)
        rows = made.dispatch(x, idx, w, "layer")
        out = made.combine(local(rows, expert, *share(comm.rank, comm.size)), rows, "layer")
        out.square().sum().backward()
        return x.grad, w.grad, expert.grad


def test_gradients_are_those_of_the_dense_mixture() -> None:
    ranks = 3
    found = launch(differentiated, ranks, args=("as-is",))
    expert = weights(7).requires_grad_()
    for rank, (grad_x, grad_w, _) in enumerate(found):
        x, idx, w = tokens(rank, 4 + rank, 3, 7)
        x.requires_grad_()
        w.requires_grad_()
        dense(x, idx, w, expert).square().sum().backward()
        torch.testing.assert_close(grad_x, x.grad, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(grad_w, w.grad, rtol=1e-4, atol=1e-5)
    whole = sum(grad for _, _, grad in found)
    torch.testing.assert_close(whole, expert.grad, rtol=1e-4, atol=1e-5)


def test_what_has_no_gradients_says_so() -> None:
    with pytest.raises(TokenError, match="'int8', through which there are no gradients"):
        launch(differentiated, 2, args=("int8",))
    with pytest.raises(TokenError, match=r"mode is 'fast'; there are normal, low-latency"):
        launch(mixed, 1, args=("fast", [1], 1, 0, "as-is"))


def recorded() -> Any:
    with init() as comm, torch.no_grad():
        record = StepLog()
        made = exchange(comm, "normal", experts=EXPERTS, hidden=HIDDEN, record=record)
        for step in range(2):
            for layer in ("moe 0", "moe 1"):
                rows = made.dispatch(*tokens(comm.rank, 3 - step, 2, step), layer)
                made.combine(rows.x, rows, layer)
        return record.rows(), comm.now()


def test_the_record_has_every_call_of_every_step_in_emulated_time() -> None:
    for rows, now in launch(recorded, 4, software="cann-ep"):
        assert [(row.step, row.layer, row.operation, row.tokens) for row in rows] == [
            (step, layer, operation, 3 - step)
            for step in range(2)
            for layer in ("moe 0", "moe 1")
            for operation in ("dispatch", "combine")
        ]
        for before, after in pairwise(rows):
            # Nothing computes here, and the clock is virtual; a dispatch begins when all have come.
            same = after.operation == "combine"
            assert before.end == after.begin if same else before.end <= after.begin
        assert all(row.duration > 1e-6 for row in rows)
        assert {(row.system, row.software) for row in rows} == {("cloudmatrix384", "cann-ep")}
        assert rows[-1].end == now
        assert [StepEntry(**row) for row in as_json(rows)] == rows


def test_a_record_without_a_machine_says_so() -> None:
    with pytest.raises(ValueError, match="no machine is emulated"):
        launch(recorded, 2, system=None)


def test_a_table_names_the_machine_and_the_stacks_by_which_it_is_timed() -> None:
    times = [
        StepEntry(0, "moe", operation, 3, 1.0, 2.0, "h800", stack)
        for operation, stack in (("dispatch", "deepep-v1"), ("kv transfer", "mooncake"))
    ]
    for by in ("step", "layer"):
        assert table(times, by).splitlines()[0] == "# h800 with deepep-v1, mooncake"


def row(step: int, layer: str, operation: str, tokens: int, duration: float) -> StepEntry:
    return StepEntry(step, layer, operation, tokens, 1.0, 1.0 + duration)


def test_tables_add_up_steps_and_average_layers() -> None:
    rows = [
        row(0, "a", "dispatch", 5, 2e-6), row(0, "a", "combine", 5, 1e-6),
        row(0, "b", "dispatch", 5, 4e-6), row(0, "b", "combine", 5, 3e-6),
        row(1, "a", "dispatch", 1, 6e-6), row(1, "a", "combine", 1, 5e-6),
    ]  # fmt: skip
    assert [line.split() for line in table(rows, "step").splitlines()] == [
        ["step", "tokens", "dispatch", "us", "combine", "us"],
        ["0", "5", "6.00", "4.00"], ["1", "1", "6.00", "5.00"],
    ]  # fmt: skip
    assert [line.split() for line in table(rows, "layer").splitlines()] == [
        ["layer", "calls", "dispatch", "us", "combine", "us"],
        ["a", "2", "4.00", "3.00"], ["b", "1", "4.00", "3.00"],
    ]  # fmt: skip
    with pytest.raises(ValueError, match="by is 'rank'; there are step, layer"):
        table(rows, "rank")


class Over:
    def times(self) -> tuple[float, float]:
        return 1.0, 1.0 + 1e-6


def test_an_engine_that_says_when_steps_begin_has_the_same_call_twice_in_one() -> None:
    log = StepLog()
    for kind, calls in (("warm-up", 1), ("", 2), ("dummy", 1)):
        log.begin(kind)
        for _ in range(calls):
            log.add("moe", "dispatch", 3, Over())
    assert [(row.step, row.kind) for row in log.rows()] == [
        (0, "warm-up"), (1, ""), (1, ""), (2, "dummy"),
    ]  # fmt: skip
    lines = table(log.rows(), "step").splitlines()
    assert [line.rsplit(maxsplit=2) for line in lines[1:]] == [
        ["warm-up 0", "3", "1.00"], ["        1", "3", "2.00"], ["  dummy 2", "3", "1.00"],
    ]  # fmt: skip


def test_calls_are_of_the_innermost_module_that_is_under_way() -> None:
    seen: list[str] = []
    passes = Passes()

    class Asking(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            seen.append(passes.layer("tp"))
            for child in self.children():
                x = child(x)
            seen.append(passes.layer("tp"))
            return x

    outer = Asking()
    outer.inner = Asking()
    model = torch.nn.ModuleDict({"layer": outer})
    comm: Any = SimpleNamespace(span=lambda name: nullcontext())
    with passes.step(comm):
        outer(torch.ones(1))
    assert seen == ["tp 0", "tp 1", "tp 2", "tp 3"]
    passes.watch(model)
    seen.clear()
    with passes.step(comm):
        outer(torch.ones(1))
        assert passes.layer("tp") == "tp 0"
    assert seen == ["layer", "layer.inner", "layer.inner", "layer"]


def test_metrics_of_a_rank_count_steps_by_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    client = pytest.importorskip("prometheus_client")
    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR", raising=False)
    assert StepMetrics.shown(3) is None
    metrics = StepMetrics(3)
    metrics.learn([])
    metrics.learn([row(0, "a", "all_reduce", 1, 2e-6), row(0, "b", "all_reduce", 1, 3e-6)])
    metrics.learn([StepEntry(1, "a", "all_reduce", 1, 2.0, 2.5, kind="dummy")])
    value = client.REGISTRY.get_sample_value
    spent = {
        kind: value("triplane_step_seconds_sum", {"rank": "3", "kind": kind})
        for kind in ("requests", "dummy", "warm-up")
    }
    assert spent == {"requests": pytest.approx(3e-6), "dummy": 0.5, "warm-up": None}
    labels = {"rank": "3", "operation": "all_reduce", "kind": "requests"}
    assert value("triplane_call_seconds_total", labels) == pytest.approx(5e-6)
