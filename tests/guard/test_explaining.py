"""`oauthguard explain`: the header, encrypted and opaque tokens, the issuer's answer, and each key that was not used."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pyramid.request import Request
from webtest import TestApp

from pyramid_oauthguard import InvalidRequest
from pyramid_oauthguard.guard.credentials.header import find, find_fault
from pyramid_oauthguard.guard.reports.key_report import describe_unusable_keys
from pyramid_oauthguard.jwt.keyset import build_key_set
from pyramid_oauthguard.testing import ABSENT, MemoryIssuer, generate_key, mint, read_claims
from tests.guard.commanded import main, run_check, run_explain, write_ini
from tests.issuers import HTTPIssuer

SALESFORCE = "00D5e000000EXAMPLE!AQEAQExampleExampleExample.ExampleExample_Example"
ALGORITHMS = ("RS256", "ES256")


def explain(ini: Path, raw: str, mode: str) -> dict[str, Any]:
    """The outcome of one mode."""
    (found,) = [each for each in json.loads(run_explain(ini, raw, "--format", "json").stdout) if each["mode"] == mode]
    return found


# ── the header ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (SALESFORCE, "'!' at position 19 is not one of letters"),
        ("a b", "' ' at position 2"),
        ("a=b", "'=' at position 2"),
        ("===", "nothing stands before its equals signs"),
        ("tökén", "'ö' at position 2"),
        ("a,b", "',' at position 2"),
        ('"quoted"', "'\"' at position 1"),
        ("a\x1b[31m", "position 2"),
    ],
)
@pytest.mark.parametrize("mode", ["local", "remote"])
def test_a_token_that_no_header_carries_is_refused_by_explain_as_by_the_api(
    server: HTTPIssuer, tmp_path: Path, raw: str, said: str, mode: str
) -> None:
    server.issuer.answer(raw, {"active": True, "aud": "https://api.test", "exp": time.time() + 600})
    ini = write_ini(tmp_path, server.settings, "local, remote")
    result = run_explain(ini, raw)
    assert result.exit_code == 5
    assert result.output.count("REFUSED: malformed_header") == 2
    assert said in explain(ini, raw, mode)["text"]
    assert "accepted" not in result.output
    assert "\x1b" not in result.output
    assert server.calls["introspection"] == 0
    app = TestApp(main({}, **server.settings, views="local, remote"))
    assert app.get(f"/{mode}", headers={"Authorization": f"Bearer {raw}"}, expect_errors=True).status_int == 400


@pytest.mark.slow
@settings(max_examples=400, deadline=None)
@given(
    st.text(alphabet=st.characters(max_codepoint=300), max_size=12) | st.text(alphabet="aZ09-._~+/=! ,", max_size=12)
)
@example("")
@example("=")
@example("a==")
def test_explain_and_the_api_read_the_same_grammar(raw: str) -> None:
    request = Request.blank("/")
    request.environ["HTTP_AUTHORIZATION"] = f"Bearer {raw}"
    try:
        found = find(request)
        carried = found is not None and found.characters == raw
    except InvalidRequest:
        carried = False
    stripped = raw == raw.strip(" ")  # the API strips blanks around a token, and so does explain
    assert (find_fault(raw) is None) == (carried and stripped)


# ── encrypted tokens ─────────────────────────────────────────────────────────────────────────────────────────────


def encrypt(issuer: str) -> str:
    """What Auth0 gives a client that asks for no audience."""
    header = {"alg": "dir", "enc": "A256GCM", "iss": issuer}
    head = base64.urlsafe_b64encode(json.dumps(header).encode()).rstrip(b"=").decode()
    return f"{head}..8eNPbSQoVv0qKBKA.gv9d1TK5iJVDKgzWDuOBTDrCr39Ukc.pBt4_0LMVg78B7a9UzdkHg"


@pytest.mark.slow
@pytest.mark.parametrize(("mode", "reason"), [("local", "not_a_jwt"), ("remote", "inactive")])
def test_an_encrypted_token_is_called_encrypted(server: HTTPIssuer, tmp_path: Path, mode: str, reason: str) -> None:
    raw = encrypt(server.origin)
    outcome = explain(write_ini(tmp_path, server.settings, "local, remote"), raw, mode)
    assert (outcome["reason"], outcome["setting"]) == (reason, "oauthguard.audience")
    assert "encrypted (a JWE of five parts" in outcome["text"]
    assert "for the audience https://api.test" in outcome["advice"]


@pytest.mark.slow
def test_an_encrypted_token_that_the_issuer_introspects_is_accepted(server: HTTPIssuer, tmp_path: Path) -> None:
    raw = encrypt(server.origin)
    server.issuer.answer(raw, {"active": True, "aud": "https://api.test", "exp": time.time() + 600, "sub": "ada"})
    assert explain(write_ini(tmp_path, server.settings, "local, remote"), raw, "remote")["reason"] is None


@pytest.mark.parametrize("mode", ["local", "remote"])
def test_a_jwt_without_a_signature_is_not_called_opaque(server: HTTPIssuer, tmp_path: Path, mode: str) -> None:
    raw = base64.urlsafe_b64encode(b'{"alg":"none"}').decode().rstrip("=") + ".e30."
    outcome = explain(write_ini(tmp_path, server.settings, "local, remote"), raw, mode)
    assert (outcome["reason"], outcome["setting"]) == ("not_a_jwt", None)
    assert outcome["text"] == "it is a JWT without a signature: its alg is 'none' and its third part is empty"


# ── what the issuer answers about an opaque token ────────────────────────────────────────────────────────────────

GOOD = {"active": True, "client_id": "cli", "sub": "ada", "scope": "orders", "exp": 9_000_000_000}
OPAQUE = "5d0f1c2b-opaque"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "reason", "setting", "said"),
    [
        ({}, "wrong_audience", "oauthguard.introspection.require_audience", "the introspection answer has no aud"),
        ({"aud": None}, "wrong_audience", "oauthguard.introspection.require_audience", "the introspection answer has no aud"),
        ({"aud": ["https://other.example"]}, "wrong_audience", "oauthguard.audience", "its aud is ['https://other.example']"),
        ({"aud": []}, "wrong_audience", "oauthguard.audience", "its aud is []"),
        ({"aud": "https://api.test", "iss": "https://other.test"}, "wrong_issuer", "oauthguard.issuer", "'https://other.test'"),
        ({"aud": "https://api.test", "exp": "1700000000"}, "bad_time", None, "exp '1700000000'"),
        ({"aud": "https://api.test", "exp": 10**400}, "bad_time", None, "its exp is 1000"),
        ({"aud": "https://api.test", "exp": 5}, "expired", "oauthguard.leeway", "it expired"),
        ({"aud": "https://api.test", "sub": 42}, "bad_claim", None, "sub 42"),
        ({"aud": "https://api.test", "client_id": 7}, "bad_client", None, "7"),
        ({"aud": "https://api.test", "token_type": "DPoP"}, "wrong_token_type", None, "token_type"),
        ({"active": False}, "inactive", "oauthguard.introspection.client_id", "the issuer calls it inactive"),
    ],
)  # fmt: skip
def test_a_refused_opaque_token_shows_what_the_issuer_answered(
    server: HTTPIssuer, tmp_path: Path, changes: dict[str, Any], reason: str, setting: str | None, said: str
) -> None:
    answer = {**GOOD, **changes}
    server.issuer.answer(OPAQUE, answer)
    ini = write_ini(tmp_path, server.settings, "remote")
    outcome = explain(ini, OPAQUE, "remote")
    assert (outcome["reason"], outcome["setting"]) == (reason, setting)
    assert said in outcome["text"]
    assert outcome["answer"] == answer
    shown = run_explain(ini, OPAQUE).output
    assert 'answer:  {"active": ' in shown
    assert OPAQUE not in shown


@pytest.mark.slow
def test_the_token_in_an_answer_is_masked(server: HTTPIssuer, tmp_path: Path) -> None:
    server.issuer.answer(OPAQUE, {**GOOD, "token": OPAQUE, "value": f"Bearer {OPAQUE}", "x": "\x1b[31m"})
    ini = write_ini(tmp_path, server.settings, "remote")
    for style in ("text", "json"):
        output = run_explain(ini, OPAQUE, "--format", style).output
        assert OPAQUE not in output
        assert "\x1b" not in output
        assert "***" in output


@pytest.mark.slow
def test_a_long_answer_is_cut(server: HTTPIssuer, tmp_path: Path) -> None:
    server.issuer.answer(OPAQUE, {**GOOD, "aud": ["https://other.example"] * 20_000})
    output = run_explain(write_ini(tmp_path, server.settings, "remote"), OPAQUE).output
    assert "other.example" in output
    assert len(output) < 10_000


@pytest.mark.slow
def test_a_jwt_that_the_local_check_refuses_is_not_sent_to_the_issuer(server: HTTPIssuer, tmp_path: Path) -> None:
    ini = write_ini(tmp_path, server.settings, "local, remote")
    for raw in (server.issuer.mint({"exp": 5}), server.issuer.mint({"iss": "https://other.test"}), "e30.e30.e30"):
        outcome = explain(ini, raw, "remote")
        assert outcome["reason"] is not None
        assert outcome["answer"] is None
    assert server.calls["introspection"] == 0


@pytest.mark.slow
def test_a_jwt_without_audience_does_not_get_the_advice_for_answers(server: HTTPIssuer, tmp_path: Path) -> None:
    ini = write_ini(tmp_path, server.settings, "local")
    outcome = explain(ini, server.issuer.mint({"aud": ABSENT}), "local")
    assert (outcome["reason"], outcome["setting"]) == ("wrong_audience", "oauthguard.audience")
    assert "it has no aud" in outcome["text"]


@pytest.mark.parametrize("views", ["remote, broken verifier", "local"])
def test_nothing_is_asked_where_the_remote_check_is_not_in_use(server: HTTPIssuer, tmp_path: Path, views: str) -> None:
    assert run_explain(write_ini(tmp_path, server.settings, views), "e30.e30.e30").exit_code in (1, 5)
    assert server.calls["introspection"] == 0


def test_claims_of_an_rfc9068_token_that_are_missing_are_named(issuer: MemoryIssuer, tmp_path: Path) -> None:
    ini = write_ini(tmp_path, {**issuer.settings, "oauthguard.profile": "rfc9068"})
    raw = issuer.mint({"jti": ABSENT, "client_id": ABSENT}, header={"typ": "at+jwt"})
    assert "RFC 9068 requires: client_id jti" in explain(ini, raw, "local")["text"]


@pytest.mark.slow
def test_the_answer_of_a_token_endpoint_may_be_pasted(issuer: MemoryIssuer, tmp_path: Path) -> None:
    ini = write_ini(tmp_path, issuer.settings)
    answer = json.dumps({"access_token": issuer.mint(), "token_type": "Bearer", "expires_in": 600}, indent=2)
    assert explain(ini, answer, "local")["reason"] is None
    for odd in ('{"access_token": 7}', '{"id_token": "x"}', "{", '{"access_token": ""}', "[]"):
        assert explain(ini, odd, "local")["reason"] == "malformed_header"


def test_a_token_without_an_issuer_is_called_so(issuer: MemoryIssuer, tmp_path: Path) -> None:
    """SPIFFE's have none unless the server is told."""
    found = explain(write_ini(tmp_path, issuer.settings), issuer.mint({"iss": ABSENT}), "local")
    assert found["reason"] == "wrong_issuer"
    assert "it has no iss, but must have 'https://issuer.test'" in found["text"]
    assert "set the issuer to" not in found["advice"]


