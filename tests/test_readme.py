"""What the README and the docs print is what there is: commands, application, settings, links."""

from __future__ import annotations

import configparser
import re
import runpy
import shutil
import subprocess
import sys
import textwrap
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from pyramid.config import Configurator
from webtest import TestApp as App

from pyramid_oauthguard.guard import settings as guard_settings
from pyramid_oauthguard.health import settings as health_settings
from pyramid_oauthguard.metrics import settings as metrics_settings
from pyramid_oauthguard.server import settings as server_settings
from pyramid_oauthguard.testing import trust
from tests import documentation
from tests.documentation import find_blocks, name_page, read_page

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
PAGES = [*sorted(ROOT.glob("*.md")), *documentation.PAGES]
ORDERS = "/orders"
#: Names that look like settings.
ROUTES = {
    f"oauthguard.{name}"
    for name in [
        "applications",
        "authorize",
        "check",
        "checks",
        "device",
        "device_authorization",
        "health",
        "introspect",
        "jwks",
        "metadata",
        "metrics",
        "revoke",
        "test.yml",
        "token",
    ]
}


def find_commands(text: str) -> list[str]:
    """The lines of the shell blocks, those that go on put together."""
    return [line for block in find_blocks(text, "sh") for line in block.replace("\\\n", "").splitlines() if line]


def find_ten_lines() -> str:
    (block,) = find_blocks(README, "python")
    return block


# ── the walk-through ─────────────────────────────────────────────────────────────────────────────────────────────


def test_the_walk_through_is_the_one_that_is_tested() -> None:
    """tests/example runs the one of the docs against a real server."""
    page = read_page("tutorials/walkthrough")
    assert find_blocks(page, "sh")[0] in find_blocks(README, "sh")
    assert find_blocks(page, "text")[0] in find_blocks(README, "text")


def test_what_is_to_be_pasted_has_no_comments() -> None:
    """A zsh takes none at its prompt: `#` is a word there, and an apostrophe behind it opens a quotation."""
    assert [line for line in find_commands(README) if re.search(r"(^|\s)#", line)] == []


# ── the application ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, dict[str, Any]]]:
    """Run app.py as it is printed; what it would serve."""
    calls: list[tuple[Any, dict[str, Any]]] = []
    monkeypatch.setattr("waitress.serve", lambda app, **options: calls.append((app, options)))
    (tmp_path / "app.py").write_text(find_ten_lines(), "utf-8")
    runpy.run_path(str(tmp_path / "app.py"), run_name="__main__")
    return calls


def test_the_ten_lines_are_a_guarded_application(served: list[tuple[Any, dict[str, Any]]]) -> None:
    ((made, options),) = served
    assert options == {"listen": "localhost:8080"}
    issuer, app = trust(made), App(made)
    app.get(ORDERS, status=401)
    app.get(ORDERS, headers=issuer.bearer(scope="orders:write"), status=403)
    assert app.get(ORDERS, headers=issuer.bearer(scope="orders:read", sub="ada")).json == {"for": "ada"}


def test_the_ten_lines_are_ten_at_most() -> None:
    assert len([line for line in find_ten_lines().splitlines() if line.strip()]) <= 10


@pytest.mark.parametrize("view", re.findall(r"`(token_\w+=.+?|permission=.+?)`", README))
def test_what_a_view_can_say(view: str) -> None:
    options = eval(f"dict({view.split(',', maxsplit=1)[0] if view.startswith('token_check') else view})", {})  # noqa: S307  # the README's own words
    with Configurator(settings={"oauthguard.issuer": "https://i.test", "oauthguard.audience": "a"}) as config:
        config.include("pyramid_oauthguard")
        config.add_view(lambda request: request.response, **options)


@pytest.mark.parametrize("number", range(2))
def test_the_lines_for_other_issuers_start_an_application(tmp_path: Path, number: int) -> None:
    (tmp_path / "secret").write_text("s3cret\n")
    parser = configparser.ConfigParser(interpolation=None)
    text = find_blocks(README, "ini")[number].replace("/run/secrets/okta", str(tmp_path / "secret"))
    parser.read_string("[app:main]\n" + text)
    settings = dict(parser["app:main"])
    mode = "remote" if "oauthguard.introspection.client_id" in settings else "local"
    with Configurator(settings=settings) as config:
        config.include("pyramid_oauthguard")
        config.add_view(lambda request: request.response, token_check=mode)
    assert settings["oauthguard.issuer"] in config.registry.settings.values()


