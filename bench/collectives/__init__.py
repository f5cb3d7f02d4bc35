"""Benchmarks of collectives, with nccl-tests' flags and columns."""
