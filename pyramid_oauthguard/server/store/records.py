"""The rows of a store as frozen dataclasses. Times are seconds since the epoch; hashes are keyed (see ``hashing``).

No record contains a secret, a code or a token: only their hashes, keyed with the pepper.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from .client_records import CLIENT, DOCUMENT, OPERATOR, REGISTRATION, RESOURCE_SERVER, Client, ClientSecret, Logo

__all__ = [
    "CLIENT",
    "DOCUMENT",
    "OPERATOR",
    "REGISTRATION",
    "RESOURCE_SERVER",
    "AccessTokenRecord",
    "AuditEntry",
    "AuditPage",
    "Client",
    "ClientSecret",
    "CodeRecord",
    "Consent",
    "DeviceRecord",
    "Grant",
    "Logo",
    "RefreshTokenRecord",
    "SigningKeyRecord",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """One approval of a user for a client. Its code and all tokens of it form a family.

    :ivar auth_time: when the user signed in, or None if the application does not tell it.
    :ivar acr: how the user signed in (OpenID Connect Core 1.0 section 2), or None if the application does not tell it.
    :ivar auth_method: how its client, which registered itself, authenticates; None for other clients.
    :ivar grant_type: of the request that made it, for a grant of the token endpoint; None for a page.
    """

    grant_id: str
    client_id: str
    subject: str
    scopes: tuple[str, ...]
    audiences: tuple[str, ...]
    created_at: float
    auth_time: float | None = None
    acr: str | None = None
    grant_type: str | None = None
    revoked_at: float | None = None
    auth_method: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeRecord:
    """An authorization code that was handed out (RFC 6749 section 4.1.2).

    :ivar client_id: of its grant; not stored with the code.
    :ivar redirect_uri: as in the request, None if the request had none.
    :ivar code_challenge: of S256 (RFC 7636), None if the client did not have to use PKCE.
    :ivar used_at: when it was redeemed.
    :ivar revoked: its grant or its client was revoked; only set by a look-up.
    """

    hash: bytes = field(repr=False)
    grant_id: str
    client_id: str
    redirect_uri: str | None
    code_challenge: str | None
    created_at: float
    expires_at: float
    used_at: float | None = None
    revoked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceRecord:
    """A device that waits, or waited, for a user to allow its client something (RFC 8628).

    :ivar status: ``"pending"``, ``"approved"`` or ``"denied"``.
    :ivar interval: seconds that it has to wait between two polls; grows when it doesn't.
    :ivar grant_id: what it was allowed; None until then.
    :ivar used_at: when it got its tokens.
    :ivar revoked: its grant or its client was revoked; only set by a look-up.
    """

    device_hash: bytes = field(repr=False)
    user_hash: bytes = field(repr=False)
    client_id: str
    scopes: tuple[str, ...]
    audiences: tuple[str, ...]
    interval: float
    created_at: float
    expires_at: float
    status: str = "pending"
    grant_id: str | None = None
    polled_at: float | None = None
    used_at: float | None = None
    revoked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """One approval by a user on a page: who allowed which client what and when.

    :ivar scopes: what was allowed, which may be less than was shown.
    :ivar audiences: at which APIs it was allowed.
    :ivar wording: JSON: the page's text for each scope, also for those that were not allowed.
    :ivar redirect_uri: where the answer went; None for a device, and for consents from before this was stored.
    :ivar client_name: as the page showed it.
    :ivar auth_method: how the client authenticated: ``"none"``, ``"client_secret"`` or ``"private_key_jwt"``.
    :ivar key_thumbprints: of its public keys (RFC 7638).
    :ivar jwks_host: the host that its keys came from, if its document names another place for them.
    """

    consent_id: str
    client_id: str
    subject: str
    scopes: tuple[str, ...]
    audiences: tuple[str, ...]
    wording: str
    allowed_at: float
    withdrawn_at: float | None = None
    redirect_uri: str | None = None
    client_name: str | None = None
    auth_method: str | None = None
    key_thumbprints: tuple[str, ...] = ()
    jwks_host: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessTokenRecord:
    """An access token that was issued.

    :ivar token_id: its ``jti``.
    :ivar subject: ``sub``: the user, or the client itself where no user is involved (RFC 9068 section 5).
    :ivar grant_id: the family, None if no user is involved.
    :ivar key_id: the ``kid`` that signed it, None for an opaque one.
    :ivar auth_time: of its grant; not stored with the token.
    :ivar acr: of its grant; not stored with the token.
    :ivar client_expires_at: when its client ends by itself; not stored with the token.
    :ivar revoked: it, its grant or its client was revoked; only set by a look-up.
    """

    token_id: str
    hash: bytes = field(repr=False)
    client_id: str
    subject: str
    scopes: tuple[str, ...]
    audiences: tuple[str, ...]
    issued_at: float
    expires_at: float
    grant_id: str | None = None
    key_id: str | None = None
    auth_time: float | None = None
    acr: str | None = None
    client_expires_at: float | None = None
    revoked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshTokenRecord:
    """A refresh token that was issued; always of a grant.

    :ivar expires_at: the idle limit or the family's absolute one, whichever comes first.
    :ivar used_at: from when on its replacement was known to be committed; None while it is the family's newest, and where the
        process ended before it could note that.
    :ivar successor_id: the ``token_id`` that replaced it, None while it is the family's newest.
    :ivar revoked: it, its grant or its client was revoked; only set by a look-up.
    """

    token_id: str
    hash: bytes = field(repr=False)
    grant_id: str
    client_id: str
    subject: str
    scopes: tuple[str, ...]
    audiences: tuple[str, ...]
    issued_at: float
    expires_at: float
    used_at: float | None = None
    successor_id: str | None = None
    revoked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKeyRecord:
    """A signing key; the private half is encrypted (see ``signing``).

    :ivar number: 1, 2, 3 …; unique, so that two processes can't both make the next one.
    :ivar public_jwk: JSON of the public JWK.
    :ivar active_from: it signs from then on.
    :ivar retired_at: it no longer signs; it stays published until ``expires_at``.
    :ivar revoked_at: from then on it is neither used nor published.
    """

    kid: str
    number: int
    algorithm: str
    public_jwk: str
    private_box: bytes = field(repr=False)
    created_at: float
    active_from: float
    retired_at: float | None = None
    expires_at: float | None = None
    revoked_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One line of the audit trail. It contains ids of tokens, never tokens.

    :ivar event: the name of a class of :mod:`~pyramid_oauthguard.server.events`.
    :ivar subject: the user that it is about, or the client where it acts for itself.
    :ivar address: where the request came from as the WSGI server saw it, None for a command.
    :ivar request_id: as in the answer's ``X-Request-Id``.
    :ivar detail: JSON: the other fields of the event.
    """

    at: float
    event: str
    subject: str | None = None
    client_id: str | None = None
    grant_id: str | None = None
    token_id: str | None = None
    address: str | None = None
    request_id: str | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class AuditPage:
    """Lines of the audit trail.

    :ivar older: where the lines begin that were not looked at; None if there are none.
    """

    entries: tuple[AuditEntry, ...]
    older: int | None
