"""Schedules: steps as columns, and the rows of them that are one rank's."""
