"""JSON-RPC 2.0 messages as MCP has them: read from a body, with the protocol version that each one is written in.

Since the revision 2026-07-28 each request says by itself which version it speaks, and nothing is kept between requests. Older
clients begin with ``initialize``; what they send later only repeats the version in a header.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Any, Final

from pyramid.httpexceptions import HTTPClientError
from pyramid.request import Request

from ..bodies import read_json
from ..money import NumberLiteral

__all__ = ["LEGACY", "MODERN", "SERVER", "SUPPORTED", "Call", "RPCError", "read_call"]

MODERN: Final = "2026-07-28"
LEGACY: Final = ("2025-11-25", "2025-06-18", "2025-03-26")
SUPPORTED: Final = (MODERN, *LEGACY)
SERVER: Final = {"name": "customers", "version": "1.0.0"}

PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
INVALID_PARAMS: Final = -32602
HEADER_MISMATCH: Final = -32020
UNSUPPORTED_VERSION: Final = -32022

_META: Final = "io.modelcontextprotocol/"
_MAX_DIGITS: Final = 15
#: What the header Mcp-Name repeats, by method.
_NAMED_BY: Final = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}


class RPCError(Exception):
    """An answer that is an error of the protocol.

    :ivar status: that of the HTTP answer.
    """

    def __init__(self, code: int, message: str, *, status: int = 200, data: Any = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.data = data
        self.id: Any = None


@dataclass(frozen=True, slots=True)
class Call:
    """One request, or a notification, which has no id and gets no answer.

    :ivar is_modern: whether it is written in the revision 2026-07-28.
    """

    id: int | str | None
    method: str
    params: dict[str, Any]
    is_modern: bool


def read_call(request: Request) -> Call:
    """The message in the body of a request. :raises RPCError: it is not one, or it contradicts the headers."""
    message = _read_body(request)
    identifier = message.get("id")
    try:
        call = _parse(request, message)
    except RPCError as error:
        error.id = identifier if _is_id(identifier) else None
        raise
    return call


def _read_body(request: Request) -> dict[str, Any]:
    try:
        return {name: _as_plain(value) for name, value in read_json(request).items()}
    except HTTPClientError as error:
        raise RPCError(PARSE_ERROR, error.detail, status=error.code) from error


def _as_plain(value: Any) -> Any:
    """Numbers that are identifiers as numbers; all others stay as they were written, because amounts must be exact."""
    if isinstance(value, NumberLiteral) and value.text.lstrip("-").isdigit() and len(value.text) <= _MAX_DIGITS:
        return int(value.text)
    return value


def _is_id(value: Any) -> bool:
    return isinstance(value, (int, str)) and not isinstance(value, bool)


def _parse(request: Request, message: dict[str, Any]) -> Call:
    method, params = message.get("method"), message.get("params", {})
    if message.get("jsonrpc") != "2.0" or not isinstance(method, str) or not isinstance(params, dict):
        raise RPCError(INVALID_REQUEST, "The body must be one request of JSON-RPC 2.0.", status=400)
    if "id" in message and not _is_id(message["id"]):
        raise RPCError(INVALID_REQUEST, "id must be text or a whole number.", status=400)
    is_modern = method != "initialize" and _find_version(request, params) == MODERN
    if is_modern and "id" in message:
        _check_modern(request, method, params)
    return Call(message.get("id"), method, params, is_modern)


def _find_version(request: Request, params: dict[str, Any]) -> str:
    """The version of a message. One without any is of a client that is older than the header."""
    header, own = request.headers.get("MCP-Protocol-Version"), _find_meta(params).get(f"{_META}protocolVersion")
    version = own if own is not None else header
    if version is None:
        return LEGACY[-1]
    if version not in SUPPORTED:
        data = {"supported": list(SUPPORTED), "requested": version if isinstance(version, str) else None}
        raise RPCError(UNSUPPORTED_VERSION, "Unsupported protocol version", status=400, data=data)
    if own is not None and header != own:
        raise RPCError(HEADER_MISMATCH, "MCP-Protocol-Version does not match the body.", status=400)
    return str(version)


def _check_modern(request: Request, method: str, params: dict[str, Any]) -> None:
    """What each request has to bring since there are no sessions."""
    meta = _find_meta(params)
    for name in ("protocolVersion", "clientCapabilities"):
        if _META + name not in meta:
            raise RPCError(INVALID_PARAMS, f"_meta must have {_META}{name}.", status=400)
    if request.headers.get("Mcp-Method") != method:
        raise RPCError(HEADER_MISMATCH, "Mcp-Method does not match the body.", status=400)
    member = _NAMED_BY.get(method)
    if member is not None and _decode(request.headers.get("Mcp-Name")) != params.get(member):
        raise RPCError(HEADER_MISMATCH, "Mcp-Name does not match the body.", status=400)


def _find_meta(params: dict[str, Any]) -> dict[str, Any]:
    meta = params.get("_meta")
    return meta if isinstance(meta, dict) else {}


def _decode(value: str | None) -> str | None:
    """A header's text; what does not fit into a header comes as ``=?base64?…?=``."""
    if value is None or not (value.startswith("=?base64?") and value.endswith("?=")):
        return value
    try:
        return base64.b64decode(value[9:-2], validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        return None
