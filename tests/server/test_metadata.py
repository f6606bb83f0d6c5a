"""The metadata document (RFC 8414), and where it is."""

from __future__ import annotations

import pytest

from pyramid_oauthguard.discovery import build_metadata_urls
from pyramid_oauthguard.server.grant_types import as_grant
from pyramid_oauthguard.server.grants import GRANTS
from tests.server.flows import build_flow

ALGORITHMS = [
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519",
]  # fmt: skip
PLACES = "/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"


@pytest.mark.slow
def test_it_says_what_is_on(server):
    assert server.app.get(PLACES[0]).json == {
        "issuer": "http://localhost:6543",
        "token_endpoint": "http://localhost:6543/oauth/token",
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": ALGORITHMS,
        "grant_types_supported": ["client_credentials"],
        "revocation_endpoint": "http://localhost:6543/oauth/revoke",
        "revocation_endpoint_auth_methods_supported": [
            "client_secret_basic",
            "client_secret_post",
            "private_key_jwt",
            "none",
        ],
        "revocation_endpoint_auth_signing_alg_values_supported": ALGORITHMS,
        "introspection_endpoint": "http://localhost:6543/oauth/introspect",
        "introspection_endpoint_auth_methods_supported": [
            "client_secret_basic",
            "client_secret_post",
            "private_key_jwt",
        ],
        "introspection_endpoint_auth_signing_alg_values_supported": ALGORITHMS,
        "jwks_uri": "http://localhost:6543/oauth/jwks",
        "scopes_supported": ["admin", "read", "write"],
        "response_types_supported": [],
    }
    assert server.app.get(PLACES[1]).json == server.app.get(PLACES[0]).json


@pytest.mark.parametrize(
    "issuer", ["https://id.example", "https://id.example/", "https://id.example/tenant", "https://id.example:8443/a/b/"]
)
def test_it_is_where_clients_look_and_names_the_issuer_byte_for_byte(build, issuer):
    server = build({"issuer": issuer, "path": "/o/auth/"})
    for url in build_metadata_urls(issuer):
        path = "/" + url.split("/", 3)[3]
        answer = server.app.get(path)
        assert answer.json["issuer"] == issuer
        assert answer.json["token_endpoint"] == "/".join(issuer.split("/")[:3]) + "/o/auth/token"
        assert "max-age" in answer.headers["Cache-Control"]


def test_no_host_header_gets_into_it(server):
    for place in PLACES:
        assert "evil" not in server.app.get(place, headers={"Host": "evil.example"}).text


def test_a_mount_point_is_in_the_urls(server):
    answer = server.app.get(PLACES[0], extra_environ={"SCRIPT_NAME": "/mounted"})
    assert answer.json["token_endpoint"] == "http://localhost:6543/mounted/oauth/token"


@pytest.mark.slow
def test_the_applications_own_policy_defaults_and_factories_do_not_reach_the_endpoints(build):
    class NoPolicy:
        def identity(self, request):
            raise AssertionError("asked")

        authenticated_userid = permits = remember = forget = identity

    def configure(config):
        def refuse(request):
            raise AssertionError("asked")

        config.set_security_policy(NoPolicy())
        config.set_default_permission("admin")
        config.set_default_csrf_options(require_csrf=True)
        config.set_root_factory(refuse)

    server = build(configure=configure)
    token = server.token()
    assert server.introspect(token)["active"] is True
    assert server.revoke(token).status_int == 200
    for path in (*PLACES, "/oauth/jwks"):
        assert server.app.get(path).status_int == 200


@pytest.mark.parametrize(
    "grants",
    [
        "client_credentials",
        "authorization_code",
        "authorization_code refresh_token",
        "device_code",
        "client_credentials authorization_code refresh_token device_code",
    ],
)
def test_it_says_exactly_what_is_on_and_what_it_says_is_there(build, grants):
    server = build_flow(build, {"grants": grants}).server
    found = server.app.get(PLACES[0]).json
    assert found["grant_types_supported"] == sorted(as_grant(name, GRANTS) for name in grants.split())
    assert ("authorization_endpoint" in found) == ("authorization_code" in grants)
    assert found["response_types_supported"] == (["code"] if "authorization_code" in grants else [])
    assert ("code_challenge_methods_supported" in found) == ("authorization_code" in grants)
    assert ("device_authorization_endpoint" in found) == ("device_code" in grants)
    for name, value in found.items():
        if name.endswith(("_endpoint", "_uri")):
            path = value.removeprefix(found["issuer"])
            assert server.app.request(path, method="DELETE", expect_errors=True).status_int == 405, name
    off = {"authorization_code": "/oauth/authorize", "device_code": "/oauth/device_authorization"}
    for grant, path in off.items():
        if grant not in grants:
            server.app.post(path, status=404)
