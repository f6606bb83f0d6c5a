"""Administration in the browser: who may, only soon after a sign-in, each change once and with its author."""

from __future__ import annotations

import csv
import io
import json
import re
import sqlite3
import time
from typing import Any

import pytest
from joserfc.jwk import ECKey
from pyramid.exceptions import ConfigurationExecutionError
from webtest import TestApp

from pyramid_oauthguard.server.admin.trail import as_cell
from pyramid_oauthguard.server.keys import get_keys
from tests.server.conftest import Build, basic
from tests.server.flows import Flow, People, build_flow, read_answer, read_next

PAGES = [
    "/oauth/admin",
    "/oauth/admin/clients",
    "/oauth/admin/users",
    "/oauth/admin/keys",
    "/oauth/admin/audit",
    "/oauth/admin/health",
]


class Operators(People):
    """Users whose sign-in was ``ago`` seconds ago; berta is in the group."""

    ago = 0.0

    def auth_time(self, request: Any) -> float:
        return time.time() - self.ago

    def sign_out(self, request: Any) -> Any:
        return [("Set-Cookie", "user=; Path=/; Max-Age=0")]

    def principals(self, request: Any) -> list[str]:
        return ["group:operators"] if request.cookies.get("user") == "berta" else []


def build_admin(build: Build, monkeypatch: pytest.MonkeyPatch, **settings: str) -> Flow:
    monkeypatch.setattr("tests.server.flows.People", Operators)
    return build_flow(build, {"admin": "user:anna group:operators", **settings})


@pytest.fixture
def flow(build: Build, monkeypatch: pytest.MonkeyPatch) -> Flow:
    return build_admin(build, monkeypatch)


def press(browser: TestApp, path: str, text: str, *, skip: int = 0, status: Any = None) -> Any:
    page: Any = browser.get(path)
    forms = [
        form for _key, form in sorted(page.forms.items(), key=lambda each: str(each[0])) if f">{text}<" in form.text
    ]
    unique = list(dict.fromkeys(forms))
    return confirm(unique[skip].submit(status="*"), status=status)


def confirm(page: Any, *, status: Any = None) -> Any:
    """What follows the page that says what will happen, if this is it."""
    if ">Do it<" in page.text:
        page = page.form.submit(status="*")
    assert status is None or page.status_int == status, page
    return page


def read_trail(flow: Flow, event: str) -> list[dict[str, Any]]:
    with flow.server.service.store.reading() as unit:
        return [json.loads(entry.detail or "{}") for entry in unit.list_audit(limit=50, event=event)]


def create(browser: TestApp, **fields: str) -> Any:
    page: Any = browser.get("/oauth/admin/clients")
    form = next(form for form in page.forms.values() if "redirect_uris" in form.fields)
    for name, value in {"name": "Made here", "grants": "client_credentials", "scopes": "read", **fields}.items():
        form[name] = value
    return form.submit(status="*")


@pytest.mark.slow
@pytest.mark.parametrize("path", PAGES)
def test_without_the_setting_there_is_no_administration(build: Build, path: str) -> None:
    flow = build_flow(build)
    flow.sign_in().get(path, status=404)


@pytest.mark.parametrize("path", PAGES)
def test_only_named_users_see_it(flow: Flow, path: str) -> None:
    for who, status in (("anna", 200), ("berta", 200), ("carl", 403)):
        page: Any = flow.sign_in(who).get(path, status=status)
        assert "<script" not in page.text
        assert page.headers["Cache-Control"] == "no-store"
        assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]
    assert TestApp(flow.server.app.app).get(path).headers["Location"].startswith("http://localhost/sign-in")
    flow.people.gone.add("anna")
    flow.sign_in("anna").get(path, status=403)


def test_a_token_is_no_user(flow: Flow) -> None:
    answer = flow.sign_in().get("/oauth/admin/clients", headers={"Authorization": f"Bearer {flow.server.token()}"})
    assert answer.status_int == 303


@pytest.mark.parametrize("named", ["system.Everyone", "system.Authenticated", "user:anna system.x"])
def test_principals_of_pyramid_can_not_be_named(build: Build, monkeypatch: pytest.MonkeyPatch, named: str) -> None:
    with pytest.raises(ConfigurationExecutionError, match=r"oauthguard\.server\.admin: .*system\."):
        build_admin(build, monkeypatch, admin=named)


