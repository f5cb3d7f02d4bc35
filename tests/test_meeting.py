"""How ranks of one user on one host find each other, whatever others lay into a shared folder."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from fabric.failure import RankLost, TimedOut, TransportError, WorldError
from fabric.host.curve import Keys
from fabric.host.folder import OWNER, PREFIX, endpoint, private_folder, sweep
from fabric.host.liveness import ancestors, birth, host, since_boot
from fabric.host.owned import MOST, is_owned, read_owned, read_secret, write_owned
from fabric.launching import meeting
from fabric.launching.agreement import compare, description
from fabric.settings import Settings
from fabric.world.messages import Leave
from fabric.world.world import World
from fabric.world.zmq_client import ProcessLine
from fabric.world.zmq_server import Server

ROOT = Path(__file__).parents[1]
LIMIT = 180.0
NOBODY = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to play another user")


@pytest.fixture
def shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for temporary files that anybody may write to, used by this process alone."""
    tmp_path.chmod(0o1777)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("fabric.host.folder.OTHERS", ())
    return tmp_path


@pytest.fixture
def gone() -> tuple[int, str]:
    """Number and birth of a process that is no more."""
    with subprocess.Popen(["sleep", "60"]) as process:
        born = birth(process.pid)
        process.kill()
    return process.pid, born


# What is of this user.


def _link(path: Path) -> None:
    path.symlink_to("/dev/zero")


def _large(path: Path) -> None:
    write_owned(path, bytes(MOST + 1))


def _open_to_all(path: Path) -> None:
    write_owned(path, b"x")
    path.chmod(0o666)


@pytest.mark.parametrize(
    ("lay", "words"),
    [(os.mkfifo, "no regular file"), (_link, "no regular file"), (Path.mkdir, "no regular file"),
     (_large, "more than"), (_open_to_all, "mode 0666, which lets other users in")],
)  # fmt: skip
@pytest.mark.parametrize("read", [read_owned, read_secret])
def test_only_small_regular_files_are_read(
    read: Callable[[Path], bytes], lay: Callable[[Path], object], words: str, tmp_path: Path
) -> None:
    lay(tmp_path / "it")
    with pytest.raises(OSError, match=words):
        read(tmp_path / "it")


def test_what_is_ours_is_read_and_secrets_only_if_nobody_else_can(tmp_path: Path) -> None:
    path, link = tmp_path / "it", tmp_path / "link"
    write_owned(path, b"word")
    link.symlink_to(path)
    assert read_owned(path) == read_secret(path) == read_secret(link) == b"word"
    with pytest.raises(OSError, match="no regular file"):
        read_owned(link)
    with pytest.raises(FileExistsError):
        write_owned(link, b"other")
    path.chmod(0o640)
    assert read_owned(path) == b"word"
    with pytest.raises(PermissionError, match="mode 0640"):
        read_secret(path)


@as_root
def test_what_belongs_to_another_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir(0o700)
    write_owned(tmp_path / "it", b"x")
    assert is_owned(tmp_path / "folder")
    for path in tmp_path.iterdir():
        os.chown(path, NOBODY, NOBODY)
    assert not is_owned(tmp_path / "folder")
    for read in (read_owned, read_secret):
        with pytest.raises(PermissionError, match="belongs to user 65534"):
            read(tmp_path / "it")


def test_key_files_that_others_can_read_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    keys = Keys.from_file(path, make=True)
    assert Keys.from_file(path, make=True) == keys
    path.chmod(0o644)
    with pytest.raises(TransportError, match=r"mode 0644.*only its owner may \(chmod 600\)"):
        Keys.from_file(path)
    path.unlink()
    with pytest.raises(TransportError, match=r"no keys from .*: No such file"):
        Keys.from_file(path)
    os.mkfifo(path)
    with pytest.raises(TransportError, match="no regular file"):
        Keys.from_file(path, make=True)
    assert len({keys.token(), keys.token("a"), keys.token("a", "b"), keys.token("ab")}) == 4


# The folder for sockets.


def test_what_others_have_laid_into_a_shared_folder_is_left_alone(
    shared: Path, gone: tuple[int, str]
) -> None:
    for number, lay in enumerate((os.mkfifo, _link, Path.mkdir)):
        folder = shared / f"{PREFIX}{number}"
        folder.mkdir(0o700)
        lay(folder / OWNER)
        lay(shared / f"{PREFIX}{number}.")
    entered = shared / f"{PREFIX}entered"
    entered.mkdir(0o755)
    write_owned(entered / OWNER, "\n".join([str(gone[0]), gone[1], host()]).encode())
    before = sorted(shared.iterdir())
    with private_folder() as mine:
        assert is_owned(mine)
    assert sorted(shared.iterdir()) == before
    entered.chmod(0o700)
    sweep()
    assert not entered.exists()


