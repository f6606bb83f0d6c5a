"""`oauthguard explain`: the words for a refusal are as exact as the token allows, and advise nothing that would open the API."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from pyramid_oauthguard.command.guard.issuer_wording import find_issuer_words
from pyramid_oauthguard.guard.reports.reasons import (
    OTHER_ADDRESS,
    OTHER_TENANT,
    OTHER_VERSION_OF_ENTRA,
    TOKEN_OF_ORG_SERVER,
    TOKEN_WITHOUT_ISSUER,
    Words,
)
from pyramid_oauthguard.testing import ABSENT, MemoryIssuer, generate_key, mint, read_claims
from tests.guard.commanded import write_ini
from tests.guard.test_explaining import explain
from tests.issuers import HTTPIssuer

pytestmark = pytest.mark.slow


def read_settings(**more: str) -> dict[str, str]:
    return {f"oauthguard.{name}": value for name, value in more.items()}


KEYCLOAK = {"azp": "web", "typ": "Bearer", "client_id": ABSENT}
TENANTS = read_settings(
    issuer="https://issuer.test/{tid}/v2", issuer_values="t1", metadata_url="https://issuer.test/metadata"
)
CLIENTS = read_settings(audience_by_client="true", client_id="app")
#: What the token has, what is set, what is said, and what was said before and misled.
MORE_EXACT = [
    ({"aud": "account", **KEYCLOAK}, {}, "which is an API of the issuer itself", "or add the audience"),
    ({"aud": ["account", "https://issuer.test/userinfo"]}, {}, "Do not add this audience", "or add"),
    ({"aud": "00000003-0000-0000-c000-000000000000"}, {}, "which is an API of the issuer itself", "or add"),
    ({"aud": "web", **KEYCLOAK}, {}, "which is the client itself; accepted are https://api.test", "or add"),
    ({"aud": ["web", "https://other.test"], **KEYCLOAK}, {}, "or add the audience", "itself"),
    ({"aud": "https://issuer.test/api/v2/"}, {}, "which is an API of the issuer itself", "or add"),
    ({"aud": "https://issuer.test/orders"}, {}, "or add the audience", "itself"),
    ({"aud": "/userinfo"}, {}, "or add the audience", "itself"),
    ({"aud": "https://issuer.testing"}, {}, "or add the audience", "itself"),
    ({"aud": []}, {}, "its aud is []", "itself"),
    ({"aud": ABSENT, "client_id": "web"}, CLIENTS, "it was issued to 'web'", "set oauthguard.audience_by_client"),
    (
        {"iss": "https://issuer.test/t2/v2", "tid": "t2"},
        TENANTS,
        "a value of oauthguard.issuer_values",
        "byte for byte",
    ),
    ({"iss": "https://other.test/t1/v2", "tid": "t1"}, TENANTS, "byte for byte", "list the tenant"),
    ({"aud": "https://api.test/"}, {}, "write oauthguard.audience as the token has it", "or add"),
    ({"aud": ["https://API.test"]}, {}, "write oauthguard.audience as the token has it", "or add"),
    (
        {"aud": "a-guid", "azp": "web"},
        read_settings(audience="api://a-guid"),
        "an application of Entra ID by its id",
        "or add",
    ),
    ({"aud": "api://a-guid"}, read_settings(audience="a-guid"), "an application of Entra ID by its id", "or add"),
    ({"aud": "https://other.test https://api.test"}, {}, "have the issuer write several audiences as a list", "or add"),
    ({"exp": ABSENT, "expires_at": 1_900_000_000}, {}, "Its expires_at is not read", "set one"),
    ({"exp": 9223372036854775807}, {}, "which no clock will show", "not a finite JSON number"),
    ({"exp": 0}, {}, "its exp is 0, a second of the years 1969 and 1970", "s ago"),
]


@pytest.mark.parametrize(("claims", "settings", "said", "not_said"), MORE_EXACT)
def test_a_refusal_is_told_as_exactly_as_the_token_allows(
    issuer: MemoryIssuer, tmp_path: Path, claims: dict[str, Any], settings: dict[str, str], said: str, not_said: str
) -> None:
    outcome = explain(write_ini(tmp_path, {**issuer.settings, **settings}), issuer.mint(claims), "local")
    told = f"{outcome['text']} {outcome['advice']}"
    assert said in told
    assert not_said not in told


V1, V2 = "https://sts.windows.net/t1/", "https://login.microsoftonline.com/t1/v2.0"
REALM = "https://kc.test/realms/a"


@pytest.mark.parametrize(
    ("iss", "issuer", "words"),
    [
        (V1, V2, OTHER_VERSION_OF_ENTRA),
        (V2, V1, OTHER_VERSION_OF_ENTRA),
        (V1, V2.replace("t1", "{tid}"), OTHER_VERSION_OF_ENTRA),
        (V1.replace("t1", "t2"), V2, None),
        (V2, V2.replace("t1", "t2"), None),
        (V2.replace("t1", "t2"), V2.replace("t1", "{tid}"), OTHER_TENANT),
        ("http://keycloak:8080/realms/a", REALM, OTHER_ADDRESS),
        ("http://kc.test/realms/a", REALM, OTHER_ADDRESS),
        ("https://kc.test:8443/realms/a", REALM, OTHER_ADDRESS),
        ("https://kc.test/realms/b", REALM, None),
        ("https://kc.test/realms/a/", REALM, None),
        ("https://[/realms/a", REALM, None),
        ("https://other.test", "https://kc.test", None),
        ("https://other.test/", "https://kc.test/", None),
        ("https://kc.test/realms/a", f"{REALM} or https://other.test", None),
        ("https://org.okta.test", "https://org.okta.test/oauth2/default", TOKEN_OF_ORG_SERVER),
        ("https://org.okta.test", "https://other.test/oauth2/default", None),
        (None, REALM, TOKEN_WITHOUT_ISSUER),
        ([REALM], REALM, None),
    ],
)
def test_two_names_of_issuers_say_what_the_mistake_is(iss: object, issuer: str, words: Words | None) -> None:
    """The advice was to trust what the token says, whatever it was."""
    assert find_issuer_words({"iss": iss, "issuer": issuer}) is words


@pytest.mark.parametrize(
    ("claims", "said", "not_said"),
    [
        (
            {"aud": "00000003-0000-0000-c000-000000000000"},
            "for Microsoft Graph, which only Graph can verify",
            "changed",
        ),
        ({"iss": "https://test.issuer.test"}, "its iss is 'https://test.issuer.test'", "changed on the way"),
        ({}, "was changed on the way", "Graph"),
    ],
)
def test_a_signature_that_does_not_fit_is_told_by_what_the_token_says(
    issuer: MemoryIssuer, tmp_path: Path, claims: dict[str, Any], said: str, not_said: str
) -> None:
    """Nobody but Graph can verify its tokens. The command said that such a token was changed on the way."""
    outcome = explain(write_ini(tmp_path, issuer.settings), issuer.mint_foreign(**claims), "local")
    told = f"{outcome['text']} {outcome['advice']}"
    assert outcome["reason"] == "bad_signature"
    assert said in told
    assert not_said not in told


def encode(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    ("claims", "said"),
    [
        ({"typ": "Refresh"}, "its claim typ names another kind of token, such as ID, Refresh"),
        ({"nonce": "n"}, "it is an ID token"),
        ({"sub": "ann"}, "a secret that the issuer shares with its client"),
    ],
)
def test_a_token_of_another_kind_with_a_shared_secret_is_told_by_its_kind(
    issuer: MemoryIssuer, tmp_path: Path, claims: dict[str, Any], said: str
) -> None:
    """Refresh tokens of Keycloak have HS512. The advice was to let the issuer judge them."""
    raw = f"{encode({'alg': 'HS512', 'typ': 'JWT', 'kid': 'k'})}.{encode(claims)}.c2ln"
    outcome = explain(write_ini(tmp_path, issuer.settings), raw, "local")
    assert said in outcome["text"]
    assert ("judges" in outcome["advice"]) is ("shares" in said)


@pytest.mark.parametrize("mode", ["local", "remote"])
def test_a_jwt_that_was_not_copied_whole_and_alone_is_called_so(
    issuer: MemoryIssuer, tmp_path: Path, mode: str
) -> None:
    """Half a token was called opaque, and two in one encrypted."""
    raw = issuer.mint()
    for odd, parts in ((raw.rpartition(".")[0], 2), (raw[:20], 1), (raw + raw, 5)):
        outcome = explain(write_ini(tmp_path, issuer.settings, "local, remote"), odd, mode)
        assert outcome["text"] == f"it begins like a JWT, but has {parts} parts, and a JWT has three"
        assert outcome["advice"] == "copy the token again, whole and alone"


def test_json_without_a_token_is_no_fault_of_the_issuer(issuer: MemoryIssuer, tmp_path: Path) -> None:
    outcome = explain(write_ini(tmp_path, issuer.settings), '{"error": "invalid_client"}', "local")
    assert outcome["advice"].startswith("this is JSON without an access_token")


def test_an_opaque_token_of_auth0_lacks_the_audience(tmp_path: Path) -> None:
    """The advice was a remote check, and Auth0 has no introspection."""
    ini = write_ini(tmp_path, read_settings(issuer="https://shop.auth0.com/", audience="https://api.test"))
    outcome = explain(ini, "cPvYh0dJ2fGk", "local")
    assert (outcome["reason"], outcome["setting"]) == ("not_a_jwt", "oauthguard.audience")
    assert "send audience=https://api.test" in outcome["advice"]


def test_a_placeholder_that_no_claim_has_is_named(server: HTTPIssuer, tmp_path: Path) -> None:
    """The metadata of Entra ID call the tenant {tenantid}, its tokens tid."""
    keys, template = f"{server.origin}/jwks", "https://tenants.test/{tenantid}"
    more = read_settings(issuer=template, issuer_values="t1", jwks_uri=keys, audience="https://api.test")
    raw = server.issuer.mint(iss="https://tenants.test/t1", tid="t1")
    outcome = explain(write_ini(tmp_path, more), raw, "local")
    assert outcome["reason"] == "wrong_tenant"
    assert outcome["text"] == "it has no claim tenantid, which is the placeholder of the issuer"
    assert "{tid} at Entra ID" in outcome["advice"]


def test_a_key_that_is_not_published_or_is_of_another_issuer(server: HTTPIssuer, tmp_path: Path) -> None:
    """Of a key for another tenant, the command said that it did not make the signature."""
    foreign = generate_key("RS256", kid="of-another")
    server.issuer.publish({**foreign.jwk, "issuer": "https://other.test/{tid}"})
    ini = write_ini(tmp_path, server.settings)
    keys = []
    for kid in ("of-another", "never-published"):
        raw = mint(read_claims(server.issuer.mint()), foreign, header={"typ": "JWT", "kid": kid})
        outcome = explain(ini, raw, "local")
        assert outcome["reason"] == "unknown_key"
        assert "like the org authorization server of Okta" in outcome["advice"]
        keys += outcome["keys"]
    assert "'of-another': verifies tokens of the issuer 'https://other.test/{tid}' only" in keys
    assert "'of-another': the token names the key 'never-published'" in keys


@pytest.mark.parametrize(
    ("claims", "said"),
    [
        ({"scope": ABSENT, "permissions": ["read"]}, "scopes none (not read: permissions; see oauthguard.scope_claim)"),
        ({"scope": "openid", "permissions": ["read"]}, "scopes openid (not read: permissions;"),
        ({"scope": ABSENT, "scp": ["read"]}, "scopes read, expires"),
        ({"scope": "read,write"}, "scopes read,write (separated by commas, which count as a part of a scope)"),
    ],
)
def test_scopes_that_are_not_read_are_named(
    issuer: MemoryIssuer, tmp_path: Path, claims: dict[str, Any], said: str
) -> None:
    """The token was accepted, every view answered 403, and nothing said why."""
    outcome = explain(write_ini(tmp_path, issuer.settings), issuer.mint(claims), "local")
    assert said in outcome["text"]


@pytest.mark.parametrize(
    ("claims", "said"),
    [
        ({"roles": []}, ", no role at oauthguard.role_claim (roles groups), "),
        ({"roles": [{"name": "clerk"}]}, "(what is at roles is neither text nor a list of texts), "),
        ({"roles": {"clerk": True}}, "(what is at roles is neither text nor a list of texts), "),
        (
            {"_claim_names": {"groups": "src1"}},
            "(roles groups; the issuer has left out groups, because there are many)",
        ),
        ({"hasgroups": True, "groups": ["clerks"]}, ", roles clerks, "),
    ],
)
def test_why_no_role_was_found(issuer: MemoryIssuer, tmp_path: Path, claims: dict[str, Any], said: str) -> None:
    ini = write_ini(tmp_path, {**issuer.settings, "oauthguard.role_claim": "roles groups"})
    assert said in explain(ini, issuer.mint(claims), "local")["text"]


@pytest.mark.parametrize(
    ("claims", "settings", "lines"),
    [
        (
            {"client_id": "shop", "scope": "a"},
            {},
            [
                "any method /req answers 403: it requires the client web",
                "any method /administer answers 403: the permission administer is granted to role:admin; the token gives client:shop, scope:a, user:test-user",
            ],
        ),
        ({"client_id": "web", "scope": "a", "roles": ["admin"]}, {}, []),
        ({"client_id": "web", "scope": "a"}, {"principals": "tests.guard.test_wording.add_principals"}, []),
    ],
)
def test_views_that_refuse_a_good_token_for_another_reason_than_its_scopes(
    issuer: MemoryIssuer, tmp_path: Path, claims: dict[str, Any], settings: dict[str, str], lines: list[str]
) -> None:
    """The token was accepted, these views answered 403, and nothing said why."""
    settings = {**issuer.settings, **read_settings(role_claim="roles", **settings)}
    ini = write_ini(tmp_path, settings, "requirements, administer, ungranted, computed, traversed")
    views = explain(ini, issuer.mint(claims), "local")["views"]
    assert sorted(views) == sorted([*lines])


def add_principals(_token: object, _request: object) -> list[str]:
    """What an application may know more of a caller."""
    return ["role:admin"]
