"""What a user installs: the bare wheel, in a clean environment outside the checkout."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
NOT_SOURCE = shutil.ignore_patterns(".*", "*.egg-info", "__pycache__", "build", "dist", "_build", "node_modules", "var")

APPLICATION = """
from pyramid.config import Configurator
from pyramid.request import Request
from pyramid_oauthguard.testing import MemoryIssuer, trust

issuer = MemoryIssuer()
with Configurator(settings=issuer.settings) as config:
    config.include("pyramid_oauthguard")
    config.add_route("me", "/me")
    config.add_view(lambda request: request.access_token.subject, route_name="me", renderer="json", token_check="local")
    app = config.make_wsgi_app()
trust(app, issuer)

good, none, expired = issuer.bearer(sub="ada"), {}, {"Authorization": f"Bearer {issuer.mint_expired()}"}
answers = [Request.blank("/me", headers=headers).get_response(app) for headers in (good, none, expired)]
assert [answer.status_int for answer in answers] == [200, 401, 401], answers
assert answers[0].json == "ada"
"""


def run(*command: str | Path, cwd: Path) -> str:
    """Run a command that must succeed, with nothing of the checkout on its path, and return what it printed."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run([*map(str, command)], cwd=cwd, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder outside the checkout, on a machine that reaches a package index."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--dest",
        str(folder / "probe"),
        "setuptools",
    ]
    probe = subprocess.run(pip, cwd=folder, capture_output=True, text=True, check=False)
    if probe.returncode != 0:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(f"no package index: {probe.stderr[-200:]}")
    return folder


@pytest.fixture(scope="module")
def wheel(home: Path) -> Path:
    """The wheel, built from the sdist as it would be published."""
    source = home / "source"
    shutil.copytree(ROOT, source, ignore=NOT_SOURCE)
    run(sys.executable, "-m", "build", "--outdir", home / "dist", source, cwd=home)
    (built,) = (home / "dist").glob("*.whl")
    return built


@pytest.fixture(scope="module")
def python(home: Path, wheel: Path) -> Path:
    """The interpreter of an environment that has the wheel and what it asks for."""
    run(sys.executable, "-m", "venv", home / "env", cwd=home)
    interpreter = home / "env" / "bin" / "python"
    run(interpreter, "-m", "pip", "install", "--quiet", wheel, cwd=home)
    return interpreter


def test_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    names = ZipFile(wheel).namelist()
    assert {Path(name).parts[0].split("-")[0] for name in names} == {"pyramid_oauthguard"}
    assert "pyramid_oauthguard/py.typed" in names


def test_wheel_holds_every_file_of_the_package(wheel: Path) -> None:
    package = ROOT / "pyramid_oauthguard"
    files = {f"pyramid_oauthguard/{path.relative_to(package)}" for path in package.rglob("*") if path.is_file()}
    assert {name for name in files if "__pycache__" not in name} <= set(ZipFile(wheel).namelist())


def test_ten_lines_of_application(python: Path, home: Path) -> None:
    (home / "application.py").write_text(APPLICATION)
    run(python, "application.py", cwd=home)


def test_bare_install_is_the_guard_alone(python: Path, home: Path) -> None:
    run(python, "-m", "pip", "check", cwd=home)
    listed: list[dict[str, Any]] = json.loads(run(python, "-m", "pip", "list", "--format=json", cwd=home))
    names = {row["name"].lower() for row in listed}
    assert "pyramid-oauthguard" in {name.replace("_", "-") for name in names}
    assert not names & {"authlib", "sqlalchemy", "requests", "click", "keyring", "jinja2", "pytest"}
