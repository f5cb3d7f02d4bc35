"""vLLM's own distributed programs, unchanged: ``make test-vllm-distributed VLLM=/path/to/it``.

They are run from a checkout of https://github.com/vllm-project/vllm (tried: v0.32.0, the version
that pyproject.toml has). Nothing of it is copied. The models that they name are made here, tiny and
with random weights: nothing is downloaded.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "examples" / "engines"))
import tiny_engine  # noqa: E402

from tests.support.checked_out import told  # noqa: E402

TESTS = "tests/distributed/"
DENSE, EXPERTS = "facebook/opt-125m", "microsoft/Phi-mini-MoE-instruct"


class Program(NamedTuple):
    """``settings``: variables of its environment."""

    name: str
    path: str
    ranks: int
    settings: dict[str, str]


PROGRAMS = (
    Program("tensor parallel", "test_torchrun_example.py", 2, {}),
    Program("tensor and pipeline parallel", "test_torchrun_example.py", 4, {"PP_SIZE": "2"}),
    Program("experts, tensor parallel", "test_torchrun_example_moe.py", 2, {"TP_SIZE": "2"}),
    Program(
        "experts, each on one rank", "test_torchrun_example_moe.py", 2,
        {"TP_SIZE": "2", "ENABLE_EP": "1"},
    ),
)  # fmt: skip

NOT_HERE = {
    "they ask for tensors on GPUs, or for NCCL, its memory or kernels": (
        "test_ca_buffer_sharing test_comm_ops test_custom_all_gather_reduce_scatter"
        " test_custom_all_reduce test_dcp_a2a test_dcp_direct_a2a_lse_reduce test_eplb_execute"
        " test_eplb_fused_moe_layer test_eplb_fused_moe_layer_dep_nvfp4"
        " test_eplb_quant_scale_consistency test_eplb_spec_decode test_engram_dp_shard"
        " test_flashinfer_pcie_ipc_all_reduce test_mnnvl_alltoall test_multiproc_executor"
        " test_nccl_symm_mem test_packed_tensor test_pp_cudagraph test_pynccl test_quick_all_reduce"
        " test_split_group test_symm_mem_allreduce test_weight_transfer test_weight_transfer_m2n"
        " test_weight_transfer_nccl_uid test_sharded_rdt_producer test_sharded_rdt_trainer"
    ),
    "they ask for AMD's kernels": (
        "test_aiter_rms_fallback test_rocm_aiter_custom_ar test_rocm_quick_reduce"
    ),
    "they ask for Ray": (
        "test_elastic_ep test_multi_node_assignment test_ray_v2_executor test_ray_v2_executor_e2e"
        " test_utils"
    ),
    "they serve models of many GB from a hub": (
        "test_context_parallel test_kimi_linear_context_parallel test_expert_parallel"
        " test_pipeline_parallel test_distributed_oot"
    ),
    "they ask for gloo by name, or for no group: nothing of them would be Triplane's": (
        "test_eplb_algo test_eplb_events test_eplb_migration_scheduler test_eplb_utils test_events"
        " test_expert_placement test_file_store test_kv_cache_events test_kvlayout"
        " test_mq_connect_ip test_node_count test_pipeline_partition test_same_node"
        " test_sharded_rdt_plan test_shm_broadcast test_shm_buffer test_shm_storage"
    ),
}
"""The other files of v0.32.0's tests/distributed, by the reason why they are not run."""


def models(folder: Path) -> None:
    """The models that the programs name, in a folder in which they are run."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import OPTConfig, OPTForCausalLM, PreTrainedTokenizerFast

    words = {f"w{number}": number for number in range(4, tiny_engine.CONFIG["vocab_size"])}
    words |= {"<s>": 0, "</s>": 1, "<pad>": 2, "<unk>": 3}
    whole = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    whole.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=whole, bos_token="<s>", eos_token="</s>", pad_token="<pad>",
        unk_token="<unk>",
    )  # fmt: skip
    for name in (DENSE, EXPERTS):
        (folder / name).mkdir(parents=True)
        tokenizer.save_pretrained(folder / name)
    dense = OPTConfig(
        vocab_size=len(words), hidden_size=128, num_hidden_layers=2, ffn_dim=256,
        num_attention_heads=4, word_embed_proj_dim=128, max_position_embeddings=1024,
        bos_token_id=0, eos_token_id=1, pad_token_id=2,
    )  # fmt: skip
    OPTForCausalLM(dense).save_pretrained(folder / DENSE)
    tiny_engine.CONFIG["max_position_embeddings"] = 1024
    tiny_engine.save(str(folder / EXPERTS))


def run(program: Program, checkout: Path, folder: Path, timeout: float) -> tuple[str | None, str]:
    """What went wrong, None if nothing has, and what it has printed."""
    environment = {
        **os.environ, **tiny_engine.ENVIRONMENT, "TRIPLANE_VLLM": "1", **program.settings,
    }  # fmt: skip
    command = [
        sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(program.ranks),
        "--master-port", str(tiny_engine.free_port()), str(checkout / TESTS / program.path),
    ]  # fmt: skip
    try:
        ended = subprocess.run(
            command, cwd=folder, env=environment, timeout=timeout, check=False, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        said = error.stdout or b""
        return f"it has not ended in {timeout:.0f} s", said.decode(errors="replace")
    missing = [rank for rank in range(program.ranks) if f"Rank {rank}, Prompt" not in ended.stdout]
    if ended.returncode or missing:
        return f"exit code {ended.returncode}, and ranks {missing} have said nothing", ended.stdout
    return None, ended.stdout


def main(arguments: Sequence[str]) -> int:
    """Run all programs; 1 if one has failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkout", type=Path)
    parser.add_argument("--only", default="", help="programs whose name begins so")
    parser.add_argument("--timeout", type=float, default=900.0, help="seconds for each")
    given = parser.parse_args(arguments)
    checkout = given.checkout.absolute()
    if not (checkout / TESTS / PROGRAMS[0].path).is_file():
        parser.error(f"{checkout} is no checkout of vLLM: it has no {TESTS + PROGRAMS[0].path}")
    chosen = [program for program in PROGRAMS if program.name.startswith(given.only)]
    with tempfile.TemporaryDirectory() as folder:
        models(Path(folder))
        passed = sum(
            told(
                f"{program.path}, {program.name}",
                partial(run, program, checkout, Path(folder), given.timeout),
            )
            for program in chosen
        )
    for reason, files in NOT_HERE.items():
        sys.stdout.write(f"not run, as {reason}:\n")
        sys.stdout.write(textwrap.indent("\n".join(textwrap.wrap(files, 90)), "  ") + "\n")
    sys.stdout.write(f"{passed} of {len(chosen)} passed\n")
    return int(passed < len(chosen))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
