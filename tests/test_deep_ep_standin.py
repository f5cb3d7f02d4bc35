"""Standing in for deep_ep and torch.cuda: an unchanged program, and that nothing of it stays."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from collectives.adapters import deep_ep
from tests import deep_ep_programs

HERE = Path(__file__).parent


def test_a_program_for_deep_ep_runs_with_no_line_changed() -> None:
    command = [sys.executable, "-W", "error::RuntimeWarning", "-m", "collectives.adapters.deep_ep"]
    environment = {**os.environ, "MASTER_PORT": str(deep_ep_programs._port())}
    environment["OMP_NUM_THREADS"] = "1"
    ended = subprocess.run(
        [*command, str(HERE / "deep_ep_user.py")], env=environment, cwd=HERE.parent, text=True,
        capture_output=True, timeout=240,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    lines = sorted(ended.stdout.splitlines())
    assert lines == [f"rank {r}: [2.0, 2.0, 2.0, 2.0] Triplane" for r in range(2)]


def test_standing_in_ends() -> None:
    before = dict(vars(torch.cuda))
    assert "deep_ep" not in sys.modules
    standing = deep_ep.stand_in()
    assert standing is not None
    try:
        import deep_ep as found  # type: ignore[import-not-found]
        from deep_ep.buffers.legacy import Buffer  # type: ignore[import-not-found]
        from deep_ep.utils import EventOverlap  # type: ignore[import-not-found]

        assert found is deep_ep
        assert Buffer is deep_ep.Buffer
        assert EventOverlap is deep_ep.EventOverlap
        assert deep_ep.stand_in() is None
        assert torch.cuda.is_available()
        tensor = torch.zeros(3, device="cuda", dtype=torch.float32)
        assert tensor.device.type == "cpu"
        assert tensor.to(torch.device("cuda:1")) is tensor
        tensor.record_stream(torch.cuda.current_stream())
        with torch.cuda.stream(torch.cuda.Stream()):
            event = torch.cuda.current_stream().record_event()
        assert event.query()
    finally:
        standing.remove()
        for name in [name for name in sys.modules if name.split(".")[0] == "deep_ep"]:
            del sys.modules[name]
    assert dict(vars(torch.cuda)) == before


def test_what_is_no_checkout_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="is no checkout of DeepEP"):
        deep_ep.environment({}, tmp_path)
    made = deep_ep.environment({"PYTHONPATH": "x", "HOME": "y"})
    assert made["PYTHONPATH"].endswith(f"{os.pathsep}x")
    assert made["HOME"] == "y"
