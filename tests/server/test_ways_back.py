"""Nobody is left on a page without a way on: errors, expired pages, outages, the wrong user."""

from __future__ import annotations

import sqlite3
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import time_machine
from webtest import TestApp

from tests.server.conftest import Build
from tests.server.flows import Flow, build_flow, read_answer, read_next

pytestmark = pytest.mark.slow


@pytest.fixture
def flow(build: Build) -> Flow:
    return build_flow(build)


def list_ways(page: Any) -> list[tuple[str, str]]:
    return [(link.text, link["href"]) for link in page.html.select(".ways a")]


def test_a_request_that_can_not_work_leads_home(flow: Flow) -> None:
    page: Any = flow.sign_in().get("/oauth/authorize", status=400)
    assert list_ways(page) == [("Go to the home page", "/")]


def test_home_is_below_the_mount_point_or_where_the_setting_says(build: Build) -> None:
    mounted = build_flow(build, {"pages.home": "/account"})
    page: Any = mounted.server.app.get("/oauth/authorize", extra_environ={"SCRIPT_NAME": "/shop"}, status=400)
    assert list_ways(page) == [("Go to the home page", "/shop/account")]
    elsewhere = build_flow(build, {"pages.home": "https://www.example.com/"}, name="elsewhere")
    page = elsewhere.server.app.get("/oauth/authorize", status=400)
    assert list_ways(page) == [("Go to the home page", "https://www.example.com/")]


def test_an_expired_page_leads_to_the_same_request(flow: Flow) -> None:
    with time_machine.travel(1_900_000_000, tick=False) as clock:
        browser = flow.sign_in()
        page = flow.show(browser=browser)
        clock.shift(3601)
        expired: Any = page.form.submit("decision", value="allow", status=400)
        (again, _home) = list_ways(expired)
        assert again[0] == "Try again"
        assert dict(parse_qsl(urlsplit(again[1]).query)) == flow.ask()
        assert read_answer(browser.get(again[1]).form.submit("decision", value="allow"))["code"]


def test_an_invented_ticket_leads_nowhere_but_home(flow: Flow) -> None:
    for text in ("x", "x" * 5000, "\N{SNOWMAN}", ""):
        page: Any = flow.sign_in().post("/oauth/authorize", {"ticket": text, "decision": "allow"}, status=[303, 400])
        assert page.status_int == 303 or list_ways(page) == [("Go to the home page", "/")]


@pytest.mark.parametrize("path", ["/oauth/device", "/oauth/applications"])
def test_an_expired_page_of_the_other_kinds_leads_to_itself(flow: Flow, path: str) -> None:
    page: Any = flow.sign_in().post(path, {"ticket": "x"}, status=400)
    assert list_ways(page) == [("Try again", path), ("Go to the home page", "/")]


def test_an_outage_leads_to_the_same_request(flow: Flow) -> None:
    form = flow.show()
    with sqlite3.connect(flow.server.file) as database:
        database.execute("ALTER TABLE oauth_clients RENAME TO gone")
        database.execute("ALTER TABLE oauth_consents RENAME TO gone_too")
    database.close()
    shown: Any = flow.sign_in().get("/oauth/authorize", flow.ask(), status=503)
    sent: Any = form.form.submit("decision", value="allow", status=503)
    for page in (shown, sent):
        assert "Please try again in 5 seconds." in page.text
        (again, _home) = list_ways(page)
        assert dict(parse_qsl(urlsplit(again[1]).query)) == flow.ask()


def test_an_empty_list_says_what_to_do(flow: Flow) -> None:
    page = flow.sign_in().get("/oauth/applications")
    assert "You have not allowed any application yet." in page.text
    assert "open the application and choose to sign in there" in page.text


class TestSwitch:
    """ "Not you? Sign in as somebody else"."""

    @pytest.fixture(autouse=True)
    def _let_the_application_sign_out(self, flow: Flow) -> None:
        flow.people.sign_out = lambda request: [("Set-Cookie", "user=; Path=/; Max-Age=0")]  # type: ignore[attr-defined]

    def test_the_other_user_comes_back_to_the_same_request(self, flow: Flow) -> None:
        browser = flow.sign_in()
        page: Any = browser.get("/oauth/authorize", flow.ask())
        assert "You are signed in as" in page.text
        answer = page.forms[0].submit()
        assert answer.status_int == 303
        assert "user=;" in answer.headers["Set-Cookie"]
        browser.reset()
        asked = answer.follow()
        assert asked.status_int == 303
        browser.set_cookie("user", "berta")
        again: Any = browser.get(read_next(asked))
        assert "Berta" in again.text
        assert read_answer(again.forms[1].submit("decision", value="allow"))["state"] == flow.ask()["state"]

    def test_each_page_for_users_has_it(self, flow: Flow) -> None:
        for path in ("/oauth/applications", "/oauth/device"):
            page: Any = flow.sign_in().get(path)
            assert page.forms[0].submit().headers["Location"].endswith(path)
        page = flow.sign_in().get("/oauth/device?user_code=BCDF-GHJK")
        assert page.forms[0].submit().headers["Location"].endswith("/oauth/device?user_code=BCDF-GHJK")

    def test_another_site_or_user_can_not_sign_anyone_out(self, flow: Flow) -> None:
        page: Any = flow.sign_in("berta").get("/oauth/applications")
        foreign = page.forms[0]["ticket"].value
        for ticket in ("", "x", foreign, flow.show().forms[1]["ticket"].value):
            answer = flow.sign_in("anna").post("/oauth/switch-user", {"ticket": ticket}, status=400)
            assert "user=;" not in answer.headers.get("Set-Cookie", "")
        assert flow.sign_in().get("/oauth/switch-user", status=405)

    def test_whose_session_ended_meanwhile_signs_in_and_comes_back(self, flow: Flow) -> None:
        page: Any = flow.sign_in().get("/oauth/applications")
        ticket = page.forms[0]["ticket"].value
        answer = TestApp(flow.server.app.app).post("/oauth/switch-user", {"ticket": ticket})
        assert answer.headers["Location"].endswith("/oauth/applications")
        assert "Set-Cookie" not in answer.headers

    @pytest.mark.parametrize("found", ["text", 7, [1], [("a", "b", "c")]])
    def test_an_application_that_returns_something_else_is_told_in_the_log(
        self, flow: Flow, caplog: pytest.LogCaptureFixture, found: Any
    ) -> None:
        flow.people.sign_out = lambda request: found  # type: ignore[attr-defined]
        page: Any = flow.sign_in().get("/oauth/applications")
        page.forms[0].submit(status=400)
        assert "sign_out() of the resource owner returned a value of type" in caplog.text


def test_an_application_that_can_not_sign_out_has_no_such_button(flow: Flow) -> None:
    assert "Not you?" not in flow.show().text


def test_a_device_that_was_allowed_twice_is_connected(flow: Flow) -> None:
    made = flow.server.clients.create("Box", public=True, grants=["device_code"], scopes=["read"])
    for decision, heading in (("allow", "Device connected"), ("deny", "Device not connected")):
        form = {"client_id": made.client.client_id, "scope": "read"}
        code = flow.server.app.post("/oauth/device_authorization", form).json["user_code"]
        browser = flow.sign_in()
        page: Any = browser.get("/oauth/device", {"user_code": code}).form.submit()
        assert heading in page.form.submit("decision", value=decision).follow().text
        assert heading in page.form.submit("decision", value=decision).follow().text
        other = "deny" if decision == "allow" else "allow"
        assert "No device is waiting" in page.form.submit("decision", value=other, status=422).text
