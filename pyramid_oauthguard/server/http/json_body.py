"""The JSON object in the body of a request (RFC 7591 section 3.1)."""

from __future__ import annotations

from typing import Any, Final

from pyramid.request import Request

from ...strict_json import parse_object
from .errors import InvalidRequestError

__all__ = ["read_json"]

_MAX_BYTES: Final = 16 * 1024
_TYPE: Final = "application/json"


def read_json(request: Request) -> dict[str, Any]:
    """The object in the body of a POST or PUT.

    :raises InvalidRequestError: another content type, too big, or not a JSON object.
    """
    if request.content_type.strip().lower() != _TYPE:  # RFC 9110 section 8.3.1
        raise InvalidRequestError(f"The content type must be {_TYPE}.")
    if request.is_body_seekable:  # it was read before, such as in an attempt before this one
        request.body_file_raw.seek(0)
    try:
        body: bytes = request.body_file.read(_MAX_BYTES + 1)
    except OSError:  # the client went away in the middle
        raise InvalidRequestError("The body is incomplete.") from None
    if len(body) > _MAX_BYTES:
        raise InvalidRequestError("The body is too big.", status_code=413)
    try:
        return parse_object(body)
    except ValueError:
        raise InvalidRequestError("The body must be a JSON object.") from None
