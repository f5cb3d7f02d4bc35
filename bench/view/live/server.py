"""The page's server: loopback only, a token in every address, and one document and one stream.

``/TOKEN/`` is the page, ``/TOKEN/events`` what happens, as server-sent events. Whatever does not
have the token, or comes by another name of this host or from another page, gets 403 and nothing
else. A browser has one frame under way at most; while it does not take that, it gets no other.
"""

import asyncio
import contextlib
import hmac
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus

HOST = "127.0.0.1"

MOST_HEAD = 16 << 10
"""Bytes of a request at most."""

HEAD_PATIENCE = 5.0
"""Seconds within which a request has to be there."""

MOST_CONNECTIONS = 32
"""At once; others are closed unread."""

SILENCE = 1.0
"""Seconds after which a stream says that it is still there."""

HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""What every answer has: the address is a secret, and the page is nobody else's."""


class RefusedRequest(Exception):
    """A request that gets no content, and this status."""

    def __init__(self, status: HTTPStatus) -> None:
        super().__init__(status)
        self.status = status


class LiveServer:
    """Serves a page and its stream to whoever knows ``token``.

    ``document``: makes the page. ``frames``: makes what a browser gets, called once for each; what
    that returns makes the next frame, None if there is nothing new. `announce` says that there is
    something new, `close` ends all streams.
    """

    def __init__(
        self, token: str, document: Callable[[], Awaitable[bytes]],
        frames: Callable[[], Callable[[], str | None]],
    ) -> None:  # fmt: skip
        self._token, self._document, self._frames = token.encode(), document, frames
        self._news = asyncio.Event()
        self._over = False
        self._busy: set[asyncio.Task[None]] = set()
        self._streams: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._names: frozenset[str] = frozenset()
        self.address = ""

    async def start(self) -> None:
        """Listen at a port that is free; then ``address`` is the page's."""
        self._server = await asyncio.start_server(self._accept, HOST, 0, limit=MOST_HEAD)
        port = self._server.sockets[0].getsockname()[1]
        self._names = frozenset({f"{HOST}:{port}", f"localhost:{port}"})
        self.address = f"http://{HOST}:{port}/{self._token.decode()}/"

    @property
    def watchers(self) -> int:
        """How many browsers have a stream."""
        return len(self._streams)

    def announce(self) -> None:
        """Have every stream send what is new."""
        news, self._news = self._news, asyncio.Event()
        news.set()

    async def close(self, patience: float) -> None:
        """Listen no more, and end all streams, each with its last frame if that goes in time.

        ``patience``: seconds.
        """
        self._over = True
        if self._server is not None:
            self._server.close()
        self.announce()
        if self._streams:
            await asyncio.wait(self._streams, timeout=patience)
        for task in self._busy:
            task.cancel()
        await asyncio.gather(*self._busy, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None or len(self._busy) >= MOST_CONNECTIONS:
            writer.transport.abort()
            return
        self._busy.add(task)
        try:
            with contextlib.suppress(ConnectionError):
                await self._answer(reader, writer)
        finally:
            self._busy.discard(task)
            writer.transport.abort() if self._over else writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(HEAD_PATIENCE):
                head = await reader.readuntil(b"\r\n\r\n")
        except (TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            return
        try:
            place = self._place(head)
        except RefusedRequest as refused:
            await _send(writer, refused.status, b"")
            return
        if place == b"events":
            await self._stream(reader, writer)
        else:
            body = await self._document()
            await _send(writer, HTTPStatus.OK, body, {"Content-Type": "text/html; charset=utf-8"})

    def _place(self, head: bytes) -> bytes:
        """What a request is for, after the token; raises `RefusedRequest`."""
        line, *lines = head.rstrip(b"\r\n").split(b"\r\n")
        method, _, rest = line.partition(b" ")
        path = rest.partition(b" ")[0]
        headers = [one.partition(b":") for one in lines]
        given = [
            (name.strip().lower(), value.strip().decode("latin-1")) for name, _, value in headers
        ]
        hosts = [value for name, value in given if name == b"host"]
        origins = [value for name, value in given if name == b"origin"]
        here = len(hosts) == 1 and hosts[0] in self._names
        own = all(origin in {f"http://{name}" for name in self._names} for origin in origins)
        token, _, place = path.removeprefix(b"/").partition(b"/")
        # Compared in any case, so that no answer comes sooner for a name that is wrong.
        known = hmac.compare_digest(token, self._token)
        if not (known and here and own):
            raise RefusedRequest(HTTPStatus.FORBIDDEN)
        if method != b"GET":
            raise RefusedRequest(HTTPStatus.METHOD_NOT_ALLOWED)
        if place not in (b"", b"events"):
            raise RefusedRequest(HTTPStatus.NOT_FOUND)
        return place

    async def _stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(_head(HTTPStatus.OK, {"Content-Type": "text/event-stream"}))
        writing = asyncio.create_task(self._write(writer))
        leaving = asyncio.create_task(_left(reader))
        self._streams.add(writing)
        try:
            await asyncio.wait((writing, leaving), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._streams.discard(writing)
            for task in (writing, leaving):
                task.cancel()
            await asyncio.gather(writing, leaving, return_exceptions=True)

    async def _write(self, writer: asyncio.StreamWriter) -> None:
        make = self._frames()
        while True:
            news, over = self._news, self._over
            found = make()
            writer.write(b":\n\n" if found is None else b"data: " + found.encode() + b"\n\n")
            if over:
                writer.write(b"event: end\ndata: \n\n")
            await writer.drain()
            if over:
                return
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(news.wait(), SILENCE)


async def _left(reader: asyncio.StreamReader) -> None:
    """Return when the other end has closed; what it says meanwhile is not looked at."""
    with contextlib.suppress(ConnectionError):
        while await reader.read(MOST_HEAD):
            continue


async def _send(
    writer: asyncio.StreamWriter, status: HTTPStatus, body: bytes,
    more: Mapping[str, str] | None = None,
) -> None:  # fmt: skip
    writer.write(_head(status, {"Content-Length": str(len(body)), **(more or {})}) + body)
    await writer.drain()


def _head(status: HTTPStatus, more: Mapping[str, str]) -> bytes:
    lines = {"Connection": "close", **HEADERS, **more}
    text = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"HTTP/1.1 {status.value} {status.phrase}\r\n{text}\r\n".encode("latin-1")
