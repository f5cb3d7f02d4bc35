"""Text from others made safe to show: control characters are written out.

Names come from files, and messages from programs of users. On a terminal a control character can
clear the screen, hide what was printed or set the window's title; an override of the writing
direction makes a text read as another one; and half of a surrogate pair cannot be encoded at all.
"""

import re
import unicodedata

UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode categories that cannot be seen but change what is: controls, overrides of the writing
direction, halves of surrogate pairs, line separators."""

_BREAK = re.compile("[ \t]*[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]+[ \t]*")
"""Where Python's `str.splitlines` breaks a text, with the blanks around."""


def visible(text: str) -> str:
    r"""``text`` with invisible characters escaped, as ``\u202e``, new lines and tabs too.

    Letters of every script stay as they are.
    """
    # Most texts are printable, and that is told at once.
    return text if text.isprintable() else "".join(map(_written, text))


def visible_lines(text: str) -> str:
    """``text`` with control characters escaped, as `visible`, but line breaks and tabs kept."""
    return re.sub("[^\n\t]+", lambda found: visible(found[0]), text.replace("\r\n", "\n"))


def one_line(text: str) -> str:
    """``text`` in one line: line breaks become blanks, and invisible characters are escaped."""
    return visible(_BREAK.sub(" ", text).strip())


def _written(character: str) -> str:
    if unicodedata.category(character) not in UNSEEN:
        return character
    code = ord(character)
    return f"\\u{code:04x}" if code < 1 << 16 else f"\\U{code:08x}"
