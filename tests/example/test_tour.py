"""The tour: real requests and real answers, taken only by its own forms, and nothing of it grows or leaks."""

from __future__ import annotations

import re
import socket
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from webob import Request
from webtest import TestApp as App
from webtest import TestResponse

import example_app
from example_app import main
from example_app.tour.memory import remember
from pyramid_oauthguard.server.clients import get_clients
from tests.example.conftest import build_api_settings, build_settings, dispose

STEPS = ["token", "calls", "revoke", "again", "scope"]
OTHER_ISSUER = {"oauthguard.issuer": "https://login.example.com", "example.demo": "false"}
NO_INTROSPECTION = {"oauthguard.introspection.auth_method": "none"}


@pytest.fixture
def browser(app: App) -> App:
    return App(app.app)


def press(browser: App, step: str, **environ: str) -> TestResponse:
    forms = browser.get("/", extra_environ=environ).forms.values()
    (form,) = {id(each): each for each in forms if each.action.partition("#")[0].endswith(f"/tour/{step}")}.values()
    return form.submit(status="*", extra_environ=environ)


def _cut(text: str, step: str) -> str:
    start = text.index(f'id="{step}"')
    return text[start : text.index("</section>", start)]


def read_statuses(answer: TestResponse, step: str) -> list[str]:
    return re.findall(r'class="status \w+">(\d+)', _cut(answer.text, step))


@pytest.mark.slow
def test_the_story(browser: App) -> None:
    found = {step: read_statuses(press(browser, step), step) for step in STEPS}
    assert found == {
        "token": ["200"],
        "calls": ["200", "201", "201"],
        "revoke": ["200"],
        "again": ["200", "201", "401"],
        "scope": ["200", "403"],
    }
    seen = browser.get("/")
    assert read_statuses(seen, "again") == ["200", "201", "401"], "what was seen stays beside its button"


def test_each_step_shows_the_request_and_the_answer(browser: App) -> None:
    press(browser, "token")
    shown = _cut(press(browser, "calls").text, "calls")
    for text in (
        "POST /customers/1/charges HTTP/1.1",
        "Authorization: Bearer eyJ",
        "HTTP/1.1 201 Created",
        "Ada Lovelace",
    ):
        assert text in shown


def test_refusals_are_explained(browser: App) -> None:
    press(browser, "token")
    press(browser, "revoke")
    again = _cut(press(browser, "again").text, "again")
    assert "remote check: refused: inactive" in again
    assert "the issuer calls it inactive" in again
    scope = _cut(press(browser, "scope").text, "scope")
    assert "GET /customers answers 403: it requires the scope customer_api" in scope
    assert "insufficient_scope" in scope


@pytest.mark.parametrize("step", ["calls", "revoke", "again"])
def test_a_step_without_a_token_says_what_comes_first(browser: App, step: str) -> None:
    answer = press(browser, step)
    assert answer.status_int == 200
    assert "Get a token first" in _cut(answer.text, step)
    assert read_statuses(answer, step) == []


def test_starting_over_forgets(browser: App) -> None:
    press(browser, "token")
    assert press(browser, "start-over").status_int == 303
    assert "Get a token first" in press(browser, "calls").text


@pytest.mark.promise("EX-03")
@pytest.mark.parametrize("step", [*STEPS, "person", "start-over"])
def test_a_form_of_another_site_takes_no_step(browser: App, step: str) -> None:
    press(browser, "token")
    before = browser.cookies["session"]
    for fields in (
        {"x": ""},
        {"csrf_token": "x"},
        {"csrf_token": App(browser.app).get("/").forms[0]["csrf_token"].value},
    ):
        answer = browser.post(f"/tour/{step}", fields, status=400)
        assert "open for too long" in answer.text or step not in STEPS
        assert read_statuses(answer, "token") == ([] if step == "token" else ["200"])
    assert browser.get("/").status_int == 200
    assert len(browser.cookies["session"]) == len(before)


def test_no_step_is_taken_by_an_address(browser: App) -> None:
    for step in [*STEPS, "person", "start-over"]:
        assert browser.get(f"/tour/{step}").headers["Location"] == "http://localhost/"
    browser.get("/tour/nothing", status=303)
    browser.post("/tour/nothing", {"csrf_token": browser.get("/").forms[0]["csrf_token"].value}, status=404)


