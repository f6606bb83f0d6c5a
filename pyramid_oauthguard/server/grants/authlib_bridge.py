"""Where Authlib meets Pyramid: the only file that bends one to the other. What of Authlib is bent, and why:

- Its request merges query and body, lets parameters be repeated, and insists on the transport that the WSGI server saw:
  ours is made of :mod:`~pyramid_oauthguard.server.http.parameters` and of the issuer's URL, which start-up has checked.
- Its client authentication takes two at a time, logs what it can't read, and raises on odd bytes: ours is in
  :mod:`~pyramid_oauthguard.server.clients.authentication`.
- Its token generators live ten days, and its grants log tokens at DEBUG: ours is in
  :mod:`~pyramid_oauthguard.server.access_tokens`, and the answer it makes has a repr without tokens.
- It answers an unknown grant type with the client's own text, and 401 with a challenge that lacks a realm.
"""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from typing import Any

from authlib.oauth2 import AuthorizationServer
from authlib.oauth2.base import OAuth2Error
from authlib.oauth2.rfc6749 import ClientMixin, OAuth2Payload, OAuth2Request
from authlib.oauth2.rfc6749.errors import InvalidRequestError, UnsupportedGrantTypeError

from ...errors import UnavailableError
from ..access_tokens import MadeToken
from ..clients.assertion import Assertion, RefusedError, check_assertion
from ..clients.authentication import authenticate, build_refusal, find_credentials
from ..clients.entitlement import choose_scopes
from ..clients.redirect_uris import find_default, is_registered
from ..consent.consents import ServerError
from ..events import TokenIssued
from ..http.answers import build_answer, build_error
from ..http.limits import Attempt, Guess
from ..http.mount_point import build_url
from ..http.parameters import Parameters, read_body
from ..opaque import is_client_secret
from ..service import Service
from ..store.contract import Unit
from ..store.records import Client, ClientSecret, RefreshTokenRecord
from .added import PendingGrant, find_parameters, limit_guesses, make_answer, store_grant

__all__ = ["OAuthClient", "OAuthRequest", "OAuthServer", "TokenAnswer"]

log = logging.getLogger("pyramid_oauthguard.server")
TOUCH_EVERY = 3600.0
# A second one is for keys that changed while the first was made, the third for a store whose units see more than that.
_SIGNATURES = 3
_SECURE = "https://localhost/"  # what Authlib checks in each request: start-up has checked the issuer
TOKEN = "oauthguard.token"  # noqa: S105  # the name of a route


class OAuthClient(ClientMixin):
    """A client as Authlib asks it; ``record`` is ours."""

    def __init__(self, record: Client, service: Service) -> None:
        self.record = record
        self._service = service

    def get_client_id(self) -> str:
        return self.record.client_id

    def get_default_redirect_uri(self) -> str | None:
        return find_default(self.record.redirect_uris)

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return is_registered(redirect_uri, self.record.redirect_uris)

    def get_allowed_scope(self, scope: str | None) -> str:
        return " ".join(choose_scopes(self.record, self._service.settings, scope))

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type in self.record.grants

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code" and "authorization_code" in self.record.grants

    def __repr__(self) -> str:
        return f"<OAuthClient {self.record.client_id}>"


class _Payload(OAuth2Payload):
    def __init__(self, parameters: Parameters) -> None:
        self._parameters = parameters

    @property
    def data(self) -> Any:
        return self._parameters.values

    @property
    def datalist(self) -> Any:
        return self._parameters.lists


class OAuthRequest(OAuth2Request):
    """One request as Authlib sees it.

    :ivar pyramid: the request it came from.
    :ivar guess: where what it presents is counted, if it may be guessed.
    :ivar error: what it was answered with, if that is an error.
    """

    guess: Guess | None = None
    error: OAuth2Error | None = None

    def __init__(self, request: Any, parameters: Parameters, service: Service) -> None:
        super().__init__(request.method, _SECURE)
        self.uri, self.headers = service.settings.issuer, request.headers
        self.pyramid = request
        self.parameters = parameters
        self.payload = _Payload(parameters)

    @property
    def form(self) -> Any:
        return self.parameters.values

    @property
    def args(self) -> Any:
        return self.parameters.values


