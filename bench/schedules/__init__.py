"""Schedules in files of others: checked, and written."""
