"""The language of the pages, which strangers may name: one that there is, or the default."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pyramid.interfaces import ILocalizer

from tests.server.conftest import Build
from tests.server.flows import Flow, build_flow

ERROR = "/oauth/authorize"


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
    [("de", "de"), ("de_AT", "de"), ("pt_BR", "pt_BR"), ("pt", "en"), ("fr", "en"), ("", "en"), ("en", "en")],
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
