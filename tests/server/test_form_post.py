"""Answers to authorization requests that the browser posts to the client (OAuth 2.0 Form Post Response Mode)."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import Any

import pytest
from webtest import TestApp, TestResponse

from tests.server.conftest import ISSUER, Build
from tests.server.flows import CALLBACK, LOOPBACK, Flow, build_flow, read_answer
from tests.server.self_registered import OPEN, register

pytestmark = pytest.mark.slow

NASTY = "\"'><script>alert(1)</script><input name=code value='x'>&amp;&#34;"


@pytest.fixture
def flow(build: Build) -> Flow:
    return build_flow(build)


def ask(flow: Flow, client: Any = None, **changes: Any) -> TestResponse:
    return flow.sign_in().get("/oauth/authorize", flow.ask(client, **{"response_mode": "form_post", **changes}))


def decide(flow: Flow, decision: str, client: Any = None, **changes: Any) -> TestResponse:
    return ask(flow, client, **changes).form.submit("decision", value=decision)


def read_form(page: TestResponse, *, to: str = CALLBACK) -> dict[str, str]:
    """What the browser would post. The page can do nothing else."""
    assert (page.status_int, page.content_type) == (200, "text/html")
    assert "Location" not in page.headers
    assert (page.form.method.lower(), page.form.action) == ("post", to)
    check_page(page)
    fields = page.form.submit_fields()
    assert len(dict(fields)) == len(fields)
    answer = dict(fields)
    assert answer["iss"] == ISSUER
    return answer


def check_page(page: TestResponse) -> None:
    (script,) = re.findall("<script>(.*?)</script>", page.text)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = dict(each.strip().split(" ", 1) for each in page.headers["Content-Security-Policy"].split(";"))
    assert policy["script-src"] == f"'sha256-{digest}'"
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert page.headers["Cache-Control"] == "no-store"
    assert page.headers["Referrer-Policy"] == "no-referrer"
    assert page.headers["X-Frame-Options"] == "DENY"
    assert len(re.findall("<button type=.submit", page.text)) == 1


@pytest.mark.promise("AS-04", "AS-54")
def test_a_code_is_posted_and_redeemed_once(flow: Flow) -> None:
    answer = read_form(decide(flow, "allow"))
    assert set(answer) == {"code", "state", "iss"}
    assert answer["state"] == "s t/%"
    assert flow.redeem(answer["code"], code_verifier="w" * 43, status=400)["error"] == "invalid_grant"
    tokens = flow.redeem(answer["code"])
    assert flow.redeem(answer["code"], status=400)["error"] == "invalid_grant"
    assert not flow.is_active(tokens["access_token"])


@pytest.mark.promise("AS-04", "AS-54")
def test_a_denial_is_posted(flow: Flow) -> None:
    answer = read_form(decide(flow, "deny"))
    assert (answer["error"], answer["state"]) == ("access_denied", "s t/%")
    assert "code" not in answer


@pytest.mark.promise("AS-04", "AS-54")
def test_errors_are_posted(flow: Flow) -> None:
    for changes, error in (
        ({"scope": "admin"}, "invalid_scope"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"resource": "https://other.example"}, "invalid_target"),
        ({"code_challenge": None, "code_challenge_method": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
    ):
        answer = read_form(ask(flow, **changes))
        assert (answer["error"], answer["state"]) == (error, "s t/%"), changes
        assert "code" not in answer
    repeated = [*flow.ask(response_mode="form_post").items(), ("scope", "read")]
    assert read_form(flow.sign_in().get("/oauth/authorize", repeated))["error"] == "invalid_request"


def test_an_error_of_the_server_is_posted(flow: Flow) -> None:
    page = flow.show(response_mode="form_post")
    flow.server.clients.create("A user's name as an id", client_id="anna", grants=["client_credentials"])
    assert read_form(page.form.submit("decision", value="allow"))["error"] == "server_error"


@pytest.mark.parametrize("mode", ["fragment", "form_post.jwt", "query form_post", "FORM_POST", "web_message"])
def test_another_mode_is_refused_in_the_query(flow: Flow, mode: str) -> None:
    answer = read_answer(ask(flow, response_mode=mode))
    assert (answer["error"], answer["state"], answer["iss"]) == ("invalid_request", "s t/%", ISSUER)
    assert "query or form_post" in answer["error_description"]


def test_the_query_may_be_asked_for(flow: Flow) -> None:
    assert read_answer(decide(flow, "allow", response_mode="query"))["code"]


@pytest.mark.promise("AS-02", "AS-54")
@pytest.mark.parametrize("changes", [{"client_id": "nobody"}, {"redirect_uri": "https://evil.example/"}])
def test_nothing_is_posted_to_an_address_that_is_not_registered(flow: Flow, changes: dict[str, str]) -> None:
    page = flow.sign_in().get("/oauth/authorize", flow.ask(**{"response_mode": "form_post", **changes}), status=400)
    assert not page.forms
    assert "evil.example" not in page.text


@pytest.mark.promise("AS-54")
def test_html_in_the_state_stays_text(flow: Flow) -> None:
    for page in (
        ask(flow, state=NASTY, scope="no"),
        decide(flow, "deny", state=NASTY),
        decide(flow, "allow", state=NASTY),
    ):
        assert read_form(page)["state"] == NASTY
        assert "alert(1)</script>" not in page.text


def test_html_in_the_redirect_uri_stays_text(flow: Flow) -> None:
    uri = "https://web.example/?a='&b=%22%3E&c=1"
    made = flow.server.clients.create("Odd", redirect_uris=[uri], grants=["authorization_code"], scopes=["read"])
    assert read_form(decide(flow, "allow", made, redirect_uri=uri, scope="read"), to=uri)["code"]


def test_a_long_state_comes_back(flow: Flow) -> None:
    state = "x<&" * 4500
    for decision in ("deny", "allow"):
        assert read_form(decide(flow, decision, state=state))["state"] == state


@pytest.mark.parametrize("mode", ["query", "form_post"])
def test_a_request_that_could_not_come_back_from_the_page_is_refused_before_it(flow: Flow, mode: str) -> None:
    page = flow.sign_in().get("/oauth/authorize", flow.ask(response_mode=mode, state="<" * 11_000), status=400)
    assert "at most 32768 characters" in page.text


@pytest.mark.promise("AS-54")
def test_a_private_use_redirect_uri_can_not_be_posted_to(flow: Flow) -> None:
    uri = "com.example.app:/callback"
    made = flow.server.clients.create(
        "App", public=True, redirect_uris=[uri], grants=["authorization_code"], scopes=["read"]
    )
    for changes in ({}, {"scope": "admin"}):
        answer = ask(flow, made, redirect_uri=uri, **{"scope": "read", **changes})
        assert answer.status_int == 303
        assert answer.headers["Location"].startswith(f"{uri}?error=invalid_")
    assert "must+be+https+or+http" in ask(flow, made, redirect_uri=uri, scope="read").headers["Location"]


@pytest.mark.promise("AS-54")
def test_a_client_that_registered_itself_posts_to_no_site_of_the_operator(build: Build) -> None:
    """The page is on the operator's site, so the browser would send even cookies with SameSite=Strict along."""
    flow = build_flow(build, OPEN)
    uri = "https://app.example/customers/7/delete"
    client_id = register(flow, redirect_uris=[uri, LOOPBACK]).json["client_id"]
    for changes in ({}, {"scope": "nonsense"}, {"response_type": "token"}, {"code_challenge": "x"}):
        asked = flow.ask(client_id=client_id, redirect_uri=uri, response_mode="form_post", **changes)
        for user, to in (
            (flow.sign_in(), f"{uri}?error="),
            (TestApp(flow.server.app.app), "http://localhost/sign-in?"),
        ):
            answer = user.get("/oauth/authorize", asked)
            assert answer.status_int == 303, changes
            assert answer.headers["Location"].startswith(to), changes
    repeated = [*flow.ask(client_id=client_id, redirect_uri=uri, response_mode="form_post").items(), ("scope", "read")]
    assert flow.sign_in().get("/oauth/authorize", repeated).status_int == 303
    page = flow.sign_in().get(
        "/oauth/authorize", flow.ask(client_id=client_id, redirect_uri=LOOPBACK, response_mode="form_post")
    )
    assert read_form(page.form.submit("decision", value="allow"), to=LOOPBACK)["code"]


