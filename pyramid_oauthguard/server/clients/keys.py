"""The public keys of a client that proves with a signature who it is (RFC 7517, RFC 7523)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import JWKRegistry, Key

from ...jwt.key_strength import check_strength
from ...strict_json import check_depth, check_text_depth
from ..grant_types import RegistrationError

__all__ = ["ALGORITHMS", "check_keys", "list_fitting", "list_names"]

# What each kind of key may sign with, by `kty` and, where it has one, curve.
_FITTING: Final = {
    ("RSA", None): ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    ("EC", "P-256"): ("ES256",),
    ("EC", "P-384"): ("ES384",),
    ("EC", "P-521"): ("ES512",),
    ("OKP", "Ed25519"): ("EdDSA", "Ed25519"),
}
ALGORITHMS: Final = tuple(name for names in _FITTING.values() for name in names)
_PRIVATE: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_MAX_KEYS: Final = 10


def check_keys(jwks: Mapping[str, Any] | str) -> str:
    """A key set (RFC 7517 section 5) as it is stored.

    :param jwks: the object, or its JSON.
    :raises RegistrationError: not a key set, empty, too long, or with a key that can't be used or that is private.
    """
    try:
        if isinstance(jwks, str):
            check_text_depth(jwks)
        document = json.loads(jwks) if isinstance(jwks, str) else dict(jwks)
        keys = list(document["keys"])
        check_depth(keys)
    except (ValueError, KeyError, TypeError, RecursionError):
        raise RegistrationError("jwks", "must be a JSON Web Key Set: an object with `keys`") from None
    if not 0 < len(keys) <= _MAX_KEYS:
        raise RegistrationError("jwks", f"must have 1 to {_MAX_KEYS} keys")
    for number, key in enumerate(keys, 1):
        _check_key(number, key)
    try:
        return json.dumps({"keys": keys})
    except (TypeError, ValueError):
        raise RegistrationError("jwks", "holds what is no JSON") from None


def list_fitting(jwks: str, kid: str | None, algorithm: str) -> list[Key]:
    """The keys of a stored key set that a signature of this algorithm may be of."""
    found = [key for key in json.loads(jwks)["keys"] if _fits(key, kid, algorithm)]
    return [_import(key) for key in found]


def list_names(jwks: str) -> list[str]:
    """What people tell the keys of a stored key set by: the kid, or else the kind."""
    return [str(key.get("kid") or key.get("crv") or key["kty"]) for key in json.loads(jwks)["keys"]]


def _fits(key: Mapping[str, Any], kid: str | None, algorithm: str) -> bool:
    if kid is not None and key.get("kid", kid) != kid:
        return False
    return algorithm in _FITTING.get((key["kty"], key.get("crv")), ()) and key.get("alg", algorithm) == algorithm


def _check_key(number: int, key: Any) -> None:
    if not isinstance(key, Mapping):
        raise RegistrationError("jwks", f"key {number} is not an object")
    if _PRIVATE.intersection(key):
        raise RegistrationError("jwks", f"key {number} is private: only the public half is for the server")
    if (key.get("kty"), key.get("crv")) not in list(_FITTING):  # not a look-up: they may be lists
        raise RegistrationError(
            "jwks", f"key {number} is of no kind that can be used: RSA, EC on a NIST curve, Ed25519"
        )
    operations = key.get("key_ops", ["verify"])
    if key.get("use", "sig") != "sig" or not isinstance(operations, list) or "verify" not in operations:
        raise RegistrationError("jwks", f"key {number} is not for signatures")
    if not isinstance(key.get("kid", ""), str):
        raise RegistrationError("jwks", f"key {number} has a kid that is not text")
    try:
        imported = _import(key)
    except (JoseError, SecurityWarning, ValueError, TypeError):  # the warning, of a short key, where it is an error
        raise RegistrationError("jwks", f"key {number} can't be read") from None
    try:
        check_strength(imported.raw_value)
    except ValueError as error:
        raise RegistrationError("jwks", f"key {number} {error}") from None


def _import(key: Mapping[str, Any]) -> Key:
    return JWKRegistry.import_key(dict(key))
