"""Every page for users in Chromium: 400 and 1280 px, light and dark, in each language, checked by axe-core, by keyboard and as
a screen reader gets it; and the colours, whichever variable a style sheet changes."""

from __future__ import annotations

import functools
import itertools
import os
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

import pyramid_oauthguard.server
from tests.focus import RATIO, check_focus
from tests.guard.serving import serve
from tests.server.flows import CALLBACK, Flow, build_flow

pytestmark = [pytest.mark.slow, pytest.mark.needs("chromium")]

SERVER = Path(pyramid_oauthguard.server.__file__).parent
LANGUAGES = ["en", "de", "fr", "ja"]
SCENES = [
    "consent",
    "problem",
    "device",
    "unknown",
    "decision",
    "connected",
    "denied",
    "applications",
    "empty",
    "error",
    "expired",
    "form post",
]
ADDRESSES = {
    "device": "/oauth/device",
    "unknown": "/oauth/device?user_code=BBBB-BBBB",
    "applications": "/oauth/applications",
    "empty": "/oauth/applications",
    "error": "/oauth/authorize",
}
ALLOW = "button[value=allow]"
BUTTONS = {
    "problem": ALLOW,
    "expired": ALLOW,
    "unknown": ".connect button",
    "connected": ALLOW,
    "denied": "button[value=deny]",
}
#: A folder for pictures of the pages, for a developer who wants to see them.
PICTURES = os.environ.get("OAUTHGUARD_PICTURES")
AXED = {(400, "dark"), (1280, "light")}  # each run takes a second
LOGO = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 160 32"><rect width="160" height="32" rx="6" fill="#1254b5"/></svg>'
CONTRASTS = (
    f"() => {{{RATIO}"
    """
  const all = [...document.querySelectorAll("body *")];
  const texts = all.filter(each => [...each.childNodes].some(child => child.nodeType === 3 && child.textContent.trim()));
  const controls = all.filter(each => each.matches("button:not(.link), input:not([type=hidden])"));
  const main = document.querySelector("main");
  return {
    texts: texts.length,
    text: Math.min(...texts.map(each => ratio(getComputedStyle(each).color, behind(each)))),
    control: Math.min(21, ...controls.map(each => ratio(getComputedStyle(each).borderTopColor, behind(each.parentElement)))),
    focus: ratio(getComputedStyle(main).color, behind(main)),
  };
}
"""
)


@dataclass
class Site:
    """A server with its users, and its address."""

    flow: Flow
    url: str

    def add_device(self) -> str:
        """The code of a device that waits."""
        form = {"client_id": self.television, "scope": "read write"}
        code: str = self.flow.server.app.post("/oauth/device_authorization", form).json["user_code"]
        return code

    @functools.cached_property
    def television(self) -> str:
        made = self.flow.server.clients.create(
            "Television", public=True, grants=["device_code"], scopes=["read", "write"]
        )
        client_id: str = made.client.client_id
        return client_id

    def build_request(self, **changes: str) -> str:
        both = {"audiences": ["https://api.example", "https://files.example"]}
        client = self.flow.server.clients.create(
            "Web shop", redirect_uris=[CALLBACK], grants=["authorization_code"], scopes=["read", "write"], **both
        )
        self.flow.server.clients.edit(
            client.client.client_id,
            owner="Example Shops Ltd",
            home_page="https://shop.example/",
            policy="https://shop.example/privacy",
        )
        query = {**self.flow.ask(client, redirect_uri=CALLBACK), "resource": both["audiences"][1], **changes}
        return f"{self.url}/oauth/authorize?{urlencode(query)}"


@pytest.fixture
def site(build: Any, tmp_path: Path) -> Iterator[Site]:
    logo = tmp_path / "logo.svg"
    logo.write_text(LOGO)
    settings = {
        "scopes": "read = See your orders\nwrite = Place orders in your name",
        "pages.name": "Example ID",
        "pages.logo": str(logo),
    }
    flow = build_flow(build, settings)
    flow.allow()  # so that there is something to withdraw
    flow.people.sign_out = lambda request: [("Set-Cookie", "user=; Path=/; Max-Age=0")]  # type: ignore[attr-defined]
    with serve(flow.server.app.app) as server:
        yield Site(flow, f"http://127.0.0.1:{server.port}")


