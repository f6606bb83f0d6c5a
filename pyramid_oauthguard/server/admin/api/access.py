"""Who calls the API: the token is checked by the guard, remotely, and again in the storage of this server."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import Final

from pyramid.request import Request

from ....errors import OAuthGuardError, UnavailableError
from ....interfaces import Credential, ICredentialCheck, ProofFacts
from ...service import Service
from ...store.records import AccessTokenRecord
from ...tokens.lookup import find_access_token
from ...tokens.status import is_active
from ..access import is_recent
from .errors import CrossSiteCallError, NotAdministratorError, TokenRefusedError, WrongScopeError

__all__ = ["Caller", "find_caller"]

#: RFC 6750 section 2.1. No other place is read: neither a cookie nor a header of a proxy.
_find_token: Final = re.compile(r"bearer +([A-Za-z0-9\-._~+/]+=*) *", re.IGNORECASE | re.ASCII).fullmatch
_OWN_SITE: Final = frozenset({"same-origin", "none"})


@dataclass(frozen=True, slots=True)
class Caller:
    """An administrator.

    :ivar subject: the user; None for a client that acts for itself.
    :ivar auth_time: when the user signed in.
    """

    client_id: str
    subject: str | None = None
    auth_time: float | None = None

    @property
    def has_signed_in_lately(self) -> bool:
        """Whether this is a user who signed in at most five minutes ago."""
        return self.subject is not None and is_recent(self.auth_time, time.time())


def find_caller(service: Service, request: Request) -> Caller:
    """The administrator who calls. The audit trail names them from now on.

    :raises OAuth2Error: the call is refused; see :mod:`.errors`.
    :raises UnavailableError: the token can't be checked.
    """
    _check_site(service, request)
    token = _load_token(service, request)
    if service.settings.admin_scope not in token.scopes:
        raise WrongScopeError
    if token.grant_id is None and token.subject == token.client_id:
        caller, principal = Caller(token.client_id), f"client:{token.client_id}"
    else:
        caller = Caller(token.client_id, token.subject, token.auth_time)
        principal = f"user:{token.subject}"
    with service.store.reading() as unit:
        client = unit.find_client(token.client_id)
    # A user is asked by any client that may have the scope: so the client of a user's token is not a principal here.
    if client is None or client.is_self_registered or principal not in service.settings.admin:
        raise NotAdministratorError
    if service.settings.admin_scope not in client.scopes:  # it was taken from the client after it got the token
        raise WrongScopeError
    request.oauthguard_administrator = principal if caller.subject is None else caller.subject
    request.oauthguard_administrator_client = caller.client_id
    return caller


def _check_site(service: Service, request: Request) -> None:
    """Proxies exist that turn a cookie into a token: what a page of another site sends is refused."""
    origin, site = request.headers.get("Origin"), request.headers.get("Sec-Fetch-Site")
    if origin not in (None, service.settings.origin) or (site is not None and site not in _OWN_SITE):
        raise CrossSiteCallError


def _load_token(service: Service, request: Request) -> AccessTokenRecord:
    header = request.environ.get("HTTP_AUTHORIZATION", "")
    match = _find_token(header)
    if match is None:
        raise TokenRefusedError(sent=bool(header))
    _check_with_guard(request, match[1])
    with service.store.reading() as unit:
        found = find_access_token(unit, service.pepper, match[1])
    if found is None or not is_active(found, service):
        raise TokenRefusedError(sent=True)
    return found


def _check_with_guard(request: Request, raw: str) -> None:
    """All that the guard asks of a token: issuer, audience, the resource of this path, proof of possession."""
    check = request.registry.getUtility(ICredentialCheck)

    def read_facts() -> ProofFacts:
        certificate = request.environ.get("SSL_CLIENT_CERT") or None
        return ProofFacts(method=request.method, url=request.path_url, certificate=certificate)

    try:
        check(request.environ, Credential("Bearer", raw, "header", read_facts), "remote")
    except UnavailableError:
        raise
    except OAuthGuardError:
        raise TokenRefusedError(sent=True) from None
