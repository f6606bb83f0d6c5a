"""The tables. Times are seconds since the epoch; lists are space-separated, as in RFC 6749; hashes are keyed.

Tokens name their client and their grant, so that the end of one of these ends all its tokens at once: a look-up joins them.
"""

from __future__ import annotations

from sqlalchemy import (
    DDL,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    event,
    false,
    text,
)

from .append_only import GUARDS
from .key_version import HOLD, KEYS_LOCK

__all__ = [
    "KEYS_LOCK",
    "access_tokens",
    "assertions",
    "audit",
    "client_logos",
    "client_secrets",
    "clients",
    "codes",
    "consents",
    "device_codes",
    "device_tries",
    "grants",
    "metadata",
    "refresh_tokens",
    "signing_keys",
    "versions",
]

# Names for every constraint, so that migrations can name them on every database.
metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_CLIENT_ID = _SUBJECT = String(255)
_ID, _HASH = String(64), LargeBinary(32)


# Indexed wherever it is, so that the deletion of a client does not read the whole table for rows that refer to it.
def _client(*, index: bool = True) -> Column[str]:
    return Column("client_id", _CLIENT_ID, ForeignKey("oauth_clients.client_id"), nullable=False, index=index)


def _grant(*, nullable: bool = False) -> Column[str]:
    return Column("grant_id", _ID, ForeignKey("oauth_grants.grant_id"), nullable=nullable, index=True)


clients = Table(
    "oauth_clients",
    metadata,
    Column("client_id", _CLIENT_ID, primary_key=True),
    Column("name", String(255), nullable=False),
    Column("role", String(32), nullable=False),
    Column("public", Boolean, nullable=False),
    Column("redirect_uris", Text, nullable=False),
    Column("grants", Text, nullable=False),
    Column("scopes", Text, nullable=False),
    Column("audiences", Text, nullable=False),
    Column("jwks", Text),
    Column("created_at", Double, nullable=False),
    Column("revoked_at", Double),
    Column("registered_by", String(16), nullable=False, server_default=text("'operator'")),
    Column("expires_at", Double),
    Column("require_pkce", Boolean),
    Column("first_party", Boolean, nullable=False, server_default=false()),
    Column("loopback_localhost", Boolean, nullable=False, server_default=false()),
    Column("access_token_ttl", Double),
    Column("refresh_token_ttl", Double),
    Column("refresh_token_max_age", Double),
    Column("owner", String(255)),
    Column("home_page", Text),
    Column("policy", Text),
    Column("logo", String(64)),
    Column("fresh_until", Double),
    Column("jwks_uri", Text),
    Column("assertion_subjects", Text, nullable=False, server_default=text("''")),
    Column("shared_key", LargeBinary),
    Index("ix_oauth_clients_registered_by_expires_at", "registered_by", "expires_at"),
    Index("ix_oauth_clients_created_at_client_id", "created_at", "client_id"),
)

# Apart from the clients, which are read in each request.
client_logos = Table(
    "oauth_client_logos",
    metadata,
    Column("client_id", _CLIENT_ID, ForeignKey("oauth_clients.client_id"), primary_key=True),
    Column("name", String(64), nullable=False, index=True),
    Column("media_type", String(32), nullable=False),
    Column("data", LargeBinary, nullable=False),
)

client_secrets = Table(
    "oauth_client_secrets",
    metadata,
    Column("secret_id", _ID, primary_key=True),
    _client(),
    Column("hash", _HASH, nullable=False),
    Column("label", String(255), nullable=False),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double),
    Column("revoked_at", Double),
    Column("last_used_at", Double),
    Column("scheme", String(255)),  # how another server has hashed it
)

# One row for each approval, never deleted; what is allowed now is the union of those not withdrawn.
consents = Table(
    "oauth_consents",
    metadata,
    Column("consent_id", _ID, primary_key=True),
    _client(),
    Column("subject", _SUBJECT, nullable=False),
    Column("scopes", Text, nullable=False),
    Column("wording", Text, nullable=False),  # JSON: the page's text for each scope
    Column("allowed_at", Double, nullable=False),
    Column("withdrawn_at", Double),
    Column("audiences", Text, nullable=False, server_default=text("''")),
    Column("redirect_uri", Text),
    Column("client_name", String(255)),
    Column("auth_method", String(32)),
    Column("jwks_host", String(255)),
    Column("key_thumbprints", Text, nullable=False, server_default=text("''")),
    Index("ix_oauth_consents_subject_client", "subject", "client_id"),
)

