"""Routings captured from a model: the file, what is drawn of it, and the hook that writes it."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from collectives import init
from collectives.adapters.routing_hook import captured_routing
from collectives.moe import LowLatency, RoutingError, TokenError, parse_skew
from collectives.moe.routing.captured import (
    CapturedRouting,
    RoutedTokens,
    gathered,
    is_captured,
    load_captured,
    save_captured,
    selected_capture,
)
from collectives.workloads.recorded.routings import routings
from fabric import launch
from fabric.run_log.file import load
from tests.support.commands import refused, run

EXPERTS = 16


def capture(weights: bool = True) -> CapturedRouting:
    """Two layers, three steps, two ranks with unlike numbers of tokens."""
    chances = np.random.default_rng(3)
    blocks = []
    for step in range(3):
        for layer in ("first", "second"):
            for rank in range(2):
                size = 4 + rank + step
                chosen = np.argsort(chances.random((size, EXPERTS)), axis=1)[:, :2]
                told = chances.random(chosen.shape).astype(np.float32) if weights else None
                blocks.append(RoutedTokens(step, layer, rank, EXPERTS, chosen, told))
    return gathered(blocks)


def same(one: CapturedRouting, other: CapturedRouting) -> None:
    for name in ("topk_idx", "step", "layer", "rank"):
        assert np.array_equal(getattr(one, name), getattr(other, name)), name
    assert (one.layers, one.experts) == (other.layers, other.experts)
    assert (one.weights is None) == (other.weights is None)
    if one.weights is not None:
        assert np.array_equal(one.weights, other.weights)


@pytest.mark.parametrize("weights", [True, False])
@pytest.mark.parametrize("suffix", ["npz", "jsonl"])
def test_a_file_keeps_everything(suffix: str, weights: bool, tmp_path: Path) -> None:
    path = tmp_path / f"capture.{suffix}"
    save_captured(capture(weights), path)
    assert is_captured(path)
    same(load_captured(path), capture(weights))


def test_a_routing_of_one_step_is_no_capture(tmp_path: Path) -> None:
    np.savez(tmp_path / "one.npz", topk_idx=np.zeros((2, 3, 1), np.int64), experts=4)
    assert not is_captured(tmp_path / "one.npz")
    assert not is_captured(tmp_path / "none.npz")


def test_one_layer_and_step_is_as_it_was(tmp_path: Path) -> None:
    path, whole = tmp_path / "capture.npz", capture()
    save_captured(whole, path)
    routing = parse_skew(f"file:{path}#layer=second,step=1", 2, 6, 2, EXPERTS)
    mine = (whole.layer == 1) & (whole.step == 1)
    for rank in range(2):
        wanted = whole.topk_idx[mine & (whole.rank == rank)]
        assert np.array_equal(routing.topk_idx[rank], wanted)
    assert selected_capture(f"{path}#step=1-2").most_tokens == 7


@given(st.integers(1, 9), st.integers(0, 30), st.integers(0, 3))
@settings(max_examples=30, deadline=None)
def test_each_token_is_drawn_as_often_as_any_other(ranks: int, tokens: int, seed: int) -> None:
    whole = capture()
    routing = whole.drawn(ranks, tokens, seed)
    assert (routing.ranks, routing.tokens.tolist()) == (ranks, [tokens] * ranks)
    drawn = [tuple(row) for rank in routing.topk_idx for row in rank.tolist()]
    times = {row: drawn.count(row) for row in map(tuple, whole.topk_idx.tolist())}
    there = {row: whole.topk_idx.tolist().count(list(row)) for row in times}
    rounds, more = divmod(ranks * tokens, len(whole.topk_idx))
    assert len(drawn) == sum(times.values())
    for row, count in times.items():
        assert rounds * there[row] <= count <= (rounds + bool(more)) * there[row]


def test_bench_moe_draws_for_any_ep_and_takes_one_step_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "capture.npz"
    save_captured(capture(), path)
    said = json.loads(run("bench", "moe", "--skew", f"file:{path}", "--ep", "4,8", "--tokens", "16",
                            "--format", "json"))  # fmt: skip
    assert [(row["ranks"], row["tokens"], row["top_k"]) for row in said] == [
        (ep, 16, 2) for ep in (4, 8) for _ in range(2)
    ]
    said = json.loads(run("bench", "moe", "--skew", f"file:{path}#layer=first,step=2", "--format",
                            "json"))  # fmt: skip
    assert [row["ranks"] for row in said] == [2, 2]
    assert "--top-k asks for 4" in refused("bench", "moe", "--skew", f"file:{path}", "--top-k", "4")
    assert "no layer 'third'" in refused("bench", "moe", "--skew", f"file:{path}#layer=third")


@pytest.mark.parametrize(
    ("selection", "words"),
    [("layer=third", "no layer 'third'; there are first, second"), ("step=9", "the steps are 0 to"),
     ("steps=1", "selects nothing"), ("step=x", "selects nothing"), ("", "")],
)  # fmt: skip
def test_a_selection_that_selects_nothing_is_refused(
    selection: str, words: str, tmp_path: Path
) -> None:
    path = tmp_path / "capture.jsonl"
    save_captured(capture(), path)
    if not words:
        same(selected_capture(f"{path}#{selection}"), capture())
        return
    with pytest.raises(RoutingError, match=re.escape(words)):
        selected_capture(f"{path}#{selection}")


LINE = {"step": 0, "layer": "a", "rank": 0, "experts": 4, "topk_idx": [[0, 1]]}


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([{**LINE, "topk_idx": [[0, 9]]}], "topk_idx has 9, outside -1..3"),
        ([{**LINE, "rank": -1}], "line 1 is .*rank is -1"),
        ([LINE, {**LINE, "experts": 5}], "top-2 of 4, top-2 of 5; one number of experts"),
        ([{**LINE, "topk_idx": [[0], [1, 2]]}], "line 1 is"),
        ([{**LINE, "topk_weights": [[1.0]]}], "topk_weights is"),
        ([{"step": 0}], "line 1 is"),
        ([[]], "line 1 is"),
        ([], "no tokens"),
    ],
)
def test_lines_that_are_wrong_are_refused(lines: list[object], words: str, tmp_path: Path) -> None:
    path = tmp_path / "capture.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(RoutingError, match=f"{re.escape(str(path))}: .*{words}"):
        load_captured(path)


def test_arrays_that_are_wrong_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "capture.npz"
    save_captured(capture(), path)
    whole = dict(np.load(path))
    for name, value, words in (
        ("layer", whole["layer"] + 5, "layer has 6"), ("step", whole["step"][1:], "step has"),
        ("rank", whole["rank"] - 1, "rank has -1"), ("experts", np.int64(0), "experts is"),
        ("layers", np.frombuffer(b"[1]", np.uint8), "layers"),
        ("topk_weights", whole["topk_weights"][:1], "topk_weights is"),
        ("topk_idx", whole["topk_idx"][:, 0], "topk_idx is"),
    ):  # fmt: skip
        np.savez(path, **{**whole, name: value})
        with pytest.raises(RoutingError, match=words):
            load_captured(path)


def steps() -> None:
    comm = init()
    few = LowLatency(comm, experts=4, hidden=128, max_tokens=4)
    for step in range(2):
        for layer in range(2):
            chosen = np.array([[step, 2 + layer], [comm.rank, 3]])
            with comm.span(f"moe {layer}"):
                got, handle, _ = few.dispatch(np.ones((2, 128), np.float32), chosen)
                few.combine(got.x, handle, np.full((2, 2), 0.5, np.float32))


def test_a_recorded_run_has_the_routings_of_its_layers_and_steps(tmp_path: Path) -> None:
    launch(steps, 2, record=tmp_path / "run.npz", timeout=60)
    found = routings(load(tmp_path / "run.npz"))
    assert (found.layers, found.experts) == (("moe 0", "moe 1"), 4)
    for step in range(2):
        for layer in range(2):
            for rank in range(2):
                mine = (found.step == step) & (found.layer == layer) & (found.rank == rank)
                wanted = [[step, 2 + layer], [rank, 3]]
                assert found.topk_idx[mine].tolist() == wanted
    assert found.weights is not None
    assert (found.weights == 0.5).all()


class Experts(nn.Module):
    """As the experts of transformers: called with the choices of tokens."""

    num_experts = 6

    def forward(self, hidden: Tensor, top_k_index: Tensor, top_k_weights: Tensor) -> Tensor:
        """The tokens as they are."""
        return hidden + 0 * top_k_weights.sum()


class Model(nn.Module):
    """Two layers of experts, chosen by the token's own number."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([Experts(), Experts()])

    def forward(self, tokens: Tensor) -> Tensor:
        """What the layers make of ``tokens``: [tokens, 1]."""
        for number, layer in enumerate(self.layers):
            first = (tokens[:, 0].long() + number) % 6
            chosen = torch.stack([first, (first + 1) % 6], dim=1)
            tokens = layer(tokens, top_k_index=chosen, top_k_weights=chosen / 10)
        return tokens


def test_the_hook_captures_what_a_model_chooses_and_is_gone_afterwards() -> None:
    model = Model()
    with captured_routing(model, rank=3) as found:
        for size in (4, 2):
            model(torch.arange(float(size))[:, None])
    model(torch.ones(1, 1))
    whole = gathered(found)
    assert (whole.layers, whole.experts) == (("layers.0", "layers.1"), 6)
    assert set(whole.rank.tolist()) == {3}
    for step, size in enumerate((4, 2)):
        for layer in range(2):
            mine = (whole.step == step) & (whole.layer == layer)
            wanted = [[(token + layer) % 6, (token + layer + 1) % 6] for token in range(size)]
            assert whole.topk_idx[mine].tolist() == wanted
            assert whole.weights is not None
            assert np.allclose(whole.weights[mine], np.array(wanted) / 10)


def test_the_hook_refuses_a_model_without_experts() -> None:
    with (
        pytest.raises(TokenError, match="no module of Linear is given"),
        captured_routing(nn.Linear(1, 1)),
    ):
        raise AssertionError("the block is entered")