@pytest.mark.parametrize("views", ["local", "local, remote"])
def test_a_token_with_a_shared_secret_has_two_ways_out(issuer: MemoryIssuer, tmp_path: Path, views: str) -> None:
    raw = "eyJhbGciOiJIUzI1NiJ9." + issuer.mint().split(".", 1)[1]
    found = explain(write_ini(tmp_path, issuer.settings, views), raw, "local")
    assert 'token_check="remote" and oauthguard.introspection.judges = all' in found["advice"]


def test_the_roles_that_were_found_are_named(issuer: MemoryIssuer, tmp_path: Path) -> None:
    ini = write_ini(tmp_path, {**issuer.settings, "oauthguard.role_claim": "realm_access.roles"})
    assert ", roles clerk, " in explain(ini, issuer.mint({"realm_access": {"roles": ["clerk"]}}), "local")["text"]
    missing = explain(ini, issuer.mint({"roles": ["clerk"]}), "local")["text"]
    assert ", no role at oauthguard.role_claim (realm_access.roles), " in missing
    assert "role" not in explain(write_ini(tmp_path, issuer.settings), issuer.mint(), "local")["text"]


@pytest.mark.slow
@pytest.mark.parametrize("exp", [10**400, -(10**400), 1e308, -1e308, True, None, "x", [], {}])
def test_a_time_that_no_clock_shows_is_explained(issuer: MemoryIssuer, tmp_path: Path, exp: object) -> None:
    for claims in {"exp": exp}, {"exp": 1, "iat": exp, "nbf": exp}:
        result = run_explain(write_ini(tmp_path, issuer.settings), issuer.mint(claims))
        assert result.exit_code == 5, result.exception


