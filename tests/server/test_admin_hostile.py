"""The administration as somebody attacks it who has an account, a client, or an old page."""

from __future__ import annotations

import base64
import dataclasses
import json
import string
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from pyramid_oauthguard.server.consent.tickets import seal_ticket
from pyramid_oauthguard.server.store.records import AuditEntry, Consent, Grant
from pyramid_oauthguard.server.store.sqlalchemy import SQLAlchemyStore
from pyramid_oauthguard.server.store.sqlalchemy.engine import build_engine
from pyramid_oauthguard.server.users import UserRegistry, get_users
from tests.server.conftest import Build
from tests.server.flows import Flow
from tests.server.test_admin import PAGES, Operators, build_admin, press, read_trail
from tests.server.test_admin_api import build_api
from tests.server.test_admin_editing import open_form

pytestmark = pytest.mark.slow

EVIL = '"><img src=x onerror=alert(1)><script>alert(1)</script>{{7*7}}'


@pytest.fixture
def flow(build: Build, monkeypatch: pytest.MonkeyPatch) -> Flow:
    return build_admin(build, monkeypatch)


@pytest.mark.promise("AD-01")
@pytest.mark.parametrize(
    "who", ["Anna", "anna ", "ANNA", "user:anna", "anna/..", "group:operators", "operators", "аnna"]
)
def test_no_other_spelling_of_a_name_is_an_administrator(build: Build, monkeypatch: Any, who: str) -> None:
    class Others(Operators):
        def user(self, request: Any) -> str | None:
            return who

        def principals(self, request: Any) -> list[str]:
            return []

    monkeypatch.setattr("tests.server.test_admin.Operators", Others)
    flow = build_admin(build, monkeypatch)
    for path in PAGES[:2]:
        flow.sign_in("x").get(path, status=403)


@pytest.mark.promise("AD-01")
def test_a_ticket_of_another_form_or_of_another_action_does_nothing(flow: Flow) -> None:
    service, browser = flow.server.service, flow.sign_in()
    consent = flow.show(browser=browser).forms[1]["ticket"].value
    for purpose in ("consent", "withdraw", "switch user", "notice"):
        forged = seal_ticket(service.pepper, purpose, {"action": "rotate_keys"}, subject="anna")
        browser.post("/oauth/admin", {"ticket": forged}, status=400)
    browser.post("/oauth/admin", {"ticket": consent}, status=400)
    ticket = open_form(browser, flow.web.client.client_id)["ticket"].value
    # what is edited is in the ticket: fields of the form that name something else are not read
    sent = {"ticket": ticket, "client_id": flow.native.client.client_id, "action": "disable_client", "name": "X"}
    browser.post("/oauth/admin", {**sent, "require_pkce": "setting"}, status="*")
    assert flow.server.clients.find(flow.native.client.client_id) == flow.native.client
    browser.get("/oauth/admin", {"ticket": ticket}, status=200)
    assert read_trail(flow, "ClientRevoked") == []


