"""Real tokens from attention to expert ranks and back equal the dense mixture, bit for bit."""

from typing import Any

import ml_dtypes
import numpy as np
import pytest

from collectives import init
from collectives.moe import TokenError
from collectives.moe.apart import DIRECT, TRAMPOLINE, Apart
from fabric.launching.launch import launch

HIDDEN, TOP_K = 128, 3
DTYPE = np.dtype(ml_dtypes.bfloat16)


def given(rank: int, tokens: int, experts: int) -> tuple[Any, Any, Any]:
    """The tokens of an attention rank, their choices and weights."""
    rng = np.random.default_rng(rank)
    x = rng.standard_normal((tokens, HIDDEN)).astype(DTYPE)
    choices = rng.random((tokens, experts)).argsort()[:, :TOP_K]
    return x, choices, rng.random((tokens, TOP_K), np.float32)


def dense(rank: int, tokens: int, experts: int) -> Any:
    """What must come back: expert e multiplies by e + 1; sums in float32, slot after slot."""
    x, choices, weights = given(rank, tokens, experts)
    total = np.zeros((tokens, HIDDEN), np.float32)
    for slot in range(TOP_K):
        made = (x.astype(np.float32) * (choices[:, slot, None] + 1)).astype(DTYPE)
        total += weights[:, slot, None] * made.astype(np.float32)
    return total.astype(DTYPE)


def program(way: str, tokens: list[int], local: int, rounds: int) -> list[Any]:
    """What an attention rank gets back each round, and when; an expert rank: rows and when."""
    with init() as comm:
        attention = len(tokens)
        experts = (comm.size - attention) * local
        layer = Apart(
            comm, attention=attention, experts=local, hidden=HIDDEN, max_tokens=max(tokens),
            top_k=TOP_K, way=way, wire="as-is",
        )  # fmt: skip
        seen: list[Any] = []
        for _ in range(rounds):
            if comm.rank < attention:
                _, handle = layer.to_experts(*given(comm.rank, tokens[comm.rank], experts))
                seen.append((layer.to_attention(None, handle), comm.now()))
                continue
            received, handle = layer.to_experts()
            assert received is not None
            assert handle.handle is not None
            assert layer.layer is not None
            y = layer.layer.results(handle.handle)
            first = (comm.rank - attention) * local
            for expert, count in enumerate(received.counts):
                y[expert, :count] = received.x[expert, :count] * (first + expert + 1)
            assert layer.to_attention(y, handle) is None
            seen.append((int(received.counts.sum()), comm.now()))
        return seen


@pytest.mark.parametrize("way", [TRAMPOLINE, DIRECT])
@pytest.mark.parametrize(
    ("tokens", "hosts", "local"), [([5, 0, 3], 4, 2), ([4], 3, 1), ([2, 7], 2, 3)]
)
def test_tokens_come_back_as_the_dense_mixture(
    way: str, tokens: list[int], hosts: int, local: int
) -> None:
    experts = hosts * local
    ranks = len(tokens) + hosts
    seen = launch(program, ranks, None, "inproc", args=(way, tokens, local, 2), timeout=60)
    for rank, count in enumerate(tokens):
        for out, _ in seen[rank]:
            wanted = dense(rank, count, experts)
            np.testing.assert_array_equal(out.view(np.uint8), wanted.view(np.uint8))
    for rounds in zip(*seen[len(tokens) :], strict=True):
        assert sum(rows for rows, _ in rounds) == sum(tokens) * TOP_K


def test_a_trampoline_takes_longer_than_the_direct_way_and_moves_fewer_messages() -> None:
    times = {}
    for way in (TRAMPOLINE, DIRECT):
        seen = launch(
            program, 8, "cloudmatrix384", "inproc", args=(way, [16] * 4, 1, 1), timeout=60
        )
        times[way] = max(at for rounds in seen for _, at in rounds)
    assert 0 < times[DIRECT] < times[TRAMPOLINE]


def made(changed: dict[str, Any]) -> None:
    with init() as comm:
        common = {"attention": 1, "experts": 1, "hidden": 128, "max_tokens": 4, "top_k": 1}
        layer = Apart(comm, **common | changed)
        own = (np.zeros((1, 128), np.float32), np.zeros((1, 1), np.int64), np.ones((1, 1)))
        layer.to_experts(*() if layer.has_experts else own)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"attention": 2}, "2 attention ranks need as many trampolines, and there are 1"),
        ({"way": "round"}, "way is 'round'; it has to be trampoline or direct"),
        ({"attention": 3}, "attention is 3"),
        ({}, "rank 0: x is float32"),
    ],
)
def test_what_does_not_fit_is_refused(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(TokenError, match=said):
        launch(made, 3, None, "inproc", args=(changed,), timeout=60)
