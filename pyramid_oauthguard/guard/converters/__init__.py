"""The values of the guard's settings, made of the texts of an ini file; a ValueError says what is wrong with one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any, Final

from ...settings import as_duration, as_int, as_list, as_str, is_quoted
from ...urls import as_origin

__all__ = [
    "as_audience",
    "as_cache",
    "as_claims",
    "as_count",
    "as_implications",
    "as_issuer",
    "as_names",
    "as_once_store",
    "as_origins",
    "as_realm",
    "as_scope_names",
    "as_token_prefix",
]


def as_issuer(value: Any) -> str:
    """An issuer identifier, perhaps with the placeholder of a template. Where it is fetched from, it must be a URL, too: see
    :func:`pyramid_oauthguard.network.meaning.complete_network`.
    """
    text = as_str(value)
    if is_quoted(text):
        raise ValueError(f"must be without quotes: an ini file does not remove them; look at {text!r}")
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError(f"must be printable ASCII without spaces, not {text!r}")
    return text


def as_claims(value: Any) -> tuple[str, ...]:
    """Names of claims, at least one."""
    return _as_some(value, "claim")


def as_audience(value: Any) -> tuple[str, ...]:
    """One audience or more."""
    return _as_some(value, "audience")


def _as_some(value: Any, kind: str) -> tuple[str, ...]:
    names = as_list(value)
    if not names:
        raise ValueError(f"must name at least one {kind}")
    return names


def as_realm(value: Any) -> str:
    """A realm for challenges."""
    realm = as_str(value)
    if not re.fullmatch(r"[\x20-\x7e]+", realm):
        raise ValueError("must be printable ASCII: it goes into a header")
    return realm


def as_count(value: Any) -> int:
    """A whole number, not 0."""
    count = as_int(value)
    if not count:
        raise ValueError("must be at least 1")
    return count


def as_cache(value: Any) -> dict[str, Any]:
    """The options of a cache region."""
    options = {key: text.strip() if isinstance(text, str) else text for key, text in dict(value).items()}
    for key in options:
        if key not in {"backend", "expiration_time"} and not key.startswith("arguments."):
            raise ValueError(f"{key!r} is not backend, expiration_time or arguments.*")
    if "expiration_time" in options:
        try:
            options["expiration_time"] = as_duration(options["expiration_time"])
        except ValueError as error:
            raise ValueError(f"expiration_time {error}") from error
    return options


def as_once_store(value: Any) -> dict[str, Any]:
    """The options of the store of used tokens."""
    options = as_cache(value)
    if not options.get("backend"):
        raise ValueError("needs once.backend")
    if "expiration_time" in options:
        raise ValueError("expiration_time can't be set: a token is remembered until it has expired")
    return options


#: The characters of a scope (RFC 6749 section 3.3).
_SCOPE: Final = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")


def as_scope_names(value: Any) -> tuple[str, ...]:
    """Names of scopes, each once."""
    names = tuple(dict.fromkeys(as_list(value)))
    for name in names:
        if not _SCOPE.fullmatch(name):
            raise ValueError(f"{name!r} is not a scope (RFC 6749 section 3.3)")
    return names


def as_implications(value: Any) -> Mapping[str, frozenset[str]]:
    """``write = read`` lines: for each scope on the left, all scopes that it contains, also those that these contain."""
    lines = value.items() if isinstance(value, Mapping) else _split_lines(as_str(value))
    direct: dict[str, tuple[str, ...]] = {}
    for name, contained in lines:
        (scope,) = _require_names(name, name)
        if scope in direct:
            raise ValueError(f"has two lines for {scope}: write one")
        direct[scope] = _require_names(contained, name)
    try:
        order = tuple(TopologicalSorter(direct).static_order())
    except CycleError as error:
        raise ValueError(f"is circular: {' = '.join(reversed(error.args[1]))}") from None
    found: dict[str, frozenset[str]] = {}
    for scope in order:  # what a scope contains comes before it
        below = direct.get(scope, ())
        found[scope] = frozenset(below).union(*(found[each] for each in below))
    return {scope: found[scope] for scope in direct}


def _split_lines(text: str) -> Iterable[tuple[str, str]]:
    for line in filter(None, map(str.strip, text.splitlines())):
        name, equals, contained = line.partition("=")
        if not equals:
            raise ValueError(f"must be lines such as `write = read`, not {line!r}")
        yield name, contained


def _require_names(value: Any, line: Any) -> tuple[str, ...]:
    names = as_scope_names(value)
    if not names or (value is line and len(names) > 1):
        raise ValueError(f"must be lines such as `write = read`; look at {line!r}")
    return names


def as_origins(value: Any) -> tuple[str, ...]:
    """Origins of web pages, as browsers write them (RFC 6454 section 6.2)."""
    names = as_list(value)
    for name in names:
        if name == "*" or str(as_origin(name)) != name:
            raise ValueError(f"{name!r} is not an origin: scheme, host and port, such as https://app.example.com")
    return names


def as_names(value: Any) -> tuple[str, ...]:
    """Names that are parts of keys and of principals, each once."""
    names = as_list(value)
    for name in names:
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]{0,63}", name):
            raise ValueError(f"a name has 1 to 64 letters, digits, - and _, and begins with a letter, not {name!r}")
    if len(set(names)) < len(names):
        raise ValueError("has a name twice")
    return names


def as_token_prefix(value: Any) -> str:
    """How a token begins (token68 of RFC 9110 section 11.2)."""
    prefix = as_str(value)
    if not re.fullmatch(r"[A-Za-z0-9._~+/-]+", prefix):
        raise ValueError(f"must have only characters of an opaque token (RFC 6750 section 2.1), not {prefix!r}")
    return prefix