# ── keys ─────────────────────────────────────────────────────────────────────────────────────────────────────────

RSA = generate_key("RS256", kid="rsa").jwk
EC = generate_key("ES256", kid="ec").jwk
ED = generate_key("EdDSA", kid="ed").jwk
UNUSABLE = [
    ({**RSA, "use": "enc"}, "'rsa' is not used: its use is 'enc', not sig"),
    ({**RSA, "key_ops": ["encrypt"]}, "'rsa' is not used: its key_ops do not include verify"),
    ({**RSA, "key_ops": "verify"}, "'rsa' is not used: its key_ops do not include verify"),
    ({**RSA, "d": "AQAB", "p": "AQAB"}, "'rsa' is not used: it is private or symmetric: it has d p"),
    ({"kty": "oct", "k": "AAAA", "kid": "s"}, "'s' is not used: it is private or symmetric: it has k"),
    ({"kty": "AKP", "kid": "pq"}, "'pq' is not used: its kty 'AKP' is not supported"),
    ({"kty": ["RSA"], "kid": "x"}, "'x' is not used: its kty ['RSA'] is not supported"),
    ({**EC, "crv": "secp256k1"}, "'ec' is not used: its crv 'secp256k1' is not supported"),
    ({**EC, "crv": ["P-256"]}, "'ec' is not used: its crv ['P-256'] is not supported"),
    ({**EC, "alg": "ES512"}, "'ec' is not used: its alg 'ES512' does not fit its kty or crv"),
    ({**RSA, "alg": ["RS256"]}, "'rsa' is not used: its alg ['RS256'] does not fit its kty or crv"),
    ({**RSA, "alg": None}, "'rsa' is not used: its alg None does not fit its kty or crv"),
    ({**RSA, "alg": "PS256"}, "'rsa' is not used: its alg 'PS256' is not one of oauthguard.algorithms"),
    ({name: value for name, value in ED.items() if name != "alg"}, "'ed' is not used: it fits no algorithm of oauthguard.algorithms"),
    ({**EC, "alg": "RS256"}, "'ec' is not used: its alg 'RS256' does not fit its kty or crv"),
    ({**RSA, "n": "!"}, "'rsa' is not used: it is malformed"),
    ({**RSA, "n": "AQAB"}, "'rsa' is not used: it "),
    ({**RSA, "kid": 5}, "a key without kid is not used: its kid is not text"),
    ({name: value for name, value in RSA.items() if name != "kid"} | {"use": "enc"}, "a key without kid is not used: its use"),
    ("text", "a key without kid is not used: it is not an object"),
    (None, "a key without kid is not used: it is not an object"),
]  # fmt: skip


