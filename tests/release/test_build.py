"""What is published: the same commit gives the same bytes, and twine accepts the metadata."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.documentation import ROOT
from tests.release.tools import install_tools
from tests.test_wheel import NOT_SOURCE

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

EPOCH = "1790000000"


def build(folder: Path, *, mask: int, moment: int) -> Path:
    """Build in a copy of the source whose files have other times and modes."""
    source = folder / "source"
    shutil.copytree(ROOT, source, ignore=NOT_SOURCE)
    shutil.copytree(ROOT / ".ci", source / ".ci")
    for path in source.rglob("*"):
        os.utime(path, (moment, moment))
        path.chmod(path.stat().st_mode & ~mask)
    command = [sys.executable, str(source / ".ci" / "build"), str(folder / "dist")]
    environ = {**os.environ, "SOURCE_DATE_EPOCH": EPOCH, "PIP_CONSTRAINT": str(ROOT / ".ci/constraints.txt")}
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder / "dist"


@pytest.fixture(scope="module")
def dists(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return [
        build(tmp_path_factory.mktemp("one"), mask=0, moment=1_000_000_000),
        build(tmp_path_factory.mktemp("two-with-a-longer-name"), mask=0o077, moment=1_500_000_000),
    ]


def test_two_builds_have_the_same_bytes(dists: list[Path]) -> None:
    found = [{path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in dist.iterdir()} for dist in dists]
    assert found[0] == found[1]
    assert sorted(name.rpartition(".")[2] for name in found[0]) == ["gz", "whl"]


def test_the_wheel_is_made_by_one_version_of_setuptools(dists: list[Path]) -> None:
    """Its version is in the wheel, so with the newest one a machine would build other bytes than another a day before."""
    (wheel,) = dists[0].glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [each for each in archive.namelist() if each.endswith(".dist-info/WHEEL")]
        generator = re.search(r"^Generator: setuptools \((.+)\)$", archive.read(name).decode(), re.MULTILINE)
    assert generator is not None
    assert f'"setuptools=={generator[1]}"' in (ROOT / ".ci" / "build").read_text("utf-8")


def test_the_sdist_says_nothing_about_the_machine(dists: list[Path]) -> None:
    (sdist,) = dists[1].glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        members = archive.getmembers()
    assert {(each.uid, each.gid, each.uname, each.gname, each.mtime) for each in members} == {
        (0, 0, "", "", int(EPOCH))
    }
    assert {each.mode for each in members} <= {0o644, 0o755}


def test_twine_accepts_the_metadata(dists: list[Path]) -> None:
    tools = install_tools()
    command = [str(tools / "twine"), "check", "--strict", *map(str, dists[0].iterdir())]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
