"""The device authorization grant (RFC 8628): a code typed in on another device."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ...exit_status import NETWORK, TIMEOUT
from ...urls import check_endpoint
from ..errors import CommandError, DeniedError, RefusedError, UnusableTokensError
from ..members import as_seconds
from ..session import OAuthSession
from ..text import shorten
from ..tokens import Tokens, is_token

__all__ = ["DeviceAuthorization", "as_device_authorization", "poll"]

_INTERVAL_SECONDS: Final = 5.0  # RFC 8628 section 3.2: the default
_SLOWER_SECONDS: Final = 5.0  # section 3.5: for this and all further requests
_LONGEST_INTERVAL_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceAuthorization:
    """What RFC 8628 section 3.2 answers.

    :ivar complete: the address with the code in it, or None.
    :ivar expires_in: seconds from when it was issued.
    :ivar interval: seconds between two polls, at least.
    """

    device_code: str = field(repr=False)
    user_code: str
    verification_uri: str
    complete: str | None
    expires_in: float
    interval: float


def as_device_authorization(body: Mapping[str, Any], issuer: str) -> DeviceAuthorization:
    """``body``, an answer of ``issuer``, checked. :raises CommandError: a member is missing, or would send the user to a page without TLS."""
    device_code, user_code = body.get("device_code"), body.get("user_code")
    address = body.get(
        "verification_uri", body.get("verification_url")
    )  # the second name is from drafts; some servers still use it
    expires_in = as_seconds(body.get("expires_in"))
    if not is_token(device_code) or not isinstance(user_code, str) or not user_code.strip() or not expires_in:
        raise CommandError(
            NETWORK, "the device authorization endpoint answered without the members that RFC 8628 requires"
        )
    interval = max(1.0, as_seconds(body.get("interval")) or _INTERVAL_SECONDS)
    if interval >= expires_in:
        text = f"the server requires {interval:g} s between two requests, but the code ends after {expires_in:g} s"
        raise CommandError(NETWORK, text, "ask the operator of the server")
    complete = body.get("verification_uri_complete")
    return DeviceAuthorization(
        device_code=device_code,
        user_code=user_code,
        verification_uri=_as_address(address, issuer),
        complete=None if complete is None else _as_address(complete, issuer),
        expires_in=expires_in,
        interval=interval,
    )


def poll(
    session: OAuthSession, authorization: DeviceAuthorization, *, deadline: float, sleep: Callable[[float], None]
) -> Tokens:
    """Ask for the tokens until the user decided, no more often than the server wants (RFC 8628 section 3.5).

    :param deadline: of ``time.monotonic()``.
    :param sleep: waits for a number of seconds.
    :raises CommandError: denied, expired, refused, or the server did not answer any more.
    """
    interval = authorization.interval
    outage: CommandError | None = None
    while time.monotonic() + interval < deadline:
        sleep(interval)
        try:
            return session.redeem_device_code(authorization.device_code)
        except RefusedError as error:
            outage = None
            interval += _SLOWER_SECONDS if _read_refusal(error) == "slow_down" else 0
        except UnusableTokensError:
            raise  # the code is used up
        except CommandError as error:  # no usable answer; an earlier one was usable, so the problem may be temporary
            outage = error
            interval = min(interval * 2, _LONGEST_INTERVAL_SECONDS)  # section 3.5 wants this after a connection timeout
    sleep(max(0.0, deadline - time.monotonic()))
    if outage is not None:
        raise outage  # the user may have entered the code
    raise CommandError(TIMEOUT, "the code was not entered in time", "try again")


def _read_refusal(error: RefusedError) -> str:
    """The error code, if polling continues after ``error``. :raises CommandError: polling must end."""
    if error.code in ("authorization_pending", "slow_down"):
        return error.code
    if error.code == "access_denied":
        raise DeniedError("access was denied on the other device", shorten(error.description or "")) from error
    if error.code == "expired_token":
        raise CommandError(TIMEOUT, "the code expired before it was entered", "try again") from error
    raise error


def _as_address(address: object, issuer: str) -> str:
    try:
        if not isinstance(address, str):
            raise ValueError("is not text")  # handled below, like a bad URL
        check_endpoint(address, issuer)
    except ValueError as error:
        raise CommandError(NETWORK, f"the verification_uri of the server {error}") from error
    return address
