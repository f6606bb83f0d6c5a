"""The official MCP conformance suite: all scenarios for authorization servers pass, with no warning."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
import urllib3

from tests.example.servers import find_free_port
from tests.mcp.conftest import Site
from tests.mcp.environments import find_node, install_npm
from tests.mcp.people import Person

pytestmark = pytest.mark.slow

SUITE = "node_modules/@modelcontextprotocol/conformance/dist/index.js"


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
    checks = [each for path in sorted((tmp_path / "out").rglob("checks.json")) for each in json.loads(path.read_text())]
    assert {each["status"] for each in checks} == {"SUCCESS"}, checks
    assert len(re.findall(r"^✓ ", text, re.MULTILINE)) == 2, text
