"""The examples run as a newcomer runs them."""

import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).parents[1] / "examples"


def run(*command: str | Path) -> str:
    done = subprocess.run(
        [sys.executable, *map(str, command)], cwd=EXAMPLES.parent, capture_output=True, text=True,
        timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


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