@pytest.mark.parametrize("named", ["user:", "user:anna client:", "group:"])
def test_a_principal_without_an_identifier_can_not_be_named(build: Build, monkeypatch: Any, named: str) -> None:
    with pytest.raises(ConfigurationExecutionError, match=r"oauthguard\.server\.admin: .*names no user or client"):
        build_admin(build, monkeypatch, admin=named)


def test_an_application_that_can_not_sign_users_in_again_can_not_turn_it_on(build: Build) -> None:
    with pytest.raises(ConfigurationExecutionError, match=r"oauthguard\.server\.admin: needs the method sign_out"):
        build_flow(build, {"admin": "user:anna"})


def test_a_client_is_made_and_its_secret_is_shown_once(flow: Flow) -> None:
    browser = flow.sign_in()
    made = create(browser)
    assert made.headers["Cache-Control"] == "no-store"
    client = next(each for each in flow.server.clients.list_all() if each.name == "Made here")
    secret = made.html.select(".note code")[0].text
    headers = basic(client.client_id, secret)
    assert flow.server.app.post("/oauth/token", {"grant_type": "client_credentials"}, headers=headers).json[
        "access_token"
    ]
    for path in PAGES:
        assert secret not in browser.get(path).text
    assert [each["administrator"] for each in read_trail(flow, "ClientCreated") if "administrator" in each] == ["anna"]


def test_a_form_that_is_sent_twice_makes_one_client_and_shows_no_secret_again(flow: Flow) -> None:
    page: Any = flow.sign_in().get("/oauth/admin/clients")
    form = next(form for form in page.forms.values() if "redirect_uris" in form.fields)
    form["name"], form["grants"] = "Twice", "client_credentials"
    assert form.submit().status_int == 200
    assert form.submit().headers["Location"].endswith("/oauth/admin/clients")
    assert [each.name for each in flow.server.clients.list_all()].count("Twice") == 1


def test_what_can_not_be_registered_is_said(flow: Flow) -> None:
    page = create(flow.sign_in(), grants="nothing")
    assert page.status_int == 422
    assert "grants: " in page.text


def test_secrets_rotate_and_clients_end(flow: Flow) -> None:
    browser = flow.sign_in("berta")
    token = flow.server.token()
    count = len([each for each in flow.server.clients.list_all() if each.revoked_at is None])
    rotated = press(browser, "/oauth/admin/clients", "New secret")
    assert rotated.html.select(".note code")[0].text.startswith("ogcs_")
    for _ in range(count):
        assert press(browser, "/oauth/admin/clients", "Disable for good").status_int == 303
    assert not [each for each in flow.server.clients.list_all() if each.revoked_at is None]
    assert {each["administrator"] for each in read_trail(flow, "ClientRevoked")} == {"berta"}
    assert token


def test_keys_are_made_retired_and_revoked(flow: Flow) -> None:
    browser = flow.sign_in()
    press(browser, "/oauth/admin/keys", "Make the next key")
    assert [key.state for key in get_keys(flow.server.registry).list_all()] == ["signing", "next"]
    refused = press(browser, "/oauth/admin/keys", "Make the next key", status=422)
    assert "is published already" in refused.text
    press(browser, "/oauth/admin/keys", "Retire")
    press(browser, "/oauth/admin/keys", "Revoke with all its tokens")
    assert "revoked" in [key.state for key in get_keys(flow.server.registry).list_all()]
    assert read_trail(flow, "SigningKeyRevoked")[0]["administrator"] == "anna"


def test_what_a_user_allowed_is_ended_with_all_its_tokens(flow: Flow) -> None:
    asked = flow.show(browser=flow.sign_in("carl")).forms[1]
    tokens = flow.redeem(read_answer(asked.submit("decision", value="allow"))["code"])
    assert flow.is_active(tokens["access_token"])
    path = "/oauth/admin/users?subject=carl"
    assert "Web shop" in flow.sign_in().get(path).text
    press(flow.sign_in(), path, "End with all its tokens")
    assert not flow.is_active(tokens["access_token"])
    assert "has allowed nothing" in flow.sign_in().get(path).text
    assert read_trail(flow, "ConsentRevoked")[0]["administrator"] == "anna"


