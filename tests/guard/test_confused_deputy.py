"""One application, four issuers of different kinds: nothing that one of them issues or learns helps against another."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pyramid_oauthguard.testing import SigningKey, mint, read_claims
from tests.guard.guarding import ask, find_status
from tests.guard.several import build, find_principals, write
from tests.issuers import CLIENT, HTTPIssuer

API = "https://api.test"
TENANT = "9188040d-6c67-4c5b-b112-36a304b66dad"


class Four:
    """A plain issuer `home`, the named `partner` (opaque tokens, too), `pool` and the template `entra`, each over HTTP."""

    def __init__(self) -> None:
        self.home = HTTPIssuer("/home", audience=API)
        self.partner = HTTPIssuer("/partner", audience="https://partner-api.test")
        self.pool = HTTPIssuer("/pool", audience="https://pool-api.test")
        self.entra = HTTPIssuer(f"/{TENANT}/v2.0", audience="api://entra")
        self.all = (self.home, self.partner, self.pool, self.entra)

    @property
    def settings(self) -> dict[str, Any]:
        settings = {**self.home.settings, **write(None, issuers="partner pool entra", role_claim="groups")}
        settings |= self._write("partner", self.partner, scopes="orders", token_prefix="pt_")
        settings |= self._write("pool", self.pool, scopes="any")
        settings |= self._write(
            "entra", self.entra, scopes="read", issuer_values=TENANT, jwks_uri=f"{self.entra.origin}/jwks"
        )
        settings["oauthguard.issuers.entra.issuer"] = f"{self.entra.origin}/{{tid}}/v2.0"
        settings["oauthguard.issuers.entra.introspection.endpoint"] = f"{self.entra.origin}/introspect"
        return settings

    def _write(self, name: str, server: HTTPIssuer, **more: Any) -> dict[str, Any]:
        introspection = {"introspection__client_id": CLIENT[0], "introspection__client_secret": CLIENT[1]}
        return write(name, issuer=server.issuer.identifier, audience=server.issuer.audience, **introspection, **more)

    def mint(self, server: HTTPIssuer, **more: Any) -> str:
        tenant = {"tid": TENANT} if server is self.entra else {}
        return server.issuer.mint(**{**tenant, "sub": "ada", "scope": "admin orders read", **more})

    def mint_opaque(self) -> str:
        raw = self.partner.issuer.mint_opaque(sub="ada", scope="admin orders")
        self.partner.issuer._opaque[f"pt_{raw}"] = self.partner.issuer._opaque.pop(raw)
        return f"pt_{raw}"


@pytest.fixture(scope="module")
def four() -> Iterator[Four]:
    issuers = Four()
    yield issuers
    for each in issuers.all:
        each.close()


@pytest.fixture(scope="module")
def app(four: Four) -> Any:
    return build(four.settings)


def test_each_of_them_is_accepted(app: Any, four: Four) -> None:
    names = {None: four.home, "partner": four.partner, "pool": four.pool, "entra": four.entra}
    for path in ("/local", "/remote"):
        for name, server in names.items():
            assert ask(app, path, four.mint(server)).json["issuer"] == name, (path, name)
    assert ask(app, "/remote", four.mint_opaque()).json["user"] == "partner/ada"


def _sign_with_kid_of(theirs: str, mine: str) -> Callable[[Four], str]:
    """A token in the name of `theirs`, with the kid of its key, signed by the key of `mine`."""

    def make(four: Four) -> str:
        other, own = getattr(four, theirs), getattr(four, mine)
        claims = {**other.issuer._build_claims(), "tid": TENANT}
        return mint(claims, SigningKey(other.issuer.signing_key.kid, "RS256", own.issuer.signing_key.native))

    return make


def _name(mine: str, theirs: str, **more: Any) -> Callable[[Four], str]:
    """A token that `mine` signs, with `iss` and `aud` of `theirs`."""

    def make(four: Four) -> str:
        own, other = getattr(four, mine), getattr(four, theirs)
        return four.mint(own, iss=other.issuer.identifier, aud=other.issuer.audience, tid=TENANT, **more)

    return make


def _for_audience_of(mine: str, theirs: str) -> Callable[[Four], str]:
    return lambda four: four.mint(getattr(four, mine), aud=getattr(four, theirs).issuer.audience)


ATTEMPTS: dict[str, Callable[[Four], str]] = {
    "a token of home for the audience of partner": _for_audience_of("home", "partner"),
    "a token of partner for the audience of home": _for_audience_of("partner", "home"),
    "a token of pool for the audience of entra": _for_audience_of("pool", "entra"),
    "a token of entra for the audience of pool": _for_audience_of("entra", "pool"),
    "home signs in the name of partner": _name("home", "partner"),
    "partner signs in the name of home": _name("partner", "home"),
    "pool signs in the name of entra": _name("pool", "entra"),
    "entra signs in the name of pool": _name("entra", "pool"),
    "the kid of partner over the key of home": _sign_with_kid_of("partner", "home"),
    "the kid of home over the key of partner": _sign_with_kid_of("home", "partner"),
    "the kid of entra over the key of pool": _sign_with_kid_of("entra", "pool"),
    "the kid of pool over the key of entra": _sign_with_kid_of("pool", "entra"),
    "an opaque token of home": lambda four: four.home.issuer.mint_opaque(),
    "an opaque token of pool with the prefix of partner": lambda four: f"pt_{four.pool.issuer.mint_opaque()}",
    "a JWT of home behind the prefix of partner": lambda four: f"pt_{four.mint(four.home)}",
    "the template itself as iss": lambda four: four.mint(four.entra, iss=f"{four.entra.origin}/{{tid}}/v2.0"),
}


@pytest.mark.promise("GD-31")
@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_a_confused_deputy_is_refused(app: Any, four: Four, attempt: str) -> None:
    """Twice, and between good tokens: neither what is remembered nor a new key set helps."""
    for _again in range(2):
        raw = ATTEMPTS[attempt](four)
        assert [find_status(app, path, raw) for path in ("/local", "/remote")] == [401, 401]
        assert [find_status(app, path, raw) for path in ("/local", "/remote")] == [401, 401]
        for server in four.all:
            assert find_status(app, "/local", four.mint(server)) == 200


def test_there_are_sixteen_attempts() -> None:
    assert len(ATTEMPTS) == 16


@pytest.mark.promise("GD-31")
def test_they_share_no_principal_but_trusted_scopes(app: Any, four: Four) -> None:
    seen: dict[str, str] = {}
    for server in four.all:
        for name in find_principals(app, four.mint(server, groups=["admin"])):
            if not name.startswith("scope:"):
                assert seen.setdefault(name, server.issuer.identifier) == server.issuer.identifier
    assert len(seen) == 3 + 3 * 4, "user, client and role of each, and the name of each named issuer"


# ── what each of them gets to see ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.promise("GD-31")
def test_no_credential_and_no_token_reaches_another_issuer() -> None:
    """B's table says who it is, what is trusted from it, and that we do not authenticate there; A's secret is not inherited."""
    with HTTPIssuer("/a") as a, HTTPIssuer("/b") as b:
        settings = {**a.settings, **write(None, issuers="b")}
        settings |= write("b", issuer=b.issuer.identifier, scopes="any", introspection__auth_method="none")
        app = build(settings)
        ours, theirs = a.issuer.mint(), b.issuer.mint()
        assert [find_status(app, path, ours) for path in ("/local", "/remote")] == [200, 200]
        assert [find_status(app, path, theirs) for path in ("/local", "/remote")] == [200, 503], (
            "B wants to know who asks"
        )
        for forged in (a.issuer.mint(iss=b.issuer.identifier), b.issuer.mint(iss=a.issuer.identifier)):
            assert [find_status(app, path, forged) for path in ("/local", "/remote")] == [401, 401]
        opaque = b.issuer.mint_opaque()
        assert find_status(app, "/remote", opaque) == 401
        seen_by_a, seen_by_b = "\n".join(a.seen), "\n".join(b.seen)
        assert "Authorization: Basic" in seen_by_a
        assert "Authorization" not in seen_by_b
        assert not [text for text in (*CLIENT, ours, opaque) if text in seen_by_b]
        assert not [text for text in (theirs, opaque) if text in seen_by_a]


def test_an_attempt_is_not_refused_for_its_time(four: Four) -> None:
    jwts = {name: raw for name, make in ATTEMPTS.items() if (raw := make(four)).count(".") == 2}
    assert len(jwts) == 14
    for name, raw in jwts.items():
        assert read_claims(raw)["exp"] > time.time() + 60, name
