"""docs/project/architecture.md names what there is: every package, and symbols that exist."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from tests.documentation import read_page
from tests.test_public_names import MODULES, PACKAGE, find_name

ROOT = Path(__file__).parent.parent
PAGE = read_page("project/architecture")
QUOTED = sorted(set(re.findall(r"`([^`\n]+)`", PAGE)))
#: With a dot, and nothing else than a name. Settings are checked by tests/test_readme.py, where they look like settings.
DOTTED = [each for each in QUOTED if re.fullmatch(r"\w+(\.\w+)+", each) and not each.startswith("oauthguard.")]
#: What is not ours, or not a name.
OTHERS = {"config.include"}
JOURNEYS = ["A guarded request", "authorize", "token", "introspect", "login"]


def exists(name: str) -> bool:
    """Whether the distribution has it; an attribute of instances counts if its class sets it."""
    try:
        find_name(f"{PACKAGE}.{name}")
    except AttributeError:
        holder, _dot, attribute = name.rpartition(".")
        if not holder or f"{PACKAGE}.{holder}" in MODULES or not exists(holder):
            return False
        return re.search(rf"\bself\.{attribute}\b.*=", inspect.getsource(find_name(f"{PACKAGE}.{holder}"))) is not None
    return True


def find_section(title: str) -> str:
    (section,) = [each for each in re.split(r"^## ", PAGE, flags=re.MULTILINE) if title in each.splitlines()[0]]
    return section


@pytest.mark.slow
def test_each_name_exists() -> None:
    assert len(DOTTED) > 100
    assert [name for name in DOTTED if name not in OTHERS and not exists(name)] == []


@pytest.mark.parametrize(
    "name", ["guard.policy.Missing", "guard.missing", "guard.state.Guard._missing", "missing.name"]
)
def test_a_name_that_does_not_exist_is_found(name: str) -> None:
    assert not exists(name)


@pytest.mark.parametrize("title", JOURNEYS)
def test_each_step_of_a_journey_names_symbols(title: str) -> None:
    steps = re.findall(r"^\d+\. .*", find_section(title), re.MULTILINE)
    assert len(steps) >= 6
    assert [step for step in steps if not re.findall(r"`\w+(?:\.\w+)+`", step)] == []


def test_each_package_and_each_shared_module_is_on_the_map() -> None:
    rows = set(re.findall(r"^\| `([\w.]+)` \|", find_section("Packages"), re.MULTILINE))
    folders = [path.parent for path in ROOT.glob(f"{PACKAGE}/*/**/__init__.py")]
    packages = {".".join(path.relative_to(ROOT / PACKAGE).parts) for path in folders}
    modules = {path.stem for path in ROOT.glob(f"{PACKAGE}/*.py")} - {"__init__"}
    assert rows == packages | modules


def find_memos(path: Path) -> set[str]:
    """The functions that remember results, and the attributes that hold a BoundedMap."""
    text = path.read_text("utf-8")
    decorated = re.findall(r"^@functools\.(?:lru_)?cache\b.*\n(?:async )?def (\w+)", text, re.MULTILINE)
    inside = [re.findall(r"^def (\w+)", text[: found.start()], re.MULTILINE)[-1] for found in MEMO.finditer(text)]
    return {*decorated, *inside, *re.findall(r"self\.(\w+) = BoundedMap\(", text)}


MEMO = re.compile(r"= functools\.(?:lru_)?cache\(")


def test_each_memo_of_the_guard_is_in_the_table() -> None:
    files = [path for folder in ("", "guard", "issuers", "jwt") for path in (ROOT / PACKAGE / folder).glob("*.py")]
    files += [*(ROOT / PACKAGE / "guard").glob("*/*.py")]
    found = {name for path in files for name in find_memos(path)}
    assert len(found) > 8
    named = {each.rpartition(".")[2] for each in re.findall(r"`([\w.]+)`", find_section("Memos"))}
    assert found - named == set()


def test_each_memo_says_what_holds_it_and_what_invalidates_it() -> None:
    rows = [row.strip("| ").split(" | ") for row in re.findall(r"^\| .*", find_section("Memos"), re.MULTILINE)[1:]]
    assert len(rows) > 10
    assert [row for row in rows if len(row) != 5 or not all(cell.strip() for cell in row)] == []
