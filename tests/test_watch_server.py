"""The server of a page that is alive: who gets what, and that nobody holds up another."""

import asyncio
import base64
import contextlib
import gzip
import os
import re
import signal
import urllib.request
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from bench.cli import main
from bench.view.command import command
from bench.view.live import server as served
from bench.view.live.addresses import addresses, announced
from bench.view.live.server import LiveServer
from fabric.host.liveness import GONE, state
from tests.support.watching import PROGRAM, running, until

TOKEN = "a-token-of-the-test"
PAGE = b"<!doctype html><title>page</title>"


class Counter:
    """What a server makes for its browsers: frames of a size, as many as were asked for."""

    def __init__(self, size: int = 10) -> None:
        self.size, self.version, self.made = size, 0, list[int]()

    def frames(self) -> Callable[[], str | None]:
        number, seen = len(self.made), -1
        self.made.append(0)

        def following() -> str | None:
            nonlocal seen
            if seen == self.version:
                return None
            seen = self.version
            self.made[number] += 1
            return f"{seen} {'x' * self.size}"

        return following


def serving(do: Callable[[LiveServer, Counter], Awaitable[None]], size: int = 10) -> None:
    """Run ``do`` beside a server; then nothing of it is left."""

    async def document() -> bytes:
        return PAGE

    async def whole() -> None:
        counter = Counter(size)
        server = LiveServer(TOKEN, document, counter.frames)
        await server.start()
        try:
            async with asyncio.timeout(60):
                await do(server, counter)
        finally:
            await server.close(0.2)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(whole())


async def connected(server: LiveServer) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection(served.HOST, port_of(server.address))


def port_of(address: str) -> int:
    return int(address.split(":")[2].split("/")[0])


async def asked(server: LiveServer, path: str, method: str = "GET", **headers: str) -> bytes:
    """All that a request is answered with."""
    reader, writer = await connected(server)
    given = {"Host": f"{served.HOST}:{port_of(server.address)}", **headers}
    lines = "".join(f"{name}: {value}\r\n" for name, value in given.items() if value)
    writer.write(f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode("latin-1"))
    answer = await reader.read()
    writer.close()
    return answer


FORBIDDEN: list[tuple[str, dict[str, str]]] = [
    ("/", {}),
    ("/events", {}),
    (f"/{TOKEN[:-1]}/", {}),
    (f"/{TOKEN}x/", {}),
    (f"/{TOKEN.upper()}/events", {}),
    (f"/x/{TOKEN}/", {}),
    (f"/?token={TOKEN}", {}),
    (f"//{TOKEN}/", {}),
    ("/\udcff/".encode("utf-8", "surrogateescape").decode("latin-1"), {}),
    (f"/{TOKEN}/", {"Host": "evil.example"}),
    (f"/{TOKEN}/events", {"Host": "127.0.0.1"}),
    (f"/{TOKEN}/events", {"Host": ""}),
    (f"/{TOKEN}/events", {"Origin": "http://evil.example"}),
    (f"/{TOKEN}/events", {"Origin": "null"}),
]


def test_without_the_token_or_from_elsewhere_there_is_nothing() -> None:
    async def do(server: LiveServer, counter: Counter) -> None:
        for path, headers in FORBIDDEN:
            head, _, body = (await asked(server, path, **headers)).partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 403 "), (path, headers)
            assert body == b"", (path, headers)
            assert TOKEN.encode() not in head
            assert b"Access-Control" not in head
        assert counter.made == []
        assert server.watchers == 0

    serving(do)


def test_with_the_token_there_are_the_page_and_its_stream() -> None:
    async def do(server: LiveServer, counter: Counter) -> None:
        port = port_of(server.address)
        assert server.address == f"http://127.0.0.1:{port}/{TOKEN}/"
        head, _, body = (await asked(server, f"/{TOKEN}/")).partition(b"\r\n\r\n")
        assert body == PAGE
        for name, value in served.HEADERS.items():
            assert f"{name}: {value}".encode() in head
        assert {"no-store", "no-referrer", "DENY", "same-origin"} <= set(served.HEADERS.values())
        assert (await asked(server, f"/{TOKEN}/", Host=f"localhost:{port}")).endswith(PAGE)
        for path, method, status in ((f"/{TOKEN}/x", "GET", 404), (f"/{TOKEN}/", "POST", 405)):
            head, _, body = (await asked(server, path, method)).partition(b"\r\n\r\n")
            assert (head[9:12], body) == (b"%d" % status, b"")
        reader, writer = await connected(server)
        origin = f"Host: localhost:{port}\r\nOrigin: http://localhost:{port}"
        writer.write(f"GET /{TOKEN}/events HTTP/1.1\r\n{origin}\r\n\r\n".encode())
        assert b"text/event-stream" in await reader.readuntil(b"\r\n\r\n")
        for version in range(3):
            counter.version = version
            server.announce()
            while b"data: %d " % version not in await reader.readuntil(b"\n\n"):
                continue
        await server.close(5)
        assert (await reader.read()).endswith(b"event: end\ndata: \n\n")
        writer.close()

    serving(do)


