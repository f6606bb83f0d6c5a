"""A token that is not an access token is never accepted as one, whatever else is right about it.

The issuer, the signature, the audience and the times of every token here are good: only its kind is wrong.
"""

from __future__ import annotations

import json
import time

import pytest

from pyramid_oauthguard.testing import ABSENT, MemoryIssuer
from tests.guard.commanded import ISSUERS, run_explain, write_ini
from tests.guard.guarding import INVALID, add, ask, build_app
from tests.guard.verifying import build_verifier, find_reason

ODD = [None, "", " ", 0, 1, True, False, [], {}, ["Bearer"], {"Bearer": 1}, 1.5]
OTHER_KINDS = {
    "token_type": [
        "DPoP",
        "N_A",
        "mac",
        "pop",
        "refresh_token",
        "id_token",
        "Bearer ",
        " Bearer",
        "Bearer,DPoP",
        "Bearer\0",
        "\u0412earer",
        "BEARERS",
        *ODD,
    ],
    "token_use": ["id", "refresh", "refresh_token", "id_token", "ID", "access ", "", "Access", *ODD, ["access"]],
    "tokenName": ["id_token", "refresh_token", "access", *ODD, ["access_token"]],
    "typ": [
        "ID",
        "id",
        "Id",
        "Refresh",
        "REFRESH",
        "Offline",
        "Logout",
        "Serialized-ID",
        "DPoP",
        "logout+jwt",
        "id+jwt",
        "PATRefresh",
        "RegistrationAccessToken",
        "InitialAccessToken",
        "reset-credentials",
        "Bearer ",
        "application/Bearer",
        "JWT\u200b",
        *ODD,
    ],
    "purpose": ["id", "ID", "id_token", "refresh_token"],
    "type": ["refresh", "Refresh", "refresh_token", "id_token", "id-token", "refresh-token"],
    "tokenType": ["refresh-token", "id_token"],
    "tok_type": ["IT", "it"],
    "events": [{}, {"http://schemas.openid.net/event/backchannel-logout": {}}, [], "x", None, 0],
    "token_introspection": [{}, {"active": True}, None],
    "nonce": ["n", "", None, 0, ["n"]],
    "at_hash": ["77QmUPtjPfzWtF2AnpK9RQ", "", None],
    "c_hash": ["LDktKdoQak3Pk0cnXxCltA", None],
    "s_hash": ["x", None],
    "ds_hash": ["x"],
    "urn:openid:params:jwt:claim:rt_hash": ["x"],
    "urn:openid:params:jwt:claim:auth_req_id": ["x"],
}
CASES = [(name, value) for name, values in OTHER_KINDS.items() for value in values]
REASONS = {
    "token_type": "wrong_token_type",
    "token_use": "wrong_token_use",
    "tokenName": "wrong_token_name",
    "typ": "wrong_typ_claim",
    "purpose": "other_kind",
    "type": "other_kind",
    "tokenType": "other_kind",
    "tok_type": "other_kind",
    "events": "security_event",
    "token_introspection": "introspection_response",
}
#: Why an ID token is refused: by what only ID tokens have, or because a claim names the kind.
KINDS = {"id_token", "wrong_typ_claim", "wrong_token_use", "wrong_token_name", "other_kind"}
#: What access tokens of real issuers say of themselves, and their introspection answers.
ACCESS = [
    {},
    {"token_type": "Bearer"},
    {"token_type": "bearer"},
    {"token_type": "BEARER"},
    {"token_type": "access_token"},
    {"token_type": "access", "user_id": 7},
    {"scope": ["read"], "cid": "web", "zid": "z", "granted_scopes": ["read"]},
    {"granted_scopes": ["read"], "scope": ABSENT},
    {"token_use": "access", "auth_time": 1_700_000_000, "origin_jti": "o", "version": 2},
    {"token_use": "access_token", "token_type": "Bearer"},
    {"typ": "Bearer", "token_type": "Bearer", "azp": "web", "sid": "s", "acr": "1", "auth_time": 1_700_000_000},
    {"typ": "Bearer", "nonce": "n-0S6_WzA2Mj", "session_state": "s"},
    {"typ": "bearer"},
    {"purpose": "access_token", "delegationId": "d", "scope": "read"},
    {"purpose": "analytics", "type": "app"},
    {"purpose": ["id"], "type": None},
    {"type": "oauth-access-token"},
    {"tokenType": "access-token", "owner": "org", "name": "ada"},
    {"tok_type": "AT", "sub_type": "user"},
    {"typ": "JWT"},
    {"typ": "at+JWT"},
    {"typ": "application/at+jwt"},
    {"tokenName": "access_token", "token_type": "Bearer", "nonce": "n", "cts": "OAUTH2_STATELESS_GRANT"},
    {"tfp": "B2C_1_susi", "nonce": "n", "scp": "read", "azp": "web", "ver": "1.0", "oid": "o"},
    {"acr": "b2c_1a_signup_signin", "nonce": "n", "scp": "read", "azp": "web", "ver": "1.0", "client_id": ABSENT},
    {"acr": "goauthentik.io/providers/oauth2/default", "azp": "web", "uid": "Zk3", "nonce": "n", "sid": "s"},
    {"tid": "t", "ver": "2.0", "azp": "web", "azpacr": "1", "oid": "o", "uti": "u", "rh": "r"},
    {"tid": "t", "ver": "1.0", "appid": "web", "client_id": ABSENT},
    {"ver": 1, "jti": "AT.x", "cid": "web", "uid": "u", "scp": ["read"], "client_id": ABSENT},
    {"tid": "t", "ver": "1.0", "appid": "web", "idp": "i", "jti": ABSENT, "client_id": ABSENT},
    {"jti": "ID.of some other issuer"},
    {"tid": "a tenant of some other issuer", "client_id": ABSENT},
    {"auth_time": 1_700_000_000, "acr": "1", "amr": ["pwd"], "sid": "s", "azp": "web", "email": "a@example.com"},
]
ID_TOKENS = {
    "Keycloak": {
        "typ": "ID", "azp": "web", "auth_time": 1_700_000_000, "nonce": "n", "at_hash": "h", "acr": "1", "sid": "s",
        "email_verified": True, "preferred_username": "ada",
    },
    "Keycloak, without a nonce": {"typ": "ID", "azp": "web", "sid": "s"},
    "Auth0": {"nonce": "n", "sid": "s", "nickname": "ada", "picture": "https://example.com/a.png", "updated_at": "u"},
    "Auth0, hybrid": {"c_hash": "h", "nonce": "n"},
    "Okta": {"ver": 1, "jti": "ID.x", "amr": ["pwd"], "idp": "i", "auth_time": 1_700_000_000, "at_hash": "h"},
    "Okta, without at_hash": {"ver": 1, "jti": "ID.x", "amr": ["pwd"], "idp": "i", "auth_time": 1_700_000_000},
    "Entra": {"ver": "2.0", "tid": "t", "oid": "o", "nonce": "n", "rh": "r", "uti": "u", "preferred_username": "ada"},
    "Entra, without a nonce": {"ver": "2.0", "tid": "t", "oid": "o", "rh": "r", "uti": "u", "name": "Ada"},
    "Entra v1, without a nonce": {"ver": "1.0", "tid": "t", "oid": "o", "upn": "ada@example.com"},
    "Azure AD B2C": {"tfp": "B2C_1_susi", "nonce": "n", "ver": "1.0", "oid": "o", "auth_time": 1_700_000_000},
    "Azure AD B2C, hybrid": {"tfp": "B2C_1_susi", "nonce": "n", "ver": "1.0", "c_hash": "h", "scp": "r", "azp": "web"},
    "Not of Azure AD B2C": {"tfp": "other", "nonce": "n", "ver": "1.0", "scp": "read", "azp": "web"},
    "authentik": {"acr": "goauthentik.io/providers/oauth2/default", "nonce": "n", "at_hash": "h", "amr": ["pwd"]},
    "authentik, without at_hash": {"acr": "goauthentik.io/providers/oauth2/default", "nonce": "n", "uid": "ada"},
    "Not of authentik": {"acr": "1", "nonce": "n", "azp": "web", "uid": "ada"},
    "Cognito": {"token_use": "id", "cognito:username": "ada", "at_hash": "h"},
    "ForgeRock": {"tokenName": "id_token", "nonce": "n", "at_hash": "h", "auditTrackingId": "a"},
    "Curity, without at_hash": {"purpose": "id", "azp": "web", "acr": "a", "amr": "a", "auth_time": 1_700_000_000},
    "Pocket ID": {"type": "id-token", "email": "ada@example.com"},
    "Oracle": {"tok_type": "IT", "sub_type": "user", "tenant": "t"},
    "FAPI": {"s_hash": "h", "acr": "urn:openbanking:psd2:sca"},
    "CIBA": {"urn:openid:params:jwt:claim:auth_req_id": "r", "at_hash": "h"},
}  # fmt: skip


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


