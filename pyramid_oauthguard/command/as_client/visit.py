"""What one check has found out so far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ...client.text import shorten
from ...client.web.registration import Registration
from ...client.web.requests import Reply, Web
from ...client.web.resources import Refusal
from ...errors import UnavailableError
from ...exit_status import find_exit_status
from ...interfaces import Finding

__all__ = ["REDIRECT_URI", "Visit", "describe_outage", "quote", "send"]

#: Where the answers to authorization requests would go. Nothing listens there.
REDIRECT_URI: Final = "http://127.0.0.1/callback"
_MOST_CHARS: Final = 160


@dataclass(slots=True)
class Visit:
    """The steps fill it in.

    :ivar url: of the API.
    :ivar origin: of the page that a browser-based client would run on.
    :ivar scope: what is asked for.
    :ivar client_id: of a client that is registered at the server.
    :ivar registers: whether a client may be registered.
    :ivar refusal: the API's answer without a token.
    :ivar document: its resource metadata.
    :ivar issuer: the first authorization server in it.
    :ivar metadata: what that server says about itself.
    :ivar registration: what has to be removed at the end.
    """

    web: Web
    url: str
    origin: str
    scope: str | None = None
    client_id: str | None = None
    registers: bool = False
    refusal: Refusal | None = None
    document: Mapping[str, Any] = field(default_factory=dict)
    document_url: str = ""
    issuer: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    metadata_url: str = ""
    registration: Registration | None = None

    def find_endpoint(self, name: str) -> str | None:
        """The address of an endpoint in the server's metadata, or None."""
        url = self.metadata.get(name)
        return url if isinstance(url, str) else None


def send(visit: Visit, method: str, url: str, **more: Any) -> Reply | Finding:
    """The answer, or what to report where there is none."""
    try:
        return visit.web.send(method, url, **more)
    except UnavailableError as error:
        return describe_outage(url, error)


def describe_outage(subject: str, error: UnavailableError) -> Finding:
    """The finding about an address that did not answer or may not be asked."""
    hint = "clients on other machines can't ask it either" if error.reason == "forbidden_url" else ""
    return Finding("error", subject, error.detail, hint, find_exit_status(error))


def quote(value: object) -> str:
    """Text of another party, short, and without characters that control a terminal."""
    text = shorten(value)
    return ascii(text if len(text) <= _MOST_CHARS else text[:_MOST_CHARS] + "…")
