"""The rows about clients; see :mod:`~pyramid_oauthguard.server.store.records`, which has them, too."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["CLIENT", "DOCUMENT", "OPERATOR", "REGISTRATION", "RESOURCE_SERVER", "Client", "ClientSecret", "Logo"]

CLIENT = "client"
RESOURCE_SERVER = "resource_server"
#: Who registered a client: the operator or the application, or the client itself, by a request (RFC 7591) or by a document.
OPERATOR = "operator"
REGISTRATION = "registration"
DOCUMENT = "document"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientSecret:
    """One of a client's secrets, as its keyed hash.

    :ivar secret_id: names it in lists and for revoking it.
    :ivar expires_at: None if it lives until it is revoked.
    :ivar scheme: how another server has hashed it; None if only this server has. The keyed hash is then that of the other server's hash.
    :ivar last_used_at: to the hour, so that using a secret does not write every time.
    """

    secret_id: str
    hash: bytes = field(repr=False)
    label: str
    created_at: float
    expires_at: float | None = None
    revoked_at: float | None = None
    last_used_at: float | None = None
    scheme: str | None = None

    def is_live(self, now: float) -> bool:
        """Whether it still authenticates its client at ``now``."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A registered client (RFC 6749 section 2).

    :ivar role: ``"client"``, or ``"resource_server"`` for one that may introspect (RFC 7662 section 4).
    :ivar public: it keeps no secret (RFC 6749 section 2.1).
    :ivar grants: grant types by their RFC names.
    :ivar audiences: the APIs its tokens may be for, and for a resource server the APIs that it is; empty means the
        server's default audience.
    :ivar secrets: all of them, the revoked too; empty for a public client.
    :ivar jwks: the public keys of ``private_key_jwt`` as JSON, or None.
    :ivar registered_by: ``"operator"``, ``"registration"`` or ``"document"``.
    :ivar expires_at: when it ends, such as one that no user has allowed anything; None if it does not end by itself.
    :ivar require_pkce: None for the server's setting; so are the three lifetimes, which are in seconds.
    :ivar first_party: its users are not asked where the redirect URI is on another host.
    :ivar loopback_localhost: the port of ``http://localhost`` is free.
    :ivar owner: who operates it.
    :ivar home_page: a URL; so is ``policy``, of its privacy policy.
    :ivar logo: the name of its logo.
    :ivar fresh_until: when its document should be read again; None for other clients.
    :ivar jwks_uri: where its keys are; for a client that a document describes, they are in ``jwks``, too.
    :ivar assertion_subjects: the users that its own keys may assert; one ``*`` in each stands for any text.
    :ivar shared_key: the key of its assertions with HS256, encrypted.
    """

    client_id: str
    name: str
    role: str
    public: bool
    redirect_uris: tuple[str, ...]
    grants: tuple[str, ...]
    scopes: tuple[str, ...]
    audiences: tuple[str, ...]
    created_at: float
    revoked_at: float | None = None
    secrets: tuple[ClientSecret, ...] = ()
    jwks: str | None = None
    registered_by: str = OPERATOR
    expires_at: float | None = None
    require_pkce: bool | None = None
    first_party: bool = False
    loopback_localhost: bool = False
    access_token_ttl: float | None = None
    refresh_token_ttl: float | None = None
    refresh_token_max_age: float | None = None
    owner: str | None = None
    home_page: str | None = None
    policy: str | None = None
    logo: str | None = None
    fresh_until: float | None = None
    jwks_uri: str | None = None
    assertion_subjects: tuple[str, ...] = ()
    shared_key: bytes | None = field(default=None, repr=False)

    @property
    def is_self_registered(self) -> bool:
        """Whether everything that is registered about the client comes from the client itself."""
        return self.registered_by != OPERATOR

    def is_live(self, now: float) -> bool:
        """Whether it is neither revoked nor expired at ``now``."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Logo:
    """The logo of a client.

    :ivar name: a hash of the data with the suffix of its type: another image has another name.
    """

    name: str
    media_type: str
    data: bytes = field(repr=False)
