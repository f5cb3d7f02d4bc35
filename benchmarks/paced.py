"""How late transfers are on paced time: ``python benchmarks/paced.py``; `triplane bench paced`."""

from bench.collectives.paced import command

if __name__ == "__main__":
    command()
