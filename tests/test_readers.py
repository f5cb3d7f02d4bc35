"""Every reader of files, given damaged, odd and huge ones: an answer, or one line of ours."""

import io
import json
import os
import random
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectives.workloads.circle import shortest_circle
from fabric import Timeline
from fabric.timeline.file import TimelineError
from tests.support.odd_files import READERS, bounded_memory, byte_changed, complaint, mutated, write
from topology import TopologyError, from_toml, load, star, system, to_toml
from topology.errors import TriplaneError, UnitError
from topology.files.arrays import read_npz
from topology.files.reading import DEEPEST, json_of, read_bytes, read_text, shown, whole
from topology.units import parse


class ReadingError(TriplaneError):
    """What the readers of these tests are told to raise."""


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, bytes]]:
    folder = tmp_path_factory.mktemp("readers")
    return folder, write(folder)


@pytest.mark.parametrize("name", READERS)
def test_sound_files_are_read(sound: tuple[Path, dict[str, bytes]], name: str) -> None:
    READERS[name](sound[0] / name)


@given(name=st.sampled_from(sorted(READERS)), seed=st.integers(0, (1 << 32) - 1))
@settings(derandomize=True, deadline=None, max_examples=200)
def test_damaged_files_are_read_or_refused_in_one_line_of_ours(
    sound: tuple[Path, dict[str, bytes]], name: str, seed: int
) -> None:
    folder, data = sound
    (folder / name).write_bytes(mutated(data[name], random.Random(seed)))
    with bounded_memory():
        said = complaint(READERS[name], folder / name)
    (folder / name).write_bytes(data[name])
    assert not said


def test_a_timeline_with_a_byte_changed_is_the_same_or_refused(tmp_path: Path) -> None:
    data, path = write(tmp_path)["run.npz"], tmp_path / "changed.npz"
    expected = Timeline.load(tmp_path / "run.npz")
    refused = 0
    for seed in range(100):
        path.write_bytes(byte_changed(data, random.Random(seed)))
        try:
            found = Timeline.load(path)
        except TimelineError:
            refused += 1
            continue
        for name in ("src", "dst", "size", "start", "finish", "rank_finish"):
            assert np.array_equal(getattr(found, name), getattr(expected, name))
        assert (found.labels, found.bound) == (expected.labels, expected.bound)
    assert refused > 50


def repacked(path: Path, **members: bytes) -> Path:
    """The same ``.npz`` with some members other bytes, compressed."""
    other = path.with_name("other.npz")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(other, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, members.get(name.removesuffix(".npy"), old.read(name)))
    return other


def array(values: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, values)
    return file.getvalue()


def header(text: str, version: int = 1) -> bytes:
    size = len(text) + 1
    wide = 2 if version == 1 else 4
    return (
        b"\x93NUMPY" + bytes([version, 0]) + size.to_bytes(wide, "little") + text.encode() + b"\n"
    )


