"""Signed introspection answers (RFC 9701): which of them count, and what an unsigned one is worth."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from webtest import TestApp

from pyramid_oauthguard.testing import ABSENT, generate_key, mint
from tests.guard.commanded import run_check, run_explain, write_ini
from tests.guard.guarding import add, ask, find_setting_error, find_status
from tests.issuers import CLIENT, HTTPIssuer

pytestmark = [pytest.mark.slow, pytest.mark.promise("GD-75")]
OFFER = {"introspection_signing_alg_values_supported": ["RS256"]}
TYPE = "application/token-introspection+jwt"


@pytest.fixture
def server() -> Iterator[HTTPIssuer]:
    with HTTPIssuer() as server:
        server.sign = lambda headers, answer: sign(server, answer)
        yield server


def sign(
    server: HTTPIssuer, answer: Any, *, typ: Any = "token-introspection+jwt", key: Any = None, **claims: Any
) -> bytes:
    said = {"iss": server.issuer.identifier, "aud": CLIENT[0], "iat": int(time.time()), "token_introspection": answer}
    said = {name: value for name, value in {**said, **claims}.items() if value is not ABSENT}
    return mint(said, key or server.issuer.signing_key, header={"typ": typ}).encode()


def build(server: HTTPIssuer, signed: str = "required", **settings: str) -> TestApp:
    from pyramid.config import Configurator

    given = {
        **server.settings,
        "oauthguard.introspection.signed": signed,
        "oauthguard.cache.inactive.expiration_time": "0",
    }
    config = Configurator(settings={**given, **{f"oauthguard.{n.replace('__', '.')}": v for n, v in settings.items()}})
    config.include("pyramid_oauthguard")
    add(config, "/remote", token_check="remote")
    return TestApp(config.make_wsgi_app())


def test_a_signed_answer_counts(server):
    app = build(server)
    for raw in server.issuer.mint_opaque(sub="ada"), server.issuer.mint(sub="ada"):
        assert ask(app, "/remote", raw).json == {"subject": "ada", "mode": "remote"}
        server.issuer.revoke(raw)
        assert find_status(app, "/remote", raw) == 401
    assert server.headers[-1]["Accept"] == TYPE


REFUSED: dict[str, dict[str, Any]] = {
    "another issuer": {"iss": "https://other.test"},
    "no issuer": {"iss": ABSENT},
    "issuer of another type": {"iss": ["https://other.test"]},
    "another resource server": {"aud": "other-api"},
    "no audience": {"aud": ABSENT},
    "audience null": {"aud": None},
    "audience of another type": {"aud": {"the-api": 1}},
    "old": {"iat": int(time.time()) - 3600},
    "of the future": {"iat": int(time.time()) + 3600},
    "without time": {"iat": ABSENT},
    "time as text": {"iat": "now"},
    "time true": {"iat": True},
    "time in milliseconds": {"iat": int(time.time() * 1000)},
    "an access token's type": {"typ": "at+jwt"},
    "type JWT": {"typ": "JWT"},
    "no type": {"typ": ABSENT},
    "no answer": {"token_introspection": ABSENT},
    "answer as text": {"token_introspection": '{"active": true}'},
    "answer without active": {"token_introspection": {"sub": "ada"}},
    "active as text": {"token_introspection": {"active": "true"}},
    "answer of another issuer": {"token_introspection": {"active": True, "iss": "https://other.test"}},
    "foreign key": {"key": generate_key("RS256", kid="foreign")},
}


@pytest.mark.promise("GD-20")
@pytest.mark.parametrize("claims", REFUSED.values(), ids=REFUSED)
def test_an_answer_that_does_not_hold_is_an_outage(server, claims):
    app = build(server, leeway="30")
    server.sign = lambda headers, answer: sign(server, answer, **claims)
    response = ask(app, "/remote", server.issuer.mint_opaque(sub="ada"))
    assert (response.status_int, "Retry-After" in response.headers) == (503, True)


def test_a_foreign_key_under_the_name_of_ours_is_refused(server):
    foreign = generate_key("RS256", kid=server.issuer.signing_key.kid)
    server.sign = lambda headers, answer: sign(server, answer, key=foreign)
    assert find_status(build(server), "/remote", server.issuer.mint_opaque()) == 503


def test_a_new_key_under_the_name_of_the_old_one_is_looked_for(server):
    """After such a rotation, remote views answered 503 for as long as the key set was kept."""
    app = build(server, keys__cooldown="0.1")
    assert find_status(app, "/remote", server.issuer.mint_opaque()) == 200
    new = generate_key("RS256", kid=server.issuer.signing_key.kid)
    server.issuer.withdraw()
    server.issuer.publish(new.jwk)
    server.sign = lambda headers, answer: sign(server, answer, key=new)
    time.sleep(0.2)  # of cool-down
    assert find_status(app, "/remote", server.issuer.mint_opaque()) == 200


@pytest.mark.parametrize(
    "body", [b"", b"a.b.c", b"[]", b"null", b"..", b"eyJhbGciOiJub25lIn0.e30.", b"{}"], ids=range(7)
)
def test_what_is_no_signed_answer_is_an_outage(server, body):
    server.sign = lambda headers, answer: body
    assert find_status(build(server), "/remote", server.issuer.mint_opaque()) == 503


def test_an_audience_of_ours_names_us_too(server):
    app = build(server)
    for aud in "https://api.test", ["x", CLIENT[0]]:
        server.sign = lambda headers, answer, aud=aud: sign(server, answer, aud=aud)
        assert find_status(app, "/remote", server.issuer.mint_opaque()) == 200


@pytest.mark.parametrize(
    ("signed", "offered", "status"),
    [("off", True, 200), ("auto", False, 200), ("auto", True, 503), ("required", False, 503), ("required", True, 503)],
)
def test_an_unsigned_answer(server, signed, offered, status):
    server.sign, server.extra = None, OFFER if offered else {}
    assert find_status(build(server, signed), "/remote", server.issuer.mint_opaque()) == status


def test_auto_uses_what_the_metadata_offer(server):
    server.extra = OFFER
    assert find_status(build(server, "auto"), "/remote", server.issuer.mint_opaque()) == 200
    server.fail("reset", "metadata")
    endpoint = {"introspection__endpoint": f"{server.origin}/introspect", "jwks_uri": f"{server.origin}/jwks"}
    assert find_status(build(server, "auto", **endpoint), "/remote", server.issuer.mint_opaque()) == 503, (
        "not a downgrade"
    )
    server.extra = {"introspection_signing_alg_values_supported": []}
    server.heal()
    server.sign = None
    assert find_status(build(server, "auto"), "/remote", server.issuer.mint_opaque()) == 200


def test_a_kept_answer_was_verified(server):
    app = build(server, cache__introspection__expiration_time="60")
    raw = server.issuer.mint_opaque(sub="ada")
    for _again in range(3):
        assert ask(app, "/remote", raw).json["subject"] == "ada"
    assert server.calls["introspection"] == 1


def test_auto_needs_metadata(server):
    name = {
        "issuer": "urn:example:issuer",
        "jwks_uri": f"{server.origin}/jwks",
        "introspection__endpoint": f"{server.origin}/introspect",
    }
    error = find_setting_error(lambda: build(server, "auto", **name))
    assert error.key == "oauthguard.introspection.signed"
    assert build(server, "required", **name)
    assert find_setting_error(lambda: build(server, "on")).key == "oauthguard.introspection.signed"


def test_check_and_explain_read_signed_answers(server, tmp_path):
    ini = write_ini(tmp_path, {**server.settings, "oauthguard.introspection.signed": "required"}, "remote")
    checked = run_check(ini)
    assert (checked.exit_code, "answers this application with a signature" in checked.output) == (0, True), (
        checked.output
    )
    raw = server.issuer.mint_opaque(sub="ada", aud="https://other.test")
    explained = json.loads(run_explain(ini, raw, "--format", "json").stdout)
    assert [(each["reason"], each["answer"]["sub"]) for each in explained if each["mode"] == "remote"] == [
        ("wrong_audience", "ada")
    ]
    server.sign = None
    checked = run_check(ini)
    assert checked.exit_code == 1
    assert "introspection_signed_response_alg" in checked.output
    explained = json.loads(run_explain(ini, raw, "--format", "json").stdout)
    assert [(each["reason"], each["setting"]) for each in explained if each["mode"] == "remote"] == [
        ("unsigned_answer", "oauthguard.introspection.signed")
    ]
