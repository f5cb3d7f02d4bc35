"""The adapter's errors."""

from topology.errors import TriplaneError


class KVError(TriplaneError):
    """KV caches cannot be moved as asked for.

    The message says what was asked, and what is possible.
    """
