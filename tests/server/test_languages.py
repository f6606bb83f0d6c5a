"""The language of the pages, which strangers may name: one that there is, or the default."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from jinja2 import Environment
from pyramid.interfaces import ILocalizer

import pyramid_oauthguard.server
from tests.server.conftest import Build
from tests.server.flows import Flow, build_flow
from tests.server.test_pages import write_catalogue

SERVER = Path(pyramid_oauthguard.server.__file__).parent
ERROR = "/oauth/authorize"


@pytest.fixture
def flow(build: Build, tmp_path: Path) -> Flow:
    for name in ("de", "pt_BR"):
        (tmp_path / "locale" / name / "LC_MESSAGES").mkdir(parents=True)
    return build_flow(build, configure=lambda config: config.add_translation_dirs(str(tmp_path / "locale")))


def find_language(flow: Flow, wanted: str) -> str:
    page: Any = flow.server.app.get(ERROR, {"_LOCALE_": wanted}, status=400)
    return page.text.partition('lang="')[2].partition('"')[0]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("wanted", "spoken"),
    [("de", "de"), ("de_AT", "de"), ("pt_BR", "pt_BR"), ("pt", "en"), ("fr", "en"), ("", "en"), ("en", "en")],
)
def test_a_language_that_there_is_is_spoken(flow: Flow, wanted: str, spoken: str) -> None:
    assert find_language(flow, wanted) == spoken


@pytest.mark.slow
@pytest.mark.parametrize(
    "wanted", ["..", "../..", "/etc", "a\0b", "de\0", "日本", "de/../de", ".", "x" * 5000, '"><script>']
)
def test_a_name_that_is_a_path_opens_nothing_and_makes_no_500(flow: Flow, wanted: str) -> None:
    assert find_language(flow, wanted) == "en"


@pytest.mark.slow
def test_names_without_end_leave_nothing_behind(flow: Flow) -> None:
    """Pyramid registers a localizer for each name that it meets, for as long as the process lives."""
    registry = flow.server.registry
    for number in range(50):
        find_language(flow, f"x{number}")
        find_language(flow, f"de_{number}")
        flow.server.app.set_cookie("_LOCALE_", f"y{number}")
        flow.server.app.get(ERROR, status=400)
    assert {name for name, _localizer in registry.getUtilitiesFor(ILocalizer)} <= {"en", "de"}


@pytest.mark.slow
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


def test_translators_are_given_every_text_of_the_pages() -> None:
    environment = Environment(extensions=["jinja2.ext.i18n"])  # noqa: S701  # nothing is rendered
    templates = [path.read_text("utf-8") for path in (SERVER / "templates").glob("*.jinja2")]
    texts = {text for source in templates for _line, _function, text in environment.extract_translations(source)}
    listed = re.findall(
        r'^msgid "(.+)"$', (SERVER / "locale" / "pyramid_oauthguard.pot").read_text("utf-8"), re.MULTILINE
    )
    assert len(texts) > 30
    assert sorted(listed) == sorted(texts)
