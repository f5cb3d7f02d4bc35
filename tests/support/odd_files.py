"""Damaged and odd input files for every reader, and what must hold of them.

As a program it goes on for as long as one likes: python -m tests.support.odd_files --seconds 600
--seed 1
"""

import argparse
import gzip
import json
import random
import re
import resource
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np

from bench.collectives.vector_counts import read_matrix
from bench.published import rows
from bench.trace import Reading, replayed
from bench.trace import load as load_workload
from collectives.algorithms import allgather
from collectives.moe import from_file, uniform
from collectives.workloads import goal, of_steps
from collectives.workloads.chakra import protobuf
from fabric import Fabric, Step, Timeline
from fabric.classes.file import load_classes
from fabric.machine import MachineSpec
from topology import cloudmatrix384, from_networkx, load, rank_table, star, to_networkx, to_toml
from topology.errors import TriplaneError
from topology.formats.hccl_topo import hccl_topo

MEMORY = 3 << 30
"""Bytes that a reader may take beside what the process has."""

SECONDS = 60
"""Seconds that a reader may take at most, on however loaded a machine."""

FABRIC = Fabric(star(4), endpoint="raw")


def _workload(path: Path) -> None:
    workload, _ = load_workload([path], Reading(groups=path.with_name("groups.json")) if (
        path.suffix != ".goal") else None)  # fmt: skip
    replayed(workload, FABRIC, path)


def _groups(path: Path) -> None:
    how = Reading(groups=path)
    try:
        load_workload([path.with_name("used.0.et")], how)
    except TriplaneError as error:  # the file of groups, or of the trace that has not such a group
        raise TriplaneError(str(error).replace("used", f"{path.name} and used")) from None


def _table(path: Path) -> None:
    rank_table(path, "prefill" if path.stem.startswith("pd") else None).placement(cloudmatrix384())


def _graph(path: Path) -> None:
    """A graph's attributes are anything that Python has: here what JSON can say."""
    try:
        graph = nx.node_link_graph(json.loads(path.read_bytes()), edges="edges")
    except Exception:  # networkx' own reader, of what is no graph
        return
    try:
        from_networkx(graph)
    except TriplaneError as error:
        raise TriplaneError(f"{path.name}: {error}") from None


def _npz(path: Path, **arrays: Any) -> None:
    with path.open("wb") as file:
        np.savez(file, **arrays)


READERS: dict[str, Callable[[Path], Any]] = {
    "star.toml": load,
    "tree.toml": load,
    "table.json": _table,
    "old.json": _table,
    "group.json": _table,
    "pd.json": _table,
    "run.npz": Timeline.load,
    "x.goal": _workload,
    "x.0.et": _workload,
    "z.0.et.gz": _workload,
    "groups.json": _groups,
    "routing.csv": lambda path: from_file(path, 8),
    "routing.json": from_file,
    "routing.npz": from_file,
    "routing.npy": lambda path: from_file(path, 8),
    "targets.csv": rows.read,
    "matrix.txt": lambda path: read_matrix(str(path)),
    "graph.json": _graph,
    "topo.json": hccl_topo,
    "classes.toml": load_classes,
    "machine.json": MachineSpec.load,
}
"""What reads each of the files that `write` makes, and does something with what it says."""

_DEVICE = [{"device_id": "0", "device_ip": "192.0.2.1", "rank_id": "0", "super_device_id": "7"}]
_SERVERS = [{"server_id": "10.0.0.1", "host_ip": "10.0.0.1", "device": _DEVICE}]
_HEAD = {"version": "1.2", "status": "completed"}
_TABLES: dict[str, dict[str, Any]] = {
    "table.json": {**_HEAD, "server_count": "1", "server_list": _SERVERS, "super_pod_list": [
        {"super_pod_id": "0", "server_list": [{"server_id": "10.0.0.1"}]}]},
    "group.json": {**_HEAD, "server_group_list": [{"group_id": "2", "server_count": "1",
                                                   "server_list": _SERVERS}]},
    "old.json": {"status": "completed", "group_count": "1", "group_list": [
        {"group_name": "g", "device_count": "1", "instance_count": "1", "instance_list": [
            {"pod_name": "0", "server_id": "10.0.0.1",
             "devices": [{"device_id": "0", "device_ip": "192.0.2.1"}]}]}]},
    "pd.json": {**_HEAD, "prefill_device_list": [
        {"server_id": "a", "device_id": "0", "super_pod_id": "0", "cluster_id": "1"},
        {"server_id": "b", "device_id": "1", "super_pod_id": "0", "cluster_id": "2"}]},
    "groups.json": {"0": [0], "1": [0]},
    "topo.json": {"version": "2.0", "peer_count": 2, "edge_count": 2, "peer_list": [
        {"local_id": 0}, {"local_id": 1}], "edge_list": [
        {"net_layer": 0, "link_type": "PEER2PEER", "protocols": ["UB_CTP"], "local_a": 0,
         "local_a_ports": ["0/0"], "local_b": 1, "local_b_ports": ["0/1"]},
        {"net_layer": 1, "link_type": "PEER2NET", "protocols": ["UB_TP"], "topo_type": "CLOS",
         "topo_instance_id": 3, "local_a": 0, "local_a_ports": ["1/2"], "position": "DEVICE"}]},
}  # fmt: skip


