"""What browsers are shown when a page of the example can't answer, and "Not you?" on the pages of its server."""

from __future__ import annotations

from configparser import ConfigParser
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from babel.messages.pofile import read_po
from jinja2 import Environment
from sqlalchemy.exc import OperationalError
from webtest import TestApp as App

import example_app
from example_app import main
from tests.example.conftest import build_settings, dispose
from tests.example.test_sign_in import copy_cookies, submit

pytestmark = pytest.mark.slow

FOLDER = Path(example_app.__file__).parent
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
COOKIES = "; ".join(f"c{number}=x" for number in range(4000))
CAUSES = {
    "unknown": ("GET", "/nothing", {}, 404, "This address does not exist."),
    "method": ("GET", "/sign-out", {}, 405, "only takes what another page sends"),
    "odd method": ("PUT", "/", {}, 405, "only takes what another page sends"),
    "too big": ("POST", "/sign-in", {"body": b"name=" + b"x" * 70_000}, 413, "is too big"),
    "no form": ("POST", "/sign-in", {"body": b"\xff=1"}, 400, "can’t read"),
    "json": ("POST", "/sign-in", {"body": b"{}", "content_type": "application/json"}, 415, "can’t read"),
    "cookies": ("GET", "/", {"headers": {"Cookie": COOKIES}}, 431, "Delete the cookies of this site"),
    "address": ("GET", "/\xff", {}, 400, "can’t read"),
}
TITLES = {
    "en": {"This did not work", "Nothing is here"},
    "de": {"Das hat nicht funktioniert", "Hier gibt es nichts"},
    "fr": {"Cela n’a pas fonctionné", "Il n’y a rien ici"},
    "ja": {"処理できませんでした", "ページが見つかりません"},
}


def ask(app: App, cause: str, **headers: str) -> Any:
    method, path, how, status, said = CAUSES[cause]
    sent: dict[str, Any] = {"content_type": "application/x-www-form-urlencoded", **how}
    request = App.RequestClass.blank("/", method=method, **sent)
    request.environ["PATH_INFO"] = path
    request.headers.update(headers)
    answer = App(app.app).do_request(request, status="*", expect_errors=True)
    assert answer.status_int == status
    return answer, said


@pytest.mark.parametrize("cause", CAUSES)
def test_a_browser_is_shown_the_cause_and_the_way_home(app: App, cause: str) -> None:
    answer, said = ask(app, cause, Accept=BROWSER)
    assert answer.content_type == "text/html"
    assert said in answer.text
    assert [link["href"] for link in answer.html.select("main a")] == ["/"]
    assert "script-src" not in answer.headers["Content-Security-Policy"]
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Accept" in answer.headers["Vary"]
    assert ("Allow" in answer.headers) is (answer.status_int == 405)
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize("cause", CAUSES)
def test_a_program_gets_a_problem_document(app: App, cause: str) -> None:
    answer, _said = ask(app, cause, Accept="application/json")
    assert answer.content_type == "application/problem+json"
    assert answer.json["status"] == answer.status_int


@pytest.mark.parametrize("language", list(TITLES))
@pytest.mark.parametrize("cause", CAUSES)
def test_the_page_is_in_the_language_of_the_browser(app: App, cause: str, language: str) -> None:
    answer, said = ask(app, cause, Accept=BROWSER, **{"Accept-Language": f"{language}-XX, en;q=0.5"})
    assert answer.html.find("h1").text in TITLES[language]
    assert answer.html.find("html")["lang"] == language
    assert (said in answer.text) is (language == "en")


@pytest.mark.parametrize("path", ["/customers/0", "/api/nothing", "/mcp/x"])
def test_the_api_answers_browsers_as_it_answers_programs(app: App, path: str) -> None:
    answer = app.get(path, headers={"Accept": BROWSER}, status=404)
    assert answer.content_type == "application/problem+json"


def test_a_database_that_is_down_is_said_on_a_page(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any, **how: Any) -> Any:
        raise OperationalError("SELECT 1", {}, Exception("down"))

    browser = App(app.app)
    submit(browser)
    monkeypatch.setattr("sqlalchemy.orm.Session.get", fail)
    answer: Any = browser.get("/", headers={"Accept": BROWSER, "Accept-Language": "de"}, status=503)
    assert "im Moment nicht verfügbar" in answer.text
    assert answer.headers["Retry-After"] == "5"


def test_the_sign_in_page_is_in_the_language_of_the_browser(app: App) -> None:
    for language, title in {"en": "Sign in", "de": "Anmelden", "fr": "Se connecter", "ja": "サインイン"}.items():
        page: Any = App(app.app).get("/sign-in", headers={"Accept-Language": language})
        assert page.html.find("h1").text == title
        form = page.form
        form["name"], form["password"] = "demo", "wrong"
        again: Any = form.submit(headers={"Accept-Language": language}, status=422)
        assert again.html.find("html")["lang"] == language
        assert ("The name or the password" in again.text) is (language == "en")


