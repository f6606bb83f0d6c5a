"""The language of the pages, which other parties may name: one that there is, or the default."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import time_machine
from babel.messages.catalog import Catalog
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po
from jinja2 import Environment
from pyramid.exceptions import ConfigurationExecutionError
from pyramid.interfaces import ILocalizer
from pyramid.request import Request

import pyramid_oauthguard.server
from tests.server.conftest import Build
from tests.server.flows import Flow, build_flow
from tests.server.test_pages import write_catalogue

pytestmark = pytest.mark.slow

SERVER = Path(pyramid_oauthguard.server.__file__).parent
ERROR = "/oauth/authorize"
VALUE = re.compile(r"%\(\w+\)s")


@pytest.fixture
def flow(build: Build, tmp_path: Path) -> Flow:
    for name in ("de", "pt_BR"):
        (tmp_path / "locale" / name / "LC_MESSAGES").mkdir(parents=True)
    return build_flow(build, configure=lambda config: config.add_translation_dirs(str(tmp_path / "locale")))


def find_language(flow: Flow, wanted: str) -> str:
    page: Any = flow.server.app.get(ERROR, {"_LOCALE_": wanted}, status=400)
    return page.text.partition('lang="')[2].partition('"')[0]


@pytest.mark.parametrize(
    ("wanted", "spoken"),
    [("de", "de"), ("de_AT", "de"), ("pt_BR", "pt-BR"), ("pt", "en"), ("it", "en"), ("", "en"), ("en", "en")],
)
def test_a_language_that_there_is_is_spoken(flow: Flow, wanted: str, spoken: str) -> None:
    assert find_language(flow, wanted) == spoken


@pytest.mark.parametrize(
    "wanted", ["..", "../..", "/etc", "a\0b", "de\0", "日本", "de/../de", ".", "x" * 5000, '"><script>']
)
def test_a_name_that_is_a_path_opens_nothing_and_makes_no_500(flow: Flow, wanted: str) -> None:
    assert find_language(flow, wanted) == "en"


def test_names_without_end_leave_nothing_behind(flow: Flow) -> None:
    """Pyramid registers a localizer for each name that it meets, for as long as the process lives."""
    registry = flow.server.registry
    for number in range(50):
        find_language(flow, f"x{number}")
        find_language(flow, f"de_{number}")
        flow.server.app.set_cookie("_LOCALE_", f"y{number}")
        flow.server.app.get(ERROR, status=400)
    assert {name for name, _localizer in registry.getUtilitiesFor(ILocalizer)} <= {"en", "de"}


def test_what_scopes_mean_is_translated_and_remembered_as_it_was_read(build: Build, tmp_path: Path) -> None:
    folder = tmp_path / "locale" / "de" / "LC_MESSAGES"
    folder.mkdir(parents=True)
    write_catalogue(folder / "pyramid_oauthguard.mo", {"Read": "Lesen für ${0} 100 %"})

    def configure(config: Any) -> None:
        config.add_translation_dirs(str(tmp_path / "locale"))
        config.set_locale_negotiator(lambda request: "de")

    flow = build_flow(build, configure=configure)
    page = flow.show()
    assert "Lesen für ${0} 100 %" in page.text
    assert ">Write" in page.text
    page.form.submit("decision", value="allow")
    with flow.server.service.store.reading() as unit:
        (consent,) = unit.list_consents("anna")
    assert json.loads(consent.wording) == {"read": "Lesen für ${0} 100 %", "write": "Write"}
    assert "Lesen für" in flow.sign_in().get("/oauth/applications").text
    box = flow.server.clients.create("Box", public=True, grants=["device_code"], scopes=["read"])
    asked = flow.server.app.post("/oauth/device_authorization", {"client_id": box.client.client_id}).json
    typed = flow.sign_in().get("/oauth/device", {"user_code": asked["user_code"]}).form.submit()
    assert "Lesen für" in typed.text


@pytest.mark.parametrize(
    ("accepted", "spoken"),
    [
        ("de", "de"),
        ("fr-CH, fr;q=0.9, en;q=0.8", "fr"),
        ("it, ja;q=0.5, de;q=0.7", "de"),
        ("en, de;q=0.9", "en"),
        ("de;q=0, en", "en"),
        ("it", "en"),
        ("*", "en"),
        ("de_DE!", "en"),
        (", ".join(f"x{number}" for number in range(2000)), "en"),
    ],
)
def test_the_browser_says_which_language_it_prefers(flow: Flow, accepted: str, spoken: str) -> None:
    page: Any = flow.server.app.get(ERROR, headers={"Accept-Language": accepted}, status=400)
    assert f'<html lang="{spoken}"' in page.text
    assert page.headers["Content-Language"] == spoken


def find_consent_language(flow: Flow, **how: Any) -> str:
    page: Any = flow.sign_in().get("/oauth/authorize", flow.ask(ui_locales=how.pop("ui_locales", None)), **how)
    return page.text.partition('lang="')[2].partition('"')[0]


def test_the_client_says_which_language_its_user_reads(flow: Flow) -> None:
    german = {"Accept-Language": "de"}
    assert find_consent_language(flow, ui_locales="fr-CA de", headers=german) == "fr"
    assert find_consent_language(flow, ui_locales="it pt-BR", headers=german) == "pt-BR"
    assert find_consent_language(flow, ui_locales="it", headers=german) == "de"
    assert find_consent_language(flow, ui_locales="../.. \N{SNOWMAN}", headers=german) == "de"
    assert find_consent_language(flow, ui_locales="x " * 3000 + "fr", headers=german) == "de"


def test_the_language_that_the_client_asked_for_stays_for_the_whole_request(flow: Flow) -> None:
    page: Any = flow.show(ui_locales="fr")
    for box in page.html.select("input[type=checkbox]"):
        page.form[box["name"]] = False
    problem = page.form.submit("decision", value="allow", status=422)
    assert "Choisissez au moins un élément, ou refusez." in problem.text
    assert "ui_locales%3Dfr" in flow.server.app.get("/oauth/authorize", flow.ask(ui_locales="fr")).headers["Location"]


def test_what_the_application_decides_comes_first(build: Build) -> None:
    def negotiate(request: Any) -> str | None:
        return request.cookies.get("language")

    flow = build_flow(build, configure=lambda config: config.set_locale_negotiator(negotiate))
    browser = flow.sign_in()
    browser.set_cookie("language", "ja")
    page: Any = browser.get("/oauth/authorize", flow.ask(ui_locales="fr"), headers={"Accept-Language": "de"})
    assert '<html lang="ja"' in page.text
    assert "このアプリケーションを許可しますか？" in page.text
    assert find_consent_language(flow, headers={"Accept-Language": "de"}) == "de"


def test_a_text_of_the_application_comes_before_ours_and_ours_fill_the_gaps(build: Build, tmp_path: Path) -> None:
    folder = tmp_path / "locale" / "de" / "LC_MESSAGES"
    folder.mkdir(parents=True)
    write_catalogue(folder / "pyramid_oauthguard.mo", {"Allow": "Erlauben"})
    flow = build_flow(build, configure=lambda config: config.add_translation_dirs(str(tmp_path / "locale")))
    page: Any = flow.show(ui_locales="de")
    assert ">Erlauben</button>" in page.text
    assert ">Ablehnen</button>" in page.text


def test_the_application_may_offer_some_languages_only(build: Build) -> None:
    flow = build_flow(build, {"pages.languages": "en fr"})
    assert find_consent_language(flow, headers={"Accept-Language": "de, fr;q=0.5"}) == "fr"
    assert find_consent_language(flow, headers={"Accept-Language": "de"}) == "en"


@pytest.mark.parametrize(
    ("languages", "default", "spoken"),
    [("en", "de", "en"), ("de", "en", "de"), ("fr de", "it", "fr"), ("", "it", "en"), ("", "de_AT", "de-AT")],
)
def test_a_default_that_the_pages_can_not_be_in_was_their_language(
    build: Build, languages: str, default: str, spoken: str
) -> None:
    """They were in a language that the setting does not offer, or in English and said that they are in Italian."""
    settings = {"pages.languages": languages} if languages else {}
    how = {"pyramid.default_locale_name": default}
    flow = build_flow(build, settings, configure=lambda config: config.add_settings(how))
    assert find_consent_language(flow, headers={"Accept-Language": "ko"}) == spoken


@pytest.mark.parametrize("languages", ["en it", "../..", "de_XX"])
def test_a_language_without_a_catalogue_stops_start_up(build: Build, languages: str) -> None:
    with pytest.raises(ConfigurationExecutionError) as caught:
        build_flow(build, {"pages.languages": languages})
    assert "oauthguard.server.pages.languages: there is no catalogue for" in str(caught.value)


def test_each_language_writes_dates_as_its_readers_do(build: Build) -> None:
    flow = build_flow(build)
    with time_machine.travel(1777802400, tick=False):  # 2026-05-03
        flow.allow()
        said = {
            language: flow.sign_in().get("/oauth/applications", headers={"Accept-Language": language}).text
            for language in ("en", "de", "fr", "ja")
        }
    day = '<time datetime="2026-05-03">{}</time>'
    assert f"Allowed on {day.format('May 3, 2026')}" in said["en"]
    assert f"Zugelassen am {day.format('3. Mai 2026')}" in said["de"]
    assert f"Autorisée le {day.format('3 mai 2026')}" in said["fr"]
    assert f"{day.format('2026年5月3日')}に許可しました" in said["ja"]


def test_numbers_have_the_plural_of_the_language(build: Build) -> None:
    flow = build_flow(build)

    def read(language: str) -> str:
        page: Any = flow.sign_in().get("/oauth/applications", headers={"Accept-Language": language})
        return " ".join(page.html.main.text.split())

    flow.allow()
    one = {language: read(language) for language in ("en", "de", "fr", "ja")}
    flow.allow(flow.native)
    two = {language: read(language) for language in ("en", "de", "fr", "ja")}
    assert "One application may" in one["en"]
    assert "2 applications may" in two["en"]
    assert "Eine Anwendung darf" in one["de"]
    assert "2 Anwendungen dürfen" in two["de"]
    assert "Une application peut" in one["fr"]
    assert "2 applications peuvent" in two["fr"]
    assert "1 個の" in one["ja"]
    assert "2 個の" in two["ja"]


def read_texts() -> set[Any]:
    """Every text of the templates; one that depends on a number is a pair."""
    environment = Environment(extensions=["jinja2.ext.i18n"])  # noqa: S701  # nothing is rendered
    templates = [path.read_text("utf-8") for path in (SERVER / "templates").rglob("*.jinja2")]
    found = [text for source in templates for _line, _function, text in environment.extract_translations(source)]
    return {text[:2] if isinstance(text, tuple) else text for text in found}


def read_messages(path: Path) -> dict[Any, Any]:
    """The translations of a catalogue by their texts; those that depend on a number are tuples."""
    with path.open("rb") as file:
        catalogue: Catalog = read_mo(file) if path.suffix == ".mo" else read_po(file)
    messages = [message for message in catalogue if message.id]
    assert not [message.id for message in messages if message.fuzzy]
    return {_freeze(message.id): _freeze(message.string) for message in messages}


def _freeze(text: Any) -> Any:
    return text if isinstance(text, str) else tuple(text)


def test_translators_are_given_every_text_of_the_pages() -> None:
    listed = read_messages(SERVER / "locale" / "pyramid_oauthguard.pot").keys()
    assert len(listed) > 40
    assert listed == read_texts(), "run `make translations`"


@pytest.mark.parametrize("language", ["de", "fr", "ja"])
def test_a_language_has_every_text_and_is_compiled(language: str) -> None:
    folder = SERVER / "locale" / language / "LC_MESSAGES"
    source = read_messages(folder / "pyramid_oauthguard.po")
    assert source.keys() == read_texts()
    assert source == read_messages(folder / "pyramid_oauthguard.mo"), "run `make translations`"
    for text, translation in source.items():
        check_translation(text, translation)


def check_translation(text: Any, translation: Any) -> None:
    """Nothing is empty, and each translation has the values that the English text has."""
    texts, translations = ((each,) if isinstance(each, str) else each for each in (text, translation))
    allowed = {frozenset(VALUE.findall(each)) for each in texts}
    for each in translations:
        assert each.strip(), text
        assert frozenset(VALUE.findall(each)) in allowed, text
        assert "%" not in VALUE.sub("", each), text


class Endless:
    """A body of a gigabyte that nothing may read."""

    def __init__(self) -> None:
        self.read_bytes = 0

    def read(self, size: int = -1) -> bytes:
        self.read_bytes += size if size >= 0 else 10**9
        return b"a&" * (min(size, 10**6) // 2)

    readline = readlines = read


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=a"])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/oauth/authorize"),
        ("GET", "/oauth/applications"),
        ("PUT", "/oauth/authorize"),
        ("POST", "/oauth/authorize?client_id=web"),
        ("DELETE", "/oauth/device"),
        ("POST", "/%ff"),
    ],
)
def test_the_language_of_a_page_was_looked_for_in_a_body_of_any_size(
    flow: Flow, method: str, path: str, kind: str
) -> None:
    body = Endless()
    environ = {"wsgi.input": body, "CONTENT_LENGTH": str(10**9), "CONTENT_TYPE": kind, "HTTP_ACCEPT": "text/html"}
    environ["HTTP_COOKIE"] = "user=anna"
    answer: Any = flow.server.app.app(Request.blank(path, method=method, environ=environ).environ, lambda *_args: None)
    assert b"<html lang=" in b"".join(answer)
    assert body.read_bytes == 0