def write(folder: Path) -> dict[str, bytes]:
    """Write a sound file for each of `READERS` to ``folder``; returns what is in them."""
    (folder / "star.toml").write_text(to_toml(star(3)))
    (folder / "tree.toml").write_text(
        'name = "t"\nplanes = ["a", "b"]\n[[endpoints]]\nkind = "die"\nnames = ["x", "y"]\n'
        'node = 0\npackage = [0, 1]\n[[links]]\nplane = "b"\nfrom = "x"\nto = ["y"]\n'
        'bandwidth = "1.5 GB/s"\nlatency = "187.5 ns"\nboth = true\nback_latency = "0 s"\n'
        "count = 2\n"
    )
    for name, table in _TABLES.items():
        (folder / name).write_text(json.dumps(table, indent=1))
    Fabric(star(4)).simulate([Step([0, 1], [1, 2], [5, 6], label="a")]).save(folder / "run.npz")
    goal.save(of_steps(allgather.ring(3, 100), 3), folder / "x.goal")
    _trace(folder / "x.0.et")
    _trace(folder / "used.0.et", "1")
    (folder / "z.0.et.gz").write_bytes(gzip.compress((folder / "x.0.et").read_bytes(), mtime=0))
    table = uniform(2, 3, 2, 8).flat.reshape(2, 3, 2)
    (folder / "routing.csv").write_text("rank,e0,e1\n0,0,1\n0,2,3\n2,1,-1\n")
    (folder / "routing.json").write_text(json.dumps({"experts": 8, "topk_idx": table.tolist()}))
    _npz(folder / "routing.npz", topk_idx=table, experts=8)
    np.save(folder / "routing.npy", table)
    lines = rows.PUBLISHED.read_text().splitlines(keepends=True)
    (folder / "targets.csv").write_text("".join(lines[:4]))
    (folder / "matrix.txt").write_text("0 1024 2.5e3\n16 0 1024\n1 2 3\n")
    graph = nx.node_link_data(to_networkx(star(2)), edges="edges")
    (folder / "graph.json").write_text(json.dumps(graph))
    (folder / "classes.toml").write_text(
        '[[classes]]\nname = "moe"\nnumber = 1\npriority = 2\noperations = ["dispatch"]\n'
        '[[classes]]\nname = "kv"\nnumber = 2\nweight = 0.5\nrate_limit = "25 GB/s"\n'
    )
    classes = load_classes(folder / "classes.toml")
    MachineSpec("star:4", "hccl", placement=(2, 0, 1), classes=classes, tolerance=0.0).save(
        folder / "machine.json"
    )
    return {name: (folder / name).read_bytes() for name in READERS}


def _trace(path: Path, group: str = "") -> None:
    def attribute(name: str, number: int, value: int | str) -> bytes:
        return protobuf.field(10, protobuf.field(1, name) + protobuf.field(number, value))

    call = attribute("comm_type", 9, 0) + attribute("comm_size", 9, 4096)
    nodes = [
        [protobuf.field(1, "0.0.4")],
        [protobuf.field(1, 0), protobuf.field(2, "work"), protobuf.field(3, 4),
         protobuf.field(7, 5), attribute("is_cpu_op", 27, 1)],
        [protobuf.field(1, 1), protobuf.field(3, 7), protobuf.field(5, 0), call,
         attribute("pg_name", 29, group) if group else b""],
        [protobuf.field(1, 2), protobuf.field(3, 5), attribute("comm_dst", 7, 0),
         attribute("comm_size", 9, 8), attribute("comm_tag", 7, 3)],
        [protobuf.field(1, 3), protobuf.field(3, 6), protobuf.field(4, b"\x01"),
         attribute("comm_src", 7, 0), attribute("comm_size", 9, 8), attribute("comm_tag", 7, 3)],
    ]  # fmt: skip
    whole = [b"".join(parts) for parts in nodes]
    path.write_bytes(b"".join(protobuf.varint(len(one)) + one for one in whole))


ODD = [
    b"nan", b"NaN", b"inf", b"-1", b"-0", b"0", b"1e999", b"1e-999", b"1e308", b"5e-324", b"true",
    b"null", b"None", b"2.0", b"1_0", b"0x10", b"9" * 19, b"9" * 30, b"9" * 5000, b"18446744073709"
    b"551615", b"2147483648", b"1000000000", b"\xff", b"\xc3", b"\x00", b"\x1b[2J", b"\xef\xbb\xbf",
    b"\xff\xfe", "٣".encode(), "é".encode(), b"\r", b"\n", b"\r\n", b"\t", b";", b",", b'"', b"'",
    b"[", b"]", b"{", b"}", b"[" * 3000, b"{" * 100, b"#", b"//", b"/*", b"\\ud800", b"\\u0000",
    b"[]", b"{}", b'""', b"PK\x03\x04", b"\x1f\x8b", b"a" * 70000, b" " * 1000, b"=", b":",
]  # fmt: skip
"""What mutations put into files."""


