"""Who the client is (RFC 6749 section 2.3): exactly one way of saying it, and secrets compared in constant time."""

from __future__ import annotations

import base64
import binascii
import hmac
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote_plus

from authlib.oauth2.rfc6749.errors import InvalidClientError, InvalidRequestError

from ..hashing import Pepper
from ..store.records import Client, ClientSecret
from .assertion import ASSERTION_TYPE, Assertion, RefusedError, read_assertion

__all__ = [
    "BASIC",
    "CONFIDENTIAL",
    "EVERY",
    "NONE",
    "POST",
    "PRIVATE_KEY",
    "Credentials",
    "authenticate",
    "build_refusal",
    "find_credentials",
]

log = logging.getLogger("pyramid_oauthguard.server")
BASIC: Final = "client_secret_basic"
POST: Final = "client_secret_post"
PRIVATE_KEY: Final = "private_key_jwt"
NONE: Final = "none"
CONFIDENTIAL: Final = (BASIC, POST, PRIVATE_KEY)
EVERY: Final = (*CONFIDENTIAL, NONE)
_NOBODY: Final = bytes(32)


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a request says about its client. ``method`` is RFC 7591's name; ``assertion`` is there with ``private_key_jwt``."""

    method: str
    client_id: str
    secret: str | None = field(default=None, repr=False)
    assertion: Assertion | None = field(default=None, repr=False)


def find_credentials(authorization: str | None, form: Mapping[str, str]) -> Credentials:
    """The one set of client credentials in a request.

    :param authorization: the Authorization header; a scheme other than Basic is no client authentication.
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
        return Credentials(POST if secret is not None else NONE, client_id, secret)
    else:
        raise build_refusal()
    if client_id is not None and client_id != found.client_id:
        raise InvalidRequestError("More than one client authentication.")
    return found


def authenticate(
    credentials: Credentials, find_client: Callable[[str], Client | None], pepper: Pepper, *, now: float
) -> tuple[Client, ClientSecret | None]:
    """The client that the credentials prove, and the secret it used; None for a public one.

    An assertion proves nothing here; see :mod:`~pyramid_oauthguard.server.clients.assertion`.

    :raises InvalidClientError: unknown, revoked, or the wrong secret: all of these look the same and take the same work.
    """
    client = find_client(credentials.client_id)
    if client is not None and client.revoked_at is not None:
        client = None
    if credentials.secret is None:
        if client is None or not client.public or credentials.assertion is not None:
            raise build_refusal()
        return client, None
    hashed = pepper.hash_secret(credentials.secret)
    found = _find_secret(client.secrets if client else (), hashed, now)
    if client is None or found is None:
        raise build_refusal()
    return client, found


def build_refusal() -> InvalidClientError:
    """The one answer to everything that is wrong with a client's credentials."""
    return InvalidClientError("Client authentication failed.", status_code=401)


def _find_secret(secrets: tuple[ClientSecret, ...], hashed: bytes, now: float) -> ClientSecret | None:
    hmac.compare_digest(hashed, _NOBODY)  # the same work where there is no secret to compare with
    matching = [secret for secret in secrets if hmac.compare_digest(hashed, secret.hash)]
    return next((secret for secret in matching if secret.is_live(now)), None)


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
    """RFC 7617, with the form-encoding of both halves that RFC 6749 section 2.3.1 adds."""
    try:
        text = base64.b64decode(token.strip(), validate=True).decode("utf-8")
        client_id, colon, secret = text.partition(":")
        client_id, secret = unquote_plus(client_id, errors="strict"), unquote_plus(secret, errors="strict")
    except (binascii.Error, ValueError):
        raise build_refusal() from None
    if not colon or not client_id or not secret:
        raise build_refusal()
    return Credentials(BASIC, client_id, secret)
