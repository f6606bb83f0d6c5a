"""Grants and access tokens."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    and_,
    bindparam,
    case,
    insert,
    literal_column,
    or_,
    select,
    text,
    update,
)

from ...records import AccessTokenRecord, Grant
from ..models import access_tokens, clients, grants, signing_keys
from ..prepared import Prepared
from ..rows import Rows, as_text, as_words
from .keys import KEYS_VERSION

__all__ = ["TokenQueries", "is_revoked"]


def is_revoked(*ends: ColumnElement[Any]) -> ColumnElement[int]:
    """The column ``revoked`` of a look-up: whether any of these times is set."""
    return case((or_(*(end.is_not(None) for end in ends)), literal_column("1")), else_=literal_column("0")).label(
        "revoked"
    )


# Built once: building a query costs more than running it.
_ACCESS_TOKEN = Prepared(
    select(
        access_tokens.c.token_id,
        access_tokens.c.hash,
        access_tokens.c.client_id,
        access_tokens.c.subject,
        access_tokens.c.scopes,
        access_tokens.c.audiences,
        access_tokens.c.issued_at,
        access_tokens.c.expires_at,
        access_tokens.c.grant_id,
        access_tokens.c.key_id,
        grants.c.auth_time,
        grants.c.acr,
        is_revoked(access_tokens.c.revoked_at, clients.c.revoked_at, grants.c.revoked_at, signing_keys.c.revoked_at),
    )
    .select_from(
        access_tokens.join(clients, access_tokens.c.client_id == clients.c.client_id)
        .outerjoin(grants, access_tokens.c.grant_id == grants.c.grant_id)
        .outerjoin(signing_keys, access_tokens.c.key_id == signing_keys.c.kid)
    )
    .where(access_tokens.c.hash == bindparam("wanted"))
)
_ADD_GRANT = insert(grants)
_COLUMNS = (
    "token_id",
    "hash",
    "client_id",
    "grant_id",
    "subject",
    "scopes",
    "audiences",
    "key_id",
    "issued_at",
    "expires_at",
)
_ADD_ACCESS_TOKEN = Prepared(insert(access_tokens), _COLUMNS)


def _build_add_if(version: str) -> Prepared:
    """Adds an access token where the keys are of a version: in one statement, which saves a round trip.

    As text, because SQLAlchemy does not tell how many rows an INSERT of its own has added.
    """
    values = [bindparam(f"new_{name}", type_=access_tokens.c[name].type) for name in _COLUMNS]
    places = ", ".join(f":{value.key}" for value in values)
    statement = f"INSERT INTO {access_tokens.name} ({', '.join(_COLUMNS)}) SELECT {places} WHERE {version} = :keys_version"  # names of ours
    return Prepared(text(statement).bindparams(*values, bindparam("keys_version", type_=BigInteger())))


_ADD_SIGNED = _build_add_if(f"coalesce(({KEYS_VERSION}), 0)")
_ADD_SIGNED_OF = {"postgresql": _build_add_if("oauth_hold_keys_version()")}
_GRANT = Prepared(
    select(
        grants.c.grant_id,
        grants.c.client_id,
        grants.c.subject,
        grants.c.scopes,
        grants.c.audiences,
        grants.c.created_at,
        grants.c.auth_time,
        grants.c.acr,
        grants.c.revoked_at,
    ).where(grants.c.grant_id == bindparam("wanted"))
)


class TokenQueries(Rows):
    """See :class:`~pyramid_oauthguard.server.store.contract.TokenRows`."""

    def add_grant(self, grant: Grant) -> None:
        self._connection.execute(
            _ADD_GRANT,
            {
                "grant_id": grant.grant_id,
                "client_id": grant.client_id,
                "subject": grant.subject,
                "scopes": as_text(grant.scopes),
                "audiences": as_text(grant.audiences),
                "auth_time": grant.auth_time,
                "acr": grant.acr,
                "created_at": grant.created_at,
            },
        )

    def find_grant(self, grant_id: str) -> Grant | None:
        rows = self._fetch(_GRANT, wanted=grant_id)
        if not rows:
            return None
        found, client_id, subject, scopes, audiences, created_at, auth_time, acr, revoked_at = rows[0]
        return Grant(
            grant_id=found,
            client_id=client_id,
            subject=subject,
            scopes=as_words(scopes),
            audiences=as_words(audiences),
            created_at=created_at,
            auth_time=auth_time,
            acr=acr,
            revoked_at=revoked_at,
        )

    def revoke_grant(self, grant_id: str, now: float) -> bool:
        live = and_(grants.c.grant_id == grant_id, grants.c.revoked_at.is_(None))
        return self._connection.execute(update(grants).where(live).values(revoked_at=now)).rowcount == 1

    def add_access_token(self, token: AccessTokenRecord, *, keys_version: int | None = None) -> bool:
        values = {
            "token_id": token.token_id,
            "hash": token.hash,
            "client_id": token.client_id,
            "grant_id": token.grant_id,
            "subject": token.subject,
            "scopes": as_text(token.scopes),
            "audiences": as_text(token.audiences),
            "key_id": token.key_id,
            "issued_at": token.issued_at,
            "expires_at": token.expires_at,
        }
        if keys_version is None:
            self._run(_ADD_ACCESS_TOKEN, values)
            return True
        named: dict[str, Any] = {f"new_{name}": value for name, value in values.items()}
        named["keys_version"] = keys_version
        statement = _ADD_SIGNED_OF.get(self._connection.dialect.name, _ADD_SIGNED)
        return self._run(statement, named) == 1

    def find_access_token(self, hashed: bytes) -> AccessTokenRecord | None:
        rows = self._fetch(_ACCESS_TOKEN, wanted=hashed)
        if not rows:
            return None
        row = rows[0]
        return AccessTokenRecord(
            token_id=row[0],
            hash=row[1],
            client_id=row[2],
            subject=row[3],
            scopes=as_words(row[4]),
            audiences=as_words(row[5]),
            issued_at=row[6],
            expires_at=row[7],
            grant_id=row[8],
            key_id=row[9],
            auth_time=row[10],
            acr=row[11],
            revoked=bool(row[12]),
        )

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
