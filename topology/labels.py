"""Names as figures and pages show them: short, and without characters that have an effect."""

from topology.text import visible

LONGEST = 120
"""Characters of a name that are shown; the rest is left out and its length said."""


def label(name: str) -> str:
    r"""``name`` as text that is safe to show: what cannot be seen as ``\u202e``, and shortened.

    Letters of every script stay as they are. A name of more than `LONGEST` characters keeps its two
    ends.
    """
    if len(name) > LONGEST:
        half = LONGEST // 2
        name = f"{name[:half]}…({len(name)} characters)…{name[-half // 2 :]}"
    return visible(name)
