"""vLLM over Triplane: ranks, and a decode instance, generate what one engine does.

Needs vLLM of the version in pyproject.toml: ``make test-engines`` has it.
"""

import json
import re
import signal
import subprocess
import sys
import urllib.error
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

pytest.importorskip("vllm", reason="vLLM is not installed; make test-engines has it")

from collectives.adapters.vllm import platform, register
from tests.support.vllm_servers import ENGINES, Server, servers, tiny_engine, wait_for


def run(program: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, str(ENGINES / program), *arguments], capture_output=True, text=True,
        timeout=1500, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


CALLS = {
    "--tensor 2": {"all_reduce", "all_gather"},
    "--tensor 2 --experts": {"all_reduce", "all_gather"},
    "--pipeline 2": {"send"},
    "--tensor 2 --pipeline 2": {"all_reduce", "send"},
}
"""What rank 0 calls. Of a pipeline it is in the first stage, and the last one gathers the logits.
Tokens are dispatched only between data-parallel ranks: a tensor-parallel group has them anyway."""


@pytest.mark.parametrize("ranks", CALLS)
def test_ranks_that_share_a_model_are_one_engine(ranks: str) -> None:
    said = run("vllm_parallel.py", *ranks.split())
    assert re.search(r"^rank 0 generates .*, as one engine does$", said, re.M)
    layers = said.rpartition("layer ")[2]
    assert set(re.findall(r"(\w+) us\b", layers)) == CALLS[ranks]
    if "tensor" in ranks:
        assert re.search(r"^ *model\.layers\.0\.self_attn\.o_proj +\d+ +[\d.]+ ", said, re.M)


@pytest.mark.parametrize("ranks", ["--data 2 --tensor 2", "--data 2 --tensor 2 --experts"])
def test_ranks_of_both_kinds_are_one_engine(ranks: str) -> None:
    said = run("vllm_parallel.py", *ranks.split())
    for rank in range(2):
        assert re.search(rf"^rank {rank} generates .*, as one engine does$", said, re.M)


def test_experts_that_cannot_be_shared_out_alike_are_one_engine() -> None:
    said = run("vllm_parallel.py", "--data", "3", "--experts")
    for rank in range(3):
        assert re.search(rf"^rank {rank} generates .*, as one engine does$", said, re.M)


