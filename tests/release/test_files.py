"""The workflow that publishes, the contact for security, and the support policy."""

from __future__ import annotations

import re
import subprocess
import tomllib
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.documentation import ROOT, read_page
from tests.lowest import find_lower_bound, list_requirements


@pytest.fixture(scope="module")
def release() -> dict[str, Any]:
    # YAML reads the name `on` as a boolean.
    return {
        str(name): value
        for name, value in yaml.safe_load((ROOT / ".github/workflows/release.yml").read_text("utf-8")).items()
    }


def test_only_the_job_that_publishes_may_ask_for_an_identity(release: dict[str, Any]) -> None:
    assert release["permissions"] == {}
    assert {name: job["permissions"] for name, job in release["jobs"].items()} == {
        "build": {"contents": "read"},
        "publish": {"id-token": "write"},
    }
    publish = release["jobs"]["publish"]
    assert publish["environment"]["name"] == "pypi"
    assert not any("run" in step for step in publish["steps"]), "it runs nothing of the repository"
    assert publish["steps"][-1]["with"] == {"attestations": True}


def test_a_tag_alone_publishes_and_only_after_an_audit(release: dict[str, Any]) -> None:
    assert release["True"] == {"push": {"tags": ["v*"]}}
    assert release["jobs"]["publish"]["needs"] == "build"
    steps = [step.get("run", "") for step in release["jobs"]["build"]["steps"]]
    assert steps.index("bash .ci/audit") < steps.index("bash .ci/release")


def test_actions_are_pinned_to_a_commit(release: dict[str, Any]) -> None:
    used = [step["uses"] for job in release["jobs"].values() for step in job["steps"] if "uses" in step]
    assert len(used) == 5
    assert all(re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", name) for name in used)


def test_security_txt_has_a_contact_and_ends_in_a_year() -> None:
    command = ["python3", ".ci/security_txt", "https://example.org/report"]
    environ = {"PATH": "/usr/bin:/bin:/usr/local/bin", "SOURCE_DATE_EPOCH": "1790000000"}
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "Contact: https://example.org/report",
        "Expires: 2027-09-21T14:13:20Z",
        "Preferred-Languages: en",
    ]
    wrong = subprocess.run([*command[:2], "me"], cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
    assert "neither https:// nor mailto:" in wrong.stderr


def test_the_bill_of_materials_has_each_extra_for_users() -> None:
    """The one for metrics was missing."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    (extras,) = re.findall(r'"\$wheel\[([\w,]+)\]"', (ROOT / ".ci" / "release").read_text("utf-8"))
    internal = {"example", "test", "check", "fuzz", "docs", "release", "dev"}
    assert set(extras.split(",")) == set(project["optional-dependencies"]) - internal


def test_each_dependency_has_one_version_in_the_constraints_that_is_audited() -> None:
    """One that was added without `make constraints` had none."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    wanted = {canonicalize_name(Requirement(each).name) for group in groups for each in group}
    lines = (ROOT / ".ci" / "constraints.txt").read_text("utf-8").split()
    pinned = {canonicalize_name(line.partition("==")[0]) for line in lines}
    assert wanted - pinned == {canonicalize_name(project["name"])}


def test_the_support_policy_names_the_lower_bounds() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    rows = dict(re.findall(r"^\| (\w+) \| ([\d.]+) \|", read_page("project/support"), re.MULTILINE))
    bounds = {each.name.lower(): find_lower_bound(each) for each in list_requirements(project)}
    assert rows["Pyramid"] == bounds["pyramid"]
    assert rows["SQLAlchemy"] == bounds["sqlalchemy"]
    assert rows["Authlib"] == bounds["authlib"]
    assert f">={rows['Python']}" == project["requires-python"]
    assert Requirement(f"x{project['requires-python']}").specifier.contains("3.14")


def test_lowest_and_newest_versions_are_tested_by_the_workflow() -> None:
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text("utf-8"))
    included = workflow["jobs"]["versions"]["strategy"]["matrix"]["include"]
    assert {(each["versions"], each["python"]) for each in included} == {
        ("lowest", "3.11"),
        ("newest", "3.11"),
        ("newest", "3.14"),
    }
    assert all((ROOT / ".ci" / each["versions"]).is_file() for each in included)
    assert [step["run"] for step in workflow["jobs"]["audit"]["steps"] if "run" in step][-1] == "bash .ci/audit"
