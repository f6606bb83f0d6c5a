"""A user allows a client, and the client redeems a code for it (RFC 6749 section 4.1)."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Final

from authlib.oauth2.rfc6749.grants import AuthorizationCodeGrant

from ..clients.credentials import EVERY
from ..clients.entitlement import choose_audiences, keep_granted
from ..clients.redirect_uris import find_default, takes_forms
from ..http.errors import InvalidGrantError, InvalidRequestError, OAuth2Error, UnauthorizedClientError
from ..store.records import Client, CodeRecord, Grant
from ..tokens.revocation import end_reused
from .authlib_request import OAuthClient, OAuthRequest
from .issuing import TokenAnswer
from .user_grants import check_method
from .user_names import describe_user
from .user_tokens import issue

__all__ = ["FORM_POST", "RESPONSE_MODES", "AuthorizationCode", "choose_mode"]

FORM_POST: Final = "form_post"
#: How an answer may get to the client (OAuth 2.0 Multiple Response Type Encoding Practices section 2.1).
RESPONSE_MODES: Final = ("query", FORM_POST)


def choose_mode(asked: str | None, redirect_uri: str, client: Client) -> str:
    """How an answer gets to this client. A mode that can't be used counts as ``query``, so that the client hears of it."""
    operators = not client.is_self_registered
    return FORM_POST if asked == FORM_POST and takes_forms(redirect_uri, chosen_by_operator=operators) else "query"


class AuthorizationCode(AuthorizationCodeGrant):
    """Authlib's checks of both endpoints, with more precise errors. Only one of several requests can take a code."""

    ACTS_FOR_USER = True
    PARAMETERS = ("code", "code_verifier", "redirect_uri")
    TOKEN_ENDPOINT_AUTH_METHODS = EVERY

    # The authorization endpoint.

    @classmethod
    def check_authorization_endpoint(cls, request: OAuthRequest) -> bool:
        return True  # a wrong response type is reported to the redirect URI, which is checked first

    @staticmethod
    def validate_authorization_redirect_uri(request: OAuthRequest, client: OAuthClient) -> str:
        request.client = client  # for errors that Authlib raises before it sets this
        named = request.payload.redirect_uri
        if named is None:
            default = find_default(client.record.redirect_uris)
            if default is None:
                raise InvalidRequestError("The parameter redirect_uri is missing.")
            return default
        if not client.check_redirect_uri(named):
            raise InvalidRequestError("The parameter redirect_uri is not one that the client has registered.")
        uri: str = named
        return uri

    def validate_authorization_request(self) -> str:
        """The redirect URI of a valid request. Sets ``request.audiences``.

        :raises OAuth2Error: with ``redirect_uri`` where the client may be told.
        """
        try:
            redirect_uri: str = super().validate_authorization_request()
        except UnauthorizedClientError as error:
            raise self._tell_apart(error.redirect_uri) from None
        try:
            self._check_the_rest(redirect_uri)
        except OAuth2Error as error:
            error.redirect_uri = redirect_uri
            raise
        return redirect_uri

    def _check_the_rest(self, redirect_uri: str) -> None:
        request = self.request
        mode = request.form.get("response_mode", "query")
        if mode not in RESPONSE_MODES:
            raise InvalidRequestError("The parameter response_mode must be query or form_post.")
        if mode == FORM_POST and choose_mode(mode, redirect_uri, request.client.record) != FORM_POST:
            text = "With response_mode form_post, the redirect_uri must be https or http, and on loopback if the client registered itself."
            raise InvalidRequestError(text)
        resources = request.parameters.get_all("resource")
        request.audiences = choose_audiences(request.client.record, self.server.service.settings, resources)

    def _tell_apart(self, redirect_uri: str) -> OAuth2Error:
        response_type = self.request.payload.response_type
        if response_type is None:
            return InvalidRequestError("The parameter response_type is missing.", redirect_uri=redirect_uri)
        if response_type not in self.RESPONSE_TYPES:
            return _UnsupportedResponseType(redirect_uri=redirect_uri)
        return UnauthorizedClientError("The client is not registered for this grant.", redirect_uri=redirect_uri)

    # The token endpoint.

    def query_authorization_code(self, code: str, client: OAuthClient) -> _Code:
        service = self.server.service
        with service.store.reading() as unit:
            record = unit.find_code(service.pepper.hash_code(code))
            grant = unit.find_grant(record.grant_id) if record else None
        if record is None or grant is None or record.client_id != client.get_client_id():
            raise _build_refusal()
        if record.revoked or time.time() >= record.expires_at:
            raise _build_refusal()
        check_method(grant, self.request)
        return _Code(record, grant)

    def create_token_response(self) -> tuple[int, TokenAnswer, Any]:
        """A used code counts as a replay only after the client, the redirect URI and the verifier were checked. Someone
        who only saw a code, in a log or a history, must not be able to end the grant."""
        code, service = self.request.authorization_code, self.server.service
        if code.record.used_at is None:
            if not service.is_active_user(code.grant.subject):
                raise _build_refusal()
            answer = self._redeem(code)
            if answer is not None:
                return 200, answer, self.TOKEN_RESPONSE_HEADER
        # A code that is sent twice may have been stolen: all its tokens end (RFC 6749 section 4.1.2).
        end_reused(service, self.request.pyramid, code.record)
        raise _build_refusal()

    def _redeem(self, code: _Code) -> TokenAnswer | None:
        """The tokens for what the client may still have; None when another request took the code a moment ago."""
        service, client = self.server.service, self.request.client.record
        resources = self.request.parameters.get_all("resource")
        granted = keep_granted(client, service.settings, code.grant, resources)
        how = {**granted, "claims": describe_user(service, code.grant.subject), "grant_type": self.GRANT_TYPE}
        with service.store.writing() as unit:
            won = unit.use_code(code.record.hash, time.time())
            return issue(service, unit, client, code.grant, **how) if won else None


@dataclass(frozen=True, slots=True)
class _Code:
    """A code as Authlib asks it."""

    record: CodeRecord
    grant: Grant

    @property
    def code_challenge(self) -> str | None:
        return self.record.code_challenge

    @property
    def code_challenge_method(self) -> str:
        return "S256"

    def get_redirect_uri(self) -> str | None:
        return self.record.redirect_uri


class _UnsupportedResponseType(OAuth2Error):
    error = "unsupported_response_type"
    description = "The parameter response_type must be code."


def _build_refusal() -> InvalidGrantError:
    return InvalidGrantError("The code is invalid, expired, used, or another client's.")
