"""Tokens as real issuers make them, and the settings that accept them: refused without, and strict with them."""

from __future__ import annotations

import base64
import hmac
import json
import time
from hashlib import sha256
from typing import Any

import pytest
import time_machine

from pyramid_oauthguard import InvalidToken
from pyramid_oauthguard.testing import ABSENT, MemoryIssuer, generate_key
from tests.guard.guarding import add, ask, build_app, find_setting_error, find_status
from tests.guard.verifying import build_verifier, find_reason

NOW = 1_800_000_000


@pytest.fixture
def issuer():
    return MemoryIssuer(algorithm="Ed25519")


# ── the audience by the client (Amazon Cognito) ─────────────────────────────────────────────────────────────────────

COGNITO = {"audience_by_client": "true", "client_id": "our-client"}


def mint_cognito(issuer, **more):
    return issuer.mint({"aud": ABSENT, "client_id": "our-client", "token_use": "access", "jti": "1", **more})


@pytest.mark.promise("GD-07")
def test_a_token_without_audience_counts_by_its_client_where_the_setting_says_so(issuer):
    raw = mint_cognito(issuer)
    assert build_verifier(issuer, **COGNITO).verify(raw).audience == ()
    assert build_verifier(issuer, **COGNITO).verify(mint_cognito(issuer, token_use=ABSENT)).client_id == "our-client"
    assert build_verifier(issuer, **COGNITO).verify(issuer.mint(client_id="our-client")).audience == (issuer.audience,)
    assert find_reason(build_verifier(issuer, client_id="our-client"), raw) == "wrong_audience"


@pytest.mark.promise("GD-07", "GD-45")
@pytest.mark.parametrize(
    "claims",
    [
        {"client_id": "another"},
        {"client_id": ABSENT},
        {"client_id": ["our-client"]},
        {"client_id": ABSENT, "azp": "our-client"},
        {"client_id": ABSENT, "cid": "our-client"},
        {"aud": None},
        {"aud": []},
        {"aud": "another"},
        {"aud": ""},
        {"token_use": "id"},
        {"token_use": "access_token"},
        {"token_use": None},
        {"nonce": "n"},
        {"nonce": "n", "typ": "Bearer"},
        {"at_hash": "h"},
    ],
    ids=str,
)
def test_what_is_not_such_a_token_is_refused(issuer, claims):
    with pytest.raises(InvalidToken):
        build_verifier(issuer, **COGNITO).verify(mint_cognito(issuer, **claims))


def test_it_needs_the_list_of_clients(issuer):
    error = find_setting_error(lambda: build_verifier(issuer, audience_by_client="true"))
    assert error.key == "oauthguard.client_id"


@pytest.mark.promise("GD-16")
@pytest.mark.parametrize("aud", [ABSENT, None])
def test_it_does_not_hold_for_introspection_answers(issuer, aud):
    raw = issuer.mint_opaque()
    issuer.answer(raw, answer_with(issuer, aud=aud, client_id="our-client"))
    assert find_reason(build_verifier(issuer, "remote", **COGNITO), raw) == "wrong_audience"
    jwt = mint_cognito(issuer)
    issuer.answer(jwt, {"active": True} | ({} if aud is ABSENT else {"aud": None}))
    verifier = build_verifier(issuer, "remote", **COGNITO)
    if aud is ABSENT:
        assert verifier.verify(jwt).client_id == "our-client"
    else:
        assert find_reason(verifier, jwt) == "wrong_audience"


def answer_with(issuer: MemoryIssuer, **members: Any) -> dict[str, Any]:
    said = {"active": True, "aud": issuer.audience, "client_id": "web", "sub": "ada", "exp": int(time.time()) + 600}
    return {name: value for name, value in {**said, **members}.items() if value is not ABSENT}


# ── clients, applications, roles ────────────────────────────────────────────────────────────────────────────────────


def test_the_claims_of_the_client_in_their_order(issuer):
    raw = issuer.mint({"client_id": ABSENT, "appid": "a", "azp": "z"})
    assert build_verifier(issuer).verify(raw).client_id == "z"
    assert build_verifier(issuer, client_id_claim="appid azp").verify(raw).client_id == "a"
    both = issuer.mint({"client_id": "c", "appid": "a"})
    assert build_verifier(issuer, client_id_claim="appid client_id").verify(both).client_id == "a"
    assert find_reason(build_verifier(issuer, client_id_claim="appid", client_id="c"), both) == "wrong_client"


