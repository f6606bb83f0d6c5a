"""Tables on the terminal, figures in JSON, and whether each is within reach."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from .measure import Comparison

__all__ = ["RESULTS", "Row", "Table", "describe_machine", "render", "write"]

RESULTS: Final = Path(__file__).parent.parent / "results"


@dataclass(frozen=True, slots=True)
class Row:
    """One figure.

    :ivar what: whose it is and of what.
    :ivar value: the median.
    :ivar unit: ``x`` for a ratio.
    :ivar at_most, at_least: what it should reach; neither where nothing is promised, as for a peer.
    :ivar spread: the quartiles of the pairs.
    :ivar note: absolute times, versions, conditions.
    """

    what: str
    value: float
    unit: str = "x"
    at_most: float | None = None
    at_least: float | None = None
    spread: tuple[float, float] | None = None
    note: str = ""

    @classmethod
    def of(cls, what: str, found: Comparison, **more: Any) -> Row:
        note = ", ".join(filter(None, (f"{found.subject:.1f} / {found.base:.1f} µs", more.pop("note", ""))))
        return cls(what, round(found.ratio, 3), spread=(round(found.low, 3), round(found.high, 3)), note=note, **more)

    @property
    def verdict(self) -> str:
        if self.at_most is not None:
            return "ok" if self.value <= self.at_most else "SHORT"
        if self.at_least is not None:
            return "ok" if self.value >= self.at_least else "SHORT"
        return ""

    @property
    def reach(self) -> str:
        bound = self.at_most if self.at_most is not None else self.at_least
        return "" if bound is None else f"{'<=' if self.at_most is not None else '>='} {bound:g}"

    @property
    def figure(self) -> str:
        return f"{self.value:,.3f}" if self.unit == "x" else f"{self.value:,.10g} {self.unit}".rstrip()

    @property
    def quartiles(self) -> str:
        return "" if self.spread is None else f"{self.spread[0]:.3f}-{self.spread[1]:.3f}"


@dataclass(frozen=True, slots=True)
class Table:
    """The answer to one question.

    :ivar series: curves for the plots, by name: pairs of x and y.
    """

    question: str
    rows: list[Row]
    series: dict[str, list[tuple[float, float]]] = field(default_factory=dict)


def describe_machine() -> str:
    """The machine line."""
    names = "pyramid", "waitress", "joserfc", "cryptography", "urllib3", "dogpile.cache"
    versions = ", ".join(f"{name} {version(name)}" for name in names)
    load = os.getloadavg()[0]
    return (
        f"{_find_processor()} x {os.cpu_count()}, {platform.system()} {platform.release()}, "
        f"{platform.python_implementation()} {platform.python_version()}, {versions}; load {load:.1f} at the start"
    )


def render(table: Table) -> str:
    """The table as text."""
    cells = [("", "median", "reach", "", "quartiles", "")]
    cells += [(row.what, row.figure, row.reach, row.verdict, row.quartiles, row.note) for row in table.rows]
    widths = [max(len(line[column]) for line in cells) for column in range(6)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells]
    return "\n".join(["", f"== {table.question}", *lines])


def write(name: str, table: Table, *, machine: str, pairs: int) -> None:
    """Keep the figures of a whole run."""
    RESULTS.mkdir(exist_ok=True)
    document = {"machine": machine, "date": datetime.now(UTC).date().isoformat(), "pairs": pairs, **asdict(table)}
    (RESULTS / f"{name}.json").write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")


def _find_processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
