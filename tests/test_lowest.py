"""Each run-time dependency has a lower bound, and `.ci/lowest` tests with exactly these versions."""

from __future__ import annotations

import pytest
from packaging.requirements import Requirement

from tests.lowest import find_lower_bound, list_pins, list_requirements, list_tools, read_project

PROJECT = read_project()


@pytest.mark.parametrize("requirement", list_requirements(PROJECT), ids=str)
def test_a_run_time_dependency_has_a_lower_bound(requirement: Requirement) -> None:
    bound = find_lower_bound(requirement)
    assert bound is not None
    assert requirement.specifier.contains(bound)


def test_pins_are_the_lower_bounds() -> None:
    extras = {"server": ["Zope.SQLAlchemy>=3,<5"], "redis": ["redis>=5.0"], "postgresql": ["none"]}
    extras |= {"client": [], "metrics": []}
    project = {"name": "a_b", "dependencies": ["pyramid>=2.0.2"], "optional-dependencies": extras}
    assert list_pins(project) == ["pyramid==2.0.2", "redis==5.0", "zope-sqlalchemy==3"]


def test_tools_are_those_of_the_tests_without_the_package_itself() -> None:
    extras = {"example": ["a-b[server]", "waitress>=3"], "test": ["A.B[example]", "pytest>=9", "import-linter>=2"]}
    assert list_tools({"name": "a_b", "optional-dependencies": extras}) == ["waitress>=3", "pytest>=9"]
