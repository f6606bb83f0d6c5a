"""The findings as a table, and where the documentation has it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from .disturbance import Finding

__all__ = ["PUBLISHED", "publish", "tabulate"]

PUBLISHED: Final = Path(__file__).parents[3] / "docs" / "project" / "chaos.txt"
_HEAD: Final = (
    "| disturbance | requests | 503 or no answer | wrong | lost | signed out | over 6 s | slowest | recovery | log lines |",
    "|---|---|---|---|---|---|---|---|---|---|",
)


def tabulate(found: Iterable[Finding]) -> list[str]:
    """The lines of the table. What is not right is bold."""
    return [*_HEAD, *(_build_row(each) for each in found)]


def publish(found: Iterable[Finding], names: Iterable[str]) -> None:
    """Write it where the page of the documentation includes it. Rows of disturbances that were not tried now stay.

    :param names: those of all disturbances, in their order.
    """
    kept = PUBLISHED.read_text("utf-8").splitlines()[len(_HEAD) :] if PUBLISHED.exists() else []
    rows = {row.split(" | ")[0].removeprefix("| "): row for row in (*kept, *map(_build_row, found))}
    PUBLISHED.write_text("\n".join((*_HEAD, *(rows[name] for name in names if name in rows))) + "\n", "utf-8")


def _build_row(finding: Finding) -> str:
    counts = finding.counts
    zeros = (len(counts.wrong), len(counts.lost), len(counts.ended), counts.hung)
    recovery = f"{finding.recovery:.1f} s"
    cells = [
        finding.name,
        str(counts.asked),
        str(counts.unavailable),
        *(f"**{number}**" if number else "0" for number in zeros),
        f"{counts.slowest:.1f} s",
        f"**{recovery}**" if finding.recovery > finding.limit else recovery,
        str(finding.lines),
    ]
    return f"| {' | '.join(cells)} |"