@pytest.mark.promise("AD-01")
def test_two_clicks_at_the_same_time_are_one_change(flow: Flow) -> None:
    browsers = [flow.sign_in() for _ in range(4)]
    page: Any = browsers[0].get("/oauth/admin/clients")
    form = next(form for form in page.forms.values() if ">New secret<" in form.text)
    ticket, answers = form["ticket"].value, []

    def click(browser: Any) -> None:
        answers.append(browser.post("/oauth/admin", {"ticket": ticket}, status="*").status_int)

    threads = [threading.Thread(target=click, args=(browser,)) for browser in browsers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [200, 303, 303, 303]
    assert len(read_trail(flow, "ClientSecretRotated")) == 1


@pytest.mark.promise("AD-01")
def test_a_secret_is_in_no_address_no_later_page_and_no_trail(flow: Flow) -> None:
    browser = flow.sign_in()
    made = press(browser, "/oauth/admin/clients", "New secret")
    secret = made.html.select(".note code")[0].text
    assert "Location" not in made.headers
    assert secret not in str(made.headers)
    with flow.server.service.store.reading() as unit:
        assert secret not in repr(unit.list_audit(limit=99))
    for path in [*PAGES, f"/oauth/admin/client?client_id={flow.web.client.client_id}", "/oauth/admin/audit?format=csv"]:
        assert secret not in browser.get(path).text


@pytest.mark.promise("AD-01")
def test_what_clients_and_users_are_called_is_only_text(flow: Flow) -> None:
    store = flow.server.service.store
    with store.writing() as unit:
        hostile = dataclasses.replace(flow.web.client, name=EVIL, owner=EVIL)
        unit.update_client(hostile, ["name", "owner"])
    browser, client = flow.sign_in(), f"/oauth/admin/client?client_id={flow.web.client.client_id}"
    for path in [*PAGES, client, f"/oauth/admin/users?subject={EVIL}", f"/oauth/admin/audit?event={EVIL}"]:
        page: Any = browser.get(path)
        assert "<script" not in page.text
        assert not page.html.select("[onerror]")
        assert page.headers["X-Frame-Options"] == "DENY"
        assert page.headers["Referrer-Policy"] == "no-referrer"


@pytest.mark.promise("AD-01")
def test_the_name_of_a_key_turned_the_text_of_an_admin_page_around(flow: Flow) -> None:
    """Clients that register themselves choose it."""
    keys = json.dumps({"keys": [{"kty": "EC", "kid": "\u202e\x1b[2J-one"}]})
    with flow.server.service.store.writing() as unit:
        unit.update_client(dataclasses.replace(flow.web.client, jwks=keys), ["jwks"])
    page = flow.sign_in().get(f"/oauth/admin/client?client_id={flow.web.client.client_id}")
    assert "[2J-one</code>" in page.text
    assert not {"\u202e", "\x1b"} & set(page.text)


@pytest.mark.promise("AD-01")
def test_who_lost_the_right_can_not_send_the_page_that_is_open(flow: Flow) -> None:
    form = open_form(flow.sign_in(), flow.web.client.client_id)
    form["name"] = "Changed"
    flow.people.gone.add("anna")
    form.submit(status=403)
    client = flow.server.clients.find(flow.web.client.client_id)
    assert client is not None
    assert client.name == "Web shop"


@pytest.mark.parametrize(
    "query", ["event=A&event=B", "subject=carl&subject=anna", "client_id=a&client_id=b", "x=1&x=1"]
)
def test_a_filter_that_is_sent_twice_does_not_show_everything(flow: Flow, query: str) -> None:
    for kind in ("", "&format=csv", "&format=json"):
        flow.sign_in().get(f"/oauth/admin/audit?{query}{kind}", status=400)


def test_no_other_site_gets_a_window_or_a_file_of_the_administration(flow: Flow) -> None:
    for path in [*PAGES, "/oauth/admin/audit?format=csv", "/oauth/admin/audit?format=json"]:
        answer = flow.sign_in().get(path)
        assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert answer.headers["Cache-Control"] == "no-store"


def test_another_site_learnt_from_its_window_who_is_an_administrator(flow: Flow) -> None:
    """A site that opens a page keeps its window, or loses it: that must not depend on the user."""
    allowed, refused = (flow.sign_in(who).get("/oauth/admin", status="*") for who in ("anna", "carl"))
    assert (allowed.status_int, refused.status_int) == (200, 403)
    for name in ("Cross-Origin-Opener-Policy", "Cross-Origin-Resource-Policy"):
        assert allowed.headers[name] == refused.headers[name] == "same-origin"


def copy_client(flow: Flow, count: int) -> None:
    """Many clients, and as many grants, consents and lines about dora."""
    store, now = flow.server.service.store, time.time()
    with store.writing() as unit:
        for number in range(count):
            name = f"many-{number:03}"
            unit.add_client(dataclasses.replace(flow.native.client, client_id=name, name=name, created_at=now + number))
            both: Any = {"client_id": name, "subject": "dora", "scopes": (), "audiences": ()}
            unit.add_grant(Grant(grant_id=name, created_at=now + number, **both))
            unit.add_consent(Consent(consent_id=name, wording="{}", allowed_at=now + number, **both))
            unit.add_audit(AuditEntry(at=now + number, event="TokenIssued", subject="dora", client_id=name))


def test_no_page_grows_with_what_is_stored(flow: Flow) -> None:
    copy_client(flow, 420)
    browser, seen, path = flow.sign_in(), [], "/oauth/admin/clients"
    while path:
        page: Any = browser.get(path)
        names = [each.text for each in page.html.select("h2 bdi")]
        assert len(names) <= 100
        seen += names
        path = (page.html.select_one("[rel=next]") or {}).get("href")
    assert len(seen) == len(set(seen)) == len(flow.server.clients.list_all())
    user: Any = browser.get("/oauth/admin/users?subject=dora")
    assert len(user.html.select(".entry")) == 200
    assert "Only the newest are shown." in user.text
    assert "many-419" in user.text
    trail: Any = browser.get("/oauth/admin/audit?subject=dora")
    assert len(trail.html.select(".entry")) == 200
    older: Any = browser.get(trail.html.select_one("[rel=next]")["href"])
    assert "many-219" in older.text
    assert "many-220" not in older.text
    assert older.html.select_one("#subject")["value"] == "dora"


def test_a_search_that_finds_nothing_does_not_read_the_whole_trail(flow: Flow, monkeypatch: pytest.MonkeyPatch) -> None:
    copy_client(flow, 20)
    monkeypatch.setattr("pyramid_oauthguard.server.admin.trail.DEPTH", 5)
    page: Any = flow.sign_in().get("/oauth/admin/audit?event=ClientCreated")
    assert "Older lines were not looked at." in page.text
    found = 0
    while page.html.select_one("[rel=next]"):
        page = flow.sign_in().get(page.html.select_one("[rel=next]")["href"])
        found += len(page.html.select(".entry"))
    assert found == len(read_trail(flow, "ClientCreated"))
    flow.sign_in().get("/oauth/admin/audit?before=x", status=400)
    flow.sign_in().get("/oauth/admin/audit?before=999999999999", status=200)


def test_a_client_is_found_by_its_identifier(flow: Flow) -> None:
    form = next(each for each in flow.sign_in().get("/oauth/admin/clients").forms.values() if each.method == "get")
    form["client_id"] = flow.web.client.client_id
    assert "Web shop" in form.submit().html.h1.text


@pytest.mark.promise("AD-01")
def test_a_ticket_that_is_written_in_another_way_does_not_act_again(flow: Flow) -> None:
    browser = flow.sign_in()
    page: Any = browser.get("/oauth/admin/clients")
    ticket = next(each for each in page.forms.values() if ">New secret<" in each.text)["ticket"].value
    raw = base64.urlsafe_b64decode(ticket)
    loose = [each for each in string.ascii_letters if each != ticket.rstrip("=")[-1]]
    others = [f"{ticket}=", f"{ticket}==", ticket.rstrip("="), base64.b64encode(raw).decode()]
    others += [ticket.rstrip("=")[:-1] + each + ticket[len(ticket.rstrip("=")) :] for each in loose]
    browser.post("/oauth/admin", {"ticket": ticket}, status=200)
    for other in others:
        answer = browser.post("/oauth/admin", {"ticket": other}, status="*")
        assert answer.status_int in {303, 400}
        assert "ogcs_" not in answer.text
    assert len(read_trail(flow, "ClientSecretRotated")) == 1


def test_no_text_makes_a_database_look_as_if_it_were_away(
    build: Build, monkeypatch: pytest.MonkeyPatch, database: str, tmp_path: Path
) -> None:
    """PostgreSQL refuses NUL and text that is too long; the server took that for an outage, also for other requests."""
    store = SQLAlchemyStore(build_engine(database))
    store.create_tables()
    store.close()
    given = {"sqlalchemy.url": database, "pepper_file": str(tmp_path / "pepper")}
    api = build_api(build, monkeypatch, **given)
    token, browser = api.token(), api.flow.sign_in()
    for subject in ("x" * 256, "%F0%9F%98%80" * 256, "a%00b"):
        api.call("DELETE", f"/users?subject={subject}", token, status=400)
        browser.get(f"/oauth/admin/users?subject={subject}", status=400)
    api.call("DELETE", f"/users?subject={'%F0%9F%98%80' * 255}", token, status=204)
    client_id = api.flow.web.client.client_id
    for name, value in (("assertion_subjects", "a\0b"), ("audiences", "a\0b"), ("name", "a\0b"), ("owner", "x" * 256)):
        form = open_form(browser, client_id)
        form[name] = value
        assert form.submit(status=422).html.select_one("[aria-invalid]")["name"] == name


def test_the_end_of_a_user_with_many_grants_does_not_hold_the_database(
    flow: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A user, or a client, can make grants without end: an administrator who ended all of them stopped the server."""
    store, now, sizes = flow.server.service.store, time.time(), list[int]()
    with store.writing() as unit:
        for number in range(1050):
            both: Any = {"client_id": flow.web.client.client_id, "subject": "dora", "scopes": (), "audiences": ()}
            unit.add_grant(Grant(grant_id=f"g{number}", created_at=now + number, **both))
    ending = UserRegistry._end_grants

    def note(self: Any, unit: Any, grants: Any, reason: str) -> None:
        sizes.append(len(grants))
        ending(self, unit, grants, reason)

    monkeypatch.setattr(UserRegistry, "_end_grants", note)
    press(flow.sign_in(), "/oauth/admin/users?subject=dora", "End all grants", status=303)
    assert sum(sizes) == 1050
    assert max(sizes) <= 200
    assert get_users(flow.server.registry).list_grants("dora") == ()
    assert get_users(flow.server.registry).end_all("dora") == 0


def test_a_line_about_a_hundred_thousand_tokens_does_not_make_a_page_of_megabytes(flow: Flow) -> None:
    detail = json.dumps({"token_ids": ["x" * 22] * 100_000})
    with flow.server.service.store.writing() as unit:
        unit.add_audit(AuditEntry(at=time.time(), event="ClientRevoked", client_id="many", detail=detail))
    page: Any = flow.sign_in().get("/oauth/admin/audit?client_id=many")
    assert len(page.text) < 10_000
    assert "…" in page.text
    assert flow.sign_in().get("/oauth/admin/audit?client_id=many&format=json").json["entries"][0]["detail"] == detail
