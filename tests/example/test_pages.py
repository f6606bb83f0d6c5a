"""The sign-in page as people meet it, in Chromium: by keyboard, on a narrow screen, in the dark, without script."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.example.servers import find_free_port, serve

pytestmark = pytest.mark.needs("chromium")

CONTRAST = """
() => {
  const pen = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const parse = color => {  // a computed colour may have any form
    pen.clearRect(0, 0, 1, 1);
    pen.fillStyle = color;
    pen.fillRect(0, 0, 1, 1);
    return [...pen.getImageData(0, 0, 1, 1).data];
  };
  const luminance = color => {
    const [r, g, b] = parse(color).slice(0, 3).map(value => {
      value /= 255;
      return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = element => {
    const color = getComputedStyle(element).backgroundColor;
    return parse(color)[3] === 0 ? behind(element.parentElement) : color;
  };
  const ratio = (one, other) => {
    const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  };
  const texts = [...document.querySelectorAll("h1, p, label, input:not([type=hidden]), button")];
  const borders = [...document.querySelectorAll("input:not([type=hidden])")];
  return {
    text: Math.min(...texts.map(each => ratio(getComputedStyle(each).color, behind(each)))),
    border: Math.min(...borders.map(each => ratio(getComputedStyle(each).borderTopColor, behind(each.parentElement)))),
  };
}
"""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serve("example_app/issuer.ini", tmp_path_factory.mktemp("pages"), ports={"6544": find_free_port()}) as server:
        yield server.url


@pytest.fixture(params=["light", "dark"])
def page(chromium: Any, request: pytest.FixtureRequest) -> Iterator[Any]:
    context = chromium.new_context(viewport={"width": 400, "height": 700}, color_scheme=request.param)
    yield context.new_page()
    context.close()


@pytest.mark.slow
def test_signing_in_by_keyboard_alone(page: Any, address: str) -> None:
    page.goto(f"{address}/sign-in?next=/%3Fhello")
    page.wait_for_function("document.activeElement.id === 'name'")
    page.keyboard.type("demo")
    page.keyboard.press("Tab")
    page.keyboard.type("wrong")
    page.keyboard.press("Enter")
    page.wait_for_selector("[role=alert]")
    assert page.title().startswith("Error: ")
    page.wait_for_function("document.activeElement.id === 'password'")
    page.keyboard.type("demo")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    page.wait_for_url(f"{address}/?hello")
    assert "signed in as demo" in page.inner_text("main")


@pytest.mark.slow
def test_it_reads_well_when_narrow_light_and_dark(page: Any, address: str) -> None:
    page.goto(f"{address}/sign-in")
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    page.fill("#name", "demo")
    page.fill("#password", "wrong")
    page.click("button")
    page.wait_for_selector("[role=alert]")
    contrast = page.evaluate(CONTRAST)
    assert contrast["text"] >= 4.5
    assert contrast["border"] >= 3
    assert page.eval_on_selector("button", "each => each.getBoundingClientRect().height") >= 24


@pytest.mark.slow
def test_dark_is_dark_and_light_is_light(page: Any, address: str) -> None:
    page.goto(f"{address}/sign-in")
    color = page.eval_on_selector("main", "each => getComputedStyle(each).backgroundColor")
    light = sum(int(part) for part in re.findall(r"\d+", color)[:3]) > 3 * 128
    dark = page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    assert light is not dark


@pytest.mark.slow
def test_without_script_it_all_works(chromium: Any, address: str) -> None:
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{address}/sign-in")
    page.fill("#name", "demo")
    page.fill("#password", "demo")
    page.click("button")
    assert "signed in as demo" in page.inner_text("main")
    page.click("text=Sign out")
    assert "not signed in" in page.inner_text("main")
    context.close()