APPLICATIONS = {
    "Entra ID, version 1": ({"tid": "t", "ver": "1.0", "appid": "a", "appidacr": "1", "oid": "s", "sub": "s"}, False),
    "Entra ID, version 1, of a user": ({"tid": "t", "ver": "1.0", "appid": "a", "scp": "x", "sub": "s"}, True),
    "Entra ID, version 2": ({"tid": "t", "ver": "2.0", "azp": "a", "sub": "s", "roles": ["r"]}, False),
    "Entra ID, version 2, of a user": ({"tid": "t", "ver": "2.0", "azp": "a", "sub": "s", "scp": "x"}, True),
    "ADFS": ({"apptype": "Confidential", "appid": "a", "authmethod": "x", "ver": "1.0", "sub": "s"}, False),
    "ADFS, of a user": ({"apptype": "Public", "appid": "a", "ver": "1.0", "sub": "s", "scp": "openid"}, True),
    "Auth0": ({"azp": "a", "sub": "s", "gty": "client-credentials"}, False),
    "WSO2": ({"azp": "a", "sub": "s", "aut": "APPLICATION"}, False),
    "WSO2, of a user": ({"azp": "a", "sub": "s", "aut": "APPLICATION_USER"}, True),
    "Keycloak": ({"azp": "a", "sub": "s", "preferred_username": "service-account-a"}, False),
    "Keycloak, of a user": ({"azp": "a", "sub": "s", "preferred_username": "service-account-b"}, True),
    "another issuer with the same names": ({"appid": "a", "sub": "s"}, True),
}


@pytest.mark.parametrize("name", APPLICATIONS)
def test_an_application_does_not_act_for_a_user(issuer, name):
    claims, is_user = APPLICATIONS[name]
    app = build_app(lambda config: add(config, "/me", tell, token_check="local"), issuer)
    found = ask(app, "/me", issuer.mint({"client_id": ABSENT, "scope": ABSENT, **claims})).json
    assert ("user:s" in found) is is_user
    assert "client:a" in found


@pytest.mark.parametrize("sub", ["", "(age!a)", "a@clients", "a"])
def test_a_subject_that_is_no_user_gives_no_user(issuer, sub):
    """An empty one is that of every service token of Cloudflare Access."""
    app = build_app(lambda config: add(config, "/me", tell, token_check="local"), issuer)
    found = ask(app, "/me", issuer.mint({"sub": sub, "client_id": "a", "scope": ABSENT})).json
    assert found == ["client:a", "system.Authenticated", "system.Everyone"]
    app_of_user = build_app(
        lambda config: add(config, "/id", lambda request: [request.authenticated_userid], token_check="local"), issuer
    )
    assert ask(app_of_user, "/id", issuer.mint({"sub": sub})).json == [sub or None]
    nobody = ask(app, "/me", issuer.mint({"sub": "", "client_id": "", "scope": ABSENT})).json
    assert nobody == ["system.Authenticated", "system.Everyone"]


def tell(request: Any) -> list[str]:
    from pyramid.interfaces import ISecurityPolicy

    return sorted(request.registry.getUtility(ISecurityPolicy).effective_principals(request))


def find_roles(issuer: MemoryIssuer, paths: str, claims: dict[str, Any]) -> list[str]:
    app = build_app(
        lambda config: add(config, "/me", tell, token_check="local"), issuer, settings={"oauthguard.role_claim": paths}
    )
    found = ask(app, "/me", issuer.mint(claims)).json
    return [each.removeprefix("role:") for each in found if each.startswith("role:")]


@pytest.mark.parametrize("client", ["shop-api", "my.client.id", "https://api.example.com/v1.0"])
def test_a_path_goes_through_names_with_dots(issuer, client):
    claims = {
        "resource_access": {client: {"roles": ["clerk"]}, "my": {"client": {}}},
        "realm_access": {"roles": ["user"]},
    }
    assert find_roles(issuer, f"resource_access.{client}.roles", claims) == ["clerk"]
    assert find_roles(issuer, f"realm_access.roles resource_access.{client}.roles", claims) == ["clerk", "user"]