@pytest.mark.parametrize("ago", [301.0, -60.0])
def test_each_change_needs_a_recent_sign_in(flow: Flow, ago: float) -> None:
    flow.people.ago = ago  # type: ignore[attr-defined]
    browser = flow.sign_in()
    for path, text in (
        ("/oauth/admin/clients", "Create"),
        ("/oauth/admin/clients", "New secret"),
        ("/oauth/admin/clients", "Disable for good"),
        ("/oauth/admin/keys", "Make the next key"),
        ("/oauth/admin/keys", "Retire"),
        ("/oauth/admin/keys", "Revoke with all its tokens"),
    ):
        page = press(browser, path, text, status=403)
        assert "Sign in again" in page.text
        assert page.forms[0].submit().headers["Location"].endswith(path)
        browser.set_cookie("user", "anna")
    assert not [each for each in flow.server.clients.list_all() if each.revoked_at is not None]
    assert [key.state for key in get_keys(flow.server.registry).list_all()] == ["signing"]


def test_another_site_and_another_administrator_can_not_press_a_button(flow: Flow) -> None:
    page: Any = flow.sign_in("berta").get("/oauth/admin/keys")
    foreign = next(form for form in page.forms.values() if ">Make the next key<" in form.text)["ticket"].value
    for ticket in ("", "x", foreign, flow.show().forms[1]["ticket"].value):
        flow.sign_in("anna").post("/oauth/admin", {"ticket": ticket}, status=400)
    flow.sign_in("carl").post("/oauth/admin", {"ticket": foreign}, status=403)
    assert [key.state for key in get_keys(flow.server.registry).list_all()] == ["signing"]


def test_the_trail_is_filtered_and_exported(flow: Flow) -> None:
    create(flow.sign_in(), name="=1+1")
    browser = flow.sign_in()
    assert "ClientCreated" in browser.get("/oauth/admin/audit").text
    assert "No line matches" in browser.get("/oauth/admin/audit?event=Nothing").text
    lines = browser.get("/oauth/admin/audit?event=ClientCreated&format=json").json["entries"]
    assert {line["event"] for line in lines} == {"ClientCreated"}
    sent = browser.get("/oauth/admin/audit?event=ClientCreated&format=csv")
    assert sent.headers["Content-Disposition"] == "attachment; filename=audit.csv"
    rows = list(csv.DictReader(io.StringIO(sent.text)))
    assert [row["event"] for row in rows] == ["ClientCreated"] * len(lines)


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@x", "\t=1", "\r=1", "\n=1", "＝1", "＠x"])
def test_no_cell_is_a_formula(text: str) -> None:
    assert as_cell(text) == f"'{text}"
    assert as_cell(f"x{text}") == f"x{text}"
    assert as_cell(None) == ""


@pytest.mark.parametrize("begin", [";", "; ", ';"', ";'", "|", ';"" '])
def test_no_cell_becomes_a_formula_where_the_separator_is_a_semicolon(begin: str) -> None:
    hostile = f"https://evil.example/{begin}=HYPERLINK(A1)"
    assert as_cell(hostile) == f"https://evil.example/{begin[0]}'{begin[1:]}=HYPERLINK(A1)"
    assert as_cell("a;b=c; d") == "a;b=c; d"


def read_checks(page: Any) -> dict[str, str]:
    return {each.h2.text: each.p.text for each in page.html.select("section")}


def test_the_health_page_says_what_the_health_view_says_to_those_who_may_know(flow: Flow) -> None:
    flow.server.token()
    page: Any = flow.sign_in().get("/oauth/admin/health")
    assert "Ready: everything works." in page.text
    assert read_checks(page) == dict.fromkeys(("database", "signing key", "expired rows"), "It works")
    assert re.search(r"<code>age_seconds</code> \d", page.text)
    assert 'href="http' not in page.text.replace('href="http://localhost/', "")
    assert flow.server.app.get("/oauthguard/health").text == "ready\n"


def test_the_health_page_is_there_when_the_storage_is_away(flow: Flow) -> None:
    flow.server.app.get("/oauth/admin/clients", status="*")
    with sqlite3.connect(flow.server.file) as database:
        for table in ("oauth_clients", "oauth_assertions"):
            database.execute(f"ALTER TABLE {table} RENAME TO gone_{table}")
    database.close()
    flow.sign_in().get("/oauth/admin/clients", status=503)
    page: Any = flow.sign_in().get("/oauth/admin/health")
    assert "Not ready" in page.text
    assert read_checks(page)["database"] == "It does not work: storage"
    assert "oauth_assertions" not in page.text, "the text of the error is for the log"
    flow.sign_in("carl").get("/oauth/admin/health", status=403)
    assert TestApp(flow.server.app.app).get("/oauth/admin/health").status_int == 303
    flow.sign_in().post("/oauth/admin/health", status=405)


