"""Signing keys: made on first use, encrypted at rest, published by their public half.

The keys are remembered in the process for a minute at the most; another process' new key is published from the moment
this one reads it, and must therefore not sign before (SK-01).
"""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from joserfc.jwk import ECKey, OKPKey, RSAKey

from ..errors import UnavailableError
from .hashing import Pepper
from .random_values import make_id
from .store.contract import Store
from .store.records import SigningKeyRecord

__all__ = ["KeyRing", "SigningKey"]

REMEMBER = 60.0
_NONCE = 12


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key ready to sign."""

    kid: str
    algorithm: str
    key: Any = field(repr=False)


class KeyRing:
    """The keys of one issuer."""

    def __init__(self, store: Store, pepper: Pepper, *, algorithm: str) -> None:
        self._store = store
        self._box = AESGCM(pepper.derive_key("signing keys"))
        self._algorithm = algorithm
        self._lock = threading.Lock()
        self._records: tuple[SigningKeyRecord, ...] = ()
        self._read_at = float("-inf")
        self._signer: SigningKey | None = None

    def find_signer(self) -> SigningKey:
        """The key to sign with now; makes the first one.

        :raises UnavailableError: the storage can't be reached, or the pepper is not the one that the keys were kept with.
        """
        record = self._find_active(self._load()) or self._make_first()
        signer = self._signer
        if signer is None or signer.kid != record.kid:
            signer = self._signer = SigningKey(record.kid, record.algorithm, self._open(record))
        return signer

    def list_published(self) -> tuple[Mapping[str, Any], ...]:
        """Public JWKs of every key that may have signed a live token, or will sign.

        :raises UnavailableError: the storage can't be reached.
        """
        self.find_signer()
        now = time.time()
        return tuple(
            json.loads(record.public_jwk)
            for record in self._load()
            if record.revoked_at is None and (record.expires_at is None or now < record.expires_at)
        )

    def forget(self) -> None:
        """Read the keys again at the next use: they were changed."""
        self._read_at = float("-inf")

    def _load(self) -> tuple[SigningKeyRecord, ...]:
        now = time.time()
        if not 0 <= now - self._read_at < REMEMBER:
            with self._lock, self._store.reading() as unit:
                self._records = unit.list_keys()
                self._read_at = now
        return self._records

    def _find_active(self, records: tuple[SigningKeyRecord, ...]) -> SigningKeyRecord | None:
        now = time.time()
        usable = [
            record
            for record in records
            if record.algorithm == self._algorithm and record.retired_at is None and record.revoked_at is None
        ]
        started = [record for record in usable if record.active_from <= now]
        if started:
            return started[-1]
        # A host whose clock is behind must not make a key of its own because the first one is from its future.
        return usable[0] if usable else None

    def _make_first(self) -> SigningKeyRecord:
        """Make a key that signs at once. Of two processes that do so together one wins, and both use its key."""
        with self._store.reading() as unit:
            records = unit.list_keys()
        record = self._find_active(records)
        if record is None:
            record = self._make(number=max((each.number for each in records), default=0) + 1)
            with self._store.writing() as unit:
                unit.add_key(record)
        self.forget()
        found = self._find_active(self._load())
        if found is None:
            raise UnavailableError("no_signing_key")
        return found

    def _make(self, *, number: int) -> SigningKeyRecord:
        kid = make_id()
        now = time.time()
        key = _generate(self._algorithm)
        public = {**key.as_dict(private=False), "kid": kid, "alg": self._algorithm, "use": "sig"}
        return SigningKeyRecord(
            kid=kid,
            number=number,
            algorithm=self._algorithm,
            public_jwk=json.dumps(public),
            private_box=self._close(kid, key.as_dict(private=True)),
            created_at=now,
            active_from=now,
        )

    def _close(self, kid: str, private: Mapping[str, Any]) -> bytes:
        nonce = secrets.token_bytes(_NONCE)
        return nonce + self._box.encrypt(nonce, json.dumps(private).encode(), kid.encode())

    def _open(self, record: SigningKeyRecord) -> Any:
        box = record.private_box
        try:
            private = json.loads(self._box.decrypt(box[:_NONCE], box[_NONCE:], record.kid.encode()))
        except InvalidTag:
            raise UnavailableError("wrong_pepper", f"the pepper does not open signing key {record.kid}") from None
        return _KINDS[record.algorithm].import_key(private)


_KINDS: dict[str, Any] = {"RS256": RSAKey, "ES256": ECKey, "EdDSA": OKPKey}


def _generate(algorithm: str) -> Any:
    if algorithm == "RS256":
        return RSAKey.generate_key(2048, private=True)
    if algorithm == "ES256":
        return ECKey.generate_key("P-256", private=True)
    return OKPKey.generate_key("Ed25519", private=True)