@pytest.mark.parametrize("mode", ["normal", "low-latency"])
def test_two_data_parallel_ranks_with_shared_experts_are_one_engine(mode: str) -> None:
    said = run("vllm_parallel.py", "--data", "2", "--experts", "--mode", mode)
    for rank in range(2):
        assert re.search(rf"^rank {rank} generates .*, as one engine does$", said, re.M)
    steps = re.findall(r"^ *(?:dummy )?(\d+) +(\d+) +([\d.]+) +([\d.]+)$", said, re.M)
    assert len(steps) >= 8
    # Which experts the random weights choose depends on the processor, and what vLLM computes in
    # one step on its load: where all tokens of a step stay at home, both are over at once.
    times = [(float(dispatch), float(combine)) for *_, dispatch, combine in steps]
    assert all(min(each) > 0 for each in times)
    assert any(sum(each) > 1 for each in times)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A server of the tiny model over two tensor-parallel ranks with experts."""
    shared = tmp_path / "metrics"
    shared.mkdir()
    environment = {
        "TRIPLANE_TRACE": str(tmp_path / "run.json"), "TRIPLANE_RECORD": str(tmp_path / "run.npz"),
        "PROMETHEUS_MULTIPROC_DIR": str(shared),
    }  # fmt: skip
    options = ("--tensor-parallel-size", "2", "--enable-expert-parallel")
    with servers(tmp_path, environment, [options]) as found:
        yield found[0]


@pytest.mark.parametrize("ended_by", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_server_leaves_times_of_steps_and_layers_however_it_ends(
    server: Server, ended_by: int, tmp_path: Path
) -> None:
    for _ in range(2):  # of the last step, not everything need have been sent when it ends
        assert len(server.completed([5, 6, 7, 8], 8)) == 8
    metrics = server.served("/metrics")
    for rank in range(2):
        steps = rf'^triplane_step_seconds_count{{kind="requests",rank="{rank}"}} 1[56]\.0$'
        assert re.search(steps, metrics, re.M)
        assert re.search(rf'^triplane_call_.*operation="all_reduce",rank="{rank}"', metrics, re.M)
    assert "vllm:generation_tokens_total" in metrics
    workers = server.processes()
    if ended_by == signal.SIGKILL:  # a worker is killed, not the server: vLLM then ends itself
        next(each for each in workers if "Worker_TP1" in each.name()).kill()
        with pytest.raises((urllib.error.URLError, ConnectionError)):
            server.completed([5, 6, 7, 8], 8)
    else:
        server.process.send_signal(ended_by)
    trace, record = tmp_path / "run.json", tmp_path / "run.npz"
    wait_for(trace, record)
    psutil.wait_procs(workers, timeout=60)
    spans = {event["name"] for event in json.loads(trace.read_text("utf-8"))["traceEvents"]}
    assert {"warm-up step 0", "step 2", "step 9", "model.layers.1.mlp.experts"} <= spans
    table = subprocess.run(
        [Path(sys.executable).with_name("triplane"), "replay", record, "--by", "layer"],
        capture_output=True, text=True, timeout=300, check=True,
    ).stdout  # fmt: skip
    assert re.search(r"^model\.layers\.0\.self_attn\.o_proj +all_reduce +\d+ +2 ", table, re.M)
    assert re.search(r"^logits_processor +all_gather +\d+ +2 ", table, re.M)


def test_data_parallel_ranks_of_a_dense_model_are_one_engine(tmp_path: Path) -> None:
    prompts, shared = [[5, 6, 7, 8], [9, 10], [100, 200, 300], [11, 12, 13]], tmp_path / "metrics"
    with servers(tmp_path, {"TRIPLANE_VLLM": "0"}, [()], tiny_engine.DENSE) as (whole,):
        right = [whole.completed(prompt, 8) for prompt in prompts]
    shared.mkdir()
    environment = {
        "TRIPLANE_RECORD": str(tmp_path / "run.npz"), "PROMETHEUS_MULTIPROC_DIR": str(shared)
    }  # fmt: skip
    options = ("--data-parallel-size", "2", "--tensor-parallel-size", "2")
    with (
        servers(tmp_path, environment, [options], tiny_engine.DENSE) as (server,),
        ThreadPoolExecutor(len(prompts)) as asking,
    ):
        assert list(asking.map(lambda prompt: server.completed(prompt, 8), prompts)) == right
        metrics = server.served("/metrics")
        server.process.send_signal(signal.SIGTERM)
        wait_for(tmp_path / "run.npz", tmp_path / "run-dp1.npz")
    steps = r'^triplane_step_seconds_count{kind="requests",rank="(\d)"} (\d+)\.0$'
    counts = {int(rank): int(count) for rank, count in re.findall(steps, metrics, re.M)}
    assert counts.keys() == set(range(4)), "each engine has had requests"
    assert (counts[0], counts[2]) == (counts[1], counts[3])


def test_a_decode_instance_goes_on_from_fetched_blocks() -> None:
    said = run("vllm_prefill_decode.py")
    assert "as computed" in said
    assert "vLLM counts 96 tokens" in said
    assert len(re.findall(r"^model\.layers\.\d+\.self_attn\.attn +2 +[\d.]+$", said, re.M)) == 2


def test_the_platform_is_used_only_where_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRIPLANE_VLLM", raising=False)
    assert platform() is None
    monkeypatch.setenv("TRIPLANE_VLLM", "1")
    assert platform() == "collectives.adapters.vllm.platform.TriplanePlatform"
    monkeypatch.setenv("TRIPLANE_VLLM", "yes")
    with pytest.raises(ValueError, match="TRIPLANE_VLLM is 'yes'; it has to be 1"):
        platform()


def test_the_connector_has_a_name_however_often_it_is_registered() -> None:
    from vllm.distributed.kv_transfer.kv_connector.factory import KVConnectorFactory

    register()
    register()
    made = KVConnectorFactory._registry["TriplaneConnector"]()
    assert made.__module__ == "collectives.adapters.vllm.connector"
    assert not made.__abstractmethods__
