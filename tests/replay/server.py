"""The replay server: Yahoo and the ASX on loopback, at a chosen instant, misbehaving on command.

One port serves three kinds of client: one that tunnels with CONNECT (the real names, over TLS), one that uses it as a
plain HTTP proxy, and one that asks it directly over HTTP.
"""

import asyncio
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Self
from urllib.parse import parse_qs, unquote, urlsplit

from tests.replay import chart
from tests.replay.books import Book, Series
from tests.replay.certificates import write_certificate

DIRECTORY_PATH = "/asx-research/1.0/companies/directory/file"
OFFICIAL_PATH = "/asx/research/ASXListedCompanies.csv"
DOWN_PAGE = "<!doctype html><html><body><h1>Will be right back</h1>Thank you for your patience.</body></html>"
WRONG_META: dict[str, dict[str, object]] = {
    "new_york": {"exchangeTimezoneName": "America/New_York"},
    "usd": {"currency": "USD"},
    "no_currency": {"currency": None},
}
COOKIE = "A3=d=AQABBReplay; Max-Age=31557600; Domain=.yahoo.com; Path=/; SameSite=None; Secure; HttpOnly"


@dataclass
class Reply:
    status: int
    body: bytes
    kind: str = "application/json"
    cookie: str = ""
    seconds: float = 0.0
    cut: bool = False  # announce the whole body, send half of it, hang up


@dataclass
class Fault:
    """A way to misbehave, for some symbols (None: all) and so many answers."""

    kind: str
    symbols: frozenset[str] | None
    times: float
    seconds: float


@dataclass
class Asked:
    """One request as the server saw it: `seconds` from its arrival to its answer."""

    host: str
    path: str
    symbol: str | None
    status: int
    at: float
    seconds: float


@dataclass
class ReplayServer:
    """Start it with ``with``; change `now`, `pages` and the faults at any time."""

    folder: Path
    book: Book
    now: datetime
    pages: dict[str, bytes | Callable[[], bytes]] = field(default_factory=dict)
    delay: float = 0.0
    asked: list[Asked] = field(default_factory=list)
    _faults: list[Fault] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.certificate, key = write_certificate(self.folder)
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(self.certificate, key)
        started = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(started,), name="replay-server", daemon=True)
        self._thread.start()
        assert started.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def misbehave(self, kind: str, *symbols: str, times: float = float("inf"), seconds: float = 0.0) -> None:
        """Answer the next `times` chart requests of some symbols (none named: any) in a bad way.

        Kinds: ``429``, ``404``, ``400``, ``500``, ``down``, ``malformed``, ``truncated``, ``empty``, ``slow``,
        ``hang``, ``new_york``, ``usd``, ``no_currency``.
        """
        with self._lock:
            self._faults.append(Fault(kind, frozenset(symbols) or None, times, seconds))

    def behave(self) -> None:
        with self._lock:
            self._faults.clear()

    def charts(self) -> list[Asked]:
        return [one for one in self.asked if one.symbol is not None]

    def _run(self, started: threading.Event) -> None:
        asyncio.run(self._serve(started))

    async def _serve(self, started: threading.Event) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        self._open: set[asyncio.Task[None]] = set()
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0, backlog=256)
        self.port = server.sockets[0].getsockname()[1]
        started.set()
        await self._stop.wait()
        server.close()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            await self._converse(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError, asyncio.CancelledError):
            pass  # the client has gone, or the server ends
        finally:
            self._open.discard(task)
            writer.transport.abort()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tunnel = ""
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            arrived = time.monotonic()
            line, *fields = head.split("\r\n")
            method, target, _ = line.split(" ")
            if method == "CONNECT":
                tunnel = target.partition(":")[0]
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
                await writer.drain()
                await writer.start_tls(self._tls)
                continue
            headers = {name.lower(): value.strip() for name, _, value in (one.partition(":") for one in fields)}
            await reader.readexactly(int(headers.get("content-length", "0")))
            url = urlsplit(target)
            symbol, reply = self._reply(url.path, parse_qs(url.query))
            if reply.seconds or self.delay:
                await asyncio.sleep(reply.seconds + self.delay)
            self.asked.append(
                Asked(tunnel or url.netloc, url.path, symbol, reply.status, arrived, time.monotonic() - arrived)
            )
            cookie = f"Set-Cookie: {reply.cookie}\r\n" if reply.cookie else ""
            start = f"HTTP/1.1 {reply.status} X\r\nContent-Type: {reply.kind}\r\n{cookie}"
            whole = f"{start}Content-Length: {len(reply.body)}\r\n\r\n".encode() + reply.body
            writer.write(whole[: len(whole) - len(reply.body) // 2] if reply.cut else whole)
            await writer.drain()
            if reply.cut:
                return

    def _reply(self, path: str, query: dict[str, list[str]]) -> tuple[str | None, Reply]:
        if path in self.pages:
            found = self.pages[path]
            return None, Reply(200, found() if callable(found) else found, "text/plain")
        if "/finance/chart/" in path:
            symbol = unquote(path.rpartition("/")[2]).removesuffix(".AX")
            return symbol, self._chart(symbol, query)
        if path == "/v1/test/getcrumb":
            return None, Reply(200, b"replaycrumb", "text/plain")
        return None, Reply(404 if path != "/" else 200, b"<html></html>", "text/html", cookie=COOKIE)

    def _chart(self, symbol: str, query: dict[str, list[str]]) -> Reply:
        fault = self._fault(symbol)
        kind = fault.kind if fault else ""
        simple = {
            "429": Reply(429, b"Edge: Too Many Requests", "text/html"),
            "404": Reply(404, chart.NOT_FOUND.encode()),
            "400": Reply(400, chart.no_data(0, 1).encode()),
            "500": Reply(500, b"<html>Internal Server Error</html>", "text/html"),
            "down": Reply(200, DOWN_PAGE.encode(), "text/html"),
            "malformed": Reply(200, b'{"chart": {"result": [{"meta": {], "error": nul'),
            "empty": Reply(200, b'{"chart": {"result": [], "error": null}}'),
        }
        if kind in simple:
            return simple[kind]
        series = self.book.series(symbol, self.now)
        if series is None:
            return Reply(404, chart.NOT_FOUND.encode())
        if kind in WRONG_META:
            series = Series(**{**vars(series), "meta": {**series.meta, **WRONG_META[kind]}})
        start, end = int(query.get("period1", ["0"])[0]), int(query.get("period2", ["99999999999"])[0])
        text = chart.body(symbol, series, self.now, start, end)
        reply = Reply(400, chart.no_data(start, end).encode()) if text is None else Reply(200, text.encode())
        reply.cut = kind == "truncated"
        reply.seconds = {"slow": fault.seconds if fault else 0, "hang": 3600.0}.get(kind, 0.0)
        return reply

    def _fault(self, symbol: str) -> Fault | None:
        with self._lock:
            for fault in self._faults:
                if (fault.symbols is None or symbol in fault.symbols) and fault.times > 0:
                    fault.times -= 1
                    return fault
        return None
