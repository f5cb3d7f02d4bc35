"""Which translated pages are older than their originals: ``python docs/build/translations.py``.

A translation begins with a line that names its original and a hash of it as it was then. With
``--now PAGE`` that line is written anew, when PAGE says what its original says.
"""

import hashlib
import re
import sys
from pathlib import Path

DOCS = Path(__file__).parents[1]

LINE = re.compile(r"<!-- of (\S+) ([0-9a-f]{12}) -->\n")


def original(page: Path, docs: Path = DOCS) -> tuple[Path, str] | None:
    """The original of a page and the hash of it that the page names; None: it is no translation."""
    found = LINE.match(page.read_text(encoding="utf-8"))
    return None if found is None else (docs / found[1], found[2])


def hashed(page: Path) -> str:
    """12 hexadecimal digits of what a page says."""
    return hashlib.sha256(page.read_bytes()).hexdigest()[:12]


def is_older(page: Path, docs: Path = DOCS) -> bool:
    """Whether a page is a translation whose original has changed since."""
    of = original(page, docs)
    return of is not None and hashed(of[0]) != of[1]


def older(docs: Path = DOCS) -> list[Path]:
    """The translations whose originals have changed since."""
    pages = [*sorted(docs.rglob("*.md")), *sorted(docs.parent.glob("README.*.md"))]
    return [page for page in pages if is_older(page, docs)]


def renew(page: Path, docs: Path = DOCS) -> None:
    """Write into a translation that it says what its original says now; exits for another page."""
    of = original(page, docs)
    if of is None:
        sys.exit(f"{page} names no original")
    text = page.read_text(encoding="utf-8")
    page.write_text(text.replace(of[1], hashed(of[0]), 1), encoding="utf-8")


if __name__ == "__main__":
    for name in sys.argv[2:] if sys.argv[1:2] == ["--now"] else []:
        renew(Path(name))
    for old in older():
        print(f"{old.relative_to(DOCS.parent)} is older than its original")
