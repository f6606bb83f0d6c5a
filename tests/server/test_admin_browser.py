"""The pages of the administration in Chromium: both widths, both schemes, checked by axe-core."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.focus import check_focus
from tests.guard.serving import serve
from tests.server.conftest import Build
from tests.server.test_admin import PAGES, Operators, build_admin
from tests.server.test_every_page import AXED, Site, check_page, find_violations, open_context, submit

pytestmark = [pytest.mark.slow, pytest.mark.needs("chromium")]


#: Pages that follow a button, by the name of the scene: the page of the button, and which one it is.
SCENES = [
    ("disable", "/oauth/admin/clients", "Disable for good"),
    ("forget", "/oauth/admin/users?subject=carl", "Forget this user"),
    ("revoke", "/oauth/admin/keys", "Revoke with all its tokens"),
    ("create", "/oauth/admin/clients", "Create"),
    ("again", "/oauth/admin/keys", "Retire"),
]


def show(page: Any, site: Site, path: str, button: str | None) -> None:
    page.goto(site.url + path)
    if button == "Create":  # what can't be registered
        page.fill("#name", "Wrong")
        page.fill("#grants", "nothing")
    if button is not None:
        with page.expect_navigation():
            page.get_by_role("button", name=button, exact=True).first.press("Enter")


def test_every_page_is_accessible(build: Build, monkeypatch: pytest.MonkeyPatch, chromium: Browser) -> None:
    flow = build_admin(build, monkeypatch)
    flow.show(browser=flow.sign_in("carl")).forms[1].submit("decision", value="allow")
    with serve(flow.server.app.app) as server:
        site = Site(flow, f"http://127.0.0.1:{server.port}")
        context = open_context(chromium, site, bypass_csp=True)
        page = context.new_page()
        client = f"/oauth/admin/client?client_id={flow.web.client.client_id}"
        for name, path, button in [
            *((None, path, None) for path in [*PAGES, "/oauth/admin/users?subject=carl", client]),
            *SCENES,
        ]:
            flow.people.ago = 400.0 if name == "again" else 0.0  # type: ignore[attr-defined]
            show(page, site, path, button)
            assert check_focus(page), name or path
            for width, scheme in itertools.product((400, 1280), ("light", "dark")):
                page.set_viewport_size({"width": width, "height": 800})
                page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
                check_page(page, f"admin-{name or path.rpartition('/')[2].partition('?')[0]}-{width}-{scheme}")
                assert (width, scheme) not in AXED or find_violations(page) == []
        context.close()


def test_a_client_is_created_by_keyboard_and_without_script(
    build: Build, monkeypatch: pytest.MonkeyPatch, chromium: Browser
) -> None:
    flow = build_admin(build, monkeypatch)
    with serve(flow.server.app.app) as server:
        site = Site(flow, f"http://127.0.0.1:{server.port}")
        context = open_context(chromium, site, java_script_enabled=False)
        page: Any = context.new_page()
        page.goto(f"{site.url}/oauth/admin/clients")
        page.focus("#name")
        page.keyboard.type("By keyboard")
        for text in ("", "client_credentials", "read"):
            page.keyboard.press("Tab")
            page.keyboard.type(text)
        submit(page, ".create button")
        assert page.inner_text(".note code").startswith("ogcs_")
        context.close()


def test_a_client_is_edited_by_keyboard_and_without_script(
    build: Build, monkeypatch: pytest.MonkeyPatch, chromium: Browser
) -> None:
    flow = build_admin(build, monkeypatch)
    with serve(flow.server.app.app) as server:
        site = Site(flow, f"http://127.0.0.1:{server.port}")
        context = open_context(chromium, site, java_script_enabled=False, locale="de-DE")
        page: Any = context.new_page()
        page.goto(f"{site.url}/oauth/admin/client?client_id={flow.web.client.client_id}")
        assert page.inner_text(".edit button") == "Speichern"
        page.focus("#name")
        page.keyboard.press("Control+a")
        page.keyboard.type("By keyboard")
        page.focus("#require_pkce")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Tab")
        page.keyboard.press("Space")
        submit(page, ".edit button")
        assert page.input_value("#name") == "By keyboard"
        client = flow.server.clients.find(flow.web.client.client_id)
        assert client is not None
        assert (client.require_pkce, client.first_party, client.loopback_localhost) == (True, True, False)
        context.close()


def test_what_was_typed_survives_a_new_sign_in_in_another_tab_without_script(
    build: Build, monkeypatch: pytest.MonkeyPatch, chromium: Browser
) -> None:
    flow = build_admin(build, monkeypatch)
    people = flow.people
    assert isinstance(people, Operators)
    with serve(flow.server.app.app) as server:
        site = Site(flow, f"http://127.0.0.1:{server.port}")
        context = open_context(chromium, site, java_script_enabled=False)
        page: Any = context.new_page()
        page.goto(f"{site.url}/oauth/admin/clients")
        page.fill("#name", "Typed once")
        page.fill("#grants", "client_credentials")
        page.fill("#scopes", "read")
        people.ago = 400.0
        submit(page, ".create button")
        with context.expect_page() as opened:
            page.get_by_role("button", name="Sign in again in a new tab").press("Enter")
        opened.value.wait_for_load_state()
        assert "user" not in {each["name"] for each in context.cookies()}, "signed out, to sign in again"
        people.ago = 0.0
        context.add_cookies([{"name": "user", "value": "anna", "url": site.url}])
        with page.expect_navigation():
            page.get_by_role("button", name="Send it again").press("Enter")
        assert page.inner_text(".note code").startswith("ogcs_")
        assert "Typed once" in [each.name for each in flow.server.clients.list_all()]
        context.close()


@pytest.mark.promise("AD-01")
def test_after_a_sign_out_the_back_button_shows_nothing_and_no_other_site_frames_a_page(
    build: Build, monkeypatch: pytest.MonkeyPatch, chromium: Browser
) -> None:
    flow = build_admin(build, monkeypatch)
    with serve(flow.server.app.app) as server:
        site = Site(flow, f"http://127.0.0.1:{server.port}")
        context = open_context(chromium, site)
        page: Any = context.new_page()
        frame = f"<iframe src='{site.url}/oauth/admin/keys'></iframe>"
        page.route("http://evil.example/", lambda route: route.fulfill(body=frame, content_type="text/html"))
        with page.expect_request("**/oauth/admin/keys"):
            page.goto("http://evil.example/")
        page.wait_for_load_state("networkidle")
        assert "Signing keys" not in [each.title() for each in page.frames]
        page.goto(f"{site.url}/oauth/admin/users?subject=carl")
        page.goto(f"{site.url}/oauth/admin/keys")
        assert page.inner_text("h1") == "Signing keys"
        context.clear_cookies()
        page.go_back(wait_until="load")
        assert page.url.startswith(f"{site.url}/sign-in")
        context.close()
