"""Keys from a file that somebody else replaces: a JWK Set (RFC 7517 section 5) or PEM."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
from joserfc.jwk import ECKey, OKPKey, RSAKey

from .. import processes
from ..errors import InvalidToken, UnavailableError
from ..interfaces import KeyDocument
from ..jwt.jws import Thumbprints
from ..jwt.keyset import KeySet, build_key_set, find_candidates, find_secret_members
from ..jwt.thumbprints import describe_certificate
from ..jwt.verify import Candidates
from ..outages import Outages
from ..private_files import FileMark, find_mark, read_secret_file
from ..strict_json import parse_document

__all__ = ["KeyFile", "read_key_file"]

logger = logging.getLogger("pyramid_oauthguard")

_KINDS: Final = ((RSAPublicKey, RSAKey), (EllipticCurvePublicKey, ECKey))
_BLOCK: Final = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----.+?-----END \1-----", re.DOTALL)
_NEVER: Final = -float("inf")


class KeyFile:
    """The keys in a file, in place of those that an issuer publishes.

    The file is looked at before each use, and read when it is another one. A file that is missing, can't be read or contains a
    private key is not used: the known keys stay in use for ``max_stale`` seconds after the file was last good.
    A file with an empty set is a good one.

    :ivar kept: what the verifiers ask for the set in force; this object.
    """

    def __init__(
        self, path: str, *, algorithms: tuple[str, ...], uses: tuple[str, ...] = ("sig",), max_stale: float
    ) -> None:
        self._path = path
        self._algorithms = algorithms
        self._uses = uses
        self._max_stale = max_stale
        self._value: KeySet | None = None
        self._good: FileMark | None = None
        self._bad: FileMark | None = None
        self._why = ""
        self._good_at = _NEVER
        self._outages = Outages(logger)
        self._leave_parent()
        processes.register(self, KeyFile._leave_parent)

    @property
    def kept(self) -> KeyFile:
        return self

    def find(
        self, algorithm: str, kid: str | None, thumbprints: Thumbprints = (), *, issuer: str | None = None
    ) -> tuple[KeySet, Candidates]:
        """The set and its keys that may have signed a token of ``issuer`` with this header.

        :raises InvalidToken: no key fits. :raises UnavailableError: there is no file, and there was none for too long.
        """
        keys = self.require(time.time())
        found = find_candidates(keys, algorithm, kid, thumbprints, issuer=issuer)
        if not found:
            raise InvalidToken("unknown_key")
        return keys, found

    def find_newer(self, *_seen: Any, **_issuer: Any) -> None:
        """None: the file is looked at before each use."""

    def require(self, now: float) -> KeySet:
        """The keys in force at ``now``. The same object as long as they are equal.

        :raises UnavailableError: the file is missing or bad, and was so for too long.
        """
        mark = self._look()
        if self._value is not None and mark is not None and mark == self._good:
            self._good_at = now
            return self._value
        return self._require_changed(now)

    @property
    def value(self) -> KeySet | None:
        """The keys that were last read."""
        return self._value

    @property
    def is_failing(self) -> bool:
        """Whether the file was missing or bad when it was looked at last."""
        return self._good is None or self._look() != self._good

    def find_age(self, now: float) -> float:
        """Seconds since the file was last seen good."""
        return max(0.0, now - self._good_at)

    def forget(self) -> None:
        """Read the file again at the next use."""
        self._good = self._bad = None

    def _leave_parent(self) -> None:
        self._lock = threading.Lock()

    def _look(self) -> FileMark | None:
        try:
            return find_mark(self._path)
        except OSError:
            return None

    def _require_changed(self, now: float) -> KeySet:
        with self._lock:
            mark = self._look()
            if mark is None or mark not in (self._good, self._bad):
                self._read(mark, now)
            elif mark == self._good:
                self._good_at = now
            if self._value is None or now >= self._good_at + self._max_stale:
                raise UnavailableError("bad_key_file", f"{self._path} {self._why}", retry_after=30, lasting=True)
            return self._value

    def _read(self, mark: FileMark | None, now: float) -> None:
        try:
            keys = build_key_set(read_key_file(self._path).keys, self._algorithms, uses=self._uses)
        except ValueError as error:
            self._bad, self._why = mark, str(error)
            self._outages.report("the key file", f"the keys in {self._path} are not used: it {error}")
            return
        if keys != self._value:
            self._value = keys
        self._good, self._bad, self._good_at = mark, None, now
        self._outages.ended("the key file", f"the keys in {self._path} are used again")


def read_key_file(path: str) -> KeyDocument:
    """The keys in a file.

    :raises ValueError: it can't be read, or it contains something else than public keys. The message follows the name of the file
        in a sentence; it contains nothing of the content.
    """
    try:
        content = read_secret_file(Path(path))
    except OSError as error:
        raise ValueError(f"can't be read: {error.strerror}") from None
    keys = tuple(_read_pem(content)) if b"-----BEGIN " in content else _read_set(content)
    for number, key in enumerate(keys, 1):
        secret = find_secret_members(key)
        if secret:
            raise ValueError(f"contains a private or symmetric key: key {number} has {' '.join(secret)}")
    return KeyDocument(keys)


def _read_set(content: bytes) -> tuple[Mapping[str, Any], ...]:
    try:
        keys = parse_document(content).get("keys")
    except ValueError:
        raise ValueError("is neither a JWK Set nor PEM") from None
    if not isinstance(keys, list) or not all(isinstance(key, dict) for key in keys):
        raise ValueError('is not a JWK Set: an object with a list of "keys"')
    return tuple(keys)


def _read_pem(content: bytes) -> Iterator[Mapping[str, Any]]:
    for block in _BLOCK.finditer(content):
        label = block[1].decode()
        if "PRIVATE" in label:
            raise ValueError("contains a private key: it must contain public keys or certificates only")
        try:
            yield _read_certificate(block[0]) if label == "CERTIFICATE" else _as_jwk(load_pem_public_key(block[0]))
        except Exception:  # noqa: BLE001  # whatever a library says of what is not a key
            raise ValueError(f"contains a {label} that can't be used as a key") from None
    if len(_BLOCK.findall(content)) != content.count(b"-----BEGIN "):
        raise ValueError("contains PEM that is not complete")


def _read_certificate(pem: bytes) -> Mapping[str, Any]:
    certificate = x509.load_pem_x509_certificate(pem)
    return {**_as_jwk(certificate.public_key()), **describe_certificate(certificate.public_bytes(Encoding.DER))}


def _as_jwk(key: Any) -> Mapping[str, Any]:
    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    kind: Any = next((kind for public, kind in _KINDS if isinstance(key, public)), OKPKey)
    found: Mapping[str, Any] = kind.import_key(pem).as_dict(private=False)
    return {name: value for name, value in found.items() if name != "kid"}
