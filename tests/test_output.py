"""Files that users name are written in one way, whatever is there already."""

import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bench.records import opened, reserved
from collectives.algorithms.table import schedule
from collectives.workloads import goal, of_timeline
from collectives.workloads.chakra import trace as chakra
from fabric import Fabric
from fabric.timeline.perfetto.events import TraceError
from fabric.timeline.value import Timeline
from topology import star
from topology.draw import figure_style
from topology.files.output import PART, byte_file, text_file
from topology.formats import toml

NOBODY = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to play another user")


@pytest.fixture(scope="module")
def timeline() -> Timeline:
    return Fabric(star(2)).simulate(schedule("all_gather", 2, 8, algorithm="ring"))


def _text(timeline: Timeline, path: Path) -> None:
    with opened(path) as file:
        file.write("text\n")


def _figure(timeline: Timeline, path: Path) -> None:
    from matplotlib.figure import Figure

    figure_style.write(Figure(figsize=(1, 1)), path)


def _report(timeline: Timeline, path: Path) -> None:
    with reserved(str(path)) as file:
        assert file is not None
        file.write("{}")


WRITERS: dict[str, Callable[[Timeline, Path], object]] = {
    "trace": lambda timeline, path: timeline.to_perfetto(path),
    "npz": lambda timeline, path: timeline.save(path),
    "goal": lambda timeline, path: goal.save(of_timeline(timeline), path),
    "toml": lambda timeline, path: toml.save(timeline.topology, path),
    "text": _text,
    "pdf": _figure,
}
every = pytest.mark.parametrize("kind", WRITERS)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@every
def test_pipes_are_written_through_and_links_followed(
    kind: str, timeline: Timeline, tmp_path: Path
) -> None:
    new, link, pipe = (tmp_path / f"{name}.{kind}" for name in ("new", "link", "pipe"))
    old = tmp_path / "old"
    old.write_text("old")
    old.chmod(0o640)
    link.symlink_to("old")
    os.mkfifo(pipe)
    came: list[bytes] = []
    reads = threading.Thread(target=lambda: came.append(pipe.read_bytes()))
    reads.start()
    for path in (new, link, pipe):
        WRITERS[kind](timeline, path)
    reads.join()
    assert link.is_symlink()
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert old.stat().st_mode & 0o777 == 0o640
    assert len(new.read_bytes()) == len(old.read_bytes())
    if kind == "npz":  # an archive that could not go back has its sizes elsewhere
        (tmp_path / "copy").write_bytes(came[0])
        assert np.array_equal(Timeline.load(tmp_path / "copy").finish, timeline.finish)
    else:
        assert new.read_bytes() == old.read_bytes() == came[0]
    assert not [name for name in names(tmp_path) if name.startswith(PART)]


@as_root
@every
def test_a_device_stays_one(kind: str, timeline: Timeline, tmp_path: Path) -> None:
    device = tmp_path / f"null.{kind}"
    os.mknod(device, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    WRITERS[kind](timeline, device)
    _report(timeline, device)
    assert stat.S_ISCHR(device.stat().st_mode)
    assert names(tmp_path) == {device.name}


def _write_and_raise(path: Path, error: type[BaseException]) -> None:
    with text_file(path) as file:
        file.write("new" * 100_000)
        raise error


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for old in (None, "old"):
        if old:
            path.write_text(old)
        for error in (ValueError, KeyboardInterrupt, OSError):
            with pytest.raises(error):
                _write_and_raise(path, error)
        with pytest.raises(UnicodeEncodeError), text_file(path, "ascii") as file:
            file.write("\N{GREEK SMALL LETTER ALPHA}")
        assert names(tmp_path) == ({"file"} if old else set())
    assert path.read_text() == "old"
    os.link(path, tmp_path / "other")
    with pytest.raises(ValueError, match="no"), text_file(path) as file:
        raise ValueError("no")
    assert path.read_text() == "old"


def test_a_file_of_two_names_stays_one(tmp_path: Path) -> None:
    (tmp_path / "one").write_text("old, and longer")
    os.link(tmp_path / "one", tmp_path / "other")
    with text_file(tmp_path / "one") as file:
        file.write("new\n")
    assert (tmp_path / "other").read_bytes() == b"new\n"
    assert names(tmp_path) == {"one", "other"}


def test_what_a_descriptor_stands_for_is_written_to(tmp_path: Path) -> None:
    with (tmp_path / "out").open("wb") as out:
        link = tmp_path / "link"
        link.symlink_to(f"/dev/fd/{out.fileno()}")
        inode = os.fstat(out.fileno()).st_ino
        with byte_file(link) as file:
            file.write(b"x")
    assert (tmp_path / "out").read_bytes() == b"x"
    assert (tmp_path / "out").stat().st_ino == inode


def test_errors_name_the_file_that_was_asked_for(timeline: Timeline, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "around").symlink_to("around")
    (tmp_path / "full").symlink_to("/dev/full")
    for name, words in (
        ("none/file", "No such file"), ("folder", "Is a directory"),
        ("around", "Too many levels"), ("full", "No space left"),
    ):  # fmt: skip
        with pytest.raises(OSError, match=words) as caught, text_file(tmp_path / name) as file:
            file.write("x")
        assert caught.value.filename == str(tmp_path / name)
    with pytest.raises(TraceError, match=r"full cannot be written: No space left"):
        timeline.to_perfetto(tmp_path / "full")


@as_root
def test_what_others_have_laid_into_a_shared_folder_is_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("old")
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    (shared / "link").symlink_to(target)
    os.mkfifo(shared / "pipe")
    (shared / "file").write_text("theirs")
    for path in shared.iterdir():
        os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
        with pytest.raises(PermissionError, match="belongs to user 65534"), text_file(path):
            raise AssertionError("it is open")
    assert target.read_text() == "old"


def test_chakra_files_are_written_so_too(timeline: Timeline, tmp_path: Path) -> None:
    (tmp_path / "x.0.et").symlink_to("old")
    chakra.save(of_timeline(timeline), tmp_path / "x")
    assert names(tmp_path) == {"x.0.et", "x.1.et", "old"}
    assert (tmp_path / "x.0.et").is_symlink()
