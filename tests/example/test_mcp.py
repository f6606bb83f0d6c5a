"""/mcp: the customers as tools, in the revision 2026-07-28 and for older clients, guarded by scope for each tool."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from webtest import TestApp as App

from example_app import main
from pyramid_oauthguard.testing import MemoryIssuer, trust
from tests.example.conftest import ORIGIN, build_api_settings, dispose

URL = "http://localhost/mcp"
MODERN, META = "2026-07-28", "io.modelcontextprotocol/"
READ, CHARGE = "customers:read", "customers:charge"
DOCUMENT = "/.well-known/oauth-protected-resource/mcp"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[App, MemoryIssuer]]:
    folder: Path = tmp_path_factory.mktemp("mcp")
    more = {"oauthguard.introspection.auth_method": "none", "example.mcp": URL}
    made = main({}, **build_api_settings(folder, **more), **{"oauthguard.scope_implies": f"{CHARGE} = {READ}"})
    yield App(made), trust(made)
    dispose(made)


class Assistant:
    """A client with a token; `send` speaks the revision 2026-07-28, `send_old` an older one."""

    def __init__(self, site: tuple[App, MemoryIssuer], scope: str = READ, **claims: Any) -> None:
        self.app, issuer = site
        self.bearer = issuer.bearer(scope=scope, **{"aud": URL, **claims})

    def post(self, body: Any, **headers: str) -> Any:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = {"Content-Type": "application/json", **self.bearer, **given}
        return self.app.post("/mcp", data, headers=sent, status="*")

    def send(self, method: str, *, meta: Any = None, headers: Any = None, **params: Any) -> Any:
        own = {f"{META}protocolVersion": MODERN, f"{META}clientCapabilities": {}} if meta is None else meta
        named = {"Mcp_Name": params["name"]} if method == "tools/call" else {}
        sent = {"MCP_Protocol_Version": MODERN, "Mcp_Method": method, **named, **(headers or {})}
        sent = {name: value for name, value in sent.items() if value is not None}
        return self.post({"jsonrpc": "2.0", "id": 7, "method": method, "params": {**params, "_meta": own}}, **sent)

    def send_old(self, method: str, version: str | None = "2025-06-18", **params: Any) -> Any:
        headers = {} if version is None else {"MCP_Protocol_Version": version}
        return self.post({"jsonrpc": "2.0", "id": "a", "method": method, "params": params}, **headers)

    def call(self, name: str, **arguments: Any) -> Any:
        return self.send("tools/call", name=name, arguments=arguments)


@pytest.fixture
def reader(site: tuple[App, MemoryIssuer]) -> Assistant:
    return Assistant(site)


@pytest.fixture
def charger(site: tuple[App, MemoryIssuer]) -> Assistant:
    return Assistant(site, CHARGE)


# ── Who may call ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_without_a_token_the_answer_says_where_to_get_one_and_for_what(site: tuple[App, MemoryIssuer]) -> None:
    app, _issuer = site
    answer = app.post_json("/mcp", {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}, status=401)
    challenge = answer.headers["WWW-Authenticate"]
    assert f'scope="{READ}"' in challenge
    assert f'resource_metadata="http://localhost{DOCUMENT}"' in challenge
    assert app.get(DOCUMENT).json == {
        "resource": URL,
        "authorization_servers": ["http://localhost"],
        "bearer_methods_supported": ["header"],
        "scopes_supported": [READ, CHARGE],
        "resource_name": "Customers, for assistants",
    }


@pytest.mark.promise("GD-71")
def test_tokens_of_the_api_and_of_the_endpoint_are_not_for_each_other(site: tuple[App, MemoryIssuer]) -> None:
    app, issuer = site
    scope = f"customer_api {READ}"
    own, api = (issuer.bearer(scope=scope, aud=aud) for aud in (URL, "https://customers.example"))
    assert Assistant(site, scope, aud="https://customers.example").send("tools/list").status_int == 401
    assert app.get("/customers", headers=own, status="*").status_int == 401
    assert app.get("/customers", headers=api, status="*").status_int == 200


def test_each_tool_requires_its_scope(reader: Assistant, charger: Assistant) -> None:
    assert reader.call("list_customers").status_int == 200
    refused = reader.call("charge_customer", id=1, amount="1.00")
    assert refused.status_int == 403
    challenge = refused.headers["WWW-Authenticate"]
    assert (
        f'error="insufficient_scope", error_description="The access token does not permit this request.", scope="{CHARGE} {READ}"'
        in challenge
    )
    assert f"{DOCUMENT}" in challenge
    assert charger.call("charge_customer", id=1, amount="1.00").status_int == 200


def test_a_revoked_token_is_refused_at_once(site: tuple[App, MemoryIssuer]) -> None:
    _app, issuer = site
    assistant = Assistant(site)
    assert assistant.call("list_customers").status_int == 200
    issuer.revoke(assistant.bearer["Authorization"].removeprefix("Bearer "))
    assert assistant.call("list_customers").status_int == 401


# ── The tools ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_tools_are_described(reader: Assistant) -> None:
    tools = reader.send("tools/list").json["result"]["tools"]
    assert [tool["name"] for tool in tools] == ["list_customers", "show_customer", "charge_customer"]
    for tool in tools:
        schema = tool["inputSchema"]
        assert (schema["type"], schema["additionalProperties"]) == ("object", False)
        assert set(schema.get("required", ())) <= set(schema["properties"])
    assert [tool["annotations"]["readOnlyHint"] for tool in tools] == [True, True, False]


def test_the_tools_do_what_the_views_do(charger: Assistant) -> None:
    listed = charger.call("list_customers").json["result"]
    assert json.loads(listed["content"][0]["text"]) == listed["structuredContent"]
    assert [each["name"] for each in listed["structuredContent"]["customers"]][:2] == ["Ada Lovelace", "Grace Hopper"]
    before = charger.call("show_customer", id=2).json["result"]["structuredContent"]
    charged = charger.call("charge_customer", id=2, amount="0.10").json["result"]["structuredContent"]
    after = charger.call("show_customer", id=2).json["result"]["structuredContent"]
    assert (charged["customer"], charged["amount"], charged["balance"]) == (2, "0.10", after["balance"])
    assert after["balance"] != before["balance"]
    assert charger.call("list_customers", after=2).json["result"]["structuredContent"] == {
        "customers": [],
        "next": None,
    }


@pytest.mark.parametrize(
    ("name", "arguments", "text"),
    [
        ("show_customer", {"id": 999}, "There is no customer 999."),
        ("show_customer", {}, "id: is required"),
        ("show_customer", {"id": "1"}, "id: must be a whole number"),
        ("show_customer", {"id": 10**30}, "id: must be a whole number"),
        ("show_customer", {"id": 1, "x": 2}, "x: is not known here"),
        ("charge_customer", {"id": 1, "amount": "1.001"}, "amount: must have at most 2 decimals"),
        ("charge_customer", {"id": 1, "amount": "-1"}, "amount: must be more than 0"),
        ("charge_customer", {"id": 1, "amount": "999999999999.99"}, "amount: would make the balance more than"),
        ("charge_customer", {"id": 999, "amount": "1"}, "There is no customer 999."),
    ],
)
def test_the_model_is_told_what_is_wrong(charger: Assistant, name: str, arguments: Any, text: str) -> None:
    result = charger.call(name, **arguments).json["result"]
    assert result["isError"] is True
    assert text in result["content"][0]["text"]


@pytest.mark.parametrize("arguments", [[], "text", 7, {"id": [1]}, {"id": {"a": 1}}])
def test_arguments_of_another_shape_are_no_500(reader: Assistant, arguments: Any) -> None:
    answer = reader.send("tools/call", name="show_customer", arguments=arguments)
    assert answer.status_int == 200
    assert answer.json["result"]["isError"] is True


# ── The revision 2026-07-28 ──────────────────────────────────────────────────────────────────────────────────────


def test_a_modern_answer_is_complete_and_says_who_answers(reader: Assistant) -> None:
    answer = reader.send("server/discover")
    assert answer.content_type == "application/json"
    assert answer.json["id"] == 7
    result = answer.json["result"]
    assert result["resultType"] == "complete"
    assert result["supportedVersions"][0] == MODERN
    assert result["capabilities"] == {"tools": {}}
    assert result["_meta"][f"{META}serverInfo"]["name"] == "customers"
    assert "Mcp-Session-Id" not in answer.headers


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"headers": {"MCP_Protocol_Version": None}}, -32020),
        ({"headers": {"MCP_Protocol_Version": "2025-06-18"}}, -32020),
        ({"headers": {"Mcp_Method": None}}, -32020),
        ({"headers": {"Mcp_Method": "tools/call"}}, -32020),
        ({"headers": {"MCP_Protocol_Version": "1900-01-01"}, "meta": {f"{META}protocolVersion": "1900-01-01"}}, -32022),
        ({"headers": {"MCP_Protocol_Version": "1900-01-01"}, "meta": {}}, -32022),
        ({"meta": {}}, -32602),
        ({"meta": {f"{META}protocolVersion": MODERN}}, -32602),
        ({"meta": {f"{META}protocolVersion": 7}}, -32022),
        ({"meta": []}, -32602),
    ],
)
def test_headers_and_body_must_agree(reader: Assistant, changes: Any, code: int) -> None:
    answer = reader.send("tools/list", **changes)
    assert (answer.status_int, answer.json["error"]["code"], answer.json["id"]) == (400, code, 7)
    if code == -32022:
        assert MODERN in answer.json["error"]["data"]["supported"]


@pytest.mark.parametrize(("header", "status"), [("list_customers", 200), ("=?base64?bGlzdF9jdXN0b21lcnM=?=", 200),
                                                ("=?base64?%?=", 400), ("show_customer", 400), (None, 400)])  # fmt: skip
def test_the_name_in_the_header_is_that_of_the_tool(reader: Assistant, header: str | None, status: int) -> None:
    answer = reader.send("tools/call", name="list_customers", headers={"Mcp_Name": header})
    assert answer.status_int == status


def test_an_unknown_method_is_a_404_in_words_that_clients_know(reader: Assistant) -> None:
    for method in "resources/list", "initialize2", "ping":
        answer = reader.send(method)
        assert (answer.status_int, answer.json["error"]["code"]) == (404, -32601)
    assert reader.send("tools/call", name="none").json["error"] == {"code": -32602, "message": "Unknown tool"}


# ── Older clients ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("asked", "given"),
    [("2025-11-25", "2025-11-25"), ("2025-03-26", "2025-03-26"), (MODERN, "2025-11-25"), ("2024-11-05", "2025-11-25")],
)
def test_older_clients_begin_with_initialize(reader: Assistant, asked: str, given: str) -> None:
    result = reader.send_old("initialize", None, protocolVersion=asked, capabilities={}, clientInfo={}).json["result"]
    assert result["protocolVersion"] == given
    assert result["serverInfo"]["name"] == "customers"
    started = reader.post({"jsonrpc": "2.0", "method": "notifications/initialized"}, MCP_Protocol_Version=given)
    assert (started.status_int, started.body) == (202, b"")
    listed = reader.send_old("tools/list", given).json["result"]
    assert len(listed["tools"]) == 3
    assert "resultType" not in listed
    called = reader.send_old("tools/call", given, name="show_customer", arguments={"id": 1}).json
    assert called["result"]["structuredContent"]["name"] == "Ada Lovelace"
    assert called["id"] == "a"


def test_older_clients_may_ping_and_get_errors_with_200(reader: Assistant) -> None:
    assert reader.send_old("ping", None).json == {"jsonrpc": "2.0", "id": "a", "result": {}}
    unknown = reader.send_old("resources/list")
    assert (unknown.status_int, unknown.json["error"]["code"]) == (200, -32601)


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT"])
def test_there_are_no_streams_and_no_sessions(reader: Assistant, method: str) -> None:
    answer = reader.app.request("/mcp", method=method, headers=reader.bearer, status="*")
    assert (answer.status_int, answer.headers["Allow"]) == (405, "POST, OPTIONS")


# ── Odd input ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, -32700),
        (b"{", 400, -32700),
        (b"[]", 400, -32700),
        (b"[" * 60_000, 400, -32700),
        (b'{"a": "' + b"x" * 70_000 + b'"}', 413, -32700),
        (b"{}", 400, -32600),
        (b'{"jsonrpc": "1.0", "id": 1, "method": "ping"}', 400, -32600),
        (b'{"jsonrpc": "2.0", "id": 1, "method": 7}', 400, -32600),
        (b'{"jsonrpc": "2.0", "id": 1.5, "method": "ping"}', 400, -32600),
        (b'{"jsonrpc": "2.0", "id": null, "method": "ping"}', 400, -32600),
        (b'{"jsonrpc": "2.0", "id": true, "method": "ping"}', 400, -32600),
        (b'{"jsonrpc": "2.0", "id": ' + b"9" * 5000 + b', "method": "ping"}', 400, -32600),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "ping", "params": []}', 400, -32600),
    ],
)
def test_a_body_that_is_no_message_is_an_error_of_the_protocol(
    reader: Assistant, body: bytes, status: int, code: int
) -> None:
    answer = reader.post(body)
    assert (answer.status_int, answer.json["error"]["code"]) == (status, code)


def test_another_media_type_is_a_415(reader: Assistant) -> None:
    assert reader.post(b"{}", Content_Type="text/plain").status_int == 415


@pytest.mark.parametrize(
    ("origin", "status"), [(ORIGIN, 200), ("http://localhost", 200), ("https://evil.example", 403), ("null", 403)]
)
def test_a_page_of_an_unknown_origin_may_not_call(reader: Assistant, origin: str, status: int) -> None:
    answer = reader.send("tools/list", headers={"Origin": origin})
    assert answer.status_int == status
    if status == 403:
        assert "id" not in answer.json
        assert "WWW-Authenticate" not in answer.headers
    asked = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    preflight = reader.app.options("/mcp", headers=asked)
    assert ("Access-Control-Allow-Origin" in preflight.headers) == (origin == ORIGIN)
    assert "MCP-Protocol-Version" in preflight.headers["Access-Control-Allow-Headers"]


def test_without_its_setting_there_is_no_endpoint(api: App) -> None:
    assert api.post("/mcp", status="*").status_int == 404
