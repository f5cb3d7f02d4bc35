"""DeepEP's own test programs, unchanged, over Triplane: ``make test-deep-ep DEEP_EP=checkout``.

They are run from a checkout of https://github.com/deepseek-ai/DeepEP (tried: commit dd758ca), with
its ``deep_ep/utils`` as they are but for what measures GPU kernels. Nothing of it is copied.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple

from tests.support.checked_out import told
from tests.support.worlds import free_port

SMALL = ("--num-tokens", "16", "--hidden", "512", "--num-topk", "4")


class Program(NamedTuple):
    """``passes``: a word of its output, and how often it has to be there."""

    name: str
    path: str
    ranks: int
    arguments: tuple[str, ...]
    passes: tuple[str, int]
    nodes: int = 1
    environment: Mapping[str, str] = {}


def programs() -> list[Program]:
    """What is run: every mode of V1, and of V2 flat, hybrid, and with its other options."""
    intranode = [
        Program(f"intranode, {n} ranks", "legacy/test_intranode.py", n, (), (" passed", 24))
        for n in (2, 4, 8)
    ]
    elastic = "elastic/test_ep.py"
    modes = ("Testing with", 144)
    return [
        *intranode,
        Program("internode, 16 ranks", "legacy/test_internode.py", 16, (), (" passed", 32), 2),
        Program("low latency", "legacy/test_low_latency.py", 2, (), ("Combine bandwidth", 2)),
        Program("V2 flat", elastic, 2, (), modes),
        Program("V2 hybrid", elastic, 4, (), modes, 1, {"TRIPLANE_DEEP_EP_SCALEUP": "2"}),
        Program("V2, one reduction", elastic, 2, ("--allow-multiple-reduction", "0"), modes),
        Program(
            "V2 hybrid, one reduction", elastic, 4, ("--allow-multiple-reduction", "0"), modes, 1,
            {"TRIPLANE_DEEP_EP_SCALEUP": "2"},
        ),
        Program("V2, masked choices", elastic, 2, ("--masked-ratio", "0.3"), modes),
        # Not both at once: the program then compares what has come, cut to its size, with the same
        # not cut, which are equal only where sizes are known.
        Program("V2, deterministic", elastic, 2, ("--deterministic",), modes),
        Program("V2, sizes not known", elastic, 2, ("--do-cpu-sync", "0"), modes),
    ]  # fmt: skip


def commands(program: Program, checkout: Path) -> list[tuple[list[str], dict[str, str]]]:
    """What to run with what environment: a command for each node."""
    experts = 2 * program.ranks if program.nodes > 1 else 8 * program.ranks
    command = [
        sys.executable, "-m", "collectives.adapters.deep_ep", "--upstream", str(checkout),
        Path(program.path).name, "--num-processes", str(program.ranks // program.nodes), *SMALL,
        "--num-experts", str(experts), *program.arguments,
    ]  # fmt: skip
    # torch.compile would compile C++ for casts of a few numbers.
    common = {
        **os.environ, **program.environment, "TORCHDYNAMO_DISABLE": "1", "OMP_NUM_THREADS": "1",
        "MASTER_PORT": str(free_port()), "WORLD_SIZE": str(program.nodes),
    }  # fmt: skip
    return [(command, {**common, "RANK": str(node)}) for node in range(program.nodes)]


class Outcome(NamedTuple):
    """``wrong``: None where it has passed; ``said``: all that it has printed, node after node."""

    wrong: str | None
    said: str


def run(program: Program, checkout: Path, timeout: float) -> Outcome:
    """Run it to its end, or for so many seconds; no process of it is left."""
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / f"node{node}" for node in range(program.nodes)]
        running = _started(program, checkout, files)
        deadline = time.monotonic() + timeout
        wrong = None
        try:
            for each in running:
                each.wait(max(deadline - time.monotonic(), 0.1))
        except subprocess.TimeoutExpired:
            wrong = f"it has not ended in {timeout:.0f} s"
        finally:
            for each in running:
                with suppress(ProcessLookupError):  # none of its processes is left
                    os.killpg(each.pid, signal.SIGKILL)
                each.wait()
        said = [file.read_text(errors="replace") for file in files]
    word, times = program.passes
    found, codes = said[0].count(word), [each.returncode for each in running]
    if wrong is None and (any(codes) or found != times):
        wrong = f"exit codes {codes}, {found} of {times} {word!r}"
    return Outcome(wrong, "\n".join(said))


def _started(
    program: Program, checkout: Path, files: Sequence[Path]
) -> list[subprocess.Popen[bytes]]:
    """A process group for each node, which prints into a file: a pipe would fill unread."""
    started = []
    for (command, environment), file in zip(commands(program, checkout), files, strict=True):
        with file.open("w") as said:
            started.append(
                subprocess.Popen(
                    command, cwd=checkout / "tests" / Path(program.path).parent, env=environment,
                    stdout=said, stderr=subprocess.STDOUT, start_new_session=True,
                )
            )  # fmt: skip
    return started


def main(arguments: Sequence[str]) -> int:
    """Run those whose names contain the words that are given, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkout", type=Path)
    parser.add_argument("--only", default="", help="run those whose name contains this")
    parser.add_argument("--timeout", type=float, default=1800.0, help="seconds for each")
    given = parser.parse_args(arguments)
    checkout = given.checkout.absolute()
    if not (checkout / "tests" / "legacy").is_dir():
        parser.error(f"{checkout} is no checkout of DeepEP: it has no tests/legacy")
    chosen = [each for each in programs() if given.only in each.name]
    if not chosen:
        parser.error(f"no program's name has {given.only!r}; {_names()}")
    begin, failed = time.monotonic(), 0
    for program in chosen:
        failed += not told(program.name, partial(run, program, checkout, given.timeout))
    passed = f"{len(chosen) - failed} of {len(chosen)} passed"
    sys.stdout.write(f"{passed} ({time.monotonic() - begin:.0f} s)\n")
    return 1 if failed else 0


def _names() -> str:
    return "the names are: " + "; ".join(each.name for each in programs())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