@pytest.mark.parametrize(("key", "said"), UNUSABLE)
def test_why_a_key_is_not_used(key: Any, said: str) -> None:
    (line,) = describe_unusable_keys([key, RSA, EC], ALGORITHMS)
    assert line.startswith(said)


def test_a_key_that_is_used_has_no_reason() -> None:
    assert describe_unusable_keys([RSA, EC], ALGORITHMS) == []
    assert len(build_key_set([RSA, EC], ALGORITHMS)) == 2


def test_a_long_set_is_cut() -> None:
    lines = describe_unusable_keys([None] * 500, ALGORITHMS)
    assert (len(lines), lines[-1]) == (21, "and 480 more")


@pytest.mark.slow
@pytest.mark.parametrize("kid", ["nobody", None])
def test_explain_says_why_each_key_did_not_verify(server: HTTPIssuer, tmp_path: Path, kid: str | None) -> None:
    first = server.issuer.signing_key.kid
    server.issuer.publish({**RSA, "use": "enc", "kid": "for-encryption"})
    second = server.issuer.rotate("ES256").kid
    ini = write_ini(tmp_path, server.settings)
    foreign = generate_key("ES256", kid=kid)
    header = {"typ": "at+jwt", "kid": kid or ABSENT}
    outcome = explain(ini, mint(read_claims(server.issuer.mint()), foreign, header=header), "local")
    assert outcome["reason"] == ("unknown_key" if kid else "bad_signature")
    assert f"{first!r}: verifies RS256, the token is signed with 'ES256'" in outcome["keys"]
    assert "'for-encryption': its use is 'enc', not sig" in outcome["keys"]
    why = f"the token names the key {kid!r}" if kid else "fits, but did not make the signature"
    assert f"{second!r}: {why}" in outcome["keys"]


@pytest.mark.slow
def test_check_names_each_key_that_is_not_used(issuer: MemoryIssuer, tmp_path: Path) -> None:
    issuer.publish(*(key for key, _said in UNUSABLE if isinstance(key, dict)))
    result = run_check(write_ini(tmp_path, issuer.settings))
    assert "ok    keys: 'pq' is not used: its kty 'AKP' is not supported" in result.output
    assert result.exit_code == 0
