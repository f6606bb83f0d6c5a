"""Which browsers' scripts may read the answers (Fetch, CORS): of the key set and the metadata, which are public, any script;
of the endpoints that public clients call, the scripts of the sites that registered public clients are on; of the registration
endpoint, the script that sends the request, because its site is not known before.

No answer allows credentials: an endpoint that is shared has no cookie.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from enum import Enum
from typing import Any, Final

from pyramid.request import Request
from pyramid.response import Response

from ...errors import UnavailableError
from .origins import Origins, find_origin

__all__ = ["Readers", "answer_preflight", "is_preflight", "share_answers"]

_PREFLIGHT_SECONDS: Final = "600"
_READABLE: Final = "Retry-After, WWW-Authenticate, X-Request-Id"
_HEADERS: Final = "Authorization, Content-Type"
#: A list of field names (RFC 9110 section 5.1), with a maximum length that is enough for browsers.
_FIELD_NAMES: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}(?:[ ]?,[ ]?[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}){0,31}")


class Readers(Enum):
    """Whose scripts may read the answers of an endpoint."""

    NO_SITE = "no site"
    CLIENTS = "the sites of public clients"
    SENDER = "the site that sends the request"
    ANYBODY = "any site"


def share_answers(
    view: Callable[[Request], Any], readers: Readers, find_origins: Callable[[Request], Origins]
) -> Callable[[Request], Any]:
    """Let these scripts read the answers of a view, including errors."""
    if readers is Readers.NO_SITE:
        return view

    @functools.wraps(view)
    def wrapped(request: Request) -> Any:
        response = view(request)
        if readers is Readers.ANYBODY:
            _allow(response, "*")
        elif readers is Readers.SENDER:
            _share_with_sender(request, response)
        else:
            _share(request, response, find_origins(request))
        return response

    return wrapped


def is_preflight(request: Request) -> bool:
    """Whether this is a CORS preflight: a browser asks before it sends a script's request."""
    headers = request.headers
    return request.method == "OPTIONS" and "Origin" in headers and "Access-Control-Request-Method" in headers


def answer_preflight(request: Request, methods: str) -> Any:
    """The headers that tell which methods and headers scripts may send. :func:`share_answers` names the sites.

    Any header: libraries add their own (DPoP, traceparent, X-Requested-With), and the endpoints read none of them.
    """
    response = Response(status=204)
    response.headers["Access-Control-Allow-Methods"] = methods
    asked = request.headers.get("Access-Control-Request-Headers", "").strip()
    response.headers["Access-Control-Allow-Headers"] = asked if _FIELD_NAMES.fullmatch(asked) else _HEADERS
    _add_vary(response, "Access-Control-Request-Headers")
    response.headers["Access-Control-Max-Age"] = _PREFLIGHT_SECONDS
    return response


def _share(request: Request, response: Any, origins: Origins) -> None:
    _add_vary(response, "Origin")
    origin = request.environ.get("HTTP_ORIGIN")
    try:
        allowed = origin is not None and origin in origins
    except UnavailableError:  # the answer itself reports the failure
        allowed = False
    if allowed:
        _allow(response, origin)


def _share_with_sender(request: Request, response: Any) -> None:
    """The site gets no more than any program without a cookie would."""
    _add_vary(response, "Origin")
    origin = request.headers.get("Origin", "")
    if origin and find_origin(origin) == origin:
        _allow(response, origin)


def _allow(response: Any, origin: Any) -> None:
    response.headers["Access-Control-Allow-Origin"] = origin
    response.headers["Access-Control-Expose-Headers"] = _READABLE


def _add_vary(response: Any, name: str) -> None:
    """In one header line: some readers use only the first line."""
    there = response.headers.get("Vary")
    if there is None:
        response.headerlist.append(("Vary", name))
    else:
        response.headers["Vary"] = f"{there}, {name}" if there else name