def test_what_a_timeline_claims_is_checked_before_memory_is_taken(tmp_path: Path) -> None:
    write(tmp_path)
    path = tmp_path / "run.npz"
    with np.load(path) as file:
        about = json.loads(file["about"].tobytes())
    text = {key: np.frombuffer(value.encode(), np.uint8) for key, value in {
        "nested": "[" * 100_000, "bound": json.dumps({**about, "bound": 10**400}),
        "odd": json.dumps({**about, "labels": 7}), "none": json.dumps({**about, "planes": []}),
    }.items()}  # fmt: skip
    form = "{{'descr': '{}', 'fortran_order': False, 'shape': {}, }}"
    cases: list[tuple[dict[str, bytes], str]] = [
        ({"about": array(text["nested"])}, "more than 64 lists"),
        ({"about": array(text["bound"])}, "bound has a number of dozens of digits, which is no"),
        ({"about": array(text["odd"])}, "labels is 7, not of the type list"),
        ({"about": array(text["none"])}, "has no planes, or none that may be used"),
        ({"src": header(form.format("<i8", "(1000000000000,)"))}, "says that it is larger than it"),
        ({"src": header(form.format("<i8", "(10,)")) + bytes(1 << 12)}, "src has"),
        ({"src": b"no npy"}, "'src' is no array of plain numbers"),
        ({"src": header("(" * 8999, 2)}, "'src' is no array of plain numbers"),
        ({"src": header(form.format("|O", "(2,)"))}, "'src' is no array of plain numbers"),
        ({"src": array(np.zeros(1 << 20, np.int64))}, "dst has 2 rows, src has 1048576"),
    ]
    for members, fault in cases:
        with bounded_memory(), pytest.raises(TimelineError, match=f"other.npz.*{fault}"):
            Timeline.load(repacked(path, **members))
    zeros = repacked(path, src=array(np.zeros(1 << 20, np.int64)))
    with pytest.raises(ReadingError, match=r"it would fill .* bytes; 1048576 are read at most"):
        read_npz(zeros, ReadingError, most=1 << 20)


HUGE = """name = "t"\nplanes = ["net"]
[[endpoints]]\nkind = "die"\nnames = ["a", "b"]
[[links]]\nplane = "net"\nfrom = "a"\nto = "b"
bandwidth = "{}"\nlatency = "{}"\nboth = true\ncount = {}\n"""


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        (("1 GB/s", "1 us", 10**9), "count is 1000000000, which makes more than 4194304 links"),
        (("1 GB/s", "1 us", 10**18), "count is 1000000000000000000, which"),
        (("1 GB/s", "1 us", "9" * 5000), "line 13, column 9: a number or date that is none"),
        (("1 GB/s", "1 us", "[" * 5000), "not TOML"),
        (("1e-320 GB/s", "1 us", 1), "a->b .net. has bandwidth .* at least 0.001 B/s is possible"),
        (("1e-400 GB/s", "1 us", 1), "'1e-400 GB/s' is too small for a bandwidth"),
        (("1e400 GB/s", "1 us", 1), "'1e400 GB/s' is too large for a bandwidth"),
        (("1 GB/s", "1e308 s", 1), "has latency 1e.308; 0 to 1e.06 s is possible"),
        (("1 GB/s", "inf s", 1), "has latency inf"),
    ],
)
def test_a_topology_that_is_huge_or_never_ends_is_refused(
    tmp_path: Path, values: tuple[Any, ...], fault: str
) -> None:
    path = tmp_path / "t.toml"
    path.write_text(HUGE.format(*values))
    with bounded_memory(), pytest.raises(TopologyError, match=f"t.toml: .*{fault}"):
        load(path)


def test_a_topology_without_planes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.toml"
    path.write_text('name = "t"\nplanes = []\n[[endpoints]]\nkind = "die"\nnames = ["a"]\n')
    with pytest.raises(TopologyError, match="t has no planes: at least one is needed"):
        load(path)


def test_a_name_twice_among_very_many_is_found_at_once(tmp_path: Path) -> None:
    names = [f"v{at}" for at in range(30_000)]
    path = tmp_path / "t.toml"
    begin = 'name = "t"\nplanes = ["net"]\n[[endpoints]]\nkind = "die"\nnames = '
    path.write_text(begin + json.dumps([*names, names[-1]]))
    # It took half a minute, and takes 0.1 s now.
    with pytest.raises(TopologyError, match="two vertices are called 'v29999'"):
        load(path)
    with pytest.raises(TopologyError, match="N is 1000000000; at most 131072"):
        system("star:1000000000")


