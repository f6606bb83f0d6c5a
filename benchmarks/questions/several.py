"""What do 10 and 1,000 issuers cost over one, and what does a tenant of a template cost in memory?"""

from __future__ import annotations

import tracemalloc
from collections.abc import Mapping
from typing import Any, Final

from pyramid_oauthguard.interfaces import Credential, ICredentialVerifier
from pyramid_oauthguard.testing import MemoryIssuer

from ..harness.guarded import CLAIMS, build_guarded
from ..harness.measure import Options, compare
from ..harness.report import Row, Table
from ..harness.wsgi import WSGIApplication, prepare

__all__ = ["answer"]

_COUNTS: Final = (10, 1_000)
#: More than the two that each verifier is told to remember, so that each is new to it each time.
_TOKENS: Final = 64
_TEMPLATE: Final = "https://login.test/{tid}/v2.0"
_API: Final = "https://api.test"


def answer(options: Options) -> Table:
    issuer = MemoryIssuer("https://issuer.test", audience=_API)
    warm, cold = [issuer.mint(CLAIMS)], [issuer.mint(CLAIMS) for _ in range(_TOKENS)]
    rows = []
    for count in _COUNTS:
        for name, tokens, size in (("warm", warm, "10000"), ("cold", cold, "2")):
            subject, base = (prepare(_build(issuer, number, size), tokens) for number in (count, 1))
            rows.append(Row.of(f"{name}, {count:,} issuers / 1", compare(subject, base, options), at_most=1.05))
    rows += _compare_tenants(options)
    rows.append(_measure_memory(1_000))
    return Table("In process, whole requests: several issuers / one issuer, and one template / one issuer", rows)


def _build(issuer: MemoryIssuer, count: int, size: str) -> WSGIApplication:
    """An application that trusts ``issuer`` and ``count - 1`` others, by names."""
    names = [f"other{number}" for number in range(count - 1)]
    settings = {**issuer.settings, "oauthguard.issuers": " ".join(names), "oauthguard.cache.tokens.size": size}
    for name in names:
        settings[f"oauthguard.issuers.{name}.issuer"] = f"https://{name}.test"
        settings[f"oauthguard.issuers.{name}.scopes"] = "any"
    return build_guarded(settings, issuer)


def _build_template(issuer: MemoryIssuer, size: str) -> WSGIApplication:
    settings = {
        "oauthguard.audience": _API,
        "oauthguard.issuer": _TEMPLATE,
        "oauthguard.issuer_values": "any",
        "oauthguard.jwks_uri": "https://login.test/keys",
        "oauthguard.cache.tokens.size": size,
    }
    return build_guarded(settings, issuer)


def _compare_tenants(options: Options) -> list[Row]:
    """One thousand tenants take turns, against one."""
    shared = MemoryIssuer(_TEMPLATE, audience=_API)
    many = [_mint(shared, number) for number in range(1_000)]
    one = [_mint(shared, 0) for _ in many]  # as many tokens: the processor's caches must not make the difference
    rows = []
    for name, size in (("warm", "10000"), ("cold", "2")):
        subject = prepare(_build_template(shared, size), many)
        base = prepare(_build_template(shared, size), one)
        for _each_twice in range(2 * len(many)):  # from its second use on, a token is warm
            subject()
        rows.append(Row.of(f"{name}, 1,000 tenants / 1", compare(subject, base, options), at_most=1.05))
    return rows


def _mint(issuer: MemoryIssuer, number: int) -> str:
    claims: Mapping[str, Any] = {**CLAIMS, "iss": f"https://login.test/tenant-{number}/v2.0", "tid": f"tenant-{number}"}
    return issuer.mint(claims)


def _measure_memory(count: int) -> Row:
    """What is allocated for each further tenant, without the memory of its tokens."""
    shared = MemoryIssuer(_TEMPLATE, audience=_API)
    application: Any = _build_template(shared, "0")
    verify = application.registry.getUtility(ICredentialVerifier, name="local").verify
    tokens = [_mint(shared, number) for number in range(count)]
    verify(Credential("Bearer", tokens[0], "argument"))
    tracemalloc.start()
    try:
        before, _peak = tracemalloc.get_traced_memory()
        for token in tokens[1:]:
            verify(Credential("Bearer", token, "argument"))
        after, _peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    note = "at most 1,024 tenants are kept"
    return Row("memory for each tenant of a template", round((after - before) / (count - 1) / 1024, 2), "kB", note=note)
