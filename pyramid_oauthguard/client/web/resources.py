"""Which authorization server to ask for a token, and for which scopes: what an API says to a caller without a token.

The answer 401 has a challenge (RFC 6750 section 3), which points to a document (RFC 9728).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

from ...errors import UnavailableError
from ...exit_status import USAGE
from ..challenge import find_bearer_challenge
from ..errors import CommandError, as_command_error
from .requests import Reply, Web

__all__ = [
    "ProtectedResource",
    "Refusal",
    "choose_scopes",
    "discover_resource",
    "fetch_refusal",
    "find_servers",
    "is_resource_of",
    "list_document_urls",
]

_WELL_KNOWN: Final = "/.well-known/oauth-protected-resource"
_REFUSALS: Final = frozenset({401, 403})
#: As MCP clients send it. Nothing is called by it: a guarded API refuses it before it reads the body.
_MCP: Final = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}


@dataclass(frozen=True, slots=True)
class Refusal:
    """What an API answers to a request without a token.

    :ivar method: by which it was asked.
    :ivar challenge: the parameters of its Bearer challenge, or None.
    """

    method: str
    reply: Reply
    challenge: Mapping[str, str] | None

    @property
    def is_refused(self) -> bool:
        return self.reply.status in _REFUSALS


@dataclass(frozen=True, slots=True)
class ProtectedResource:
    """What a client needs to get a token for an API.

    :ivar identifier: the resource that the token is for (RFC 8707).
    :ivar issuers: authorization servers whose tokens are accepted.
    :ivar scope: the scopes to ask for, or None to ask for none.
    :ivar url: of its document.
    """

    identifier: str
    issuers: tuple[str, ...]
    scope: str | None
    url: str


def discover_resource(web: Web, url: str) -> ProtectedResource:
    """What the API at ``url`` says about itself. :raises CommandError: it can't be asked, or says nothing usable."""
    try:
        refusal = fetch_refusal(web, url)
        for each in list_document_urls(url, refusal.challenge):
            document = web.send("GET", each).find_object()
            if document is not None and "resource" in document:
                return _read(document, url, at=each, challenge=refusal.challenge)
    except UnavailableError as error:
        raise as_command_error(error) from error
    text = f"{url} does not say which authorization server it accepts tokens of"
    raise CommandError(
        USAGE, text, "name the server with --issuer instead of the URL; check --as-client shows each step"
    )


def fetch_refusal(web: Web, url: str) -> Refusal:
    """The answer to a request without a token: GET, or POST if GET is not refused, because MCP endpoints may know POST only.

    :raises UnavailableError: there is no answer.
    """
    refusal = _ask(web, "GET", url)
    if refusal.is_refused or 200 <= refusal.reply.status < 400:
        return refusal
    posted = _ask(web, "POST", url)
    return posted if posted.is_refused else refusal


def _ask(web: Web, method: str, url: str) -> Refusal:
    reply = web.send(method, url) if method == "GET" else web.send(method, url, headers=_MCP, body=b"")
    return Refusal(method, reply, find_bearer_challenge(reply.find_all("www-authenticate")))


def list_document_urls(url: str, challenge: Mapping[str, str] | None) -> tuple[str, ...]:
    """Where the document of an API is: where its challenge says; otherwise at the well-known places, in this order."""
    named = (challenge or {}).get("resource_metadata")
    if named:
        return (named,)
    parts = urlsplit(url)
    places = dict.fromkeys((_WELL_KNOWN + parts.path.rstrip("/"), _WELL_KNOWN))
    return tuple(urlunsplit((parts.scheme, parts.netloc, place, "", "")) for place in places)


def is_resource_of(identifier: Any, url: str) -> bool:
    """Whether a document with this ``resource`` is about ``url``: itself, or a path above it (RFC 9728 section 3.3)."""
    if not isinstance(identifier, str) or not _can_be_split(identifier):
        return False
    ours, theirs = urlsplit(url), urlsplit(identifier)
    above = theirs.path.rstrip("/") + "/"
    same_host = (ours.scheme, ours.netloc.lower()) == (theirs.scheme, theirs.netloc.lower())
    return same_host and (ours.path.rstrip("/") + "/").startswith(above)


def find_servers(document: Mapping[str, Any]) -> tuple[str, ...]:
    """The authorization servers in a document."""
    found = document.get("authorization_servers")
    words = found if isinstance(found, list) else []
    return tuple(each for each in words if isinstance(each, str) and _can_be_split(each))


def choose_scopes(challenge: Mapping[str, str] | None, document: Mapping[str, Any]) -> str | None:
    """The scopes to ask for: what the challenge requires; otherwise all that the document names."""
    asked = (challenge or {}).get("scope")
    if asked:
        return asked
    named = document.get("scopes_supported")
    words = [each for each in named if isinstance(each, str)] if isinstance(named, list) else []
    return " ".join(words) or None


def _can_be_split(url: str) -> bool:
    try:
        urlsplit(url)
    except ValueError:
        return False
    return True


def _read(document: Mapping[str, Any], url: str, *, at: str, challenge: Mapping[str, str] | None) -> ProtectedResource:
    identifier, servers = document["resource"], find_servers(document)
    if not is_resource_of(identifier, url):
        text = f"{at} describes {identifier!a}, not {url}"
        raise CommandError(USAGE, text, "a client must not use such a document (RFC 9728 section 3.3)")
    if not servers:
        raise CommandError(USAGE, f"{at} names no authorization server", "name it with --issuer")
    return ProtectedResource(identifier, servers, choose_scopes(challenge, document), at)
