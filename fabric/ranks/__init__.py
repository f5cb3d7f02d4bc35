"""A rank's side of a call: its part of a schedule made ready, executed, and driven to its end."""
