"""A small application guarded in each way, and callers that know nothing of the guard but HTTP."""

from __future__ import annotations

import atexit
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import urllib3
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pyramid.config import Configurator
from pyramid.request import Request
from webtest.http import StopableWSGIServer

from pyramid_oauthguard.interfaces import ICredentialVerifier
from pyramid_oauthguard.testing import MemoryIssuer, bearer, trust

#: Seconds for one call to an issuer: what a test of a fault has to wait for.
TIMEOUT = 0.25
#: Of the issuers here: its keys are made a thousand times as fast as RSA's.
ALGORITHM = "ES256"
DAY = 86_400
#: More remote checks at once than any test makes, but for those of the bound itself.
MANY = 64


class Api:
    """An application whose /local and /remote views are guarded so, and whose /open view is not.

    `settings` are those of the issuer, `more` is written as `cache__jwks__expiration_time=60` or in full.
    """

    def __init__(self, settings: Mapping[str, Any], **more: Any) -> None:
        prefix = "oauthguard."
        named = {prefix + name.removeprefix(prefix).replace("__", "."): value for name, value in more.items()}
        defaults = {"oauthguard.http.ca_file": make_ca_file(), "oauthguard.introspection.max_in_flight": MANY}
        config = Configurator(settings={**defaults, **settings, **named})
        config.include("pyramid_oauthguard")
        config.add_route("open", "/open")
        config.add_view(_who, route_name="open", renderer="json")
        for mode in ("local", "remote"):
            config.add_route(mode, f"/{mode}")
            config.add_view(_who, route_name=mode, renderer="json", token_check=mode)
        self.app = config.make_wsgi_app()

    @property
    def registry(self) -> Any:
        return self.app.registry

    def send(self, view: str, raw: str | None = None) -> Any:
        """The answer of a view to a request with this token."""
        return Request.blank(f"/{view}", headers=bearer(raw) if raw is not None else {}).get_response(self.app)

    def ask(self, view: str, raw: str | None = None) -> int:
        """The status alone."""
        return int(self.send(view, raw).status_int)

    def ask_all(self, view: str, tokens: Iterable[str]) -> Counter[int]:
        """How often which status came, one request after the other."""
        return Counter(self.ask(view, raw) for raw in tokens)


@cache
def make_ca_file() -> str:
    """A single authority to trust: reading the system's takes longer than most tests."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "nobody")])
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    builder = x509.CertificateBuilder(
        name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(1)
    )
    certificate = builder.sign(key, hashes.SHA256())
    with NamedTemporaryFile(prefix="ca", suffix=".pem", delete=False) as file:
        file.write(certificate.public_bytes(serialization.Encoding.PEM))
    atexit.register(Path(file.name).unlink, missing_ok=True)  # a process that was forked may have done it
    return file.name


def _who(request: Any) -> dict[str, Any]:
    token = request.access_token if request.path != "/open" else None
    return {"who": token and token.subject}


def build_trusting(issuer: MemoryIssuer, **more: Any) -> Api:
    """An application that talks to an issuer in memory."""
    api = Api(issuer.settings, **more)
    trust(api.app, issuer)
    return api


class Distant(MemoryIssuer):
    """An issuer in memory that tells nobody what changes, as one on another machine."""

    def __init__(self, *args: Any, algorithm: str = ALGORITHM, **options: Any) -> None:
        super().__init__(*args, algorithm=algorithm, **options)

    def subscribe(self, listener: Any) -> None:
        """Nobody hears of anything."""


class Held(MemoryIssuer):
    """An issuer in memory whose answers can be held back: each call arrives, then waits until it is let go.

    What it answers is decided when it is let go, or on arrival where `early` is set.
    """

    in_memory = False  # it stands for one that is asked over a network

    def __init__(self, *args: Any, early: bool = False, tells: bool = True, **options: Any) -> None:
        options.setdefault("algorithm", ALGORITHM)
        self.gate = threading.Event()
        self.gate.set()
        self.early, self.tells = early, tells
        self.arrived = threading.Semaphore(0)
        super().__init__(*args, **options)

    def subscribe(self, listener: Any) -> None:
        if self.tells:
            super().subscribe(listener)

    def hold(self) -> None:
        """Let calls wait from now on."""
        while self.arrived.acquire(blocking=False):
            pass  # those before don't count
        self.gate.clear()

    def let_go(self) -> None:
        self.gate.set()

    def wait_for_call(self) -> None:
        assert self.arrived.acquire(timeout=10), "nobody called"

    def fetch_keys(self) -> Any:
        return self._pause(super().fetch_keys)

    def introspect(self, raw: str) -> Any:
        return self._pause(lambda: super(Held, self).introspect(raw))

    def _pause(self, call: Callable[[], Any]) -> Any:
        answer = call() if self.early else None
        self.arrived.release()
        assert self.gate.wait(20), "never let go"
        return answer if self.early else call()


@contextmanager
def in_threads(*works: Callable[[], Any]) -> Iterator[list[Future[Any]]]:
    """Each in a thread of its own while the block runs."""
    with ThreadPoolExecutor(len(works)) as threads:
        yield [threads.submit(work) for work in works]


def run_at_once(works: Iterable[Callable[[], Any]]) -> list[Any]:
    """What threads return, one for each piece of work, that all begin at the same moment."""
    todo = list(works)
    barrier = threading.Barrier(len(todo))

    def begin(work: Callable[[], Any]) -> Any:
        barrier.wait(30)
        return work()

    with ThreadPoolExecutor(len(todo)) as threads:
        return [each.result(60) for each in [threads.submit(begin, work) for work in todo]]


def wait_until(condition: Callable[[], object], seconds: float = 10) -> None:
    """Return once `condition` holds; an error when it never does."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came about"
        time.sleep(0.005)


@contextmanager
def serve(app: Any, threads: int = 4) -> Iterator[str]:
    """The URL of the application on a real waitress."""
    server = StopableWSGIServer.create(app, host="127.0.0.1", threads=threads)
    try:
        yield f"http://127.0.0.1:{server.effective_port}"
    finally:
        server.shutdown()


class Caller:
    """A program in front of a served application."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._pool = urllib3.PoolManager(maxsize=64, retries=False, timeout=30)

    def ask(self, view: str, raw: str | None = None) -> int:
        headers = bearer(raw) if raw is not None else {}
        return self._pool.request("GET", f"{self.url}/{view}", headers=headers).status

    def close(self) -> None:
        self._pool.clear()


def time_of(work: Callable[[], Any]) -> float:
    """Seconds that `work` took by the clock on the wall."""
    began = time.monotonic()
    work()
    return time.monotonic() - began


def find_only_verifier(registry: Any, mode: str) -> Any:
    """The verifier of the only issuer. White box: what it holds on to can't be seen from outside."""
    (verifiers,) = registry.getUtility(ICredentialVerifier, name=mode)._issuers.list_parts()
    return verifiers[mode]