def test_the_longest_name_that_leads_to_something_is_taken(issuer):
    claims = {"a.b": {"c": "long"}, "a": {"b": {"c": "short"}, "b.c": "other"}}
    assert find_roles(issuer, "a.b.c", claims) == ["long"]
    assert find_roles(issuer, "a.b.c", {"a.b": {"x": "y"}, "a": {"b.c": "other", "b": {"c": "short"}}}) == ["other"]
    assert find_roles(issuer, "a.b.c", {"a.b.c": ["whole"], **claims}) == ["whole"]
    assert find_roles(issuer, "a.b.c", {"a": [{"b": "c"}]}) == []


@pytest.mark.parametrize(
    ("value", "roles"),
    [
        ({"clerk": {"1637": "shop.example.com"}, "admin": {"1637": "a.example", "2": "b.example"}}, ["admin", "clerk"]),
        ({"admin": False, "clerk": True, "x": {}, "y": None, "z": "z", "v": ["v"]}, []),
        ({"shop-api": {"roles": ["clerk"]}}, []),
    ],
)
def test_the_roles_of_zitadel_are_names_of_members(issuer, value, roles):
    name = "urn:zitadel:iam:org:project:roles"
    assert find_roles(issuer, name, {name: value}) == roles


# ── times ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.promise("GD-08")
@pytest.mark.parametrize("name", ["exp", "iat", "nbf"])
def test_a_time_in_milliseconds_is_called_so(issuer, name):
    with time_machine.travel(NOW, tick=False):
        verifier = build_verifier(issuer)
        for unit in 1000, 1_000_000:
            assert find_reason(verifier, issuer.mint({name: NOW * unit})) == "milliseconds"
        assert verifier.verify(issuer.mint(exp=253_402_300_799)), "the last second of the year 9999"


@pytest.mark.promise("GD-08")
@pytest.mark.parametrize("iat", [NOW * 1000, NOW + 900, "now", None, True, ABSENT])
def test_the_time_of_issue_is_not_checked_where_the_setting_says_so(issuer, iat):
    with time_machine.travel(NOW, tick=False):
        raw = issuer.mint(iat=iat)
        token = build_verifier(issuer, check_issued_at="false").verify(raw)
        assert token.issued_at == (iat if type(iat) is int else None)
        assert find_reason(build_verifier(issuer, check_issued_at="false"), issuer.mint(exp=NOW - 60)) == "expired"
        if iat is not ABSENT:
            assert find_reason(build_verifier(issuer), raw) in ("milliseconds", "issued_in_future", "bad_time")


# ── opaque tokens and answers ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("raw", ["ya29.a0AfB_by.C1", "one.two.three", "x", "a.b", "a..b", "~/+._-.x.y==", "eJ.x.y"])
def test_an_opaque_token_may_have_any_form(issuer, raw):
    issuer.answer(raw, answer_with(issuer))
    assert build_verifier(issuer, "remote").verify(raw).subject == "ada"
    assert find_reason(build_verifier(issuer, "local"), raw) in ("not_a_jwt", "bad_json", "bad_encoding")


@pytest.mark.promise("GD-64", "GD-16")
@pytest.mark.parametrize(
    "head", ["e30", "e30=", "e30==", "eyJhbGciOiJub25lIn0", "eyJhbGciOiJub25lIn0-", "ICB7fQ", "e.30"]
)
def test_a_header_that_is_meant_as_json_is_checked_here_first(issuer, head):
    raw = f"{head.replace('.', '!')}.e30.c2ln"
    issuer.answer(raw, answer_with(issuer))
    find_reason(build_verifier(issuer, "remote"), raw)
    assert issuer.calls["introspect"] == 0


@pytest.mark.promise("GD-16")
@pytest.mark.parametrize(
    "name", ["iss", "nbf", "iat", "client_id", "scope", "username", "sub", "jti", "cnf", "token_type", "nonce"]
)
def test_null_in_an_answer_means_absent(issuer, name):
    raw = issuer.mint_opaque()
    issuer.answer(raw, answer_with(issuer, **{name: None}))
    token = build_verifier(issuer, "remote").verify(raw)
    assert name not in token.claims or name == "iss"
    assert token.issuer == issuer.identifier


@pytest.mark.promise("GD-16")
def test_null_as_the_audience_is_no_audience(issuer):
    raw = issuer.mint_opaque()
    issuer.answer(raw, answer_with(issuer, aud=None))
    assert find_reason(build_verifier(issuer, "remote"), raw) == "wrong_audience"
    lax = build_verifier(issuer, "remote", introspection__require_audience="false")
    for none in None, "", [], [""]:
        issuer.answer(raw, answer_with(issuer, aud=none))
        assert find_reason(build_verifier(issuer, "remote"), raw) == "wrong_audience"
        assert lax.verify(raw).audience == ()
    for other in "https://other.test", ["", "https://other.test"]:
        issuer.answer(raw, answer_with(issuer, aud=other))
        assert find_reason(lax, raw) == "wrong_audience"


