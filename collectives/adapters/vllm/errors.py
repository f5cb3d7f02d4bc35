"""Errors of the adapter."""

from topology.errors import TriplaneError


class KVError(TriplaneError):
    """KV caches cannot be moved as asked for; it says what was asked, and what can be."""
