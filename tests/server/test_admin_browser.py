"""The pages of the administration in Chromium: both widths, both schemes, checked by axe-core."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.guard.serving import serve
from tests.server.conftest import Build
from tests.server.test_admin import PAGES, build_admin
from tests.server.test_every_page import AXED, Site, check_page, find_violations, open_context, submit

pytestmark = [pytest.mark.slow, pytest.mark.needs("chromium")]


def test_every_page_is_accessible(build: Build, monkeypatch: pytest.MonkeyPatch, chromium: Browser) -> None:
    flow = build_admin(build, monkeypatch)
    flow.show(browser=flow.sign_in("carl")).forms[1].submit("decision", value="allow")
    with serve(flow.server.app.app) as server:
        site = Site(flow, f"http://127.0.0.1:{server.port}")
        context = open_context(chromium, site, bypass_csp=True)
        page = context.new_page()
        client = f"/oauth/admin/client?client_id={flow.web.client.client_id}"
        for path in [*PAGES, "/oauth/admin/users?subject=carl", client]:
            page.goto(site.url + path)
            for width, scheme in itertools.product((400, 1280), ("light", "dark")):
                page.set_viewport_size({"width": width, "height": 800})
                page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
                check_page(page, f"admin-{path.rpartition('/')[2].partition('?')[0]}-{width}-{scheme}")
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
