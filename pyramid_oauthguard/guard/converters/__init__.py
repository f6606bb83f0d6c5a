"""The values of the guard's settings, made of the texts of an ini file; a ValueError says what is wrong with one."""

from __future__ import annotations

import re
import ssl
from typing import Any

from pyramid.path import DottedNameResolver

from ...jwt.algorithms import ALGORITHMS
from ...settings import as_duration, as_int, as_list, as_str, as_url

__all__ = [
    "as_algorithms",
    "as_audience",
    "as_ca_file",
    "as_cache",
    "as_callable",
    "as_count",
    "as_issuer",
    "as_realm",
    "as_size",
    "as_timeout",
]


def as_algorithms(value: Any) -> tuple[str, ...]:
    """Signature algorithms of the allow-list."""
    names = as_list(value)
    for name in names:
        if name not in ALGORITHMS:
            raise ValueError(f"{name!r} is not one of {' '.join(ALGORITHMS)}; 'none' and HS* are never accepted")
    if not names:
        raise ValueError("must name at least one algorithm")
    return names


def as_issuer(value: Any) -> str:
    """An issuer identifier (RFC 8414 section 2)."""
    issuer = as_url(value)
    if "?" in issuer:
        raise ValueError(f"must have no query (RFC 8414 section 2), not {issuer!r}")
    return issuer


def as_audience(value: Any) -> tuple[str, ...]:
    """One audience or more."""
    names = as_list(value)
    if not names:
        raise ValueError("must name at least one audience")
    return names


def as_realm(value: Any) -> str:
    """A realm for challenges."""
    realm = as_str(value)
    if not re.fullmatch(r"[\x20-\x7e]+", realm):
        raise ValueError("must be printable ASCII: it goes into a header")
    return realm


def as_ca_file(value: Any) -> str:
    """The path of a PEM file of certificates."""
    path = as_str(value)
    try:
        ssl.create_default_context(cafile=path)
    except (OSError, ssl.SSLError) as error:
        raise ValueError(f"is not a readable PEM file of certificates: {path}") from error
    return path


def as_timeout(value: Any) -> float:
    """Seconds for one call."""
    seconds = as_duration(value)
    if not 0 < seconds <= 300:
        raise ValueError(f"must be more than 0 and at most 300 seconds, not {value!r}")
    return seconds


def as_size(value: Any) -> int:
    """A number of bytes, not 0."""
    size = as_int(value)
    if not size:
        raise ValueError("must be more than 0: every answer of the issuer is longer")
    return size


def as_count(value: Any) -> int:
    """A whole number, not 0."""
    count = as_int(value)
    if not count:
        raise ValueError("must be at least 1")
    return count


def as_callable(value: Any) -> Any:
    """A callable, or its dotted name."""
    try:
        found = DottedNameResolver(None).maybe_resolve(value)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f"names nothing that can be imported: {error}") from error
    if not callable(found):
        raise ValueError(f"must name a callable, not {value!r}")
    return found


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