def test_sockets_have_a_place_where_the_temporary_folder_has_a_long_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = tmp_path / ("x" * 90)
    long.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(long))
    with private_folder() as mine, private_folder(for_sockets=False) as other:
        assert not mine.is_relative_to(long)
        assert other.is_relative_to(long)
        assert endpoint(mine, "1234567.socket") == f"ipc://{mine}/1234567.socket"
        assert endpoint(other, "control") == "tcp://127.0.0.1:*"
    assert not mine.exists()


# Meetings.


def record_of(process: tuple[int, str], at: float, **more: str) -> meeting.MeetingRecord:
    return meeting.MeetingRecord(*process, at, "token", **more)


def test_one_process_at_a_time_has_a_name(shared: Path, gone: tuple[int, str]) -> None:
    record = meeting.claim("a")
    assert meeting.mine(record)
    assert record.token != meeting.claim("b").token
    meeting.publish("a", record, "ipc://here")
    assert meeting.find("a") == meeting.claim("a")
    assert meeting.find("a").address == "ipc://here"
    (folder,) = shared.iterdir()
    assert is_owned(folder)
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    meeting._write(folder / "c", record_of(gone, 0.0, address="ipc://gone"))
    meeting._write(folder / "old", record_of(gone, 0.0))
    (folder / "a.part").write_bytes(b"{")
    assert meeting.mine(meeting.claim("c"))  # who had it was killed
    meeting.withdraw("a", "of another")
    assert meeting.find("a").address == "ipc://here"
    for name in "abc":
        meeting.withdraw(name, meeting._read(folder / name).token)  # type: ignore[union-attr]
    assert list(shared.iterdir()) == []


def test_ranks_wait_for_rank_0_of_their_own_launch(shared: Path, gone: tuple[int, str]) -> None:
    found: list[Any] = []

    def wait(patience: float) -> None:
        try:
            found.append(meeting.find("a", patience=patience))
        except WorldError as error:
            found.append(error)

    with meeting._locked() as folder:
        meeting._write(folder / "a", record_of(gone, 0.0, address="ipc://of a killed job"))
    wait(0.1)
    assert isinstance(found[-1], TimedOut)
    assert "rank 0 has not come within 0.1 s" in str(found[-1])
    waiting = threading.Thread(target=wait, args=(LIMIT,))
    waiting.start()
    record = meeting.claim("a")
    meeting.publish("a", record, "ipc://here")
    waiting.join()
    assert found[-1].address == "ipc://here"
    for of, kind, words in (
        (record_of(gone, since_boot() + 1), RankLost, "rank 0 has ended before it had started"),
        (record_of(gone, since_boot() + 1, error="no room"), WorldError, "authority: no room"),
    ):
        meeting._write(folder / "a", of)
        wait(LIMIT)
        assert type(found[-1]) is kind
        assert words in str(found[-1])


@pytest.mark.parametrize("lay", [os.mkfifo, _link, Path.mkdir])
def test_names_that_others_have_taken_are_passed_over(
    lay: Callable[[Path], object], shared: Path
) -> None:
    lay(shared / f"{PREFIX}{os.geteuid()}")
    record = meeting.claim("a")
    meeting.publish("a", record, "ipc://here")
    assert meeting.find("a").token == record.token
    second = shared / f"{PREFIX}{os.geteuid()}.1"
    assert (second / "a").exists()
    other = shared / f"{PREFIX}{os.geteuid()}"
    other.rename(shared / "away")  # as if the other user had taken it away
    beside = meeting.claim("b")
    assert (other / "b").exists()
    assert meeting.find("a").token == meeting.claim("a").token == record.token
    meeting.withdraw("b", beside.token)
    assert not other.exists()
    (shared / "away").rename(other)
    meeting.withdraw("a", record.token)
    assert not second.exists()
    for number in range(1, meeting.NAMES):
        lay(shared / f"{PREFIX}{os.geteuid()}.{number}")
    with pytest.raises(TransportError, match="belong to other users"):
        meeting.claim("a")


# Jobs that meet though they should not.


def described(*words: str, local: int = 0, **settings: str) -> dict[str, Any]:
    return {"program": ["p.py", *words], "local_rank": local, "settings": settings, "host": "h"}


