"""Dispatch and combine as schedules: who sends which bytes to whom, in which steps."""
