"""Programs of other people that the tests run: each in an environment of its own under .cache, installed once a checkout.

Where one can't be fetched the test is skipped and says so; with CI=true it fails.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from tests.client.issuers import install_foreign

HERE = Path(__file__).parent
CACHE = HERE.parents[1] / ".cache"
#: What the conformance suite asks for.
OLDEST_NODE = (22, 19)


def give_up(reason: str) -> None:
    pytest.fail(reason, pytrace=False) if os.environ.get("CI") == "true" else pytest.skip(reason)


@cache
def find_node() -> str:
    """A Node that is new enough: that of the machine, or the one that .ci/run installs."""
    for path in (shutil.which("node"), CACHE / "node" / "node_modules" / ".bin" / "node"):
        if path is not None and Path(path).exists() and _read_version(str(path)) >= OLDEST_NODE:
            return str(path)
    give_up("no Node from 22.19 on: npm install --prefix .cache/node node@22")
    raise AssertionError


def _read_version(node: str) -> tuple[int, ...]:
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=True, timeout=30).stdout
    return tuple(int(part) for part in said.strip().lstrip("v").split(".")[:2])


def install_npm() -> Path:
    """The folder of npm's packages: the official SDK, the conformance suite."""
    if shutil.which("npm") is None:
        give_up("npm is not installed")
    return install_foreign(HERE / "npm", CACHE / "mcp-npm")


def install_inspector() -> Path:
    """The program that starts the MCP Inspector."""
    if shutil.which("npm") is None:
        give_up("npm is not installed")
    folder = install_foreign(HERE / "inspector", CACHE / "mcp-inspector")
    return folder / "node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js"


def install_python() -> Path:
    """The Python with the official SDK and FastMCP."""
    folder, wanted = CACHE / "mcp-python", (HERE / "programs" / "requirements.txt").read_text()
    python, stamp = folder / "bin" / "python", folder / ".installed"
    CACHE.mkdir(exist_ok=True)
    with (CACHE / "mcp-python.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if stamp.exists() and stamp.read_text() == wanted:
            return python
        shutil.rmtree(folder, ignore_errors=True)
        environ = {name: value for name, value in os.environ.items() if name != "PIP_CONSTRAINT"}
        commands = (
            [sys.executable, "-m", "venv", str(folder)],
            [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted.split()],
        )
        for command in commands:
            done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False, env=environ)
            if done.returncode:
                give_up(f"{wanted.split()} could not be installed: {done.stderr[-300:]}")
        stamp.write_text(wanted)
    return python
