"""One key set, judged and prepared: which key may verify which algorithm (RFC 7517; RFC 8725 section 3)."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from .key_strength import check_strength

__all__ = ["PRIVATE_MEMBERS", "Candidates", "KeySet", "build_key_set", "find_curves"]

#: Which key type and curve belong to which algorithm (RFC 7518 section 3.1, RFC 8037, RFC 9864).
_FITS: Final[dict[str, tuple[str, frozenset[str | None]]]] = {
    **{name: ("RSA", frozenset({None})) for name in ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")},
    "ES256": ("EC", frozenset({"P-256"})),
    "ES384": ("EC", frozenset({"P-384"})),
    "ES512": ("EC", frozenset({"P-521"})),
    "EdDSA": ("OKP", frozenset({"Ed25519", "Ed448"})),
    "Ed25519": ("OKP", frozenset({"Ed25519"})),
}
#: Two names of one algorithm (RFC 9864 section 2.2). A tuple, since a careless ``alg`` may not be hashable.
_EDWARDS: Final = ("EdDSA", "Ed25519")
_IMPORTERS: Final[dict[str, Any]] = {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}
#: A prime alone gives the whole private key away (RFC 7518 sections 6.2.2, 6.3.2 and 6.4.1).
PRIVATE_MEMBERS: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
#: Trying every key of a large set for a token that names none would let it cost what it likes.
_MAX_TRIED: Final = 4

#: ``verify(signature, message)`` raises InvalidSignature, or ValueError for one of impossible numbers.
Verify = Callable[[bytes, bytes], None]
Candidates = tuple[Verify, ...]


@dataclass(frozen=True, slots=True)
class _Key:
    kid: str | None
    verify: Mapping[str, Verify]  # by algorithm


class KeySet:
    """The usable keys of one document. Equal to another set made of the same usable keys."""

    def __init__(self, keys: Iterable[_Key], fingerprint: str) -> None:
        self._fingerprint = fingerprint
        self._named: dict[str | None, list[_Key]] = {}
        for key in keys:
            self._named.setdefault(key.kid, []).append(key)
        self._nameless = self._named.keys() == {None}
        self._all = [key for named in self._named.values() for key in named]

    def __len__(self) -> int:
        return len(self._all)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, KeySet) and other._fingerprint == self._fingerprint

    __hash__ = None  # type: ignore[assignment]  # compared, never looked up

    def has(self, kid: str) -> bool:
        """Whether a usable key bears this name, for whatever algorithm."""
        return kid in self._named

    def find(self, algorithm: str, kid: str | None) -> Candidates:
        """The verifiers that fit, at most four: those named ``kid``, or any when the token or no key has a name."""
        keys = self._all if kid is None or self._nameless else self._named.get(kid, ())
        return tuple(islice((key.verify[algorithm] for key in keys if algorithm in key.verify), _MAX_TRIED))

    def describe(self) -> list[tuple[str | None, tuple[str, ...]]]:
        """Each key's name and the algorithms it verifies, for people."""
        return [(key.kid, tuple(key.verify)) for key in self._all]


def find_curves() -> frozenset[str | None]:
    """The curves that some algorithm can verify with."""
    return frozenset().union(*(curves for kty, curves in _FITS.values() if kty != "RSA"))


def build_key_set(documents: object, algorithms: Iterable[str]) -> KeySet:
    """The keys that may verify signatures under ``algorithms``; whatever else is there is passed over.

    One key that is malformed, private, symmetric, too small or of an unknown kind does not spoil the rest
    (RFC 7517 section 5).
    """
    allowed = tuple(algorithms)
    keys: dict[str, _Key] = {}
    for document in documents if isinstance(documents, (list, tuple)) else ():
        try:
            key = _prepare(document, allowed)
            if key is not None:
                keys[_fingerprint(document)] = key
        except RecursionError:
            continue  # its members are nested as deeply as could just be parsed
    return KeySet(keys.values(), hashlib.sha256("".join(sorted(keys)).encode()).hexdigest())


def _fingerprint(document: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


def _prepare(document: object, allowed: tuple[str, ...]) -> _Key | None:
    if not isinstance(document, Mapping):
        return None
    kid = document.get("kid")
    if ("kid" in document and not isinstance(kid, str)) or not _may_verify(document):
        return None
    names = [name for name in allowed if _fits(document, name)]
    key = _import(document) if names else None
    if key is None:
        return None
    return _Key(kid, {name: _bind(name, key) for name in names})


def _may_verify(document: Mapping[str, Any]) -> bool:
    """``use`` and ``key_ops`` allow it, and it is not private (RFC 7517 sections 4.2 and 4.3)."""
    if document.get("use", "sig") != "sig" or not PRIVATE_MEMBERS.isdisjoint(document):
        return False
    operations = document.get("key_ops")
    return operations is None or (isinstance(operations, list) and "verify" in operations)


def _fits(document: Mapping[str, Any], algorithm: str) -> bool:
    """A key that names its algorithm is for that one only (RFC 8725 section 3.1)."""
    kty, curves = _FITS[algorithm]
    named = document.get("alg") or algorithm
    same = named == algorithm or (named in _EDWARDS and algorithm in _EDWARDS)
    crv = document.get("crv") if kty != "RSA" else None
    return document.get("kty") == kty and same and (crv is None or isinstance(crv, str)) and crv in curves


def _import(document: Mapping[str, Any]) -> Any:
    """The joserfc key, or None. Only what is needed is handed over: an odd extra member must not cost the key."""
    wanted = {name: document[name] for name in ("kty", "n", "e", "crv", "x", "y") if name in document}
    try:
        key = _IMPORTERS[wanted["kty"]].import_key(wanted)
        check_strength(key.public_key)
    except Exception:  # noqa: BLE001  # whatever a library says of one bad key, the others must serve
        return None
    return key


def _bind(algorithm: str, key: Any) -> Verify:
    """The signature check itself, as joserfc's algorithm would make it: with nothing left to do for each token but to
    check. joserfc makes a hash and a padding each time and reads an ECDSA signature in hexadecimal, which costs a
    tenth of the check.
    """
    model: Any = JWSRegistry.algorithms[algorithm]
    verify = key.public_key.verify
    if key.key_type == "OKP":
        return verify  # type: ignore[no-any-return]
    if key.key_type == "RSA":
        return functools.partial(verify, padding=model.padding, algorithm=model.hash_alg())
    return functools.partial(_verify_ecdsa, verify, (key.curve_key_size + 7) // 8, ECDSA(model.hash_alg()))


def _verify_ecdsa(verify: Any, size: int, algorithm: ECDSA, signature: bytes, message: bytes) -> None:
    """Both numbers of the signature in as many bytes as the curve's order has (RFC 7518 section 3.4)."""
    if len(signature) != 2 * size:
        raise InvalidSignature
    numbers = int.from_bytes(signature[:size], "big"), int.from_bytes(signature[size:], "big")
    verify(encode_dss_signature(*numbers), message, algorithm)
