"""Requests checked with the API's document (pyramid_openapi3), and what is wrong with them in words that name the field.

Bodies and queries are read within limits first: what OpenAPI can't express, such as a member that occurs twice or an unknown
parameter, is refused before.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from openapi_core.exceptions import OpenAPIError
from openapi_core.validation.request.datatypes import RequestParameters
from openapi_core.validation.request.exceptions import ParameterValidationError
from openapi_core.validation.schemas.exceptions import InvalidSchemaValue
from pyramid.config import Configurator
from pyramid.request import Request
from pyramid.response import Response
from pyramid_openapi3 import RequestValidationError
from pyramid_openapi3.wrappers import PyramidOpenAPIRequest

from .bodies import read_json, read_query
from .money import NumberLiteral, as_charge, as_units
from .problems import InvalidFields, InvalidParameters, WrongField, render_problem

__all__ = ["DOCUMENT", "check_request"]

DOCUMENT: Final = Path(__file__).with_name("openapi.yaml")
_FORMATS: Final = {"money": as_units, "charge": as_charge}
_INTEGER: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,18})", re.ASCII)
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_SHOWN: Final = 100
_RESPONSES: Final = "pyramid_openapi3.enable_response_validation"


def includeme(config: Configurator) -> None:
    """Let views say ``openapi=True``, and answer what the document forbids with 400 or 422."""
    # A test turns it on. Elsewhere an answer that the document does not describe is better than none.
    config.get_settings().setdefault(_RESPONSES, "false")
    config.include("pyramid_openapi3")
    for name, convert in _FORMATS.items():
        config.pyramid_openapi3_add_formatter(name, _build_check(convert))
    config.pyramid_openapi3_add_formatter("text", _is_text)
    config.pyramid_openapi3_add_deserializer("application/json", _deserialize)
    config.pyramid_openapi3_add_deserializer("application/problem+json", json.loads)
    config.include(".forks")
    config.pyramid_openapi3_spec(str(DOCUMENT), route="/openapi.yaml", route_name="openapi_source")
    config.add_view_deriver(check_request, under="decorated_view", over="openapi_view")
    config.add_exception_view(_render_invalid, context=RequestValidationError)


def check_request(view: Callable[[Any, Request], Response], info: Any) -> Callable[[Any, Request], Response]:
    """Read the request within limits, then give ``request.openapi_validated`` its value."""
    if not info.options.get("openapi"):
        return view

    def checked_view(context: Any, request: Request) -> Response:
        request.openapi_validated = _read_validator(request).unmarshal(_BoundedRequest(request))
        try:
            return view(context, request)
        finally:
            if request.method == "HEAD" or request.script_name:  # pyramid_openapi3 would not find them in the document
                request.environ["pyramid_openapi3.validate_response"] = False

    return checked_view


check_request.options = ("openapi",)  # type: ignore[attr-defined]


class _BoundedRequest(PyramidOpenAPIRequest):
    """The request as the validator reads it: its path without the mount point, its query and body within limits."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.parameters = RequestParameters(path=request.matchdict, query=_read_parameters(request))
        self._body = _Parsed(read_json(request)) if request.method == "POST" else None

    @property
    def path_pattern(self) -> str:
        pattern: str = self.request.matched_route.pattern
        return pattern

    @property
    def method(self) -> str:
        return "get" if self.request.method == "HEAD" else super().method

    @property
    def body(self) -> Any:
        return self._body

    @property
    def content_type(self) -> str:
        return "application/json"  # anything else was refused when the body was read


@dataclass(frozen=True, slots=True)
class _Parsed:
    """A body that was parsed."""

    value: dict[str, Any]


def _deserialize(body: _Parsed | bytes) -> Any:
    """For the validator: the body of a request, or of an answer."""
    return body.value if isinstance(body, _Parsed) else json.loads(body)


def _read_validator(request: Request) -> Any:
    return request.registry.settings["pyramid_openapi3"]["request_validator"]


