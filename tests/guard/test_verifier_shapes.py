"""What real issuers issue: their tokens, their metadata and where these are, their key sets.

Each case is an issuer's documented shape with keys made here and its host exchanged for loopback. It is accepted by an
application that differs from the others in its settings alone.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import pytest
from pyramid.authorization import Allow, Authenticated
from pyramid.config import Configurator
from pyramid.interfaces import ISecurityPolicy
from webtest import TestApp

from pyramid_oauthguard.testing import ABSENT, bearer
from tests.issuers import HTTPIssuer

pytestmark = pytest.mark.slow

TENANT = "6babcaad-604b-40ac-a9d7-9fd97c0b779f"


@dataclass(frozen=True)
class Shape:
    """One kind of token of one issuer.

    `claims` and `header` are the whole of the token but for iss, iat, exp; `members` is how its keys are marked.
    """

    issuer: str
    path: str
    well_known: str
    header: dict[str, Any]
    claims: dict[str, Any]
    settings: dict[str, str]
    principals: set[str]
    client: str
    metadata: dict[str, Any] = field(default_factory=dict)
    members: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.issuer


SHAPES = [
    Shape(
        issuer="Okta, a user",
        path="/oauth2/default",
        well_known="/.well-known/oauth-authorization-server/oauth2/default",
        header={"typ": ABSENT},
        claims={
            "ver": 1,
            "jti": "AT.0mP4JKAZX1iACIT4vbEDF7LpvDVjxypPMf0D7uX39RE",
            "aud": "api://default",
            "cid": "0oabucvyc38HLL1ef0h7",
            "uid": "00ub0oNGTSWTBKOLGLNR",
            "scp": ["openid", "customer_api"],
            "auth_time": 1_700_000_000,
            "sub": "ada@example.com",
        },
        settings={"audience": "api://default"},
        principals={"scope:customer_api", "user:ada@example.com", "client:0oabucvyc38HLL1ef0h7"},
        client="0oabucvyc38HLL1ef0h7",
        metadata={
            "introspection_endpoint_auth_methods_supported": ["client_secret_basic"],
            "dpop_signing_alg_values_supported": ["RS256"],
        },
    ),
    Shape(
        issuer="Okta, a client",
        path="/oauth2/aus1",
        well_known="/oauth2/aus1/.well-known/openid-configuration",
        header={"typ": ABSENT},
        claims={
            "ver": 1,
            "jti": "AT.W-rrB-z-kkZQmHW0e6VS3Or--QfEN_YvoWJa46A7HAA",
            "aud": "api://default",
            "cid": "0oabucvyc38HLL1ef0h7",
            "scp": ["customer_api"],
            "sub": "0oabucvyc38HLL1ef0h7",
        },
        settings={"audience": "api://default", "client_id": "0oabucvyc38HLL1ef0h7"},
        principals={"scope:customer_api", "client:0oabucvyc38HLL1ef0h7"},
        client="0oabucvyc38HLL1ef0h7",
    ),
    Shape(
        issuer="Auth0, a user",
        path="/",
        well_known="/.well-known/openid-configuration",
        header={"typ": "JWT"},
        claims={
            "sub": "auth0|632f9e2a4f7c",
            "aud": ["https://api.example.com", "https://tenant.eu.auth0.com/userinfo"],
            "azp": "2DZFKrwWMUa8VGDL1xYcnDyBa4vBVRy7",
            "scope": "openid profile customer_api",
            "permissions": ["read:customers"],
            "https://example.com/roles": ["clerk"],
        },
        settings={"audience": "https://api.example.com", "role_claim": "https://example.com/roles"},
        principals={
            "scope:customer_api",
            "user:auth0|632f9e2a4f7c",
            "client:2DZFKrwWMUa8VGDL1xYcnDyBa4vBVRy7",
            "role:clerk",
        },
        client="2DZFKrwWMUa8VGDL1xYcnDyBa4vBVRy7",
        members={"x5c": ["MIIDBzCCAe+gAwIBAgIJ"], "x5t": "NjVBRjY5MDlCMUIwNzU4RTA2QzZFMDQ4QzQ2MDAyQjVDNjk1RTM2Qg"},
    ),
    Shape(
        issuer="Auth0, a client",
        path="/",
        well_known="/.well-known/openid-configuration",
        header={"typ": "JWT"},
        claims={
            "sub": "2DZFKrwWMUa8VGDL1xYcnDyBa4vBVRy7@clients",
            "aud": "https://api.example.com",
            "azp": "2DZFKrwWMUa8VGDL1xYcnDyBa4vBVRy7",
            "scope": "customer_api",
            "gty": "client-credentials",
        },
        settings={"audience": "https://api.example.com"},
        principals={"scope:customer_api", "client:2DZFKrwWMUa8VGDL1xYcnDyBa4vBVRy7"},
        client="2DZFKrwWMUa8VGDL1xYcnDyBa4vBVRy7",
    ),
    Shape(
        issuer="Keycloak",
        path="/realms/shop",
        well_known="/realms/shop/.well-known/openid-configuration",
        header={"typ": "JWT"},
        claims={
            "auth_time": 1_700_000_000,
            "jti": "onrtac:6d4a5fc4-98a4-4a0c-b3f8-1d5d0cf3c2a6",
            "aud": ["customer-api", "account"],
            "sub": "f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
            "typ": "Bearer",
            "azp": "shop-web",
            "sid": "2a1c8f55",
            "acr": "1",
            "allowed-origins": ["https://shop.example.com"],
            "realm_access": {"roles": ["default-roles-shop", "clerk"]},
            "resource_access": {"account": {"roles": ["manage-account"]}},
            "scope": "openid email customer_api",
            "email_verified": True,
            "preferred_username": "ada",
        },
        settings={"audience": "customer-api", "role_claim": "realm_access.roles"},
        principals={
            "scope:customer_api",
            "user:f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
            "client:shop-web",
            "role:clerk",
            "role:default-roles-shop",
        },
        client="shop-web",
        metadata={"mtls_endpoint_aliases": {"token_endpoint": "https://elsewhere.example"}},
    ),
    Shape(
        issuer="Entra v2, a user",
        path=f"/{TENANT}/v2.0",
        well_known=f"/{TENANT}/v2.0/.well-known/openid-configuration",
        header={"typ": "JWT", "nonce": "5qLXzkNzNFpUWDEtYkl3"},
        claims={
            "aud": "6e74172b-be56-4843-9ff4-e66a39bb12e3",
            "nbf": 1_700_000_000,
            "aio": "AXQAi/8IAAAAtAaZLo3ChMif6KOnttRB7eBq4/DccQzjcJGxPYy/C3jDaNGxXd6w",
            "azp": "6e74172b-be56-4843-9ff4-e66a39bb12e4",
            "azpacr": "0",
            "name": "Ada",
            "oid": "690222be-ff1a-4d56-abd1-7e4f7d38e474",
            "preferred_username": "ada@example.com",
            "rh": "I",
            "scp": "access_as_user customer_api",
            "sub": "HKZpfaHyWadeOouYlitjrI-KffTm222X5rrV3xDqfKQ",
            "tid": TENANT,
            "uti": "fqiBqXLPj0eQa82S-IYFAA",
            "ver": "2.0",
        },
        settings={"audience": "6e74172b-be56-4843-9ff4-e66a39bb12e3"},
        principals={
            "scope:access_as_user",
            "scope:customer_api",
            "user:HKZpfaHyWadeOouYlitjrI-KffTm222X5rrV3xDqfKQ",
            "client:6e74172b-be56-4843-9ff4-e66a39bb12e4",
        },
        client="6e74172b-be56-4843-9ff4-e66a39bb12e4",
        metadata={"tenant_region_scope": "EU", "cloud_instance_name": "microsoftonline.com"},
        members={
            "alg": ABSENT,
            "x5t": "-KI3Q9nNR7bRofxmeZoXqbHZGew",
            "x5c": ["MIIDBT"],
            "issuer": "https://login.example/{tenantid}/v2.0",
        },
    ),
    Shape(
        issuer="Entra v2, a client",
        path=f"/{TENANT}/v2.0",
        well_known=f"/{TENANT}/v2.0/.well-known/openid-configuration",
        header={"typ": "JWT"},
        claims={
            "aud": "6e74172b-be56-4843-9ff4-e66a39bb12e3",
            "azp": "6e74172b-be56-4843-9ff4-e66a39bb12e4",
            "idtyp": "app",
            "oid": "1a2b",
            "roles": ["customer_api"],
            "sub": "1a2b",
            "ver": "2.0",
        },
        settings={"audience": "6e74172b-be56-4843-9ff4-e66a39bb12e3", "scope_claim": "scp roles"},
        principals={"scope:customer_api", "client:6e74172b-be56-4843-9ff4-e66a39bb12e4"},
        client="6e74172b-be56-4843-9ff4-e66a39bb12e4",
        members={"alg": ABSENT},
    ),
    Shape(
        issuer="WSO2 Identity Server",
        path="/oauth2/token",
        well_known="/oauth2/token/.well-known/openid-configuration",
        header={"typ": "at+jwt", "x5t": "ZjRmYTMwNTJjOWU5MmIzMjgzNDI3Y2IyMmI3YzU3YzMy"},
        claims={
            "sub": "f1e2d3",
            "aut": "APPLICATION_USER",
            "aud": "oAxNm0QFfXwUk9tGjPz1YQ4V6k0a",
            "nbf": 1_700_000_000,
            "azp": "oAxNm0QFfXwUk9tGjPz1YQ4V6k0a",
            "org_id": "10084a8d",
            "scope": "customer_api",
            "jti": "9f0eb5c5-9c7b-4c1b-8d8a-2f4b6f1b9f01",
            "client_id": "oAxNm0QFfXwUk9tGjPz1YQ4V6k0a",
        },
        settings={"audience": "oAxNm0QFfXwUk9tGjPz1YQ4V6k0a", "profile": "rfc9068"},
        principals={"scope:customer_api", "user:f1e2d3", "client:oAxNm0QFfXwUk9tGjPz1YQ4V6k0a"},
        client="oAxNm0QFfXwUk9tGjPz1YQ4V6k0a",
    ),
    Shape(
        issuer="RFC 9068 section 3",
        path="",
        well_known="/.well-known/oauth-authorization-server",
        header={"typ": "at+JWT"},
        claims={
            "sub": "5ba552d67",
            "aud": "https://rs.example.com/",
            "jti": "dbe39bf3a3ba4238a513f51d6e1691c4",
            "client_id": "s6BhdRkqt3",
            "scope": "openid profile reademail customer_api",
        },
        settings={"audience": "https://rs.example.com/", "profile": "rfc9068"},
        principals={"scope:customer_api", "user:5ba552d67", "client:s6BhdRkqt3"},
        client="s6BhdRkqt3",
    ),
]


class Root:
    __acl__ = ((Allow, "scope:customer_api", "list"), (Allow, Authenticated, "look"))

    def __init__(self, request):
        pass


def tell(request):
    token = request.access_token
    principals = request.registry.getUtility(ISecurityPolicy).effective_principals(request)
    return {"client": token.client_id, "sub": token.subject, "principals": sorted(principals), "mode": token.mode}


@pytest.fixture(params=SHAPES, ids=str)
def shape(request):
    return request.param


@pytest.fixture
def server(shape):
    with HTTPIssuer(shape.path, well_known=shape.well_known, extra=shape.metadata) as server:
        key = server.issuer.signing_key
        server.issuer.withdraw()
        marks = {**key.jwk, **shape.members}
        if "issuer" in marks:  # the only one whose tokens the key verifies
            marks["issuer"] = marks["issuer"].replace("https://login.example", server.origin)
        server.issuer.publish({name: value for name, value in marks.items() if value is not ABSENT})
        yield server


@pytest.fixture
def app(shape, server):
    more = {f"oauthguard.{name}": value for name, value in shape.settings.items()}
    config = Configurator(settings={**server.settings, **more}, root_factory=Root)
    config.include("pyramid_oauthguard")
    config.add_route("local", "/local")
    config.add_view(tell, route_name="local", renderer="json", token_check="local", permission="list")
    config.add_route("remote", "/remote")
    config.add_view(tell, route_name="remote", renderer="json", token_check="remote", permission="list")
    return TestApp(config.make_wsgi_app())


def mint(shape, server, **more):
    only = dict.fromkeys(("sub", "aud", "client_id", "jti"), ABSENT)
    return server.issuer.mint({**only, **shape.claims, **more}, header=shape.header)


@pytest.mark.promise("GD-07", "GD-09", "GD-12")
def test_its_token_is_accepted(shape, server, app):
    answer = app.get("/local", headers=bearer(mint(shape, server))).json
    assert answer["client"] == shape.client
    assert answer["sub"] == shape.claims["sub"]
    found = {principal for principal in answer["principals"] if not principal.startswith("system.")}
    assert {principal for principal in found if not principal.startswith("scope:")} == {
        principal for principal in shape.principals if not principal.startswith("scope:")
    }
    assert shape.principals <= found
    assert server.calls["keys"] == 1


@pytest.mark.promise("GD-16")
def test_its_token_is_accepted_by_introspection_too(shape, server, app):
    raw = mint(shape, server)
    server.issuer.answer(
        raw, {"active": True, "iss": server.issuer.identifier, "exp": int(time.time()) + 60, **shape.claims}
    )
    assert app.get("/remote", headers=bearer(raw)).json["client"] == shape.client
    assert server.calls["introspection"] == 1


@pytest.mark.promise("GD-07")
@pytest.mark.parametrize("flaw", ["issuer", "audience", "end", "signature", "text"])
def test_nothing_else_is(shape, server, app, flaw):
    other = server.issuer.identifier
    other = other.removesuffix("/") if other.endswith("/") else f"{other}/"
    raw = {
        "issuer": lambda: mint(shape, server, iss=other),
        "audience": lambda: mint(shape, server, aud="https://other.example"),
        "end": lambda: mint(shape, server, exp=int(time.time()) - 60),
        "signature": lambda: mint(shape, server)[:-8] + "AAAAAAAA",
        "text": lambda: "opaque." + mint(shape, server),
    }[flaw]()
    answer = app.get("/local", headers=bearer(raw), status=401)
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]
