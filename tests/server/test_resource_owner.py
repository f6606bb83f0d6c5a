"""What the application answers about its users: answers of the wrong kind, and sessions that end on a page."""

from __future__ import annotations

import base64
import contextlib
import json
import sqlite3
import uuid
from datetime import UTC, datetime

import pytest
import time_machine

from pyramid_oauthguard.errors import SettingError
from tests.server.flows import People, build_flow, read_answer, read_next


@pytest.fixture
def flow(build):
    return build_flow(build)


def read_errors(caplog):
    return [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]


class Row:
    """A user of an ORM."""


@pytest.mark.slow
@pytest.mark.parametrize("found", [7, 0, uuid.uuid4(), b"anna", 7.5, True, Row(), ("anna",)])
def test_an_identifier_that_is_not_text_is_said_in_the_log_with_what_to_return(flow, caplog, found):
    flow.people.user = lambda request: found
    answer = read_answer(flow.server.app.get("/oauth/authorize", flow.ask()))
    assert (answer["error"], answer["state"], answer["to"]) == ("server_error", "s t/%", "https://web.example/callback")
    (said,) = read_errors(caplog)
    assert said == (
        f"user() of the resource owner returned a value of type {type(found).__name__}; "
        "it must be text, the sub of the user: return str(user.id)"
    )
    assert "anna" not in said


@pytest.mark.slow
@pytest.mark.parametrize("path", ["/oauth/device", "/oauth/applications"])
def test_the_other_pages_say_that_something_is_wrong_here(flow, caplog, path):
    flow.people.user = lambda request: 7
    page = flow.server.app.get(path, status=400)
    assert "Its operators find the reason in their log" in page.text
    assert "return str(user.id)" in read_errors(caplog)[0]


@pytest.mark.slow
def test_an_identifier_that_changes_its_type_on_the_page(flow, caplog):
    page = flow.show()
    flow.people.user = lambda request: 7
    answer = page.form.submit("decision", value="allow", status="*")
    assert answer.status_int == 400
    assert "return str(user.id)" in read_errors(caplog)[0]


@pytest.mark.slow
@pytest.mark.parametrize("found", [7, b"Anna", True, ["Anna"], Row(), "Anna \ud800"])
def test_a_name_that_is_not_text_is_said_in_the_log(build, caplog, found):
    """It was a TypeError of the template, and of the token: neither named the hook."""
    flow = build_flow(build, {"user_names_in_tokens": "true"})
    code = flow.allow()
    flow.people.user_name = lambda subject: found
    assert flow.redeem(code, status=400)["error"] == "server_error"
    assert flow.sign_in().get("/oauth/applications", status=400)
    said = f"user_name() of the resource owner returned a value of type {type(found).__name__}; it must be text"
    assert [each.startswith(said) for each in read_errors(caplog)] == [True, True]


@pytest.mark.slow
def test_an_empty_name_is_no_name(build):
    flow = build_flow(build, {"user_names_in_tokens": "true", "access_token_format": "jwt"})
    flow.people.user_name = lambda subject: ""
    assert "signed in as" not in flow.show().text
    body = flow.redeem(flow.allow())["access_token"].split(".")[1]
    assert "preferred_username" not in json.loads(base64.urlsafe_b64decode(body + "=="))


@pytest.mark.slow
def test_a_name_is_asked_for_while_no_transaction_of_the_server_is_open(build, tmp_path):
    """The hook was called in the transaction that stores the token: its own write to the same file waited for that one."""
    flow = build_flow(build, {"user_names_in_tokens": "true"})
    [file] = tmp_path.glob("*.sqlite")
    writes = []

    def user_name(subject):
        with contextlib.closing(sqlite3.connect(file, timeout=0.1)) as other:
            other.execute("CREATE TABLE IF NOT EXISTS seen (name)")
            other.commit()
        writes.append(subject)
        return subject

    code = flow.allow()
    flow.people.user_name = user_name
    tokens = flow.redeem(code)
    flow.redeem(None, grant_type="refresh_token", refresh_token=tokens["refresh_token"])
    assert writes == ["anna", "anna"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("found", "status"),
    [
        (None, 403),
        ([], 403),
        (iter(()), 403),
        ({"group:staff"}, 200),
        ("group:staff", 400),
        (7, 400),
        ([b"group:staff"], 400),
    ],
)
def test_principals_that_are_not_a_list_of_text(build, caplog, monkeypatch, found, status):
    """None, of a user without groups, was a TypeError, and a text was taken for a list of characters."""
    monkeypatch.setattr(People, "sign_out", lambda self, request: None, raising=False)
    flow = build_flow(build, {"admin": "group:staff"})
    flow.people.principals = lambda request: found
    flow.sign_in().get("/oauth/admin", status=status)
    assert bool(read_errors(caplog)) is (status == 400)
    assert all("principals() of the resource owner" in each for each in read_errors(caplog))


@pytest.mark.slow
@pytest.mark.parametrize(
    "found", ["yesterday", datetime.now(UTC), True, float("nan"), float("inf"), 10**400, complex(1)]
)
def test_a_time_that_is_not_in_seconds_is_said_in_the_log(flow, caplog, found):
    page = flow.show()
    flow.people.auth_time = lambda request: found
    answer = read_answer(page.form.submit("decision", value="allow"))
    assert answer["error"] == "server_error"
    assert "auth_time() of the resource owner" in read_errors(caplog)[0]
    assert "moment.timestamp()" in read_errors(caplog)[0]


