"""What does a live remote check cost the client over a bare call through urllib3's pool?"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any
from urllib.parse import quote_plus, urlencode

import urllib3

from tests.issuers import CLIENT

from ..harness.guarded import CLAIMS, build_verifier
from ..harness.issuer import Issuer
from ..harness.measure import Options, compare
from ..harness.report import Row, Table

__all__ = ["answer"]


def answer(options: Options) -> Table:
    with Issuer() as issuer:
        token, opaque = issuer.mint(1, **CLAIMS)[0], issuer.call("issuer.mint_opaque", CLAIMS)
        base = _prepare_bare(issuer, token)
        verify = build_verifier("remote", issuer.settings)
        rows = [
            Row.of("a JWT, its local check included", compare(lambda: verify(token), base, options), at_most=1.25),
            Row.of(
                "an opaque token", compare(lambda: verify(opaque), _prepare_bare(issuer, opaque), options), at_most=1.25
            ),
        ]
        requests = _prepare_requests(issuer, token)
        if requests is not None:
            rows.append(Row.of("a bare call of requests.Session", compare(requests, base, options)))
    return Table("Remote, live: client CPU of a check / a bare pooled urllib3 call", rows)


def _prepare_bare(issuer: Issuer, token: str) -> Callable[[], Any]:
    """The least that asks the question: one POST, its answer read as JSON."""
    pool = urllib3.HTTPConnectionPool("127.0.0.1", int(issuer.origin.rpartition(":")[2]))
    credentials = base64.b64encode(":".join(map(quote_plus, CLIENT)).encode()).decode()
    headers = {"Authorization": f"Basic {credentials}", "Content-Type": "application/x-www-form-urlencoded"}

    def run() -> None:
        answer = pool.request("POST", "/introspect", body=urlencode({"token": token}), headers=headers)
        assert answer.json()["active"]

    return run


def _prepare_requests(issuer: Issuer, token: str) -> Callable[[], Any] | None:
    try:
        import requests
    except ImportError:
        return None
    session = requests.Session()
    credentials = quote_plus(CLIENT[0]), quote_plus(CLIENT[1])

    def run() -> None:
        answer = session.post(f"{issuer.origin}/introspect", data={"token": token}, auth=credentials, timeout=5)
        assert answer.json()["active"]

    return run
