"""Values of the settings of one issuer, made of the texts of an ini file; a ValueError says what is wrong with one."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import Any

from ..fetch.extras import read_token_file
from ..fetch.trust import build_context
from ..issuers.client_authentication import load_signing_key
from ..issuers.key_file import read_key_file
from ..settings import as_duration, as_int, as_list, as_str
from ..urls import as_insecure_host, as_origin

__all__ = [
    "as_address",
    "as_ca_file",
    "as_insecure_hosts",
    "as_key_uses",
    "as_no_proxy",
    "as_public_key_file",
    "as_signing_key_file",
    "as_size",
    "as_timeout",
    "as_token_file",
]


def as_address(value: Any) -> str:
    """The URL of something that is fetched. Whether it needs TLS depends on its host: see :func:`~.meaning.complete_network`."""
    url = as_str(value)
    as_origin(url)
    return url


def as_ca_file(value: Any) -> str:
    """The path of a PEM file of certificates."""
    path = as_str(value)
    try:
        build_context(path)
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
        raise ValueError("must be more than 0: an answer is never empty")
    return size


def as_insecure_hosts(value: Any) -> frozenset[str]:
    """Hosts, with or without a port."""
    return frozenset(map(as_insecure_host, as_list(value)))


def as_no_proxy(value: Any) -> tuple[str, ...]:
    """Hosts, separated by white space or by commas as in the environment."""
    return as_list(value.replace(",", " ") if isinstance(value, str) else value)


def as_key_uses(value: Any) -> tuple[str, ...]:
    """Values of ``use``."""
    uses = as_list(value)
    if not uses or "enc" in uses:
        raise ValueError("must name at least one use, and not enc: such keys do not sign")
    return uses


def as_public_key_file(value: Any) -> str:
    """The path of a file with public keys."""
    return _check_file(value, read_key_file)


def as_signing_key_file(value: Any) -> str:
    """The path of a file with a private key."""
    return _check_file(value, load_signing_key)


def as_token_file(value: Any) -> str:
    """The path of a file with a token."""
    return _check_file(value, read_token_file)


def _check_file(value: Any, read: Callable[[str], object]) -> str:
    path = as_str(value)
    try:
        read(path)
    except ValueError as error:
        raise ValueError(f"names a file that {error}: {path}") from None
    return path