def test_a_program_on_loopback_gets_the_post(flow: Flow) -> None:
    uri = LOOPBACK.replace("127.0.0.1", "127.0.0.1:12345")
    page = decide(flow, "allow", flow.native, redirect_uri=uri)
    assert "a program on this device" in page.text
    assert flow.redeem(read_form(page, to=uri)["code"], flow.native, redirect_uri=uri)["access_token"]


@pytest.mark.promise("AS-57")
def test_a_page_that_is_loaded_again_has_the_same_code_until_it_is_used(flow: Flow) -> None:
    page = flow.show(response_mode="form_post")
    first, second = (read_form(page.form.submit("decision", value="allow"))["code"] for _ in range(2))
    assert first == second
    assert flow.redeem(first)["access_token"]
    again = page.form.submit("decision", value="allow", status=409)
    assert first not in again.text
    third = read_form(ask(flow))["code"]  # allowed before: there is no question
    assert third != first
    assert flow.redeem(third)["access_token"]


def test_a_request_by_post_keeps_its_mode(flow: Flow) -> None:
    browser = flow.sign_in()
    sent = browser.post("/oauth/authorize", flow.ask(response_mode="form_post"))
    assert sent.status_int == 303
    assert read_form(browser.get(sent.headers["Location"]).form.submit("decision", value="allow"))["code"]


def test_the_page_speaks_the_languages_of_the_others(flow: Flow) -> None:
    for language, button in (("de", "Weiter"), ("fr", "Continuer"), ("ja", "続ける"), ("en", "Continue")):
        page = decide(flow, "deny", ui_locales=language)
        assert f">{button}</button>" in page.text
        assert f'<html lang="{language}"' in page.text


def test_a_user_who_signs_in_first_is_answered_in_the_same_way(flow: Flow) -> None:
    stranger = TestApp(flow.server.app.app)
    away = stranger.get("/oauth/authorize", flow.ask(response_mode="form_post"))
    assert "response_mode%3Dform_post" in away.headers["Location"]
