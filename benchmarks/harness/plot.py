"""Line charts as SVG: a few curves on linear or logarithmic axes. Small enough not to want a library."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

__all__ = ["Chart", "draw"]

_WIDTH, _HEIGHT = 720, 380
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 40, 50, 50
_COLOURS: Final = ("#0b6e4f", "#c8553d", "#3d5a98", "#b8860b", "#7b4b94", "#555555", "#1b998b")

Series = Mapping[str, Sequence[tuple[float, float]]]


@dataclass(frozen=True, slots=True)
class Chart:
    """What a chart says besides its curves.

    :ivar log_x, log_y: whether that axis is logarithmic.
    """

    title: str
    x: str
    y: str
    log_x: bool = False
    log_y: bool = False


@dataclass(frozen=True, slots=True)
class _Axis:
    low: float
    high: float
    log: bool
    begin: float
    end: float

    def place(self, value: float) -> float:
        scale: Callable[[float], float] = math.log10 if self.log else float
        share = (scale(value) - scale(self.low)) / (scale(self.high) - scale(self.low))
        return self.begin + share * (self.end - self.begin)

    @property
    def ticks(self) -> list[float]:
        if self.log:
            return [10.0**power for power in range(round(math.log10(self.low)), round(math.log10(self.high)) + 1)]
        step = 10 ** math.floor(math.log10(self.high / 4))
        step = next(step * factor for factor in (1, 2, 5, 10) if self.high / (step * factor) <= 6)
        return [step * number for number in range(int(self.high / step) + 1)]


def draw(chart: Chart, series: Series) -> str:
    """The SVG document."""
    points = [point for curve in series.values() for point in curve]
    x = _fit([point[0] for point in points], chart.log_x, _LEFT, _WIDTH - _RIGHT)
    y = _fit([point[1] for point in points], chart.log_y, _HEIGHT - _BOTTOM, _TOP + 18 * len(series))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif" font-size="12">',
        f'<title>{escape(chart.title)}</title><rect width="{_WIDTH}" height="{_HEIGHT}" fill="#ffffff"/>',
        _write(_LEFT, 22, chart.title, 'font-size="15" font-weight="bold"'),
        _write(_WIDTH - _RIGHT, _HEIGHT - 12, chart.x, 'text-anchor="end"'),
        _write(_LEFT, _TOP - 8, chart.y, ""),
        *_rule(x, y),
    ]
    for number, (name, curve) in enumerate(series.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        places = [(x.place(each), y.place(value)) for each, value in curve]
        line = " ".join(f"{across:.1f},{down:.1f}" for across, down in places)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        if len(places) <= 24:
            parts += [f'<circle cx="{across:.1f}" cy="{down:.1f}" r="3" fill="{colour}"/>' for across, down in places]
        parts.append(_write(_LEFT + 14, _TOP + 12 + 18 * number, name, f'fill="{colour}" font-weight="bold"'))
    return "\n".join([*parts, "</svg>\n"])


def _fit(values: list[float], log: bool, begin: float, end: float) -> _Axis:
    if log:
        return _Axis(
            10 ** math.floor(math.log10(min(values))), 10 ** math.ceil(math.log10(max(values))), True, begin, end
        )
    return _Axis(0.0, max(values) * 1.05, False, begin, end)


def _rule(x: _Axis, y: _Axis) -> list[str]:
    lines = []
    for tick in x.ticks:
        across = x.place(tick)
        lines.append(f'<path d="M{across:.1f} {y.begin}V{y.end}" stroke="#e4e4e4"/>')
        lines.append(_write(across, y.begin + 18, f"{tick:,.10g}", 'text-anchor="middle"'))
    for tick in y.ticks:
        down = y.place(tick)
        lines.append(f'<path d="M{x.begin} {down:.1f}H{x.end}" stroke="#e4e4e4"/>')
        lines.append(_write(x.begin - 8, down + 4, f"{tick:,.10g}", 'text-anchor="end"'))
    return lines


def _write(x: float, y: float, text: str, style: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" {style}>{escape(text)}</text>'
