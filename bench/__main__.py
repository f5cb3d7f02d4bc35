"""``python -m bench COMMAND``: the same as ``triplane bench COMMAND``."""

from bench.cli import bench

bench(prog_name="python -m bench")
