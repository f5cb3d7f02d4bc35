"""Two answers side by side: what changed, and by which cause."""
