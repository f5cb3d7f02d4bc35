"""What is refused of one-sided memory."""

from topology.errors import TriplaneError


class WindowError(TriplaneError):
    """An access to a window that cannot be: the message names rank, window, bytes and choices."""
