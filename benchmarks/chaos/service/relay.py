"""What stands between the API and its issuer: passes requests on, slowly, not at all, or with nonsense."""

from __future__ import annotations

import http.client
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, Self

__all__ = ["MOODS", "Relay"]

MOODS: Final = ("well", "slow", "hung", "broken", "garbage")
_SLOW_SECONDS: Final = 3.0
_HUNG_SECONDS: Final = 60.0


class Relay:
    """Listens on ``port`` and passes requests on to ``target``, both on loopback. ``mood`` is one of ``MOODS``."""

    def __init__(self, port: int, target: int) -> None:
        self.target = target
        self.mood = "well"
        self.healed = threading.Event()
        self._server = _Server(self, port)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.set("well")
        self._server.shutdown()
        self._server.server_close()

    def set(self, mood: str) -> None:
        """Be so from now on. Requests that wait are ended."""
        assert mood in MOODS, mood
        self.healed.set()
        self.healed = threading.Event()
        self.mood = mood


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256
    block_on_close = False

    def __init__(self, owner: Relay, port: int) -> None:
        self.owner = owner
        super().__init__(("127.0.0.1", port), _Handler)

    def handle_error(self, *_request: object) -> None:
        """The caller has gone: no line for it."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def answer(self) -> None:
        owner, body = self.server.owner, self.rfile.read(int(self.headers.get("Content-Length") or 0))
        mood = owner.mood
        if mood == "slow":
            owner.healed.wait(_SLOW_SECONDS)
        elif mood == "hung":
            owner.healed.wait(_HUNG_SECONDS)
            self.close_connection = True
            return
        if mood == "broken":
            self._send(500, "text/plain", b"Internal Server Error")
        elif mood == "garbage":
            self._send(200, "application/json", b'{"active": tru\xff')
        else:
            self._pass_on(body)

    do_GET = do_POST = answer  # noqa: N815  # the names of http.server

    def _pass_on(self, body: bytes) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.server.owner.target, timeout=10)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in {"connection", "host"}}
        try:
            connection.request(self.command, self.path, body or None, headers)
            answer = connection.getresponse()
            text = answer.read()
        except OSError:
            self._send(502, "text/plain", b"Bad Gateway")
            return
        finally:
            connection.close()
        kept = {name: value for name, value in answer.getheaders() if name.lower() in {"cache-control", "etag"}}
        self._send(answer.status, answer.getheader("Content-Type") or "text/plain", text, **kept)

    def _send(self, status: int, kind: str, text: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(text)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_arguments: Any) -> None:
        """No line for each request."""
