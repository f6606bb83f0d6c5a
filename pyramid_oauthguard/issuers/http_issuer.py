"""One issuer over HTTP: its metadata, its keys, its introspection."""

from __future__ import annotations

import base64
import logging
import threading
import time
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote_plus

from dogpile.cache import CacheRegion
from zope.interface import implementer

from .. import processes
from ..caching import SKEW, build_region, read_number
from ..discovery import IssuerMetadata, fetch_metadata
from ..errors import CoolingError, UnavailableError
from ..fetch import Answer, Fetcher
from ..interfaces import IIssuer, KeyDocument
from ..outages import Outages
from .settings import IssuerSettings

__all__ = ["HTTPIssuer", "build_http_issuer"]

logger = logging.getLogger("pyramid_oauthguard")

_ENTRY: Final = "metadata"
_METADATA: Final = "the issuer's metadata"
_INTROSPECTION: Final = "the introspection endpoint's refusal of our introspection"
_MOST_NAMES: Final = 12
_LONGEST_NAME: Final = 60
#: The longest that a URL is left alone after it did not answer; see Fetcher.
_MAX_PAUSE_SECONDS: Final = 5.0


def build_http_issuer(settings: IssuerSettings, region: CacheRegion | None = None) -> HTTPIssuer:
    """The issuer of ``settings``, over HTTP.

    :param region: keeps its metadata. None: a region of its own, so that its first answer is what the issuer says now.
    """
    fetcher = Fetcher(
        timeout=settings.http_timeout,
        max_bytes=settings.http_max_bytes,
        ca_file=settings.http_ca_file,
        pause=min(_MAX_PAUSE_SECONDS, settings.keys_cooldown),
        outages=Outages(logger),
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
        self._credentials = self._build_credentials()
        self._fetcher = fetcher
        self._region = region
        self._lifetime = settings.metadata_lifetime
        self._lock = threading.Lock()
        self._metadata: IssuerMetadata | None = None
        self._fetched_at = self._fresh_until = 0.0
        self._failure: UnavailableError | None = None
        self._failed_at = -float("inf")
        self._outages = Outages(logger)
        processes.register(self, HTTPIssuer._leave_parent)

    def fetch_metadata(self) -> IssuerMetadata:
        """The issuer's metadata, cached. :raises UnavailableError: it can't be had."""
        found, failure = self._metadata, self._failure
        if found is not None and self._is_fresh(time.time()):
            return found
        # Down when it was last asked and just being asked again: one thread waits for that, not all of them.
        lock = self._lock  # a fork may replace it meanwhile
        if not lock.acquire(blocking=failure is None):
            return self._go_on(failure)
        try:
            return self._find_or_refresh(time.time())
        finally:
            lock.release()

    def _wait_for_metadata(self) -> IssuerMetadata:
        """As :meth:`fetch_metadata`, and waits where they are just being asked for. For one thread at a time."""
        with self._lock:
            return self._find_or_refresh(time.time())

    def _find_or_refresh(self, now: float) -> IssuerMetadata:
        return self._metadata if self._metadata is not None and self._is_fresh(now) else self._refresh(now)

    def fetch_keys(self) -> KeyDocument:
        """The issuer's key set.

        :raises UnavailableError: it can't be had.
        :raises CoolingError: it can't be had, and the metadata say where it is: they are asked for again in a moment.
        """
        try:
            return self._fetch_keys()
        except CoolingError:
            raise
        except UnavailableError as error:
            wait = 0.0 if self._settings.jwks_uri else self._find_wait(time.time())
            if wait:
                raise CoolingError(error.reason, error.detail, wait=wait, lasting=error.lasting) from error
            raise

    def _fetch_keys(self) -> KeyDocument:
        url = self._settings.jwks_uri or self._require_endpoint("jwks_uri", self._wait_for_metadata())
        answer = self._fetcher.get(url)
        keys = answer.body.get("keys")
        if answer.status != 200 or not isinstance(keys, list):
            self._forget_metadata()  # the keys may have moved
            text = f"{url} answered {answer.status} without a key set"
            raise UnavailableError("bad_jwks", text, retry_after=30, lasting=not answer.is_overloaded)
        return KeyDocument(tuple(keys), answer.max_age)

    def introspect(self, raw: str) -> Mapping[str, Any]:
        """RFC 7662 section 2. :raises UnavailableError: the endpoint refuses us or does not answer as it should."""
        url = self._settings.introspection_endpoint
        url = url or self._require_endpoint("introspection_endpoint", self.fetch_metadata())
        headers, form = self._credentials
        answer = self._fetcher.post(
            url, {"token": raw, "token_type_hint": "access_token", **form}, headers, harmless=True
        )
        if answer.status != 200 or not isinstance(answer.body.get("active"), bool):
            self._report(url, answer)
            text = f"{url} answered {_describe_answer(answer)}"
            raise UnavailableError("introspection_refused", text, lasting=not answer.is_overloaded)
        self._outages.ended(_INTROSPECTION)
        return answer.body

    def subscribe(self, listener: object) -> None:
        """An issuer elsewhere tells nobody anything."""

    def _leave_parent(self) -> None:
        """In a child of a fork: a fetch that runs in the parent ends there. Known metadata serve on."""
        if self._lock.locked():
            self._fresh_until = 0.0
        self._lock = threading.Lock()

    def _build_credentials(self) -> tuple[dict[str, str], dict[str, str]]:
        client_id = self._settings.introspection_client_id
        secret = self._settings.introspection_client_secret or ""
        method = self._settings.introspection_auth_method
        if not client_id:
            return {}, {}
        if method == "none":
            return {}, {"client_id": client_id}
        if method == "client_secret_post":
            return {}, {"client_id": client_id, "client_secret": secret}
        # RFC 6749 section 2.3.1: both are form-encoded before they are joined.
        pair = f"{quote_plus(client_id)}:{quote_plus(secret)}".encode()
        return {"Authorization": "Basic " + base64.b64encode(pair).decode()}, {}

    def _require_endpoint(self, name: str, metadata: IssuerMetadata) -> str:
        try:
            url = metadata.find_endpoint(name)
            if url is None:
                raise UnavailableError("no_endpoint", f"{metadata.url} names no {name}", lasting=True)
        except UnavailableError as error:
            wait = self._doubt_metadata()
            raise CoolingError(error.reason, error.detail, wait=wait, lasting=error.lasting) from error
        return url

    def _is_fresh(self, now: float) -> bool:
        return self._fetched_at - SKEW <= now < self._fresh_until  # and not from before the clock was set back

    def _refresh(self, now: float) -> IssuerMetadata:
        if self._find_wait(now):
            return self._go_on(self._failure)
        kept = self._adopt(now)
        if kept is not None:
            return kept
        try:
            metadata = fetch_metadata(self._fetcher, self.identifier, self._settings.metadata_url)
        except UnavailableError as error:
            self._outages.report(_METADATA, f"the issuer's metadata can't be fetched: {error}", level=logging.WARNING)
            self._fail(error, now)
            found = self._go_on(error)
            self._fetched_at = min(self._fetched_at, now)
            self._fresh_until = self._failed_at + self._settings.keys_cooldown
            return found
        entry = {"document": dict(metadata.document), "url": metadata.url, "fetched_at": now}
        self._region.set(_ENTRY, entry)
        return self._take(metadata, now)

    def _fail(self, error: UnavailableError, now: float) -> None:
        self._failure, self._failed_at = error.with_traceback(None), now
        if isinstance(error, CoolingError):  # nobody was asked: their cool-down, not one more after it
            self._failed_at = min(now, time.time() + error.wait - self._settings.keys_cooldown)

    def _find_wait(self, now: float) -> float:
        """Seconds until the metadata may be asked for again after a failure; 0 where they may be now."""
        age, cooldown = now - self._failed_at, self._settings.keys_cooldown
        return cooldown - age if self._failure is not None and -SKEW < age < cooldown else 0.0

    def _go_on(self, failure: UnavailableError | None) -> IssuerMetadata:
        """What the issuer last said holds while it says nothing, but not once another one answers in its place."""
        found = self._metadata
        if failure is None or found is None or failure.reason == "other_issuer":
            # A new one each time: raised again and again, one would grow by a traceback each time.
            failure = failure or UnavailableError("no_metadata")
            wait = self._find_wait(time.time())
            raise CoolingError(failure.reason, failure.detail, wait=wait, lasting=failure.lasting)
        return found

    def _adopt(self, now: float) -> IssuerMetadata | None:
        """Another process's copy from a shared cache, judged as if it came from the issuer."""
        kept = self._region.get(_ENTRY, ignore_expiration=True)
        if not isinstance(kept, dict):
            return None
        document, url, fetched_at = kept.get("document"), kept.get("url"), read_number(kept.get("fetched_at"))
        if not isinstance(document, dict) or not isinstance(url, str) or fetched_at is None:
            return None
        if document.get("issuer") != self.identifier or not self._fetched_at < fetched_at <= now + SKEW:
            return None
        if now >= fetched_at + self._lifetime:
            return None
        return self._take(IssuerMetadata(self.identifier, document, url), min(fetched_at, now))

    def _take(self, metadata: IssuerMetadata, fetched_at: float) -> IssuerMetadata:
        self._metadata = metadata
        self._failure = None
        self._outages.ended(_METADATA, "the issuer's metadata can be fetched again")
        self._fetched_at = fetched_at
        self._fresh_until = fetched_at + self._lifetime
        return metadata

    def _forget_metadata(self) -> None:
        with self._lock:
            self._region.delete(_ENTRY)
            self._fresh_until = 0.0

    def _doubt_metadata(self) -> float:
        """What is wrong or missing in it now must not stay so for a day: it is asked for again after a cool-down.

        :returns: in how many seconds.
        """
        with self._lock:
            self._region.delete(_ENTRY)
            self._fresh_until = min(self._fresh_until, self._fetched_at + self._settings.keys_cooldown)
            now = time.time()
            return max(self._fresh_until - now, self._find_wait(now), 0.0)

    def _report(self, url: str, answer: Answer) -> None:
        if answer.status in (400, 401, 403):
            text = f"{url} refused our introspection with {answer.status}: check oauthguard.introspection.*"
            self._outages.report(_INTROSPECTION, text)


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
