"""The addresses of the pages of this user's worlds that run on this host.

Each is in a file of a private folder, which is removed with the process, or by the next world if
that was killed.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from fabric.host.folder import living, private_folder
from fabric.host.owned import read_owned, write_owned

NAME = "live"


@contextmanager
def announced(address: str) -> Iterator[None]:
    """A context manager during which `addresses` finds this address."""
    with private_folder(for_sockets=False) as folder:
        write_owned(folder / NAME, address.encode())
        yield


def addresses() -> list[str]:
    """The addresses of all pages that can be opened now."""
    found = []
    for folder in living():
        with suppress(OSError, ValueError):
            found.append(read_owned(folder / NAME).decode())
    return found
