"""Tokens of the grants that an application adds: for whom they are, and what a user's token needs.

A grant class says on itself whether it acts for a user: ``ACTS_FOR_USER = True`` or ``False``. With True it passes the user
to ``self.generate_token(user=…)``, and its tokens are checked as those of the built-in grants are: the user's identifier, that
the user is active, that the user allowed this client these scopes at these APIs, and what the client is registered for.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from ...errors import SettingError, UnavailableError
from ..clients.entitlement import choose_audiences, choose_scopes
from ..http.errors import InvalidGrantError, ServerError, UnauthorizedClientError
from ..http.parameters import KNOWN
from ..opaque import REFRESH_PREFIX, make_id, make_opaque
from ..store.contract import Unit
from ..store.records import Client, Grant
from .issuing import PendingGrant, TokenAnswer, make_token
from .user_grants import check_subject, is_asked
from .user_tokens import add_refresh_token, make_access_token, may_refresh

if TYPE_CHECKING:
    from ..service import GrantEntry, Service
    from .authlib_bridge import OAuthServer
from .authlib_request import OAuthRequest

__all__ = ["check_declaration", "find_parameters", "limit_guesses", "make_answer", "store_grant"]

log = logging.getLogger("pyramid_oauthguard.server")
_DECLARATION: Final = "ACTS_FOR_USER"
_NO_CONSENT: Final = "NEEDS_CONSENT"
_PARAMETERS: Final = "PARAMETERS"
_REPEATABLE: Final = "REPEATABLE_PARAMETERS"


def check_declaration(grant_class: Any) -> None:
    """Check that a grant class says for whom its tokens are.

    :raises SettingError: it does not, or in a way that does not fit together.
    """
    acts, needs = getattr(grant_class, _DECLARATION, None), getattr(grant_class, _NO_CONSENT, True)
    name = f"{grant_class.__module__}.{grant_class.__qualname__}"
    if not isinstance(acts, bool):
        hint = f"set {_DECLARATION} = True on the class if it acts for a user, False if the client acts for itself"
        raise SettingError("add_oauth_grant", f"{name} does not say for whom its tokens are", hint)
    if not isinstance(needs, bool):
        raise SettingError("add_oauth_grant", f"{name}.{_NO_CONSENT} must be True or False")
    for declaration in (_PARAMETERS, _REPEATABLE):
        names = getattr(grant_class, declaration, ())
        if isinstance(names, str) or not all(isinstance(each, str) for each in names):
            raise SettingError("add_oauth_grant", f"{name}.{declaration} must be several texts, such as ('assertion',)")
    taken = sorted(KNOWN.intersection(getattr(grant_class, _REPEATABLE, ())))
    if taken:
        raise SettingError("add_oauth_grant", f"{name}.{_REPEATABLE} has {taken[0]}, which the server reads once")


def find_parameters(grants: Iterable[GrantEntry]) -> tuple[frozenset[str], frozenset[str]]:
    """The parameters that added grants declare, and those of them that may be repeated."""
    classes = [entry.grant_class for entry in grants if entry.added]
    known, repeatable = (
        frozenset(name for each in classes for name in getattr(each, declaration, ()))
        for declaration in (_PARAMETERS, _REPEATABLE)
    )
    return known, repeatable


def make_answer(server: OAuthServer, client: Client, *, user: Any, scope: str | None, refresh: bool) -> TokenAnswer:
    """The answer with a token for the user, or for the client itself, as the grant class says. Not stored yet.

    :param user: the user's ``sub``, or an object whose ``get_user_id()`` returns it; None for the client itself.
    :param refresh: whether the grant wants a refresh token for the user.
    :raises OAuth2Error: the client or the user may not have it, or the grant does not say for whom it is (the log says so).
    """
    settings, grant_class = server.service.settings, server.grant_class
    if grant_class.GRANT_TYPE not in client.grants:
        raise UnauthorizedClientError("The client is not registered for this grant.")
    scopes = choose_scopes(client, settings, scope)
    audiences = choose_audiences(client, settings, server.resources)
    subject = _find_subject(grant_class, user)
    if subject is None:
        return make_token(server.service, client, subject=None, scopes=scopes, audiences=audiences)
    grant = Grant(
        grant_id=make_id(),
        client_id=client.client_id,
        subject=subject,
        scopes=scopes,
        audiences=audiences,
        created_at=time.time(),
    )
    refresh = refresh and may_refresh(server.service, client)
    pending = PendingGrant(client, grant, refresh, getattr(grant_class, _NO_CONSENT, True))
    if not server.service.is_active_user(subject):
        raise _build_refusal()
    with server.service.store.reading() as unit:
        _check_allowed(unit, pending, hold=False)
    answer = make_access_token(server.service, client, grant, scopes=scopes, audiences=audiences)
    answer.pending = pending
    return answer


def limit_guesses(service: Service, asked: OAuthRequest, answer: Callable[[OAuthRequest], Any]) -> Any:
    """Answer a request, and count it as a wrong client secret is counted if it is refused.

    What such a grant is presented with may be short enough to be guessed. So it is counted before the grant looks at it: for
    the address at once, and for the client as soon as that is authenticated.

    :raises TooManyRequestsError: too many were refused from this address.
    :raises CrossSiteError: a page of another site sent it, from a site that no public client is on.
    """
    asked.guess = guess = service.limits.open_guess(asked.pyramid, is_shared_with=service.origins.__contains__)
    try:
        response = answer(asked)
    except UnavailableError:
        guess.take_back()
        raise
    if asked.error is None and _has_token(response):  # a grant may also return its refusal, with any status
        guess.take_back()
    return response


def store_grant(server: OAuthServer, unit: Unit, answer: TokenAnswer) -> None:
    """Store the grant of a user's token in the caller's unit, and its refresh token.

    :raises OAuth2Error: the user withdrew the consent a moment ago, or the token is not what the grant class and the client's
        registration say.
    """
    pending = answer.pending
    if pending is None:
        _check_made_by_hand(server, unit, answer)
        return
    _check_allowed(unit, pending, hold=True)
    unit.add_grant(pending.grant)
    if pending.refresh:
        add_refresh_token(server.service, unit, answer, pending.grant, made=make_opaque(REFRESH_PREFIX))


def _has_token(response: Any) -> bool:
    return response.status_int == HTTPStatus.OK and "access_token" in response.json_body


def _check_made_by_hand(server: OAuthServer, unit: Unit, answer: TokenAnswer) -> None:
    """Check a token that belongs to no user's grant made here, such as one of ``server.make_token``."""
    record, grant_class = answer.made.record, server.grant_class
    if grant_class.ACTS_FOR_USER and record.grant_id is None and record.subject == record.client_id:
        log.error("%s acts for a user, and made a token for the client itself", grant_class.__qualname__)
        raise ServerError
    client = unit.find_client(record.client_id)
    if client is None or grant_class.GRANT_TYPE not in client.grants:
        raise UnauthorizedClientError("The client is not registered for this grant.")
    if record.scopes:
        choose_scopes(client, server.service.settings, " ".join(record.scopes))
    choose_audiences(client, server.service.settings, record.audiences)


