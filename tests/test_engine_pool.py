"""vLLM with a pool of KV blocks behind its connector: the tokens are those of vLLM without it.

Needs vLLM of the version in pyproject.toml: ``make test-engines`` has it.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("vllm", reason="vLLM is not installed; make test-engines has it")

ROOT = Path(__file__).parents[1]


def run(program: str) -> str:
    done = subprocess.run(
        [sys.executable, str(ROOT / program)], capture_output=True, text=True, timeout=2400,
        check=False, env={**os.environ, "PYTHONPATH": str(ROOT / "examples" / "engines")},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def test_chats_over_a_prefill_and_a_decode_instance_and_a_pool() -> None:
    said = run("examples/engines/vllm_pool.py")
    answers = re.findall(r"^chat \d, turn \d, \d+ tokens: .*, (.*)$", said, re.M)
    assert answers == ["as vLLM alone"] * 4
    producer, consumer = said.split("kv_producer: ")[1].split("kv_consumer: ")
    hits = [int(re.match(r"vLLM counts (\d+) tokens", one)[1]) for one in (producer, consumer)]
    assert hits == [128 + 256 + 256, 256 + 224 + 288 + 288]
    for counts, operation in ((producer, "pool read"), (producer, "pool write"),
                              (consumer, "kv transfer")):  # fmt: skip
        assert f"{operation} us" in counts
        assert re.search(rf"^.*{operation} us.*$\n^ *\d+ +\d+ .*\d", counts, re.M)


def test_a_pool_that_loses_blocks_and_servers_changes_no_token() -> None:
    said = run("tests/programs/vllm_pool_losses.py")
    assert re.search(r"^no server left: 0 tokens from the pool$", said, re.M)
