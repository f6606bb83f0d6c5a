"""POST /device_authorization (RFC 8628 section 3.1): a device asks for the code that its user types in a browser."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlencode

from authlib.oauth2.rfc8628 import DeviceAuthorizationEndpoint
from pyramid.config import Configurator
from pyramid.request import Request

from ...errors import UnavailableError
from ..clients.credentials import EVERY
from ..clients.entitlement import check_grant, choose_audiences, choose_scopes
from ..consent.device import format_user_code
from ..grant_types import DEVICE_CODE
from ..grants.authlib_bridge import OAuthServer
from ..grants.authlib_request import OAuthRequest
from ..http.cors import Readers
from ..http.mount_point import build_url
from ..opaque import DEVICE_PREFIX, make_opaque, make_user_code
from ..service import Service, find_service
from ..settings import ServerSettings
from ..store.records import DeviceRecord
from .device import ROUTE as PAGE
from .views import add_endpoint

__all__ = ["describe", "include"]

ROUTE: Final = "oauthguard.device_authorization"
_MAX_TRIES: Final = 5


class DeviceAuthorization(DeviceAuthorizationEndpoint):
    """Authlib's endpoint, which neither checks the client's grants nor hashes the codes; this class does."""

    CLIENT_AUTH_METHODS = EVERY

    def create_endpoint_response(self, request: OAuthRequest) -> tuple[int, dict[str, Any], list[tuple[str, str]]]:
        client = self.authenticate_client(request)
        check_grant(client.record, DEVICE_CODE)
        settings = self.server.service.settings
        device_code, user_code = self._store(
            client.get_client_id(),
            choose_scopes(client.record, settings, request.payload.scope),
            choose_audiences(client.record, settings, request.parameters.get_all("resource")),
        )
        page, formatted = build_url(request.pyramid, PAGE, settings), format_user_code(user_code)
        answer = {
            "device_code": device_code,
            "user_code": formatted,
            "verification_uri": page,
            "verification_uri_complete": f"{page}?{urlencode({'user_code': formatted})}",
            "expires_in": int(settings.device_code_ttl),
            "interval": int(settings.device_interval),
        }
        return 200, answer, []

    def _store(self, client_id: str, scopes: tuple[str, ...], audiences: tuple[str, ...]) -> tuple[str, str]:
        """A device code and a user code, both of them new."""
        service, now = self.server.service, time.time()
        for _ in range(_MAX_TRIES):
            device_code, user_code = make_opaque(DEVICE_PREFIX).text, make_user_code()
            device = DeviceRecord(
                device_hash=service.pepper.hash_code(device_code),
                user_hash=service.pepper.hash_code(user_code),
                client_id=client_id,
                scopes=scopes,
                audiences=audiences,
                interval=service.settings.device_interval,
                created_at=now,
                expires_at=now + service.settings.device_code_ttl,
            )
            with service.store.writing() as unit:
                if unit.add_device(device):
                    return device_code, user_code
        raise UnavailableError("storage", "no user code is free")


def include(config: Configurator, settings: ServerSettings) -> None:
    """Add the route and its view."""
    if DEVICE_CODE in settings.grants:
        path, views = settings.find_path("device_authorization"), {"POST": answer_device}
        add_endpoint(config, ROUTE, path, views, readers=Readers.CLIENTS)


def answer_device(request: Request) -> Any:
    """A device code and a user code."""
    server = OAuthServer(find_service(request))
    server.register_endpoint(DeviceAuthorization)
    return server.create_endpoint_response(DeviceAuthorization.ENDPOINT_NAME, request)


def describe(service: Service, locate: Callable[[str], str]) -> dict[str, Any]:
    """The members of the metadata (RFC 8628 section 4)."""
    return {"device_authorization_endpoint": locate(ROUTE)} if DEVICE_CODE in service.grants else {}
