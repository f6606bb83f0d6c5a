"""Programs of other people that know only the URL: they find the server, sign a user in, call, refresh, ask for more."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.client.browsers import start_login
from tests.client.terminal import Terminal
from tests.example.servers import find_free_port
from tests.mcp.conftest import Site
from tests.mcp.environments import HERE, find_node, install_npm, install_python
from tests.mcp.people import Person

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

PROGRAMS: dict[str, Callable[[], list[str]]] = {
    "mcp": lambda: [str(install_python()), str(HERE / "programs" / "official.py")],
    "fastmcp": lambda: [str(install_python()), str(HERE / "programs" / "fast.py")],
    "sdk": lambda: [find_node(), str(HERE / "programs" / "sdk.mjs"), str(install_npm())],
}
WAYS = ("by hand", "document", "dynamic")
TOOLS = ["list_customers", "show_customer", "charge_customer"]


BY_HAND = "customer-assistant"


def find_client(site: Site, way: str) -> str:
    return {"by hand": BY_HAND, "document": site.document}.get(way, way)


@dataclass
class Ran:
    """What a program did: the addresses that it opened, and what it printed at the end."""

    opened: list[str] = field(default_factory=list)
    found: dict[str, Any] = field(default_factory=dict)


def run(command: list[str], site: Site, way: str, *, errors: Any) -> Ran:
    redirect_uri = f"http://127.0.0.1:{find_free_port()}/callback"
    ran, person = Ran(), Person()
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": errors, "text": True}
    with subprocess.Popen([*command, site.url, redirect_uri, way], **pipes) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            for line in process.stdout:
                word, _space, rest = line.strip().partition(" ")
                if word == "OPEN":
                    ran.opened.append(rest)
                    process.stdin.write(person.allow(rest, redirect_uri) + "\n")
                    process.stdin.flush()
                elif word == "DONE":
                    ran.found = json.loads(rest)
            process.wait(60)
        finally:
            process.kill()
    assert process.returncode == 0
    return ran


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_connects_at_the_first_try(site: Site, program: str, way: str, tmp_path: Path) -> None:
    with (tmp_path / "errors").open("w+") as errors:
        ran = run(PROGRAMS[program](), site, find_client(site, way), errors=errors)
    assert ran.found["tools"] == TOOLS
    assert "Ada Lovelace" in ran.found["first"]
    assert ran.found["refreshed"]
    assert "Ada Lovelace" in ran.found["again"]
    assert set(ran.found["scope"].split()) == {"customers:read"}
    assert '"amount": "1.00"' in ran.found["charged"]
    assert "customers:charge" in ran.found["more"]
    assert len(ran.opened) == 2
    assert (ran.found["client"] in (BY_HAND, site.document)) == (way != "dynamic")


@pytest.mark.parametrize("way", WAYS)
def test_our_command_connects_at_the_first_try(site: Site, terminal: Terminal, way: str) -> None:
    client = [] if way == "dynamic" else ["--client-id", find_client(site, way)]
    person = Person()

    def sign_in(*args: str) -> None:
        with start_login(terminal, site.url, *client, *args) as login:
            answer = person.allow(login.url, login.redirect_uri)
            login.get(answer[answer.index("/callback") :])
            ended = login.end()
            assert ended.status == 0, ended.err

    def call(name: str, **arguments: Any) -> Any:
        message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": name, "arguments": arguments}}
        return terminal.run("call", "POST", site.url, "-d", json.dumps(message))

    sign_in()
    assert "Ada Lovelace" in call("list_customers").out
    first, second = (terminal.run("token").out.strip() for _ in range(2))
    assert first
    assert first != second  # each ends within a minute, so each is refreshed
    refused = call("charge_customer", id=1, amount="1.00")
    assert (refused.status, "customers:charge" in refused.err) == (5, True)
    sign_in("--scope", "customers:read customers:charge")
    charged = call("charge_customer", id=1, amount="1.00")
    assert (charged.status, '"amount\\": \\"1.00\\"' in charged.out) == (0, True), charged


@pytest.fixture
def terminal(tmp_path: Any) -> Terminal:
    cwd = tmp_path / "work"
    cwd.mkdir()
    return Terminal(home=tmp_path / "oauthguard", cwd=cwd)


def test_check_finds_nothing_that_a_client_would_fail_at(site: Site, terminal: Terminal) -> None:
    done = terminal.run("check", "--as-client", site.url, "--register", "--origin", "http://localhost:3000")
    assert done.status == 0, done.out
    assert "was removed" in done.out
    warnings = [line for line in done.out.splitlines() if line.startswith("  warn")]
    assert [
        line for line in warnings if "token endpoint" not in line
    ] == []  # pages of other origins are not clients yet
