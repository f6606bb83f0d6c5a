"""The request of the device whose code a user typed, and how many codes a user may try."""

from __future__ import annotations

import re
import time
from typing import Final

from ..clients.live import find_live
from ..opaque import USER_CODE_LETTERS
from ..service import Service
from ..store.contract import Unit
from .request import AuthorizationRequest

__all__ = [
    "LockedError",
    "UnknownCodeError",
    "format_user_code",
    "is_decided",
    "load_pending",
    "load_typed",
    "read_user_code",
]

MAX_TRIES: Final = 5  # RFC 8628 section 5.1: with 20^8 codes, one guess in 2^32 is right
_CODE: Final = re.compile(f"[{USER_CODE_LETTERS}]{{8}}")
_IGNORED: Final = re.compile(r"[\s._\-\u2010-\u2015]+")


class LockedError(Exception):
    """This user has typed too many wrong codes; ``retry_after`` seconds from now they may try again."""

    def __init__(self, retry_after: int) -> None:
        super().__init__("locked")
        self.retry_after = retry_after


class UnknownCodeError(Exception):
    """No device waits with this user code: it is wrong, was decided, has expired, or its client is revoked."""


def read_user_code(text: str | None) -> str | None:
    """The user code in what somebody typed: in any case, with or without the dash; None when it can't be one."""
    code = _IGNORED.sub("", text or "").upper()
    return code if _CODE.fullmatch(code) else None


def format_user_code(code: str) -> str:
    """A user code with a dash, as pages and devices show it."""
    return f"{code[:4]}-{code[4:]}"


def load_typed(service: Service, code: str, subject: str) -> AuthorizationRequest:
    """What the device asks for that waits with the user code that a user has typed. A wrong code counts against the user.

    Each try is counted before the code is looked at, so that many at the same time cannot exceed the limit. A right
    code is not counted in the end, but the wrong ones before it stay counted.

    :raises LockedError: too many wrong codes; this one was not looked at.
    :raises UnknownCodeError: no device waits with this code.
    """
    now = time.time()
    life = service.settings.device_code_ttl
    with service.store.writing() as unit:
        # All codes that existed when the count began have expired when it ends.
        locked = unit.count_device_try(subject, now - life, now) > MAX_TRIES
        found = None if locked else _fetch_request(unit, service, code)
        if found is not None:
            unit.forget_device_try(subject)
    if locked:
        raise LockedError(int(life) + 1)
    if found is None:
        raise UnknownCodeError
    return found


def load_pending(service: Service, code: str) -> AuthorizationRequest:
    """What the device asks for that waits with this user code.

    :raises UnknownCodeError: no device does; or it was decided, has expired, or its client is revoked.
    """
    with service.store.reading() as unit:
        found = _fetch_request(unit, service, code)
    if found is None:
        raise UnknownCodeError
    return found


def is_decided(service: Service, code: str, subject: str, *, decision: str) -> bool:
    """Whether the device with this code was decided in this way: the user sent the form a second time, which changes nothing.

    A device that another user allowed was not.
    """
    with service.store.reading() as unit:
        device = unit.find_device_of_user(service.pepper.hash_code(code))
        if device is None or device.revoked:
            return False
        if decision != "allow":
            return device.status == "denied"
        grant = None if device.grant_id is None else unit.find_grant(device.grant_id)
    return device.status == "approved" and grant is not None and grant.subject == subject


def _fetch_request(unit: Unit, service: Service, code: str) -> AuthorizationRequest | None:
    """What the device asks for and its client may still have; it has no redirect URI."""
    device = unit.find_device_of_user(service.pepper.hash_code(code))
    if device is None or device.status != "pending" or device.revoked or time.time() >= device.expires_at:
        return None
    client = find_live(unit, device.client_id, service.settings)
    if client is None:
        return None
    return AuthorizationRequest(
        client=client,
        scopes=tuple(scope for scope in device.scopes if scope in service.settings.scopes),
        audiences=device.audiences,
        redirect_uri="",
        named_redirect_uri=None,
        code_challenge=None,
        state=None,
        query="",
    )
