"""Schedules: steps as columns, and the rows of one rank."""
