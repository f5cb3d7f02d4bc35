"""A serving run beside closed forms of queues, and what must be so of every run."""

import itertools
import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.cli import main
from collectives.workloads.inference.interpolated import Interpolated, doubling
from collectives.workloads.inference.requests import ServedRequest, of_trace, poisson
from collectives.workloads.inference.serving import serve
from collectives.workloads.inference.serving_plan import (
    FlexibleGroups,
    Role,
    RoleChange,
    ServingPlan,
)
from collectives.workloads.inference.sourced import InferenceError


def constant(value: float) -> Callable[..., float]:
    return lambda *_: value


PLAN = ServingPlan(1, 1, 1, 1, 100, 4, constant(2.0), constant(0.5), 1.0, constant(0.25), 8)
"""One accelerator each: a batch of 100 tokens in 2 s, a step of 0.5 s, a cache in 0.25 s."""


def request(arrival: float, prompt: int = 100, output: int = 3) -> ServedRequest:
    return ServedRequest(arrival, prompt, output)


def test_one_request_by_hand() -> None:
    (one,) = serve(PLAN, [request(1.0)]).served
    assert (one.prefilled, one.first, one.admitted, one.done) == (1.0, 3.0, 3.25, 4.25)
    assert (one.ttft, one.tpot) == (2.0, 0.625)
    (short,) = serve(PLAN, [request(0.0, output=1)]).served
    assert (short.done, short.tpot) == (2.0, None)  # its one token comes of the prefill
    (fast,) = serve(replace(PLAN, emitted=1.7), [request(0.0, output=11)]).served
    assert fast.done == pytest.approx(2.25 + math.ceil(10 / 1.7) * 0.5)


def test_waiting_prompts_are_taken_together_as_far_as_they_fit() -> None:
    plan = replace(PLAN, prefill=lambda tokens, prompt, reused: tokens / 10)
    run = serve(plan, [request(0.0, 10), *(request(0.1, 40) for _ in range(3))])
    assert [one.first for one in run.served] == pytest.approx([1.0, 9.0, 9.0, 13.0])
    (large,) = serve(plan, [request(0.0, 500)]).served  # a prompt above a batch goes alone
    assert large.first == 50.0


def test_caches_queue_for_the_links_of_their_instance() -> None:
    plan = replace(PLAN, handoff=lambda tokens: tokens / 10, links=1)
    run = serve(plan, [request(0.0, 50), request(0.0, 50)])
    assert sorted(one.admitted for one in run.served) == pytest.approx([7.0, 12.0])


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(0, 300), min_size=1, max_size=40))
def test_prefill_alone_waits_as_lindley_says(gaps: list[int]) -> None:
    """One instance, a prompt at a time: W(n+1) = max(0, W(n) + S - A(n))."""
    arrivals = np.cumsum(gaps) / 100
    run = serve(PLAN, [request(at) for at in arrivals.tolist()])
    wait, before = 0.0, float(arrivals[0])
    for one in run.served:
        wait = 0.0 if one is run.served[0] else max(0, wait + 2.0 - one.request.arrival + before)
        before = one.request.arrival
        assert one.ttft == pytest.approx(wait + 2.0)


def test_poisson_arrivals_wait_as_long_as_pollaczek_and_khinchine_say() -> None:
    """M/D/1 at 70%: the mean wait is rho S / (2 (1 - rho))."""
    requests = poisson(0.35, 40000, 100, 1, seed=3)
    waits = [one.ttft - 2.0 for one in serve(PLAN, requests).served]
    assert np.mean(waits) == pytest.approx(0.7 * 2.0 / (2 * 0.3), rel=0.05)


def test_a_full_decoder_makes_what_its_batch_makes() -> None:
    plan = replace(PLAN, prefill=constant(1e-9), handoff=constant(1e-9), prefill_tokens=10**9)
    run = serve(plan, [request(0.0, 10, 101) for _ in range(40)])
    first = 0.5  # the step that begins before the others are there
    assert run.seconds == pytest.approx(40 / 4 * 100 * 0.5 + first, abs=1e-6)
    assert run.decoded / run.decode_busy == pytest.approx(4, rel=0.01)


