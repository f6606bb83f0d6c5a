"""Results as the documentation shows them: tables to include, and the plots."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from .plot import Chart, draw
from .report import RESULTS, Row

__all__ = ["publish"]

_DOCS: Final = Path(__file__).parent.parent.parent / "docs" / "project" / "benchmarks"
#: Which curves of which question each plot shows.
_PLOTS: Final = {
    "growth": (
        "growth",
        (
            "a hit, tokens seen",
            "a known kid, keys published",
            "an unknown kid refused, keys published",
            "a warm request, scopes",
        ),
        Chart("What a request costs as tokens, keys and scopes become more", "how many", "µs of CPU", log_x=True),
    ),
    "memory": ("memory", None, Chart("Memory under a flood of distinct tokens", "tokens seen", "MB", log_y=True)),
    "outage": (
        "refetch",
        None,
        Chart(
            "A good token's latency while an unknown kid is refetched, which takes 100 ms",
            "ms after the unknown one came",
            "ms, median",
            log_y=True,
        ),
    ),
}


def publish(names: Iterable[str]) -> None:
    """Write the tables and plots of the results that are there."""
    _DOCS.mkdir(exist_ok=True)
    found = {name: json.loads(_find(name).read_text()) for name in names if _find(name).exists()}
    machines = dict.fromkeys(f"{each['machine']}; {each['pairs']} pairs ({each['date']})" for each in found.values())
    parts = ["", *(f"- {machine}" for machine in machines), ""]
    for document in found.values():
        parts += [f"## {document['question']}", "", *_tabulate(document["rows"]), ""]
    (_DOCS / "tables.txt").write_text("\n".join(parts))
    for plot, (name, curves, chart) in _PLOTS.items():
        if name in found:
            series = found[name]["series"]
            shown = {each: series[each] for each in curves or series if each in series}
            positive = {
                each: [(x, max(y, 0.1)) for x, y in curve] if chart.log_y else curve for each, curve in shown.items()
            }
            (_DOCS / f"{plot}.svg").write_text(draw(chart, positive))


def _find(name: str) -> Path:
    return RESULTS / f"{name}.json"


def _tabulate(rows: list[dict[str, Any]]) -> list[str]:
    lines = ["| | median | reach | | quartiles | |", "|---|---|---|---|---|---|"]
    for each in rows:
        row = Row(**{**each, "spread": tuple(each["spread"]) if each["spread"] else None})
        cells = (row.what, row.figure, row.reach, row.verdict, row.quartiles, row.note)
        lines.append(
            "| " + " | ".join(cell.replace("|", "/").replace("<=", "≤").replace(">=", "≥") for cell in cells) + " |"
        )
    return lines
