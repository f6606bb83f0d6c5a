"""A request and its client as Authlib reads them."""

from __future__ import annotations

from typing import Any, Final

from authlib.oauth2.rfc6749 import ClientMixin, OAuth2Payload, OAuth2Request
from pyramid.request import Request

from ..clients.entitlement import choose_scopes
from ..clients.redirect_uris import find_default, is_registered
from ..http.errors import OAuth2Error
from ..http.limits import Guess
from ..http.parameters import Parameters
from ..service import Service
from ..store.records import Client

__all__ = ["OAuthClient", "OAuthRequest"]

#: The attributes of a request of Authlib. Made once, because Authlib checks the transport of each: start-up has checked the issuer.
_BLANK: Final = vars(OAuth2Request("POST", "https://localhost/"))


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
        return is_registered(redirect_uri, self.record.redirect_uris, localhost=self.record.loopback_localhost)

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
    :ivar guess: counts the values that the request presents, if they could be guessed.
    :ivar error: the error that it was answered with, or None.
    """

    guess: Guess | None = None
    error: OAuth2Error | None = None

    def __init__(self, request: Request, parameters: Parameters, service: Service) -> None:
        self.__dict__.update(_BLANK)
        self.method, self.uri, self.headers = request.method, service.settings.issuer, request.headers
        self.pyramid = request
        self.parameters = parameters
        self.payload = _Payload(parameters)

    @property
    def form(self) -> Any:
        return self.parameters.values

    @property
    def args(self) -> Any:
        return self.parameters.values
