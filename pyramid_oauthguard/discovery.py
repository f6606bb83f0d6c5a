"""What an issuer says about itself: RFC 8414 and OpenID Connect Discovery 1.0."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from .errors import UnavailableError
from .fetch import Answer, Fetcher
from .urls import check_endpoint

__all__ = ["IssuerMetadata", "build_metadata_urls", "fetch_metadata"]


@dataclass(frozen=True, slots=True)
class IssuerMetadata:
    """An issuer's metadata (RFC 8414 section 2), its ``issuer`` compared and its endpoints' schemes checked.

    :ivar document: the whole object.
    :ivar url: where it was found.
    :ivar date: the issuer's clock in seconds since the epoch as of its answer, or None.
    """

    issuer: str
    document: Mapping[str, Any]
    url: str
    date: float | None = None

    def find_endpoint(self, name: str) -> str | None:
        """The URL under ``name`` (such as ``"jwks_uri"``), or None if the metadata do not contain it.

        :raises UnavailableError: it is not an https URL. http, and loopback hosts, are for an issuer that is itself at
            such a URL.
        """
        url = self.document.get(name)
        if url is None:
            return None
        try:
            if not isinstance(url, str):
                raise ValueError("must be text")  # handled below, like a bad URL
            check_endpoint(url, self.issuer)
        except ValueError as error:
            raise UnavailableError("bad_metadata", f"{name} in {self.url} {error}", lasting=True) from None
        return url


def build_metadata_urls(issuer: str) -> tuple[str, ...]:
    """The well-known URLs of ``issuer`` in the order they are tried.

    RFC 8414 section 3.1 inserts the well-known part before the issuer's path, OpenID Connect Discovery 1.0
    section 4 appends it; issuers do one, the other, or both for either document.
    """
    parts = urlsplit(issuer)
    path = parts.path.rstrip("/")
    paths = [
        f"/.well-known/oauth-authorization-server{path}",
        f"{path}/.well-known/openid-configuration",
        f"/.well-known/openid-configuration{path}",
        f"{path}/.well-known/oauth-authorization-server",
    ]
    return tuple(urlunsplit((parts.scheme, parts.netloc, each, "", "")) for each in dict.fromkeys(paths))


def fetch_metadata(fetcher: Fetcher, issuer: str, url: str | None = None) -> IssuerMetadata:
    """The metadata of ``issuer``, from ``url`` or from its well-known URLs.

    A document that names another issuer is refused, byte for byte (RFC 8414 section 3.3).

    :raises UnavailableError: nothing usable was found, or the issuer doesn't answer.
    """
    absent: list[str] = []
    why: UnavailableError | None = None
    for each in (url,) if url else build_metadata_urls(issuer):
        answer = _try(fetcher, each)
        if isinstance(answer, UnavailableError):
            why = answer
        elif answer.status != 200:
            absent.append(f"{each} answered {answer.status}")
        else:
            found = answer.body.get("issuer")
            if found == issuer:
                return IssuerMetadata(issuer, answer.body, each, answer.date)
            why = _explain(each, found, issuer)
    raise why or UnavailableError("no_metadata", f"no metadata: {', '.join(absent)}", retry_after=30, lasting=True)


def _explain(url: str, found: object, issuer: str) -> UnavailableError:
    """The error for metadata of another issuer, or for metadata without an issuer."""
    if not isinstance(found, str):
        return UnavailableError("bad_metadata", f"{url} names no issuer", lasting=True)
    text = f"{url} describes {found!r}, not {issuer!r}; the two must be equal byte for byte"
    return UnavailableError("other_issuer", text, lasting=True)


def _try(fetcher: Fetcher, url: str) -> Answer | UnavailableError:
    """The answer, or the error that it is; raises if the issuer is down."""
    try:
        answer = fetcher.get(url)
    except UnavailableError as error:
        if error.reason == "unreachable":
            raise  # the other URLs are on the same host: asking it again only makes the caller wait
        return error
    if answer.is_overloaded:
        raise UnavailableError("unreachable", f"{url} answered {answer.status}")
    return answer
