"""A proxy on loopback before a server: it counts requests, and fails in the ways that networks do."""

import contextlib
import http.client
import http.server
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import unquote, urlsplit


class Request(NamedTuple):
    """One request that came through."""

    method: str
    path: str
    sent: int


@dataclass
class CountingProxy:
    """What came through, and what is to go wrong from now on."""

    endpoint: str
    requests: list[Request] = field(default_factory=list)
    #: Bytes of each object that is answered after which the connection ends; that there is none is said whole.
    cut_answers: int | None = None
    #: Bytes of each body of a PUT after which the connection ends.
    cut_bodies: int | None = None
    #: How many answers to a PUT are lost after the server has done its work.
    lose_answers: int = 0
    #: How many requests still come through before the network is gone; None: it is there.
    remaining: int | None = None

    def count(self) -> dict[str, int]:
        """Return how many requests of each method came since the last count."""
        methods = [request.method for request in self.requests]
        self.requests.clear()
        return {method: methods.count(method) for method in sorted(set(methods))}


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, upstream: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream = upstream
        self.proxy = CountingProxy(f"http://127.0.0.1:{self.server_port}")

    def handle_error(self, request, client_address) -> None:  # a client that hung up
        pass


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def handle_request(self) -> None:
        proxy = self.server.proxy
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if proxy.remaining is not None:
            proxy.remaining -= 1
            if proxy.remaining < 0:
                self._end()
                return
        if self.command == "PUT" and proxy.cut_bodies is not None and len(body) > proxy.cut_bodies:
            self._pass_half_on(body[: proxy.cut_bodies])
            return
        answer, content = self._pass_on(body)
        proxy.requests.append(Request(self.command, unquote(self.path), len(content)))
        if self.command == "PUT" and proxy.lose_answers:
            proxy.lose_answers -= 1
            self._end()
            return
        self._answer(answer, content)

    def _pass_on(self, body: bytes) -> tuple[http.client.HTTPResponse, bytes]:
        connection = http.client.HTTPConnection(self.server.upstream, timeout=30)
        try:
            connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.casefold() not in {"expect", "connection"}:
                    connection.putheader(name, value)
            connection.endheaders(body or None)
            answer = connection.getresponse()
            return answer, answer.read()
        finally:
            connection.close()

    def _answer(self, answer: http.client.HTTPResponse, content: bytes) -> None:
        self.send_response_only(answer.status, answer.reason)
        for name, value in answer.getheaders():
            if name.casefold() not in {"connection", "transfer-encoding", "content-length"}:
                self.send_header(name, value)
        length = answer.getheader("Content-Length") if self.command == "HEAD" else str(len(content))
        if length is not None:
            self.send_header("Content-Length", length)
        self.end_headers()
        cut = self.server.proxy.cut_answers
        found = answer.status < http.HTTPStatus.MULTIPLE_CHOICES
        holds_object = found and self.command == "GET" and "list-type" not in self.path
        if holds_object and cut is not None:
            self.wfile.write(content[:cut])
            self._end()
        else:
            self.wfile.write(content)

    def _pass_half_on(self, body: bytes) -> None:
        """Let the server see a request that ends in the middle, as it would from a client that died."""
        host, _, port = self.server.upstream.partition(":")
        with socket.create_connection((host, int(port))) as half:
            lines = [f"{self.command} {self.path} HTTP/1.1", *(f"{n}: {v}" for n, v in self.headers.items())]
            lines = [line for line in lines if not line.casefold().startswith("expect:")]
            half.sendall("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
        self.server.proxy.requests.append(Request(self.command, unquote(self.path), 0))
        self._end()

    def _end(self) -> None:
        self.wfile.flush()
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = handle_request

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextlib.contextmanager
def counting_proxy(endpoint: str) -> Iterator[CountingProxy]:
    """Start a proxy before a server."""
    with _Server(urlsplit(endpoint).netloc) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield server.proxy
        finally:
            server.shutdown()
            thread.join()
