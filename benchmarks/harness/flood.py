"""``python -m benchmarks.harness.flood local|remote valid|forged|inactive COUNT``: prints how this process grew, as JSON."""

from __future__ import annotations

import gc
import json
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from zope.interface import implementer

from pyramid_oauthguard.interfaces import IIssuer, KeyDocument
from pyramid_oauthguard.testing import MemoryIssuer

from .guarded import CLAIMS, build_guarded
from .wsgi import prepare

__all__ = ["find_memory"]


def find_memory() -> float:
    """Resident memory of this process in MB."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


@implementer(IIssuer)
class _Issuer:
    """Answers at once and remembers nothing, so that what grows is the guard."""

    def __init__(self, memory: MemoryIssuer, kind: str) -> None:
        self._memory = memory
        self._kind = kind
        self.identifier = memory.identifier

    def fetch_keys(self) -> KeyDocument:
        return self._memory.fetch_keys()

    def introspect(self, raw: str) -> Mapping[str, Any]:
        if self._kind == "inactive":
            return {"active": False}
        # Made anew, as if it came out of JSON.
        return json.loads(json.dumps({"active": True, **CLAIMS, **self._build(raw)}))  # type: ignore[no-any-return]

    def subscribe(self, _listener: Any) -> None: ...

    def _build(self, raw: str) -> dict[str, Any]:
        return {
            "iss": self.identifier,
            "aud": self._memory.audience,
            "sub": raw[:20],
            "jti": raw,
            "client_id": "test-client",
        }


def _flood(mode: str, kind: str, count: int) -> list[tuple[int, float]]:
    memory = MemoryIssuer(algorithm="EdDSA")  # the quickest to sign
    settings = {
        **memory.settings,
        **({"oauthguard.cache.introspection.expiration_time": "300"} if mode == "remote" else {}),
    }
    issuer: Any = memory if mode == "local" else _Issuer(memory, kind)
    application = build_guarded(settings, issuer, token_check=mode, permission="read")
    make = _find_maker(memory, mode, kind)
    curve: list[tuple[int, float]] = []
    _send(application, [make(number) for number in range(-500, 0)])  # whatever comes with the first requests anyway
    begun, step = find_memory(), max(1_000, count // 50)
    for seen in range(0, count, 500):
        _send(application, [make(seen + number) for number in range(500)])
        if seen % step == 0 or seen + 500 >= count:
            curve.append((seen + 500, find_memory() - begun))
    return curve


def _send(application: Any, tokens: list[str]) -> None:
    def accept(environ: Any, _start_response: Any) -> Any:
        return application(environ, lambda *_answer: None)

    run = prepare(accept, tokens)
    for _ in tokens:
        run()


def _find_maker(memory: MemoryIssuer, mode: str, kind: str) -> Callable[[int], str]:
    if mode == "remote":
        return lambda number: f"opaque-{number:012d}-of-a-usual-length"
    if kind == "forged":
        head, body, signature = memory.mint(CLAIMS).split(".")
        return lambda number: f"{head}.{_exchange(body, number)}.{signature}"
    return lambda number: memory.mint(CLAIMS, jti=f"token-{number:012d}", sub=f"user-{number:012d}")


def _exchange(body: str, number: int) -> str:
    """Another payload each time, under a signature that is not its own."""
    return f"{body[:-12]}{abs(number):012d}"


if __name__ == "__main__":
    import logging

    logging.disable()  # a line for each refusal would go to standard error
    print(json.dumps(_flood(sys.argv[1], sys.argv[2], int(sys.argv[3]))))
