"""The authorization server of one application, put together at start-up and kept in its registry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from pyramid.request import Request
from zope.interface import Interface

from ..outages import Outages
from .access_tokens import TokenMaker
from .assertions.trusted import TrustedIssuers
from .audit import Tell
from .clients.authentication import ClientAuthentication
from .clients.documents.source import DocumentSource
from .clients.key_sources.remote import RemoteKeys
from .grant_types import GrantDeclaration
from .hashing import Pepper
from .http.limits import Limits
from .http.origins import Origins
from .keys.ring import KeyRing
from .settings import ServerSettings
from .store.contract import Store

__all__ = ["IService", "ResourceOwner", "Service", "find_service"]


class ResourceOwner(Protocol):
    """The application's hooks about its users; given to ``config.set_resource_owner``.

    Without :meth:`user` and :meth:`sign_in` there is no authorization endpoint. The others may be left out: every user may
    then approve and is active, and users have no names.
    """

    def user(self, request: Request) -> str | None:
        """The identifier (``sub``) of the user signed in, or None."""

    def sign_in(self, request: Request) -> Any:
        """A response that has the user sign in and come back to ``request.url``."""

    def sign_out(self, request: Request) -> Any:
        """Sign the user out, so that somebody else can sign in. Returns headers for the answer, such as
        ``forget(request)``, or None. With this method, the pages have a button "Not you?"."""

    def principals(self, request: Request) -> Any:
        """Further principals of the user signed in, such as groups: the setting ``admin`` may name them."""

    def approve(self, request: Request, authorization: Any) -> bool:
        """Whether this user may approve this request at all; ``authorization`` is an
        :class:`~pyramid_oauthguard.server.consent.request.AuthorizationRequest`."""

    def auth_time(self, request: Request) -> float | None:
        """When the user signed in, in seconds since the epoch; becomes the claim ``auth_time``."""

    def acr(self, request: Request) -> str | None:
        """How the user signed in (authentication context class), such as ``urn:example:two-factor``; becomes the claim ``acr``."""

    def user_name(self, subject: str) -> str | None:
        """What pages call this user."""

    def is_active(self, subject: str) -> bool:
        """Whether this user is active: the tokens of an inactive user are inactive."""


class IService(Interface):
    """The registry key of :class:`Service`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """Everything an endpoint needs.

    :ivar grants: the grants that are on, by grant type.
    :ivar authentication: authenticates clients.
    :ivar owner: the application's answers about its users (:class:`ResourceOwner`), or None.
    :ivar tell: writes an event into the audit trail in a unit, and sends it once that is committed.
    :ivar limits: counts and limits attempts.
    :ivar origins: whose scripts may read our answers.
    :ivar outages: where answers 503 are counted for the log.
    :ivar mistakes: where what a client does again and again, because it is set up in a wrong way, is counted for the log.
    :ivar documents: the clients that documents describe.
    """

    settings: ServerSettings
    store: Store
    pepper: Pepper
    keys: KeyRing
    tokens: TokenMaker
    grants: Mapping[str, GrantDeclaration]
    owner: Any
    tell: Tell
    limits: Limits
    origins: Origins
    outages: Outages
    mistakes: Outages
    documents: DocumentSource
    remote_keys: RemoteKeys
    assertions: TrustedIssuers
    authentication: ClientAuthentication = field(init=False)

    def __post_init__(self) -> None:
        found = ClientAuthentication(
            self.store, self.pepper, self.settings, self.limits, self.origins, self.remote_keys
        )
        object.__setattr__(self, "authentication", found)

    def is_active_user(self, subject: str) -> bool:
        """Whether the application reports this user as active."""
        is_active = getattr(self.owner, "is_active", None)
        return is_active is None or bool(is_active(subject))


def find_service(request: Request) -> Service:
    """The service of the application that handles ``request``."""
    service: Service = request.registry.getUtility(IService)
    return service
