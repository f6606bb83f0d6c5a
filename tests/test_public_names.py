"""What README and docs import can be imported, is public on purpose, and is in the reference."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import runpy
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from webtest import TestApp as App

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