def describe(issuer, **members):
    """An introspection answer that is good but for these members."""
    said = {
        "active": True,
        "iss": issuer.identifier,
        "aud": issuer.audience,
        "client_id": "web",
        "exp": int(time.time()) + 600,
        **members,
    }
    return {name: value for name, value in said.items() if value is not ABSENT}


@pytest.mark.slow
@pytest.mark.promise("GD-09", "GD-45")
@pytest.mark.parametrize(("name", "value"), CASES)
def test_a_jwt_of_another_kind_is_refused_in_both_modes(issuer, verifiers, name, value):
    for typ in ("JWT", "at+jwt"):
        raw = issuer.mint({name: value}, header={"typ": typ})
        for mode in ("local", "remote", "cached", *(["rfc9068"] if typ == "at+jwt" else [])):
            assert find_reason(verifiers[mode], raw) == REASONS.get(name, "id_token"), mode
    assert issuer.calls["introspect"] == 0, "what the local check refuses is not sent to the issuer"


@pytest.mark.slow
@pytest.mark.promise("GD-45")
@pytest.mark.parametrize(("name", "value"), [each for each in CASES if each[1] is not None])  # null means absent there
@pytest.mark.parametrize("mode", ["remote", "cached"])
@pytest.mark.parametrize("mint", ["mint", "mint_opaque"])
def test_a_token_that_the_issuer_calls_another_kind_is_refused(verifiers, issuer, mint, mode, name, value):
    raw = getattr(issuer, mint)()
    issuer.answer(raw, describe(issuer, **{name: value}))
    assert find_reason(verifiers[mode], raw) == REASONS.get(name, "id_token")
    issuer.calls.clear()