@pytest.mark.slow
@pytest.mark.parametrize("found", [None, "/sign-in", 303])
def test_a_sign_in_that_is_not_a_response_is_said_in_the_log(flow, caplog, found):
    flow.people.sign_in = lambda request: found
    answer = read_answer(flow.server.app.get("/oauth/authorize", flow.ask()))
    assert answer["error"] == "server_error"
    assert "sign_in() of the resource owner" in read_errors(caplog)[0]


@pytest.mark.slow
@pytest.mark.parametrize("decision", ["allow", "deny"])
def test_a_session_that_ends_on_the_consent_page_leads_to_the_sign_in_page_and_back(flow, decision):
    browser = flow.sign_in()
    page = flow.show(browser=browser, state="s" * 3000)
    browser.reset()
    again = page.form.submit("decision", value=decision, status=303)
    to_sign_in = browser.get(again.headers["Location"], status=303)
    target = read_next(to_sign_in)
    assert target.startswith("/oauth/authorize?")
    browser.set_cookie("user", "bob")
    asked = browser.get(target)
    assert "Bob" in asked.text
    answer = read_answer(asked.form.submit("decision", value="allow"))
    assert answer["code"]
    assert answer["state"] == "s" * 3000


@pytest.mark.slow
def test_another_user_does_not_take_over_the_page(flow):
    browser = flow.sign_in()
    page = flow.show(browser=browser)
    browser.set_cookie("user", "bob")
    assert "shown to somebody else" in page.form.submit("decision", value="allow", status=400).text


@pytest.mark.slow
def test_a_page_that_is_not_ours_leads_nowhere(flow):
    form = {"ticket": "AAAA", "decision": "allow", "redirect_uri": "https://evil.example/"}
    for path in ("/oauth/authorize", "/oauth/device", "/oauth/applications"):
        assert flow.server.app.post(path, form, status=400).content_type == "text/html"


@pytest.mark.slow
def test_a_page_shown_too_long_ago_still_leads_to_the_sign_in_page(flow):
    browser = flow.sign_in()
    with time_machine.travel(0, tick=False):
        page = flow.show(browser=browser)
    browser.reset()
    again = page.form.submit("decision", value="allow", status=303)
    assert "client_id=" in again.headers["Location"]


@pytest.mark.slow
def test_a_session_that_ends_on_the_device_page_leads_to_the_sign_in_page_with_the_code(flow):
    device = flow.server.clients.create("TV", public=True, grants=["device_code"], scopes=["read"])
    form = {"client_id": device.client.client_id}
    codes = flow.server.app.post("/oauth/device_authorization", form).json
    browser = flow.sign_in()
    page = browser.get("/oauth/device", {"user_code": codes["user_code"]})
    browser.reset()
    again = page.form.submit(status=303)
    assert again.headers["Location"].endswith(f"/oauth/device?user_code={codes['user_code']}")
    assert read_next(browser.get(again.headers["Location"])).endswith(codes["user_code"])
    browser.set_cookie("user", "anna")
    decision = browser.get(again.headers["Location"]).form.submit()
    browser.reset()
    again = decision.form.submit("decision", value="allow", status=303)
    assert read_next(browser.get(again.headers["Location"])) == "/oauth/device"


@pytest.mark.slow
def test_a_session_that_ends_on_the_page_of_applications_leads_to_the_sign_in_page(flow):
    flow.allow()
    browser = flow.sign_in()
    page = browser.get("/oauth/applications")
    browser.reset()
    again = page.forms[0].submit(status=303)
    assert read_next(browser.get(again.headers["Location"])) == "/oauth/applications"
    assert "Web shop" in flow.sign_in().get("/oauth/applications").text, "nothing was withdrawn"


class OnlyUser:
    def user(self, request):
        return "anna"


class Static:
    user = staticmethod(lambda request: "anna")
    sign_in = staticmethod(lambda request: None)


class OnlyActive:
    def is_active(self, subject):
        return True


@pytest.mark.parametrize(
    ("owner", "problem"),
    [
        (People, "People is a class, whose methods can't be called without an object"),
        ("tests.server.flows.People", "People is a class, whose methods can't be called without an object"),
        (OnlyUser(), "an object of type OnlyUser has no method sign_in"),
        (lambda request: "anna", "an object of type function has none of the methods user, sign_in"),
        (None, "an object of type NoneType has none of the methods user, sign_in"),
    ],
)
def test_an_object_with_which_no_user_could_sign_in_stops_start_up(build, owner, problem):
    """The pages were 404 without a word, and with a class each request was a TypeError."""
    with pytest.raises(SettingError) as caught:
        build(configure=lambda config: config.set_resource_owner(owner))
    assert caught.value.key == "set_resource_owner"
    assert caught.value.problem.startswith(problem)


@pytest.mark.parametrize("owner", [OnlyActive(), Static, Static(), People()])
def test_objects_that_can_be_asked_start(build, owner):
    server = build(configure=lambda config: config.set_resource_owner(owner))
    has_pages = not isinstance(owner, OnlyActive)
    assert ("authorization_endpoint" in server.app.get("/.well-known/oauth-authorization-server").json) is has_pages
