"""The examples run as a newcomer runs them: some in this process, where the engine is loaded."""

import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
Here = Callable[[str, Path], str]


def run(*command: str | Path) -> str:
    done = subprocess.run(
        [sys.executable, *map(str, command)], cwd=EXAMPLES.parent, capture_output=True, text=True,
        timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Here:
    """Runs an example as a program in this process; what it prints."""

    def run_here(name: str, folder: Path) -> str:
        monkeypatch.setattr(sys, "argv", [name, str(folder)])
        runpy.run_path(str(EXAMPLES / name), run_name="__main__")
        return capsys.readouterr().out

    return run_here


def test_the_demo_prints_its_tables_and_draws_its_picture(tmp_path: Path) -> None:
    picture = tmp_path / "moe.svg"
    said = run(EXAMPLES / "demo.py", picture)
    assert "MoE on cloudmatrix384 with cann-ep" in said
    assert "MoE on h800 with deepep-v1" in said
    assert "</svg>" in picture.read_text("utf-8")


def test_a_program_of_ranks() -> None:
    program = "from bench.cli import main; main()"
    said = run("-c", program, "run", "-n", "3", "--transport", "inproc", EXAMPLES / "all_reduce.py")
    assert said.startswith("3 ranks: the sum is 3, after ")
    assert run(EXAMPLES / "all_reduce.py").startswith("1 ranks: the sum is 0, after ")


def test_a_first_look(here: Here, tmp_path: Path) -> None:
    said = here("first_look.py", tmp_path)
    assert "cloudmatrix384: 1468 vertices, 27744 links" in said
    written = {path.name for path in tmp_path.iterdir()}
    assert written == {"cloudmatrix384.png", "all_reduce.json", "all_reduce.npz"}


def test_a_sweep_over_expert_parallel_sizes(here: Here, tmp_path: Path) -> None:
    said = here("ep_sweep.py", tmp_path)
    assert said.count("dispatch") == 9
    assert "Hot experts" in said
    assert {path.name for path in tmp_path.iterdir()} == {"ep_sweep.png", "hot_experts.png"}


def test_what_a_fault_does(here: Here, tmp_path: Path) -> None:
    said = here("fault.py", tmp_path)
    lines = [line for line in said.splitlines() if line.startswith(("none", "l2."))]
    assert [line.split()[0] for line in lines] == ["none", "l2.3.0", "l2.3.0,", "l2.3.0,"]
    assert "4 links" in lines[-1]
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"fault.png", "healthy.npz", "hurt.npz"}
