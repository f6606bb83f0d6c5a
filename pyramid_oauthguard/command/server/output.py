"""What commands print: lines for people, JSON for programs; times as people read them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import click

__all__ = ["FORMAT", "as_time", "say", "show_one", "show_rows"]

FORMAT = click.option("--format", "style", type=click.Choice(["text", "json"]), default="text", show_default=True)


def as_time(seconds: float | None) -> str:
    """UTC to the second, empty for None; a number where calendars end."""
    if seconds is None:
        return ""
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return f"{seconds:.0f}"


def say(text: str) -> None:
    """One line of words, to standard error."""
    click.echo(_as_text(text), err=True)


def show_one(values: Mapping[str, Any], style: str) -> None:
    """One thing: a line for each of its values."""
    if style == "json":
        click.echo(json.dumps(values, indent=2))
        return
    width = max(map(len, values), default=0)
    for name, value in values.items():
        click.echo(f"{_as_text(name):{width}}  {_as_text(value)}".rstrip())


def show_rows(rows: Sequence[Mapping[str, Any]], style: str) -> None:
    """Many things: a line for each, under the names of their values."""
    if style == "json":
        click.echo(json.dumps(rows, indent=2))
        return
    if not rows:
        say("none")
        return
    table = [list(rows[0]), *([_as_text(value) for value in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for line in table:
        click.echo("  ".join(f"{cell:{width}}" for cell, width in zip(line, widths, strict=True)).rstrip())


def _as_text(value: Any) -> str:
    if isinstance(value, list | tuple):
        value = " ".join(value)
    text = "" if value is None else str(value)
    # A name may hold what would steer the operator's terminal.
    return text if text.isprintable() else "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)
