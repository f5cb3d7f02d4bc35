"""The cache of machine code, when several processes fill it at once."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import pytest
from numpy.typing import NDArray

import topology.compiled as module
from topology.by_reference import by_reference
from topology.compiled import _cache_folder, compiled, inner, lean

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


@by_reference
class Counts(NamedTuple):
    total: NDArray[np.int64]
    values: NDArray[np.int64]
    small: NDArray[np.int8]


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


def test_processes_that_need_a_kernel_at_once_compile_it_once(tmp_path: Path) -> None:
    program = tmp_path / "kernel.py"
    program.write_text(
        KERNEL.replace("@compiled", "@compiled\ndef one(x):\n    return x\n\n@compiled").replace(
            "s += each", "s += one(each)"
        )
        + "print(sum(each.stats.cache_misses.total() for each in (one, total)))\n",
        "utf-8",
    )
    environment = {
        **os.environ, "PYTHONPATH": str(ROOT), "NUMBA_CACHE_DIR": str(tmp_path / "cache"),
    }  # fmt: skip
    running = [
        subprocess.Popen(
            [sys.executable, program, "int64"], env=environment, stdout=subprocess.PIPE
        )
        for _ in range(4)
    ]
    said = [each.communicate(timeout=120)[0] for each in running]
    assert sorted(said) == [b"0\n"] * 3 + [b"2\n"]


def test_one_that_stands_still_while_it_compiles_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.1)
    path = tmp_path / "kernel.compiling"
    with path.open("w") as held, path.open("w") as other:
        assert not module._waited(held)
        assert module._waited(other)


def test_where_no_code_can_be_kept_it_is_said_once_and_all_is_right(tmp_path: Path) -> None:
    program, nothing = tmp_path / "kernel.py", tmp_path / "file"
    program.write_text(
        KERNEL
        + """
import subprocess
if sys.argv[1:] != ["int8"]:
    subprocess.run([sys.executable, __file__, "int8"], check=True)
""",
        "utf-8",
    )
    nothing.write_text("")
    shown = subprocess.run(
        [sys.executable, program, "int32", "int64"], capture_output=True, text=True, check=True,
        env={
            **os.environ, "PYTHONPATH": str(ROOT), "NUMBA_CACHE_DIR": str(nothing / "cache"),
            "HOME": "/proc/none",
        },
    )  # fmt: skip
    assert shown.stdout == ""
    assert shown.stderr.splitlines() == [
        f"machine code cannot be kept in {nothing}/cache (Not a directory), and is compiled anew on"
        " every run; NUMBA_CACHE_DIR may name another folder"
    ]


def test_where_code_lies_of_what_is_installed_where_nobody_can_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "package"
    package.mkdir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def folder(chosen: str = "") -> Path:
        _cache_folder.cache_clear()
        return Path(_cache_folder(package, chosen)).parent

    assert folder() == package / "__pycache__"
    (package / "__pycache__").rmdir()
    (package / "__pycache__").write_text("no folder, which even root cannot write to")
    assert folder() == tmp_path / "cache" / "triplane"
    assert folder(str(tmp_path / "chosen")) == tmp_path / "chosen"
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert folder() == tmp_path / "home" / ".cache" / "triplane"
    monkeypatch.setenv("HOME", "/proc/none")
    assert folder() == package / "__pycache__"


def test_code_that_was_cut_off_is_compiled_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("numba.core.config.CACHE_DIR", str(tmp_path))

    def total(x: int) -> int:
        return x + 1

    _cache_folder.cache_clear()
    assert compiled(total)(1) == 2
    kept = [*tmp_path.rglob("*.nbi"), *tmp_path.rglob("*.nbc")]
    assert len(kept) == 2
    for path in kept:
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
        assert compiled(total)(1) == 2
        assert path.read_bytes() != whole[: len(whole) // 2]


def test_a_part_of_kernels_is_compiled_once_for_integers_of_all_lengths() -> None:
    @inner
    def scaled(counts: Counts, at: int, by: int) -> int:
        counts.total[0] += counts.values[at] * by
        return counts.values[at] * by

    @lean
    def both(counts: Counts) -> int:
        return scaled(counts, 1, counts.small[0]) + scaled(counts, counts.small[0], 3)

    counts = Counts(np.zeros(1, np.int64), np.arange(10, 20), np.array([2], np.int8))
    assert both(counts) == 2 * 11 + 3 * 12
    assert counts.total[0] == 2 * 11 + 3 * 12  # what the tuple refers to is changed, no copy of it
    kept = np.full(3, 1 << 40)
    kept.setflags(write=False)
    assert both(counts._replace(values=kept)) == 5 << 40
    assert len(cast(Any, both).signatures) == 1  # whether an array may be written to or not
    (kinds,) = cast(Any, scaled).overloads
    assert [str(kind) for kind in kinds[1:]] == ["int64", "int64"]
    with pytest.raises(TypeError, match="scaled is called by kernels only"):
        scaled(counts, 0, 1)


def test_who_asks_hears_once_that_kernels_are_compiled_and_nothing_where_they_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module.config, "CACHE_DIR", str(tmp_path))
    caplog.set_level("INFO", "triplane.compiling")

    def heard() -> int:
        """How many lines there are when this is new to a process."""

        def more(x: int) -> int:
            return x + 1

        module._say_that_it_takes_a_while.cache_clear()
        caplog.clear()
        assert compiled(more)(1) == 2
        return len([each for each in caplog.records if "compiling kernels" in each.message])

    assert heard() == 1
    assert heard() == 0
