"""Redirect URIs: which one a request may name, and the answer that goes there."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import urlencode

from ...urls import as_origin, is_loopback

__all__ = ["build_answer_uri", "find_default", "is_registered", "leaves_device", "takes_forms"]

# RFC 8252 section 7.3: on a loopback IP address the port is chosen when the program starts. Not on `localhost`, a name.
_LOOPBACK: Final = re.compile(r"(http://(?:127(?:\.\d{1,3}){3}|\[::1\]))(:[0-9]{1,5})?((?:[/?][!-\"$-~]*)?)")


#: What the hosts files of usual systems have for loopback addresses.
_LOOPBACK_NAMES: Final = frozenset({
    "localhost.localdomain", "localhost4", "localhost4.localdomain4", "localhost6", "localhost6.localdomain6",
    "ip6-localhost", "ip6-loopback",
})  # fmt: skip
_LOCALHOST: Final = re.compile(r"(http://localhost)(:[0-9]{1,5})?((?:[/?][!-\"$-~]*)?)")


def is_registered(uri: str, registered: Iterable[str], *, localhost: bool = False) -> bool:
    """Whether ``uri`` is one of these, character for character (RFC 9700 section 4.1.3); only a loopback port may differ.

    :param localhost: the port of ``http://localhost`` may differ, too.
    """
    patterns = (_LOOPBACK, _LOCALHOST) if localhost else (_LOOPBACK,)
    return any(uri == each or any(_differs_in_port(uri, each, pattern) for pattern in patterns) for each in registered)


def leaves_device(uri: str) -> bool:
    """Whether an answer to ``uri`` goes to a web server elsewhere: https, and not a loopback host."""
    try:
        origin = as_origin(uri)
    except ValueError:
        return False
    is_here = is_loopback(origin.host) or origin.host.endswith(".localhost") or origin.host in _LOOPBACK_NAMES
    return origin.scheme == "https" and not is_here


def takes_forms(uri: str, *, chosen_by_operator: bool) -> bool:
    """Whether a browser may post a form to ``uri``: https or http, not a private-use scheme.

    :param chosen_by_operator: a client that registered itself may have named a page of a site of the operator. The browser would
        send the cookies of that site along, even those with ``SameSite=Strict``. So such a client gets forms on loopback only.
    """
    try:
        origin = as_origin(uri)
    except ValueError:
        return False
    return chosen_by_operator or is_loopback(origin.host)


def find_default(registered: tuple[str, ...]) -> str | None:
    """The only one that is registered; with several the request must name one (RFC 6749 section 3.1.2.3)."""
    return registered[0] if len(registered) == 1 else None


def build_answer_uri(uri: str, parameters: Mapping[str, str | None]) -> str:
    """``uri`` with these parameters added to its query (RFC 6749 section 4.1.2); parameters that are None are left
    out."""
    added = urlencode({name: value for name, value in parameters.items() if value is not None})
    address, _mark, query = uri.partition("?")
    return f"{address}?{query}{'&' if query and not query.endswith('&') else ''}{added}"


def _differs_in_port(uri: str, registered: str, pattern: re.Pattern[str]) -> bool:
    asked, known = pattern.fullmatch(uri), pattern.fullmatch(registered)
    if asked is None or known is None or not _is_port(asked[2]):
        return False
    return (asked[1], asked[3]) == (known[1], known[3])


def _is_port(text: str | None) -> bool:
    return text is None or 0 < int(text[1:]) < 65536