@pytest.mark.parametrize(
    ("one", "other"),
    [(described("-n", "1"), described("-n", "1", local=1)),
     (described("--device=cuda:0", "log.0"), described("--device=cuda:1", "log.1", local=1)),
     (described("4", local=4), described("6", local=6)),
     (described("head"), {**described("worker"), "host": "another"}),
     (described(scale="1.0"), described(scale="1", clock="virtual", local=1))],
)  # fmt: skip
def test_ranks_of_one_job_may_differ_in_their_own_numbers(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    compare([one, other], Settings())


@pytest.mark.parametrize(
    ("other", "words"),
    [(described("2"), "another job is here: rank 0 runs 'p.py 1', rank 1 runs 'p.py 2'; give each"),
     (described("1", "2"), "rank 1 runs 'p.py 1 2'"),
     (described("1a"), "rank 1 runs 'p.py 1a'"),
     (described("1", scale="2"), "TRIPLANE_SCALE is '2' at rank 1, and this world's scale is 1.0"),
     (described("1", system=""),
      "TRIPLANE_SYSTEM is '' at rank 1, and this world's system is 'clou")],
)  # fmt: skip
def test_ranks_that_run_or_ask_for_something_else_are_of_another_job(
    other: dict[str, Any], words: str
) -> None:
    with pytest.raises(WorldError) as caught:
        compare([described("1"), other], Settings())
    assert words in str(caught.value)
    assert caught.value.rank == 1


def test_a_job_that_has_a_name_may_run_several_programs() -> None:
    assert description({}, 0, programs=True)["program"]
    assert not description({}, 0, programs=False)["program"]
    assert not description({"TRIPLANE_JOB": "mine"}, 0, programs=True)["program"]
    assert not description({"TORCHELASTIC_RUN_ID": "7"}, 0, programs=True)["program"]
    assert description({"TORCHELASTIC_RUN_ID": "none"}, 0, programs=True)["program"]


@pytest.mark.parametrize(
    ("rank", "size", "words"),
    [(1, 2, "rank 1 is there already, as process"), (1, 3, "world of 2 ranks, not rank 1 of 3")],
)
def test_who_comes_from_another_job_is_refused_and_all_are_told(
    rank: int, size: int, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        closing(Server(World(2), Settings(), "tcp://127.0.0.1:*", token="t")) as server,
        closing(ProcessLine(server.address, 0, 2, token="t")) as first,
        closing(ProcessLine(server.address, 1, 2, token="t")) as second,
    ):
        with pytest.raises(TransportError, match=words):  # a child of rank 1, with its settings
            ProcessLine(server.address, rank, size, token="t")
        assert server.world.error is None
        monkeypatch.setattr("fabric.world.zmq_peers.ancestors", lambda pid: iter(()))
        monkeypatch.setattr("fabric.world.zmq_client.os.getpid", os.getppid)
        with pytest.raises(TransportError, match=words):
            ProcessLine(server.address, rank, size, token="t")
        monkeypatch.undo()
        for line in (first, second):
            with pytest.raises(WorldError, match=f"another job has come here: .*{words}"):
                line.inbox.wait(lambda: False)


def test_a_rank_that_has_left_may_come_again_and_harms_nobody() -> None:
    with (
        closing(Server(World(2), Settings(), "tcp://127.0.0.1:*")) as server,
        closing(ProcessLine(server.address, 0, 2)),
    ):
        line = ProcessLine(server.address, 1, 2)
        line.post(Leave())
        line.drain(LIMIT)
        with pytest.raises(TransportError, match="rank 1 has left this world already"):
            ProcessLine(server.address, 1, 2)
        assert server.world.error is None
        line.close()


def test_whose_child_a_process_is() -> None:
    with subprocess.Popen(["sleep", "60"]) as process:
        assert list(ancestors(process.pid))[:2] == [os.getpid(), os.getppid()]
        process.kill()


PROGRAM = """
import sys, numpy as np
from pathlib import Path
from collectives import init
number = float(sys.argv[1])
with init() as comm:
    x = np.full(4, number)
    comm.all_reduce(x)
    assert x[0] == 2 * number, x[0]
    sys.stdout.write(f"rank {comm.rank} well\\n")
"""


def started(program: Path, shared: Path, rank: int, word: str) -> Any:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("TRIPLANE_", "PMI", "OMPI_"))}
    return subprocess.Popen(
        [sys.executable, str(program), word], text=True, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={
            **kept, "RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": "29500", "TRIPLANE_SYSTEM": "", "TMPDIR": str(shared),
            "PYTHONPATH": str(ROOT),
        },
    )  # fmt: skip


def test_two_jobs_with_one_port_are_told_so_or_are_right(tmp_path: Path) -> None:
    program, shared = tmp_path / "program.py", tmp_path / ("y" * 100)
    program.write_text(PROGRAM)
    shared.mkdir(mode=0o1777)
    os.mkfifo(shared / f"{PREFIX}{os.geteuid()}")
    jobs = [
        started(program, shared, 0, "1"), started(program, shared, 1, "100"),
        started(program, shared, 1, "1"), started(program, shared, 0, "100"),
    ]  # fmt: skip
    ended = [(each.communicate(timeout=LIMIT), each.returncode) for each in jobs]
    for (said, errors), code in ended:
        right = code == 0 and said.endswith("well\n")
        assert right or code == 1
        assert right or "another job" in errors or "two jobs" in errors
    due = time.monotonic() + LIMIT
    while len(list(shared.iterdir())) > 1 and time.monotonic() < due:  # authorities end last
        time.sleep(0.02)
    assert len(list(shared.iterdir())) == 1
