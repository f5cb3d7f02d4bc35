"""HuggingFace transformers over Triplane: what one process generates, ranks generate.

Needs transformers of the version in pyproject.toml: ``make test-engines`` has it.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

transformers = pytest.importorskip(
    "transformers", reason="transformers is not installed; make test-engines has it"
)
torch = pytest.importorskip("torch", reason="torch is not installed; make test-engines has it")

from collectives.adapters.routing_hook import captured_routing  # noqa: E402
from collectives.adapters.transformers import in_process, register  # noqa: E402
from collectives.moe import TokenError  # noqa: E402
from collectives.moe.routing.captured import gathered  # noqa: E402

ENGINES = Path(__file__).parents[1] / "examples" / "engines"
MODELS: dict[str, Any] = {
    "deepseek_v3": lambda: transformers.DeepseekV3Config(
        vocab_size=128, hidden_size=64, intermediate_size=64, moe_intermediate_size=32,
        num_hidden_layers=3, num_attention_heads=2, num_key_value_heads=2, n_shared_experts=1,
        n_routed_experts=8, num_experts_per_tok=3, n_group=4, topk_group=2, kv_lora_rank=16,
        q_lora_rank=24, qk_rope_head_dim=16, v_head_dim=16, qk_nope_head_dim=16,
        first_k_dense_replace=1, max_position_embeddings=64,
    ),
    "qwen3_moe": lambda: transformers.Qwen3MoeConfig(
        vocab_size=128, hidden_size=64, intermediate_size=64, moe_intermediate_size=32,
        num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=2, head_dim=32,
        num_experts=8, num_experts_per_tok=2, max_position_embeddings=64,
    ),
    "mixtral": lambda: transformers.MixtralConfig(
        vocab_size=128, hidden_size=64, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=2, num_key_value_heads=2, num_local_experts=5, num_experts_per_tok=2,
        max_position_embeddings=64,
    ),
}  # fmt: skip


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def model(kind: str, experts: str) -> Any:
    torch.manual_seed(0)
    config = MODELS[kind]()
    found = transformers.AutoModelForCausalLM.from_config(config, experts_implementation=experts)
    return found.eval()


def generated(kind: str, experts: str) -> list[list[int]]:
    prompts = torch.randint(3, 128, (2, 5), generator=torch.Generator().manual_seed(1))
    tokens = {"max_new_tokens": 4, "min_new_tokens": 4, "do_sample": False, "pad_token_id": 0}
    with torch.no_grad():
        return list(model(kind, experts).generate(prompts, **tokens).tolist())


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize(("mode", "ranks"), [("normal", 1), ("normal", 12), ("low-latency", 3)])
def test_one_process_stands_for_many_ranks(kind: str, mode: str, ranks: int) -> None:
    with in_process("triplane_test", ranks, mode, software="cann-ep") as record:
        assert generated(kind, "triplane_test") == generated(kind, "eager")
        rows = record.rows()
    layers = {row.layer for row in rows}
    assert len(layers) == 2
    assert len(rows) == 2 * 2 * 4  # dispatch and combine, of each layer, in each step
    assert [row.tokens for row in rows][:: 2 * 2] == [10, 2, 2, 2]
    assert all(row.duration > 0 for row in rows)


def test_a_model_outlives_its_ranks_and_says_so() -> None:
    with in_process("triplane_test", 2):
        held = model("mixtral", "triplane_test")
    with torch.no_grad(), pytest.raises(TokenError, match="in_process` is over"):
        held(torch.ones(1, 3, dtype=torch.int64))


def test_what_a_rank_of_the_process_raises_is_raised() -> None:
    with (
        in_process("triplane_test", 2, "low-latency", max_tokens=2) as _,
        torch.no_grad(),
        pytest.raises(TokenError, match="x has 3 tokens, and the buffers were made for 2"),
    ):
        model("mixtral", "triplane_test")(torch.ones(1, 6, dtype=torch.int64))


def test_a_world_that_cannot_be_is_an_error_not_a_wait() -> None:
    with (
        in_process("triplane_test", 3, system="star:2"),
        torch.no_grad(),
        pytest.raises(ValueError, match="3 ranks are more than the 2 endpoints of star"),
    ):
        model("mixtral", "triplane_test")(torch.ones(1, 6, dtype=torch.int64))


def test_experts_without_ranks_are_an_error() -> None:
    register("triplane_test")
    with pytest.raises(TokenError, match="has no ranks to send tokens to"):
        model("mixtral", "triplane_test")(torch.ones(1, 3, dtype=torch.int64))
    with pytest.raises(TokenError, match="mode is 'high'; there are normal, low-latency"):
        register("triplane_test", "high")


def test_training_in_one_process_says_that_it_has_no_gradients() -> None:
    with in_process("triplane_test", 2), pytest.raises(TokenError, match="has no gradients"):
        model("mixtral", "triplane_test").train()(torch.ones(1, 3, dtype=torch.int64))


def run(ranks: int, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    program = "from bench.cli import main; main()"
    options = ("run", "-n", str(ranks), "--timeout", "580")
    return subprocess.run(
        [sys.executable, "-c", program, *options, "--software", "cann-ep", *arguments],
        capture_output=True, text=True, timeout=600, check=False, env=os.environ | environment,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("ranks", "arguments"),
    [(2, ()), (4, ("--mode", "low-latency")), (4, ("--dtype", "float32", "--batch", "3"))],
)
def test_deepseek_over_processes_is_deepseek(ranks: int, arguments: tuple[str, ...]) -> None:
    done = run(ranks, str(ENGINES / "deepseek_tiny.py"), *arguments)
    assert done.returncode == 0, done.stderr
    for rank in range(ranks):
        assert re.search(rf"^rank {rank} generates .*, as one process does$", done.stdout, re.M)
    steps = re.findall(r"^ +(\d+) +(\d+) +([\d.]+) +([\d.]+)$", done.stdout, re.M)
    assert len(steps) == 8
    assert all(float(dispatch) > 1 and float(combine) > 1 for *_, dispatch, combine in steps)


PROGRAM = str(Path(__file__).parent / "programs" / "transformers_ranks.py")


@pytest.mark.parametrize("what", ["tensor", "train", "whole"])
def test_shared_batches_training_and_whole_experts(what: str, tmp_path: Path) -> None:
    done = run(2, PROGRAM, what, str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert f"{what}: as one process" in done.stdout


def test_the_others_generate_on_when_a_rank_is_killed(tmp_path: Path) -> None:
    done = run(3, "--sync", "eager", "--on-loss", "shrink", PROGRAM, "survive", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "0 goes on as 0 of 2" in done.stdout
    assert "2 goes on as 1 of 2" in done.stdout
    assert "rank 1 was killed by SIGKILL; the others went on" in done.stderr


def test_a_rank_that_dies_in_a_layer_is_named(tmp_path: Path) -> None:
    done = run(2, PROGRAM, "die", str(tmp_path))
    assert done.returncode != 0
    assert re.search(r"rank 0 learns: .*rank 1", done.stdout)
    assert "rank 1" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("kind", MODELS)
def test_the_hook_captures_what_every_layer_chooses(kind: str) -> None:
    whole = model(kind, "eager")
    choose = [name for name, module in whole.named_modules() if name.endswith(".experts")]
    calls: list[Any] = []
    for name in choose:
        module = whole.get_submodule(name)
        module.register_forward_pre_hook(
            lambda _, args, named: calls.append((*args, *named.values())), with_kwargs=True
        )
    ids = torch.arange(14).reshape(2, 7)
    with captured_routing(whole, rank=1) as found, torch.no_grad():
        for _ in range(2):
            whole(ids)
    captured = gathered(found)
    assert captured.layers == tuple(choose)
    assert captured.experts == (5 if kind == "mixtral" else 8)
    for number, (_, chosen, weights) in enumerate(calls):
        step, layer = divmod(number, len(choose))
        mine = (captured.step == step) & (captured.layer == layer)
        assert captured.topk_idx[mine].tolist() == chosen.tolist()
        assert captured.weights is not None
        assert captured.weights[mine].tolist() == weights.float().tolist()
