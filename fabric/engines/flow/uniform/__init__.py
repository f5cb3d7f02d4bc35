"""Uniform traffic timed by classes of transfers, not row by row."""
