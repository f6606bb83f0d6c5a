"""Documents that describe clients: read from their hosts, kept for a while, and never read for a caller that is not signed in.

Every failure looks the same to the caller; the log has the reason. A failure is not kept, but its host is left alone for a
moment.
"""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from typing import Final

from ....bounded import BoundedMap
from ....fetch.pinned import PinnedFetcher, PinnedFetchError, Text
from ....fetch.public_addresses import is_public
from ....fetch.resolving import Resolver
from ....urls import Origin, as_origin, is_loopback
from ...http.errors import InvalidClientMetadataError
from ...http.limits import Limits
from ...settings import ServerSettings
from ...settings.places import find_document_fault
from ...store.contract import Store
from ...store.records import Client
from .pauses import Pauses
from .reading import DocumentError, read_client, read_keys
from .turns import BusyError, Turns

__all__ = ["DocumentSource", "build_refusal"]

log = logging.getLogger("pyramid_oauthguard.server")
MAX_BYTES: Final = 5 * 1024
DEADLINE_SECONDS: Final = 5.0
_MAX_DOCUMENTS: Final = 1000
_HOST_FACTOR: Final = 10
_MAX_LOGGED: Final = 300


def build_refusal() -> InvalidClientMetadataError:
    """The same answer for every reason."""
    return InvalidClientMetadataError("The document of the client can't be used.")


class DocumentSource:
    """Finds the clients that documents describe. One for each application; safe for threads."""

    def __init__(self, settings: ServerSettings, store: Store, limits: Limits) -> None:
        self._settings = settings
        self._store = store
        self._limits = limits
        self._kept = BoundedMap(_MAX_DOCUMENTS)
        self._pauses = Pauses()
        self._turns = Turns()
        self.fetcher = PinnedFetcher(resolver=Resolver(), max_bytes=MAX_BYTES, is_allowed=self._is_allowed)

    def load(self, url: str, *, user: str) -> Client:
        """The client that the document at ``url`` describes.

        :param url: a ``client_id``.
        :param user: who is signed in, and asks for it; the limits count them.
        :raises InvalidClientMetadataError: for every reason.
        """
        try:
            self._check_place(url)
            return self._find_kept(url) or self._read(url, user)
        except (DocumentError, PinnedFetchError, BusyError) as error:
            log.warning("the client document %s can't be used: %s", url[:_MAX_LOGGED], error)
            raise build_refusal() from None

    def _find_kept(self, url: str) -> Client | None:
        kept: Client | None = self._kept.get(url)
        return kept if kept is not None and time.time() < (kept.fresh_until or 0) else None

    def _check_place(self, url: str) -> None:
        """Refuse a URL that can't be a ``client_id``, and one that the settings keep out."""
        found = self._settings.self_registration
        if not found.is_document_id(url):
            raise DocumentError(find_document_fault(url) or "the settings keep its place out (allow, deny)")
        if self._is_ours(as_origin(url)):
            raise DocumentError("it is on the host of this server")

    def _read(self, url: str, user: str) -> Client:
        origin = as_origin(url)
        deadline = time.monotonic() + DEADLINE_SECONDS
        with self._turns.wait(url, user=user, host=origin.host, deadline=deadline):
            kept = self._find_kept(url)
            if kept is not None:  # read by another thread in the meantime
                return kept
            self._check_pauses(url, origin)
            self._count(user, origin)
            client = self._read_client(url, deadline)
        self._kept.set(url, client)
        return client

    def _read_client(self, url: str, deadline: float) -> Client:
        text = self._fetch(url, url, deadline)
        with self._store.reading() as unit:
            names = unit.list_operator_names()
        try:
            client = read_client(url, text, self._settings, names=names)
            if client.jwks_uri is None:
                return client
            fault = None if self._is_development(url) else find_document_fault(client.jwks_uri)
            if fault is not None or self._is_ours(as_origin(client.jwks_uri)):
                raise DocumentError(f"its jwks_uri can't be used: {fault or 'it is on the host of this server'}")
            return replace(client, jwks=read_keys(self._fetch_keys(url, client.jwks_uri, deadline)))
        except (DocumentError, ValueError) as error:
            self._pauses.fail(url)
            raise error if isinstance(error, DocumentError) else DocumentError("its jwks_uri is not a URL") from None

    def _fetch_keys(self, document: str, url: str, deadline: float) -> Text:
        """GET the ``jwks_uri`` of a document. Another host has the limits that it would have with documents of its own: else many
        documents could have one host asked without end."""
        origin = as_origin(url)
        if origin.host == as_origin(document).host:
            return self._fetch(document, url, deadline)
        self._check_pauses(url, origin)
        self._count_host(origin)
        with self._turns.visit(origin.host):
            return self._fetch(document, url, deadline)

    def _fetch(self, document: str, url: str, deadline: float) -> Text:
        """GET ``url``. A failure of its host pauses the host, another one only this document."""
        host = as_origin(url).host
        try:
            text = self.fetcher.get(url, deadline)
        except PinnedFetchError as error:
            if not error.is_busy:
                self._pauses.fail(host if error.is_outage else document)
            raise
        self._pauses.succeed(host)
        return text

    def _check_pauses(self, url: str, origin: Origin) -> None:
        if self._pauses.is_paused(url) or self._pauses.is_paused(origin.host):
            raise DocumentError(f"{origin.host} failed a moment ago")

    def _count(self, user: str, origin: Origin) -> None:
        if self._limits.is_over("documents", ("user", user)):
            raise BusyError("the limit of this user is reached (limits.documents)")
        self._count_host(origin)

    def _count_host(self, origin: Origin) -> None:
        if self._limits.is_over("documents", ("host", origin.host), factor=_HOST_FACTOR):
            raise BusyError("the limit of this host is reached (limits.documents)")

    def _is_allowed(self, origin: Origin, address: str) -> bool:
        if self._settings.self_registration.documents_development and is_loopback(origin.host):
            return is_loopback(address)
        return is_public(address)

    def _is_development(self, url: str) -> bool:
        return self._settings.self_registration.documents_development and is_loopback(as_origin(url).host)

    def _is_ours(self, origin: Origin) -> bool:
        ours = as_origin(self._settings.issuer)
        return origin == ours if is_loopback(ours.host) else origin.host == ours.host
