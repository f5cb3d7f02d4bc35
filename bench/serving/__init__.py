"""Benchmarks of serving: a step of decoding, a prefill, and what goes between instances."""
