"""What users allow clients: asked once, remembered as it was shown, withdrawn when they like."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterable, Mapping

from ..clients.entitlement import find_audiences
from ..events import ConsentRevoked
from ..http.errors import ServerError
from ..opaque import make_id
from ..service import Service
from ..settings import ServerSettings
from ..store.contract import Unit
from ..store.records import Client, Consent, Grant
from ..tokens.revocation import revoke_grant

__all__ = [
    "ServerError",
    "check_subject",
    "find_allowed",
    "is_asked",
    "name_apis",
    "open_grant",
    "remember",
    "withdraw",
]

log = logging.getLogger("pyramid_oauthguard.server")
_MAX_SUBJECT = 255


def check_subject(unit: Unit, subject: object) -> None:
    """Refuse a user whose identifier can't be a ``sub``: above all one that is a client's id, since a token of the client
    itself would then pass for the user's (RFC 9700 section 4.15).

    :raises ServerError: the log says why.
    """
    if not isinstance(subject, str) or not 0 < len(subject) <= _MAX_SUBJECT or not subject.isprintable():
        log.error("the identifier of the signed-in user must be 1 to %s printable characters", _MAX_SUBJECT)
        raise ServerError
    if unit.find_client(subject) is not None:
        log.error("the identifier of the signed-in user is also a client's: nobody can be told which is meant")
        raise ServerError


def find_allowed(consents: Iterable[Consent], audiences: Iterable[str]) -> frozenset[str]:
    """The scopes that these consents allow at every one of these APIs: to read at one is not to read at another."""
    given = tuple(consents)
    allowed = frozenset(scope for consent in given for scope in consent.scopes)
    for audience in audiences:
        allowed &= {scope for consent in given if audience in consent.audiences for scope in consent.scopes}
    return allowed


def is_asked(client: Client, scopes: Iterable[str], audiences: Iterable[str], consents: tuple[Consent, ...]) -> bool:
    """Whether the user has to be asked: for what is new, and always for a public client, which anyone can say to be
    (RFC 6749 section 10.2, RFC 8252 section 8.6).

    :param audiences: the APIs that the tokens would be for (RFC 8707).
    :param consents: those that the user gave this client and has not withdrawn.
    """
    known = {audience for consent in consents for audience in consent.audiences}
    if client.public or not consents or not known.issuperset(audiences):
        return True
    return not find_allowed(consents, audiences).issuperset(scopes)


def name_apis(client: Client, settings: ServerSettings, audiences: tuple[str, ...]) -> tuple[str, ...]:
    """The APIs that a page has to name: none where the client can have tokens for one alone."""
    return audiences if len(find_audiences(client, settings)) > 1 else ()


def remember(
    unit: Unit,
    client: Client,
    subject: str,
    *,
    scopes: Iterable[str],
    audiences: Iterable[str],
    wording: Mapping[str, str],
) -> None:
    """Store, in the caller's unit, what a user has just allowed on a page.

    :param wording: what the page said of each scope that it showed.
    """
    unit.add_consent(
        Consent(
            consent_id=make_id(),
            client_id=client.client_id,
            subject=subject,
            scopes=tuple(scopes),
            audiences=tuple(audiences),
            wording=json.dumps(dict(wording), ensure_ascii=False),
            allowed_at=time.time(),
        )
    )


def open_grant(
    unit: Unit,
    client: Client,
    subject: str,
    *,
    scopes: tuple[str, ...],
    audiences: tuple[str, ...],
    auth_time: float | None = None,
    acr: str | None = None,
) -> Grant:
    """Store, in the caller's unit, the grant that a code and all tokens of it will be of.

    NOT checked: that the user allowed it.

    :raises ServerError: see :func:`check_subject`.
    """
    check_subject(unit, subject)
    grant = Grant(
        grant_id=make_id(),
        client_id=client.client_id,
        subject=subject,
        scopes=scopes,
        audiences=audiences,
        created_at=time.time(),
        auth_time=auth_time,
        acr=acr,
    )
    unit.add_grant(grant)
    return grant


def withdraw(service: Service, subject: str, client_id: str) -> bool:
    """Withdraw all that a user allowed a client, and end every token that came of it; False when there was nothing.

    Over when it returns, whatever becomes of the request's own transaction.
    """
    with service.store.writing() as unit:
        found = unit.withdraw_consents(subject, client_id, time.time())
        grant_ids = unit.list_live_grant_ids(subject, client_id)
        for grant_id in grant_ids:
            revoke_grant(service, unit, grant_id, client_id=client_id, reason="consent_withdrawn")
        if found:
            service.tell(unit, ConsentRevoked(client_id, subject))
    return found or bool(grant_ids)
