"""The settings page has an entry for each setting, and what it says of each is true."""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pyramid_oauthguard.guard import settings as guard
from pyramid_oauthguard.health import settings as health
from pyramid_oauthguard.metrics import settings as metrics
from pyramid_oauthguard.server import settings as server
from pyramid_oauthguard.settings import Setting
from tests.documentation import DOCS

TABLES = {each.PREFIX: each.TABLE for each in (guard, server, health, metrics)}
NOTES = tomllib.loads((DOCS / "reference" / "settings.toml").read_text("utf-8"))
ROWS = [(prefix, row) for prefix, table in TABLES.items() for row in table]
#: The value of such an example is a name or a path of the reader's machine.
OF_THE_READER = {
    "principals", "http.ca_file", "pepper_file", "jwks_file", "introspection.key_file", "introspection.token_file",
    "http.bearer_token_file",
}  # fmt: skip


def name_row(value: Any) -> str | None:
    return value.name if isinstance(value, Setting) else None


@pytest.fixture
def tables(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The extension of Sphinx that makes the page."""
    monkeypatch.syspath_prepend(str(DOCS / "_ext"))
    import settings_tables

    yield settings_tables
    for name in ("settings_tables", "setting_types"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize(("prefix", "row"), ROWS, ids=name_row)
def test_an_example_is_a_value_that_the_setting_takes(prefix: str, row: Setting) -> None:
    example = NOTES[prefix][row.name]["example"]
    if row.name.endswith(".*"):
        key, value = re.fullmatch(r"(\S+) = (.+)", example).groups()  # type: ignore[union-attr]  # fails if there is none
        assert key.startswith(row.name.removesuffix("*"))
        assert row.convert({key.removeprefix(row.name.removesuffix("*")): value})
    elif row.name not in OF_THE_READER:
        assert row.convert(example) != row.default


@pytest.mark.parametrize(("prefix", "row"), ROWS, ids=name_row)
def test_an_entry_says_type_default_example_and_cost(tables: Any, prefix: str, row: Setting) -> None:
    text = "\n".join(tables.format_entries([row], prefix, NOTES[prefix]))
    assert f"({prefix}.{row.name})=" in text
    for member in (r":type: (?!None)\S", r":default: \S", r"Example: `oauthguard\.", r"Cost: \S"):
        assert re.search(rf"^{member}", text, re.MULTILINE), member


def test_a_choice_names_its_values(tables: Any) -> None:
    rows = {row.name: row for row in guard.TABLE}
    assert tables.find_type(rows["token_check"]) == "`local` or `remote` or `userinfo`"
    assert tables.find_type(Setting("x", Path, None, "")) is None
