"""The systems that can be called by name: every number with its source."""
