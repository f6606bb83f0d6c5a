"""Tokens that no request brought: checked by an application's guard, or without an application."""

from __future__ import annotations

from typing import Any

import pytest

from pyramid_oauthguard import (
    InsufficientScope,
    InvalidRequest,
    InvalidToken,
    SettingError,
    TokenError,
    UnavailableError,
)
from pyramid_oauthguard.guard.verification import VerifierSet, build_verifier, verify
from pyramid_oauthguard.testing import ABSENT, MemoryIssuer, generate_key, trust
from tests.guard.guarding import add, build_app
from tests.issuers import HTTPIssuer

AUDIENCE = "https://api.test"


@pytest.fixture
def issuer():
    return MemoryIssuer(algorithm="Ed25519")


def build(issuer: MemoryIssuer, configure: Any = None, **settings: str) -> Any:
    given = {f"oauthguard.{name.replace('__', '.')}": value for name, value in settings.items()}
    return build_app(configure, issuer, settings=given).app.registry


def refuse(registry: Any, raw: Any, *args: Any, **options: Any) -> str:
    with pytest.raises(TokenError) as caught:
        verify(registry, raw, *args, **options)
    return caught.value.reason


# ── in an application ───────────────────────────────────────────────────────────────────────────────────────────────


def test_a_token_is_checked_as_for_a_view(issuer):
    registry = build(issuer)
    assert verify(registry, issuer.mint(sub="ada")).subject == "ada"
    assert refuse(registry, issuer.mint_expired()) == "expired"
    assert refuse(registry, issuer.mint_foreign()) in ("bad_signature", "unknown_key")
    for raw in ("", "a b", "a,b", None, 7, "é"):
        with pytest.raises(InvalidRequest):
            verify(registry, raw)


@pytest.mark.promise("GD-15")
def test_the_mode_is_the_setting_and_can_only_be_made_stricter(issuer):
    raw = issuer.mint()
    issuer.revoke(raw)
    local, remote = build(issuer), build(issuer, token_check="remote")
    assert verify(local, raw).mode == "local"
    assert refuse(local, raw, "remote") == "inactive"
    assert refuse(remote, raw) == refuse(remote, raw, "local") == "inactive"
    with pytest.raises(SettingError):
        verify(local, raw, "other")


def test_requirements_are_those_of_the_view_option(issuer):
    registry = build(issuer)
    raw = issuer.mint(scope="read", client_id="web")
    assert verify(registry, raw, require="read").scopes == {"read"}
    assert verify(registry, raw, require={"any_scope": "read write", "client": "web"})
    with pytest.raises(InsufficientScope) as caught:
        verify(registry, raw, require="read write")
    assert caught.value.scopes == ("read", "write")
    with pytest.raises(SettingError):
        verify(registry, raw, require={"colour": "red"})


@pytest.mark.promise("GD-31")
def test_the_issuer_is_that_of_the_view_option(issuer):
    other = MemoryIssuer("https://b.test")
    settings = {"issuers": "b", "issuers__b__issuer": "https://b.test", "issuers__b__scopes": "any"}
    app = build_app(None, issuer, settings={f"oauthguard.{n.replace('__', '.')}": v for n, v in settings.items()})
    trust(app.app, other)
    registry = app.app.registry
    assert verify(registry, other.mint(), issuer="b").issuer_name == "b"
    assert verify(registry, issuer.mint()).issuer_name is None
    with pytest.raises(TokenError):
        verify(registry, issuer.mint(), issuer="b")
    with pytest.raises(SettingError):
        verify(registry, issuer.mint(), issuer="c")


def test_the_resource_is_that_of_the_path(issuer):
    def configure(config: Any) -> None:
        config.add_protected_resource("/mcp", "https://api.test/mcp")
        add(config, "/mcp/x", token_check="local")

    registry = build(issuer, configure)
    mine, theirs = issuer.mint(), issuer.mint(aud="https://api.test/mcp")
    assert verify(registry, mine)
    assert verify(registry, theirs, resource="https://api.test/mcp")
    assert refuse(registry, mine, resource="https://api.test/mcp") == "other_resource"
    assert refuse(registry, theirs) == "other_resource"
    with pytest.raises(SettingError):
        verify(registry, mine, resource="https://api.test/other")


@pytest.mark.promise("GD-30")
def test_a_bound_token_needs_the_request(issuer):
    raw = issuer.mint(cnf={"jkt": "x"})
    assert refuse(build(issuer), raw) == "bound_token"

    class Believing:
        def verify(self, raw: str) -> Any:
            token = build_verifier_of(issuer).verify(issuer.mint())
            return type(token)(**{**{name: getattr(token, name) for name in FIELDS}, "claims": {"cnf": {}}})

    registry = build(issuer, lambda config: config.set_token_verifier("local", Believing()))
    assert refuse(registry, raw) == "bound_token"
    assert refuse(registry, raw, method="GET") == "bound_token"
    assert verify(registry, raw, method="GET", url="https://api.test/x")


FIELDS = (
    "subject", "client_id", "scopes", "audience", "issuer", "expires_at", "issued_at", "token_id", "username", "mode",
)  # fmt: skip


