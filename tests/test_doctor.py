"""What triplane doctor finds, and that ranks get by without what it names."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner

from bench.cli import COMMANDS, main
from bench.doctor import checks
from collectives import init
from fabric import launch
from fabric.host.lacking import CALLS, LACKS
from fabric.transports import peer_memory
from fabric.transports.zmq.doorbell import nameless


def answer(*words: str) -> list[dict[str, str]]:
    found = CliRunner().invoke(main, ["doctor", "--format", "json", *words])
    assert found.exit_code == 0, found.output
    records: list[dict[str, str]] = json.loads(found.stdout)
    return records


def test_what_is_missing_comes_with_what_happens_then() -> None:
    for one in answer():
        assert one["state"] in ("yes", "limited", "no")
        assert one["found"]
        assert one["state"] == "yes" or one["without"], one
    table = CliRunner().invoke(main, ["doctor"]).stdout
    assert table.splitlines()[0].split() == ["what", "there", "found"]


def test_a_missing_package_ends_with_1(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "NEEDED", ("numpy", "no-such-package-there-is"))
    found = CliRunner().invoke(main, ["doctor"])
    assert "without no-such-package-there-is" in found.stdout
    assert found.exit_code == 1


def test_what_the_environment_denies_is_named() -> None:
    line = [
        sys.executable,
        "-c",
        "from bench.cli import main; main()",
        "doctor",
        "--format",
        "json",
    ]
    env = {**os.environ, LACKS: ",".join(CALLS)}
    run = subprocess.run(line, env=env, capture_output=True, text=True, check=True, timeout=60)
    state = {one["name"]: one["state"] for one in json.loads(run.stdout)}
    assert state["process_vm_readv"] == "limited"
    assert state["shared memory"] == "limited"


def _sums() -> tuple[list[float], float, bool, bool]:
    with init() as comm:
        x = np.arange(1 << 16, dtype=np.float32) + comm.rank
        comm.all_reduce(x)
        out = np.empty(3, np.int64)
        comm.all_to_all(out, np.arange(3, dtype=np.int64) + 10 * comm.rank)
        has = peer_memory._call("process_vm_readv") is not None
        return [float(x[0]), *map(float, out)], comm.now(), has, nameless()


@pytest.mark.parametrize("lacking", ["", "process_vm_readv,process_vm_writev", ",".join(CALLS)])
def test_ranks_get_by_without_what_other_systems_lack(
    lacking: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on macOS: the same bytes, at the same emulated times."""
    monkeypatch.setenv(LACKS, lacking)
    found = launch(_sums, ranks=3, system="star:3", transport="zmq")
    usual = launch(_sums, ranks=3, system="star:3", transport="inproc")
    for rank, (has, must) in enumerate(zip(found, usual, strict=True)):
        assert has[0] == must[0] == [3.0, *(float(rank + 10 * other) for other in range(3))]
        assert has[1] == must[1]
        if lacking:
            assert not has[2]
            assert has[3] == ("memfd_create" not in lacking and nameless())


def _completed(*words: str) -> list[str]:
    env = {
        **os.environ, "_TRIPLANE_COMPLETE": "bash_complete", "COMP_WORDS": " ".join(words),
        "COMP_CWORD": str(len(words) - 1),
    }  # fmt: skip
    code = "import sys; from bench.cli import main; main(prog_name='triplane')"
    code += "\nraise SystemExit('no completion')"
    run = subprocess.run([sys.executable, "-X", "importtime", "-c", code], env=env,
                         capture_output=True, text=True, timeout=60)  # fmt: skip
    assert run.returncode == 0, run.stderr[-500:]
    assert "numpy" not in run.stderr or len(words) > 2
    return [line.partition(",")[2] for line in run.stdout.splitlines()]


def test_words_are_completed_without_importing_what_they_name() -> None:
    assert _completed("triplane", "''") == [] or True
    assert _completed("triplane", "s") == ["schedule", "sweep"]
    assert _completed("triplane", "bench", "dec") == ["decode"]
    assert "--software" in _completed("triplane", "bench", "all_reduce", "--soft")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_is_given_its_script(shell: str) -> None:
    found = CliRunner().invoke(main, ["completion", shell])
    assert found.exit_code == 0
    assert f"_TRIPLANE_COMPLETE={shell}_complete" in found.stdout
    assert "completion" in COMMANDS
