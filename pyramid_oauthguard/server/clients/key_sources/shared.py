"""Keys that a client and this server share, for assertions with HS256. At rest they are encrypted with the pepper.

Anyone who has such a key can assert users. It is for migrations: clients that can sign with a private key should.
"""

from __future__ import annotations

import secrets
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ....errors import UnavailableError
from ...grant_types import RegistrationError
from ...hashing import Pepper
from ...store.records import Client

__all__ = ["check_shared_key", "close_shared_key", "open_shared_key"]

_PURPOSE: Final = "shared keys of clients"
_NONCE_BYTES: Final = 12
_MIN_BYTES: Final = 32  # RFC 7518 section 3.2
_MAX_BYTES: Final = 1024


def check_shared_key(key: bytes) -> None:
    """RegistrationError if the key is too short or too long."""
    if not _MIN_BYTES <= len(key) <= _MAX_BYTES:
        raise RegistrationError("shared_key", f"must be {_MIN_BYTES} to {_MAX_BYTES} bytes")


def close_shared_key(pepper: Pepper, client_id: str, key: bytes) -> bytes:
    """The key as it is stored. :raises RegistrationError: too short or too long."""
    check_shared_key(key)
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return nonce + AESGCM(pepper.derive_key(_PURPOSE)).encrypt(nonce, key, client_id.encode())


def open_shared_key(pepper: Pepper, client: Client) -> bytes | None:
    """The key of a client, if it has one.

    :raises UnavailableError: it was encrypted with another pepper.
    """
    box = client.shared_key
    if box is None:
        return None
    try:
        return AESGCM(pepper.derive_key(_PURPOSE)).decrypt(
            box[:_NONCE_BYTES], box[_NONCE_BYTES:], client.client_id.encode()
        )
    except InvalidTag:
        text = f"the pepper does not open the shared key of client {client.client_id}"
        raise UnavailableError("wrong_pepper", text, lasting=True) from None