# ── tokens that do not expire ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.promise("GD-16", "GD-18")
@pytest.mark.parametrize("exp", [ABSENT, None])
def test_an_answer_without_exp_is_accepted_where_the_setting_says_so(issuer, exp):
    raw = issuer.mint_opaque()
    issuer.answer(raw, answer_with(issuer, exp=exp))
    lasting = {"introspection__require_expiry": "false", "cache__introspection__expiration_time": "60"}
    assert find_reason(build_verifier(issuer, "remote"), raw) == "missing_exp"
    with time_machine.travel(NOW, tick=False) as clock:
        verifier = build_verifier(issuer, "remote", **lasting)
        token = verifier.verify(raw)
        assert (token.expires_at, token.expired(), token.to_dict()["expires_at"]) == (float("inf"), False, None)
        issuer.answer(raw, {"active": False})
        clock.move_to(NOW + 59)
        assert verifier.verify(raw), "kept for the time of the cache"
        clock.move_to(NOW + 60)
        assert find_reason(verifier, raw) == "inactive"
    assert find_reason(build_verifier(issuer, "local", **lasting), issuer.mint(exp=ABSENT)) == "missing_exp"
    assert find_reason(build_verifier(issuer, "remote", **lasting), issuer.mint(exp=ABSENT)) == "missing_exp"


def test_a_long_answer_ends_with_its_token(issuer):
    with time_machine.travel(NOW, tick=False) as clock:
        token = build_verifier(issuer).verify(issuer.mint(exp=NOW + 10))
        clock.move_to(NOW + 9)
        assert not token.expired()
        clock.move_to(NOW + 10)
        assert token.expired()


# ── JWTs that only their issuer can judge ───────────────────────────────────────────────────────────────────────────

JUDGES = {"introspection__judges": "all"}
HIDDEN = generate_key("Ed25519", kid="not-published")


def encode(value: Any) -> str:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def mint_hs256(issuer: MemoryIssuer, header: dict[str, Any] | None = None, **claims: Any) -> str:
    now = int(time.time())
    said = {"iss": issuer.identifier, "aud": issuer.audience, "sub": "ada", "exp": now + 600, "jti": "1", **claims}
    said = {name: value for name, value in said.items() if value is not ABSENT}
    message = f"{encode({'alg': 'HS256', 'typ': 'JWT', **(header or {})})}.{encode(said)}"
    return f"{message}.{encode(hmac.new(b'secret', message.encode(), sha256).digest())}"


def mint_hidden(issuer: MemoryIssuer, **claims: Any) -> str:
    return issuer.mint({"jti": "1", **claims}, key=HIDDEN)


def mint_lightweight(issuer: MemoryIssuer, **claims: Any) -> str:
    return issuer.mint({"aud": ABSENT, "sub": ABSENT, "scope": ABSENT, "typ": "Bearer", **claims})


MINTS = {"HS256": mint_hs256, "a key that is not published": mint_hidden, "no audience": mint_lightweight}


@pytest.mark.promise("GD-62", "GD-63")
@pytest.mark.parametrize("name", MINTS)
def test_the_issuers_answer_alone_decides_where_the_setting_says_so(issuer, name):
    raw = MINTS[name](issuer)
    issuer.answer(raw, answer_with(issuer, scope="read", jti="1"))
    assert build_verifier(issuer, "remote", **JUDGES).verify(raw).scopes == {"read"}
    calls = issuer.calls["introspect"]
    find_reason(build_verifier(issuer, "remote"), raw)
    find_reason(build_verifier(issuer, "local", **JUDGES), raw)
    assert issuer.calls["introspect"] == calls, "neither asked"
    issuer.answer(raw, {"active": False})
    assert find_reason(build_verifier(issuer, "remote", **JUDGES), raw) == "inactive"


