"""How a token is issued: it is made, its record is stored in the caller's unit, and ``TokenIssued`` is sent after the
commit."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any, Final

from ...errors import UnavailableError
from ..access_tokens import MadeToken
from ..events import TokenIssued
from ..http.errors import ServerError
from ..service import Service
from ..store.contract import Unit
from ..store.records import Client, Grant, RefreshTokenRecord

__all__ = ["PendingGrant", "TokenAnswer", "make_token", "store_token"]

log = logging.getLogger("pyramid_oauthguard.server")
# The second signature is for keys that changed during the first one, the third for a store that sees a later change.
_MAX_SIGNATURES: Final = 3


@dataclass(frozen=True, slots=True)
class PendingGrant:
    """The grant of a user's token; stored with the token.

    :ivar refresh: whether there is a refresh token.
    :ivar needs_consent: whether the user must have allowed it on a page before.
    :ivar once: see :class:`.oauth_grant.Approval`.
    """

    client: Client
    grant: Grant
    refresh: bool
    needs_consent: bool
    once: tuple[bytes, float] | None = None


class TokenAnswer(dict[str, Any]):
    """The body of a token response. Authlib logs it, so its repr contains no token.

    :ivar made: the access token.
    :ivar refresh: the record of the refresh token, if there is one.
    :ivar pending: the grant to store with the tokens, for a grant that the application added.
    """

    made: MadeToken
    refresh: RefreshTokenRecord | None = None
    pending: PendingGrant | None = None

    def __repr__(self) -> str:
        return f"<TokenAnswer {self.made.record.token_id}>"


def make_token(service: Service, client: Client, **how: Any) -> TokenAnswer:
    """An access token and the answer that carries it; see :meth:`.access_tokens.TokenMaker.make`. Not stored yet.

    NOT checked: that the client and the user may have it.

    :raises ServerError: ``subject`` is missing.
    :raises UnavailableError: the signing key can't be read.
    """
    if "subject" not in how:
        log.error("make_token needs subject: the user's sub, or None if the client acts for itself")
        raise ServerError
    made = service.tokens.make(client, **how)
    answer = TokenAnswer(
        access_token=made.text,
        token_type="Bearer",  # noqa: S106  # RFC 6750's name
        expires_in=int(made.record.expires_at - made.record.issued_at),
    )
    if made.record.scopes:
        answer["scope"] = " ".join(made.record.scopes)
    answer.made = made
    return answer


def store_token(service: Service, unit: Unit, answer: TokenAnswer, *, grant_type: str) -> None:
    """Store the access token of an answer, and send the event once it is committed.

    A token whose key was replaced or revoked since it was signed is signed again: the answer then carries that one.

    :param grant_type: the grant type of the request.
    :raises ServerError: it is a user's token without a grant, which the user could not withdraw.
    :raises UnavailableError: the storage or the signing key can't be reached.
    """
    record = answer.made.record
    if record.grant_id is None and record.subject != record.client_id:
        log.error("a token for a user was made without a grant: generate_token(user=…) makes both")
        raise ServerError
    _store_signed(service, unit, answer)
    event = TokenIssued(
        token_id=record.token_id,
        client_id=record.client_id,
        subject=record.subject,
        scopes=record.scopes,
        grant_type=grant_type,
        grant_id=record.grant_id,
    )
    service.tell(unit, event)


def _store_signed(service: Service, unit: Unit, answer: TokenAnswer) -> None:
    for _attempt in range(_MAX_SIGNATURES):
        if unit.add_access_token(answer.made.record, keys_version=answer.made.keys_version):
            return
        service.keys.learn(unit)
        answer.made = service.tokens.sign_again(answer.made)
        answer["access_token"] = answer.made.text
    raise UnavailableError("keys_changing", retry_after=1)
