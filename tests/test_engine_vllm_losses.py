"""vLLM goes on when a data-parallel rank is killed: requests are answered or refused, none hangs.

Needs vLLM of the version in pyproject.toml: ``make test-engines`` has it.
"""

import json
import threading
import urllib.error
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import psutil
import pytest

pytest.importorskip("vllm", reason="vLLM is not installed; make test-engines has it")

from collectives.adapters.vllm.losses import Sentinel
from collectives.adapters.vllm.remaining import without_sentinel
from fabric.failure import RankLost
from tests.support.vllm_servers import Server, servers, tiny_engine, wait_for

PROMPTS = [[5, 6, 7, 8], [9, 10], [100, 200, 300]]
TOKENS = 100
EACH = ("--enable-expert-parallel", "--enable-fault-tolerance")


class Case(NamedTuple):
    """So many data-parallel ranks, of which that one is lost; all have these ``options``."""

    ranks: int
    lost: int
    options: tuple[str, ...] = ()

    def options_of(self, rank: int, port: int) -> list[str]:
        return [
            *EACH, "--data-parallel-size", str(self.ranks), "--data-parallel-rank", str(rank),
            "--data-parallel-address", "127.0.0.1", "--data-parallel-rpc-port", str(port),
            *self.options,
        ]  # fmt: skip


CASES = {
    "the last of two": Case(2, 1),
    "the first of three": Case(3, 0),  # who has the coordinator, which wakes the others
    "a worker of two": Case(2, 1, ("--tensor-parallel-size", "2")),
    "compiled": Case(2, 1, ("--no-enforce-eager",)),
}


def asked_of(server: Server, into: dict[int, Any]) -> list[threading.Thread]:
    """Threads that ask for all prompts, and put what is answered, or the error, into a dict."""

    def ask(number: int) -> None:
        try:
            into[number] = server.completed(PROMPTS[number], TOKENS)
        except (urllib.error.URLError, ConnectionError) as error:
            into[number] = error

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(len(PROMPTS))]
    for thread in threads:
        thread.start()
    return threads


def generating(server: Server) -> bool:
    """True if a request has tokens, and has not ended."""
    counted = dict(
        line.rsplit(" ", 1)
        for line in server.served("/metrics").splitlines()
        if line.startswith(("vllm:generation_tokens_total", "vllm:num_requests_running"))
    )
    return len(counted) == 2 and min(map(float, counted.values())) > 0


def killed(server: Server) -> None:
    """End a process that a rank's model runs in, as the operating system's killer does."""
    found = [each for each in server.processes() if each.name().startswith("VLLM::Worker")]
    found[-1].kill()
    psutil.wait_procs(found[-1:], timeout=60)


@pytest.mark.parametrize("name", CASES)
def test_the_ranks_that_are_left_go_on_serving(name: str, tmp_path: Path) -> None:
    case, port, trace = CASES[name], tiny_engine.free_port(), tmp_path / "run.json"
    environment = {"TRIPLANE_ON_LOSS": "shrink", "TRIPLANE_TRACE": str(trace)}
    options = [case.options_of(rank, port) for rank in range(case.ranks)]
    with servers(tmp_path, environment, options) as made:
        lost = made[case.lost]
        others = [server for server in made if server is not lost]
        right = [others[0].completed(prompt, TOKENS) for prompt in PROMPTS]
        found: list[dict[int, Any]] = [{} for _ in made]
        threads = [each for server, into in zip(made, found, strict=True)
                   for each in asked_of(server, into)]  # fmt: skip
        while not all(map(generating, made)):
            assert all(len(each) == 0 for each in found), "over before anything was lost"
        killed(lost)
        for thread in threads:
            thread.join(300)
            assert not thread.is_alive()
        # Those in flight at the rank that is lost are refused, the others' answered, and rightly:
        # the experts of the lost rank are loaded by those that are left.
        refused = found.pop(case.lost)
        assert all(isinstance(each, Exception) for each in refused.values())
        for answers, server in zip(found, others, strict=True):
            assert [answers[number] for number in range(len(PROMPTS))] == right
            assert [server.completed(prompt, TOKENS) for prompt in PROMPTS] == right
        assert lost.process.wait(60) is not None
        left = [process for server in others for process in server.processes()]
    psutil.wait_procs(left, timeout=60)
    wait_for(trace)
    assert json.loads(trace.read_text("utf-8"))["traceEvents"]


class Executor:
    """Workers that miss a rank, or not, and cannot go on."""

    def __init__(self, misses: bool, *, failed: bool = False) -> None:
        self.misses, self.is_failed, self.asked = misses, failed, list[str]()

    def collective_rpc(self, method: str, args: tuple[Any, ...] = ()) -> list[bool]:
        self.asked.append(method)
        if method == "go_on":
            raise RuntimeError("another rank is lost")
        return [self.misses]


@pytest.mark.parametrize(
    ("error", "misses", "asked"),
    [
        ("a request that nobody understands", False, ["misses_ranks"]),
        ("Worker failed with error 'rank 1 has ended'", True, ["misses_ranks", "go_on"] * 2),
        ("[gloo/transport/tcp/pair.cc:553] Connection closed", False, ["go_on", "misses_ranks"]),
    ],
)
def test_what_is_no_loss_is_left_to_vllm(
    error: str, misses: bool, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    left: list[Exception] = []
    monkeypatch.setattr(Sentinel.__mro__[1], "on_fault", lambda _, fault: left.append(fault))
    sentinel, executor = Sentinel.__new__(Sentinel), Executor(misses)
    sentinel.engine = SimpleNamespace(dp_size=2, current_wave=0, model_executor=executor)
    sentinel.on_fault(RuntimeError(error))
    assert executor.asked == asked
    assert str(left[0]) == ("another rank is lost" if "go_on" in asked else error)


def test_an_engine_whose_worker_has_died_ends() -> None:
    sentinel, executor = Sentinel.__new__(Sentinel), Executor(misses=True, failed=True)
    sentinel.engine = SimpleNamespace(dp_size=2, current_wave=0, model_executor=executor)
    with pytest.raises(RuntimeError, match="a worker has died"):
        sentinel.on_fault(RuntimeError("a worker has died"))
    assert not executor.asked


def test_what_was_asked_for_is_asked_for_again() -> None:
    config = SimpleNamespace(enable_fault_tolerance=True)

    def made() -> None:
        with without_sentinel(config):
            assert not config.enable_fault_tolerance
            raise RankLost("a rank is lost")

    with pytest.raises(RankLost):
        made()
    assert config.enable_fault_tolerance