@pytest.mark.promise("GD-09", "GD-45")
@pytest.mark.parametrize("claims", ID_TOKENS.values(), ids=ID_TOKENS)
@pytest.mark.parametrize("typ", ["JWT", ABSENT])
def test_an_id_token_for_our_own_audience_is_refused(issuer, verifiers, claims, typ):
    """An application that is client and API at once has its client id as audience, and so have its ID tokens."""
    raw = issuer.mint({"client_id": ABSENT, "jti": ABSENT, "scope": ABSENT, **claims}, header={"typ": typ})
    for mode in ("local", "remote"):
        assert find_reason(verifiers[mode], raw) in KINDS
    opaque = issuer.mint_opaque()
    issuer.answer(opaque, describe(issuer, client_id=ABSENT, **claims))
    assert find_reason(verifiers["remote"], opaque) in KINDS


@pytest.mark.promise("GD-09", "GD-45")
@pytest.mark.parametrize("claims", ACCESS, ids=str)
def test_access_tokens_of_real_issuers_are_accepted(issuer, verifiers, claims):
    raw = issuer.mint(claims, header={"typ": "JWT"})
    assert verifiers["local"].verify(raw).subject == "test-user"
    issuer.answer(raw, describe(issuer, **claims))
    opaque = issuer.mint_opaque()
    issuer.answer(opaque, describe(issuer, sub="ada", **claims))
    for mode in ("remote", "cached"):
        assert verifiers[mode].verify(raw).subject == "test-user"
        assert verifiers[mode].verify(opaque).subject == "ada"


@pytest.mark.promise("GD-45")
@pytest.mark.parametrize("mode", ["local", "remote"])
def test_a_refresh_token_of_cloud_foundry_is_refused(issuer, verifiers, mode):
    """It names the audience of the access token, and not its own kind."""
    raw = issuer.mint(
        scope=ABSENT, granted_scopes=["read"], cid="web", zid="z", grant_type="authorization_code", rev_sig="r"
    )
    assert find_reason(verifiers[mode], raw) == "other_kind"


