"""What browsers are shown where a program gets JSON: other methods, headers and forms that are too big, broken addresses."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from webtest import TestApp

from tests.server.conftest import Build
from tests.server.flows import Flow, People, build_flow

pytestmark = pytest.mark.slow

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"
PAGES = ["authorize", "device", "applications", "switch-user", "admin", "admin/clients"]
FORMS = ["authorize", "device", "applications", "switch-user"]
PROGRAMS = ["", "*/*", "application/json", "application/json, text/html;q=0.9", "x" * 3000, '"']
TITLES = {
    "en": "This did not work",
    "de": "Das hat nicht funktioniert",
    "fr": "Cela n’a pas fonctionné",
    "ja": "処理できませんでした",
}


@pytest.fixture
def flow(build: Build, monkeypatch: pytest.MonkeyPatch) -> Flow:
    monkeypatch.setattr(People, "sign_out", lambda self, request: None, raising=False)
    return build_flow(build, {"admin": "user:anna"})


def ask(flow: Flow, path: str, *, method: str = "GET", accept: str = BROWSER, **headers: str) -> Any:
    sent = {"Accept": accept, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return TestApp(flow.server.app.app).request(f"/oauth/{path}", method=method, headers=sent, status="*")


def list_causes() -> list[Any]:
    long_cookie = {"Cookie": "; ".join(f"c{number}=x" for number in range(4000))}
    causes: list[Any] = [
        pytest.param("PUT", {}, 405, "only takes what another page sends", id="method"),
        pytest.param("GET", long_cookie, 431, "Delete the cookies of this site", id="cookies"),
        pytest.param("GET", {"Content_Type": "x" * 2000}, 400, "The content type must have", id="content type"),
    ]
    return causes


CAUSE = pytest.mark.parametrize(("method", "headers", "status", "said"), list_causes())


@CAUSE
def test_a_browser_gets_a_page_with_the_cause_and_a_way_back(
    flow: Flow, method: str, headers: dict[str, str], status: int, said: str
) -> None:
    for path in PAGES:
        page = ask(flow, path, method=method, **headers)
        assert (page.status_int, page.content_type) == (status, "text/html")
        assert said in page.text
        assert [link["href"] for link in page.html.select(".ways a")] == ["/"]
        assert page.headers["Cache-Control"] == "no-store"
        assert page.headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert page.headers["Vary"] == "Accept"
        assert ("Allow" in page.headers) is (status == 405)


@CAUSE
def test_a_program_gets_json(flow: Flow, method: str, headers: dict[str, str], status: int, said: str) -> None:
    for path, accept in itertools.product(PAGES, PROGRAMS):
        answer = ask(flow, path, method=method, accept=accept, **headers)
        assert (answer.status_int, answer.content_type) == (status, "application/json")
        assert answer.json["error"] == "invalid_request"
        assert answer.headers["Vary"] == "Accept"


@CAUSE
def test_the_endpoints_for_programs_answer_json_to_browsers_too(
    flow: Flow, method: str, headers: dict[str, str], status: int, said: str
) -> None:
    for path in ("token", "introspect", "revoke", "device_authorization", "jwks", "pages.css"):
        answer = ask(flow, path, method="PUT" if path in {"jwks", "pages.css"} else method, **headers)
        assert answer.content_type == "application/json"
        assert answer.json["error"] == "invalid_request"


@CAUSE
def test_the_page_is_in_the_language_of_the_browser(
    flow: Flow, method: str, headers: dict[str, str], status: int, said: str
) -> None:
    for language, title in TITLES.items():
        page = ask(flow, "device", method=method, Accept_Language=language, **headers)
        assert page.html.find("h1").text == title
        assert (said in page.text) is (language == "en" or status == 400)


def test_a_form_that_is_too_big_is_said_on_a_page(flow: Flow) -> None:
    for path in FORMS:
        page: Any = flow.sign_in().post(f"/oauth/{path}", {"ticket": "x" * 70_000}, status=413)
        assert "is too big" in page.text
        assert [link["href"] for link in page.html.select(".ways a")] == ["/"]


def test_a_form_that_can_not_be_read_is_said_on_a_page(flow: Flow) -> None:
    bodies = ((b"{}", "application/json"), (b"ticket=%ff", ""), (b"\xff=1", ""))
    for path, (body, kind) in itertools.product(FORMS, bodies):
        headers = {"Content-Type": kind or "application/x-www-form-urlencoded"}
        page: Any = flow.sign_in().post(f"/oauth/{path}", body, headers=headers, status=400)
        assert "invalid_request" in page.html.select(".detail")[0].text
        assert page.html.select(".ways a")


@pytest.mark.parametrize(("accept", "kind"), [(BROWSER, "text/html"), ("*/*", "application/json")])
def test_an_address_that_is_not_utf_8_is_answered_in_the_same_way(flow: Flow, accept: str, kind: str) -> None:
    environ = {"PATH_INFO": "/oauth/\xff", "HTTP_ACCEPT": accept}
    answer = TestApp(flow.server.app.app).get("/", extra_environ=environ, status=400)
    assert answer.content_type == kind
    assert "The address is not valid UTF-8." in answer.text


def test_a_server_without_pages_answers_json(build: Build) -> None:
    server = build()
    answer = server.app.get("/", extra_environ={"PATH_INFO": "/\xff", "HTTP_ACCEPT": BROWSER}, status=400)
    assert answer.json["error"] == "invalid_request"