CONFIRMED = [
    ("/oauth/admin/clients", "Disable for good", "Disable this client for good?"),
    ("/oauth/admin/client?client_id={client_id}", "End this secret", "End this secret?"),
    ("/oauth/admin/users?subject=carl", "End all grants", "End all grants of this user?"),
    ("/oauth/admin/users?subject=carl", "Forget this user", "Forget this user?"),
    ("/oauth/admin/keys", "Revoke with all its tokens", "Revoke this key?"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("path", "button", "question"), CONFIRMED)
def test_what_can_not_be_undone_is_asked_first(flow: Flow, path: str, button: str, question: str) -> None:
    browser, lines = flow.sign_in(), count_lines(flow)
    path = path.format(client_id=flow.web.client.client_id)
    page: Any = browser.get(path)
    pressed = next(form for form in page.forms.values() if f">{button}<" in form.text)
    asked = pressed.submit(status=200)
    assert asked.html.h1.text == question
    assert "This can’t be undone." in asked.text
    assert "<script" not in asked.text
    assert count_lines(flow) == lines, "nothing was done"
    assert asked.html.select_one(".ways a")["href"] == path
    assert pressed.submit(status=200).html.h1.text == question, "the button still works"
    assert asked.form.submit(status=303).headers["Location"].endswith(path)
    assert count_lines(flow) > lines or "user" in path
    done = count_lines(flow)
    assert asked.form.submit(status=303).headers["Location"].endswith(path)
    assert count_lines(flow) == done, "once"


@pytest.mark.promise("AD-01")
def test_the_question_does_not_replace_the_new_sign_in(flow: Flow) -> None:
    people = flow.people
    assert isinstance(people, Operators)
    browser = flow.sign_in()
    page: Any = browser.get("/oauth/admin/keys")
    pressed = next(form for form in page.forms.values() if ">Revoke with all its tokens<" in form.text)
    asked = pressed.submit(status=200)
    people.ago = 301.0
    assert "Sign in again" in pressed.submit(status=403).text
    again = asked.form.submit(status=403)
    assert [key.state for key in get_keys(flow.server.registry).list_all()] == ["signing"]
    people.ago = 0.0
    again.forms[1].submit(status=303)
    assert "revoked" in [key.state for key in get_keys(flow.server.registry).list_all()]


@pytest.mark.promise("AD-01")
def test_the_question_of_one_administrator_is_not_answered_by_another_one(flow: Flow) -> None:
    page: Any = flow.sign_in("berta").get("/oauth/admin/keys")
    asked = next(form for form in page.forms.values() if ">Revoke with all its tokens<" in form.text).submit()
    flow.sign_in("anna").post("/oauth/admin", {"ticket": asked.form["ticket"].value}, status=400)
    # what the ticket does not say is not confirmed
    ticket = next(form for form in page.forms.values() if ">Revoke with all its tokens<" in form.text)["ticket"].value
    flow.sign_in("berta").post("/oauth/admin", {"ticket": ticket, "confirmed": "yes"}, status=200)
    assert [key.state for key in get_keys(flow.server.registry).list_all()] == ["signing"]


def count_lines(flow: Flow) -> int:
    with flow.server.service.store.reading() as unit:
        return len(unit.list_audit(limit=1000))


TYPED = {
    "name": "Typed <b>",
    "redirect_uris": "https://web.example/#x",
    "grants": "authorization_code",
    "scopes": "read",
    "audiences": "https://api.example",
}


def test_what_was_typed_for_a_new_client_is_shown_again_beside_the_message(flow: Flow) -> None:
    browser = flow.sign_in()
    page = create(browser, **TYPED)
    assert page.status_int == 422
    form = next(form for form in page.forms.values() if "redirect_uris" in form.fields)
    assert {name: form[name].value for name in TYPED} == TYPED
    wrong = page.html.select_one("[aria-invalid=true]")
    assert (wrong["name"], wrong["aria-describedby"]) == ("redirect_uris", "redirect_uris-problem")
    assert page.html.select_one("#redirect_uris-problem").text.startswith("redirect_uris: ")
    assert page.html.title.text.startswith("Error")
    form["redirect_uris"] = "https://web.example/cb"
    assert form.submit().status_int == 200
    assert "Typed <b>" in [each.name for each in flow.server.clients.list_all()]


def test_the_boxes_of_a_new_client_stay_checked(flow: Flow) -> None:
    page: Any = flow.sign_in().get("/oauth/admin/clients")
    form = next(form for form in page.forms.values() if "redirect_uris" in form.fields)
    form["name"], form["grants"] = "Both", "client_credentials"
    form["public"], form["resource_server"] = True, True
    refused = form.submit(status=422)
    again = next(form for form in refused.forms.values() if "redirect_uris" in form.fields)
    assert (again["public"].checked, again["resource_server"].checked) == (True, True)
    assert len(refused.html.select(".error")) == 1


@pytest.mark.parametrize("ended", ["an old sign-in", "the session"])
def test_what_was_typed_is_still_there_after_a_new_sign_in(flow: Flow, ended: str) -> None:
    people = flow.people
    assert isinstance(people, Operators)
    browser = flow.sign_in()
    page: Any = browser.get("/oauth/admin/clients")
    form = next(form for form in page.forms.values() if "redirect_uris" in form.fields)
    for name, value in {**TYPED, "redirect_uris": "https://web.example/cb\nhttps://web.example/2"}.items():
        form[name] = value
    form["public"] = True
    if ended == "the session":
        browser.set_cookie("user", "")
    else:
        people.ago = 301.0
    kept = form.submit(status=403)
    assert "<b>" not in kept.text
    browser.set_cookie("user", "anna")
    people.ago = 0.0
    sent_again = next(form for form in kept.forms.values() if ">Send it again<" in form.text)
    assert sent_again.submit().status_int == 200
    made = next(each for each in flow.server.clients.list_all() if each.name == "Typed <b>")
    assert made.redirect_uris == ("https://web.example/cb", "https://web.example/2")
    assert made.public


def test_keys_that_can_not_be_public_are_not_sent_back(flow: Flow) -> None:
    people = flow.people
    assert isinstance(people, Operators)
    people.ago = 301.0
    page: Any = flow.sign_in().get("/oauth/admin/client", {"client_id": flow.web.client.client_id})
    form = next(form for form in page.forms.values() if ">Replace the keys<" in form.text)
    key = ECKey.generate_key("P-256")
    for private, is_kept in ((True, False), (False, True)):
        form["jwks"] = json.dumps({"keys": [key.as_dict(private=private)]})
        kept = form.submit(status=403)
        assert ("jwks" in kept.forms[1].fields) is is_kept
        assert key.as_dict(private=True)["d"] not in kept.text


@pytest.mark.slow
@pytest.mark.parametrize("path", [*PAGES, "/oauth/admin/users?subject=carl"])
def test_somebody_else_can_sign_in_from_each_page_and_comes_back_to_it(flow: Flow, path: str) -> None:
    browser = flow.sign_in()
    switch = next(form for form in browser.get(path).forms.values() if "Not you?" in form.text)
    answer: Any = switch.submit(status=303)
    assert answer.headers["Set-Cookie"].startswith("user=;")
    assert answer.headers["Location"].endswith(path)
    browser.reset()
    asked = answer.follow(status=303)
    browser.set_cookie("user", "berta")
    assert "Berta" in browser.get(read_next(asked)).text


def test_who_may_not_administer_can_let_somebody_else_sign_in(flow: Flow) -> None:
    page: Any = flow.sign_in("carl").get("/oauth/admin/keys", status=403)
    assert "Carl" in page.text
    answer = page.form.submit(status=303)
    assert answer.headers["Set-Cookie"].startswith("user=;")
    assert answer.headers["Location"].endswith("/oauth/admin")


def test_a_switch_that_another_administrator_was_shown_signs_nobody_out(flow: Flow) -> None:
    shown: Any = flow.sign_in("berta").get("/oauth/admin")
    switch = next(form for form in shown.forms.values() if "Not you?" in form.text)
    answer = flow.sign_in("anna").post(switch.action, {"ticket": switch["ticket"].value}, status=400)
    assert "Set-Cookie" not in answer.headers


@pytest.mark.slow
@pytest.mark.parametrize("path", PAGES[1:])
def test_the_links_say_which_page_is_shown(flow: Flow, path: str) -> None:
    page: Any = flow.sign_in().get(path)
    assert [link["href"] for link in page.html.select("nav [aria-current=page]")] == [path]