def open_context(chromium: Browser, site: Site, *, user: str = "anna", **options: Any) -> BrowserContext:
    context = chromium.new_context(**options)
    context.add_init_script("HTMLFormElement.prototype.submit = () => {}")  # a form post stays in view
    context.add_cookies([{"name": "user", "value": user, "url": site.url}])
    return context


def submit(page: Page, selector: str) -> None:
    """Press a button by keyboard, which works at once, and wait for the next page."""
    with page.expect_navigation():
        page.press(selector, "Enter")


def show(page: Page, site: Site, scene: str) -> None:
    """Bring one of the pages into the browser, as its user comes there."""
    if scene in {"consent", "problem", "expired"}:
        page.goto(site.build_request())
    elif scene == "form post":
        page.goto(site.build_request(response_mode="form_post", scope="nonsense"))
    elif scene in {"decision", "connected", "denied"}:
        page.goto(f"{site.url}/oauth/device?user_code={site.add_device()}")
        submit(page, ".connect button")
    else:
        page.goto(site.url + ADDRESSES[scene])
    go_on(page, scene)


def go_on(page: Page, scene: str) -> None:
    """Send the form that leads to the page."""
    if scene == "problem":
        page.evaluate("for (const each of document.querySelectorAll('[type=checkbox]')) each.checked = false")
    if scene == "expired":
        page.evaluate("for (const each of document.querySelectorAll('[name=ticket]')) each.value = 'x'")
    if scene in BUTTONS:
        submit(page, BUTTONS[scene])


def find_violations(page: Page) -> list[str]:
    from axe_playwright_python.sync_playwright import Axe

    return [f"{each['id']}: {each['nodes'][0]['html']}" for each in Axe().run(page).response["violations"]]


@pytest.mark.promise("AS-06")
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_page_is_accessible_at_each_width_and_in_both_schemes(
    chromium: Browser, site: Site, language: str
) -> None:
    context = open_context(chromium, site, locale=language, bypass_csp=True)
    page = context.new_page()
    for scene in SCENES:
        user = "berta" if scene == "empty" else "anna"
        context.add_cookies([{"name": "user", "value": user, "url": site.url}])
        show(page, site, scene)
        assert page.get_attribute("html", "lang") == language
        for width, scheme in itertools.product((400, 1280), ("light", "dark")):
            page.set_viewport_size({"width": width, "height": 800})
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            check_page(page, f"{scene}-{language}-{width}-{scheme}")
            assert (width, scheme) not in AXED or find_violations(page) == []
    context.close()


def check_page(page: Page, name: str) -> None:
    found = page.evaluate(CONTRASTS)
    assert found["texts"] >= 3, name
    assert found["text"] >= 4.5, name
    assert found["control"] >= 3, name
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
    if PICTURES:
        page.screenshot(path=f"{PICTURES}/{name}.png", full_page=True)