@pytest.mark.promise("GD-62")
def test_nothing_is_taken_from_such_a_token(issuer):
    raw = mint_hs256(issuer, scope="admin", client_id="evil", roles=["root"])
    issuer.answer(raw, answer_with(issuer, jti="1", client_id=ABSENT))
    token = build_verifier(issuer, "remote", **JUDGES).verify(raw)
    assert (token.scopes, token.client_id, "roles" in token.claims) == (frozenset(), None, False)
    issuer.answer(raw, answer_with(issuer, jti="1", aud=ABSENT))
    assert find_reason(build_verifier(issuer, "remote", **JUDGES), raw) == "wrong_audience"


@pytest.mark.promise("GD-62")
@pytest.mark.parametrize(
    "members",
    [{"sub": "eve"}, {"sub": ABSENT}, {"jti": "2"}, {"jti": ABSENT}, {"exp": 4_000_000_000}, {"iss": "https://b.test"}],
    ids=str,
)
def test_an_answer_about_another_token_is_refused(issuer, members):
    raw = mint_hs256(issuer)
    issuer.answer(raw, answer_with(issuer, **{"jti": "1", **members}))
    assert find_reason(build_verifier(issuer, "remote", **JUDGES), raw) in ("other_token", "wrong_issuer")


@pytest.mark.promise("GD-62")
@pytest.mark.parametrize(
    "mint",
    [
        lambda issuer: issuer.mint_tampered(),
        lambda issuer: issuer.mint_expired(),
        lambda issuer: issuer.mint(aud="https://other.test"),
        lambda issuer: mint_lightweight(issuer, exp=5),
        lambda issuer: mint_lightweight(issuer, iss="https://other.test"),
        lambda issuer: mint_hs256(issuer, iss="https://other.test"),
        lambda issuer: mint_hs256(issuer, exp=5),
        lambda issuer: mint_hs256(issuer, cnf={"jkt": "x"}),
        lambda issuer: mint_hs256(issuer, nonce="n"),
        lambda issuer: mint_hs256(issuer, header={"typ": "logout+jwt"}),
        lambda issuer: mint_hs256(issuer, header={"crit": ["exp"]}),
        lambda issuer: mint_hs256(issuer, header={"alg": "none"}),
        lambda issuer: mint_hs256(issuer, header={"alg": "ES256K"}),
        lambda issuer: mint_hs256(issuer, header={"alg": ["HS256"]}),
        lambda issuer: mint_hs256(issuer)[:-1] + "=",
        lambda issuer: f"{encode({'alg': 'HS256'})}.{encode(b'[1]')}.AAAA",
        lambda issuer: mint_hidden(issuer, iss="https://other.test"),
        lambda issuer: mint_hidden(issuer, exp=5),
    ],
)
def test_what_a_key_or_the_token_itself_refutes_is_not_asked_about(issuer, mint):
    raw = mint(issuer)
    issuer.answer(raw, answer_with(issuer, jti="1"))
    verifier = build_verifier(issuer, "remote", **JUDGES)
    if raw.endswith("="):
        with pytest.raises(InvalidToken):
            verifier.verify(raw)
    else:
        find_reason(verifier, raw)
        assert issuer.calls["introspect"] == 0


@pytest.mark.promise("GD-20", "GD-62")
def test_an_outage_of_the_keys_does_not_weaken_the_check(issuer):
    """Only an issuer that publishes no key that fits leaves a token to its answer."""
    from pyramid_oauthguard import UnavailableError

    raw = issuer.mint()
    issuer.answer(raw, answer_with(issuer))
    verifier = build_verifier(issuer, "remote", **JUDGES)
    issuer.fetch_keys = fail  # type: ignore[method-assign]
    with pytest.raises(UnavailableError):
        verifier.verify(raw)
    assert issuer.calls["introspect"] == 0


def fail() -> Any:
    from pyramid_oauthguard import UnavailableError

    raise UnavailableError("unreachable")


@pytest.mark.promise("GD-62")
@pytest.mark.parametrize("name", MINTS)
def test_a_local_view_refuses_them_also_where_the_default_is_remote(issuer, name):
    def configure(config):
        add(config, "/local", token_check="local")
        add(config, "/plain", permission="enter")

    settings = {"oauthguard.token_check": "remote", "oauthguard.introspection.judges": "all"}
    app = build_app(configure, issuer, settings=settings)
    raw = MINTS[name](issuer)
    issuer.answer(raw, answer_with(issuer, jti="1"))
    assert find_status(app, "/local", raw) == 401
    assert issuer.calls["introspect"] == 0
    assert find_status(app, "/plain", raw) == 200
    good = issuer.mint()
    assert find_status(app, "/local", good) == 200