def test_a_browser_that_reads_nothing_holds_up_nobody_and_nothing_is_kept_for_it() -> None:
    async def do(server: LiveServer, counter: Counter) -> None:
        streams = []
        for _ in range(2):  # the first is the slow one
            reader, writer = await connected(server)
            given = f"Host: 127.0.0.1:{port_of(server.address)}"
            writer.write(f"GET /{TOKEN}/events HTTP/1.1\r\n{given}\r\n\r\n".encode())
            while server.watchers <= len(streams):
                await asyncio.sleep(0)
            streams.append((reader, writer))
        streams[0][1].transport.pause_reading()  # type: ignore[attr-defined]
        reader = streams[1][0]
        for version in range(1, 40):
            counter.version = version
            server.announce()
            got = b""
            while b"data: %d " % version not in got:
                got = (got + await reader.read(1 << 20))[-counter.size - 100 :]
        assert counter.made[1] >= 39
        assert counter.made[0] < 20  # what fits into the buffers of both ends, and no more
        for _, writer in streams:
            writer.close()
        while server.watchers:
            await asyncio.sleep(0.01)

    serving(do, size=1 << 20)


def test_strangers_who_say_nothing_or_too_much_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(served, "HEAD_PATIENCE", 0.05)
    monkeypatch.setattr(served, "MOST_CONNECTIONS", 4)

    async def do(server: LiveServer, counter: Counter) -> None:
        silent = [await connected(server) for _ in range(4)]
        assert [await reader.read() for reader, _ in silent] == [b""] * 4
        reader, writer = await connected(server)
        writer.write(b"GET /" + b"x" * (served.MOST_HEAD * 2))
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
        for _, each in [*silent, (reader, writer)]:
            each.close()
        assert (await asked(server, f"/{TOKEN}/")).endswith(PAGE)

    serving(do)


# The whole: a launcher, its ranks, and the process of the page.


def page_process(folder: Path) -> int:
    """The process of the page, from what it has announced."""
    (owner,) = [path.parent / "owner" for path in folder.glob("triplane-*/live")]
    return int(owner.read_text().splitlines()[0])


@pytest.mark.parametrize("way", ["ended", "killed"])
def test_a_run_leaves_nothing_behind(
    way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fabric.host.folder._bases", lambda: [tmp_path])
    with running(tmp_path) as (process, address, stop):
        page = page_process(tmp_path)
        assert addresses() == [address]
        if way == "ended":
            stop.touch()
            assert process.wait(60) == 0
        else:
            process.send_signal(signal.SIGKILL)
            process.wait(60)
        until(lambda: state(page) == GONE, "the page's process ends")
        until(lambda: not list(tmp_path.glob("triplane-*/live")), "its address is gone")


def test_who_is_lost_is_said_where_the_others_go_on(tmp_path: Path) -> None:
    with running(tmp_path, "--on-loss", "shrink", ranks=3, mode="lose") as (process, address, stop):
        with urllib.request.urlopen(f"{address}events", timeout=60) as stream:
            for line in stream:
                if line.startswith(b"data: ") and len(line) > len("data: \n"):
                    told = gzip.decompress(base64.b64decode(line[len("data: ") :]))
                    if b"rank 1 raised ValueError: rank 1 has had enough" in told:
                        break
            else:
                pytest.fail("nothing is said of the loss")
        stop.touch()
        assert process.wait(60) == 0


def test_ranks_wait_for_who_watches(tmp_path: Path) -> None:
    """Who sees the stream sees the run from its begin: nothing is over, then everything."""
    (tmp_path / "stop").touch()
    with running(tmp_path, "--live-wait") as (process, address, _):
        assert process.poll() is None
        with urllib.request.urlopen(f"{address}events", timeout=60) as stream:
            calls = [
                int(found[1])
                for line in stream
                if line.startswith(b"data: ") and len(line) > len("data: \n")
                for told in [gzip.decompress(base64.b64decode(line[len("data: ") :]))]
                if (found := re.search(rb'"calls": (\d+)', told))
            ]
        assert process.wait(60) == 0
    assert calls[0] == 0
    assert calls[-1] == 1  # of which rank 0 learns that the file is there


def test_the_process_of_the_page_may_be_killed(tmp_path: Path) -> None:
    """Ranks that wait for who watches begin, as nobody ever will; and nobody misses it."""
    (tmp_path / "stop").touch()
    with running(tmp_path, "--live-wait") as (process, _, _):
        os.kill(page_process(tmp_path), signal.SIGKILL)
        assert process.wait(60) == 0


def test_the_address_of_a_page_is_private_and_goes_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fabric.host.folder._bases", lambda: [tmp_path])
    assert addresses() == []
    refused = CliRunner().invoke(command, ["--live"])
    assert "nothing with --live goes on here" in str(refused.exception)
    with announced("http://127.0.0.1:1/secret/"):
        (folder,) = tmp_path.iterdir()
        assert folder.stat().st_mode & 0o077 == 0
        assert (folder / "live").stat().st_mode & 0o077 == 0
        assert CliRunner().invoke(command, ["--live"]).output == "http://127.0.0.1:1/secret/\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "--live", "--system", "none", str(PROGRAM)], "--live does not go with --system"),
        (["run", "--live", "--nnodes", "2", "--node-rank", "1", "--rdzv-endpoint", "h:1",
          str(PROGRAM)], "--live goes with node 0"),
        (["run", "--live", "--live-wait", "--transport", "mpi", str(PROGRAM)],
         "--live-wait does not go with --transport mpi"),
        (["view", "--live", "star:4"], "--live goes alone"),
        (["view", "star:4"], "Missing option '-o'"),
    ],
)  # fmt: skip
def test_what_cannot_be_watched_is_refused(arguments: list[str], words: str) -> None:
    found = CliRunner().invoke(main, arguments)
    assert found.exit_code == 2
    assert words in found.output
