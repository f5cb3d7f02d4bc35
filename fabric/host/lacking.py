"""What this host is to be taken to lack, by an environment variable: for tests of what comes then.

Where a call of Linux is missing, as on macOS, transports do without it, and where there was no
compiler, without what is compiled; this makes them do so here.
"""

import os

LACKS = "TRIPLANE_LACKS"
"""The environment variable: names of `CALLS` with commas between them."""

CALLS = ("memfd_create", "process_vm_readv", "process_vm_writev")
"""The calls without which transports get by."""

COMPILED = "compiled_moves"
"""The name of what is compiled when Triplane is installed."""


def lacks(call: str) -> bool:
    """True if the environment says that there is no ``call``, one of `CALLS`, or `COMPILED`."""
    return call in os.environ.get(LACKS, "").split(",")