class TokenAnswer(dict[str, Any]):
    """The body of a token response. Authlib logs it, so its repr names no token."""

    made: MadeToken
    refresh: RefreshTokenRecord | None = None
    pending: PendingGrant | None = None

    def __repr__(self) -> str:
        return f"<TokenAnswer {self.made.record.token_id}>"


class OAuthServer(AuthorizationServer):
    """Authlib's server, one for each request; it holds nothing that outlives it.

    :ivar grant_class: the class of the grant that the request is for.
    :ivar resources: the APIs that the request names (RFC 8707).
    """

    def __init__(self, service: Service) -> None:
        super().__init__()
        self.service = service
        self.resources: tuple[str, ...] = ()
        self.grant_class: Any = None
        for grant in service.grants.values():
            self.register_grant(grant.grant_class, list(grant.extensions))

    # What Authlib calls.

    def create_oauth2_request(self, request: Any) -> OAuthRequest:
        if isinstance(request, OAuthRequest):
            return request
        known, repeatable = find_parameters(self.service.grants.values())
        return OAuthRequest(request, read_body(request, known=known, repeatable=repeatable), self.service)

    def query_client(self, client_id: str) -> OAuthClient | None:
        with self.service.store.reading() as unit:
            record = unit.find_client(client_id)
        return OAuthClient(record, self.service) if record and record.revoked_at is None else None

    def create_token_response(self, request: Any) -> Any:
        asked = self.create_oauth2_request(request)
        entry, answer = self.service.grants.get(asked.payload.grant_type), super().create_token_response
        return limit_guesses(self.service, asked, answer) if entry is not None and entry.added else answer(asked)

    def authenticate_client(self, request: OAuthRequest, methods: list[str], endpoint: str = "token") -> OAuthClient:
        with self.service.limits.watch(request.pyramid, endpoint, guess=request.guess) as attempt:
            return self._authenticate(request, methods, attempt)

    def get_token_grant(self, request: OAuthRequest) -> Any:
        if request.payload.grant_type is None:
            raise InvalidRequestError("The parameter grant_type is missing.")
        try:
            grant = super().get_token_grant(request)
        except UnsupportedGrantTypeError:
            raise _UnsupportedGrantType from None
        self.grant_class, self.resources = type(grant), request.parameters.get_all("resource")
        return grant

    def validate_requested_scope(self, scope: str | None) -> None:
        """Nothing yet: what is allowed depends on the client, see :func:`~.entitlement.choose_scopes`."""

    def generate_token(
        self, grant_type: str, client: OAuthClient, user: Any = None, scope: str | None = None, **how: Any
    ) -> TokenAnswer:
        """The token of a grant that the application added; see :mod:`~pyramid_oauthguard.server.grants.added`.

        ``expires_in`` is not used: access tokens live ``access_token_ttl``.
        """
        refresh: bool = how.get("include_refresh_token", True)
        return make_answer(self, client.record, user=user, scope=scope, refresh=refresh)

    def save_token(self, token: TokenAnswer, request: OAuthRequest) -> None:
        with self.service.store.writing() as unit:
            store_grant(self, unit, token)
            self.add_token(unit, token, request.payload.grant_type)

    def handle_response(self, status_code: int, payload: Any, headers: Any) -> Any:
        return build_answer(status_code, payload)

    def handle_error_response(self, request: Any, error: OAuth2Error) -> Any:
        request.error = error
        return build_error(error)

    def send_signal(self, name: str, *args: Any, **kwargs: Any) -> None:
        """Nothing: our events are sent after the commit."""

    # What grants call.

    def make_token(self, client: Client, **how: Any) -> TokenAnswer:
        """An access token and the answer that carries it; see :meth:`.tokens.TokenMaker.make`. Not stored yet.

        NOT checked: that the client and the user may have it.

        :raises ServerError: ``subject`` was left out, which says for whom the token is.
        """
        if "subject" not in how:
            log.error("make_token needs subject: the user's sub, or None where the client acts for itself")
            raise ServerError
        made = self.service.tokens.make(client, **how)
        answer = TokenAnswer(
            access_token=made.text,
            token_type="Bearer",  # noqa: S106  # RFC 6750's name
            expires_in=int(made.record.expires_at - made.record.issued_at),
        )
        if made.record.scopes:
            answer["scope"] = " ".join(made.record.scopes)
        answer.made = made
        return answer

    def add_token(self, unit: Unit, token: TokenAnswer, grant_type: str) -> None:
        """Store the token of an answer, and say so once that is committed.

        A token whose key was replaced or revoked since it was signed is signed again: the answer then carries that one.

        :raises ServerError: it is a user's, and belongs to no grant: the user could not withdraw it.
        :raises UnavailableError: the storage or the signing key can't be reached.
        """
        record = token.made.record
        if record.grant_id is None and record.subject != record.client_id:
            log.error("a token for a user was made without a grant: generate_token(user=…) makes both")
            raise ServerError
        self._store_token(unit, token)
        event = TokenIssued(
            token_id=record.token_id,
            client_id=record.client_id,
            subject=record.subject,
            scopes=record.scopes,
            grant_type=grant_type,
            grant_id=record.grant_id,
        )
        self.service.tell(unit, event)

    def _store_token(self, unit: Unit, token: TokenAnswer) -> None:
        keys, tokens = self.service.keys, self.service.tokens
        for _attempt in range(_SIGNATURES):
            if unit.add_access_token(token.made.record, keys_version=token.made.keys_version):
                return
            keys.learn(unit)
            token.made = tokens.sign_again(token.made)
            token["access_token"] = token.made.text
        raise UnavailableError("keys_changing", retry_after=1)

    def _take_assertion(self, request: OAuthRequest, assertion: Assertion, attempt: Attempt, now: float) -> Client:
        """The client that an assertion proves, which it does once (RFC 7523 section 3)."""
        settings, pyramid = self.service.settings, request.pyramid
        # RFC 8414 knows us by the issuer; RFC 7523 and OpenID Connect name the token endpoint, or the one that is called.
        names = {TOKEN, pyramid.matched_route.name}
        audiences = {settings.issuer, *(build_url(pyramid, name, settings) for name in names)}
        with self.service.store.reading() as unit:
            client = unit.find_client(assertion.client_id)
        try:
            if client is None or client.revoked_at is not None:
                raise RefusedError("no such client")
            token_id, expires_at = check_assertion(assertion, client, audiences=audiences, now=now)
            attempt.succeed()  # before the storage is asked to remember it
            with self.service.store.writing() as unit:
                if not unit.add_assertion(self.service.pepper.hash_assertion(client.client_id, token_id), expires_at):
                    raise RefusedError("used before")
        except RefusedError as error:
            log.info("a client assertion was refused: %s", error.reason)
            raise build_refusal() from None
        return client

    def _authenticate(self, request: OAuthRequest, methods: list[str], attempt: Attempt) -> OAuthClient:
        credentials = find_credentials(request.headers.get("Authorization"), request.form)
        guessable = credentials.secret is not None and not is_client_secret(credentials.secret)
        attempt.name(credentials.client_id, guessable=guessable)
        now = time.time()
        if credentials.method not in methods:
            raise build_refusal()
        request.auth_method = credentials.method
        if credentials.assertion is not None:
            return OAuthClient(self._take_assertion(request, credentials.assertion, attempt, now), self.service)
        if credentials.secret is None:
            attempt.check_site(self.service.origins.__contains__)
        with self.service.store.reading() as unit:
            record, secret = authenticate(credentials, unit.find_client, self.service.pepper, now=now)
        attempt.succeed()
        if secret is not None:
            self._touch(secret, now)
        return OAuthClient(record, self.service)

    def _touch(self, secret: ClientSecret, now: float) -> None:
        if secret.last_used_at is not None and 0 <= now - secret.last_used_at < TOUCH_EVERY:
            return
        with suppress(UnavailableError), self.service.store.writing() as unit:  # only a note for the operator
            unit.touch_secret(secret.secret_id, now)


class _UnsupportedGrantType(OAuth2Error):
    error = "unsupported_grant_type"
    description = "The parameter grant_type names none that this server has."
