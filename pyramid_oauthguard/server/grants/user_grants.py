"""The grant that one approval of a user makes: which users are possible, when a user has to be asked, and the
record."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from typing import Any, Final

from ..clients.evidence import find_auth_method
from ..http.errors import InvalidGrantError, ServerError
from ..opaque import make_id
from ..settings import AssertionIssuer, ServerSettings
from ..store.contract import Unit
from ..store.records import Client, Consent, Grant
from .authlib_request import OAuthRequest

__all__ = [
    "build_grant",
    "check_method",
    "check_no_document",
    "check_own_user",
    "check_subject",
    "find_allowed",
    "is_asked",
    "is_covered",
    "open_grant",
]

log = logging.getLogger("pyramid_oauthguard.server")
_MAX_SUBJECT_CHARACTERS: Final = 255


def check_subject(unit: Unit, subject: object) -> None:
    """Refuse a user whose identifier can't be a ``sub``. It must not be a client's id, because a token of the client
    itself would then be taken for the user's (RFC 9700 section 4.15).

    :raises ServerError: the log has the reason.
    """
    if not isinstance(subject, str) or not 0 < len(subject) <= _MAX_SUBJECT_CHARACTERS or not subject.isprintable():
        log.error("the identifier of a user must be 1 to %s printable characters", _MAX_SUBJECT_CHARACTERS)
        raise ServerError
    if unit.find_client(subject) is not None:
        log.error("the identifier of a user is also the id of a client: a token would not say which of them is meant")
        raise ServerError


def check_own_user(subject: str, issuers: Iterable[AssertionIssuer]) -> None:
    """Refuse a user of the application whose identifier is that of another issuer's user: ``NAME/sub``, where the settings of its
    assertions name no hook.

    :raises ServerError: the log has the reason.
    """
    taken = next((each.name for each in issuers if each.subject is None and subject.startswith(f"{each.name}/")), None)
    if taken is not None:
        log.error("the identifier of a user begins with %s/, as those of the users of assertions.%s do", taken, taken)
        raise ServerError


def check_no_document(subject: str, settings: ServerSettings) -> None:
    """Refuse a user whose identifier is the address of a document: it may be the id of the client that the document describes.

    :raises ServerError: the log has the reason.
    """
    if settings.self_registration.is_document_id(subject):
        log.error("the identifier of a user can't be a URL of the form of a client's document")
        raise ServerError


def find_allowed(consents: Iterable[Consent], audiences: Iterable[str]) -> frozenset[str]:
    """The scopes that these consents allow at every one of these APIs. A scope that is allowed at one API is not
    allowed at another."""
    given = tuple(consents)
    allowed = frozenset(scope for consent in given for scope in consent.scopes)
    for audience in audiences:
        allowed &= {scope for consent in given if audience in consent.audiences for scope in consent.scopes}
    return allowed


def is_asked(client: Client, scopes: Iterable[str], audiences: Iterable[str], consents: tuple[Consent, ...]) -> bool:
    """Whether the user has to be asked: for new scopes or APIs, and always for a public client, because any program can
    use its id (RFC 6749 section 10.2, RFC 8252 section 8.6), and for a client that registered itself.

    :param audiences: the APIs that the tokens would be for (RFC 8707).
    :param consents: those that the user gave this client and has not withdrawn.
    """
    return client.public or client.is_self_registered or not is_covered(scopes, audiences, consents)


def is_covered(scopes: Iterable[str], audiences: Iterable[str], consents: tuple[Consent, ...]) -> bool:
    """Whether these consents allow these scopes at these APIs."""
    known = {audience for consent in consents for audience in consent.audiences}
    if not consents or not known.issuperset(audiences):
        return False
    return find_allowed(consents, audiences).issuperset(scopes)


def check_method(grant: Grant, request: OAuthRequest) -> None:
    """Refuse a code or token of a client that registered itself and now authenticates in another way than when the user
    allowed it.

    :raises InvalidGrantError: the document of the client was changed.
    """
    if grant.auth_method is not None and request.auth_method != grant.auth_method:
        raise InvalidGrantError("The client authenticates in another way than when the user allowed it.")


def build_grant(
    client: Client, subject: str, *, scopes: tuple[str, ...], audiences: tuple[str, ...], **facts: Any
) -> Grant:
    """A new grant, not stored yet. The facts are the other members of :class:`~.records.Grant`, such as ``auth_time``."""
    return Grant(
        grant_id=make_id(),
        client_id=client.client_id,
        subject=subject,
        scopes=scopes,
        audiences=audiences,
        created_at=time.time(),
        **facts,
    )


def open_grant(unit: Unit, client: Client, subject: str, **facts: Any) -> Grant:
    """Store, in the caller's unit, the grant of a code and of all its tokens; see :func:`build_grant`.

    NOT checked: that the user allowed it.

    :raises ServerError: see :func:`check_subject`.
    """
    check_subject(unit, subject)
    method = find_auth_method(client) if client.is_self_registered else None
    grant = build_grant(client, subject, auth_method=method, **facts)
    unit.add_grant(grant)
    return grant