def test_steps_are_asked_for_the_batch_and_context_that_there_are() -> None:
    seen: list[tuple[float, float]] = []

    def step(batch: float, context: float) -> float:
        seen.append((batch, context))
        return 0.5

    busy = request(0.0, output=1)  # the two others wait for it, and are taken together
    run = serve(replace(PLAN, decode=step), [busy, request(0.1, 60, 3), request(0.1, 40, 5)])
    assert seen == [(2, 50), (2, 51), (1, 42), (1, 43)]
    assert run.decode_busy == 2.0


@settings(deadline=None, max_examples=25)
@given(
    st.lists(
        st.tuples(st.floats(0, 50), st.integers(1, 150), st.integers(1, 40)), min_size=1,
        max_size=30,
    ),
    st.integers(1, 3), st.integers(1, 3),
)  # fmt: skip
def test_every_request_is_served_once_and_in_order(
    asked: list[tuple[float, int, int]], prefill: int, decode: int
) -> None:
    plan = replace(PLAN, prefill_instances=prefill, decode_instances=decode, emitted=1.7)
    requests = sorted((request(*one) for one in asked), key=lambda one: one.arrival)
    run = serve(plan, requests)
    assert [one.request for one in run.served] == requests
    for one in run.served:
        assert one.request.arrival <= one.prefilled + 1e-9
        assert one.prefilled < one.first <= one.admitted <= one.done
        steps = math.ceil((one.request.output - 1) / 1.7 - 1e-9)
        assert one.done - one.admitted >= steps * 0.5 - 1e-9
    begins = [one.prefilled for one in run.served]
    assert begins == sorted(begins)  # first come, first served
    assert run.prefill_busy <= prefill * run.seconds
    assert run.decode_busy <= decode * run.seconds