KANIDM = {"client_id": "web", "scope": "openid read", "session_id": "s", "parent_session_id": "p", "nonce": "n"}


@pytest.mark.promise("GD-45")
@pytest.mark.parametrize(
    ("identifier", "claims", "reason"),
    [
        ("https://idm.test/oauth2/openid/web", {}, None),
        ("https://idm.test/oauth2/openid/web", {"at_hash": "h"}, "id_token"),
        ("https://idm.test/oauth2/openid/web", {"azp": "web"}, "id_token"),
        ("https://idm.test/oauth2/openid/web", {"session_id": ABSENT}, "id_token"),
        ("https://issuer.test", {}, "id_token"),
    ],
)
def test_an_access_token_of_kanidm_has_the_nonce_of_the_request(identifier, claims, reason):
    """They were refused where the client had sent a nonce, and no setting helped."""
    kanidm = MemoryIssuer(identifier, algorithm="ES256")
    verifier, raw = build_verifier(kanidm), kanidm.mint({**KANIDM, **claims}, header={"typ": "at+jwt"})
    if reason is None:
        assert verifier.verify(raw).client_id == "web"
    else:
        assert find_reason(verifier, raw) == reason


@pytest.mark.promise("GD-45")
def test_the_kind_of_the_token_and_of_the_answer_must_both_be_right(issuer, verifiers):
    """Neither makes up for the other."""
    refresh, access = issuer.mint(typ="Refresh"), issuer.mint(typ="Bearer", nonce="n")
    issuer.answer(refresh, describe(issuer, typ="Bearer", token_type="Bearer"))
    assert find_reason(verifiers["remote"], refresh) == "wrong_typ_claim"
    issuer.answer(access, describe(issuer, typ="Refresh"))
    assert find_reason(verifiers["remote"], access) == "wrong_typ_claim"
    issuer.answer(access, describe(issuer, at_hash="h"))
    assert find_reason(verifiers["remote"], access) == "id_token"


@pytest.mark.promise("GD-45")
def test_a_kept_answer_is_not_accepted_where_the_kind_is_wrong(issuer):
    verifier = build_verifier(issuer, "remote", cache__introspection__expiration_time="60")
    raw = issuer.mint_opaque()
    issuer.answer(raw, describe(issuer, token_type="refresh_token"))
    for _again in range(3):
        assert find_reason(verifier, raw) == "wrong_token_type"
        assert verifier.recall(f"Bearer {raw}") is None


@pytest.mark.promise("GD-45")
@pytest.mark.parametrize("path", ["/local", "/remote"])
def test_the_caller_is_told_no_more_than_of_any_bad_token(issuer, path):
    def add_views(config):
        add(config, "/local", token_check="local")
        add(config, "/remote", token_check="remote")

    app = build_app(add_views, issuer)
    bodies = set()
    for claims in ({"typ": "Refresh"}, {"nonce": "n"}, {"token_type": "DPoP"}, {"events": {}}, {"exp": 1}):
        answer = ask(app, path, issuer.mint(claims))
        assert (answer.status_int, answer.headers["WWW-Authenticate"]) == (401, INVALID)
        bodies.add(answer.body)
    assert len(bodies) == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("claims", "words"),
    [
        ({"typ": "Refresh"}, "its claim typ names another kind of token"),
        ({"token_type": "DPoP"}, "its token_type is not Bearer"),
        ({"token_use": "id"}, "its token_use is not access"),
        ({"purpose": "id"}, "it is an ID token or a refresh token"),
        ({"events": {}}, "it is a logout token"),
        ({"nonce": "n", "aud": "web"}, "it is an ID token"),
    ],
)
def test_explain_names_the_kind(issuer, tmp_path, monkeypatch, claims, words):
    """Of an ID token for another audience, too: the advice must not be to add that audience."""
    monkeypatch.setitem(ISSUERS, issuer.identifier, issuer)
    result = run_explain(write_ini(tmp_path, issuer.settings), issuer.mint(claims), "--format", "json")
    (outcome,) = json.loads(result.stdout)
    assert words in outcome["text"]
    assert outcome["advice"].startswith("send the access token")