# ── the commands ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_plain_commands_are_there() -> None:
    """Scripts of what the extras install, by their names in the same environment."""
    programs = set(re.findall(r"\.venv/bin/(\S+)", README)) | set(re.findall(r"`(oauthguard) ", README))
    assert {"pip", "pserve", "pytest", "oauthguard"} <= programs
    assert [name for name in sorted(programs) if shutil.which(name) is None and not _is_here(name)] == []


def _is_here(name: str) -> bool:
    return Path(sys.executable).with_name(name).exists()


def test_the_extras_are_there() -> None:
    named = re.findall(r"(?:\.|pyramid_oauthguard)\[(\w+)\]", "".join(page.read_text("utf-8") for page in PAGES))
    assert len(named) > 4
    assert set(named) <= set(PROJECT["optional-dependencies"])


@pytest.mark.needs("make")
def test_the_targets_of_make_are_there() -> None:
    targets = set(re.findall(r"^make (\w+)|`make (\w+)", README, re.MULTILINE))
    assert targets
    for target in {first or second for first, second in targets}:
        done = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("verb", sorted(set(re.findall(r"`oauthguard (\w+) ", README))))
def test_the_verbs_are_there(verb: str) -> None:
    from pyramid_oauthguard.command.verbs import cli

    assert verb in cli.list_commands(None)  # type: ignore[arg-type]  # it needs none


def test_the_port_can_be_changed_as_printed(tmp_path: Path) -> None:
    (command,) = [line for line in find_commands(README) if line.startswith("sed ")]
    shutil.copy(ROOT / "development.ini", tmp_path)
    subprocess.run(["sh", "-c", command], cwd=tmp_path, check=True)
    before, after = ((tmp_path / name).read_text("utf-8") for name in ("development.ini", "local.ini"))
    assert "6543" not in after
    assert after.count("6600") == before.count("6543") >= 3


# ── the pages ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("page", PAGES, ids=name_page)
def test_what_a_page_links_to_is_there(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text("utf-8"))
    local = [unquote(target) for target in targets if "://" not in target and not target.startswith("mailto:")]
    assert [target for target in local if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("folder", sorted({page.parent for page in documentation.PAGES}), ids=name_page)
def test_each_folder_has_an_index_with_its_new_pages(folder: Path) -> None:
    """A page that is added is found without a change of the index. Sphinx warns about a page that no index has."""
    index = (folder / "index.md").read_text("utf-8")
    assert folder == documentation.DOCS or (":glob:" in index and "\n*\n" in index)


NEEDED = ["reference/guard", "how-to/server/start", "reference/command", "how-to/testing", "project/promises"]


@pytest.mark.parametrize("name", NEEDED)
def test_the_readme_names_what_a_reader_of_the_repository_needs(name: str) -> None:
    assert f"(docs/{name}.md)" in README


@pytest.mark.parametrize("page", PAGES, ids=name_page)
def test_the_code_of_a_page_is_code(page: Path) -> None:
    for block in find_blocks(page.read_text("utf-8"), "python"):
        compile(
            "def show():\n" + textwrap.indent(block, "    "), page.name, "exec"
        )  # some are the inside of a function


@pytest.mark.parametrize("page", PAGES, ids=name_page)
def test_the_settings_of_a_page_are_settings(page: Path) -> None:
    """Each key that is spelt out, in an ini's lines or in a sentence."""
    tables = {
        "oauthguard.": guard_settings.TABLE,
        "oauthguard.health.": health_settings.TABLE,
        "oauthguard.metrics.": metrics_settings.TABLE,
        "oauthguard.server.": server_settings.TABLE,
    }
    known = {prefix + row.name for prefix, table in tables.items() for row in table}
    known |= {f"{prefix}{row.name}_file" for prefix, table in tables.items() for row in table if row.secret}
    trees = tuple(key.removesuffix("*") for key in known if key.endswith(".*"))
    named = set(re.findall(r"(?:^|`)(oauthguard\.[a-z_.]+[a-z])(?=`| =)", page.read_text("utf-8"), re.MULTILINE))
    named = {re.sub(r"^oauthguard\.issuers\.[a-z]+\.", "oauthguard.", key) for key in named - ROUTES}
    assert [key for key in sorted(named) if key not in known and not key.startswith(trees)] == []
