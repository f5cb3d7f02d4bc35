"""A rank's side of a call: its part of a schedule prepared, executed, and completed."""
