"""One issuer over HTTP: its metadata, its keys, its introspection."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Mapping
from typing import Any, Final

from dogpile.cache import CacheRegion
from zope.interface import implementer

from ..caching import build_region
from ..discovery import IssuerMetadata
from ..errors import CoolingError, UnavailableError
from ..fetch import Answer, Extras, Fetcher
from ..interfaces import IIssuer, KeyDocument
from ..jwt.jws import looks_like_jwt
from ..outages import Outages
from ..strict_json import parse_document
from ..telemetry.counting import name_issuer
from ..urls import as_origin
from .client_authentication import ClientAuthentication
from .key_file import read_key_file
from .metadata import MetadataSource
from .settings import IssuerSettings

__all__ = ["SIGNED", "HTTPIssuer", "build_http_issuer"]

logger = logging.getLogger("pyramid_oauthguard")

#: Under this name, an answer of introspection or userinfo has the text of a signed one.
SIGNED: Final = "\0signed"
#: What endpoints answer about a token that they do not know or that is not of a user (RFC 6750 section 3.1).
_NOT_KNOWN: Final = (401, 403)
#: The error by which others say so with another status, such as Login with Amazon.
_SAYS_NOT_KNOWN: Final = "invalid_token"
_USERINFO_TYPES: Final = "application/json, application/jwt"
_SIGNED_TYPE: Final = "application/token-introspection+jwt"
#: In the metadata of an issuer that signs introspection answers (RFC 9701 section 7).
_OFFER: Final = "introspection_signing_alg_values_supported"
_DOTS_OF_JWS: Final = 2
_PEM: Final = "-----BEGIN "
_INTROSPECTION: Final = "the introspection endpoint's refusal of our introspection"
_MOST_NAMES: Final = 12
_LONGEST_NAME: Final = 60
#: The longest that a URL is left alone after it did not answer; see Fetcher.
_MAX_PAUSE_SECONDS: Final = 5.0


def build_http_issuer(
    settings: IssuerSettings, region: CacheRegion | None = None, *, trace: Callable[[str], None] | None = None
) -> HTTPIssuer:
    """The issuer of ``settings``, over HTTP.

    :param region: keeps its metadata. None: a region of its own, so that its first answer is what the issuer says now.
    :param trace: see :class:`~pyramid_oauthguard.fetch.Fetcher`.
    """
    fetcher = Fetcher(
        timeout=settings.http_timeout,
        max_bytes=settings.http_max_bytes,
        ca_file=settings.http_ca_file,
        insecure_hosts=settings.http_insecure_hosts,
        proxy=settings.http_proxy,
        extras=_build_extras(settings),
        pause=min(_MAX_PAUSE_SECONDS, settings.keys_cooldown),
        label=name_issuer(settings.issuer_name),
        outages=Outages(logger),
        trace=trace,
    )
    if region is None:
        region = build_region("metadata", {}, expiration_time=settings.metadata_lifetime, secret="")
    return HTTPIssuer(settings, fetcher, region)


@implementer(IIssuer)
class HTTPIssuer:
    """The issuer of the settings, asked over HTTP. Safe to share between threads."""

    def __init__(self, settings: IssuerSettings, fetcher: Fetcher, region: CacheRegion) -> None:
        self.identifier = settings.issuer
        self._settings = settings
        self._authentication = ClientAuthentication(settings)
        self._fetcher = fetcher
        self._metadata = MetadataSource(settings, fetcher, region)
        self._outages = Outages(logger)

    def fetch_metadata(self) -> IssuerMetadata:
        """The issuer's metadata, cached. :raises UnavailableError: they can't be fetched."""
        return self._metadata.require()

    def fetch_keys(self) -> KeyDocument:
        """The issuer's key set, or that of the file that takes its place.

        :raises UnavailableError: it can't be fetched.
        :raises CoolingError: it can't be fetched, and the metadata say where it is: they are asked for again in a moment.
        """
        try:
            return self._fetch_keys()
        except CoolingError:
            raise
        except UnavailableError as error:
            wait = 0.0 if self._settings.jwks_uri or self._settings.jwks_file else self._metadata.find_wait()
            if wait:
                raise CoolingError(error.reason, error.detail, wait=wait, lasting=error.lasting) from error
            raise

    def _fetch_keys(self) -> KeyDocument:
        if self._settings.jwks_file:
            return _read_keys(self._settings.jwks_file)
        url = self._settings.jwks_uri or self._metadata.find_endpoint("jwks_uri", self._metadata.wait())
        self._fetcher.read_with(_parse_keys, url)
        answer = self._fetcher.get(url)
        keys = answer.body.get("keys")
        if answer.status != 200 or not isinstance(keys, list):
            self._metadata.distrust()  # the keys may have moved
            text = f"{url} answered {answer.status} {_describe_no_keys(answer)}"
            raise UnavailableError("bad_jwks", text, retry_after=30, lasting=not answer.is_overloaded)
        return KeyDocument(tuple(keys), answer.max_age)

    def introspect(self, raw: str) -> Mapping[str, Any]:
        """RFC 7662 section 2. A signed answer (RFC 9701) is under :data:`SIGNED`, not verified.

        :raises UnavailableError: the endpoint refuses us or does not answer as it should, without a signature where there has to
            be one, too.
        """
        is_signed = self.expects_signature()
        url = self._settings.introspection_endpoint
        url = url or self._metadata.find_endpoint("introspection_endpoint", self._metadata.require())
        headers, form = self._authentication.find()
        self._fetcher.read_with(_parse_claims, url)
        if is_signed:
            headers = {**headers, "Accept": _SIGNED_TYPE}
        answer = self._fetcher.post(
            url, {"token": raw, "token_type_hint": "access_token", **form}, headers, harmless=True
        )
        if is_signed and answer.status == 200:
            return _require_signed(answer, url)
        if SIGNED in answer.body:
            raise _refuse_unasked(answer.body[SIGNED], url)
        if answer.status != 200 or not isinstance(answer.body.get("active"), bool):
            self._report(url, answer)
            text = f"{url} answered {_describe_answer(answer)}"
            raise _refuse(answer, "introspection_refused", text)
        self._outages.ended(_INTROSPECTION)
        return answer.body

    def fetch_userinfo(self, raw: str) -> Mapping[str, Any]:
        """Who the user of the token is (OpenID Connect Core 1.0 section 5.3): the claims, with ``active``, as introspection has it.
        A signed answer is under :data:`SIGNED`, not verified.

        :raises UnavailableError: the endpoint does not answer as it should.
        """
        url = self._settings.userinfo_endpoint
        url = url or self._metadata.find_endpoint("userinfo_endpoint", self._metadata.require())
        self._fetcher.read_with(_parse_claims, url)
        answer = self._fetcher.get_as(url, {"Authorization": f"Bearer {raw}", "Accept": _USERINFO_TYPES})
        if answer.status in _NOT_KNOWN or (answer.status == 400 and answer.body.get("error") == _SAYS_NOT_KNOWN):
            return {"active": False}
        if answer.status != 200 or not answer.body:
            text = f"{url} answered {answer.status} without claims"
            raise _refuse(answer, "userinfo_refused", text)
        return {**answer.body, "active": True}

    def subscribe(self, listener: object) -> None:
        """Do nothing: an issuer in another process does not report changes."""

    def expects_signature(self) -> bool:
        """Whether an answer without a signature is refused. :raises UnavailableError: only the metadata say so, and they can't be fetched."""
        wanted = self._settings.introspection_signed
        if wanted == "auto":
            return bool(self._metadata.require().document.get(_OFFER))
        return wanted == "required"

    def _report(self, url: str, answer: Answer) -> None:
        if answer.status in (400, 401, 403):
            text = f"{url} refused our introspection with {answer.status}: check oauthguard.introspection.*"
            self._outages.report(_INTROSPECTION, text)


