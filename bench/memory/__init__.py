"""One-sided memory as benchmarks of the field measure it."""
