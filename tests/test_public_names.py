"""What README and docs import can be imported, is public on purpose, and is in the reference."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import runpy
import textwrap
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from webtest import TestApp as App

from pyramid_oauthguard import AccessToken, exit_status
from pyramid_oauthguard.command import main
from pyramid_oauthguard.command.client import exec as exec_command
from pyramid_oauthguard.guard.requirements import BUILT_IN, VIEW_OPTIONS
from pyramid_oauthguard.guard.verifiers import RANKS
from pyramid_oauthguard.jwt.token_kind import MARKS
from pyramid_oauthguard.server.clients import ClientRegistry
from pyramid_oauthguard.testing import trust
from tests import documentation
from tests.test_house import PARTS, SURFACE

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *documentation.PAGES]
PACKAGE = "pyramid_oauthguard"


def find_imports(page: Path) -> Iterator[str]:
    """Yield each import of ours in the Python blocks of a page, as a statement."""
    for block in documentation.find_blocks(page.read_text("utf-8"), "python"):
        inside = "def show():\n" + textwrap.indent(block, "    ")  # some are the inside of a function
        for node in ast.walk(ast.parse(inside)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == PACKAGE:
                yield from (f"from {node.module} import {alias.name}" for alias in node.names)
            if isinstance(node, ast.Import):
                yield from (f"import {each.name}" for each in node.names if each.name.split(".")[0] == PACKAGE)


SHOWN = sorted({statement for page in PAGES for statement in find_imports(page)})


def test_the_pages_show_imports() -> None:
    assert len(SHOWN) > 10


@pytest.mark.parametrize("statement", SHOWN)
def test_an_import_of_the_pages_works_and_is_public(statement: str) -> None:
    exec(statement, {})  # noqa: S102  # the pages are our own
    words = statement.split()
    assert words[0] == "import" or words[3] in {*SURFACE.get(words[1], ()), *PARTS.get(words[1], ())}


def find_name(name: str) -> Any:
    """Return what a dotted name of ours stands for."""
    module = name
    while module not in MODULES:
        module = module.rpartition(".")[0]
    found = importlib.import_module(module)
    for attribute in name[len(module) :].split(".")[1:]:
        found = getattr(found, attribute)
    return found


MODULES = {PACKAGE} | {
    module.name
    for module in pkgutil.walk_packages(importlib.import_module(PACKAGE).__path__, PACKAGE + ".")
    if "migrations" not in module.name
}


@pytest.mark.parametrize("page", PAGES, ids=documentation.name_page)
def test_a_dotted_name_on_a_page_exists(page: Path) -> None:
    for name in re.findall(rf"`({PACKAGE}\.[\w.]+)(?:\([^`]*)?`", page.read_text("utf-8")):
        find_name(name)


# ── The reference ────────────────────────────────────────────────────────────────────────────────────────────────

REFERENCE = documentation.read_page("reference/api")


def find_described(module: str) -> list[str]:
    """Return the names of a module that the reference asks Sphinx for. `make docs` fails where one does not exist."""
    members = re.findall(rf"^\.\. automodule:: {module}\n   :members: (.*)$", REFERENCE, re.MULTILINE)
    interfaces = re.findall(rf"^```{{interfaces}} {module}\n(.*?)^```$", REFERENCE, re.DOTALL | re.MULTILINE)
    values = re.findall(rf"^\.\. autodata:: {module}\.(\w+)$", REFERENCE, re.MULTILINE)
    return [*", ".join(members).split(", "), *"".join(interfaces).split(), *values]


@pytest.mark.parametrize("module", sorted(SURFACE | PARTS))
def test_the_reference_has_each_public_name_once_and_no_other(module: str) -> None:
    assert sorted(find_described(module)) == sorted((SURFACE | PARTS)[module])


def test_the_reference_has_no_other_module() -> None:
    described = re.findall(r"^(?:\.\. automodule::|```{interfaces}) (\S+)$", REFERENCE, re.MULTILINE)
    assert set(described) == {*SURFACE, *PARTS}


@pytest.mark.parametrize("module", sorted(SURFACE | PARTS))
def test_each_public_name_says_what_it_is(module: str) -> None:
    found = importlib.import_module(module)
    names = (SURFACE | PARTS)[module] - {"ABSENT"}  # a value; its text follows its assignment
    assert [name for name in names if not (getattr(found, name).__doc__ or "").strip()] == []


def find_section(page: str, title: str) -> str:
    return documentation.read_page(page).partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def test_the_page_of_the_guard_left_out_a_mode_and_a_view_option() -> None:
    section = find_section("reference/guard", "On views")
    assert [name for name in (*VIEW_OPTIONS, *BUILT_IN, "once") if f"`{name}`" not in section] == []
    assert [mode for mode in RANKS if f'`"{mode}"`' not in section] == []


def test_the_page_of_the_guard_has_each_member_of_an_access_token() -> None:
    section = find_section("reference/guard", "On the request")
    names = {*dir(AccessToken), *(each.name for each in fields(AccessToken))}
    assert [name for name in sorted(names) if not name.startswith("_") and f"`{name}" not in section] == []


def test_the_table_of_kinds_of_tokens_left_out_claims() -> None:
    section = find_section("explanation/checks", "Only access tokens")
    assert [name for name in sorted(MARKS | {"cnf"}) if f"`{name}`" not in section] == []


def test_the_page_about_clients_left_out_calls_of_the_registry() -> None:
    page = documentation.read_page("how-to/server/clients")
    calls = [name for name in vars(ClientRegistry) if not name.startswith("_")]
    assert [name for name in calls if f"`{name}(" not in page] == []


def test_the_page_about_the_command_left_out_an_exit_status() -> None:
    section = find_section("reference/command", "Exit status")
    statuses = [value for name, value in vars(exit_status).items() if name.isupper()]
    statuses += [exec_command._NOT_RUNNABLE, exec_command._NOT_FOUND, main._INTERRUPTED, main._NO_READER]
    listed = {
        int(number) for row in re.findall(r"^\| ([\d, ]+) \|", section, re.MULTILINE) for number in row.split(",")
    }
    assert listed == set(statuses)


# ── What an earlier README shows goes on working ─────────────────────────────────────────────────────────────────


def test_the_application_of_an_earlier_readme_runs_unchanged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The text is never changed: it is what users may have copied."""
    served: list[Any] = []
    monkeypatch.setattr("waitress.serve", lambda app, **options: served.append((app, options)))
    (tmp_path / "app.py").write_bytes((ROOT / "tests" / "published" / "application.txt").read_bytes())
    runpy.run_path(str(tmp_path / "app.py"), run_name="__main__")
    ((made, options),) = served
    assert options == {"listen": "localhost:8080"}
    issuer, app = trust(made), App(made)
    app.get("/orders", status=401)
    app.get("/orders", headers=issuer.bearer(scope="orders:write"), status=403)
    assert app.get("/orders", headers=issuer.bearer(scope="orders:read", sub="ada")).json == {"for": "ada"}


#: The imports of the pages as they were then.
PUBLISHED = [
    "from pyramid_oauthguard.guard import OAuthSecurityPolicy, csrf_callback, forbidden_view",
    "from pyramid_oauthguard.guard.events import AccessTokenAccepted, AccessTokenRejected",
    "from pyramid_oauthguard.interfaces import Finding, ISelfCheck",
    "from pyramid_oauthguard.server.clients import get_clients",
    "from pyramid_oauthguard.server.events import TokenIssued, TokenRevoked",
    "from pyramid_oauthguard.server.keys import get_keys",
    "from pyramid_oauthguard.server.limits import TooManyRequestsError",
    "from pyramid_oauthguard.server.service import find_service",
    "from pyramid_oauthguard.server.store.contract import Store",
    "from pyramid_oauthguard.testing import bearer, trust",
    "from pyramid_oauthguard.testing.contracts import StoreContract, VerifierContract",
]


@pytest.mark.parametrize("statement", PUBLISHED)
def test_the_imports_of_earlier_pages_work(statement: str) -> None:
    exec(statement, {})  # noqa: S102  # written above
