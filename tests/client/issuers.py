"""Servers that the command talks to in these tests: a certified one of other people, and one that says what it is told."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest

SOURCE = Path(__file__).parent / "foreign"
CACHE = Path(__file__).parents[2] / ".cache" / "oidc-provider"
MACHINE_SECRET = "machine secret: +&%"
API = "urn:example:api"


def install_foreign(source: Path = SOURCE, cache: Path = CACHE) -> Path:
    """The folder that holds npm's packages, installed once a checkout and exactly as the lock file in ``source`` says."""
    cache.mkdir(parents=True, exist_ok=True)
    (cache.parent / ".gitignore").write_text("*\n")
    wanted = (source / "package-lock.json").read_bytes()
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = cache / "installed.json"
        if done.exists() and done.read_bytes() == wanted:
            return cache
        for name in ("package.json", "package-lock.json"):
            shutil.copy(source / name, cache / name)
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        answer = subprocess.run(command, cwd=cache, capture_output=True, text=True, timeout=240, check=False)
        if answer.returncode:
            unreachable = f"npm could not install {cache.name}: {answer.stderr[-300:]}"
            pytest.fail(unreachable) if os.environ.get("CI") == "true" else pytest.skip(unreachable)
        done.write_bytes(wanted)
    return cache


@contextmanager
def run_foreign(**environ: str) -> Iterator[str]:
    """oidc-provider in a process of its own; gives its issuer."""
    folder = install_foreign()
    command = ["node", str(SOURCE / "server.mjs"), str(folder)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env={**os.environ, **environ}
    )
    try:
        assert process.stdout is not None
        issuer = process.stdout.readline().strip()
        assert issuer, "oidc-provider did not start"
        yield issuer
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()


@dataclass
class Asked:
    """One request that a ScriptedIssuer got."""

    method: str
    path: str
    query: str
    form: dict[str, str]
    headers: dict[str, str]
    body: str = ""


@dataclass
class ScriptedIssuer:
    """A real HTTP server on loopback whose answers the test writes.

    :ivar answers: by path: a body (dict is JSON, bytes is HTML) or ``(status, body)`` or ``(status, body, headers)``, a
        list of them used one after the other (the last one stays), or a function of the request that gives one.
    """

    issuer: str = ""
    answers: dict[str, Any] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, asked: Asked) -> tuple[int, bytes, dict[str, str]]:
        with self.lock:
            self.asked.append(asked)
            found = self.answers.get(asked.path, (404, b"<html>nothing here</html>"))
            if isinstance(found, list):
                found = found.pop(0) if len(found) > 1 else found[0]
        if callable(found):
            found = found(asked)
        status, body, headers = (*found, {})[:3] if isinstance(found, tuple) else (200, found, {})
        if isinstance(body, bytes):
            return status, body, {"Content-Type": "text/html", **headers}
        return status, json.dumps(body).encode(), {"Content-Type": "application/json", **headers}

    def count(self, path: str) -> int:
        return sum(asked.path == path for asked in self.asked)

    def metadata(self, **changes: Any) -> dict[str, Any]:
        ends = {
            "authorization_endpoint": "authorize",
            "token_endpoint": "token",
            "introspection_endpoint": "introspect",
            "revocation_endpoint": "revoke",
            "userinfo_endpoint": "userinfo",
            "device_authorization_endpoint": "device_authorization",
            "jwks_uri": "jwks",
        }
        document = {"issuer": self.issuer, **{name: f"{self.issuer}/{path}" for name, path in ends.items()}, **changes}
        return {name: value for name, value in document.items() if value is not None}


@contextmanager
def run_scripted(tls: ssl.SSLContext | None = None) -> Iterator[ScriptedIssuer]:
    """A ScriptedIssuer that publishes metadata and answers 404 to everything else; https with ``tls``."""
    scripted = ScriptedIssuer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer("")

        def do_POST(self) -> None:
            self._answer(self.rfile.read(int(self.headers.get("Content-Length", 0))).decode())

        do_PUT = do_OPTIONS = do_DELETE = do_POST  # noqa: N815  # the base class looks for them

        def _answer(self, body: str) -> None:
            path, _, query = self.path.partition("?")
            headers = {name.lower(): value for name, value in self.headers.items()}
            form = dict(parse_qsl(body, keep_blank_values=True))
            status, data, more = scripted.answer(Asked(self.command, path, query, form, headers, body))
            self.send_response(status)
            for name, value in {**more, "Content-Length": str(len(data))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the base class names it
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    scripted.issuer = f"http{'s' if tls else ''}://127.0.0.1:{server.server_port}"
    scripted.answers["/.well-known/oauth-authorization-server"] = scripted.metadata()
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a client may break off
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield scripted
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


Answering = Callable[[Asked], Any]
