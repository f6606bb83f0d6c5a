"""POST /register: clients register themselves (RFC 7591). GET, PUT and DELETE /register/{client_id}: they read, replace and
delete it (RFC 7592)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from authlib.oauth2.rfc7591 import ClientRegistrationEndpoint
from authlib.oauth2.rfc7592 import ClientConfigurationEndpoint
from pyramid.config import Configurator
from pyramid.request import Request

from ..clients.dynamic import (
    FullError,
    check_initial_token,
    delete,
    make_registration_token,
    register,
    require_registered,
    update,
)
from ..clients.metadata import describe_client
from ..grants.authlib_bridge import OAuthServer
from ..http.cors import Readers
from ..http.errors import OAuth2Error
from ..http.json_body import read_json
from ..http.mount_point import build_url
from ..service import Service, find_service
from ..settings import ServerSettings
from ..store.records import Client
from .views import add_endpoint

__all__ = ["Configuration", "Registration", "describe", "include"]

ROUTE: Final = "oauthguard.register"
CLIENT_ROUTE: Final = "oauthguard.register.client"
_FULL: Final = (
    "a client was not registered: there are registration.max_unused clients that no user has allowed anything"
)


class _Asked:
    """A request as Authlib's endpoint sees it."""

    credential: Any = None
    document: Mapping[str, Any] = MappingProxyType({})
    error: OAuth2Error | None = None

    def __init__(self, request: Request) -> None:
        self.pyramid = request
        self.method: str = request.method


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
        try:
            return register(service.store, service.settings, service.tell, request.document)
        except FullError:
            service.mistakes.report("registration: full", _FULL, level=logging.WARNING)
            raise

    def generate_client_registration_info(self, client: Client, request: _Asked) -> dict[str, Any]:
        return _describe(self.server.service, request, client)


class Configuration(ClientConfigurationEndpoint):
    """Authlib's endpoint. What a client says is read as :class:`Registration` reads it."""

    def create_endpoint_request(self, request: Request) -> _Asked:
        return _Asked(request)

    def authenticate_token(self, request: _Asked) -> _Token:
        service: Service = self.server.service
        sent, client_id = request.pyramid.headers.get("Authorization"), request.pyramid.matchdict["client_id"]
        return _Token(require_registered(service.store, service.settings, service.pepper, sent, client_id=client_id))

    def authenticate_client(self, request: _Asked) -> Client:
        client: Client = request.credential.client
        return client

    def check_permission(self, client: Client, request: _Asked) -> bool:
        return True

    def introspect_client(self, client: Client) -> dict[str, Any]:
        return {}

    def generate_client_registration_info(self, client: Client, request: _Asked) -> dict[str, Any]:
        return _describe(self.server.service, request, client)

    def create_update_client_response(self, client: Client, request: _Asked) -> Any:
        service: Service = self.server.service
        client_id = client.client_id
        service.limits.hit(request.pyramid, "registration", client_id)
        document = read_json(request.pyramid)
        updated = update(service.store, service.settings, service.tell, document, client_id=client_id)
        return self.create_read_client_response(updated, request)

    def delete_client(self, client: Client, request: _Asked) -> None:
        service: Service = self.server.service
        delete(service.store, service.tell, client.client_id)

    def create_delete_client_response(self, client: Client, request: _Asked) -> tuple[int, None, list[Any]]:
        self.delete_client(client, request)
        return 204, None, []


class _Token:
    """A registration access token that belongs to its client."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def check_client(self, client: Client) -> bool:
        return client is self.client


def _describe(service: Service, request: _Asked, client: Client) -> dict[str, Any]:
    """What is registered, and how the client reads, replaces and deletes it (RFC 7592 section 3)."""
    here = build_url(request.pyramid, ROUTE, service.settings)
    return {
        **describe_client(client),
        "registration_client_uri": f"{here}/{client.client_id}",
        "registration_access_token": make_registration_token(service.pepper, client.client_id),
    }


def include(config: Configurator, settings: ServerSettings) -> None:
    """Add the route and its view."""
    if settings.self_registration.registration == "off":
        return
    path = settings.find_path("register")
    add_endpoint(config, ROUTE, path, {"POST": answer_registration}, readers=Readers.SENDER)
    views = dict.fromkeys(("GET", "PUT", "DELETE"), answer_client)
    add_endpoint(config, CLIENT_ROUTE, f"{path}/{{client_id}}", views, readers=Readers.SENDER)


def answer_registration(request: Request) -> Any:
    """Register a client."""
    server = OAuthServer(find_service(request))
    server.register_endpoint(Registration)
    return server.create_endpoint_response(Registration.ENDPOINT_NAME, request)


def answer_client(request: Request) -> Any:
    """Show a client what is registered of it, replace it, or delete it."""
    server = OAuthServer(find_service(request))
    server.register_endpoint(Configuration)
    return server.create_endpoint_response(Configuration.ENDPOINT_NAME, request)


def describe(service: Service, locate: Callable[[str], str]) -> dict[str, Any]:
    """The members of the metadata."""
    if service.settings.self_registration.registration == "off":
        return {}
    return {"registration_endpoint": locate(ROUTE)}
