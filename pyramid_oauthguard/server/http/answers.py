"""Answers of the endpoints: JSON that no cache keeps (RFC 6749 section 5)."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from pyramid.request import Request
from pyramid.response import Response

from ...errors import UnavailableError
from ...outages import Outages
from ..request_ids import find_request_id
from .errors import OAuth2Error

__all__ = ["Refuse", "answer_errors", "build_answer", "build_error", "refuse_in_json", "report_outage"]

CHALLENGE = 'Basic realm="oauth", charset="UTF-8"'
View = Callable[[Request], Any]
#: Builds the answer to a request that no view may see: from its status, a text for developers, and headers.
Refuse = Callable[[Request, int, str, Iterable[tuple[str, str]]], Any]
_HEADERS: Final = {"Cache-Control": "no-store", "Pragma": "no-cache", "X-Content-Type-Options": "nosniff"}
_as_json: Final = json.JSONEncoder(separators=(",", ":")).encode


def build_answer(status: int, body: Mapping[str, Any] | None, headers: Iterable[tuple[str, str]] = ()) -> Any:
    """A JSON response, or an empty one for None; ``Cache-Control: no-store`` and ``Pragma: no-cache`` on each."""
    lines = {**_HEADERS, **dict(headers)}
    if body is not None:
        lines["Content-Type"] = "application/json"
    text = b"" if body is None else _as_json(body).encode()
    # All headers at once: setting one later searches the others for its name.
    return Response(text, status, list(lines.items()))


def build_error(error: OAuth2Error) -> Any:
    """RFC 6749 section 5.2; a 401 names the authentication scheme that the client should have used: the ``challenge`` of the
    error, or Basic."""
    body = {"error": error.error}
    if description := error.get_error_description():
        body["error_description"] = description
    headers = [("WWW-Authenticate", getattr(error, "challenge", CHALLENGE))] if error.status_code == 401 else []
    if retry_after := getattr(error, "retry_after", None):
        headers.append(("Retry-After", str(retry_after)))
    return build_answer(error.status_code, body, headers)


def refuse_in_json(_request: Request, status: int, text: str, headers: Iterable[tuple[str, str]] = ()) -> Any:
    """The refusal of a request that no view may see."""
    return build_answer(status, {"error": "invalid_request", "error_description": text}, headers)


def report_outage(outages: Outages, request: Request, error: UnavailableError) -> None:
    """Count an answer 503 for the log, under its cause."""
    text = f"request {find_request_id(request)}: {request.path_info}: unavailable: {error}"
    outages.report(str(error), text)


def answer_errors(view: View, find_outages: Callable[[Request], Outages]) -> View:
    """Let a view raise errors: an OAuth error is answered as such, and 503 if the storage is down (RFC 7009 section
    2.2.1).

    :param find_outages: where an answer 503 is counted.
    """

    @functools.wraps(view)
    def wrapped(request: Request) -> Any:
        try:
            return view(request)
        except OAuth2Error as error:
            return build_error(error)
        except UnavailableError as error:
            report_outage(find_outages(request), request, error)
            body = {"error": "temporarily_unavailable", "error_description": "Try again later."}
            return build_answer(503, body, [("Retry-After", str(error.retry_after))])

    return wrapped
