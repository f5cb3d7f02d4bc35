"""Benchmarks of MoE dispatch and combine."""
