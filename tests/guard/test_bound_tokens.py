"""A token that is bound to a key or a certificate is not a bearer token: without its proof it opens nothing."""

from __future__ import annotations

import json
import time

import pytest

from pyramid_oauthguard.testing import MemoryIssuer
from tests.guard.commanded import ISSUERS, run_explain, write_ini
from tests.guard.guarding import INVALID, add, ask, build_app
from tests.guard.verifying import build_verifier, find_reason

BINDINGS = [
    {"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"},
    {"x5t#S256": "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2"},
    {"jwk": {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}},
    {"jwe": "eyJ"},
    {"kid": "one"},
    {"jku": "https://evil.example/jwks", "kid": "one"},
    {"tbh": "bpVbU"},
    {"osc": {}},
    {"of an extension to come": 1},
    {"jkt": None},
    {"jkt": ["a", "b"]},
    {},
    [],
    [{"jkt": "x"}],
    "",
    "jkt",
    None,
    False,
    True,
    0,
    1.5,
]


@pytest.fixture(scope="module")
def issuer():
    return MemoryIssuer(algorithm="Ed25519")


@pytest.fixture(scope="module")
def verifiers(issuer):
    return {
        "local": build_verifier(issuer),
        "rfc9068": build_verifier(issuer, profile="rfc9068"),
        "remote": build_verifier(issuer, "remote"),
        "cached": build_verifier(issuer, "remote", cache__introspection__expiration_time="60"),
    }


@pytest.mark.slow
@pytest.mark.promise("GD-30")
@pytest.mark.parametrize("cnf", BINDINGS, ids=json.dumps)
def test_a_bound_jwt_is_refused_in_both_modes(issuer, verifiers, cnf):
    for claims in ({"cnf": cnf}, {"cnf": cnf, "typ": "DPoP"}, {"cnf": cnf, "token_type": "DPoP"}):
        raw = issuer.mint(claims)
        for mode, verifier in verifiers.items():
            assert find_reason(verifier, raw) == "bound_token", mode
            assert verifier.recall(f"Bearer {raw}") is None


@pytest.mark.slow
@pytest.mark.promise("GD-30")
@pytest.mark.parametrize(
    "cnf", [each for each in BINDINGS if each is not None], ids=json.dumps
)  # null means absent there
@pytest.mark.parametrize("mode", ["remote", "cached"])
@pytest.mark.parametrize("mint", ["mint", "mint_opaque"])
def test_a_token_that_the_issuer_calls_bound_is_refused(issuer, verifiers, mint, mode, cnf):
    """Also where the JWT itself says nothing of it (RFC 9449 section 6.2, RFC 8705 section 3.2)."""
    raw = getattr(issuer, mint)()
    said = {"active": True, "token_type": "Bearer", "aud": issuer.audience, "exp": int(time.time()) + 60, "cnf": cnf}
    issuer.answer(raw, said)
    assert find_reason(verifiers[mode], raw) == "bound_token"


@pytest.mark.promise("GD-30")
@pytest.mark.parametrize("path", ["/local", "/remote"])
@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "DPoP"])
def test_a_bound_token_opens_no_view_under_any_scheme(issuer, path, scheme):
    def add_views(config):
        add(config, "/local", token_check="local")
        add(config, "/remote", token_check="remote")

    app = build_app(add_views, issuer)
    raw = issuer.mint(cnf={"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"})
    answer = ask(app, path, Authorization=f"{scheme} {raw}", DPoP=raw)
    assert answer.status_int == 401
    if scheme != "DPoP":
        assert answer.headers["WWW-Authenticate"] == INVALID


def test_explain_names_the_binding(issuer, tmp_path, monkeypatch):
    monkeypatch.setitem(ISSUERS, issuer.identifier, issuer)
    raw = issuer.mint(cnf={"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}, typ="DPoP")
    result = run_explain(write_ini(tmp_path, issuer.settings), raw, "--format", "json")
    (outcome,) = json.loads(result.stdout)
    assert (outcome["reason"], "cnf" in outcome["text"]) == ("bound_token", True)
