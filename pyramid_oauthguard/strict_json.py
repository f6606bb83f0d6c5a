"""Reads JSON from outside, and refuses what parsers read differently (RFC 8259; RFC 8725 section 2.4)."""

from __future__ import annotations

import json
import math
import re
from codecs import BOM_UTF8
from collections.abc import Mapping
from typing import Any, Final

__all__ = ["MAX_DEPTH", "check_depth", "check_text_depth", "parse_document", "parse_object"]

#: Objects and lists inside each other. Python's own limit differs between versions and depends on the depth of the calls.
MAX_DEPTH: Final = 100
#: A string that is not closed goes on to the end, so that its quotes are not looked at again.
_STRING_OR_BRACKET: Final = re.compile(r'"(?:[^"\\]++|\\.?)*+(?:"|\Z)|[\[\]{}]', re.DOTALL)


def parse_object(data: bytes) -> dict[str, Any]:
    """The JSON object in ``data``.

    :raises ValueError: not UTF-8, not an object, a member that occurs twice, NaN, Infinity or a number beyond them, an unpaired
        surrogate (it can't be written out again), or nesting deeper than :data:`MAX_DEPTH`.
    """
    try:
        text = data.decode("utf-8")
        # Most claims have no list and no object in them: the first half costs a tenth of the second.
        if ("[" in text or text.find("{", 1) > 0) and text.count("[") + text.count("{") > MAX_DEPTH:
            check_text_depth(text)
        try:
            value, end = _scan(text, 0)
        except StopIteration:
            end = -1
        if end != len(text):
            value = _DECODER.decode(text)  # for white space around the object, or for the error
        if "\\u" in text:
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if type(value) is not dict:
        raise ValueError("not a JSON object")
    return value


def parse_document(data: bytes) -> dict[str, Any]:
    """Like :func:`parse_object`, for a file or an answer: some editors and serializers write a byte order mark before the object
    (RFC 8259 section 8.1). A token has none.
    """
    return parse_object(data.removeprefix(BOM_UTF8))


def check_text_depth(text: str) -> None:
    """ValueError if more than :data:`MAX_DEPTH` objects and lists are inside each other in JSON, before it is parsed.

    Takes linear time. Nothing else of the text is checked. If the text is not JSON, a parser stops before the
    count becomes wrong.
    """
    depth = 0
    for found in _STRING_OR_BRACKET.finditer(text):
        char = text[found.start()]
        if char in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise ValueError("nested too deeply")
        elif char in "]}":
            depth -= 1


def check_depth(value: object) -> None:
    """ValueError if more than :data:`MAX_DEPTH` dictionaries, lists and tuples are inside each other. Takes linear time."""
    containers: list[Any] = [value] if isinstance(value, (dict, list, tuple, Mapping)) else []
    for _level in range(MAX_DEPTH):
        if not containers:
            return
        inner = [each.values() if isinstance(each, Mapping) else each for each in containers]
        containers = [each for members in inner for each in members if isinstance(each, (dict, list, tuple))]
    if containers:
        raise ValueError("nested too deeply")


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _as_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a member occurs twice")
    return value


def _as_finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError("a number is too large to be written out again")
    return value


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_as_object, parse_constant=_refuse_constant, parse_float=_as_finite
)
#: The decoder without its two searches for white space, which would take half as long again.
_scan: Final[Any] = _DECODER.scan_once  # type: ignore[attr-defined]  # typeshed does not know it
