"""What an answer depends on, as one hash: question, files, environment, code and constants."""

import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from glob import escape
from importlib import metadata
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from bench.collectives.nccl_environment import PREFIX
from bench.sweep.options import command_of, words
from bench.sweep.study import Point
from topology.errors import TriplaneError
from topology.files.reading import read_json, read_text
from topology.formats.toml_tables import toml_of

PACKAGES = ("topology", "fabric", "collectives", "bench")
"""Whose code and constants an answer depends on."""

_NO_MATTER = ("bench/sweep", "bench/view", "collectives/adapters", "topology/draw")
"""Folders that have no influence on what a bench command answers."""

_KINDS = (".py", ".json", ".toml", ".csv")
_LIBRARIES = ("numpy", "numba", "simpy")
_GROUPS = ("triplane.engines", "triplane.transports", "triplane.advice")

_LONGEST = 4096
"""Characters of the name of a file at most."""

_READ = 1 << 22
"""Bytes of a file, at most, that is looked through for the names of others."""


@cache
def version() -> str:
    """The version of Triplane that answers, as its package says."""
    return metadata.version("triplane")


@cache
def code() -> str:
    """A hash of the code and constants that answers depend on, hexadecimal.

    Of every file in the packages but of what only draws or adapts, of numpy's and numba's versions,
    and of what other packages add (engines, transports).
    """
    found = hashlib.sha256()
    for package in PACKAGES:
        for name, one in sorted(_files(files(package), package)):
            data = one.read_bytes()
            found.update(f"{name} {len(data)}\n".encode())
            found.update(data)
    for library in _LIBRARIES:
        found.update(f"{library} {metadata.version(library)}\n".encode())
    for group in _GROUPS:
        for entry in sorted(metadata.entry_points(group=group)):
            made = entry.dist
            said = f"{made.name} {made.version}" if made is not None else ""
            found.update(f"{group} {entry.name} {entry.value} {said}\n".encode())
    return found.hexdigest()


def _files(folder: Traversable, name: str) -> Iterator[tuple[str, Traversable]]:
    if name in _NO_MATTER:
        return
    for one in folder.iterdir():
        inner = f"{name}/{one.name}"
        if one.is_dir():
            if one.name != "__pycache__":
                yield from _files(one, inner)
        elif one.name.endswith(_KINDS):
            yield inner, one


@dataclass(frozen=True)
class Dependencies:
    """What the answer at a point depends on, each part as text; ``files``: hash by name."""

    question: str
    files: Mapping[str, str]
    environment: Mapping[str, str]
    code: str

    @property
    def key(self) -> str:
        """The hash of it all, by which the answer is kept: 64 hexadecimal digits."""
        parts = [self.question, [*self.files.items()], [*self.environment.items()], self.code]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def dependencies(point: Point) -> Dependencies:
    """What the answer at ``point`` depends on, as files and environment of this host are now."""
    line = words(command_of(point.bench), point.settings)
    environment = {name: value for name, value in sorted(os.environ.items())
                   if name.startswith(PREFIX)}  # fmt: skip
    found: dict[str, str] = {}
    for word in line:
        name, _, value = word.partition("=")
        _follow(_named(value) if name.startswith("--") else _with_others(word), found)
    for text in (*_texts_of(point.machine), *environment.values()):
        _follow(_named(text), found)
    question = json.dumps([point.bench, line, json.dumps(point.machine, sort_keys=True)])
    return Dependencies(question, dict(sorted(found.items())), environment, code())


def _follow(paths: Iterable[Path], found: dict[str, str]) -> None:
    """Add these files to ``found``, and those that are named in them."""
    for path in paths:
        name = str(path)
        if name not in found:
            status = path.stat()
            made = (status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino)
            found[name], inner = _digest(name, made)
            for each in inner:
                _follow(_named(each), found)


def _named(text: str) -> Iterator[Path]:
    """The files that a text names, as a whole or before or after a mark, as options have them.

    Such as ``FILE``, ``file:FILE``, ``NAME=FILE``, ``FILE:PART`` and ``file:FILE#PART``.
    """
    if len(text) > _LONGEST or "\0" in text:
        return
    after = text.partition(":")[2]
    parts = (text, after, text.partition("=")[2], text.rpartition(":")[0], after.partition("#")[0])
    yield from (path for part in dict.fromkeys(parts) if part and (path := Path(part)).is_file())


def _with_others(word: str) -> Iterator[Path]:
    """The file that an argument names, or the traces ``PREFIX.RANK.et`` and what lies beside."""
    yield from _named(word)
    path = Path(word)
    stem = re.sub(r"(\.\d+)?\.et(\.gz)?$", "", path.name)
    beside = (f"{escape(stem)}*.et", f"{escape(stem)}*.et.gz", f"{escape(stem)}*.json",
              "comm_group.json")  # fmt: skip
    yield from (one for pattern in beside for one in path.parent.glob(pattern) if one.is_file())


@lru_cache(1 << 12)
def _digest(name: str, made: tuple[int, ...]) -> tuple[str, tuple[str, ...]]:
    """The hash of a file's content, and texts in it that may name others.

    ``made``: time, size and number of the file, by which one that was written anew is known.
    """
    with open(name, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return digest, tuple(_texts_in(Path(name), made[2]))


def _texts_in(path: Path, size: int) -> Iterator[str]:
    """The texts in a file of JSON or TOML; none of what is neither."""
    if path.suffix not in (".json", ".toml") or size > _READ:
        return
    try:
        if path.suffix == ".json":
            values = read_json(path, TriplaneError)
        else:
            values = toml_of(read_text(path, TriplaneError), TriplaneError)
    except TriplaneError:  # whoever reads it will say so
        return
    yield from _texts_of(values)


def _texts_of(values: Any) -> Iterator[str]:
    if isinstance(values, str):
        yield values
    elif isinstance(values, Mapping):
        for inner in values.values():
            yield from _texts_of(inner)
    elif isinstance(values, list | tuple):
        for inner in values:
            yield from _texts_of(inner)