def _read_parameters(request: Request) -> dict[str, str]:
    """The parameters of the query. OpenAPI accepts unknown ones, and its validator any spelling that Python's ``int`` does."""
    try:
        found = read_query(request)
    except ValueError as error:
        raise InvalidParameters((WrongField("query", "is not UTF-8, or has too many parameters"),)) from error
    known = _list_parameters(request)
    wrong = {name: "is not known here" for name in found if name not in known}
    wrong |= {
        name: "must be a whole number"
        for name in found
        if known.get(name) == "integer" and not _is_integer(found[name])
    }
    if wrong:
        raise InvalidParameters(_as_fields(wrong))
    return found


def _list_parameters(request: Request) -> dict[str, str]:
    """The parameters of the operation in the query, with their types."""
    spec = request.registry.settings["pyramid_openapi3"]["spec"]
    operation = (
        spec / "paths" / request.matched_route.pattern / request.method.lower().replace("head", "get")
    ).read_value()
    listed = operation.get("parameters", ())
    return {each["name"]: each["schema"]["type"] for each in listed if each.get("in") == "query"}


def _is_integer(text: str) -> bool:
    return _INTEGER.fullmatch(text) is not None


def _build_check(convert: Callable[[object], int]) -> Callable[[object], bool]:
    def check(value: object) -> bool:
        if not isinstance(value, (str, NumberLiteral)):
            return True  # its type is wrong, which is another error
        try:
            convert(value)
        except ValueError:
            return False
        return True

    return check


def _is_text(value: object) -> bool:
    """Whether there is more than blanks, and no half of a surrogate pair: it can't be stored."""
    return not isinstance(value, str) or (value.strip() != "" and _SURROGATE.search(value) is None)


def _render_invalid(error: RequestValidationError, request: Request) -> Response:
    parameters = [each for each in error.errors if isinstance(each, ParameterValidationError)]
    if parameters:
        wrong = {each.name: _describe_parameter(each) for each in parameters}
        return render_problem(InvalidParameters(_as_fields(wrong)), request)
    return render_problem(InvalidFields(_as_fields(dict(_find_wrong_fields(error.errors)))), request)


def _describe_parameter(error: ParameterValidationError) -> str:
    (found, *_more) = list(_list_schema_errors(error)) or [None]
    return str(found.schema.get("x-error", "can't be used")) if found is not None else "can't be used"


def _find_wrong_fields(errors: list[OpenAPIError]) -> Iterator[tuple[str, str]]:
    for error in errors:
        for found in _list_schema_errors(error):
            yield from _describe(found)


def _list_schema_errors(error: Exception) -> Iterator[Any]:
    cause = error.__cause__
    if isinstance(cause, InvalidSchemaValue):
        yield from cause.schema_errors


def _describe(error: Any) -> Iterator[tuple[str, str]]:
    """The fields of one error of jsonschema: one, or for an object all that are missing or unknown."""
    if error.validator == "required":
        yield from ((name, "is required") for name in error.validator_value if name not in error.instance)
    elif error.validator == "additionalProperties":
        known: Mapping[str, Any] = error.schema["properties"]
        yield from ((name, "is not known here") for name in error.instance if name not in known)
    else:
        yield "/".join(map(str, error.absolute_path)), _describe_value(error)


def _describe_value(error: Any) -> str:
    if error.validator == "format" and error.validator_value in _FORMATS:
        return _find_fault(_FORMATS[error.validator_value], error.instance)
    if error.validator != "type":
        return str(error.schema.get("x-error", "can't be used"))
    if error.instance is None:
        return "must not be null"
    return "must be text" if error.validator_value == "string" else "must be text or a number"


def _find_fault(convert: Callable[[object], int], value: object) -> str:
    try:
        convert(value)
    except ValueError as error:
        return str(error)
    return "can't be used"


def _as_fields(wrong: Mapping[str, str]) -> tuple[WrongField, ...]:
    """In the order of their names. A name that the caller made up is cut short, not repeated at length."""
    return tuple(WrongField(name[:_SHOWN], text) for name, text in sorted(wrong.items()))
