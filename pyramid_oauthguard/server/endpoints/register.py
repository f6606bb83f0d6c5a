"""POST /register: clients register themselves (RFC 7591)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from authlib.oauth2.rfc7591 import ClientRegistrationEndpoint
from pyramid.config import Configurator
from pyramid.request import Request

from ..clients.dynamic import check_initial_token, register
from ..clients.metadata import describe_client
from ..grants.authlib_bridge import OAuthServer
from ..http.cors import Readers
from ..http.errors import OAuth2Error
from ..http.json_body import read_json
from ..service import Service, find_service
from ..settings import ServerSettings
from ..store.records import Client
from .views import add_endpoint

__all__ = ["Registration", "describe", "include"]

ROUTE: Final = "oauthguard.register"


class _Asked:
    """A request as Authlib's endpoint sees it."""

    credential: Any = None
    document: Mapping[str, Any] = MappingProxyType({})
    error: OAuth2Error | None = None

    def __init__(self, request: Request) -> None:
        self.pyramid = request


class Registration(ClientRegistrationEndpoint):
    """Authlib's endpoint. What a client says is read by :mod:`~pyramid_oauthguard.server.clients.metadata`: Authlib's reader
    keeps what this server does not support, and its endpoint makes a secret for each client."""

    def create_endpoint_request(self, request: Request) -> _Asked:
        return _Asked(request)

    def authenticate_token(self, request: _Asked) -> bool:
        service: Service = self.server.service
        service.limits.hit(request.pyramid, "registration", "")
        check_initial_token(request.pyramid.headers.get("Authorization"), service.settings)
        return True

    def extract_client_metadata(self, request: _Asked) -> dict[str, Any]:
        request.document = read_json(request.pyramid)
        return {}  # Authlib would send it back, also what is not registered

    def generate_client_info(self, request: _Asked) -> dict[str, Any]:
        return {}  # the client gets its id when it is stored

    def save_client(self, client_info: Any, client_metadata: dict[str, Any], request: _Asked) -> Client:
        service: Service = self.server.service
        return register(service.store, service.settings, service.tell, request.document)

    def generate_client_registration_info(self, client: Client, request: _Asked) -> dict[str, Any]:
        return describe_client(client)


def include(config: Configurator, settings: ServerSettings) -> None:
    """Add the route and its view."""
    if settings.self_registration.registration == "off":
        return
    add_endpoint(config, ROUTE, settings.find_path("register"), {"POST": answer_registration}, readers=Readers.SENDER)


def answer_registration(request: Request) -> Any:
    """Register a client."""
    server = OAuthServer(find_service(request))
    server.register_endpoint(Registration)
    return server.create_endpoint_response(Registration.ENDPOINT_NAME, request)


def describe(service: Service, locate: Callable[[str], str]) -> dict[str, Any]:
    """The members of the metadata."""
    if service.settings.self_registration.registration == "off":
        return {}
    return {"registration_endpoint": locate(ROUTE)}