@pytest.mark.promise("EX-03")
def test_no_page_shows_a_whole_token(browser: App, caplog: pytest.LogCaptureFixture) -> None:
    pages = [press(browser, step).text for step in STEPS]
    assert not [
        found for page in pages for found in re.findall(r"eyJ[\w-]{20,}|[\w-]{60,}", page) if "Y3VzdG" not in found
    ]
    assert "eyJ" not in caplog.text


@pytest.mark.slow
@pytest.mark.promise("EX-03")
def test_the_session_does_not_grow(browser: App) -> None:
    sizes = set()
    for _ in range(4):
        for step in [*STEPS, "person"]:
            press(browser, step)
        sizes.add(len(browser.cookies["session"]) // 16)
    assert len(sizes) <= 2
    assert len(browser.cookies["session"]) < 2_500


def test_a_token_that_is_too_long_is_not_kept(app: App) -> None:
    class Anything:
        session: dict[str, Any] = {}  # noqa: RUF012  # of one request

    request: Any = Anything()
    assert remember(request, "x" * 1_500, 600)
    assert not remember(request, "x" * 1_501, 600)
    assert not remember(request, "x", None)
    assert request.session == {}


def test_the_tour_opens_no_socket(browser: App, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server with one thread would wait for itself."""

    def refuse(*args: Any) -> Any:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    for step in STEPS:
        assert press(browser, step).status_int == 200


def test_it_works_below_a_mount_point(browser: App) -> None:
    environ = {"SCRIPT_NAME": "/shop"}
    assert read_statuses(press(browser, "token", **environ), "token") == ["200"]
    answer = press(browser, "calls", **environ)
    assert read_statuses(answer, "calls") == ["200", "201", "201"]
    assert "GET /shop/customers?limit=3" in answer.text


@pytest.mark.parametrize("host", ["[::1", "a b", "x:y:z", "", "a:99999999", "<script>", "é", "localhost:80/../x"])
def test_no_host_header_makes_a_500(browser: App, host: str) -> None:
    token = browser.get("/").forms[0]["csrf_token"].value
    headers = {"Cookie": f"session={browser.cookies['session']}", "Accept": "text/html"}
    for path, fields in (
        ("/tour/token", {"csrf_token": token}),
        ("/tour/person", {"csrf_token": token}),
        ("/", None),
        ("/x", None),
    ):
        request = Request.blank(path, headers=headers, POST=fields)
        request.environ["HTTP_HOST"] = host
        answer = request.get_response(browser.app)
        assert answer.status_int < 500
        assert "<script>" not in answer.text


# ── a person ────────────────────────────────────────────────────────────────────────────────────────────────


def allow(browser: App) -> TestResponse:
    """Up to the answer of the authorization server."""
    asked = press(browser, "person").follow()
    form = asked.follow().form
    form["name"], form["password"] = "demo", "demo"
    return decide(form.submit().follow(), "allow")


def decide(consent: Any, decision: str) -> TestResponse:
    """Send the consent page's last form: the first is for somebody else who wants to sign in."""
    answer: TestResponse = consent.forms[1].submit("decision", value=decision)
    return answer


def test_a_person_allows_it_and_the_token_is_used(browser: App) -> None:
    back = allow(browser)
    assert back.headers["Location"].startswith("http://localhost/docs/oauth2-redirect?")
    shown = back.follow()
    assert read_statuses(shown, "person") == ["200", "200"]
    assert "customer-docs" in _cut(shown.text, "person")
    again = browser.get(back.headers["Location"])
    assert 'id="person"' not in again.text, "an answer is used once"


@pytest.mark.promise("EX-03")
def test_an_answer_that_this_browser_did_not_ask_for_is_not_redeemed(browser: App) -> None:
    location = allow(browser).headers["Location"]
    stranger = App(browser.app)
    assert 'id="person"' not in stranger.get(location).text
    press(stranger, "person")
    assert 'id="person"' not in stranger.get(location).text
    query = parse_qs(urlsplit(location).query)
    wrong = {**{name: value[0] for name, value in query.items()}, "iss": "https://evil.example"}
    assert 'id="person"' not in browser.get("/docs/oauth2-redirect", wrong).text


def test_a_person_who_denies_gets_a_note(browser: App) -> None:
    asked = press(browser, "person").follow()
    form = asked.follow().form
    form["name"], form["password"] = "demo", "demo"
    shown = decide(form.submit().follow(), "deny").follow()
    assert "access_denied" in _cut(shown.text, "person")
    assert read_statuses(shown, "person") == []


def test_an_error_in_the_answer_is_escaped(browser: App) -> None:
    location = press(browser, "person").headers["Location"]
    state = parse_qs(urlsplit(location).query)["state"][0]
    query = {"state": state, "iss": "http://localhost", "error": "<script>alert(1)</script>"}
    shown = browser.get("/docs/oauth2-redirect", query)
    assert "<script>alert" not in shown.text
    assert "&lt;script&gt;" in shown.text


# ── the language ────────────────────────────────────────────────────────────────────────────────────────────

#: The only texts of the tour that are the same in each language: names, and what the API and the command answer.
FIXED = re.compile(r"<(pre|code|title|em|style)\b.*?</\1>|<p lang=\"en\">.*?</p>|<div id=\"swagger-ui\".*", re.DOTALL)
ENGLISH = re.compile(r"\b(the|and|token|with|you|sign|from|request|answer|checked|customer)\b", re.IGNORECASE)


@pytest.mark.slow
@pytest.mark.parametrize(("language", "title"), [("de", "Kunden"), ("fr", "Clients"), ("ja", "顧客")])
def test_the_tour_and_the_frame_of_swagger_ui_are_in_the_language_of_the_browser(
    browser: App, language: str, title: str
) -> None:
    browser.extra_environ["HTTP_ACCEPT_LANGUAGE"] = language
    pages: dict[str, Any] = {path: browser.get(path) for path in ("/", "/docs", "/docs/oauth2-redirect")}
    pages |= {step: press(browser, step) for step in (*STEPS, "calls")}
    press(browser, "start-over")
    pages["no token"] = press(browser, "calls")
    pages["old page"] = browser.post("/tour/token", {"csrf_token": "x"}, status=400)
    for name, page in pages.items():
        assert page.html.find("html")["lang"] == language
        assert page.html.find("title").text.endswith(f" · {title}")
        left = re.sub(r"<[^>]*>", " ", FIXED.sub(" ", page.text.partition("<main>")[2]))
        found = [text for text in ENGLISH.findall(left) if (language, text.lower()) != ("de", "token")]
        assert not found, (name, left)


@pytest.mark.slow
def test_a_person_who_denies_is_told_in_their_language(browser: App) -> None:
    browser.extra_environ["HTTP_ACCEPT_LANGUAGE"] = "ja"
    form = press(browser, "person").follow().follow().form
    form["name"], form["password"] = "demo", "demo"
    shown: Any = decide(form.submit().follow(), "deny").follow()
    assert shown.html.find("html")["lang"] == "ja"
    assert "認可サーバーの応答は<code>access_denied</code>でした" in shown.text


def test_what_each_endpoint_does_is_a_text_for_translators(browser: App) -> None:
    texts = set((Path(example_app.__file__).parent / "locale/example_app.pot").read_text("utf-8").splitlines())
    for item in browser.get("/openapi.json").json["paths"].values():
        for operation in (each for each in item.values() if isinstance(each, dict)):
            assert f'msgid "{operation["summary"]}"' in texts


# ── the page in other surroundings ──────────────────────────────────────────────────────────────────────────


def test_the_home_page_lists_the_endpoints_of_the_views(browser: App) -> None:
    row = r"<code>POST /customers/\{id\}/charges</code></td><td>Charge a customer</td><td[^>]*>remote</td><td[^>]*><code>customer_api"
    text = browser.get("/").text
    assert re.search(row, text)
    assert re.search(r"GET /api/public</code></td><td>[^<]*</td><td[^>]*>none</td><td[^>]*>no token", text)
    assert re.search(r"GET /api/private</code></td><td>[^<]*</td><td[^>]*>local</td><td[^>]*>any valid token", text)


@pytest.mark.promise("EX-01")
def test_pages_have_no_script_of_others_and_are_not_kept(browser: App) -> None:
    for path in ("/", "/docs", "/docs/oauth2-redirect", "/sign-in", "/nothing"):
        answer = browser.get(path, headers={"Accept": "text/html"}, status="*")
        policy = answer.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'")
        assert "unsafe" not in policy
        assert {"script-src 'self'"} >= set(re.findall(r"script-src [^;]*", policy))
        assert answer.headers["Cache-Control"] == "no-store"
        assert not re.search(r'(?:src|href|action)="(?:https?:)?//', answer.text)
        assert "<script>" not in answer.text
        assert not re.search(r" (?:on\w+|style)=", answer.text)


def test_browsers_get_a_page_for_an_unknown_address(app: App) -> None:
    answer = app.get("/nothing<b>", headers={"Accept": "text/html,application/xhtml+xml"}, status=404)
    assert answer.content_type == "text/html"
    assert "<b>" not in answer.text
    assert "Accept" in answer.headers["Vary"]
    for path, accept in (("/nothing", "*/*"), ("/nothing", ""), ("/customers/x", "text/html"), ("/api/x", "text/html")):
        assert app.get(path, headers={"Accept": accept}, status=404).content_type == "application/problem+json"


def test_an_api_alone_says_whose_tokens_it_accepts(tmp_path: Path) -> None:
    settings = {**build_api_settings(tmp_path), **NO_INTROSPECTION, **OTHER_ISSUER}
    app = App(main({}, **settings))
    home = app.get("/").text
    assert "https://login.example.com" in home
    assert "GET /customers" in home
    assert "/tour/" not in home
    assert "demo" not in home
    assert "customer-manager" not in home
    assert "https://login.example.com" in app.get("/docs").text
    assert app.get("/openapi.json").json["components"]["securitySchemes"]["oauth2"]["type"] == "http"
    app.get("/docs/oauth2-redirect?state=x&code=y")
    app.post("/tour/token", status=404)
    dispose(app.app)


def test_without_the_demo_nothing_of_it_is_shown(tmp_path: Path) -> None:
    app = App(main({}, **build_settings(tmp_path, **{"example.demo": "false"})))
    for path in ("/", "/docs"):
        text = app.get(path).text
        assert not re.search(r"customer-manager|customer-docs|<code>demo", text)
    app.post("/tour/token", status=404)
    assert "not signed in" in app.get("/").text
    assert get_clients(app.app.registry).find("customer-docs") is None
    flows = app.get("/openapi.json").json["components"]["securitySchemes"]["oauth2"]["flows"]
    assert set(flows) == {"authorizationCode"}
    dispose(app.app)


@pytest.mark.slow
def test_a_server_alone_has_a_home_page(tmp_path: Path) -> None:
    settings = {
        k: v for k, v in build_settings(tmp_path).items() if k not in ("oauthguard.issuer", "oauthguard.audience")
    }
    app = App(main({}, **settings))
    home = app.get("/").text
    assert "not signed in" in home
    assert "Swagger" not in home
    app.get("/docs", status=404)
    dispose(app.app)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # whatever the toolbar's own dependencies have to say
def test_it_works_with_the_debug_toolbar(tmp_path: Path) -> None:
    """The toolbar reads bodies before the application does."""
    more = {"pyramid.includes": "pyramid_debugtoolbar", "debugtoolbar.includes": "pyramid_oauthguard.toolbar"}
    app = main({}, **build_settings(tmp_path, **more))
    browser = App(app, extra_environ={"REMOTE_ADDR": "127.0.0.1"})
    assert read_statuses(press(browser, "token"), "token") == ["200"]
    assert read_statuses(press(browser, "calls"), "calls") == ["200", "201", "201"]
    page = browser.get("/_debug_toolbar/").text
    assert "Access token" in page
    assert not re.search(
        r"eyJ[\w-]+\.eyJ[\w-]+\.(?!\.\.)[\w-]{40}", page.partition("Its claims")[2].partition("</pre>")[0]
    )
    dispose(app)


@pytest.mark.slow
def test_the_log_says_where_to_look(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "example_app")
    dispose(main({}, **build_settings(tmp_path)))
    assert "Open http://localhost in a browser for the tour, and http://localhost/docs for Swagger UI." in caplog.text
