"""POST /mcp: the streamable HTTP transport of MCP, as the revision 2026-07-28 has it and as older clients know it.

Each answer is one JSON object, and nothing is kept between requests. So there are no sessions and no streams: GET and DELETE
are answered with 405.
"""

# ruff: noqa: S106  # token_check and token_require are not passwords

from __future__ import annotations

import json
from typing import Any, Final
from urllib.parse import urlsplit

from pyramid.httpexceptions import HTTPClientError
from pyramid.request import Request
from pyramid.response import Response
from pyramid.view import view_config

from pyramid_oauthguard.guard import require

from ..problems import InvalidFields
from ..settings import read_cors
from .messages import INVALID_PARAMS, INVALID_REQUEST, LEGACY, SERVER, SUPPORTED, Call, RPCError, read_call
from .tools import TOOLS, WrongArguments, run_tool

__all__: list[str] = []

_METHOD_NOT_FOUND: Final = -32601
_CAPABILITIES: Final = {"tools": {}}
_INSTRUCTIONS: Final = "Amounts are decimal texts. charge_customer changes what a customer owes: ask the user before."
_FOR_ALL_CALLERS: Final = {"ttlMs": 300_000, "cacheScope": "public"}


@view_config(route_name="mcp", request_method="POST", token_check="remote", token_require="customers:read")
def answer_message(request: Request) -> Response:
    """The answer to one message. What a caller may do is known once the message is read: each tool requires its scope."""
    call = None
    try:
        _check_origin(request)
        call = read_call(request)
        result = _run(call, request)
    except RPCError as error:
        identifier = error.id if call is None else call.id
        answer = {"code": error.code, "message": error.message} | ({} if error.data is None else {"data": error.data})
        return _write({"error": answer}, identifier, status=error.status)
    if call.id is None:
        return Response(status=202)
    if call.is_modern:
        result = {"resultType": "complete", "_meta": {"io.modelcontextprotocol/serverInfo": SERVER}, **result}
    return _write({"result": result}, call.id)


def _check_origin(request: Request) -> None:
    """Only pages that the API knows may call it from a browser; other programs send no origin."""
    origin = request.headers.get("Origin")
    own = urlsplit(request.registry.settings["example.mcp"])
    known = read_cors(request.registry.settings).origins
    if origin not in (None, f"{own.scheme}://{own.netloc}", *known) and known != ("*",):
        raise RPCError(INVALID_REQUEST, "Pages of this origin may not call the API.", status=403)


def _run(call: Call, request: Request) -> dict[str, Any]:
    if call.id is None:  # a notification; nothing that clients notify of matters here
        return {}
    if call.method == "tools/call":
        return _call_tool(call.params, request)
    if call.method == "tools/list":
        tools = [tool.describe() for tool in TOOLS.values()]
        return {"tools": tools, **(_FOR_ALL_CALLERS if call.is_modern else {})}
    if call.is_modern and call.method == "server/discover":
        return {"supportedVersions": list(SUPPORTED), **_describe_server(), **_FOR_ALL_CALLERS}
    if not call.is_modern and call.method == "initialize":
        return {"protocolVersion": _negotiate(call.params), "serverInfo": SERVER, **_describe_server()}
    if not call.is_modern and call.method == "ping":
        return {}
    raise RPCError(_METHOD_NOT_FOUND, "Method not found", status=404 if call.is_modern else 200)


def _describe_server() -> dict[str, Any]:
    return {"capabilities": _CAPABILITIES, "instructions": _INSTRUCTIONS}


def _negotiate(params: dict[str, Any]) -> str:
    """The version that an older client asks for, or the newest that has sessions to begin with ``initialize``."""
    asked = params.get("protocolVersion")
    return str(asked) if asked in LEGACY else LEGACY[0]


def _call_tool(params: dict[str, Any], request: Request) -> dict[str, Any]:
    """What the tool found, or why it failed: the model reads both.

    Who may not run it gets 401 or 403 with the scopes that are required, so that the client asks the user for them.
    """
    name = params.get("name")
    tool = TOOLS.get(name) if isinstance(name, str) else None
    if tool is None:
        raise RPCError(INVALID_PARAMS, "Unknown tool")
    require(request, scope=tool.scope)
    try:
        result = run_tool(tool, request.db, params.get("arguments") or {})
    except (WrongArguments, HTTPClientError) as error:
        return {"content": [{"type": "text", "text": _explain(error)}], "isError": True}
    return {"content": [{"type": "text", "text": json.dumps(result)}], "structuredContent": result, "isError": False}


def _explain(error: Exception) -> str:
    if isinstance(error, InvalidFields):
        return "; ".join(f"{each.field}: {each.detail}" for each in error.errors)
    return str(error)


def _write(body: dict[str, Any], identifier: Any, status: int = 200) -> Response:
    message = {"jsonrpc": "2.0", **({} if identifier is None else {"id": identifier}), **body}
    return Response(json.dumps(message), status=status, content_type="application/json", charset="utf-8")
