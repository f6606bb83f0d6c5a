"""`{settings-table} package.settings`: the TABLE of a package as a table of the docs, with `:prefix:` before each key.

The table is the only place where a key is written, so the page is read from it at build time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar

from docutils.parsers.rst import directives
from sphinx.util.docutils import SphinxDirective

from pyramid_oauthguard.settings import REQUIRED, Setting

if TYPE_CHECKING:
    from docutils import nodes
    from sphinx.application import Sphinx

PIPE = r"\|"  # a bar that is not the end of a cell
_UNITS = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))


class SettingsTable(SphinxDirective):
    """Key, default and meaning of each row."""

    required_arguments = 1
    option_spec: ClassVar[dict[str, Any]] = {"prefix": directives.unchanged_required}

    def run(self) -> list[nodes.Node]:
        """Write the table as Markdown and let MyST parse it."""
        module = import_module(self.arguments[0])
        if module.__file__:
            self.env.note_dependency(module.__file__)
        return self.parse_text_to_nodes("\n".join(format_table(module.TABLE, self.options["prefix"])))


def format_table(table: Iterable[Setting], prefix: str) -> Iterator[str]:
    """Yield the lines of a Markdown table."""
    yield "| key | default | meaning |"
    yield "|---|---|---|"
    for row in table:
        key = f"`{prefix}.{row.name}`" + (f"<br>`{prefix}.{row.name}_file`" if row.secret else "")
        yield f"| {key} | {format_default(row)} | {row.help.replace('|', PIPE)} |"


def format_default(row: Setting) -> str:
    """Return a default as it would be written in an ini file, or the word for there being none."""
    value = row.default
    if value is REQUIRED:
        return "required"
    if value is None or value in ("", (), {}):
        return "none"
    if isinstance(value, float):  # what every kind of duration converts to
        return f"`{_as_written(value)}`"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, dict):
        return "<br>".join(f"`{key} = {below}`" for key, below in value.items())
    return f"`{' '.join(map(str, value))}`" if isinstance(value, tuple | frozenset) else f"`{value}`"


def _as_written(seconds: float) -> str:
    unit, size = next(((unit, size) for unit, size in _UNITS if seconds and seconds % size == 0), ("", 1))
    return f"{seconds / size:g}{unit}"


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("settings-table", SettingsTable)
    return {"parallel_read_safe": True}
