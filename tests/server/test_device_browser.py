"""The pages on which a device is connected, as people meet them in Chromium."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests
from playwright.sync_api import Browser, Page

from tests.example.servers import find_free_port, serve
from tests.server.test_browser import WIDTHS, check_looks, page, sign_in

__all__ = ["page"]

pytestmark = pytest.mark.needs("chromium")
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("device")
    with serve("example_app/issuer.ini", folder, ports={"6544": find_free_port()}) as server:
        yield server.url


def begin(address: str) -> Any:
    form = {"client_id": "customer-cli", "scope": "customer_api read:messages"}
    return requests.post(f"{address}/oauth/device_authorization", form, timeout=30).json()


@pytest.mark.promise("TK-08", "AS-06")
def test_every_page_reads_well(page: Page, address: str) -> None:
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.on("request", lambda request: problems.append(request.url) if not request.url.startswith(address) else None)
    page.goto(f"{address}/oauth/device")
    sign_in(page)
    page.wait_for_selector("#user_code")
    check_looks(page)
    page.fill("#user_code", "bbbb-bbbb")
    page.click("button")
    page.wait_for_selector("[role=alert]")
    assert page.title().startswith("Error: ")
    check_looks(page)
    codes = begin(address)
    page.goto(codes["verification_uri_complete"])
    assert page.input_value("#user_code") == codes["user_code"]
    page.click("button")
    page.wait_for_selector("button[value=allow]")
    assert codes["user_code"] in page.inner_text("form")
    check_looks(page)
    page.click("button[value=allow]")
    page.wait_for_selector("[role=status]")
    check_looks(page)
    assert [text for text in problems if "422" not in text] == []


@pytest.mark.promise("TK-08")
def test_by_keyboard_alone_and_without_script(chromium: Browser, address: str) -> None:
    context = chromium.new_context(viewport={"width": WIDTHS[0], "height": 700}, java_script_enabled=False)
    page = context.new_page()
    codes = begin(address)
    page.goto(f"{address}/oauth/device")
    sign_in(page)
    page.wait_for_selector("#user_code:focus")
    page.keyboard.type(codes["user_code"].lower())
    page.keyboard.press("Enter")
    page.wait_for_selector("button[value=allow]")
    page.focus("button[value=deny]")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector("[role=status]")
    form = {"grant_type": DEVICE, "device_code": codes["device_code"], "client_id": "customer-cli"}
    answer = requests.post(f"{address}/oauth/token", form, timeout=30)
    assert answer.json()["access_token"]
    context.close()
