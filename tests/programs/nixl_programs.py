"""NIXL's own Python examples, unchanged, over Triplane: ``make test-nixl NIXL=...``.

They are run from a checkout of https://github.com/ai-dynamo/nixl (tried: commit 8770b65). Nothing
of it is copied.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Sequence
from pathlib import Path

WITH_ADAPTER = ("-m", "collectives.adapters.nixl")
EXAMPLES = "examples/python/"
TWO = ("basic_two_peers.py", "expanded_two_peers.py")
ONE = ("partial_md_example.py",)

STARTED = 30.0
"""Seconds within which the target listens: it imports torch."""

PORT = 5571


def environment() -> dict[str, str]:
    """One of the examples takes this variable away without looking whether it is set."""
    return {**os.environ, "NIXL_ETCD_ENDPOINTS": "none", "PYTHONUNBUFFERED": "1"}


def command(path: Path, *arguments: str) -> list[str]:
    """The command line of an example with the adapter."""
    return [sys.executable, *WITH_ADAPTER, str(path), *arguments]


def two(path: Path, folder: str, timeout: float) -> tuple[bool, str]:
    """Whether target and initiator have both ended well, and what they have printed."""
    where = ("--ip", "127.0.0.1", "--port", str(PORT), "--mode")
    with subprocess.Popen(
        command(path, *where, "target"), cwd=folder, env=environment(), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    ) as target:  # fmt: skip
        try:
            _until_it_listens()
            ended, said = one(path, folder, timeout, *where, "initiator")
            more, _ = target.communicate(timeout=timeout)
        finally:
            target.kill()
    return ended and target.returncode == 0 and "failed" not in said + more, said + more


def one(path: Path, folder: str, timeout: float, *arguments: str) -> tuple[bool, str]:
    """Whether an example has ended well, and what it has printed."""
    ended = subprocess.run(
        command(path, *arguments), cwd=folder, env=environment(), timeout=timeout, check=False,
        text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    return ended.returncode == 0, ended.stdout


def _until_it_listens() -> None:
    """Return when somebody listens at the port, by what the kernel says of its sockets."""
    due, port = time.monotonic() + STARTED, f":{PORT:04X} "
    while time.monotonic() < due:
        lines = Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()
        if any(port in line and line.split()[3] == "0A" for line in lines):
            return
        time.sleep(0.05)


def main(arguments: Sequence[str]) -> int:
    """Run all examples; 1 if one has failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkout", type=Path)
    parser.add_argument("--timeout", type=float, default=120.0, help="seconds for each")
    given = parser.parse_args(arguments)
    folder = given.checkout.absolute() / EXAMPLES
    if not folder.is_dir():
        parser.error(f"{given.checkout} is no checkout of NIXL: it has no {EXAMPLES}")
    failed = 0
    for name in (*TWO, *ONE):
        with tempfile.TemporaryDirectory() as scratch:
            run = two if name in TWO else one
            well, said = run(folder / name, scratch, given.timeout)
        sys.stdout.write(f"{name}: {'passed' if well else 'FAILED'}\n")
        if not well:
            failed += 1
            sys.stdout.write(textwrap.indent(said[-3000:], "  | ") + "\n")
        sys.stdout.flush()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
