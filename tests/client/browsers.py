"""The two browsers of these tests: a script that notes the address, and Debian's Chromium."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from tests.client.terminal import Answered, Terminal


def install_script(folder: Path) -> dict[str, str]:
    """``BROWSER`` for a script that writes the address it is given to ``folder/url``."""
    script = folder / "browser"
    script.write_text('#!/bin/sh\nprintf "%s" "$1" > "$0.tmp" && mv "$0.tmp" "$0.url"\n')
    script.chmod(0o755)
    return {"BROWSER": f"{script} %s"}


@dataclass
class Login:
    """An ``oauthguard login`` under way."""

    process: subprocess.Popen[str]
    url: str

    @property
    def query(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(urlsplit(self.url).query).items()}

    @property
    def state(self) -> str:
        return self.query["state"]

    @property
    def redirect_uri(self) -> str:
        return self.query["redirect_uri"]

    @property
    def port(self) -> int:
        found = urlsplit(self.redirect_uri).port
        assert found
        return found

    def get(self, target: str, *, method: str = "GET", host: str = "127.0.0.1", header: str | None = None) -> Page:
        """What the listener answers to ``target``."""
        connection = http.client.HTTPConnection(host, self.port, timeout=10)
        try:
            headers = {"Host": header} if header else {"Host": urlsplit(self.redirect_uri).netloc}
            connection.request(method, target, headers=headers)
            answer = connection.getresponse()
            return Page(answer.status, answer.read().decode(), {name.lower(): v for name, v in answer.getheaders()})
        finally:
            connection.close()

    def come_back(self, **params: str) -> Page:
        """The browser returns with ``params``, and the state unless they hold one."""
        host = urlsplit(self.redirect_uri).hostname
        assert host
        target = f"{urlsplit(self.redirect_uri).path}?{urlencode({'state': self.state, **params})}"
        return self.get(target, host=host)

    def end(self, timeout: float = 30) -> Answered:
        out, err = self.process.communicate(timeout=timeout)
        return Answered(self.process.returncode, out, err)

    @property
    def is_waiting(self) -> bool:
        return self.process.poll() is None


@dataclass
class Page:
    status: int
    text: str
    headers: dict[str, str]


@contextmanager
def start_login(terminal: Terminal, *args: str, **environ: str) -> Iterator[Login]:
    """``oauthguard login`` up to the moment that it opened the browser."""
    folder = terminal.cwd / f"browser-{time.monotonic_ns()}"
    folder.mkdir()
    process = terminal.start("login", *args, **{**install_script(folder), **environ})
    try:
        yield Login(process, wait_for(lambda: _read(folder / "browser.url"), process))
    finally:
        if process.poll() is None:
            process.kill()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe:
                pipe.close()
        process.wait(10)


def wait_for(look: Callable[[], Any], process: subprocess.Popen[str] | None = None, seconds: float = 20) -> Any:
    """What ``look`` finds, as soon as it is something."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := look():
            return found
        if process is not None and process.poll() is not None:
            raise AssertionError(f"ended early: {process.stderr.read() if process.stderr else ''}")
        time.sleep(0.02)
    raise AssertionError("waited in vain")


def challenge_of(verifier: str) -> str:
    """RFC 7636 section 4.2."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")


def build_jwt(claims: dict[str, Any], header: dict[str, Any] | None = None) -> str:
    """A JWT whose signature is nonsense."""
    parts = (json.dumps(header or {"alg": "RS256", "typ": "at+jwt"}), json.dumps(claims), "no signature")
    return ".".join(base64.urlsafe_b64encode(part.encode()).decode().rstrip("=") for part in parts)


def _read(path: Path) -> str:
    return path.read_text() if path.exists() else ""
