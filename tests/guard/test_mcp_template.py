"""The template of an MCP server in the docs is a guarded application that modern and older clients can use."""

from __future__ import annotations

import configparser
import importlib
from typing import Any

import pytest
from webtest import TestApp

from pyramid_oauthguard.testing import MemoryIssuer, trust
from tests.documentation import DOCS, find_blocks, read_page

META = "io.modelcontextprotocol/"
MODERN = "2026-07-28"


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> tuple[TestApp, MemoryIssuer]:
    monkeypatch.syspath_prepend(str(DOCS / "how-to" / "guard"))
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(find_blocks(read_page("how-to/guard/mcp"), "ini")[0])
    settings = {name: value for name, value in parser["app:main"].items() if name != "use"}
    app = importlib.import_module("mcp_server").main({}, **settings)
    return TestApp(app), trust(app)


def call(site: Any, method: str, scope: str | None = "orders:read", *, headers: Any = None, **params: Any) -> Any:
    app, issuer = site
    bearer = {} if scope is None else issuer.bearer(scope=scope, aud="https://api.example.com/mcp")
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    return app.post_json("/mcp", body, headers={**bearer, **(headers or {})}, status="*")


def call_modern(site: Any, method: str, scope: str = "orders:read", *, headers: Any = None, **params: Any) -> Any:
    sent = {"MCP-Protocol-Version": MODERN, "Mcp-Method": method, "Mcp-Name": params.get("name", ""), **(headers or {})}
    meta = {f"{META}protocolVersion": MODERN, f"{META}clientCapabilities": {}}
    return call(site, method, scope, headers=sent, _meta=meta, **params)


def test_it_leads_a_client_to_a_token(site):
    app, _issuer = site
    challenge = call(site, "tools/list", None).headers["WWW-Authenticate"]
    assert 'scope="orders:read"' in challenge
    place = "https://api.example.com/.well-known/oauth-protected-resource/mcp"
    assert f'resource_metadata="{place}"' in challenge
    assert app.get("/.well-known/oauth-protected-resource/mcp").json["scopes_supported"] == [
        "orders:read",
        "orders:write",
    ]


@pytest.mark.parametrize("ask", [call, call_modern])
def test_tools_are_listed_and_called_by_scope(site, ask):
    tools = ask(site, "tools/list").json["result"]["tools"]
    assert [tool["name"] for tool in tools] == ["list_orders", "cancel_order"]
    assert "books" in ask(site, "tools/call", name="list_orders").json["result"]["content"][0]["text"]
    refused = ask(site, "tools/call", name="cancel_order", arguments={"number": 1})
    assert refused.status_int == 403
    assert 'scope="orders:write orders:read"' in refused.headers["WWW-Authenticate"]
    done = ask(site, "tools/call", "orders:write", name="cancel_order", arguments={"number": 1}).json["result"]
    assert (done["isError"], done["content"][0]["text"]) == (False, '{"cancelled": 1}')
    wrong = ask(site, "tools/call", "orders:write", name="cancel_order", arguments={}).json["result"]
    assert wrong["isError"] is True


def test_it_speaks_both_kinds_of_the_protocol(site):
    assert call(site, "initialize", protocolVersion="2025-06-18").json["result"]["protocolVersion"] == "2025-06-18"
    assert call(site, "initialize", protocolVersion=MODERN).json["result"]["protocolVersion"] == "2025-11-25"
    assert call_modern(site, "server/discover").json["result"]["supportedVersions"][0] == MODERN
    assert (call(site, "x").status_int, call_modern(site, "x").status_int) == (200, 404)
    assert call_modern(site, "tools/list", headers={"Mcp-Method": "x"}).json["error"]["code"] == -32020
    app, issuer = site
    notified = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    bearer = issuer.bearer(scope="orders:read", aud="https://api.example.com/mcp")
    assert app.post_json("/mcp", notified, headers=bearer).status_int == 202


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"7", b'{"id": 1}', b'{"method": "ping", "params": 7}', b"\xff"])
def test_odd_bodies_are_no_500(site, body):
    app, issuer = site
    bearer = issuer.bearer(scope="orders:read", aud="https://api.example.com/mcp")
    assert app.post("/mcp", body, headers={**bearer, "Content-Type": "application/json"}, status="*").status_int == 400