class HalfKept:
    """A cache that has half of every prompt that it was given, and loads it in a second."""

    def __init__(self) -> None:
        self.kept: set[tuple[int, ...]] = set()

    def reused(self, request: ServedRequest, now: float) -> tuple[int, float]:
        return (request.prompt // 2, 1.0) if request.blocks in self.kept else (0, 0.0)

    def keep(self, request: ServedRequest, now: float) -> None:
        self.kept.add(request.blocks)


def test_a_kept_cache_saves_computing_and_costs_loading() -> None:
    plan = replace(PLAN, prefill=lambda tokens, prompt, reused: tokens / 10, cache=HalfKept())
    first, second = serve(
        plan, [ServedRequest(0.0, 100, 3, (1, 2)), ServedRequest(20.0, 100, 3, (1, 2))]
    ).served
    assert (first.ttft, first.reused) == (10.0, 0)
    assert (second.ttft, second.reused) == (6.0, 50)


def test_a_batch_computes_what_no_cache_has() -> None:
    asked: list[tuple[float, ...]] = []

    def prefill(*numbers: float) -> float:
        asked.append(numbers)
        return 1.0

    plan = replace(PLAN, prefill=prefill, prefill_accelerators=2, cache=HalfKept())
    requests = [  # the last two wait for the second, and are taken together
        ServedRequest(at, 100, 3, (n,)) for at, n in ((0.0, 1), (5.0, 2), (5.5, 1), (5.5, 3))
    ]
    served = serve(plan, requests).served
    assert asked == [(50, 100, 0), (50, 100, 0), (75, 100, 0.25)]
    assert [one.ttft for one in served] == pytest.approx([1, 1, 2.5, 2.5])  # 1 s of loading


# --- groups that change their role

FLEXIBLE = replace(PLAN, flexible=FlexibleGroups(1, 1, 1, 5.0, 1.0, 1.5))
"""One instance of each role, and one that changes in 5 s; a look each second."""


def test_a_group_prefills_until_decoding_has_too_little_room() -> None:
    quick = replace(FLEXIBLE, prefill=constant(0.0625), handoff=constant(0.0625))
    early, late = [request(0.0, 100, 401) for _ in range(4)], request(10.0)
    run = serve(quick, [*early, late])
    assert run.changes == (RoleChange(Role.DECODE, 1.0, 6.0),)
    assert run.served[-1].admitted == 10.125  # to the new instance; the old one is full till 200
    assert run.prefill_there == pytest.approx(run.seconds + 1.0)
    assert run.decode_there == pytest.approx(2 * run.seconds - 6.0)
    fixed = serve(replace(quick, flexible=None), [*early, late])
    assert fixed.served[-1].admitted > 200


def test_a_group_decodes_what_it_has_before_it_prefills_again() -> None:
    quick = replace(FLEXIBLE, prefill=lambda tokens, prompt, reused: tokens / 100,
                    handoff=constant(0.0625), prefill_tokens=10)  # fmt: skip
    fill = [request(0.0, 5, 21) for _ in range(4)]  # change it at 1 s; done at 10.2 s
    there = request(7.0, 5, 21)
    burst = [request(8.0, 300) for _ in range(6)]
    run = serve(quick, [*fill, there, *burst])
    first, second = run.changes
    assert first == RoleChange(Role.DECODE, 1.0, 6.0)
    assert second.role == Role.PREFILL
    assert second.left == 11.0  # of 8 in all rooms 5 are taken at 10 s, and 1 then
    assert second.began == pytest.approx(max(run.served[4].done, second.left) + 5.0)
    without = serve(replace(quick, flexible=None, prefill_instances=1, decode_instances=2),
                    [*fill, there, *burst])  # fmt: skip
    assert run.seconds < without.seconds


def test_a_light_load_changes_nothing() -> None:
    light = [request(10.0 * n) for n in range(20)]
    run = serve(FLEXIBLE, light)
    fixed = serve(replace(PLAN, prefill_instances=2), light)
    assert run.changes == ()
    assert [one.done for one in run.served] == [one.done for one in fixed.served]
    assert (run.prefill_there, run.decode_there) == (fixed.prefill_there, fixed.decode_there)
    assert fixed.prefill_there == 2 * fixed.seconds


@settings(deadline=None, max_examples=40)
@given(
    st.lists(
        st.tuples(st.floats(0, 80), st.integers(1, 150), st.integers(1, 40)), min_size=1,
        max_size=60,
    ),
    st.integers(1, 3), st.integers(1, 3), st.integers(1, 3),
)  # fmt: skip
def test_groups_lose_no_request_and_no_time(
    asked: list[tuple[float, int, int]], groups: int, prefills: int, decodes: int
) -> None:
    plan = replace(FLEXIBLE, flexible=FlexibleGroups(groups, prefills, decodes, 2.0, 0.5, 1.0))
    requests = sorted((request(*one) for one in asked), key=lambda one: one.arrival)
    run = serve(plan, requests)
    for one in run.served:
        assert one.request.arrival <= one.prefilled + 1e-9
        assert one.prefilled < one.first <= one.admitted <= one.done <= run.seconds
    assert run.prefill_busy <= run.prefill_there + 1e-6
    assert run.decode_busy <= run.decode_there + 1e-6
    assert run.prefill_there <= (1 + groups * prefills) * run.seconds + 1e-6
    assert run.seconds - 1e-6 <= run.decode_there <= (1 + groups * decodes) * run.seconds
    for before, after in itertools.pairwise(run.changes):
        assert before.left + 2.0 <= before.began + 1e-9 <= after.left + 2e-9  # one at a time


# --- requests and interpolation


def test_requests_of_a_trace(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    path.write_text(
        '{"timestamp": 3000, "input_length": 20, "output_length": 2}\n\n'
        '{"timestamp": 27.5, "input_length": 6955, "output_length": 52, "hash_ids": [46, 47]}\n',
        "utf-8",
    )
    assert of_trace(path) == [ServedRequest(0.0275, 6955, 52, (46, 47)), ServedRequest(3, 20, 2)]
    assert len(of_trace(path, 1)) == 1


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "line 1: not JSON"), ("[]", "line 1: no object"), ("", "no requests"),
        ('{"input_length": 1, "output_length": 1}', "timestamp is null"),
        ('{"timestamp": -1, "input_length": 1, "output_length": 1}', "timestamp is -1"),
        ('{"timestamp": 0, "input_length": 0, "output_length": 1}', "input_length is 0"),
        ('{"timestamp": 0, "input_length": 1.5, "output_length": 1}', r"input_length is 1\.5"),
        ('{"timestamp": 0, "input_length": 1, "output_length": true}', "output_length is true"),
        ('{"timestamp": 0, "input_length": 1, "output_length": 1, "hash_ids": ["a"]}', "hash_ids"),
    ],
)  # fmt: skip
def test_a_wrong_line_of_a_trace_is_named(line: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    path.write_text(line, "utf-8")
    with pytest.raises(InferenceError, match=said):
        of_trace(path)


def test_drawn_requests_have_their_means() -> None:
    requests = poisson(50, 20000, 4096, 256, seed=1, spread=0.8)
    assert requests == poisson(50, 20000, 4096, 256, seed=1, spread=0.8)
    assert requests[-1].arrival == pytest.approx(400, rel=0.03)
    prompts = np.array([one.prompt for one in requests])
    assert prompts.mean() == pytest.approx(4096, rel=0.03)
    assert prompts.std() / prompts.mean() == pytest.approx(0.8, rel=0.05)
    assert {one.output for one in poisson(1, 5, 10, 20)} == {20}
    with pytest.raises(InferenceError, match="0 requests"):
        poisson(1, 0, 1, 1)


@given(st.floats(-5, 50), st.floats(-5, 50))
def test_interpolation_is_exact_where_the_function_is_bilinear(x: float, y: float) -> None:
    def function(x: float, y: float) -> float:
        return 3 + 2 * x - y + 0.5 * x * y

    found = Interpolated(function, doubling(1, 32), [1.0, 3.0, 40.0])
    assert found(x, y) == pytest.approx(function(x, y), abs=1e-9)


def test_interpolation_has_as_many_axes_as_are_given() -> None:
    found = Interpolated(lambda x, y, z: x * y * z + x, [1.0, 2.0], [1.0, 4.0], [0.0, 0.5, 1.0])
    assert found(1.25, 3, 0.75) == pytest.approx(1.25 * 3 * 0.75 + 1.25)
    assert found(3, 5, 2) == pytest.approx(33)


def test_points_are_computed_once_and_only_where_needed() -> None:
    asked: list[tuple[float, float]] = []

    def function(x: float, y: float) -> float:
        asked.append((x, y))
        return x + y

    found = Interpolated(function, [1.0, 2.0, 4.0], [1.0, 2.0, 4.0])
    assert [found(3, 3), found(3.5, 2)] == [6, 5.5]
    assert sorted(asked) == [(2, 2), (2, 4), (4, 2), (4, 4)]
    assert doubling(2, 96) == [2, 4, 8, 16, 32, 64, 96]
    assert doubling(2, 2) == [2, 4]


# --- the command


def run(*arguments: str) -> str:
    result = CliRunner().invoke(main, ["bench", "serve", *arguments], prog_name="triplane")
    assert result.exit_code == 0, result.stderr
    return result.stdout


def test_more_requests_wait_longer_and_more_instances_help() -> None:
    def rows(rate: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(
            run("--rate", rate, "--number", "2000", "--prefill-instances", "1,4", "--format",
                "json")
        )  # fmt: skip
        return found

    (few, many), (busy, enough) = rows("5"), rows("60")
    assert busy["ttft_p99_ms"] > few["ttft_p99_ms"]
    assert busy["ttft_p50_ms"] > 10 * enough["ttft_p50_ms"]
    assert busy["met_percent"] < enough["met_percent"] == 100
    assert busy["prefill_busy_percent"] > 90
    assert (few["accelerators"], many["accelerators"]) == (176, 224)
    assert few["tpot_p50_ms"] <= few["tpot_p90_ms"] <= few["tpot_p99_ms"]
    assert few["goodput_requests_per_s"] == pytest.approx(few["requests_per_s"])


def test_chats_are_answered_sooner_where_prompts_are_kept() -> None:
    def row(*arguments: str) -> dict[str, Any]:
        answer = run("--number", "300", "--rate", "100", "--turns", "5", "--prefill-instances", "1",
                     "--format", "json", *arguments)  # fmt: skip
        (found,) = json.loads(answer)
        return dict(found)

    none, pool = row(), row("--pool", "ub")
    assert 50 < pool["hit_percent"] < 99
    assert pool["ttft_p99_ms"] < 0.7 * none["ttft_p99_ms"]
    assert pool["prefill_busy_percent"] < none["prefill_busy_percent"]


def test_a_group_that_changes_beats_either_role_where_the_load_changes(tmp_path: Path) -> None:
    path = tmp_path / "phases.jsonl"
    long = ({"timestamp": n * 20, "input_length": 8192, "output_length": 16} for n in range(1500))
    wide = (
        {"timestamp": 30000 + n * 5, "input_length": 128, "output_length": 1000}
        for n in range(8000)
    )
    path.write_text("\n".join(map(json.dumps, [*long, *wide])), "utf-8")

    def goodput(*arguments: str) -> dict[str, Any]:
        answer = run("--requests-file", str(path), "--number", "9500", "--tpot", "25ms", "--format",
                     "json", "--max-batch", "16", *arguments)  # fmt: skip
        (row,) = json.loads(answer)
        return dict(row)

    prefill = goodput("--prefill-instances", "12")
    decode = goodput("--prefill-instances", "2", "--decode-instances", "2")
    either = goodput("--prefill-instances", "2", "--flexible-groups", "1")
    assert {row["accelerators"] for row in (prefill, decode, either)} == {352}
    assert either["role_changes"] == 1
    assert either["goodput_requests_per_s"] > prefill["goodput_requests_per_s"]
    assert either["goodput_requests_per_s"] > decode["goodput_requests_per_s"]


def test_a_run_of_a_trace_says_what_it_served(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    lines = ({"timestamp": n * 100, "input_length": 500 + n, "output_length": 9} for n in range(40))
    path.write_text("\n".join(map(json.dumps, lines)), "utf-8")
    text = run("--requests-file", str(path), "--number", "30")
    assert text.startswith("# 30 requests to deepseek-r1 on cloudmatrix384")


def test_what_a_run_cannot_have_is_refused() -> None:
    for arguments, said in (
        (("--ep", "32"), "not of a run"),
        (("--requests-file", "none.jsonl"), "none.jsonl: No such file"),
        (("--flexible-groups", "1", "--look-every", "1us"), "--look-every 1us: less than 1ms"),
        (("--requests-file", "x", "--turns", "2"), "those of --requests-file"),
        (("--flexible-groups", "1", "--change-time", "5"), "'5' is no time"),
        (("--flexible-groups", "1", "--change-time", "-5s"), "--change-time -5s: less than 0"),
        (("--prompt", "1000000"), "no request of 1.00013e+06 tokens fits a die of 64 GB"),
    ):
        result = CliRunner().invoke(main, ["bench", "serve", *arguments], prog_name="triplane")
        assert result.exit_code == 2
        assert said in result.stderr
        assert result.stderr.count("\n") == 1
