"""What the settings of one issuer mean together: where it is, and how it is reached."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from ..errors import SettingError
from ..fetch import Proxy
from ..fetch.proxies import build_proxy, read_environment
from ..jwt.key_issuer import PLACEHOLDER
from ..urls import as_origin, check_url, is_loopback

__all__ = ["complete_network", "find_environment_proxy"]

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


def complete_network(parsed: Any, environ: Mapping[str, str] | None = None) -> Any:
    """The settings of one issuer with the proxy and the headers as what they are, after its addresses were checked.

    :param parsed: a dataclass with the fields of these settings, and ``name_key``, which gives the whole name of a setting.
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


def find_environment_proxy() -> Proxy | None:
    """The proxy of the environment, for what is fetched from hosts that no issuer's settings name.

    One that can't be used is as none: it may be for other programs only.
    """
    address, _variable, bypass = read_environment(os.environ)
    try:
        return build_proxy(address, bypass) if address else None
    except ValueError:
        return None


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
