"""Names as figures and pages show them: short, and without control characters."""

from topology.text import visible

LONGEST = 120
"""Characters of a name that are shown; the rest is left out and its length said."""


def label(name: str) -> str:
    """``name`` as text that is safe to show: invisible characters escaped, and shortened.

    Letters of every script stay as they are. Of a longer name the two ends are kept, with the
    number of characters between them.
    """
    if len(name) > LONGEST:
        half = LONGEST // 2
        name = f"{name[:half]}…({len(name)} characters)…{name[-half // 2 :]}"
    return visible(name)
