"""LMCache's connector for Mooncake's store, unchanged, over Triplane's pool: ``make test-lmcache``.

LMCache (from the package registry; tried: 0.5.6, on the CPU) keeps KV chunks behind its
``mooncakestore://`` connector. One process stores chunks by LMCache's remote backend; another,
which shares nothing with it but the pool, looks them up and loads them. Both ways in which the
connector keeps them are run: with LMCache's description of a chunk before it, and without.
"""

import asyncio
import math
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

CHUNKS, TOKENS, SHAPE = 24, 256, (4, 2, 256, 8, 64)
"""Chunks that are stored, tokens of each, and layers, keys and values, tokens, heads and channels:
2 MiB in BF16."""

LIMIT = 120.0

CONFIG = """
chunk_size: 256
local_cpu: false
max_local_cpu_size: 0.25
remote_url: "mooncakestore://127.0.0.1:50051/"
remote_serde: "naive"
blocking_timeout_secs: 60
extra_config:
  local_hostname: "127.0.0.1"
  metadata_server: "http://127.0.0.1:8080/metadata"
  master_server_address: "127.0.0.1:50051"
  global_segment_size: 268435456
  local_buffer_size: 134217728
  transfer_timeout: 60
  save_chunk_meta: {meta}
"""


class Backend:
    """LMCache's remote backend as its engine makes it, on a loop of its own."""

    def __init__(self) -> None:
        import torch
        from lmcache.v1.config import LMCacheEngineConfig
        from lmcache.v1.metadata import LMCacheMetadata
        from lmcache.v1.storage_backend import RemoteBackend
        from lmcache.v1.storage_backend.local_cpu_backend import LocalCPUBackend

        config = LMCacheEngineConfig.from_file(os.environ["LMCACHE_CONFIG_FILE"])
        metadata = LMCacheMetadata(
            model_name="a-model", world_size=1, local_world_size=1, worker_id=0, local_worker_id=0,
            kv_dtype=torch.bfloat16, kv_shape=SHAPE, chunk_size=TOKENS,
        )  # fmt: skip
        loop = asyncio.new_event_loop()
        threading.Thread(target=loop.run_forever, daemon=True).start()
        self.local = LocalCPUBackend(config=config, metadata=metadata, dst_device="cpu")
        self.remote: Any = RemoteBackend(
            config=config, metadata=metadata, loop=loop, local_cpu_backend=self.local,
            dst_device="cpu",
        )  # fmt: skip
        wrapped = self.remote.connection
        self.connector = getattr(wrapped, "getWrappedConnector", lambda: wrapped)()

    def empty(self) -> Any:
        """A chunk of memory of LMCache's own."""
        own = self.connector
        return self.local.allocate(own.meta_shapes, own.meta_dtypes, own.meta_fmt)


def keys(first: int) -> list[Any]:
    """The keys of chunks from ``first`` on."""
    from lmcache.v1.check.utils import create_test_key

    return [create_test_key("a-model", f"chunk {n}") for n in range(first, first + CHUNKS)]


def content(number: int) -> bytes:
    """The bytes of chunk ``number``."""
    import numpy as np

    return np.random.default_rng(number).bytes(2 * math.prod(SHAPE))


def store() -> None:
    """Store chunks and wait until LMCache says that each is stored."""
    import torch

    backend, mine, done = Backend(), keys(0), threading.Semaphore(0)
    chunks = [backend.empty() for _ in mine]
    for number, chunk in enumerate(chunks):
        chunk.raw_tensor.copy_(torch.frombuffer(bytearray(content(number)), dtype=torch.uint8))
    backend.remote.batched_submit_put_task(
        mine, chunks, on_complete_callback=lambda _key: done.release()
    )
    assert all(done.acquire(timeout=LIMIT) for _ in mine)
    backend.remote.close()


def load() -> None:
    """Look up and load what another process has stored; nothing else is there."""
    backend, mine, others = Backend(), keys(0), keys(CHUNKS)
    assert all(backend.remote.contains(key) for key in mine)
    assert not any(backend.remote.contains(key) for key in others)
    found = backend.remote.batched_get_blocking([*mine, others[0]])
    assert found[-1] is None
    for number, chunk in enumerate(found[:-1]):
        assert chunk is not None, number
        assert chunk.raw_tensor.numpy().tobytes() == content(number), number
        chunk.ref_count_down()
    backend.remote.close()


def both() -> None:
    """Store in one process and load in another."""
    for what in ("store", "load"):
        subprocess.run([sys.executable, __file__, what], check=True, timeout=LIMIT)


def main() -> int:
    """Run both ways; 0 if all went well."""
    wrong = 0
    for meta in ("true", "false"):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "lmcache.yaml"
            path.write_text(CONFIG.format(meta=meta), "utf-8")
            command = [
                sys.executable, "-m", "collectives.adapters.mooncake", "--servers", "2",
                __file__, "both",
            ]  # fmt: skip
            ended = subprocess.run(
                command, check=False, timeout=3 * LIMIT, text=True,
                env={**os.environ, "LMCACHE_CONFIG_FILE": str(path), "LMCACHE_LOG_LEVEL": "WARNING",
                     "LMCACHE_TRACK_USAGE": "false"},
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            )  # fmt: skip
        if ended.returncode:
            sys.stdout.write(ended.stdout)
        wrong += ended.returncode != 0
        said = "FAILED" if ended.returncode else f"{CHUNKS} chunks stored, and loaded elsewhere"
        sys.stdout.write(f"{said}: LMCache's Mooncake connector, save_chunk_meta {meta}\n")
    return int(wrong > 0)


if __name__ == "__main__":
    what = {"both": both, "store": store, "load": load}.get((sys.argv[1:] or [""])[0], main)
    sys.exit(what() or 0)
