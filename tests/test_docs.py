"""The programs in docs/ that begin with their file's name print what is shown below them.

``python -m tests.test_docs`` writes that anew.
"""

import re
import tempfile
from pathlib import Path

import pytest

from tests.test_readme import printed_by

DOCS = Path(__file__).parents[1] / "docs"
RUN = re.compile(r"```python\n(# (\w+\.py)\n[^`]*)```\n\n```console\n\$ triplane (.*)\n([^`]*)```")
SHOWN = [
    pytest.param(*found.groups(), id=f"{page.stem}/{found[2]}")
    for page in sorted(DOCS.glob("*.md"))
    for found in RUN.finditer(page.read_text("utf-8"))
]


def printed_of(folder: Path, source: str, name: str, command: str) -> str:
    (folder / name).write_text(source, "utf-8")
    return printed_by(command, folder)


@pytest.mark.parametrize(("source", "name", "command", "output"), SHOWN)
def test_program_prints_what_its_page_shows(
    source: str, name: str, command: str, output: str, tmp_path: Path
) -> None:
    assert printed_of(tmp_path, source, name, command) == output


def test_there_are_such_programs() -> None:
    assert len(SHOWN) >= 3


def rewrite() -> None:
    def anew(found: re.Match[str]) -> str:
        with tempfile.TemporaryDirectory() as folder:
            printed = printed_of(Path(folder), *found.group(1, 2, 3))
        return found[0].removesuffix(f"{found[4]}```") + f"{printed}```"

    for page in DOCS.glob("*.md"):
        text = page.read_text("utf-8")
        if RUN.search(text):
            page.write_text(RUN.sub(anew, text), "utf-8")


if __name__ == "__main__":
    rewrite()
