"""Blocks of pages about torch.distributed, one after the other: ``page_ranks.py FILE...``.

Each file is JSON: ``name``, ``before`` (what a program has before the block), and the ``block``.
"""

import gc
import json
import sys
from pathlib import Path

import torch.distributed as dist

from fabric.launching.current import member


def run(part: dict[str, str]) -> None:
    """Run a block with what comes before it; then no process group is left."""
    names: dict[str, object] = {"__name__": "__main__"}
    for text in (part["before"], part["block"]):
        exec(compile(text, part["name"], "exec"), names)
    if dist.is_initialized():
        dist.destroy_process_group()


for path in sys.argv[1:]:
    part = json.loads(Path(path).read_text("utf-8"))
    run(part)
    gc.collect()
    # Torch's store is at one port: no rank may look for the next one before this one is gone.
    member().control.exchange(None)
    sys.stdout.write(f"{part['name']}\n")
