"""The lowest versions that pyproject.toml allows of what the package needs at run time.

    python -m tests.lowest pins     # constraints for pip: name==version, one a line
    python -m tests.lowest tools    # what the tests need besides, one requirement a line

The example application and the development tools may be of any version.
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PYPROJECT = Path(__file__).parent.parent / "pyproject.toml"
EXTRAS = ("server", "client", "metrics", "redis", "postgresql")
_TOOL_EXTRAS = ("example", "test")
_TOO_NEW = {"import-linter"}  # needs a newer rich than the package does


def read_project(pyproject: Path = PYPROJECT) -> dict[str, Any]:
    """Return the table `project` of a pyproject.toml."""
    project: dict[str, Any] = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]
    return project


def list_requirements(project: dict[str, Any]) -> list[Requirement]:
    """Return what the bare install and the extras for users need."""
    extras = project["optional-dependencies"]
    lines = [*project["dependencies"], *(line for extra in EXTRAS for line in extras[extra])]
    return [Requirement(line) for line in lines]


def find_lower_bound(requirement: Requirement) -> str | None:
    """Return the version after `>=`, or None where there is none."""
    return next((each.version for each in requirement.specifier if each.operator == ">="), None)


def list_pins(project: dict[str, Any]) -> list[str]:
    """Return `name==version` for each requirement that has a lower bound."""
    bounds = {canonicalize_name(each.name): find_lower_bound(each) for each in list_requirements(project)}
    return [f"{name}=={bound}" for name, bound in sorted(bounds.items()) if bound]


def list_tools(project: dict[str, Any]) -> list[str]:
    """Return what the tests need besides the package, without what asks for newer versions."""
    lines = [line for extra in _TOOL_EXTRAS for line in project["optional-dependencies"][extra]]
    left_out = {canonicalize_name(project["name"]), *_TOO_NEW}
    return [line for line in lines if canonicalize_name(Requirement(line).name) not in left_out]


if __name__ == "__main__":
    list_lines = {"pins": list_pins, "tools": list_tools}[sys.argv[1]]
    print("\n".join(list_lines(read_project())))  # noqa: T201 - printing is the job
