"""Pages do not report success to a user who only follows a link: `/oauth/device?done=allow` said "Device connected"."""

from __future__ import annotations

import re
from typing import Any

import pytest
from webtest import TestApp, TestResponse

from pyramid_oauthguard.server.clients import MadeClient
from tests.server.conftest import Build
from tests.server.flows import Flow, build_flow

pytestmark = pytest.mark.slow

SAYS = re.compile("Device connected|Device not connected|Nothing was allowed|Done[.]|role=.status")


@pytest.fixture
def flow(build: Build) -> Flow:
    return build_flow(build)


@pytest.fixture
def tv(flow: Flow) -> MadeClient:
    return flow.server.clients.create("Television", public=True, grants=["device_code"], scopes=["read"])


def decide(flow: Flow, tv: MadeClient, browser: TestApp, decision: str = "allow") -> TestResponse:
    form = {"client_id": tv.client.client_id, "scope": "read"}
    codes = flow.server.app.post("/oauth/device_authorization", form).json
    page = browser.get("/oauth/device", {"user_code": codes["user_code"]}).form.submit()
    return page.form.submit("decision", value=decision, status=303)


def withdraw(flow: Flow, browser: TestApp) -> TestResponse:
    flow.redeem(flow.allow(browser=browser))
    return browser.get("/oauth/applications").forms[0].submit(status=303)


@pytest.mark.promise("AS-06")
@pytest.mark.parametrize(
    "link",
    ["device?done=allow", "device?done=deny", "device?done=1", "device?status=allow", "device?allowed=true", "applications?withdrawn", "applications?withdrawn=1", "applications?done=1", "applications?notice=withdrawn"],
)  # fmt: skip
def test_a_link_makes_no_page_report_success(flow: Flow, link: str) -> None:
    assert not SAYS.search(flow.sign_in().get(f"/oauth/{link}").text)


@pytest.mark.parametrize(("decision", "said"), [("allow", "Device connected"), ("deny", "Device not connected")])
def test_the_decision_about_a_device_is_said_once(flow: Flow, tv: MadeClient, decision: str, said: str) -> None:
    browser = flow.sign_in()
    answer = decide(flow, tv, browser, decision)
    assert answer.location == "http://localhost/oauth/device"
    assert said in answer.follow().text
    assert not SAYS.search(browser.get(answer.location).text)


def test_a_withdrawal_is_said_once(flow: Flow) -> None:
    browser = flow.sign_in()
    answer = withdraw(flow, browser)
    assert answer.location == "http://localhost/oauth/applications"
    assert "Done." in answer.follow().text
    assert not SAYS.search(browser.get(answer.location).text)


def test_what_is_said_to_one_user_is_not_said_to_another_or_on_another_page(flow: Flow, tv: MadeClient) -> None:
    answer = decide(flow, tv, flow.sign_in())
    (cookie,) = answer.headers.getall("Set-Cookie")
    pair = cookie.partition(";")[0]
    for user, page, seen in (("bob", "device", False), ("anna", "applications", False), ("anna", "device", True)):
        answer = TestApp(flow.server.app.app).get(f"/oauth/{page}", headers={"Cookie": f"user={user}; {pair}"})
        assert bool(SAYS.search(answer.text)) is seen, (user, page)


@pytest.mark.parametrize("value", ["", "allow", "=", "AAAA", "é", "A" * 4000, '"allow"', "e30", "%00"])
def test_a_cookie_that_is_not_ours_says_nothing(flow: Flow, value: str) -> None:
    cookie = f"user=anna; oauthguard_notice={value}".encode().decode("latin-1")
    answer = TestApp(flow.server.app.app).get("/oauth/device", headers={"Cookie": cookie})
    assert not SAYS.search(answer.text)


def test_the_next_device_comes_before_what_is_left_to_say(flow: Flow, tv: MadeClient) -> None:
    browser = flow.sign_in()
    decide(flow, tv, browser)
    assert browser.get("/oauth/device?user_code=BBBB-BBBB").form["user_code"].value == "BBBB-BBBB"


@pytest.mark.parametrize(
    ("issuer", "attributes"),
    [
        ("http://localhost:6543", ("oauthguard_notice=", ())),
        ("https://id.example", ("__Host-oauthguard_notice=", ("secure",))),
    ],
)
def test_the_cookie_is_for_this_host_alone_and_short(build: Build, issuer: str, attributes: Any) -> None:
    flow = build_flow(build, {"issuer": issuer})
    tv = flow.server.clients.create("Television", public=True, grants=["device_code"], scopes=["read"])
    for answer in (decide(flow, tv, flow.sign_in()),):
        (cookie,) = answer.headers.getall("Set-Cookie")
        name, wanted = attributes
        assert cookie.startswith(name)
        parts = {part.strip().lower() for part in cookie.split(";")[1:]}
        assert {"max-age=60", "path=/", "httponly", "samesite=strict", *wanted} <= parts
        assert not any(part.startswith("domain") for part in parts)
        pair = cookie.partition(";")[0]
        shown = TestApp(flow.server.app.app).get("/oauth/device", headers={"Cookie": f"user=anna; {pair}"})
        (gone,) = shown.headers.getall("Set-Cookie")
        assert gone.startswith(f"{name};")
        assert {"max-age=0", "path=/", *wanted} <= {part.strip().lower() for part in gone.split(";")[1:]}


def test_pages_without_anything_to_say_set_no_cookie(flow: Flow) -> None:
    for page in ("device", "applications"):
        assert "Set-Cookie" not in flow.sign_in().get(f"/oauth/{page}").headers
