"""Hypothesis draws the same inputs on every run, and no test fails because the host is slow."""

from hypothesis import settings

settings.register_profile("house", deadline=None, derandomize=True)
settings.load_profile("house")
