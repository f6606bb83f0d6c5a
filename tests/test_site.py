"""The documentation as a site: it builds without a warning, its links lead somewhere, it can be searched and read on a phone."""

from __future__ import annotations

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urldefrag

import pytest

from tests.documentation import DOCS, PAGES, ROOT, name_page


class Document(HTMLParser):
    """The anchors and the links of one page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path, self.anchors, self.links = path, set[str](), list[str]()
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if value and name == "id":
                self.anchors.add(value)
            if value and name in ("href", "src") and not re.match(r"[a-z]+:", value):
                self.links.append(value)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the site as `make docs` does: every warning is an error, and every unknown name is a warning."""
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-d", out / "trees", "docs", out / "html"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return out / "html"


@pytest.fixture(scope="module")
def documents(site: Path) -> dict[Path, Document]:
    return {path: Document(path) for path in site.rglob("*.html")}


@pytest.mark.slow
def test_each_link_leads_to_a_file_and_an_anchor_that_are_there(documents: dict[Path, Document]) -> None:
    assert len(documents) > 40
    broken = []
    for document in documents.values():
        for link in document.links:
            name, anchor = urldefrag(link)
            target = (document.path.parent / unquote(name.partition("?")[0])).resolve() if name else document.path
            here = documents.get(target)
            if not target.is_file() or (anchor and here and unquote(anchor) not in here.anchors):
                broken.append(f"{document.path.name}: {link}")
    assert broken == []


@pytest.mark.slow
def test_llms_txt_names_each_page(site: Path) -> None:
    text = (site / "llms.txt").read_text("utf-8")
    assert text.startswith("# pyramid_oauthguard\n\n> OAuth 2.0 for Pyramid")
    assert "OpenID Connect is missing" in text
    linked = re.findall(r"^- \[.+\]\((.+)\.md\): .", text, re.MULTILINE)
    indexes = {"index", *(name_page(page) for page in PAGES if page.name == "index.md" and page.parent != DOCS)}
    sections = {name for name in indexes if name.count("/") < 2}
    assert set(linked) >= {name_page(page) for page in PAGES} - indexes - sections
    assert all((site / f"{name}.md").is_file() for name in linked)
    assert "oauthguard.leeway" in (site / "reference" / "settings.md").read_text("utf-8")


WIDE = "[...document.querySelectorAll('pre')].filter(each => each.scrollWidth > each.clientWidth + 1).map(each => each.innerText)"
LOOSE = (
    "[...document.querySelectorAll('pre')].filter(each => !['auto', 'scroll'].includes(getComputedStyle(each).overflowX))"
    ".map(each => each.innerText)"
)
PICTURES = "[...document.images].filter(each => each.checkVisibility() && !each.naturalWidth).map(each => each.src)"


@pytest.mark.slow
@pytest.mark.needs("chromium")
@pytest.mark.parametrize("width", [400, 1280])
def test_no_page_scrolls_sideways_and_code_stays_in_its_box(
    chromium: Any, documents: dict[Path, Document], width: int
) -> None:
    page = chromium.new_page(viewport={"width": width, "height": 900})
    faults = []
    for path in documents:
        page.goto(path.as_uri())
        if page.evaluate("document.documentElement.scrollWidth") > width:
            faults.append(f"{path.name} is wider than {width} px")
        expression = WIDE if width > 1000 else LOOSE
        faults += [f"{path.name}: {text}" for text in page.evaluate(expression)]
        faults += [f"{path.name}: {source}" for source in page.evaluate(PICTURES)]
    page.close()
    assert faults == []


@pytest.mark.slow
@pytest.mark.needs("chromium")
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("keycloak", "how-to/issuers/keycloak"),
        ("audience", "oauthguard.audience"),
        ("401", "how-to/troubleshooting"),
        ("invalid_scope", "how-to/troubleshooting"),
        ("pyramid_jwt", "how-to/from-pyramid-jwt"),
    ],
)
def test_the_search_finds(chromium: Any, site: Path, words: str, expected: str) -> None:
    page = chromium.new_page()
    page.goto(f"{(site / 'search.html').as_uri()}?q={words}")
    page.wait_for_selector("ul.search li")
    page.wait_for_function(
        "document.querySelector('#search-results .search-summary')?.innerText.match(/found|matching/)"
    )
    found = page.evaluate("[...document.querySelectorAll('ul.search li > a')].slice(0, 5).map(each => each.href)")
    page.close()
    assert [address for address in found if expected in address], found