def build_verifier_of(issuer: MemoryIssuer) -> Any:
    from tests.guard.verifying import build_verifier as build_in_application

    return build_in_application(issuer)


def test_what_a_verifier_of_the_application_raises_is_an_outage_without_its_text(issuer):
    class Broken:
        def verify(self, raw: str) -> Any:
            raise RuntimeError(raw)

    registry = build(issuer, lambda config: config.set_token_verifier("local", Broken()))
    with pytest.raises(UnavailableError) as caught:
        verify(registry, "t0ken")
    assert "t0ken" not in str(caught.value)


# ── without an application ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def server():
    with HTTPIssuer() as found:
        yield found


def build_alone(server: HTTPIssuer, **more: Any) -> Any:
    return build_verifier(issuer=server.issuer.identifier, audience=[AUDIENCE], **more)


def test_a_verifier_of_one_issuer(server):
    verifier = build_alone(server)
    assert verifier.verify(server.issuer.mint(sub="ada")).subject == "ada"
    assert verifier.metadata()["jwks_uri"] == f"{server.issuer.identifier}/jwks"
    for raw in (server.issuer.mint_expired(), server.issuer.mint_foreign(), server.issuer.mint(aud="x"), "opaque"):
        with pytest.raises(InvalidToken):
            verifier.verify(raw)
    with pytest.raises(InvalidRequest):
        verifier.verify("a b")
    with pytest.raises(ValueError, match="mode"):
        verifier.verify("x", "other")


def test_more_that_a_token_must_have(server):
    verifier = build_alone(server, require=("iat", "kid", "jti"), single_audience=True)
    good = {"iat": 1_700_000_000, "jti": "1"}
    assert verifier.verify(server.issuer.mint(good)).token_id == "1"
    bad = [{**good, "jti": ABSENT}, {**good, "iat": ABSENT}, {**good, "jti": ""}, {**good, "aud": [AUDIENCE, "other"]}]
    for claims in bad:
        for _again in range(2):  # also when it is remembered
            with pytest.raises(InvalidToken):
                verifier.verify(server.issuer.mint(claims))
    with pytest.raises(InvalidToken):
        verifier.verify(server.issuer.mint(good, header={"kid": ABSENT}))


def test_the_settings_of_an_issuer_are_its_arguments(server):
    secret = {"introspection_client_id": "the-api", "introspection_client_secret": "the-api's secret: 100% of ~it"}
    verifier = build_alone(server, token_check="remote", algorithms=("RS256",), **secret)
    raw = server.issuer.mint_opaque(sub="ada")
    assert verifier.verify(raw).mode == "remote"
    server.issuer.revoke(raw)
    with pytest.raises(InvalidToken):
        verifier.verify(raw)
    with pytest.raises(InvalidToken):
        build_alone(server, algorithms=("ES256",)).verify(server.issuer.mint())


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"colour": "red"}, "colour"),
        ({"issuers": "a"}, "issuers"),
        ({"policy": "off"}, "policy"),
        ({"algorithms": "HS256"}, "algorithms"),
        ({"leeway": "soon"}, "leeway"),
        ({"issuer": "http://a.test"}, "issuer"),
        ({"issuer": "https://a.test/{tid}"}, "issuer_values"),
        ({"audience": ""}, "audience"),
    ],
)
def test_settings_that_cannot_be_meant(settings, key):
    with pytest.raises(SettingError) as caught:
        build_verifier(**{"issuer": "https://a.test", "audience": "x", **settings})
    assert caught.value.key == f"oauthguard.{key}"


@pytest.mark.promise("GD-31")
def test_a_verifier_of_many_issuers(tmp_path):
    """What a token says of its issuer causes no fetch, unless the application knows that issuer."""
    import json

    key, other = generate_key("ES256", kid="k"), generate_key("ES256", kid="k")
    verifiers = {}
    for name, each in (("https://a.test", key), ("https://b.test", other)):
        file = tmp_path / name[-6:].replace(".", "")
        file.write_text(json.dumps({"keys": [each.jwk]}))
        verifiers[name] = build_verifier(issuer=name, audience=AUDIENCE, jwks_file=str(file))
    asked: list[str] = []

    def find(identifier: str) -> Any:
        asked.append(identifier)
        return verifiers.get(identifier)

    many = VerifierSet(find)
    first, second = (MemoryIssuer(name, audience=AUDIENCE) for name in verifiers)
    assert many.verify(first.mint(key=key)).issuer == "https://a.test"
    assert many.verify(second.mint(key=other)).issuer == "https://b.test"
    refused = [
        first.mint(key=other), second.mint(key=key), first.mint(key=key, iss="https://b.test"),
        first.mint(key=key, iss="https://c.test"), first.mint(key=key, iss=["https://a.test"]), first.mint(key=key, iss=ABSENT),
        "opaque", "e30.e30.c2ln",
    ]  # fmt: skip
    for raw in refused:
        with pytest.raises(InvalidToken):
            many.verify(raw)
    with pytest.raises(InvalidRequest):
        many.verify("a b")
    with pytest.raises(InvalidToken):  # a callable that gives another issuer's verifier
        VerifierSet(lambda _name: verifiers["https://b.test"]).verify(first.mint(key=key))
    assert set(asked) == {"https://a.test", "https://b.test", "https://c.test"}
