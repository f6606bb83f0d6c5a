"""A real HTTP server on loopback that serves an issuer in memory, well or badly.

    with HTTPIssuer() as server:
        app = build(server.settings)
        server.fail("hang", "keys")

Each fault is one way in which issuers fail; `tests/guard` has a test for each of them.
"""

from __future__ import annotations

import base64
import hmac
import json
import socket
import ssl
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import parse_qs, quote_plus, urlsplit

from pyramid_oauthguard.testing import MemoryIssuer

__all__ = ["ENDPOINTS", "FAULTS", "HTTPIssuer"]

ENDPOINTS: Final = ("metadata", "keys", "introspection")
CLIENT: Final = ("the-api", "the-api's secret: 100% of ~it")


class HTTPIssuer:
    """Serves `issuer` on 127.0.0.1 from a free port until closed.

    `calls` counts the requests by endpoint, failed ones too; what a redirect leads to is counted as "elsewhere".
    `delay` is what the fault "slow" adds to an answer, in seconds. The metadata are at `well_known` (where RFC 8414
    puts them, unless another path is given) and have the members of `extra`, too. `tls` is a PEM file with a certificate and its
    key. `callers` has the port of each caller of the introspection endpoint, in their order; `headers` those of every request,
    and `seen` the text of each. `accepts` says which other callers than the usual one may introspect, by the headers and the
    form. `sign` writes the introspection answer of a request's headers, if it is there.
    `identifier` is the issuer's name, where that is not the address of this server.
    """

    def __init__(
        self,
        path: str = "",
        *,
        well_known: str = "",
        extra: Mapping[str, Any] | None = None,
        tls: Path | None = None,
        identifier: str = "",
        **options: Any,
    ):
        self.calls: Counter[str] = Counter()
        self.delay = 0.5
        self.well_known = well_known or f"/.well-known/oauth-authorization-server{path.rstrip('/')}"
        self.extra = extra or {}
        self.busy = self.busiest = 0
        self.closed = threading.Event()
        self.lock = threading.Lock()
        self._faults: dict[str, str] = {}
        self.callers: list[int] = []
        self.seen: list[str] = []
        self.headers: list[Mapping[str, str]] = []
        self.accepts: Callable[[Any, Mapping[str, str]], bool] | None = None
        self.sign: Callable[[Any, Mapping[str, Any]], bytes] | None = None
        self.ca_file = tls
        self._server = _Server(self)
        if tls is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(tls)
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self.origin = f"http{'s' if tls else ''}://127.0.0.1:{self._server.server_port}"
        self.issuer = MemoryIssuer(identifier or self.origin + path, **options)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    @property
    def settings(self) -> dict[str, str]:
        """What a guard needs to use this issuer, introspection included."""
        return {
            **self.issuer.settings,
            "oauthguard.introspection.auth_method": "client_secret_basic",
            "oauthguard.introspection.client_id": CLIENT[0],
            "oauthguard.introspection.client_secret": CLIENT[1],
            **({"oauthguard.http.ca_file": str(self.ca_file)} if self.ca_file else {}),
        }

    def answer_userinfo(self, headers: Any) -> tuple[int, bytes]:
        """The status and the body of the userinfo endpoint; there is none here."""
        return 404, b""

    def fail(self, fault: str, *endpoints: str) -> None:
        """Answer with `fault` from now on, at all endpoints unless some are named."""
        assert fault in FAULTS, fault
        self._faults.update(dict.fromkeys(endpoints or ENDPOINTS, fault))

    def heal(self) -> None:
        """Answer well again."""
        self._faults.clear()

    def find_fault(self, endpoint: str) -> str | None:
        return self._faults.get(endpoint)

    def close(self) -> None:
        """Stop at once; connections that hang are cut, new ones refused."""
        if not self.closed.is_set():
            self.closed.set()
            self._server.shutdown()
            self._server.cut()
            self._server.server_close()
            self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256
    block_on_close = False

    def __init__(self, owner: HTTPIssuer) -> None:
        self.owner = owner
        self._open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", 0), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self.owner.lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self.owner.lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def cut(self) -> None:
        with self.owner.lock:
            left = list(self._open)
        for each in left:
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # gone already

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that hang up on a fault are what faults are for."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:  # the name http.server looks for
        self._serve(b"")

    def do_POST(self) -> None:  # the name http.server looks for
        self._serve(self.rfile.read(int(self.headers.get("Content-Length", 0))))

    def _serve(self, body: bytes) -> None:
        owner = self.server.owner
        endpoint = _find_endpoint(urlsplit(self.path).path)
        with owner.lock:
            owner.calls[endpoint] += 1
            owner.seen.append(f"{self.command} {self.path}\n{self.headers}\n{body.decode('latin-1')}")
            owner.headers.append(self.headers)
            if endpoint == "introspection":
                owner.callers.append(self.client_address[1])
            owner.busy += 1
            owner.busiest = max(owner.busy, owner.busiest)
        try:
            if endpoint == "userinfo":
                self.reply_bytes(*owner.answer_userinfo(self.headers))
                return
            fault = owner.find_fault(endpoint)
            answer = _ANSWERS[endpoint](self, body)
            if owner.sign is not None and endpoint == "introspection" and answer[0] == 200:
                self.reply_bytes(200, owner.sign(self.headers, answer[1]))
            elif fault:
                FAULTS[fault](self, *answer)
            else:
                self.reply(*answer)
        finally:
            with owner.lock:
                owner.busy -= 1

    def reply(self, status: int, value: Any, **headers: str) -> None:
        self.reply_bytes(status, json.dumps(value).encode(), **headers)

    def reply_bytes(self, status: int, data: bytes, **headers: str) -> None:
        """In one piece, as servers do that buffer."""
        self.begin(status, len(data), data, **headers)

    def begin(self, status: int, length: int, data: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content_Type": "application/json", **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        max_age = self.server.owner.issuer.max_age
        if max_age is not None:
            self.send_header("Cache-Control", f"max-age={max_age:.0f}")
        self.send_header("Content-Length", str(length))
        self._headers_buffer.append(b"\r\n" + data)  # http.server's own
        self.flush_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # http.server's name for it
        """The counts say it all."""


# ── good answers ─────────────────────────────────────────────────────────────────────────────────────────────────

_Answer = tuple[int, Any]


def _find_endpoint(path: str) -> str:
    if "/.well-known/" in path:
        return "metadata"
    return {"jwks": "keys", "introspect": "introspection", "userinfo": "userinfo"}.get(
        path.rpartition("/")[2], "elsewhere"
    )


def _answer_metadata(handler: _Handler, _body: bytes) -> _Answer:
    owner = handler.server.owner
    if handler.path == owner.well_known:
        return 200, {**owner.issuer.metadata, **owner.extra}
    return 404, {"error": "not here"}


def _answer_keys(handler: _Handler, _body: bytes) -> _Answer:
    return 200, handler.server.owner.issuer.jwks


def _answer_introspection(handler: _Handler, body: bytes) -> _Answer:
    # RFC 6749 section 2.3.1: both parts are form-urlencoded before they are joined.
    expected = "Basic " + base64.b64encode(":".join(map(quote_plus, CLIENT)).encode()).decode()
    given = handler.headers.get("Authorization", "")
    form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
    if handler.server.owner.accepts is not None and handler.server.owner.accepts(handler.headers, form):
        return 200, dict(handler.server.owner.issuer.introspect(form.get("token", "")))
    if handler.command != "POST" or not hmac.compare_digest(expected.encode(), given.encode()):
        return 401, {"error": "invalid_client"}
    token = parse_qs(body.decode()).get("token", [""])[0]
    return 200, dict(handler.server.owner.issuer.introspect(token))


def _answer_elsewhere(_handler: _Handler, _body: bytes) -> _Answer:
    return 404, {"error": "not here"}


_ANSWERS: Final[Mapping[str, Callable[[_Handler, bytes], _Answer]]] = {
    "metadata": _answer_metadata,
    "keys": _answer_keys,
    "introspection": _answer_introspection,
    "elsewhere": _answer_elsewhere,
}


# ── faults ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _hang(handler: _Handler, _status: int, _value: Any) -> None:
    handler.server.owner.closed.wait(60)
    handler.close_connection = True


def _reset(handler: _Handler, _status: int, _value: Any) -> None:
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()
    handler.close_connection = True


def _drip(handler: _Handler, status: int, value: Any) -> None:
    data = json.dumps(value).encode()
    handler.begin(status, len(data) + 10_000)
    for position in range(10_000):
        handler.wfile.write(data[position : position + 1] or b" ")
        if handler.server.owner.closed.wait(0.05):
            break
    handler.close_connection = True


def _truncate(handler: _Handler, status: int, value: Any) -> None:
    data = json.dumps(value).encode()
    handler.begin(status, len(data))
    handler.wfile.write(data[: len(data) // 2])
    handler.close_connection = True


def _redirect(handler: _Handler, status: int, value: Any) -> None:
    handler.reply(302, value, Location=f"{handler.server.owner.origin}/elsewhere")


def _slow(handler: _Handler, status: int, value: Any) -> None:
    time.sleep(handler.server.owner.delay)
    handler.reply(status, value)


def _huge(handler: _Handler, status: int, value: Any) -> None:
    handler.reply(status, {**value, "padding": "x" * 3_000_000})


def _nested(handler: _Handler, status: int, value: Any) -> None:
    deep = "[" * 100_000 + "]" * 100_000
    handler.reply_bytes(status, f'{json.dumps(value)[:-1]}, "deep": {deep}}}'.encode())


def _other_issuer(handler: _Handler, status: int, value: Any) -> None:
    """Another issuer's metadata, another issuer's keys under our kids, another issuer's word on our tokens."""
    other = MemoryIssuer("https://other.test", algorithm=handler.server.owner.issuer.algorithm)
    keys = [{**other.signing_key.jwk, "kid": key.get("kid")} for key in value.get("keys", ())]
    handler.reply(
        status, {**value, **({"keys": keys} if keys else {"issuer": other.identifier, "iss": other.identifier})}
    )


FAULTS: Final[Mapping[str, Callable[[_Handler, int, Any], None]]] = {
    "hang": _hang,
    "reset": _reset,
    "drip": _drip,
    "truncated": _truncate,
    "redirect": _redirect,
    "slow": _slow,
    "too many": lambda handler, _status, value: handler.reply(429, value, Retry_After="1"),
    "broken": lambda handler, _status, value: handler.reply(500, value),
    "forbidden": lambda handler, _status, value: handler.reply(403, value),
    "garbage": lambda handler, status, _value: handler.reply_bytes(
        status, b"<html>\xff\0 maintenance", Content_Type="text/html"
    ),
    "list": lambda handler, status, value: handler.reply(status, [value]),
    "empty": lambda handler, status, _value: handler.reply(status, {}),
    "huge": _huge,
    "nested": _nested,
    "other issuer": _other_issuer,
}
