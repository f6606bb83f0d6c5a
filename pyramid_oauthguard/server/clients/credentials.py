"""The client credentials in a request (RFC 6749 section 2.3): exactly one way of authenticating. Nothing is proven
here."""

from __future__ import annotations

import base64
import binascii
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote, unquote_plus

from ..http.errors import InvalidClientError, InvalidRequestError
from .assertion import ASSERTION_TYPE, Assertion, RefusedError, read_assertion

__all__ = [
    "BASIC",
    "CONFIDENTIAL",
    "EVERY",
    "NONE",
    "POST",
    "PRIVATE_KEY",
    "Credentials",
    "build_refusal",
    "read_credentials",
]

log = logging.getLogger("pyramid_oauthguard.server")
BASIC: Final = "client_secret_basic"
POST: Final = "client_secret_post"
PRIVATE_KEY: Final = "private_key_jwt"
NONE: Final = "none"
#: The methods of clients that prove who they are, and those of all clients.
CONFIDENTIAL: Final = (BASIC, POST, PRIVATE_KEY)
EVERY: Final = (*CONFIDENTIAL, NONE)


@dataclass(frozen=True, slots=True)
class Credentials:
    """The client credentials in a request.

    :ivar method: RFC 7591's name.
    :ivar secrets: the ways to read the secret, see :func:`read_credentials`; empty if there is none.
    :ivar assertion: with ``private_key_jwt``.
    """

    method: str
    client_id: str
    secrets: tuple[str, ...] = field(default=(), repr=False)
    assertion: Assertion | None = field(default=None, repr=False)


def read_credentials(authorization: str | None, form: Mapping[str, str]) -> Credentials:
    """The one set of client credentials in a request.

    :param authorization: the Authorization header; a scheme other than Basic is ignored.
    :raises InvalidRequestError: more than one way of authenticating, or two client ids.
    :raises InvalidClientError: none, or a Basic header that can't be read.
    """
    client_id, secret = form.get("client_id"), form.get("client_secret")
    asserted = {"client_assertion", "client_assertion_type"} & form.keys()
    basic = authorization is not None and authorization[:6].lower() in {"basic", "basic "}
    if (basic + bool(asserted) + (secret is not None)) > 1:
        raise InvalidRequestError("More than one client authentication.")
    if basic:
        found = _read_basic((authorization or "")[6:])
    elif asserted:
        found = _read_assertion(form)
    elif client_id is not None:
        return Credentials(NONE, client_id) if secret is None else Credentials(POST, client_id, (secret,))
    else:
        raise build_refusal()
    if client_id is not None and client_id != found.client_id:
        raise InvalidRequestError("More than one client authentication.")
    return found


def build_refusal() -> InvalidClientError:
    """The same answer for every error in a client's credentials."""
    return InvalidClientError("Client authentication failed.", status_code=401)


def _read_assertion(form: Mapping[str, str]) -> Credentials:
    if form.get("client_assertion_type") != ASSERTION_TYPE:
        raise build_refusal()
    try:
        assertion = read_assertion(form.get("client_assertion", ""))
    except RefusedError as error:
        log.info("a client assertion was refused: %s", error.reason)
        raise build_refusal() from None
    return Credentials(PRIVATE_KEY, assertion.client_id, assertion=assertion)


def _read_basic(token: str) -> Credentials:
    """RFC 7617, with the form-encoding of both halves that RFC 6749 section 2.3.1 adds.

    Many clients do not encode. No client id contains a space or a percent sign, so both forms of an id are read alike. A secret
    that contains ``+`` or ``%`` has two readings. An empty secret counts as no secret: the client is public.
    """
    try:
        text = base64.b64decode(token.strip(), validate=True).decode("utf-8")
        client_id, colon, raw = text.partition(":")
        client_id = unquote(client_id, errors="strict")
    except (binascii.Error, ValueError):
        raise build_refusal() from None
    if not colon or not client_id:
        raise build_refusal()
    return Credentials(BASIC, client_id, _read_secret(raw)) if raw else Credentials(NONE, client_id)


def _read_secret(raw: str) -> tuple[str, ...]:
    """The readings of a secret: decoded, and as it was sent."""
    try:
        decoded = unquote_plus(raw, errors="strict")
    except ValueError:  # percent signs, but not UTF-8
        return (raw,)
    return (raw,) if decoded == raw else (decoded, raw)
