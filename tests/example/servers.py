"""The example as a user starts it: `pserve` with one of its ini files, in a folder and on a port of its own."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import urllib3

CHECKOUT = Path(__file__).parents[2]
PSERVE = Path(sys.executable).with_name("pserve")
CLIENT = "customer-manager:customer-manager-secret"
_START_SECONDS = 60
_POOL = urllib3.PoolManager(maxsize=64, retries=False, timeout=60)


@dataclass(frozen=True)
class Server:
    url: str
    log: Path

    def read_log(self) -> str:
        return self.log.read_text("utf-8", "replace")


@dataclass(frozen=True)
class Caller:
    """A program with a token (or none) in front of an API."""

    api: str
    token: str | None = None

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> urllib3.BaseHTTPResponse:
        if self.token is not None:
            headers["Authorization"] = f"Bearer {self.token}"
        data = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            data = json.dumps(body)
        return _POOL.request(method, self.api + path, body=data, headers=headers, redirect=False)

    def list_customers(self) -> int:
        return self.send("GET", "/customers").status

    def create_customer(self) -> int:
        return self.send("POST", "/customers", {"name": "Mary Shelley"}).status

    def charge_customer(self, customer: int = 1) -> int:
        return self.send("POST", f"/customers/{customer}/charges", {"amount": "12.50"}).status

    def make_three_calls(self) -> list[int]:
        return [self.list_customers(), self.create_customer(), self.charge_customer()]


def post_form(url: str, *, client: str = CLIENT, **fields: str) -> urllib3.BaseHTTPResponse:
    headers = urllib3.make_headers(basic_auth=client)
    return _POOL.request_encode_body("POST", url, fields, headers, encode_multipart=False, redirect=False)


def fetch_token(issuer: str, scope: str = "customer_api") -> str:
    answer = post_form(f"{issuer}/oauth/token", grant_type="client_credentials", scope=scope)
    assert answer.status == 200, answer.data
    token = answer.json()["access_token"]
    assert isinstance(token, str)
    return token


def revoke_token(issuer: str, token: str) -> int:
    return post_form(f"{issuer}/oauth/revoke", token=token).status


def find_free_port() -> int:
    """A port that is free on both loopback addresses, since localhost may be either."""
    for _ in range(100):
        with socket.socket() as first:
            first.bind(("127.0.0.1", 0))
            port = first.getsockname()[1]
            if _is_free_on_ipv6(port):
                return int(port)
    raise AssertionError("no free port")


def _is_free_on_ipv6(port: int) -> bool:
    try:
        with socket.socket(socket.AF_INET6) as second:
            second.bind(("::1", port))
    except OSError as error:
        return "in use" not in str(error)
    return True


@contextmanager
def serve(
    ini: str, folder: Path, *, ports: dict[str, int], settings: Mapping[str, str] = MappingProxyType({})
) -> Iterator[Server]:
    """Run a copy of `ini` in `folder`, so that its `%(here)s/var` is there, with the port numbers replaced and these settings more."""
    more = "".join(f"\n{name} = {value}" for name, value in settings.items())
    text = (CHECKOUT / ini).read_text("utf-8").replace("[app:main]", "[app:main]" + more)
    for port, free in ports.items():
        assert port in text
        text = text.replace(port, str(free))
    copy = folder / Path(ini).name
    copy.write_text(text, "utf-8")
    listen = next(line for line in text.splitlines() if line.startswith("listen")).split("=")[1].strip()
    log = folder / f"{copy.stem}.log"
    with log.open("wb") as output:
        process = subprocess.Popen([PSERVE, copy], stdout=output, stderr=output, cwd=folder, env=_build_environment())
    server = Server(f"http://{listen}", log)
    try:
        _wait_until_it_listens(process, listen, server)
        yield server
    finally:
        process.terminate()
        process.wait(20)


def _build_environment() -> dict[str, str]:
    # As at a terminal: no warnings turned on, nothing of this test run.
    return {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "PYTHONWARN"))}


def _wait_until_it_listens(process: subprocess.Popen[bytes], listen: str, server: Server) -> None:
    host, port = listen.rsplit(":", 1)
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, server.read_log()
        try:
            socket.create_connection((host, int(port)), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"not listening after {_START_SECONDS} s:\n{server.read_log()}")


def run_at_once(count: int, work: Callable[[int], Any]) -> list[Any]:
    """What `count` threads return that all begin at the same moment."""
    barrier = threading.Barrier(count)

    def begin(number: int) -> Any:
        barrier.wait(30)
        return work(number)

    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(begin, range(count)))


def find_sh() -> str:
    found = shutil.which("sh")
    assert found
    return found
