"""Doorbell: a pipe by which other processes of the host wake a rank that sleeps."""

import os
from pathlib import Path

from fabric.host.lacking import lacks


def nameless() -> bool:
    """True if a file without a name can be made, and opened by another process under /proc."""
    if lacks("memfd_create") or not hasattr(os, "memfd_create"):
        return False
    if not Path("/proc/self/fd").is_dir():
        return False
    try:
        os.close(os.memfd_create("triplane", os.MFD_CLOEXEC))
    except OSError:  # denied, as by a container's seccomp profile; or no descriptor is left
        return False
    return True


class Doorbell:
    """A rank's own doorbell. ``path``: by which others open it; ``ear``: the descriptor to poll.

    ``file``: where to make it; None: without a name, if `nameless`.
    """

    def __init__(self, file: Path | None) -> None:
        self._file = file
        if file is None:
            self.ear, self._rope = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
            self.path = f"/proc/{os.getpid()}/fd/{self._rope}"
        else:
            os.mkfifo(file, 0o600)
            self.ear = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            self._rope = pull_rope(str(file))
            self.path = str(file)
        self._open = True

    def ring(self) -> None:
        """Wake the bell's owner."""
        if self._open:
            ring(self._rope)

    def listen(self) -> None:
        """Discard all rings so far."""
        try:
            os.read(self.ear, 1 << 16)
        except BlockingIOError:  # rung while nobody slept, and heard already
            return

    def hide(self) -> None:
        """Remove the doorbell's file, after every peer has opened it."""
        if self._file is not None:
            self._file.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the bell's descriptors and remove its file. Idempotent."""
        if self._open:
            self._open = False
            self.hide()
            os.close(self.ear)
            os.close(self._rope)


def pull_rope(path: str) -> int:
    """Open another process's bell; returns a descriptor to `ring` and to close.

    Raises `OSError`.
    """
    return os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)


def ring(rope: int) -> bool:
    """Wake the owner of a bell through its descriptor ``rope``.

    False if nobody reads it any more.
    """
    try:
        os.write(rope, b"!")
    except BlockingIOError:  # it has been rung thousands of times already
        return True
    except BrokenPipeError:
        return False
    return True
