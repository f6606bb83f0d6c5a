"""Making signing keys, and keeping their private halves encrypted."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Mapping
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from joserfc.jwk import ECKey, OKPKey, RSAKey

from ...errors import UnavailableError
from ..hashing import Pepper
from ..opaque import make_id
from ..store.records import SigningKeyRecord

__all__ = ["KeyMaker"]

_NONCE_BYTES: Final = 12
_KINDS: Final[dict[str, Any]] = {"RS256": RSAKey, "ES256": ECKey, "EdDSA": OKPKey}


class KeyMaker:
    """Makes records of new keys and opens those of old ones; the pepper encrypts the private halves."""

    def __init__(self, pepper: Pepper) -> None:
        self._box = AESGCM(pepper.derive_key("signing keys"))

    def make(self, algorithm: str, *, number: int, active_from: float | None = None) -> SigningKeyRecord:
        """A new key, not stored yet. RSA keys take up to a second.

        :param active_from: when it begins to sign, None for now.
        """
        kid = make_id().lstrip("-")  # operators type it, and the command line takes "-" for an option
        now = time.time()
        key = _generate(algorithm)
        public = {**key.as_dict(private=False), "kid": kid, "alg": algorithm, "use": "sig"}
        return SigningKeyRecord(
            kid=kid,
            number=number,
            algorithm=algorithm,
            public_jwk=json.dumps(public),
            private_box=self._close(kid, key.as_dict(private=True)),
            created_at=now,
            active_from=now if active_from is None else active_from,
        )

    def can_open(self, record: SigningKeyRecord) -> bool:
        """Whether the key was encrypted with this pepper."""
        try:
            self._decrypt(record)
        except InvalidTag:
            return False
        return True

    def open(self, record: SigningKeyRecord) -> Any:
        """The private key, decrypted, as a joserfc key.

        :raises UnavailableError: the key was encrypted with another pepper.
        """
        try:
            private = json.loads(self._decrypt(record))
        except InvalidTag:
            text = f"the pepper does not open signing key {record.kid}"
            raise UnavailableError("wrong_pepper", text, lasting=True) from None
        return _KINDS[record.algorithm].import_key(private)

    def _decrypt(self, record: SigningKeyRecord) -> bytes:
        box = record.private_box
        return self._box.decrypt(box[:_NONCE_BYTES], box[_NONCE_BYTES:], record.kid.encode())

    def _close(self, kid: str, private: Mapping[str, Any]) -> bytes:
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._box.encrypt(nonce, json.dumps(private).encode(), kid.encode())


def _generate(algorithm: str) -> Any:
    if algorithm == "RS256":
        return RSAKey.generate_key(2048, private=True)
    if algorithm == "ES256":
        return ECKey.generate_key("P-256", private=True)
    return OKPKey.generate_key("Ed25519", private=True)
