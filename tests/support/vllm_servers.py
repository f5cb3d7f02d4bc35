"""Servers of vLLM with the tiny model of examples/engines, as processes of their own."""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import psutil

ENGINES = Path(__file__).parents[2] / "examples" / "engines"
sys.path.insert(0, str(ENGINES))
try:
    import tiny_engine
finally:
    sys.path.pop(0)

START_PATIENCE = 600.0
"""Seconds in which a server has to be ready: the first of a host compiles."""


class Server(NamedTuple):
    """A server's process, its address, and what all requests to it have in common."""

    process: "subprocess.Popen[bytes]"
    address: str
    model: str

    def served(self, path: str, asked: Any = None) -> Any:
        """What the server answers; ``asked``: what is posted to it."""
        body = None if asked is None else json.dumps(asked).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self.address + path, body, headers)
        with urllib.request.urlopen(request, timeout=300) as answer:
            found = answer.read().decode()
        return found if path == "/metrics" else json.loads(found or "null")

    def completed(self, prompt: Sequence[int], tokens: int) -> list[int]:
        """The tokens that it generates."""
        asked = {
            "model": self.model, "prompt": list(prompt), "max_tokens": tokens, "temperature": 0,
            "ignore_eos": True, "return_token_ids": True,
        }  # fmt: skip
        found: list[int] = self.served("/v1/completions", asked)["choices"][0]["token_ids"]
        return found

    def processes(self) -> list[psutil.Process]:
        """All that it has started."""
        return psutil.Process(self.process.pid).children(recursive=True)


@contextmanager
def servers(
    folder: Path, environment: Mapping[str, str], options: Sequence[Sequence[str]],
    config: dict[str, Any] = tiny_engine.CONFIG,
) -> Iterator[list[Server]]:  # fmt: skip
    """A server for each of ``options``, ready; they are killed with all that they have started."""
    model = tiny_engine.save(str(folder), config)
    made = [_started(model, environment, each) for each in options]
    try:
        due = time.monotonic() + START_PATIENCE
        for server in made:
            while not _ready(server):
                assert all(each.process.poll() is None for each in made)
                assert time.monotonic() < due
                time.sleep(1)
        yield made
    finally:
        for server in made:
            left = server.processes() if server.process.poll() is None else []
            for process in (server.process, *left):
                process.kill()
            server.process.wait()


def wait_for(*files: Path) -> None:
    """Wait until worlds whose ranks have ended have written these files."""
    due = time.monotonic() + 120
    while not all(file.exists() for file in files):
        assert time.monotonic() < due, "nothing was written"
        time.sleep(0.5)


def _started(model: str, environment: Mapping[str, str], options: Sequence[str]) -> Server:
    port = tiny_engine.free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", model, "--port",
         str(port), "--skip-tokenizer-init", "--dtype", "float32", "--max-model-len", "128",
         "--max-num-seqs", "4", "--enforce-eager", *options],
        env={**os.environ, **tiny_engine.ENVIRONMENT, "TRIPLANE_VLLM": "1", **environment},
    )  # fmt: skip
    return Server(process, f"http://127.0.0.1:{port}", model)


def _ready(server: Server) -> bool:
    try:
        server.served("/health")
    except urllib.error.URLError:
        return False
    return True
