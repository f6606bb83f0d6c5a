"""Whatever text a caller or an issuer sends to the guard, twice as much costs at most three times the CPU time."""

from __future__ import annotations

import contextlib
import json

import pytest
from pyramid.request import Request

from pyramid_oauthguard.command.guard.explain import _BEFORE
from pyramid_oauthguard.command.guard.explanation import explain_token
from pyramid_oauthguard.discovery import build_metadata_urls
from pyramid_oauthguard.fetch import Answer
from pyramid_oauthguard.guard.challenge import mark_response
from pyramid_oauthguard.guard.resources.prefixes import Prefixes
from pyramid_oauthguard.guard.verifiers.access_tokens import find_roles
from pyramid_oauthguard.strict_json import parse_object
from pyramid_oauthguard.testing import MemoryIssuer, bearer
from pyramid_oauthguard.urls import check_url
from tests.growing import assert_linear
from tests.guard.guarding import add, build_app
from tests.guard.verifying import build_verifier

pytestmark = pytest.mark.slow

TEXTS = {
    "letters": lambda n: "a" * n,
    "blanks": lambda n: "a" + " " * n + "b",
    "leading blanks": lambda n: " " * n + "b",
    "commas": lambda n: "," * n,
    "commas and blanks": lambda n: ", " * (n // 2),
    "words": lambda n: "a," * (n // 2),
    "scheme again": lambda n: ", bearer" * (n // 8),
    "scheme and blanks": lambda n: "bearer" + " " * n + ",",
    "equals signs": lambda n: "a" * (n // 2) + "=" * (n // 2) + " ",
    "dots": lambda n: "a." * (n // 2),
    "colons": lambda n: ":" * n,
    "slashes": lambda n: "/" * n,
    "at signs": lambda n: "@" * n,
    "brackets": lambda n: "[" * n,
    "digits": lambda n: "9" * n,
    "percent codes": lambda n: "%41" * (n // 3),
    "backslashes": lambda n: "\\" * n,
    "quotes": lambda n: '"' * n,
    "plus signs": lambda n: "+" * n,
    "max-age": lambda n: ", max-age=" * (n // 10),
    "max-age and quotes": lambda n: 'max-age="' * (n // 9),
    "latin": lambda n: "\xe9" * n,
}
SCHEMES = ["", "Bearer ", "Basic "]


@pytest.fixture(scope="module")
def app():
    def configure(config):
        for mode in ("local", "remote"):
            add(config, f"/{mode}", token_check=mode)
        add(config, "/scope", token_require="read")

    settings = {"oauthguard.resource": "https://api.test/v1", "oauthguard.resource_metadata": "on"}
    return build_app(configure, settings=settings)


@pytest.mark.promise("GD-11")
@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_an_authorization_header_costs_linear_time(app, scheme, text):
    def run(header):
        for path in ("/local", "/remote", "/scope"):
            request = Request.blank(path)
            request.environ["HTTP_AUTHORIZATION"] = header
            assert request.get_response(app.app).status_int in {400, 401}

    assert_linear(lambda n: scheme + TEXTS[text](n), run, size=30_000)


@pytest.mark.promise("GD-11")
@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("name", ["CONTENT_TYPE", "QUERY_STRING", "PATH_INFO"])
def test_another_part_of_a_request_costs_linear_time(app, name, text):
    def run(value):
        for path in ("/local", "/.well-known/oauth-protected-resource"):
            request = Request.blank(path, method="POST" if path == "/local" else "GET")
            request.environ[name] = path + value if name == "PATH_INFO" else value
            assert request.get_response(app.app).status_int < 500

    assert_linear(TEXTS[text], run, size=30_000)


@pytest.mark.parametrize("text", ["/a", "/..", "/a/..", "/.", "//", "/%2e%2e", "/\n", "/api/.."])
def test_a_path_costs_linear_time_where_policies_are_composed_by_path(text):
    prefixes = Prefixes("test", ["/api/", "/v2/x/"])
    assert_linear(lambda n: {"PATH_INFO": text * n, "HTTP_X_VHM_ROOT": text * n}, prefixes.covers, size=20_000)


# ── tokens ───────────────────────────────────────────────────────────────────────────────────────────────────────

CLAIMS = {
    "scope": lambda n: {"scope": "a " * (n // 2)},
    "scope of blanks": lambda n: {"scope": " " * n},
    "scopes": lambda n: {"scope": [str(number) for number in range(n // 8)]},
    "audiences": lambda n: {"aud": ["https://api.test", *map(str, range(n // 8))]},
    "lists": lambda n: {"x": [[[]]] * (n // 8)},
    "objects": lambda n: {"x": [{"a": {}}] * (n // 10)},
    "members": lambda n: {f"x{number}": 1 for number in range(n // 10)},
    "escapes": lambda n: {"x": "\x00" * (n // 6)},
    "text": lambda n: {"x": "a" * n},
    "roles": lambda n: {"roles": ["a"] * (n // 5)},
}


@pytest.mark.promise("GD-11")
@pytest.mark.parametrize("kind", CLAIMS)
@pytest.mark.parametrize("mode", ["local", "remote"])
def test_the_claims_of_a_token_cost_linear_time(mode, kind):
    issuer = MemoryIssuer(algorithm="Ed25519")
    verifier = build_verifier(issuer, mode, cache__tokens__size="0", role_claim="roles")
    mint = issuer.mint if mode == "local" else issuer.mint_opaque
    assert_linear(lambda n: mint(CLAIMS[kind](n)), verifier.verify, size=60_000)


@pytest.mark.promise("GD-11")
@pytest.mark.parametrize("kind", CLAIMS)
def test_a_request_with_such_a_token_costs_linear_time(kind):
    issuer = MemoryIssuer(algorithm="Ed25519")
    app = build_app(
        lambda config: add(config, "/", permission="read"),
        issuer,
        settings={"oauthguard.role_claim": "roles", "oauthguard.cache.tokens.size": "0"},
    )

    def run(raw):
        assert Request.blank("/", headers=bearer(raw)).get_response(app.app).status_int in {200, 403}

    assert_linear(lambda n: issuer.mint(CLAIMS[kind](n)), run, size=60_000)


@pytest.mark.parametrize("path", ["roles", "realm.roles", "a.b.c"])
@pytest.mark.parametrize("text", ["dots", "letters", "quotes"])
def test_roles_cost_linear_time(text, path):
    assert_linear(
        lambda n: {"roles": [TEXTS[text](n)], "a": {"b": {"c": ["x"] * n}}}, lambda claims: find_roles(claims, [path])
    )


# ── answers of an issuer ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("start", ["", "Mon, 1 Jan 2024 10:00:00 "])
def test_the_headers_of_an_issuer_cost_linear_time(text, start):
    def run(value):
        answer = Answer(200, {"cache-control": value, "date": value}, {})
        return answer.max_age, answer.date

    assert_linear(lambda n: start + TEXTS[text](n), run, size=60_000)


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("start", ["", "https://", "http://[", "http://1."])
def test_an_address_costs_linear_time(text, start):
    def run(url):
        with contextlib.suppress(ValueError):
            check_url.__wrapped__(url)
        with contextlib.suppress(ValueError):
            build_metadata_urls(url)

    assert_linear(lambda n: start + TEXTS[text](n), run, size=60_000)


@pytest.mark.promise("GD-11")
@pytest.mark.parametrize(
    "write",
    [
        lambda n: "[" * n,
        lambda n: '{"a":' * n,
        lambda n: '{"a":"' + "\\u00e9" * n + '"}',
        lambda n: '{"a":"' + "\\ud83d\\ude00" * n + '"}',
        lambda n: '{"a":' + "9" * n + "}",
        lambda n: '{"a":0.' + "9" * n + "}",
        lambda n: '{"a":1e' + "9" * n + "}",
        lambda n: " " * n + "{}",
        lambda n: "{}" + " " * n,
        lambda n: "{" + " " * n,
        lambda n: json.dumps({f"a{number}": number for number in range(n // 4)}),
        lambda n: json.dumps({"a": [{"b": [0]}] * (n // 4)}),
        lambda n: '{"a":"' + "x" * n,
        lambda n: '{"a":"' + "\\\\" * n,
        lambda n: "[" * 101 + '"' * n,
        lambda n: "[]" * 101 + '"' + '\\"' * n,
        lambda n: "[]" * 101 + '"' + "\\" * n,
        lambda n: "[]" * 101 + '"' + "\\" * n + '"',
        lambda n: "[]" * 101 + '"a"' * n,
        lambda n: "[]" * 101 + '"' + "a" * n,
        lambda n: "[]" * n,
    ],
)
def test_json_costs_linear_time(write):
    def run(data):
        with contextlib.suppress(ValueError):
            parse_object(data)

    assert_linear(lambda n: write(n).encode(), run, size=40_000)


@pytest.mark.parametrize("kind", ["unusable", "other names", "one name"])
def test_a_key_set_costs_linear_time(kind):
    issuer = MemoryIssuer(algorithm="Ed25519")
    jwk = issuer.signing_key.jwk

    def make(n):
        several = {
            "unusable": [{"kty": "oct", "k": "AAAA", "kid": str(number)} for number in range(n)],
            "other names": [{**jwk, "kid": str(number)} for number in range(n)],
            "one name": [{**jwk, "x5t": str(number)} for number in range(n)],
        }
        return several[kind]

    raw = issuer.mint()

    def run(keys):
        fixed = MemoryIssuer(issuer.identifier, algorithm="Ed25519")
        fixed.withdraw()
        fixed.publish(jwk, *keys)
        build_verifier(fixed).verify(raw)

    assert_linear(make, run, size=1_000)


# ── commands, views ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("start", ["", "authorization"])
def test_a_token_on_standard_input_costs_linear_time(app, text, start):
    def run(value):
        for mode in ("local", "remote"):
            explain_token(app.app.registry, value[_BEFORE.match(value).end() :], mode)

    assert_linear(lambda n: start + TEXTS[text](n), run, size=60_000)


@pytest.mark.parametrize("text", ["commas", "words", "letters", "commas and blanks"])
def test_a_vary_header_of_a_view_costs_linear_time(app, text):
    def run(value):
        response = Request.blank("/nowhere").get_response(app.app)
        response.headerlist = [("Vary", value)]
        mark_response(None, response)

    assert_linear(TEXTS[text], run, size=60_000)
