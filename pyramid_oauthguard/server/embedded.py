"""The issuer for a guard in the same process: it uses no HTTP, so that a server never waits for itself."""

from __future__ import annotations

from typing import Any

from zope.interface import implementer

from ..interfaces import IEmbeddedIssuer, IssuedTokens, KeyDocument
from .events import (
    ClientCreated,
    ClientEdited,
    ClientRevoked,
    SigningKeyMade,
    SigningKeyRetired,
    SigningKeyRevoked,
    TokenRevoked,
)
from .service import Service
from .tokens.lookup import find_access_token
from .tokens.status import INACTIVE, describe_token, is_active

__all__ = ["EmbeddedIssuer"]


@implementer(IEmbeddedIssuer)
class EmbeddedIssuer:
    """See :class:`~pyramid_oauthguard.interfaces.IEmbeddedIssuer`. It is made before the service, and the service
    notifies it of events."""

    def __init__(self, identifier: str) -> None:
        self.identifier = identifier
        self.service: Service | None = None
        self._listeners: list[Any] = []

    def fetch_keys(self) -> KeyDocument:
        return KeyDocument(keys=self._require_service().keys.list_published())

    def introspect(self, raw: str) -> dict[str, Any]:
        """The introspection answer for an access token. The guard belongs to this application, so it may ask about all
        of them.

        For a refresh token the answer is that it is inactive.
        """
        service = self._require_service()
        with service.store.reading() as unit:
            token = find_access_token(unit, service.pepper, raw)
        if token is None or not is_active(token, service):
            return dict(INACTIVE)
        return describe_token(token, self.identifier)

    def derive_cache_key(self) -> bytes:
        return self._require_service().pepper.derive_key("guard caches")

    def describe_tokens(self) -> IssuedTokens:
        service = self._require_service()
        with service.store.reading() as unit:
            clients = [client for client in unit.list_clients() if client.revoked_at is None]
        settings = service.settings
        registered = (audience for client in clients for audience in client.audiences)
        return IssuedTokens(
            audiences=frozenset({*settings.audience, *settings.self_registration.audiences, *registered}),
            scopes=frozenset(settings.scopes),
            is_opaque=settings.access_token_format == "opaque",  # noqa: S105  # the name of a format
        )

    def subscribe(self, listener: Any) -> None:
        self._listeners.append(listener)

    def hear(self, event: object) -> None:
        """Notify the listeners of an event. Called after the commit and before all other subscribers."""
        if isinstance(event, TokenRevoked | ClientRevoked) and event.token_ids:
            for listener in tuple(self._listeners):
                listener.tokens_revoked(event.token_ids)
        # A client that registered itself counts once a user has allowed it something.
        is_made = isinstance(event, ClientCreated) and event.by is None
        if is_made or isinstance(event, ClientEdited | ClientRevoked):
            self._require_service().origins.forget()
        if isinstance(event, SigningKeyMade | SigningKeyRetired | SigningKeyRevoked):
            self._require_service().keys.forget()
            self.tell_keys_changed()

    def tell_keys_changed(self) -> None:
        """Notify the listeners that the signing keys changed."""
        for listener in tuple(self._listeners):
            listener.keys_changed()

    def _require_service(self) -> Service:
        if self.service is None:
            raise RuntimeError("the authorization server is asked before its configuration is committed")
        return self.service
