"""Files, opened, bounded and decoded in one place, and written in one place."""
