"""The cache of machine code, when several processes fill it at once."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
KERNEL = """
import sys
import numpy as np
from topology.compiled import compiled

@compiled
def total(x):
    s = x[0] * 0
    for each in x:
        s += each
    return s

for name in sys.argv[1:]:
    assert total(np.arange(10, dtype=name)) == 45, name
"""
TYPES = ("int8", "int16", "int32", "int64", "float32", "float64")


def test_processes_that_compile_at_once_do_not_take_each_others_code(tmp_path: Path) -> None:
    program = tmp_path / "kernel.py"
    program.write_text(KERNEL, "utf-8")
    environment = {
        **os.environ, "PYTHONPATH": str(ROOT), "NUMBA_CACHE_DIR": str(tmp_path / "cache"),
    }  # fmt: skip

    def start(*types: str) -> "subprocess.Popen[bytes]":
        return subprocess.Popen([sys.executable, program, *types], env=environment)

    running = [start(name) for name in TYPES]
    assert [each.wait(120) for each in running] == [0] * len(TYPES)
    (folder,) = (tmp_path / "cache").iterdir()
    code = list(folder.rglob("*.nbc"))
    assert len(code) == len(TYPES)  # none was written over another
    assert start(*TYPES).wait(120) == 0
