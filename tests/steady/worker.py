"""One process of an application that runs in several: reads what to do from its input, prints what came of it.

    python -m tests.steady.worker SETTINGS      (as JSON)

`ask VIEW TOKEN` prints a status, `revoked JTI` passes on what an issuer in this process would say.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from zope.interface import implementer

from pyramid_oauthguard.caching import build_region
from pyramid_oauthguard.guard.settings import parse_settings
from pyramid_oauthguard.interfaces import IIssuer
from pyramid_oauthguard.issuers.http_issuer import build_http_issuer
from tests.steady.apps import Api

CHECKOUT = Path(__file__).parents[2]


@implementer(IIssuer)
class Telling:
    """An issuer over HTTP that hears of revocations in this process."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        parsed = parse_settings(settings)
        region = build_region("metadata", parsed.cache_metadata, expiration_time=86_400, secret="of these processes")
        issuer = build_http_issuer(parsed.build_issuer_settings(), region)
        self.identifier = issuer.identifier
        self.fetch_keys, self.introspect = issuer.fetch_keys, issuer.introspect
        self.listeners: list[Any] = []

    def subscribe(self, listener: Any) -> None:
        self.listeners.append(listener)


def main() -> None:
    """Serve until the input ends."""
    settings = json.loads(sys.argv[1])
    api = Api(settings)
    issuer = Telling(api.registry.settings)
    api.registry.registerUtility(issuer, IIssuer, name=issuer.identifier)
    print("ready", flush=True)  # noqa: T201  # this is how it talks
    for line in sys.stdin:
        verb, *rest = line.split()
        if verb == "ask":
            said: object = api.ask(*rest)
        else:
            said = [listener.tokens_revoked(rest) for listener in issuer.listeners] and "told"
        print(said, flush=True)  # noqa: T201  # this is how it talks


class Worker:
    """Such a process, seen from the test."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.steady.worker", json.dumps(settings)],
            cwd=CHECKOUT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def say(self, *words: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(" ".join(words) + "\n")
        self._process.stdin.flush()

    def hear(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def ask(self, view: str, raw: str) -> int:
        self.say("ask", view, raw)
        return int(self.hear())

    def tell(self, token_id: str) -> None:
        self.say("revoked", token_id)
        assert self.hear() == "told"

    def kill(self) -> None:
        self._process.kill()

    def close(self) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()
        self._process.wait(10)


@contextmanager
def run_workers(count: int, settings: Mapping[str, Any]) -> Iterator[list[Worker]]:
    with ExitStack() as stack:
        workers = [Worker(settings) for _ in range(count)]
        for worker in workers:
            stack.callback(worker.close)
        assert [worker.hear() for worker in workers] == ["ready"] * count
        yield workers


if __name__ == "__main__":
    main()
