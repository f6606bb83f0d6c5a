"""What happened, for audit and metrics: sent through Pyramid's registry after the commit, never for what was rolled back.

Events carry ids, never a secret, code or token. If a subscriber raises, this is logged and does not change the
answer, because the event has already happened.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = [
    "FOLLOWERS",
    "AuthorizationApproved",
    "AuthorizationDenied",
    "ClientCreated",
    "ClientEdited",
    "ClientKeysReplaced",
    "ClientRevoked",
    "ClientSecretRevoked",
    "ClientSecretRotated",
    "ConsentRevoked",
    "SigningKeyMade",
    "SigningKeyRetired",
    "SigningKeyRevoked",
    "TokenIssued",
    "TokenRevoked",
    "TokensImported",
    "UserForgotten",
    "build_notifier",
]

log = logging.getLogger("pyramid_oauthguard.server")
#: An attribute of Pyramid's registry: functions that get each event before the subscribers. While the application has no
#: subscriber of its own, requests are faster.
FOLLOWERS = "oauthguard_followers"


@dataclass(frozen=True, slots=True)
class ClientCreated:
    """A client was registered.

    :ivar by: ``"registration"`` if it registered itself (RFC 7591), otherwise None.
    """

    client_id: str
    by: str | None = None


@dataclass(frozen=True, slots=True)
class ClientEdited:
    """The registration of a client was changed.

    :ivar changes: the old and the new value of each field that is different now, by the field's name.
    :ivar by: ``"registration"`` if the client changed it itself (RFC 7592), otherwise None.
    """

    client_id: str
    changes: Mapping[str, list[Any]]
    by: str | None = None


@dataclass(frozen=True, slots=True)
class ClientSecretRotated:
    """A client got another secret; the older ones expire after the overlap."""

    client_id: str
    secret_id: str


@dataclass(frozen=True, slots=True)
class ClientSecretRevoked:
    """A secret of a client was ended."""

    client_id: str
    secret_id: str


@dataclass(frozen=True, slots=True)
class ClientKeysReplaced:
    """A client got other public keys for its authentication."""

    client_id: str


@dataclass(frozen=True, slots=True)
class ClientRevoked:
    """A client was ended, and with it the tokens that were still live (``token_ids``)."""

    client_id: str
    token_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AuthorizationApproved:
    """A user allowed a client something, and a code or a device was approved for it.

    :ivar scopes: what was allowed, which may be less than was asked for.
    :ivar remembered: the user was not asked, because they had allowed it before.
    :ivar first_party: the user was not asked, because the client is the application's own.
    """

    client_id: str
    subject: str
    scopes: tuple[str, ...]
    grant_id: str
    remembered: bool = False
    first_party: bool = False


@dataclass(frozen=True, slots=True)
class AuthorizationDenied:
    """A client was not allowed what it asked for.

    :ivar by: ``user`` or ``application`` (the hook ``approve``).
    """

    client_id: str
    subject: str
    scopes: tuple[str, ...]
    by: str


@dataclass(frozen=True, slots=True)
class ConsentRevoked:
    """A user withdrew what they had allowed a client; a :class:`TokenRevoked` was sent before it for each grant that
    ended."""

    client_id: str
    subject: str


@dataclass(frozen=True, slots=True)
class UserForgotten:
    """All grants of a user ended, and their consents were deleted."""

    subject: str


@dataclass(frozen=True, slots=True)
class TokenIssued:
    """An access token was issued.

    :ivar subject: the user, or the client itself.
    :ivar grant_type: RFC 6749's name.
    :ivar grant_id: the family, None if no user is involved.
    """

    token_id: str
    client_id: str
    subject: str
    scopes: tuple[str, ...]
    grant_type: str
    grant_id: str | None = None


@dataclass(frozen=True, slots=True)
class TokenRevoked:
    """Tokens were revoked: at the request of the client or the user, by an administrator, or because something was sent again.

    :ivar token_ids: the access tokens that were live until now.
    :ivar reason: a fixed word: ``revocation_request``, ``consent_withdrawn``, ``ended_by_administrator``, ``user_forgotten``, or what was
        sent again: ``refresh_token_reuse``, ``code_reuse``, ``device_code_reuse``.
    """

    token_ids: tuple[str, ...]
    client_id: str
    grant_id: str | None = None
    reason: str = "revocation_request"


@dataclass(frozen=True, slots=True)
class TokensImported:
    """Live tokens of another server were stored.

    :ivar subject: the user, or the client itself.
    :ivar token_ids: the access tokens.
    """

    client_id: str
    subject: str
    token_ids: tuple[str, ...]
    grant_id: str | None = None


@dataclass(frozen=True, slots=True)
class SigningKeyMade:
    """A signing key was made and is published; it signs from ``active_from`` on, seconds since the epoch."""

    kid: str
    algorithm: str
    active_from: float


@dataclass(frozen=True, slots=True)
class SigningKeyRetired:
    """A signing key no longer signs; it is published until ``expires_at``, when its last token has expired."""

    kid: str
    expires_at: float


@dataclass(frozen=True, slots=True)
class SigningKeyRevoked:
    """A signing key was revoked: neither the key nor any token that it signed is valid any more."""

    kid: str


def build_notifier(registry: Any, *, first: Callable[[object], None]) -> Callable[[object], None]:
    """A function that sends an event to ``first`` and then to the subscribers in Pyramid's ``registry``.

    It lets no error of theirs out: the change is committed, and a broken subscriber must not turn it into a 500.
    """

    def notify(event: object) -> None:
        for receiver in (first, *getattr(registry, FOLLOWERS, ()), registry.notify):
            try:
                receiver(event)
            except Exception:  # see above
                log.exception("a subscriber of %s failed", type(event).__name__)

    return notify
