"""The documentation of several versions: ``python docs/build/versions.py [REVISION..]``.

Writes the site of what is checked out into ``out/site/VERSION``, and that of each git revision
that is named, such as ``v0.3.0``; what is there of other versions stays. ``out/site/index.html``
leads to the newest, and every page has a list of all.
"""

import html
import json
import os
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
SITE = ROOT / "out" / "site"

NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)*.*")


def order(version: str) -> tuple[list[int], str]:
    """What versions are sorted by: their numbers, then the rest of their names."""
    return [int(part) for part in re.findall(r"[0-9]+", version)], version


def version_of(checkout: Path) -> str:
    """The version of the project in a checkout."""
    found: str = tomllib.loads((checkout / "pyproject.toml").read_text("utf-8"))["project"][
        "version"
    ]
    return found


def there(site: Path) -> list[str]:
    """The versions of which there is a site in the folder ``site``, newest first."""
    found = [path.parent.name for path in site.glob("*/index.html")]
    return sorted((name for name in found if NUMBER.fullmatch(name)), key=order, reverse=True)


def write_index(site: Path) -> None:
    """Write the list of versions, and a first page that leads to the newest."""
    versions = there(site)
    (site / "versions.js").write_text(
        f"window.triplaneVersions = {json.dumps(versions)};\n", encoding="utf-8"
    )
    links = "".join(
        f'<li><a href="{html.escape(one)}/index.html">{html.escape(one)}</a></li>\n'
        for one in versions
    )
    (site / "index.html").write_text(
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>Triplane</title>\n'
        f'<meta http-equiv="refresh" content="0; url={html.escape(versions[0])}/index.html">\n'
        f"</head><body><ul>\n{links}</ul></body></html>\n",
        encoding="utf-8",
    )


def build(checkout: Path, site: Path) -> None:
    """Build the site of a checkout into its version's folder; raises `CalledProcessError`."""
    folder = site / version_of(checkout)
    path = os.pathsep.join(filter(None, (str(checkout), os.environ.get("PYTHONPATH"))))
    subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", str(folder)],
        cwd=checkout, check=True,
        env={**os.environ, "PYTHONPATH": path, "NO_MKDOCS_2_WARNING": "1"},
    )  # fmt: skip


def main() -> None:
    """Build what is checked out, and the revisions that are named."""
    SITE.mkdir(parents=True, exist_ok=True)
    for revision in sys.argv[1:]:
        with tempfile.TemporaryDirectory() as folder:
            checkout = Path(folder, "checkout")
            git = ["git", "-C", str(ROOT), "worktree"]
            add = ["add", "--quiet", "--detach", str(checkout), revision]
            subprocess.run([*git, *add], check=True)
            try:
                build(checkout, SITE)
            finally:
                subprocess.run([*git, "remove", "--force", str(checkout)], check=True)
    build(ROOT, SITE)  # last: of its version what is checked out counts
    write_index(SITE)
    sys.stdout.write(f"{SITE / 'index.html'}: {', '.join(there(SITE))}\n")


if __name__ == "__main__":
    main()
