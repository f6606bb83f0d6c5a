"""Grants and access tokens."""

from __future__ import annotations

from sqlalchemy import BigInteger, and_, bindparam, insert, select, text, update

from ...records import AccessTokenRecord, Grant
from ..conversion import Conversion
from ..models import access_tokens, clients, grants, signing_keys
from ..prepared import Prepared
from ..rows import Rows, build_revoked
from .keys import KEYS_VERSION

__all__ = ["TokenQueries"]

_GRANT = Conversion(Grant, grants)
_TOKEN = Conversion(
    AccessTokenRecord,
    access_tokens,
    auth_time=grants.c.auth_time,
    acr=grants.c.acr,
    client_expires_at=clients.c.expires_at,
    revoked=build_revoked(
        access_tokens.c.revoked_at, clients.c.revoked_at, grants.c.revoked_at, signing_keys.c.revoked_at
    ),
)
# Built once: building a query costs more than running it.
_FIND_TOKEN = Prepared(
    select(*_TOKEN.columns)
    .select_from(
        access_tokens.join(clients, access_tokens.c.client_id == clients.c.client_id)
        .outerjoin(grants, access_tokens.c.grant_id == grants.c.grant_id)
        .outerjoin(signing_keys, access_tokens.c.key_id == signing_keys.c.kid)
    )
    .where(access_tokens.c.hash == bindparam("wanted"))
)
_ADD_TOKEN = Prepared(insert(access_tokens), _TOKEN.names)
_FIND_GRANT = Prepared(select(*_GRANT.columns).where(grants.c.grant_id == bindparam("wanted")))
_ADD_GRANT = insert(grants)


def _build_add_if(version: str) -> Prepared:
    """Adds an access token where the keys are of a version: in one statement, which saves a round trip.

    As text, because SQLAlchemy does not tell how many rows an INSERT of its own has added.
    """
    values = [bindparam(name, type_=access_tokens.c[name].type) for name in _TOKEN.names]
    into, places = f"{access_tokens.name} ({', '.join(_TOKEN.names)})", ", ".join(f":{value.key}" for value in values)
    statement = f"INSERT INTO {into} SELECT {places} WHERE {version} = :keys_version"  # the names are ours
    return Prepared(text(statement).bindparams(*values, bindparam("keys_version", type_=BigInteger())))


_ADD_SIGNED = _build_add_if(f"coalesce(({KEYS_VERSION}), 0)")
_ADD_SIGNED_OF = {"postgresql": _build_add_if("oauth_hold_keys_version()")}


class TokenQueries(Rows):
    """See :class:`~pyramid_oauthguard.server.store.contract.TokenRows`."""

    def add_grant(self, grant: Grant) -> None:
        self._connection.execute(_ADD_GRANT, _GRANT.as_row(grant))

    def find_grant(self, grant_id: str) -> Grant | None:
        return self._fetch_record(_FIND_GRANT, _GRANT, grant_id)

    def revoke_grant(self, grant_id: str, now: float) -> bool:
        live = and_(grants.c.grant_id == grant_id, grants.c.revoked_at.is_(None))
        return self._connection.execute(update(grants).where(live).values(revoked_at=now)).rowcount == 1

    def add_access_token(self, token: AccessTokenRecord, *, keys_version: int | None = None) -> bool:
        values = _TOKEN.as_row(token)
        if keys_version is None:
            self._run(_ADD_TOKEN, values)
            return True
        values["keys_version"] = keys_version
        statement = _ADD_SIGNED_OF.get(self._connection.dialect.name, _ADD_SIGNED)
        return self._run(statement, values) == 1

    def find_access_token(self, hashed: bytes) -> AccessTokenRecord | None:
        return self._fetch_record(_FIND_TOKEN, _TOKEN, hashed)

    def revoke_access_token(self, token_id: str, now: float) -> bool:
        live = and_(access_tokens.c.token_id == token_id, access_tokens.c.revoked_at.is_(None))
        return self._connection.execute(update(access_tokens).where(live).values(revoked_at=now)).rowcount == 1

    def list_live_token_ids(
        self, *, now: float, grant_id: str | None = None, client_id: str | None = None
    ) -> tuple[str, ...]:
        query = select(access_tokens.c.token_id).where(
            access_tokens.c.expires_at > now, access_tokens.c.revoked_at.is_(None)
        )
        if grant_id is not None:
            query = query.where(access_tokens.c.grant_id == grant_id)
        if client_id is not None:
            query = query.where(access_tokens.c.client_id == client_id)
        return tuple(self._connection.scalars(query))
