"""What an issuer says about itself: RFC 8414 and OpenID Connect Discovery 1.0."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

from urllib3.exceptions import ProtocolError

from .errors import UnavailableError
from .fetch import Answer, Fetcher
from .urls import check_endpoint

__all__ = ["IssuerMetadata", "build_metadata_urls", "fetch_metadata"]

#: Reasons that say that a URL answered, and not with a document.
_ANSWERS: Final = frozenset({"no_metadata", "unreachable", "circuit_open"})


@dataclass(frozen=True, slots=True)
class IssuerMetadata:
    """An issuer's metadata (RFC 8414 section 2), its ``issuer`` compared and its endpoints' schemes checked.

    :ivar document: the whole object.
    :ivar url: where it was found.
    :ivar date: the issuer's clock in seconds since the epoch as of its answer, or None.
    :ivar home: where the settings say that the metadata are; empty where that follows from the issuer identifier.
    :ivar insecure_hosts: hosts whose addresses may be used without TLS.
    """

    issuer: str
    document: Mapping[str, Any]
    url: str
    date: float | None = None
    home: str = ""
    insecure_hosts: frozenset[str] = frozenset()

    def find_endpoint(self, name: str) -> str | None:
        """The URL under ``name`` (such as ``"jwks_uri"``), or None if the metadata do not contain it.

        :raises UnavailableError: it is not an https URL. http, and loopback hosts, are for an issuer that is itself at
            such a URL; see :func:`.urls.check_endpoint`.
        """
        url = self.document.get(name)
        if url is None:
            return None
        try:
            if not isinstance(url, str):
                raise ValueError("must be text")  # handled below, like a bad URL
            check_endpoint(url, self.issuer, self.insecure_hosts, self.home)
        except ValueError as error:
            raise UnavailableError("bad_metadata", f"{name} in {self.url} {error}", lasting=True) from None
        return url


class _Overloaded(UnavailableError):
    """A status that says that trying again later may help."""


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


def fetch_metadata(
    fetcher: Fetcher,
    issuer: str,
    url: str | None = None,
    *,
    insecure_hosts: frozenset[str] = frozenset(),
    accepts: Callable[[str], bool] | None = None,
    wanted: Collection[str] = (),
) -> IssuerMetadata:
    """The metadata of ``issuer``, from ``url`` or from its well-known URLs.

    A document that names another issuer is refused, byte for byte (RFC 8414 section 3.3). After an answer that is not the
    document, and after a connection that was cut, the next well-known URL is asked: gateways refuse the paths that they do not
    know in all these ways. A host that cannot be reached or does not answer in time is not asked again.

    :param insecure_hosts: hosts whose addresses may be used without TLS, see :func:`.urls.check_url`.
    :param accepts: whether a document with this ``issuer`` is that of ours; None: if the two are equal.
    :param wanted: members that are needed. Where an issuer has two documents, the first one with all of them is taken; if none has,
        the first one.
    :raises UnavailableError: nothing usable was found, or the issuer doesn't answer.
    """
    failures: list[UnavailableError] = []
    found: list[IssuerMetadata] = []
    for each in (url,) if url else build_metadata_urls(issuer):
        try:
            answer = _ask(fetcher, each, issuer, accepts=accepts or issuer.__eq__)
        except UnavailableError as error:
            failures.append(error)
            if _is_silent(error):
                break
        else:
            found.append(IssuerMetadata(issuer, answer.body, each, answer.date, url or "", insecure_hosts))
            if all(answer.body.get(name) is not None for name in wanted):
                return found[-1]
    if found:
        return found[0]
    raise _summarize(failures)


def _ask(fetcher: Fetcher, url: str, issuer: str, *, accepts: Callable[[str], bool]) -> Answer:
    """The answer with the metadata of ``issuer``. :raises UnavailableError: it is another one."""
    answer = fetcher.get(url)
    if answer.is_overloaded:
        raise _Overloaded("unreachable", f"{url} answered {answer.status}")
    if answer.status != 200:
        raise UnavailableError("no_metadata", f"{url} answered {answer.status}", retry_after=30, lasting=True)
    found = answer.body.get("issuer")
    if not isinstance(found, str):
        raise UnavailableError("bad_metadata", f"{url} names no issuer", lasting=True)
    if not accepts(found):
        text = f"{url} describes {found!r}, not {issuer!r}; the two must be equal byte for byte"
        raise UnavailableError("other_issuer", text, lasting=True)
    return answer


def _is_silent(error: UnavailableError) -> bool:
    """Whether its host does not answer at all: then asking it again would only make the caller wait.

    A connection that was cut after it was made is an answer of a kind: some firewalls refuse a path so.
    """
    answered = isinstance(error, _Overloaded) or isinstance(error.__cause__, ProtocolError)
    return error.reason == "unreachable" and not answered


def _summarize(failures: list[UnavailableError]) -> UnavailableError:
    """One error with what each URL answered. Its reason is the most telling one: a document that was there and is not usable,
    then an answer that may be better next time.
    """
    found = next((each for each in failures if each.reason == "other_issuer"), None)
    found = found or next((each for each in reversed(failures) if each.reason not in _ANSWERS), None)
    found = found or next((each for each in failures if each.reason == "unreachable"), failures[-1])
    if len(failures) == 1 and found.reason != "no_metadata":
        return found
    texts = [each.detail for each in failures]
    return found.repeat("; ".join(texts) if found.reason != "no_metadata" else f"no metadata: {', '.join(texts)}")
