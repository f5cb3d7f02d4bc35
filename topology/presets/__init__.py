"""The systems that have a name: every number with its source."""