COLOURS = """
([name, values, measure]) => {
  const root = document.documentElement.style;
  const found = values.map(value => {
    root.setProperty(name, value);
    return {value, ...eval(measure)()};
  });
  root.removeProperty(name);
  return found;
}
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_whichever_variable_changes_text_and_controls_can_be_read(chromium: Browser, site: Site, scheme: str) -> None:
    chosen = random.Random(7)  # noqa: S311  # the same colours in each run
    values = ["#000", "#fff", "#757575", "#767676", "#777", "red", "lime", "blue", "#e0007a", "oklch(0.62 0.25 30)"]
    values += [f"#{chosen.randrange(2**24):06x}" for _ in range(30)]
    context = open_context(chromium, site, color_scheme=scheme, bypass_csp=True)
    page = context.new_page()
    for scene in ("problem", "applications", "error"):
        show(page, site, scene)
        page.add_style_tag(content="* { transition: none !important; }")
        for name in ("page", "card", "accent"):
            for found in page.evaluate(COLOURS, [f"--oauthguard-{name}", values, CONTRASTS]):
                assert found["text"] >= 4.5, (scene, name, found)
                assert found["control"] >= 3, (scene, name, found)
                assert found["focus"] >= 3, (scene, name, found)
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_browser_that_can_not_compute_colours_has_defaults_that_can_be_read(
    chromium: Browser, site: Site, scheme: str
) -> None:
    context = open_context(chromium, site, color_scheme=scheme)
    style = (
        Path(SERVER, "static", "pages.css")
        .read_text("utf-8")
        .replace("@supports (color: color(", "@supports (nothing: color(")
    )
    context.route("**/pages.css*", lambda route: route.fulfill(body=style, content_type="text/css"))
    page = context.new_page()
    for scene in ("problem", "applications", "error"):
        show(page, site, scene)
        found = page.evaluate(CONTRASTS)
        assert min(found["text"], found["focus"]) >= 4.5, (scene, found)
        assert found["control"] >= 3, (scene, found)
    context.close()


def list_said(page: Page) -> list[str]:
    """What a screen reader says, in its order."""
    return [line.strip(" -:") for line in page.locator("body").aria_snapshot().splitlines()]


def test_a_screen_reader_meets_the_question_before_the_answers(chromium: Browser, site: Site) -> None:
    context = open_context(chromium, site)
    page = context.new_page()
    show(page, site, "consent")
    said = list_said(page)
    order = [
        'img "Example ID"',
        'heading "Allow this application?" [level=1]',
        "“Web shop”",
        "You are signed in as",
        'button "Not you? Sign in as somebody else"',
        'group "The application would be able to:"',
        'checkbox "See your orders" [checked]',
        'checkbox "Place orders in your name" [checked]',
        'list "This applies to one service:"',
        'button "Deny"',
        'button "Allow"',
    ]
    places = [next(place for place, line in enumerate(said) if each in line) for each in order]
    assert places == sorted(places), said
    context.close()


def test_the_keyboard_reaches_everything_in_the_order_of_the_page(chromium: Browser, site: Site) -> None:
    context = open_context(chromium, site, viewport={"width": 400, "height": 800})
    page = context.new_page()
    name = "document.activeElement.name || document.activeElement.textContent"
    show(page, site, "consent")
    assert press_tabs(page, 7, name) == [
        "Home page",
        "Privacy policy",
        "Not you? Sign in as somebody else", "scope.read", "scope.write", "decision", "decision",
    ]  # fmt: skip
    show(page, site, "applications")
    assert press_tabs(page, 3, name) == ["Not you? Sign in as somebody else", "Withdraw", "Go to the home page"]
    page.goto(f"{site.url}/oauth/authorize")
    assert press_tabs(page, 1, name) == ["Go to the home page"]
    context.close()


def test_the_focus_is_seen_and_goes_on_as_each_page_is_read(chromium: Browser, site: Site) -> None:
    context = open_context(chromium, site, viewport={"width": 400, "height": 800}, color_scheme="dark")
    page = context.new_page()
    for scene in SCENES:
        show(page, site, scene)
        assert check_focus(page), scene
    context.close()


def press_tabs(page: Page, count: int, name: str) -> list[str]:
    reached = []
    for _ in range(count):
        page.keyboard.press("Tab")
        reached.append(page.evaluate(name))
        assert page.evaluate("parseFloat(getComputedStyle(document.activeElement).outlineWidth)") >= 2
    return reached


def test_a_form_that_is_sent_twice_does_no_harm(chromium: Browser, site: Site) -> None:
    context = open_context(chromium, site)
    page = context.new_page()
    show(page, site, "decision")
    with page.expect_navigation(url="**/oauth/device"):
        page.evaluate(
            "() => { const button = document.querySelector('[value=allow]'); button.click(); button.click(); }"
        )
    page.wait_for_selector("[role=status]")
    assert page.inner_text("h1") == "Device connected"
    context.close()
