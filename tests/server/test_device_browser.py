"""The pages on which a device is connected, as people meet them in Chromium."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import requests
from playwright.sync_api import Browser, Page

from tests.example.servers import find_free_port, serve
from tests.server.test_browser import WIDTHS, check_looks, page, sign_in

__all__ = ["page"]

pytestmark = [pytest.mark.slow, pytest.mark.needs("chromium")]
#: Above it is the one for another user.
CONTINUE = "form:has(#user_code) button"
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
    page.click(CONTINUE)
    page.wait_for_selector("[role=alert]")
    assert page.title().startswith("Error: ")
    check_looks(page)
    codes = begin(address)
    page.goto(codes["verification_uri_complete"])
    assert page.input_value("#user_code") == codes["user_code"]
    page.click(CONTINUE)
    page.wait_for_selector("button[value=allow]")
    assert codes["user_code"] in page.inner_text("main")
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


@pytest.fixture
def tab(chromium: Browser) -> Iterator[Page]:
    context = chromium.new_context(viewport={"width": 800, "height": 900})
    yield context.new_page()
    context.close()


def read_status(address: str, codes: Any) -> str:
    """What the device is told at its first question."""
    form = {"grant_type": DEVICE, "device_code": codes["device_code"], "client_id": "customer-cli"}
    answer = requests.post(f"{address}/oauth/token", form, timeout=30).json()
    return str(answer.get("error", "allowed"))


def find_middle(tab: Page, selector: str) -> tuple[float, float]:
    box = tab.locator(selector).first.bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


@contextmanager
def stop_animations(tab: Page) -> Iterator[None]:
    """A machine that is slow must not let the second of the double click pass."""
    session = tab.context.new_cdp_session(tab)
    session.send("Animation.enable")
    session.send("Animation.setPlaybackRate", {"playbackRate": 0})
    yield
    session.send("Animation.setPlaybackRate", {"playbackRate": 1})
    session.detach()


def show_decision(tab: Page, address: str) -> Any:
    """The approving page, just shown after the button of the page before it was pressed."""
    codes = begin(address)
    tab.goto(codes["verification_uri_complete"])
    if "sign-in" in tab.url:
        sign_in(tab)
        tab.wait_for_selector("#user_code")
    tab.press(CONTINUE, "Enter")
    tab.wait_for_selector("button[value=allow]", state="attached")
    return codes


@pytest.mark.promise("TK-08")
@pytest.mark.parametrize("button", ["allow", "deny"])
def test_the_second_click_of_a_double_click_does_not_decide(tab: Page, address: str, button: str) -> None:
    with stop_animations(tab):
        codes = show_decision(tab, address)
        place = find_middle(tab, f"button[value={button}]")
        checkbox = find_middle(tab, "input[type=checkbox]")
        tab.mouse.dblclick(*place)
        tab.mouse.click(*checkbox)
        tab.wait_for_timeout(300)
        assert tab.title().startswith("Allow ")
        assert tab.locator("input[type=checkbox]").first.is_checked(), "nor does it take a scope away"
        assert read_status(address, codes) == "authorization_pending"
    tab.wait_for_timeout(1100)
    tab.mouse.click(*place)
    tab.wait_for_selector("[role=status]")
    assert tab.title() == ("Device connected" if button == "allow" else "Device not connected")


@pytest.mark.promise("TK-08")
def test_a_real_double_click_where_the_next_button_will_be_does_not_decide(tab: Page, address: str) -> None:
    """Both clicks at one place, as a mouse makes them: the second one meets the approving page's button."""
    codes = show_decision(tab, address)
    place = find_middle(tab, "button[value=allow]")
    tab.goto(codes["verification_uri_complete"])
    move = "([x, y]) => Object.assign(document.querySelector('form:has(#user_code) button').style, {position: 'fixed', left: x, top: y})"
    tab.evaluate(move, [f"{place[0] - 20}px", f"{place[1] - 10}px"])
    with stop_animations(tab):
        tab.mouse.click(*place)
        tab.wait_for_selector("button[value=allow]", state="attached")
        tab.mouse.click(*place, click_count=2)
        tab.wait_for_timeout(300)
        assert tab.title().startswith("Allow ")
        assert read_status(address, codes) == "authorization_pending"


@pytest.mark.promise("TK-08")
def test_a_key_that_is_held_down_does_not_decide_and_the_keyboard_works_at_once(tab: Page, address: str) -> None:
    codes = begin(address)
    tab.goto(codes["verification_uri_complete"])
    sign_in(tab)
    tab.wait_for_selector("#user_code")
    tab.focus("#user_code")
    tab.keyboard.down("Enter")
    tab.wait_for_selector("button[value=allow]")
    for _ in range(5):
        tab.keyboard.down("Enter")  # as a key that repeats
    tab.keyboard.up("Enter")
    assert read_status(address, codes) == "authorization_pending"
    tab.press("button[value=allow]", "Enter")
    tab.wait_for_selector("[role=status]")