def test_a_file_is_opened_in_one_way(tmp_path: Path) -> None:
    path = tmp_path / "t.toml"
    text = to_toml(star(2))
    for data in (b"\xef\xbb\xbf" + text.encode(), text.replace("\n", "\r\n").encode()):
        path.write_bytes(data)
        assert load(path).equals(star(2))
    for data, fault in [
        (text.encode("utf-16"), "it is UTF-16, not UTF-8"),
        (text.encode("utf-32"), "it is UTF-32, not UTF-8"),
        (b"a\nb\xff", "line 2, byte 2 of it, 0xff, is not UTF-8"),
    ]:
        path.write_bytes(data)
        with pytest.raises(ReadingError, match=f"t.toml is no text that is read here: {fault}"):
            read_text(path, ReadingError)
    with pytest.raises(ReadingError, match="has more than 2 bytes"):
        read_bytes(path, ReadingError, 2)
    with pytest.raises(ReadingError, match="/dev/zero cannot be read: it is a device, not a file"):
        read_bytes("/dev/zero", ReadingError)
    with pytest.raises(ReadingError, match="no file has such a name"):
        read_bytes("a\0b", ReadingError)
    with pytest.raises(ReadingError, match="cannot be read"):
        read_bytes(tmp_path, ReadingError)
    begin, end = os.pipe()
    os.write(end, b"piped")
    os.close(end)
    assert read_text(f"/dev/fd/{begin}", ReadingError) == "piped"
    os.close(begin)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('{"a": 1,\n "a": 2}', "line 1, column 2: the key 'a' comes twice in an object"),
        ("[1,\nNaN]", "line 2, column 1: NaN is no number of JSON"),
        ("[-Infinity]", "line 1, column 2: -Infinity is no number of JSON"),
        ("[1e999]", "line 1, column 2: 1e999 is too large"),
        ("9" * 5000, "line 1, column 1: a number has thousands of digits"),
        ("[" * 70, f"line 1, column {DEEPEST + 1}: more than {DEEPEST} lists"),
        ('["\\ud800"]', "line 1, column 3: half of a character"),
        ('{"a" 1}', "is no JSON: line 1, column 6: ':' is expected, not '1}'"),
        ("", "is no JSON: line 1, column 1: a value is expected, not the end of the file"),
        ("[1] 2", "is no JSON: line 1, column 5: the end is expected, not '2'"),
    ],
)
def test_json_is_read_strictly(text: str, fault: str) -> None:
    with pytest.raises(ReadingError, match=f"f:? {fault}"):
        json_of(text, "f", ReadingError)
    assert json_of('["' + "[" * 70 + '", "\\ud83d\\ude42", 1e3]', "f", ReadingError)[2] == 1000


def test_numbers_and_values_of_files() -> None:
    assert [whole(each, -1, 9) for each in (3, "3", " +3 ", "-1")] == [3, 3, 3, -1]
    for odd in (True, 2.0, "2.0", "٣", "1_0", "", "9" * 30, 10, None, [3], 1 << 80):
        assert whole(odd, -1, 9) is None
    assert shown({"a": [None, True, "x", [[[1]]]]}) == "{'a': [null, true, 'x', [[...]]]}"
    assert shown("x" * 100) == f"'{'x' * 59}..."
    assert shown(10**50) == "a number of dozens of digits"
    with pytest.raises(UnitError, match="is no time"):
        parse("nan us", "time")


def test_what_is_many_is_looked_at_once() -> None:
    """Sixty thousand of everything: what compared each with each took minutes."""
    many = 60_000
    planes = f"name = 't'\nplanes = {json.dumps([f'p{at}' for at in range(many)])}\nendpoints = []"
    with pytest.raises(TopologyError, match="planes names 60000; 100 are possible"):
        from_toml(planes)
    keys = ",".join(f'"k{at}":1' for at in range(many))
    with pytest.raises(ReadingError, match="the key 'k59999' comes twice"):
        json_of("{" + keys + ',"k59999":2}', "f", ReadingError)
    ring = [(at, (at + 1) % many) for at in range(many)]
    assert shortest_circle(ring) == list(range(many))
    assert shortest_circle([*ring, (40_002, 40_000)]) == [40_000, 40_001, 40_002]
    assert shortest_circle(ring[:-1]) == []
