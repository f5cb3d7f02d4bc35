"""Blocks of pages about torch.distributed, one after the other: ``page_ranks.py FILE...``.

Each file is JSON: ``name``, ``before`` (what a program has before the block), and the ``block``.
"""

import json
import sys
from pathlib import Path

import torch.distributed as dist

for path in sys.argv[1:]:
    part = json.loads(Path(path).read_text("utf-8"))
    names: dict[str, object] = {"__name__": "__main__"}
    for text in (part["before"], part["block"]):
        exec(compile(text, part["name"], "exec"), names)
    if dist.is_initialized():
        dist.destroy_process_group()
    sys.stdout.write(f"{part['name']}\n")
