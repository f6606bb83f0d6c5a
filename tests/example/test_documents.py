"""The API's document, Swagger UI's client, and the demo that must not leave this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import validate
from webtest import TestApp as App

from example_app import main
from pyramid_oauthguard.errors import SettingError
from pyramid_oauthguard.server.clients import get_clients
from tests.example.conftest import build_api_settings, build_settings, dispose


@pytest.mark.slow
def test_the_document_is_valid_and_says_what_the_views_do(app: App) -> None:
    document = app.get("/openapi.json").json
    validate(document)
    found = {
        f"{method.upper()} {path}": (item[method].get("x-token-check"), item[method]["security"])
        for path, item in document["paths"].items()
        for method in ("get", "post")
        if method in item
    }
    api = [{"oauth2": ["customer_api"]}]
    assert found == {
        "GET /customers": ("local", api),
        "POST /customers": ("local", api),
        "GET /customers/{id}": ("local", api),
        "POST /customers/{id}/charges": ("remote", api),
        "GET /customers/{id}/charges/{charge}": ("local", api),
        "GET /api/public": (None, []),
        "GET /api/private": ("local", [{"oauth2": []}]),
        "GET /api/private-scoped": ("local", [{"oauth2": ["read:messages"]}]),
    }


def test_its_flows_lead_to_the_embedded_server(app: App) -> None:
    flows = app.get("/openapi.json").json["components"]["securitySchemes"]["oauth2"]["flows"]
    assert flows["authorizationCode"]["authorizationUrl"] == "/oauth/authorize"
    assert flows["clientCredentials"]["tokenUrl"] == "/oauth/token"
    assert set(flows["authorizationCode"]["scopes"]) == {"customer_api", "read:messages"}
    mounted = app.get("/openapi.json", extra_environ={"SCRIPT_NAME": "/shop"}).json
    assert mounted["servers"] == [{"url": "/shop"}]


@pytest.mark.slow
def test_scopes_of_the_mcp_endpoint_are_not_offered_in_swagger_ui(tmp_path: Path) -> None:
    """A box without a text, for a scope that its client may not have."""
    made = main({}, **build_settings(tmp_path, **{"example.mcp": "http://localhost/mcp"}))
    flows = App(made).get("/openapi.json").json["components"]["securitySchemes"]["oauth2"]["flows"]
    assert all(set(flow["scopes"]) == {"customer_api", "read:messages"} for flow in flows.values())
    dispose(made)


@pytest.mark.promise("EX-01")
def test_there_is_one_public_client_with_one_exact_page(app: App) -> None:
    client = get_clients(app.app.registry).find("customer-docs")
    assert client.public
    assert client.redirect_uris == ("http://localhost/docs/oauth2-redirect",)
    assert client.grants == ("authorization_code",)
    query = {"response_type": "code", "client_id": "customer-docs", "code_challenge": "x" * 43, "state": "s"}
    for uri in (
        "http://localhost/docs",
        "http://localhost/docs/oauth2-redirect/",
        "http://localhost:81/docs/oauth2-redirect",
    ):
        answer = app.get("/oauth/authorize", {**query, "redirect_uri": uri}, status="*")
        assert answer.status_int == 400, uri


@pytest.mark.promise("EX-01")
def test_swagger_ui_reads_no_settings_from_the_address(app: App) -> None:
    script = app.get("/static/docs.js").text
    assert "queryConfigEnabled: false" in script
    assert "persistAuthorization: false" in script
    assert "usePkceWithAuthorizationCodeGrant: true" in script


@pytest.mark.parametrize("name", ["pages.css", "example.css", "tour.js", "docs.css", "docs.js", "swagger-ui-bundle.js"])
def test_the_files_of_the_pages_are_here(app: App, name: str) -> None:
    answer = app.get(f"/static/{name}")
    assert answer.content_type == ("text/css" if name.endswith("css") else "text/javascript")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "name", ["oauth2-redirect.html", "index.html", "..%2Fopenapi.yaml", "example.css%00", "x/../example.css"]
)
def test_no_other_file_is_served(app: App, name: str) -> None:
    app.get(f"/static/{name}", status=404)


@pytest.mark.promise("EX-02")
@pytest.mark.parametrize(
    "issuer",
    ["https://login.example.com", "https://localhost.example.com", "http://localhost@evil.example", "nonsense", ""],
)
def test_the_demo_stops_the_start_where_others_can_reach_it(tmp_path: Path, issuer: str) -> None:
    settings = {**build_api_settings(tmp_path), "oauthguard.issuer": issuer or "https://[::2]"}
    with pytest.raises(SettingError, match=r"example.demo: .*issuer"):
        main({}, **settings)


@pytest.mark.promise("EX-02")
def test_the_demo_stops_the_start_with_further_issuers(tmp_path: Path) -> None:
    settings = build_api_settings(tmp_path, **{"oauthguard.issuers.other.issuer": "https://login.example.com"})
    with pytest.raises(SettingError, match=r"example.demo: .*login.example.com"):
        main({}, **settings)


@pytest.mark.promise("EX-02")
def test_the_demo_stops_the_start_of_a_server_too(tmp_path: Path) -> None:
    settings = build_settings(tmp_path, **{"oauthguard.server.issuer": "https://login.example.com"})
    with pytest.raises(SettingError, match=r"example.demo: .*login.example.com"):
        main({}, **settings)


@pytest.mark.promise("EX-02")
@pytest.mark.parametrize("issuer", ["http://localhost", "http://127.0.0.1:6543", "http://[::1]:6543"])
def test_on_this_machine_the_demo_may_be_on(tmp_path: Path, issuer: str) -> None:
    from example_app.parts import find_parts

    parts = find_parts(build_settings(tmp_path, **{"oauthguard.issuer": issuer, "oauthguard.server.issuer": issuer}))
    assert (parts.tour, parts.issuer) == (True, issuer)


def read_parameters(app: App, name: str) -> dict[str, Any]:
    (found,) = [
        each
        for each in app.get("/openapi.json").json["paths"]["/customers"]["get"]["parameters"]
        if each["name"] == name
    ]
    return dict(found["schema"])


@pytest.mark.slow
def test_the_limits_of_the_document_are_those_of_the_api(api: App, bearer: dict[str, str]) -> None:
    limit = read_parameters(api, "limit")
    api.get("/customers", {"limit": limit["maximum"]}, headers=bearer)
    api.get("/customers", {"limit": limit["maximum"] + 1}, headers=bearer, status=400)
    api.get("/customers", {"limit": "1_0"}, headers=bearer, status=400)
    api.get("/customers", {"limit": " 1"}, headers=bearer, status=400)


@pytest.mark.slow
def test_a_head_request_is_validated_as_a_get(api: App, bearer: dict[str, str]) -> None:
    api.head("/customers?limit=1", headers=bearer)
    api.head("/customers?limit=0", headers=bearer, status=400)


def test_below_a_mount_point_requests_are_validated(api: App, bearer: dict[str, str]) -> None:
    environ = {"SCRIPT_NAME": "/shop/v2"}
    api.get("/customers?limit=1", headers=bearer, extra_environ=environ)
    api.get("/customers?limit=x", headers=bearer, extra_environ=environ, status=400)
