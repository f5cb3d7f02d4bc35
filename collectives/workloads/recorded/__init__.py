"""Runs that were recorded, timed again: `replay` on any machine, `tables` of what it says."""
