"""Each endpoint may have a path of its own."""

from __future__ import annotations

import pytest

from pyramid_oauthguard.errors import SettingError
from pyramid_oauthguard.server.settings import parse_settings
from tests.server.flows import build_flow

OWN = {"path.token": "/services/oauth2/token/", "path.authorize": "/login/authorize", "path.device": "/activate"}


def test_an_endpoint_is_at_its_own_path_and_the_others_stay(build):
    flow = build_flow(build, OWN)
    app = flow.server.app
    found = app.get("/.well-known/oauth-authorization-server").json
    assert found["token_endpoint"] == "http://localhost:6543/services/oauth2/token"
    assert found["authorization_endpoint"] == "http://localhost:6543/login/authorize"
    assert found["revocation_endpoint"] == "http://localhost:6543/oauth/revoke"
    form = {"grant_type": "client_credentials"}
    app.post("/services/oauth2/token", form, headers=flow.server.basic(flow.server.program))
    app.post("/oauth/token", form, headers=flow.server.basic(flow.server.program), status=404)
    page = flow.sign_in().get("/login/authorize", flow.ask())
    assert page.form.action == "/login/authorize"
    assert page.form.submit("decision", value="allow").status_int == 303
    device = flow.server.clients.create("TV", public=True, grants=["device_code"], scopes=["read"])
    answer = app.post("/oauth/device_authorization", {"client_id": device.client.client_id})
    assert answer.json["verification_uri"] == "http://localhost:6543/activate"


def parse(**given):
    needed = {"oauthguard.server.issuer": "http://localhost:6543", "oauthguard.server.audience": "https://api.example"}
    settings = {f"oauthguard.server.{key}": value for key, value in given.items()}
    return parse_settings({**needed, **settings}, known_grants=frozenset())


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("path.tokens", "/x", "did you mean"),
        ("path.token", "x", "must be a path"),
        ("path.token", "/", "must be a path"),
        ("path.token", "/{x}", "must be a path"),
        ("path.token", "/oauth/revoke", "also the path of the endpoint revoke"),
    ],
)
def test_a_wrong_path_is_named(key, value, problem):
    with pytest.raises(SettingError, match=problem) as caught:
        parse(**{key: value})
    assert caught.value.key == f"oauthguard.server.{key}"


def test_two_endpoints_cannot_have_one_path():
    with pytest.raises(SettingError, match="also the path"):
        parse(**{"path.token": "/x", "path.revoke": "/x"})
    assert parse(**{"path.token": "/oauth/revoke", "path.revoke": "/oauth/token"}).find_path("token") == "/oauth/revoke"
