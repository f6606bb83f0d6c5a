"""The example of docs/how-to/testing.md is run as it is printed, and by the fixture it names."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from tests.documentation import find_blocks, read_page

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
BLOCKS = find_blocks(read_page("how-to/testing"), "python")
PLUGIN = "pyramid_oauthguard.testing.plugin"


def run_pytest(folder: Path) -> str:
    installed = any(entry.value == PLUGIN for entry in entry_points(group="pytest11"))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *([] if installed else ["-p", PLUGIN]), "."],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(folder)])},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_complete_example_passes(tmp_path):
    (tmp_path / "shop.py").write_text(BLOCKS[0])
    (tmp_path / "test_shop.py").write_text(BLOCKS[1])
    assert "8 passed" in run_pytest(tmp_path)


def test_the_fixture_makes_an_application_the_other_way_round(tmp_path):
    used = "\n\ndef test_it(app, oauth_issuer):\n    app.get('/orders', headers=oauth_issuer.bearer(scope='orders:read'))\n"
    imports = BLOCKS[1].partition("SETTINGS")[0]
    (tmp_path / "shop.py").write_text(BLOCKS[0])
    (tmp_path / "test_shop.py").write_text(imports + BLOCKS[2] + used)
    assert "1 passed" in run_pytest(tmp_path)
