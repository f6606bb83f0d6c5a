"""Bodies and queries of requests: read within a limit, as JSON or as a form, and refused with the reason."""

from __future__ import annotations

import json
from typing import Any, Final
from urllib.parse import parse_qsl

from pyramid.httpexceptions import HTTPBadRequest, HTTPRequestEntityTooLarge, HTTPUnsupportedMediaType
from pyramid.request import Request

from pyramid_oauthguard.strict_json import check_text_depth

from .money import NumberLiteral

__all__ = ["MAX_BYTES", "read_form", "read_json", "read_query"]

MAX_BYTES: Final = 65_536
_MAX_FIELDS: Final = 20
_JSON: Final = "application/json"
_FORM: Final = "application/x-www-form-urlencoded"


def read_json(request: Request) -> dict[str, Any]:
    """The JSON object in the body (RFC 8259); its numbers are :class:`NumberLiteral`, never floats.

    :raises HTTPUnsupportedMediaType: 415, the body does not say that it is JSON.
    :raises HTTPRequestEntityTooLarge: 413, over 64 KiB.
    :raises HTTPBadRequest: 400, not UTF-8, not JSON, nested more than 100 levels, a member twice, or not an object.
    """
    body = _read(request, _JSON)
    try:
        text = body.decode("utf-8")
        check_text_depth(text)
        # Numbers stay text: "1e999999999" must not be computed, and 4,301 digits can't become an int.
        value = json.loads(
            text,
            parse_int=NumberLiteral,
            parse_float=NumberLiteral,
            parse_constant=_refuse_constant,
            object_pairs_hook=_as_object,
        )
    except UnicodeDecodeError:
        raise HTTPBadRequest("The body is not UTF-8.") from None
    except json.JSONDecodeError as error:
        raise HTTPBadRequest(f"The body is not JSON: {error.msg} at character {error.pos}.") from None
    except ValueError as error:
        raise HTTPBadRequest(f"The body can't be used: {error}.") from None
    if not isinstance(value, dict):
        raise HTTPBadRequest("The body must be a JSON object.")
    return value


def read_form(request: Request) -> dict[str, str]:
    """The fields of an HTML form; the last one of a repeated field.

    :raises pyramid.httpexceptions.HTTPClientError: 413, 415 or 400, as for :func:`read_json`.
    """
    body = _read(request, _FORM)
    try:
        return _parse(body.decode("utf-8"))
    except ValueError:
        raise HTTPBadRequest("The form can't be read.") from None


def read_query(request: Request) -> dict[str, str]:
    """The parameters of the query; the last one of a repeated parameter.

    Not ``dict(request.GET)``: that takes quadratic time, seconds for one long address.

    :raises ValueError: too many parameters, or not UTF-8.
    """
    return _parse(request.query_string)


def _parse(text: str) -> dict[str, str]:
    return dict(parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=_MAX_FIELDS))


def _read(request: Request, media_type: str) -> bytes:
    if request.content_type.lower() != media_type:
        raise HTTPUnsupportedMediaType(f"The body must be {media_type}.")
    if request.is_body_seekable:  # it was read before, such as by the debug toolbar
        request.body_file_raw.seek(0)
    try:
        # Not request.body, which reads it all (into a temporary file) before its size can be checked.
        body: bytes = request.body_file.read(MAX_BYTES + 1)
    except OSError:
        raise HTTPBadRequest("The body ended early.") from None
    if len(body) > MAX_BYTES:
        raise HTTPRequestEntityTooLarge(f"The body must be at most {MAX_BYTES} bytes.")
    return body


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _as_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a member occurs twice")
    return value
