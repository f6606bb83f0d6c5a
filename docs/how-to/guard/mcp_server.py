"""An MCP server on Pyramid in one file: two tools, each with its scope.

Copy it, and replace the tools.
"""

import json

from pyramid.config import Configurator
from pyramid.httpexceptions import HTTPBadRequest
from pyramid.response import Response

from pyramid_oauthguard.guard import require

VERSION, OLDER = "2026-07-28", ("2025-11-25", "2025-06-18", "2025-03-26")
SERVER = {"name": "orders", "version": "1.0"}
NOTHING = {"type": "object", "additionalProperties": False}
NUMBER = {
    "type": "object",
    "properties": {"number": {"type": "integer"}},
    "required": ["number"],
}
ORDERS = {1: "books", 2: "tea"}

#: The tools: description, scope, JSON Schema of the arguments, function.
TOOLS = {
    "list_orders": (
        "Lists the orders.",
        "orders:read",
        NOTHING,
        lambda arguments: {"orders": ORDERS},
    ),
    "cancel_order": (
        "Cancels an order.",
        "orders:write",
        NUMBER,
        lambda arguments: {"cancelled": arguments["number"]},
    ),
}


def answer(request):
    """POST /mcp: one message of JSON-RPC, answered with one JSON object."""
    try:
        message = request.json_body
        method, params = message["method"], message.get("params") or {}
        version = params.get("_meta", {}).get("io.modelcontextprotocol/protocolVersion")
    except (ValueError, KeyError, AttributeError, TypeError):
        raise HTTPBadRequest("The body must be one message of JSON-RPC 2.0.") from None
    if "id" not in message:
        return Response(status=202)
    if version is not None:
        error = check_request(request, version, method, params)
        if error is not None:
            return write(message, error=error, status=400)
    if method == "tools/call" and params.get("name") in TOOLS:
        return write(message, result=call_tool(request, params))
    results = {
        "initialize": {
            "protocolVersion": negotiate(params),
            "serverInfo": SERVER,
            "capabilities": {"tools": {}},
        },
        "ping": {},
        "server/discover": {
            "supportedVersions": [VERSION, *OLDER],
            "capabilities": {"tools": {}},
        },
        "tools/list": {"tools": [describe(name) for name in TOOLS]},
    }
    if method not in results:
        code, text = (
            (-32602, "Unknown tool")
            if method == "tools/call"
            else (-32601, "Method not found")
        )
        return write(
            message,
            error={"code": code, "message": text},
            status=404 if version and code == -32601 else 200,
        )
    kept = {"ttlMs": 60_000, "cacheScope": "public"} if version and method != "ping" else {}
    return write(message, result={**results[method], **kept})


def check_request(request, version, method, params):
    """Why a request of the revision 2026-07-28 can't be answered, or None.

    Its headers must say what its body says.
    """
    headers = request.headers
    if version != VERSION:
        data = {"supported": [VERSION, *OLDER], "requested": str(version)}
        return {"code": -32022, "message": "Unsupported protocol version", "data": data}
    named = method != "tools/call" or headers.get("Mcp-Name") == params.get("name")
    if (headers.get("MCP-Protocol-Version"), headers.get("Mcp-Method")) != (
        version,
        method,
    ) or not named:
        return {"code": -32020, "message": "The headers do not match the body."}
    return None


def negotiate(params):
    return params["protocolVersion"] if params.get("protocolVersion") in OLDER else OLDER[0]


def describe(name):
    description, _scope, schema, _run = TOOLS[name]
    return {"name": name, "description": description, "inputSchema": schema}


def call_tool(request, params):
    """What the tool found. Without its scope, the answer is 403.

    The client then asks the user for the scope.
    """
    _description, scope, _schema, run = TOOLS[params["name"]]
    require(request, scope=scope)
    try:
        text, failed = json.dumps(run(params.get("arguments") or {})), False
    except (KeyError, TypeError, ValueError) as error:
        text, failed = f"wrong arguments: {error}", True
    return {"content": [{"type": "text", "text": text}], "isError": failed}


def write(message, *, status=200, result=None, error=None):
    body = {"error": error} if error else {"result": {"resultType": "complete", **result}}
    text = json.dumps({"jsonrpc": "2.0", "id": message["id"], **body})
    return Response(text, status=status, content_type="application/json", charset="utf-8")


def main(global_config, **settings):
    with Configurator(settings=settings) as config:
        config.include("pyramid_oauthguard")
        config.add_protected_resource(
            "/mcp", settings["orders.mcp"], scopes="orders:read orders:write", name="Orders"
        )
        config.add_route("mcp", "/mcp")
        config.add_view(
            answer, route_name="mcp", request_method="POST", token_require="orders:read"
        )
        return config.make_wsgi_app()
