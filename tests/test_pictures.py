"""The pictures of the documentation show what the example shows today."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.documentation import DOCS, PAGES

FOLDER = DOCS / "_static" / "pictures"
WORDS = json.loads((FOLDER / "words.json").read_text("utf-8"))


@pytest.fixture
def pictures(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.syspath_prepend(str(DOCS / "_ext"))
    import pictures

    yield pictures
    sys.modules.pop("pictures", None)


def test_each_picture_of_a_page_is_there_and_has_its_words() -> None:
    shown = {name for page in PAGES for name in re.findall(r"_static/pictures/([\w-]+)\.png", page.read_text("utf-8"))}
    assert len(shown) > 6
    assert {name.removesuffix("-dark") for name in shown} <= set(WORDS)
    assert [name for name in shown if not (FOLDER / f"{name}.png").is_file()] == []


def test_what_differs_from_run_to_run_is_not_compared(pictures: Any) -> None:
    said = "http://localhost:40123/oauth/authorize?state=xyz ogat_abc-1 on 2026-11-28 at 03:12:11, code BCDF-GHJK"
    assert pictures.normalize(said) == "http://localhost:6543/oauth/authorize?… … on … at …, code WDJB-MJHT"


@pytest.mark.slow
@pytest.mark.needs("chromium")
def test_the_words_in_the_pictures_are_those_of_today(pictures: Any, chromium: Any) -> None:
    """If this fails, `make pictures` makes them anew."""
    assert pictures.take_all(chromium) == WORDS