grants = Table(
    "oauth_grants",
    metadata,
    Column("grant_id", _ID, primary_key=True),
    _client(),
    Column("subject", _SUBJECT, nullable=False),
    Column("scopes", Text, nullable=False),
    Column("audiences", Text, nullable=False),
    Column("auth_time", Double),
    Column("created_at", Double, nullable=False),
    Column("revoked_at", Double),
    Column("acr", String(255)),
    Column("auth_method", String(32)),
    Column("grant_type", String(255)),
    Index("ix_oauth_grants_subject_client", "subject", "client_id"),
)

codes = Table(
    "oauth_codes",
    metadata,
    Column("hash", _HASH, primary_key=True),
    _grant(),
    Column("redirect_uri", Text),  # None if the request named none (RFC 6749 section 4.1.3)
    Column("code_challenge", String(128)),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False, index=True),
    Column("used_at", Double),
)

access_tokens = Table(
    "oauth_access_tokens",
    metadata,
    Column("token_id", _ID, primary_key=True),
    Column("hash", _HASH, nullable=False, unique=True),
    _client(index=False),
    _grant(nullable=True),
    Column("subject", _SUBJECT, nullable=False),
    Column("scopes", Text, nullable=False),
    Column("audiences", Text, nullable=False),
    Column("key_id", _ID),
    Column("issued_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False, index=True),
    Column("revoked_at", Double),
    # With the expiry: the end of a client lists its live tokens.
    Index("ix_oauth_access_tokens_client_id_expires_at", "client_id", "expires_at"),
    sqlite_with_rowid=False,
)

refresh_tokens = Table(
    "oauth_refresh_tokens",
    metadata,
    Column("token_id", _ID, primary_key=True),
    Column("hash", _HASH, nullable=False, unique=True),
    _grant(),
    Column("scopes", Text, nullable=False),
    Column("audiences", Text, nullable=False),
    Column("issued_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False, index=True),
    Column("used_at", Double),
    Column("successor_id", _ID),
    Column("revoked_at", Double),
)

device_codes = Table(
    "oauth_device_codes",
    metadata,
    Column("device_hash", _HASH, primary_key=True),
    Column("user_hash", _HASH, nullable=False, unique=True),
    _client(),
    _grant(nullable=True),
    Column("scopes", Text, nullable=False),
    Column("audiences", Text, nullable=False),
    Column("status", String(16), nullable=False),
    Column("interval", Double, nullable=False),
    Column("polled_at", Double),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False, index=True),
    Column("used_at", Double),
    CheckConstraint("status in ('pending', 'approved', 'denied')", name="status"),
)

# Wrong user codes that a signed-in user has typed since a moment; RFC 8628 section 5.1.
device_tries = Table(
    "oauth_device_tries",
    metadata,
    Column("subject", _SUBJECT, primary_key=True),
    Column("tries", Integer, nullable=False),
    Column("since", Double, nullable=False, index=True),
)

# Client assertions that were accepted, so that none is twice (RFC 7523 section 3); kept until they expire.
assertions = Table(
    "oauth_assertions",
    metadata,
    Column("hash", _HASH, primary_key=True),
    Column("expires_at", Double, nullable=False, index=True),
)

signing_keys = Table(
    "oauth_signing_keys",
    metadata,
    Column("kid", _ID, primary_key=True),
    Column("number", Integer, nullable=False, unique=True),
    Column("algorithm", String(16), nullable=False),
    Column("public_jwk", Text, nullable=False),
    Column("private_box", LargeBinary, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("active_from", Double, nullable=False),
    Column("retired_at", Double),
    Column("expires_at", Double),
    Column("revoked_at", Double),
)

# How often something has changed, under its name, so that a process can tell by one number whether what it remembers is
# still so. A row that is not there stands for 0.
versions = Table(
    "oauth_versions",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("number", BigInteger, nullable=False),
)

event.listen(versions, "after_create", DDL(HOLD).execute_if(dialect="postgresql"))  # type: ignore[no-untyped-call]

# Rows are only added. They have no foreign keys: they stay when what they name is deleted.
audit = Table(
    "oauth_audit",
    metadata,
    # A line a token: 32 bits fill up. SQLite numbers its rows only in what it calls an integer.
    Column("audit_id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("at", Double, nullable=False, index=True),
    Column("event", String(64), nullable=False),
    Column("subject", _SUBJECT),
    Column("client_id", _CLIENT_ID),
    Column("grant_id", _ID),
    Column("token_id", _ID),
    Column("address", String(64)),
    Column("request_id", String(255)),
    Column("detail", Text),
)

for _dialect, _statements in GUARDS.items():
    for _statement in _statements:
        event.listen(audit, "after_create", DDL(_statement).execute_if(dialect=_dialect))  # type: ignore[no-untyped-call]
