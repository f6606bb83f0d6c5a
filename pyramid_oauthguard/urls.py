"""Which URLs are good enough to send a credential to, or to take one from.

There is one grammar of hosts, and this module is the only place that knows it. It is stricter than RFC 3986: a host that
two programs could read in two ways is not a host. It does not depend on the Python version, as urlsplit and ipaddress do.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from ipaddress import IPv6Address
from typing import Final

__all__ = ["Origin", "as_insecure_host", "as_origin", "check_endpoint", "check_url", "is_loopback"]

_DEFAULT_PORTS: Final = {"https": 443, "http": 80}
_FORBIDDEN: Final = frozenset('"<>\\^`{|}\x7f')
_AUTHORITY: Final = re.compile(r"(\[[^\[\]]*\]|[^:\[\]]*)(?::([1-9][0-9]{0,4}))?")
_LABEL: Final = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
#: A last label of this form makes programs read the whole as an IPv4 address: 127.1, 0x7f000001, 2130706433.
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")
_OCTET: Final = r"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_IPV4: Final = re.compile(rf"(?!0\.){_OCTET}(?:\.{_OCTET}){{3}}")
_IPV6: Final = re.compile(r"\[[0-9a-f:]{2,39}\]")
_MAX_HOST: Final = 253
_NONE: Final[frozenset[str]] = frozenset()


@dataclass(frozen=True, slots=True)
class Origin:
    """Scheme, host and port of an http or https URL. As text it is what browsers send (RFC 6454 section 6.2).

    :ivar scheme: ``"http"`` or ``"https"``.
    :ivar host: in lower case; an IPv6 address without brackets, in its shortest spelling.
    :ivar port: the default port of the scheme if the URL has no port.
    """

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        port = "" if self.port == _DEFAULT_PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{_spell(self)}{port}"


def as_origin(url: str) -> Origin:
    """The origin of an absolute http or https URL without user, fragment or control characters.

    :raises ValueError: it is not such a URL, or its host is neither a name nor an address in its usual spelling.
    """
    if not url.isascii() or any(char <= " " or char in _FORBIDDEN for char in url):
        raise ValueError("must be a URL of printable ASCII characters")
    scheme, slashes, rest = url.partition("://")
    scheme = scheme.lower()
    if not slashes or scheme not in _DEFAULT_PORTS:
        raise ValueError(f"must begin with https:// (http:// only for loopback hosts), not {url!r}")
    authority = re.split("[/?]", rest, maxsplit=1)[0]
    if not authority or "@" in authority or "#" in rest:
        raise ValueError(f"must be an absolute URL without user or fragment, not {url!r}")
    parts = _AUTHORITY.fullmatch(authority)
    port = int(parts[2] or _DEFAULT_PORTS[scheme]) if parts else 0
    if parts is None or port > 65535:
        raise ValueError(f"is not a URL: {url!r}")
    return Origin(scheme, _as_host(parts[1].lower()), port)


def as_insecure_host(text: str) -> str:
    """``host`` or ``host:port`` as :func:`check_url` compares it: in lower case, an IPv6 address in brackets.

    :raises ValueError: it is neither; the host has the grammar of all hosts.
    """
    try:
        origin = as_origin(f"http://{text}")
    except ValueError:
        raise ValueError(f"must be a host or host:port, such as keycloak or keycloak:8080, not {text!r}") from None
    if set(text) & set("/?"):
        raise ValueError(f"must be a host without scheme and path, such as keycloak or keycloak:8080, not {text!r}")
    return f"{_spell(origin)}:{origin.port}" if re.search(r":[0-9]+$", text) else _spell(origin)


@functools.lru_cache(maxsize=64)  # endpoints are checked at each use; refused URLs are not kept
def check_url(url: str, insecure_hosts: frozenset[str] = _NONE) -> None:
    """ValueError unless ``url`` is absolute, without user, fragment or controls, and its host may be asked so: https, or http to
    a loopback host.

    :param insecure_hosts: hosts, as :func:`as_insecure_host` spells them, that may be asked by http, too.
    """
    origin = as_origin(url)
    if origin.scheme != "https" and not is_loopback(origin.host) and not _is_listed(origin, insecure_hosts):
        raise ValueError(f"must begin with https:// (http:// only for loopback hosts), not {url!r}")


@functools.lru_cache(maxsize=64)
def check_endpoint(url: str, issuer: str, insecure_hosts: frozenset[str] = _NONE, home: str = "") -> None:
    """ValueError unless an address that ``issuer`` publishes may be used.

    Only an issuer without TLS may publish addresses without TLS. It is on this machine, or on a host that the settings list. An
    issuer elsewhere may not send us to a service of this machine. Not checked: what the name of the host resolves to.

    :param insecure_hosts: see :func:`check_url`.
    :param home: where the settings say that it publishes them, if that is not at the issuer identifier.
    """
    check_url(url, insecure_hosts)
    found, own = as_origin(url), _find_origin(issuer)
    is_here = own is not None and _is_here(own.host)
    if found.scheme == "http" and not (is_here and own is not None and own.scheme == "http"):
        places = filter(None, (own, _find_origin(home)))
        if not any(_is_listed(each, insecure_hosts) for each in places):
            raise ValueError(
                f"must begin with https://, because the issuer {issuer} is not asked without TLS, not {url!r}"
            )
    if _is_here(found.host) and not is_here:
        raise ValueError(f"must not be on a loopback host, because the issuer {issuer} is not, not {url!r}")


def is_loopback(host: str) -> bool:
    """Whether ``host``, written as in :class:`Origin`, is a loopback host. No name is resolved."""
    return host in {"localhost", "::1"} or (host.startswith("127.") and _IPV4.fullmatch(host) is not None)


def _is_here(host: str) -> bool:
    """Like :func:`is_loopback`, with the names that resolvers answer with loopback addresses (RFC 6761 section 6.3)."""
    return is_loopback(host) or host.endswith(".localhost")


def _find_origin(text: str) -> Origin | None:
    """The origin of an issuer identifier or an address; None for a name that is not a URL."""
    try:
        return as_origin(text)
    except ValueError:
        return None


def _is_listed(origin: Origin, hosts: frozenset[str]) -> bool:
    return bool(hosts) and not hosts.isdisjoint((_spell(origin), f"{_spell(origin)}:{origin.port}"))


def _spell(origin: Origin) -> str:
    return f"[{origin.host}]" if ":" in origin.host else origin.host


def _as_host(text: str) -> str:
    """The host as :class:`Origin` has it. :raises ValueError: not in the grammar."""
    try:
        if text.startswith("["):
            return _as_ipv6(text)
    except ValueError:
        raise _build_refusal(text) from None
    labels = text.split(".")
    good = len(text) <= _MAX_HOST and all(_LABEL.fullmatch(label) for label in labels)
    if not good or (_NUMBER.fullmatch(labels[-1]) and not _IPV4.fullmatch(text)):
        raise _build_refusal(text)
    return text


def _as_ipv6(text: str) -> str:
    """Refuses a zone, since it has a meaning on one machine only, and an IPv4 address inside, since it can be written as such."""
    if not _IPV6.fullmatch(text):
        raise ValueError("not an IPv6 address")
    address = IPv6Address(text[1:-1])
    if int(address) != 1 and int(address) >> 32 in {0, 0xFFFF}:
        raise ValueError("IPv4-mapped, IPv4-compatible or unspecified")
    return str(address)


def _build_refusal(host: str) -> ValueError:
    return ValueError(
        f"must have a host name or an IP address in its usual spelling, such as api.example.com, 127.0.0.1 or [::1], "
        f"not {host!r}"
    )
