"""Ranks of torch as processes of a rank program, and what they say: lines of JSON."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PATIENCE = 240.0


def environment(**more: str) -> dict[str, str]:
    """For processes that import the project from here, one thread each."""
    return {**os.environ, "PYTHONPATH": str(HERE.parent), "OMP_NUM_THREADS": "1", **more}


def said(program: str, ranks: int) -> list[tuple[int, list[Any], str]]:
    """Of each rank of ``program RANK RANKS FOLDER``: its exit code, what it said, its stderr."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str(HERE / program)]
        running = [
            subprocess.Popen(
                [*command, str(rank), str(ranks), folder], env=environment(), text=True,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            )
            for rank in range(ranks)
        ]  # fmt: skip
        try:
            ended = [process.communicate(timeout=PATIENCE) for process in running]
        finally:
            for process in running:
                process.kill()
                process.wait()
    return [
        (process.returncode, [json.loads(line) for line in out.splitlines()], errors)
        for process, (out, errors) in zip(running, ended, strict=True)
    ]
