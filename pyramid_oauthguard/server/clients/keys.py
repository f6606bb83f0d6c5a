"""The public keys of a client that authenticates with a signature (RFC 7517, RFC 7523)."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from typing import Any, Final

from ...jwt.algorithms import ALGORITHMS
from ...jwt.keyset import KeySet, build_key_set, find_fault
from ...strict_json import check_depth, check_text_depth
from ..grant_types import RegistrationError

__all__ = ["as_key_set", "build_client_keys", "list_names"]

_MAX_KEYS: Final = 10


def as_key_set(jwks: Mapping[str, Any] | str) -> str:
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
        fault = _find_fault(key)
        if fault is not None:
            raise RegistrationError("jwks", f"key {number} can't be used: {fault}")
    try:
        return json.dumps({"keys": keys})
    except (TypeError, ValueError):
        raise RegistrationError("jwks", "contains values that are not JSON") from None


@functools.lru_cache(maxsize=128)
def build_client_keys(jwks: str) -> KeySet:
    """The keys of a stored key set, ready to verify.

    For an assertion without ``kid``, every key is tried: the number of keys is limited, and a client that signs with
    its last key must not be refused.
    """
    return build_key_set(json.loads(jwks)["keys"], ALGORITHMS, max_tried=_MAX_KEYS)


def list_names(jwks: str) -> list[str]:
    """A name for each key of a stored key set, for people: the kid, or else the key type."""
    return [str(key.get("kid") or key.get("crv") or key["kty"]) for key in json.loads(jwks)["keys"]]


def _find_fault(key: object) -> str | None:
    fault = find_fault(key)
    if fault is None and isinstance(key, Mapping) and key.get("crv") == "Ed448":
        return "its crv 'Ed448' is not supported"  # EdDSA in the metadata means Ed25519 only
    return fault