def _find_subject(grant_class: Any, user: Any) -> str | None:
    name = grant_class.__qualname__
    if grant_class.ACTS_FOR_USER is False:
        if user is None:
            return None
        log.error("%s says that the client acts for itself, and passes a user: set %s = True", name, _DECLARATION)
        raise ServerError
    find = getattr(user, "get_user_id", None)  # as Authlib's users have it
    subject = user if find is None else find()
    if isinstance(subject, str):
        return subject
    log.error(
        "%s acts for a user and does not say which: it has to call generate_token(user=…) with the user's sub, a text, not %s",
        name,
        type(subject).__name__,
    )
    raise ServerError


def _check_allowed(unit: Unit, pending: PendingGrant, *, hold: bool) -> None:
    """Check that the authorization endpoint would not have to ask this user."""
    client, grant = pending.client, pending.grant
    check_subject(unit, grant.subject)
    if not pending.needs_consent:
        return
    consents = unit.list_consents(grant.subject, client_id=client.client_id, hold=hold)
    if is_asked(client, grant.scopes, grant.audiences, consents):
        log.info("client %s was refused a token for a user who has not allowed it", client.client_id)
        raise _build_refusal()


def _build_refusal() -> InvalidGrantError:
    return InvalidGrantError("The user is not active, or has not allowed this client what it asks for.")