def _refuse(answer: Answer, reason: str, text: str) -> UnavailableError:
    """The error for an answer that is not the one that was asked for. What the issuer says of trying again is passed on."""
    return UnavailableError(reason, text, retry_after=answer.retry_after or 5, lasting=not answer.is_overloaded)


def _build_extras(settings: IssuerSettings) -> Extras:
    """For the origins of the URLs in the settings. An issuer identifier may be a name that is not a URL."""
    origins = set()
    for each in settings.addresses:
        with contextlib.suppress(ValueError):
            origins.add(as_origin(each))
    return Extras(frozenset(origins), settings.http_headers, settings.http_bearer_token_file)


def _read_keys(path: str) -> KeyDocument:
    try:
        return read_key_file(path)
    except ValueError as error:
        raise UnavailableError("bad_key_file", f"{path} {error}", lasting=True) from None


def _require_signed(answer: Answer, url: str) -> Mapping[str, Any]:
    if SIGNED not in answer.body:
        raise UnavailableError("unsigned_answer", f"{url} answered without a signature", lasting=True)
    return answer.body


def _refuse_unasked(text: str, url: str) -> UnavailableError:
    """Some issuers sign for a client whatever it asks for. Such an answer is verified only where the settings want that."""
    if looks_like_jwt(text):
        return UnavailableError(
            "signed_answer", f"{url} answered with a signature, which was not asked for", lasting=True
        )
    return UnavailableError("not_json", f"{url} did not answer with a JSON object", lasting=True)


def _parse_keys(data: bytes) -> dict[str, Any]:
    """A JSON object, also for one text in PEM. :raises ValueError: neither."""
    try:
        return parse_document(data)
    except ValueError:
        if not data.lstrip().startswith(_PEM.encode()):
            raise
        return {"": _PEM}


def _describe_no_keys(answer: Answer) -> str:
    """What came in place of a key set, for a log and a terminal."""
    values = answer.body.values()
    if values and all(isinstance(each, str) and each.startswith(_PEM) for each in values):
        return "with keys or certificates in PEM, not with a key set"
    return "with a single key, not with a key set" if "kty" in answer.body else "without a key set"


def _parse_claims(data: bytes) -> dict[str, Any]:
    """A JSON object, or a signed answer. :raises ValueError: neither."""
    try:
        return parse_document(data)
    except ValueError:
        text = data.decode("ascii").strip()
        if text.count(".") != _DOTS_OF_JWS:
            raise
        return {SIGNED: text}


def _describe_answer(answer: Answer) -> str:
    """What an answer that is not one of RFC 7662 has, for a log and a terminal: names and an error code, no values."""
    if answer.status != 200:
        error = answer.body.get("error")  # RFC 6749 section 5.2
        return f"{answer.status} {_shorten(error)}" if isinstance(error, str) else str(answer.status)
    names = ", ".join(_shorten(name) for name in sorted(answer.body)[:_MOST_NAMES]) or "no members"
    if "active" in answer.body:
        return f"200, but its active is neither true nor false; it has {names}"
    return f"200 without active; it has {names}"


def _shorten(text: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in text[:_LONGEST_NAME])
