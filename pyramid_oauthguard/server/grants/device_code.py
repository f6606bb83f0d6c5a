"""A device gets the tokens that its user allowed it in a browser elsewhere (RFC 8628 section 3.4)."""

from __future__ import annotations

import time
from typing import Final

from authlib.oauth2.rfc8628 import AuthorizationPendingError, DeviceCodeGrant, ExpiredTokenError, SlowDownError

from ..clients.credentials import EVERY
from ..clients.entitlement import check_grant, keep_granted
from ..http.errors import (
    AccessDeniedError,
    InvalidGrantError,
    OAuth2Error,
)
from ..store.records import DeviceRecord, Grant
from ..tokens.revocation import end_reused
from .issuing import TokenAnswer
from .user_names import describe_user
from .user_tokens import issue

__all__ = ["DeviceCode"]

_SLOWER_SECONDS: Final = 5.0  # RFC 8628 section 3.5
_JITTER_SECONDS: Final = 0.5  # between the device's clock and the moment its request arrives


class DeviceCode(DeviceCodeGrant):
    """Authlib's grant with our checks: the device must wait between its polls, and its code is used once."""

    ACTS_FOR_USER = True
    PARAMETERS = ("device_code",)
    SHORT_NAME = "device_code"
    TOKEN_ENDPOINT_AUTH_METHODS = EVERY

    def validate_token_request(self) -> None:
        request = self.request
        request.client = self.authenticate_token_endpoint_client()
        check_grant(request.client.record, self.GRANT_TYPE)
        text = request.parameters.require("device_code")
        request.device, request.grant = self._load_allowed(text)
        client, settings = request.client.record, self.server.service.settings
        request.granted = keep_granted(client, settings, request.grant, request.parameters.get_all("resource"))

    def create_token_response(self) -> tuple[int, TokenAnswer, object]:
        answer = self._redeem(self.request.device, self.request.grant)
        if answer is None:
            end_reused(self.server.service, self.request.pyramid, self.request.device)
            raise _build_refusal()
        return 200, answer, self.TOKEN_RESPONSE_HEADER

    def _redeem(self, device: DeviceRecord, grant: Grant) -> TokenAnswer | None:
        """The tokens; None when another request took the code a moment ago."""
        service, request = self.server.service, self.request
        claims = describe_user(service, grant.subject)
        how = {**request.granted, "claims": claims, "grant_type": self.GRANT_TYPE}
        with service.store.writing() as unit:
            won = unit.use_device(device.device_hash, time.time())
            return issue(service, unit, request.client.record, grant, **how) if won else None

    def _load_allowed(self, text: str) -> tuple[DeviceRecord, Grant]:
        """The device and what its user allowed it.

        :raises OAuth2Error: the error of RFC 8628 section 3.5 for the state of the device.
        """
        service = self.server.service
        with service.store.reading() as unit:
            device = unit.find_device(service.pepper.hash_code(text))
            grant = unit.find_grant(device.grant_id) if device and device.grant_id else None
        if device is None or device.client_id != self.request.client.get_client_id():
            raise _build_refusal()
        if time.time() >= device.expires_at:
            raise ExpiredTokenError("The device code has expired.")
        if device.used_at is not None:  # a code that is sent twice may have been stolen: all its tokens end
            end_reused(service, self.request.pyramid, device)
            raise _build_refusal()
        if device.status == "pending":
            raise self._put_off(device)
        if device.status == "denied":
            raise AccessDeniedError("The user denied the request.")
        if grant is None or device.revoked or not service.is_active_user(grant.subject):
            raise _build_refusal()
        return device, grant

    def _put_off(self, device: DeviceRecord) -> OAuth2Error:
        """Record the poll. After one that was too early, the device has to wait longer from now on."""
        now = time.time()
        early = device.polled_at is not None and now - device.polled_at < device.interval - _JITTER_SECONDS
        interval = device.interval + _SLOWER_SECONDS if early else device.interval
        with self.server.service.store.writing() as unit:
            unit.poll_device(device.device_hash, interval, now)
        if early:
            return SlowDownError("The device must wait 5 seconds more between its requests from now on.")
        return AuthorizationPendingError("The user has not answered yet.")


def _build_refusal() -> InvalidGrantError:
    return InvalidGrantError("The device code is invalid, used, revoked, or another client's.")
