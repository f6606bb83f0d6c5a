"""The MCP Inspector in Chromium: it finds the server, signs a user in, calls, refreshes, and asks for a second scope."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import urllib3
from playwright.sync_api import Browser, Page

from tests.client.terminal import find_command
from tests.example.servers import find_free_port
from tests.mcp.conftest import Site, run_site
from tests.mcp.environments import find_node, install_inspector

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900), pytest.mark.needs("chromium")]

BY_HAND = "customer-assistant"
#: Long enough for the step-up after a refresh, because the Inspector asks for more only with a token that has not expired.
TTL_SECONDS = 20
#: Of one step in a browser on a busy machine.
PATIENCE_MS = 90_000


@dataclass
class Inspector:
    """The Inspector's page, its server in the catalog, and the trail of the authorization server."""

    page: Page
    site: Site

    def switch_on(self) -> None:
        self.page.get_by_label('Connect or disconnect "customers"').click(force=True)

    def sign_in(self) -> None:
        self.page.fill("[name=name]", "demo")
        self.page.fill("[name=password]", "demo")
        self.page.press("[name=password]", "Enter")

    def allow(self) -> str:
        """The text of the consent page."""
        self.page.wait_for_selector("button[value=allow]")
        text: str = self.page.inner_text("main")
        self.page.press("button[value=allow]", "Enter")
        self.page.get_by_label("Disconnect from server").wait_for()
        return text

    def choose(self, title: str) -> None:
        self.page.locator("label", has_text="Tools").first.click()
        self.page.get_by_role("button", name=title).first.click()

    def execute(self) -> None:
        self.page.get_by_role("button", name="Execute Tool").click()

    def read_result(self) -> str:
        close = self.page.get_by_role("button", name="Close results")
        close.wait_for()
        text: str = self.page.inner_text("main")
        close.click()
        return text

    def charge(self) -> None:
        self.choose("Charge a customer")
        self.page.get_by_role("textbox", name="id", exact=True).fill("1")
        self.page.get_by_role("textbox", name="amount", exact=True).fill("1.00")
        self.execute()

    def list_issued(self) -> list[dict[str, Any]]:
        """What the server's trail has of issued tokens, the oldest first."""
        with closing(sqlite3.connect(self.site.folder / "var" / "oauth.sqlite")) as database:
            rows = database.execute(
                "SELECT client_id, detail FROM oauth_audit WHERE event = 'TokenIssued' ORDER BY audit_id"
            )
            return [{"client": client, **json.loads(detail)} for client, detail in rows]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    settings = {"oauthguard.server.access_token_ttl": f"{TTL_SECONDS}s", "oauthguard.leeway": "0"}
    with run_site(tmp_path_factory.mktemp("inspector"), settings) as found:
        edit = ["server", "client", "edit", str(found.folder / "development.ini"), BY_HAND]
        uris = ["--redirect-uri", "http://127.0.0.1/callback", "--redirect-uri", "http://127.0.0.1/oauth/callback"]
        subprocess.run([find_command(), *edit, *uris], check=True, cwd=found.folder, timeout=60)
        yield found


@contextmanager
def run_inspector(site: Site, folder: Path, way: str) -> Iterator[str]:
    """The address of the Inspector's page."""
    entry: dict[str, Any] = {"type": "streamable-http", "url": site.url}
    if way == "by hand":
        entry["oauth"] = {"clientId": BY_HAND}
    (folder / "catalog.json").write_text(json.dumps({"mcpServers": {"customers": entry}}))
    if way == "document":  # as "Client settings" in the page writes it
        cimd = {"enabled": True, "clientMetadataUrl": site.document}
        (folder / "client.json").write_text(json.dumps({"cimd": cimd}))
    port, sandbox, apps = (str(find_free_port()) for _ in range(3))
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "HOST": "127.0.0.1",
        "CLIENT_PORT": port,
        "MCP_SANDBOX_PORT": sandbox,
        "MCP_APP_ORIGIN_PORT": apps,
        "MCP_STORAGE_DIR": str(folder),
        "MCP_INSPECTOR_SECRET_STORE": "file",
        "MCP_AUTO_OPEN_ENABLED": "false",
        "DANGEROUSLY_OMIT_AUTH": "true",
    }
    command = [find_node(), str(install_inspector()), "--web", "--catalog", str(folder / "catalog.json")]
    with (folder / "output").open("w+") as output:
        process = subprocess.Popen(command, cwd=folder, env=environ, stdout=output, stderr=output)
        try:
            url = f"http://127.0.0.1:{port}"
            wait_until_it_answers(process, url, folder / "output")
            yield url
        finally:
            process.terminate()
            process.wait(30)


def wait_until_it_answers(process: subprocess.Popen[bytes], url: str, output: Path) -> None:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        assert process.poll() is None, output.read_text()
        try:
            if urllib3.request("GET", url, timeout=5, retries=False).status == 200:
                return
        except urllib3.exceptions.HTTPError:
            time.sleep(0.2)
    raise AssertionError(output.read_text())


@pytest.mark.parametrize("way", ["by hand", "document", "dynamic"])
def test_the_inspector_connects_at_the_first_try(site: Site, chromium: Browser, tmp_path: Path, way: str) -> None:
    with run_inspector(site, tmp_path, way) as url:
        context = chromium.new_context(viewport={"width": 1400, "height": 1000})
        context.set_default_timeout(PATIENCE_MS)
        inspector = Inspector(context.new_page(), site)
        before = len(inspector.list_issued())
        try:
            inspector.page.goto(url)
            inspector.switch_on()
            inspector.sign_in()
            asked = inspector.allow()
            check_consent(asked, way)

            inspector.choose("List customers")
            inspector.execute()
            assert "Ada Lovelace" in inspector.read_result()
            time.sleep(TTL_SECONDS + 1)
            refreshed = len(inspector.list_issued())
            inspector.execute()
            assert "Ada Lovelace" in inspector.read_result()
            issued = inspector.list_issued()
            assert [each["grant_type"] for each in issued[refreshed:]] == ["refresh_token"]
            assert all(each["scopes"] == ["customers:read"] for each in issued[before:])

            inspector.charge()
            inspector.page.get_by_role("dialog").get_by_role("button", name="Authorize").click()
            assert "Charge" in inspector.allow()
            inspector.charge()
            assert re.search(r'"amount":\s*"1\.00"', inspector.read_result())
            issued = inspector.list_issued()[before:]
            assert set(issued[-1]["scopes"]) == {"customers:read", "customers:charge"}
            (client,) = {each["client"] for each in issued}
            assert (client in (BY_HAND, site.document)) == (way != "dynamic")
        finally:
            context.close()


def check_consent(text: str, way: str) -> None:
    assert {"by hand": "“Assistant”", "document": "“An assistant”", "dynamic": "“MCP Inspector”"}[way] in text
    assert "127.0.0.1" in text or way == "by hand"
    assert ("the name was not checked" in text) == (way != "by hand")
