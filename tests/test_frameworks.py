"""Frameworks for training over Triplane: what they compute is what they compute over gloo.

``make test-frameworks`` has them: Megatron-Core, torchtitan, DeepSpeed, accelerate, Lightning,
and SGLang in an environment of its own.
"""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.programs.framework_ranks import SUBJECTS

PROGRAM = Path(__file__).parent / "programs" / "framework_ranks.py"
RANKS = 2

ON_CUDA = ("megatron", "torchtitan", "sglang")
"""Written for CUDA devices: they run with the stand-in for torch.cuda and DeepEP."""

ROUNDED = dict.fromkeys(("torchtitan-deepep", "sglang-normal", "sglang-low-latency"), 2**-7)
"""What fraction of the largest number others may be off, where the reference adds up in another
order: a step of bfloat16. All others are equal to the bit."""

HERE = [
    subject for subject in SUBJECTS
    if importlib.util.find_spec("sglang" if subject.startswith("sglang") else "megatron")
]  # fmt: skip
"""What can be run in this environment."""

if not HERE:
    pytest.skip("no frameworks; make test-frameworks has them", allow_module_level=True)


def computed(subject: str, backend: str, folder: Path) -> list[dict[str, torch.Tensor]]:
    standing = ["-m", "collectives.adapters.deep_ep"] if subject.startswith(ON_CUDA) else []
    launched = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={RANKS}"]
    ended = subprocess.run(
        [sys.executable, *standing, *launched, str(PROGRAM), subject, backend, str(folder)],
        env={**os.environ, "OMP_NUM_THREADS": "1", "TORCHDYNAMO_DISABLE": "1"},
        capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr[-4000:]
    return [torch.load(folder / f"{backend}-{rank}.pt") for rank in range(RANKS)]


@pytest.mark.parametrize("subject", HERE)
def test_a_framework_computes_what_it_does_over_gloo(subject: str, tmp_path: Path) -> None:
    expected = computed(subject, "gloo", tmp_path)
    found = computed(subject, "triplane", tmp_path)
    for mine, reference in zip(found, expected, strict=True):
        assert mine.keys() == reference.keys()
        assert len(mine) > 1
        for name, tensor in reference.items():
            off = ROUNDED.get(subject, 0.0) * float(tensor.abs().max())
            torch.testing.assert_close(mine[name], tensor, rtol=0, atol=off)
