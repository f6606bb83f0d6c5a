"""`{settings-list} package.settings`: each row of a package's TABLE as an entry of the docs, with `:prefix:` before its key.

The table is the only place where a key is defined, so the page is read from it at build time. What an example is, and
what a value costs, is in docs/reference/settings.toml.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

from docutils.parsers.rst import directives
from setting_types import find_type
from sphinx.util.docutils import SphinxDirective

from pyramid_oauthguard.settings import REQUIRED, Setting

if TYPE_CHECKING:
    from docutils import nodes
    from sphinx.application import Sphinx

NOTES: Final = Path(__file__).parent.parent / "reference" / "settings.toml"
PIPE: Final = r"\|"  # a bar that is not the end of a cell
_UNITS: Final = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))


class SettingsList(SphinxDirective):
    """A table of the keys with their defaults, then an entry for each key."""

    required_arguments = 1
    option_spec: ClassVar[dict[str, Any]] = {"prefix": directives.unchanged_required}

    def run(self) -> list[nodes.Node]:
        """Write the entries as Markdown and let MyST parse them."""
        module = import_module(self.arguments[0])
        for source in (module.__file__, NOTES):
            self.env.note_dependency(str(source))
        prefix = self.options["prefix"]
        notes = read_notes()[prefix]
        lines = [*format_table(module.TABLE, prefix), "", *format_entries(module.TABLE, prefix, notes)]
        return self.parse_text_to_nodes("\n".join(lines))


def read_notes() -> Mapping[str, Mapping[str, Mapping[str, str]]]:
    """Return what is said of each setting, by prefix and name."""
    notes: Mapping[str, Mapping[str, Mapping[str, str]]] = tomllib.loads(NOTES.read_text("utf-8"))
    return notes


def format_table(table: Iterable[Setting], prefix: str) -> Iterator[str]:
    """Yield the lines of a Markdown table: each key leads to its entry."""
    yield "| key | default |"
    yield "|---|---|"
    for row in table:
        yield f"| [`{prefix}.{row.name}`](#{prefix}.{row.name}) | {format_default(row).replace('|', PIPE)} |"


def format_entries(table: Iterable[Setting], prefix: str, notes: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    """Yield the lines of an entry for each setting: type, default, example, meaning and cost."""
    for row in table:
        key, note = f"{prefix}.{row.name}", notes[row.name]
        yield f"({key})="
        yield f":::{{confval}} {key}"
        yield f":type: {note.get('type') or find_type(row)}"
        yield f":default: {format_default(row)}"
        yield ""
        yield row.help
        yield ""
        yield f"Example: {format_example(row, prefix, note['example'])}"
        yield ""
        yield f"Cost: {note['cost']}"
        yield ":::"
        yield ""


def format_example(row: Setting, prefix: str, example: str) -> str:
    """Return the line of an ini file that sets it."""
    if row.name.endswith(".*"):
        return f"`{prefix}.{example}`"
    line = f"`{prefix}.{row.name} = {example}`"
    return line + f"; `{prefix}.{row.name}_file` reads it from a file" if row.secret else line


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
    app.add_directive("settings-list", SettingsList)
    return {"parallel_read_safe": True}