def mutated(data: bytes, chance: random.Random) -> bytes:
    """``data`` with one to three changes: bytes, pieces, numbers, or cut off; or none of it."""
    for _ in range(chance.choice([1, 1, 1, 2, 3])):
        data = chance.choice(_CHANGES)(data, chance)
    return data


def byte_changed(data: bytes, chance: random.Random) -> bytes:
    """``data`` with one byte other than it was."""
    at = chance.randrange(max(len(data), 1))
    return data[:at] + bytes([chance.randrange(256)]) + data[at + 1 :]


def _inserted(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data) + 1)
    return data[:at] + chance.choice(ODD) + data[at:]


def _cut_off(data: bytes, chance: random.Random) -> bytes:
    return data[: chance.randrange(len(data) + 1)]


def _piece(data: bytes, chance: random.Random) -> tuple[int, int]:
    begin = chance.randrange(len(data) + 1)
    return begin, min(len(data), begin + chance.choice([1, 2, 8, 40, 300]))


def _deleted(data: bytes, chance: random.Random) -> bytes:
    begin, end = _piece(data, chance)
    return data[:begin] + data[end:]


def _doubled(data: bytes, chance: random.Random) -> bytes:
    begin, end = _piece(data, chance)
    return data[:end] + data[begin:end] * chance.choice([1, 1, 2, 200]) + data[end:]


def _token(data: bytes, chance: random.Random) -> bytes:
    """A number, word, or text in quotes replaced."""
    found = list(re.finditer(rb'-?[0-9][0-9.e+-]*|"[^"\n]*"|[A-Za-z_]+', data))
    if not found:
        return data + chance.choice(ODD)
    one = chance.choice(found)
    other = chance.choice(ODD) if chance.random() < 0.7 else chance.choice(found)[0]
    return data[: one.start()] + other + data[one.end() :]


def _line(data: bytes, chance: random.Random) -> bytes:
    """Lines in another order, or one away."""
    lines = data.split(b"\n")
    one, other = chance.randrange(len(lines)), chance.randrange(len(lines))
    lines[one], lines[other] = lines[other], lines[one]
    return b"\n".join(lines if chance.random() < 0.5 else lines[:one] + lines[one + 1 :])


def _garbage(_: bytes, chance: random.Random) -> bytes:
    parts = chance.choices(ODD, k=chance.randrange(6))
    return b"".join(parts) if chance.random() < 0.5 else chance.randbytes(chance.randrange(80))


_CHANGES = [byte_changed, byte_changed, _inserted, _cut_off, _deleted, _doubled, _token, _token,
            _line, _garbage]  # fmt: skip


def complaint(read: Callable[[Path], Any], path: Path) -> str:
    """What is wrong with how a file is read: ``""`` for an answer, or for a good error of ours."""
    try:
        read(path)
    except TriplaneError as error:
        text = str(error)
        if "\n" in text or path.name.split(".")[0] not in text:
            return f"the error is not one line with the file's name: {text[:300]!r}"
        if len(text) > 2100:
            return f"the error has {len(text)} characters: {text[:200]!r}"
        if re.search(r"Traceback|Error\(|NoneType|numpy\.|object at 0x|invalid literal", text):
            return f"the error has words of Python: {text[:300]!r}"
        return ""
    except Exception as error:
        return f"{type(error).__module__}.{type(error).__name__}: {str(error)[:300]}"
    return ""


@contextmanager
def bounded_memory() -> Iterator[None]:
    """More than `MEMORY` is a MemoryError inside it."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MEMORY, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def main() -> None:
    """Try files until the time is over; ends with 1 where something was wrong."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", default=list(READERS))
    asked = parser.parse_args()
    found: dict[str, str] = {}
    tried: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sound = write(folder)
        for each, read in READERS.items():
            assert not complaint(read, folder / each)
        until, seed = time.monotonic() + asked.seconds, asked.seed
        while time.monotonic() < until:
            each, seed = asked.only[seed % len(asked.only)], seed + 1
            path = folder / each
            path.write_bytes(mutated(sound[each], random.Random(seed)))
            signal.alarm(SECONDS)
            begin = time.monotonic()
            with bounded_memory():
                wrong = complaint(READERS[each], path)
            signal.alarm(0)
            took = time.monotonic() - begin
            wrong = wrong or (f"{took:.1f} s" if took > SECONDS / 12 else "")
            path.write_bytes(sound[each])
            tried[each] += 1
            if wrong and wrong[:60] not in found:
                found[wrong[:60]] = f"{each} with seed {seed}: {wrong}"
                sys.stdout.write(found[wrong[:60]] + "\n")
                sys.stdout.flush()
    sys.stdout.write(f"{sum(tried.values())} files, {len(found)} kinds of complaints\n")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
