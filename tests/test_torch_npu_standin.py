"""Standing in for torch_npu: an unchanged program, what is refused, and its kernels."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from collectives.adapters import torch_npu
from collectives.moe.tensors import TokenError

PROGRAMS = Path(__file__).parent / "programs"


def run(*arguments: str) -> str:
    """What a program prints, in a process of its own: torch keeps the name "npu"."""
    ended = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", *arguments],
        cwd=PROGRAMS.parents[1], text=True, capture_output=True, timeout=400,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_a_program_for_ascend_runs_with_no_line_changed() -> None:
    program = str(PROGRAMS / "torch_npu_user.py")
    triplane = str(Path(sys.executable).with_name("triplane"))
    said = run("-m", "collectives.adapters.torch_npu", triplane, "run", "-n", "2", program)
    right = "[2.0, 2.0, 2.0, 2.0] alike True within True Triplane"
    assert sorted(said.splitlines()) == [f"rank {rank}: {right}" for rank in range(2)]


def test_what_programs_ask_of_torch_npu_has_an_answer() -> None:
    assert run(str(PROGRAMS / "torch_npu_checks.py")) == "torch is as it was\n"


def test_nothing_of_it_is_there_unless_asked_for() -> None:
    assert not hasattr(torch, "npu")
    assert not hasattr(torch_npu, "npu")
    assert not hasattr(torch_npu, "npu_fusion_attention")
    with pytest.raises(AttributeError, match="npu_fusion_attention is not in Triplane's stand-in"):
        _ = torch_npu.npu_fusion_attention
    made = torch_npu.environment({"PYTHONPATH": "x", "HOME": "y"})
    assert made["PYTHONPATH"].endswith(f"{os.pathsep}x")
    assert made["HOME"] == "y"


GROUPS = [2, 0, 3]
"""Rows of each group; the sixth row is in none."""


@pytest.mark.parametrize(("kind", "listed"), [(1, GROUPS), (0, [2, 2, 5])])
@pytest.mark.parametrize("biased", [False, True])
def test_each_group_is_multiplied_with_its_own(kind: int, listed: list[int], biased: bool) -> None:
    torch.manual_seed(0)
    x, weight, bias = torch.randn(6, 4), torch.randn(3, 4, 5), torch.randn(3, 5)
    out = torch_npu.npu_grouped_matmul(
        [x], [weight], bias=[bias] if biased else None, group_list=torch.tensor(listed),
        group_list_type=kind, group_type=0, split_item=2,
    )  # fmt: skip
    of = [0, 0, 2, 2, 2]
    for row, group in enumerate(of):
        expected = x[row] @ weight[group] + (bias[group] if biased else 0)
        torch.testing.assert_close(out[0][row], expected)
    assert out[0][5:].eq(0).all()
    each = torch_npu.npu_grouped_matmul([x[:2], x[2:]], [weight[0], weight[1]], group_type=-1)
    torch.testing.assert_close(each[1], x[2:] @ weight[1])


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"group_list": torch.tensor([3, 1, 9]), "group_type": 0, "split_item": 2}, "group_list"),
        ({"group_list": torch.tensor([1, 2, 3]), "group_type": 0}, "split_item"),
        ({"group_type": 2}, "group_type"),
        ({"scale": [torch.ones(3)]}, "scale"),
        ({"act_type": 1}, "act_type"),
    ],
)
def test_other_products_are_refused_by_name(options: dict[str, object], word: str) -> None:
    with pytest.raises(TokenError, match=word):
        torch_npu.npu_grouped_matmul([torch.ones(6, 4)], [torch.ones(3, 4, 5)], **options)  # type: ignore[arg-type]


def test_experts_are_chosen_by_their_weight() -> None:
    scores = torch.tensor([[0.0, 2.0, 1.0], [3.0, 0.0, 1.0]])
    weights, chosen, places = torch_npu.npu_moe_gating_top_k_softmax(
        scores, torch.tensor([False, True]), k=2
    )
    assert chosen.tolist() == [[1, 2], [3, 3]]
    assert chosen.dtype == places.dtype == torch.int32
    assert places.tolist() == [[0, 2], [1, 3]]
    whole = torch.exp(scores[0]) / torch.exp(scores[0]).sum()
    torch.testing.assert_close(weights[0], whole[[1, 2]])


def test_what_layers_compute_is_what_its_formula_says() -> None:
    torch.manual_seed(0)
    x, gamma = torch.randn(3, 8), torch.rand(8)
    normed, rstd = torch_npu.npu_rms_norm(x, gamma)
    for row in range(3):
        root = (sum(float(each) ** 2 for each in x[row]) / 8 + 1e-6) ** 0.5
        torch.testing.assert_close(normed[row], x[row] / root * gamma)
        torch.testing.assert_close(float(rstd[row]), 1 / root)
    gated = torch_npu.npu_swiglu(x)
    torch.testing.assert_close(gated, x[:, :4] / (1 + torch.exp(-x[:, :4])) * x[:, 4:])
    numbers, scale = torch_npu.npu_dynamic_quant(x)
    assert numbers.dtype == torch.int8
    assert numbers.abs().amax(-1).tolist() == [127] * 3
    assert ((numbers.float() * scale[:, None] - x).abs() <= scale[:, None] * 0.501).all()
    assert torch_npu.npu_format_cast(x, 29) is x
    assert torch_npu.get_npu_format(x) == 2
