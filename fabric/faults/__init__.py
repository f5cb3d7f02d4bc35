"""Faults in time: what breaks when, and what of it links carry and routes know."""
