"""Builds the wheel and the sdist, and runs what is installed from them in empty environments.

``make test-package``: with every Python of 3.11 to 3.14 that is found; needs the registry. What is
run must not come from the checkout.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
VERSIONS = ("3.11", "3.12", "3.13", "3.14")
WHERE = "import bench, sys; sys.exit(sys.prefix not in bench.__file__)"


def pythons() -> Iterator[tuple[str, str]]:
    """Version and path of every Python that is found on the path or beside pyenv's."""
    for version in VERSIONS:
        kept = sorted((Path.home() / ".pyenv" / "versions").glob(f"{version}.*/bin/python"))
        path = shutil.which(f"python{version}")
        found = [*([path] if path else []), *map(str, kept)]  # pyenv's own on the path may refuse
        if answers := next((one for one in found if _answers(one)), None):
            yield version, answers


def _answers(path: str) -> bool:
    return subprocess.run([path, "-m", "venv", "--help"], capture_output=True).returncode == 0


def run(*words: str, folder: Path) -> None:
    """Run a command in ``folder``, apart from this environment; ends the program if it fails."""
    apart = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(words, cwd=folder, env=apart, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(words)}:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")


def built(python: str, folder: Path) -> list[Path]:
    """A wheel and an sdist, of which the wheel is made from the sdist, as ``build`` does."""
    run(python, "-m", "venv", "builder", folder=folder)
    own = str(folder / "builder" / "bin" / "python")
    run(own, "-m", "pip", "install", "--quiet", "build", folder=folder)
    run(own, "-m", "build", "--outdir", str(folder / "dist"), str(ROOT), folder=folder)
    return sorted((folder / "dist").iterdir())


def main() -> None:
    """Say in a line what each Python did with each of the two."""
    found = list(pythons())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for archive in built(found[0][1], folder):
            for version, python in found if archive.suffix == ".whl" else found[:1]:
                place = folder / f"{version}{archive.suffix}"
                run(python, "-m", "venv", str(place), folder=folder)
                own = place / "bin"
                run(str(own / "pip"), "install", "--quiet", str(archive), folder=folder)
                run(str(own / "python"), "-c", WHERE, folder=folder)
                run(str(own / "triplane"), "bench", "moe", "--ep", "8", folder=folder)
                run(str(own / "triplane"), "doctor", folder=folder)
                sys.stdout.write(f"Python {version}: {archive.name} is installed and runs\n")
    lacking = [one for one in VERSIONS if one not in dict(found)]
    if lacking:
        sys.stdout.write(f"not here, so not tried: Python {', '.join(lacking)}\n")


if __name__ == "__main__":
    main()