@pytest.mark.parametrize("language", ["de", "fr", "ja"])
def test_every_text_of_the_pages_is_translated(language: str) -> None:
    environment = Environment(extensions=["jinja2.ext.i18n"], autoescape=True)
    environment.policies["ext.i18n.trimmed"] = True
    texts = set()
    for path in FOLDER.glob("templates/*.jinja2"):
        found = [each[2] for each in environment.extract_translations(path.read_text("utf-8")) if each[2] is not None]
        texts |= {text if isinstance(text, str) else text[0] for text in found}
    with FOLDER.joinpath("locale", language, "LC_MESSAGES", "example_app.po").open("rb") as file:
        catalogue = read_po(file, locale=language)
    assert {
        message.id if isinstance(message.id, str) else message.id[0] for message in catalogue if message.id
    } == texts
    for message in catalogue:
        assert not message.id or all([message.string] if isinstance(message.string, str) else message.string)
        assert not list(message.check())


def test_the_pages_say_what_scopes_mean_in_the_language_of_the_browser(tmp_path: Path) -> None:
    ini = ConfigParser(interpolation=None)
    ini.read(FOLDER.parent / "development.ini", "utf-8")
    scopes = ini["app:main"]["oauthguard.server.scopes"]
    made = main({}, **build_settings(tmp_path, **{"oauthguard.server.scopes": scopes}))
    browser = App(made)
    submit(browser)
    english = [line.partition(" = ")[2] for line in scopes.strip().splitlines()]
    for language in ("de", "fr", "ja"):
        page: Any = browser.get("/oauth/authorize", QUERY, headers={"Accept-Language": language})
        (shown,) = [each.text.strip() for each in page.html.select(".choice span")]
        assert shown
        with FOLDER.joinpath("locale", language, "LC_MESSAGES", "pyramid_oauthguard.po").open("rb") as file:
            catalogue = read_po(file)
        assert [text for text in english if not (catalogue.get(text) and catalogue.get(text).string)] == []
        assert shown == catalogue.get(english[0]).string
    dispose(made)


# ── "Not you?" ──────────────────────────────────────────────────────────────────────────────────────────────

QUERY = {
    "response_type": "code",
    "client_id": "customer-cli",
    "redirect_uri": "http://127.0.0.1/callback",
    "code_challenge": "x" * 43,
    "code_challenge_method": "S256",
    "state": "s t",
}


@pytest.mark.parametrize(
    "path", ["/oauth/authorize", "/oauth/device", "/oauth/device?user_code=BCDF-GHJK", "/oauth/applications"]
)
def test_somebody_else_signs_in_and_the_request_goes_on(app: App, path: str) -> None:
    browser = App(app.app)
    submit(browser)
    asked = QUERY if path.endswith("authorize") else None
    page: Any = browser.get(path, asked)
    copied = copy_cookies(browser)
    form = page.forms[0]
    assert "Not you?" in form.text
    back = form.submit(status=303)
    for each in (browser, copied):
        assert each.get("/oauth/applications").status_int == 303, "the sign-in has ended, also for a copy of its cookie"
        assert "not signed in" in each.get("/").text
    sign_in = back.follow()
    assert sign_in.headers["Location"].startswith("http://localhost/sign-in?")
    shown = sign_in.follow()
    shown.form["name"], shown.form["password"] = "demo", "demo"
    again = shown.form.submit(status=303)
    parts = urlsplit(again.headers["Location"])
    assert f"{parts.path}?{parts.query}".startswith(path.partition("?")[0])
    if asked:
        assert dict(parse_qsl(parts.query)) == asked
    assert again.follow().status_int == 200


def test_another_site_or_session_can_not_switch_the_user(app: App) -> None:
    browser = App(app.app)
    submit(browser)
    ticket = browser.get("/oauth/applications").forms[0]["ticket"].value
    stranger = App(app.app)
    assert stranger.post("/oauth/switch-user", {"ticket": ticket}).status_int == 303, "nobody was signed in there"
    of_another_form = browser.get("/oauth/device").forms[1]["ticket"].value
    for wrong in ("", "x", ticket[:-4], of_another_form):
        browser.post("/oauth/switch-user", {"ticket": wrong}, status=400)
    assert "signed in as" in browser.get("/").text


def test_the_tour_goes_on_when_somebody_else_signs_in(app: App) -> None:
    """The session holds the tour's verifier: when the session ended with the sign-in, the answer was not the tour's any more."""
    browser = App(app.app)
    submit(browser)
    forms = browser.get("/").forms.values()
    (person,) = {id(each): each for each in forms if "/tour/person" in each.action}.values()
    consent: Any = person.submit().follow()
    shown = consent.forms[0].submit().follow().follow()
    shown.form["name"], shown.form["password"] = "demo", "demo"
    allowed = shown.form.submit().follow().forms[1].submit("decision", value="allow")
    page = allowed.follow()
    assert 'id="person"' in page.text
    assert "200 OK" in page.text
