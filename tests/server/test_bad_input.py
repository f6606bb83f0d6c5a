"""Whatever a client sends wrong: the RFC's error code, and a description that says which parameter it is."""

from __future__ import annotations

import pytest
from webtest import TestApp

from tests.server.conftest import Build, basic
from tests.server.flows import CALLBACK, VERIFIER, Flow, build_flow, read_answer

pytestmark = pytest.mark.slow

DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
CODE = {"grant_type": "authorization_code", "redirect_uri": CALLBACK, "code_verifier": VERIFIER}


@pytest.fixture
def flow(build: Build) -> Flow:
    return build_flow(build)


@pytest.mark.parametrize(
    ("endpoint", "form", "error", "parameter"),
    [
        ("token", {}, "invalid_request", "grant_type"),
        ("token", {"grant_type": ""}, "invalid_request", "grant_type"),
        ("token", {"grant_type": "password"}, "unsupported_grant_type", "grant_type"),
        ("token", {"grant_type": "ö"}, "invalid_request", "grant_type"),
        ("token", {**CODE}, "invalid_request", "code"),
        ("token", {**CODE, "code": "x"}, "invalid_grant", "code"),
        ("token", {**CODE, "code": ..., "code_verifier": "w" * 43}, "invalid_grant", "code_verifier"),
        ("token", {**CODE, "code": ..., "code_verifier": "w"}, "invalid_request", "code_verifier"),
        ("token", {**CODE, "code": ..., "code_verifier": ""}, "invalid_request", "code_verifier"),
        ("token", {**CODE, "code": ..., "redirect_uri": "https://x.example/"}, "invalid_grant", "redirect_uri"),
        ("token", {**CODE, "code": ..., "resource": "x"}, "invalid_target", "resource"),
        ("token", {"grant_type": "refresh_token"}, "invalid_request", "refresh_token"),
        ("token", {"grant_type": "refresh_token", "refresh_token": "x"}, "invalid_grant", "refresh token"),
        ("token", {"grant_type": DEVICE}, "invalid_request", "device_code"),
        ("token", {"grant_type": DEVICE, "device_code": "x"}, "invalid_grant", "device code"),
        ("device_authorization", {"scope": "nonsense"}, "invalid_scope", "scope"),
        ("device_authorization", {"resource": "x"}, "invalid_target", "resource"),
        ("device_authorization", [("scope", "read"), ("scope", "read")], "invalid_request", "scope"),
        ("revoke", {}, "invalid_request", "token"),
        ("introspect", {}, "invalid_request", "token"),
    ],
)
def test_a_refusal_names_its_parameter(flow, endpoint, form, error, parameter):
    grants = ["authorization_code", "refresh_token", "device_code"]
    made = flow.server.clients.create("All", redirect_uris=[CALLBACK], grants=grants, scopes=["read"])
    if endpoint == "introspect":
        made = flow.server.api
    if isinstance(form, dict) and form.get("code") is ...:
        form = {**form, "code": flow.allow(made, scope="read", redirect_uri=CALLBACK)}
    headers = basic(made.client.client_id, made.secret)
    answer = TestApp(flow.server.app.app).post(f"/oauth/{endpoint}", form, headers=headers, status=400)
    assert answer.json["error"] == error
    assert parameter in answer.json["error_description"]


@pytest.mark.parametrize(
    ("changes", "error", "parameter"),
    [
        ({"response_type": None}, "invalid_request", "response_type"),
        ({"response_type": "token"}, "unsupported_response_type", "response_type"),
        ({"scope": "nonsense"}, "invalid_scope", "scope"),
        ({"resource": "x"}, "invalid_target", "resource"),
        ({"response_mode": "fragment"}, "invalid_request", "response_mode"),
        ({"code_challenge": None}, "invalid_request", "code_challenge"),
        ({"code_challenge": "x"}, "invalid_request", "code_challenge"),
        ({"code_challenge_method": "plain"}, "invalid_request", "code_challenge_method"),
        ({"state": "ö"}, "invalid_request", "state"),
    ],
)
def test_a_client_is_told_which_parameter(flow, changes, error, parameter):
    answer = read_answer(flow.sign_in().get("/oauth/authorize", flow.ask(**changes)))
    assert answer["error"] == error
    assert parameter in answer["error_description"]


@pytest.mark.parametrize(
    ("changes", "error", "parameter"),
    [
        ({"client_id": None}, "invalid_request", "client_id"),
        ({"redirect_uri": "https://x.example/"}, "invalid_request", "redirect_uri"),
        ({"redirect_uri": '"'}, "invalid_request", "redirect_uri"),
        ({"client_id": "nobody"}, "invalid_client", "client"),
    ],
)
def test_a_page_tells_the_developer_which_parameter(flow, changes, error, parameter):
    page = flow.sign_in().get("/oauth/authorize", flow.ask(**changes), status=400)
    (detail,) = page.html.select("p.detail")
    assert error in detail.text
    assert parameter in detail.text.partition(":")[2]
