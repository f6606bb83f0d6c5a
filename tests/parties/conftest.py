"""Fixtures of these tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.client.terminal import Terminal


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    """The command, with nothing stored and an empty working directory."""
    folder = tmp_path / "work"
    folder.mkdir()
    return Terminal(home=tmp_path / "oauthguard", cwd=folder)
