"""A user's own measurements: what benchmarks of others print, as rows that constants fit to."""
