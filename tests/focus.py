"""A walk through a page by Tab: where the focus goes, and whether a user sees where it is."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page

_MOST_STOPS = 250
_START = "window.reached = new WeakSet(); document.body.tabIndex = -1; document.body.focus(); document.body.removeAttribute('tabindex')"
#: Functions of a script: `behind(element)` is the colour under it, `ratio(one, other)` a contrast as WCAG 2.2 defines it, of
#: colours in any notation: a canvas turns them into sRGB.
RATIO = """
  const canvas = Object.assign(document.createElement("canvas"), {width: 1, height: 1});
  const pen = canvas.getContext("2d", {willReadFrequently: true});
  const known = new Map();
  const read = color => {
    if (!known.has(color)) {
      pen.clearRect(0, 0, 1, 1);
      pen.fillStyle = color;
      pen.fillRect(0, 0, 1, 1);
      known.set(color, [...pen.getImageData(0, 0, 1, 1).data]);
    }
    return known.get(color);
  };
  const luminance = color => {
    const [r, g, b] = read(color).map(value => {
      value /= 255;
      return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = element => {
    const color = getComputedStyle(element).backgroundColor;
    return read(color)[3] === 0 ? behind(element.parentElement) : color;
  };
  const ratio = (one, other) => {
    const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  };
"""
# After two frames, since the browser scrolls in the first one. The contrast is that of the outline with what is around the element.
_STOP = (
    f"async () => {{{RATIO}"
    """
  await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)));
  const each = document.activeElement;
  if (each === document.body || reached.has(each)) return null;  // after the last one, the first one may follow
  reached.add(each);
  const style = getComputedStyle(each), box = each.getBoundingClientRect();
  return {
    name: (each.name || each.getAttribute("aria-label") || each.textContent || each.id).trim().slice(0, 60),
    top: box.top + scrollY, bottom: box.bottom + scrollY, left: box.left, right: box.right,
    width: style.outlineStyle === "none" ? 0 : parseFloat(style.outlineWidth),
    contrast: ratio(style.outlineColor, behind(each.parentElement)),
    shown: box.width > 0 && box.bottom > 0 && box.top < innerHeight,
  };
}
"""
)


@dataclass(frozen=True)
class Stop:
    """An element that Tab reaches, with its place on the page and its outline."""

    name: str
    top: float
    bottom: float
    left: float
    right: float
    width: float
    contrast: float
    shown: bool


def walk(page: Page) -> list[Stop]:
    """Press Tab from the beginning of the page to its end."""
    page.evaluate(_START)
    stops: list[Stop] = []
    for _ in range(_MOST_STOPS):
        page.keyboard.press("Tab")
        found = page.evaluate(_STOP)
        if found is None:
            return stops
        stops.append(Stop(**found))
    raise AssertionError("the page has no end for the keyboard")


def tab_to(page: Page, name: str) -> None:
    """Press Tab until the element with this name has the focus."""
    page.evaluate("window.reached = new WeakSet()")
    for _ in range(_MOST_STOPS):
        page.keyboard.press("Tab")
        found = page.evaluate(_STOP)
        if found is not None and found["name"] == name:
            return
    raise AssertionError(f"Tab does not lead to {name}")


def check_focus(page: Page) -> list[str]:
    """Check that the focus is seen at each stop, and goes on as the page is read. Returns the names of the stops."""
    stops = walk(page)
    for stop in stops:
        assert stop.shown, stop
        assert stop.width >= 2, stop
        assert stop.contrast >= 3, stop
    for one, other in itertools.pairwise(stops):
        assert other.bottom > one.top, (one, other)
        assert other.top >= one.bottom or other.right > one.left, (one, other)
    return [stop.name for stop in stops]
