"""The settings that say where an issuer is and how it is reached: each value, and what they mean together."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from ...errors import SettingError
from ...fetch import Proxy
from ...fetch.extras import read_token_file
from ...fetch.proxies import build_proxy, read_environment
from ...issuers.client_authentication import load_signing_key
from ...issuers.key_file import read_key_file
from ...jwt.key_issuer import PLACEHOLDER
from ...settings import as_list, as_str
from ...urls import as_insecure_host, as_origin, check_url, is_loopback

__all__ = [
    "as_address",
    "as_insecure_hosts",
    "as_key_uses",
    "as_no_proxy",
    "as_public_key_file",
    "as_signing_key_file",
    "as_token_file",
    "complete_network",
]

_OFF: Final = "off"
_WELL_KNOWN: Final = "/.well-known/"
_LINE: Final = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\x21-\x7e](?:[\x20-\x7e\t]*[\x21-\x7e])?)")
#: Headers that the protocol, the connection or another setting needs.
_TAKEN: Final = frozenset(
    [
        "accept",
        "accept-encoding",
        "authorization",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "expect",
        "host",
        "keep-alive",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ]
)
#: Settings with the address of what is fetched.
_ADDRESSES: Final = ("metadata_url", "jwks_uri", "introspection.endpoint", "userinfo.endpoint")


def as_address(value: Any) -> str:
    """The URL of something that is fetched. Whether it needs TLS depends on its host: see :func:`complete_network`."""
    url = as_str(value)
    as_origin(url)
    return url


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


def complete_network(parsed: Any, environ: Mapping[str, str] | None = None) -> Any:
    """The settings of one issuer with the proxy and the headers as what they are, after its addresses were checked.

    :param environ: where the proxy of the environment is looked for; None: the process's own. It is read here and never again.
    :raises SettingError: naming the key.
    """
    _check_issuer(parsed)
    for name in _ADDRESSES:
        url = getattr(parsed, name.replace(".", "_"), None)
        if url:
            _check_address(parsed, name, url)
    proxy = _find_proxy(parsed, os.environ if environ is None else environ)
    return replace(parsed, http_proxy=proxy, http_headers=_parse_headers(parsed))


def _check_issuer(parsed: Any) -> None:
    """The metadata are fetched from the issuer identifier unless the settings say where to find what is needed."""
    if not parsed.issuer or parsed.metadata_url or parsed.jwks_uri or parsed.jwks_file:
        return
    if "?" in parsed.issuer:
        raise SettingError(parsed.name_key("issuer"), f"must have no query (RFC 8414 section 2), not {parsed.issuer!r}")
    if _WELL_KNOWN in parsed.issuer:
        hint = f"set it to the issuer that this document names, and {parsed.name_key('metadata_url')} to its address if it is not found then"
        raise SettingError(
            parsed.name_key("issuer"), f"must be the issuer, not the address of its metadata, {parsed.issuer!r}", hint
        )
    # Of a template, every value has the form of this one.
    _check_address(parsed, "issuer", PLACEHOLDER.sub("x", parsed.issuer))


def _check_address(parsed: Any, name: str, url: str) -> None:
    try:
        check_url(url, parsed.http_insecure_hosts)
    except ValueError as error:
        raise SettingError(parsed.name_key(name), str(error), _find_hint(parsed, name, url)) from error


def _find_hint(parsed: Any, name: str, url: str) -> str:
    try:
        host = as_origin(url).host
    except ValueError:
        return ""
    hint = f"or list {host} in {parsed.name_key('http.insecure_hosts')}, if no other party can read or change what it sends"
    if name == "issuer":
        hint += f"; or, if this is only a name, set {parsed.name_key('metadata_url')} or jwks_uri"
    return hint


def _find_proxy(parsed: Any, environ: Mapping[str, str]) -> Proxy | None:
    address, no_proxy = parsed.http_proxy, parsed.http_no_proxy
    found, variable, bypass = read_environment(environ)
    bypass = bypass if no_proxy is None else no_proxy
    if address == _OFF or (address is None and (found is None or not _needs_proxy(parsed))):
        return None
    try:
        return build_proxy(address or found or "", bypass)
    except ValueError as error:
        where = "" if address else f"the variable {variable} of the environment "
        hint = "" if address else f"or set {parsed.name_key('http.proxy')} = off"
        raise SettingError(parsed.name_key("http.proxy"), f"{where}{error}", hint) from None


def _needs_proxy(parsed: Any) -> bool:
    """Whether any address could be asked through a proxy. A variable that concerns other programs must not stop this one."""
    urls = (parsed.issuer, *(getattr(parsed, name.replace(".", "_"), None) for name in _ADDRESSES))
    return any(url and url.startswith("https") and not _is_here(url) for url in urls)


def _is_here(url: str) -> bool:
    try:
        return is_loopback(as_origin(url).host)
    except ValueError:  # a template
        return False


def _parse_headers(parsed: Any) -> Mapping[str, str]:
    text = parsed.http_headers
    if not isinstance(text, str):
        return dict(text or {})
    found: dict[str, str] = {}
    for number, line in enumerate(filter(None, map(str.strip, text.splitlines())), 1):
        parts = _LINE.fullmatch(line)
        if parts is None:
            problem = f"line {number} is not a header such as `X-Api-Key: value` in printable ASCII"
            raise SettingError(parsed.name_key("http.headers"), problem)
        if parts[1].lower() in _TAKEN or parts[1].lower() in map(str.lower, found):
            problem = f"line {number}: {parts[1]} is set by the request itself, or twice here"
            raise SettingError(parsed.name_key("http.headers"), problem, "http.bearer_token_file sets Authorization")
        found[parts[1]] = parts[2]
    return found


def _check_file(value: Any, read: Callable[[str], object]) -> str:
    path = as_str(value)
    try:
        read(path)
    except ValueError as error:
        raise ValueError(f"names a file that {error}: {path}") from None
    return path
