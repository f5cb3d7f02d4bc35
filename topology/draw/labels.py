"""Names as they may be shown: short, and without characters that have an effect."""

import unicodedata

LONGEST = 120
"""Characters of a name that are shown; the rest is left out and its length said."""

_UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
"""Unicode categories that cannot be seen but change what is: controls, overrides of the writing
direction, line separators."""


def label(name: str) -> str:
    r"""``name`` as text that is safe to show: what cannot be seen as ``\\u202e``, and shortened.

    Letters of every script stay as they are. A name of more than `LONGEST` characters keeps its two
    ends.
    """
    if len(name) > LONGEST:
        half = LONGEST // 2
        name = f"{name[:half]}…({len(name)} characters)…{name[-half // 2 :]}"
    return "".join(map(_visible, name))


def _visible(character: str) -> str:
    if unicodedata.category(character) not in _UNSEEN:
        return character
    code = ord(character)
    return f"\\u{code:04x}" if code < 1 << 16 else f"\\U{code:08x}"
