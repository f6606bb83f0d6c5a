"""Fixtures of the command's tests."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.client.apis import Api
from tests.client.issuers import ScriptedIssuer, run_foreign, run_scripted
from tests.client.terminal import Terminal


@pytest.fixture(scope="session", autouse=True)
def _heed_interrupts() -> None:
    """A shell lets what it runs in the background ignore Ctrl-C, and whatever that starts inherits it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    """The command, with nothing stored and an empty working directory."""
    cwd = tmp_path / "work"
    cwd.mkdir()
    return Terminal(home=tmp_path / "oauthguard", cwd=cwd)


@pytest.fixture
def scripted() -> Iterator[ScriptedIssuer]:
    """An issuer whose answers the test writes."""
    with run_scripted() as issuer:
        yield issuer


@pytest.fixture
def api(scripted: ScriptedIssuer) -> Api:
    """An API and its authorization server on one port."""
    return Api(scripted)


@pytest.fixture(scope="session")
def foreign() -> Iterator[str]:
    """The issuer identifier of npm's oidc-provider; the test says ``needs("node", "npm")``."""
    with run_foreign() as issuer:
        yield issuer
