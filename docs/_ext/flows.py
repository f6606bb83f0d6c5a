"""`{flow} title`: a sequence diagram as SVG in the page, so that it has the colours of the page and needs no program.

The first line names the parties; each other line is a step::

    Browser, API, Issuer
    Browser -> API: GET /orders        a message
    API --> Browser: 200               its answer
    API: checks the signature          what a party does by itself
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Final

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

if TYPE_CHECKING:
    from sphinx.application import Sphinx

_WIDTH: Final = 720
_STEP: Final = 38
_TOP: Final = 40
_BOX: Final = 28
_EDGE: Final = 70
_STEP_LINE: Final = re.compile(r"(?P<from>[^:>]+?)(?: (?P<arrow>--?>) (?P<to>[^:]+?))?: (?P<text>.+)")


@dataclass(frozen=True, slots=True)
class Step:
    """One line: who, to whom (the same party if it works by itself), what."""

    source: int
    target: int
    text: str
    is_answer: bool


class Flow(SphinxDirective):
    """A figure with the diagram and its title."""

    required_arguments = 1
    final_argument_whitespace = True
    has_content = True

    def run(self) -> list[nodes.Node]:
        """Draw the lines of the directive; a line that can't be read is an error of the build."""
        lines = [line.strip() for line in self.content if line.strip()]
        parties = [name.strip() for name in lines[0].split(",")]
        try:
            steps = [read_step(line, parties) for line in lines[1:]]
        except ValueError as problem:
            raise self.error(str(problem)) from None
        svg = "\n".join(draw(self.arguments[0], parties, steps))
        return [nodes.raw("", f'<figure class="flow scrolls" tabindex="0">\n{svg}\n</figure>', format="html")]


def read_step(line: str, parties: Sequence[str]) -> Step:
    """Return the step that a line says."""
    found = _STEP_LINE.fullmatch(line)
    names = () if found is None else (found["from"], found["to"] or found["from"])
    if found is None or not set(names) <= set(parties):
        raise ValueError(f"not a step of {', '.join(parties)}: {line}")
    source, target = map(parties.index, names)
    return Step(source, target, found["text"], found["arrow"] == "-->")


def draw(title: str, parties: Sequence[str], steps: Sequence[Step]) -> Iterator[str]:
    """Yield the lines of the SVG. Its description is the list of the steps, for readers who don't see it."""
    height = _TOP + _BOX + len(steps) * _STEP
    places = [_EDGE + round((_WIDTH - 2 * _EDGE) * number / (len(parties) - 1)) for number in range(len(parties))]
    said = "; ".join(_say(step, parties) for step in steps)
    yield f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{escape(f"{title}: {said}")}">'
    for name, place in zip(parties, places, strict=True):
        yield f'<line class="life" x1="{place}" y1="{_BOX + 6}" x2="{place}" y2="{height - 6}"/>'
        yield f'<rect class="party" x="{place - 62}" y="4" width="124" height="{_BOX}" rx="4"/>'
        yield f'<text x="{place}" y="{_BOX - 6}" text-anchor="middle" font-weight="600">{escape(name)}</text>'
    for number, step in enumerate(steps):
        yield from _draw_step(step, places, _TOP + _BOX + number * _STEP)
    yield f"</svg>\n<figcaption>{escape(title)}</figcaption>"


def _say(step: Step, parties: Sequence[str]) -> str:
    to = "" if step.source == step.target else f" to {parties[step.target]}"
    return f"{parties[step.source]}{to}: {step.text}"


def _draw_step(step: Step, places: Sequence[int], y: int) -> Iterator[str]:
    start, end = places[step.source], places[step.target]
    if start == end:
        yield from _draw_own_work(step.text, start, y)
        return
    tip = end - 7 if end > start else end + 7
    line = "arrow answer" if step.is_answer else "arrow"
    yield f'<text x="{(start + end) / 2:g}" y="{y - 6}" text-anchor="middle">{escape(step.text)}</text>'
    yield f'<path class="{line}" d="M{start} {y}H{tip}"/>'
    yield f'<path class="head" d="M{end} {y}L{tip} {y - 4}V{y + 4}Z"/>'


def _draw_own_work(text: str, place: int, y: int) -> Iterator[str]:
    """To the right of the line of the party, or to the left where the picture ends."""
    is_last = place > _WIDTH * 0.6
    anchor, x = ("end", place - 10) if is_last else ("start", place + 10)
    yield f'<circle class="head" cx="{place}" cy="{y - 10}" r="4"/>'
    yield f'<text class="quiet" x="{x}" y="{y - 6}" text-anchor="{anchor}">{escape(text)}</text>'


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("flow", Flow)
    return {"parallel_read_safe": True}
