"""Dispatch and combine with real tokens."""
