"""The official MCP conformance suite: all scenarios for authorization servers and for clients pass, with no warning."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import urllib3

from tests.client.terminal import find_command
from tests.example.servers import find_free_port
from tests.mcp.conftest import Site
from tests.mcp.environments import HERE, find_node, install_npm
from tests.mcp.people import Person

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

SUITE = "node_modules/@modelcontextprotocol/conformance/dist/index.js"
#: All of revision 2026-07-28.
FOR_CLIENTS = (
    "metadata-default", "metadata-var1", "metadata-var2", "metadata-var3", "basic-cimd", "scope-from-www-authenticate",
    "scope-from-scopes-supported", "scope-omitted-when-undefined", "scope-step-up", "scope-retry-limit",
    "token-endpoint-auth-basic", "token-endpoint-auth-post", "token-endpoint-auth-none", "pre-registration", "resource-mismatch", "offline-access-scope",
    "offline-access-not-supported", "authorization-server-migration", "iss-supported", "iss-not-advertised",
    "iss-supported-missing", "iss-wrong-issuer", "iss-unexpected", "iss-normalized", "metadata-issuer-mismatch",
)  # fmt: skip


@pytest.mark.parametrize("scenario", FOR_CLIENTS)
def test_our_command_passes_a_scenario_for_clients(tmp_path: Path, scenario: str) -> None:
    command = f"{sys.executable} {HERE / 'programs' / 'command.py'} {find_command()}"
    suite = [find_node(), str(install_npm() / SUITE), "client", "--command", command, "--scenario", f"auth/{scenario}"]
    how = ["--spec-version", "2026-07-28", "--timeout", "150000", "--output-dir", str(tmp_path / "out")]
    done = subprocess.run([*suite, *how], cwd=tmp_path, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert read_statuses(tmp_path / "out") <= {"SUCCESS", "INFO"}, done.stdout


def read_statuses(folder: Path) -> set[str]:
    """Of all checks of the suite."""
    checks = [each for path in sorted(folder.rglob("checks.json")) for each in json.loads(path.read_text())]
    assert checks
    return {each["status"] for each in checks}


def test_the_authorization_scenarios_pass(site: Site, tmp_path: Path) -> None:
    port = find_free_port()
    command = [
        find_node(), str(install_npm() / SUITE), "authorization", "--url", site.issuer, "--resource", site.url,
        "--client-id", "customer-assistant", "--port", str(port), "--output-dir", str(tmp_path / "out"), "--verbose",
    ]  # fmt: skip
    said = []
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with subprocess.Popen(command, cwd=tmp_path, **pipes) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                said.append(line)
                if line.startswith(f"{site.issuer}/oauth/authorize"):
                    answer = Person().allow(line.strip(), f"http://127.0.0.1:{port}/callback")
                    urllib3.request("GET", answer, timeout=30)
            process.wait(60)
        finally:
            process.kill()
    text = "".join(said)
    assert process.returncode == 0, text
    assert read_statuses(tmp_path / "out") == {"SUCCESS"}, text
    assert len(re.findall(r"^✓ ", text, re.MULTILINE)) == 2, text
