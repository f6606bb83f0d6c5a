"""The check of a signature (RFC 7515 section 5.2), prepared once for a key and an algorithm."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
from cryptography.hazmat.primitives.asymmetric.padding import PSS
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from joserfc.jws import JWSRegistry

from ..errors import InvalidToken

__all__ = ["MAX_CHECKS", "Candidates", "LimitedCandidates", "Verify", "bind", "build_refusal", "is_signed"]

#: ``verify(signature, message)`` raises InvalidSignature, or ValueError for one of impossible numbers.
Verify = Callable[[bytes, bytes], None]
Candidates = tuple[Verify, ...]
#: How many signatures are checked for one token. Without a limit, a token could cost one check for each key of a large set.
MAX_CHECKS: Final = 16


class LimitedCandidates(tuple[Verify, ...]):
    """The first of the keys that may have signed a token; there were more than may be tried."""

    __slots__ = ()


def build_refusal(candidates: Candidates) -> InvalidToken:
    """The error for a token that none of ``candidates`` found good."""
    return InvalidToken("too_many_keys") if type(candidates) is LimitedCandidates else InvalidToken("bad_signature")


def is_signed(message: bytes, signature: bytes, candidates: Candidates) -> bool:
    """Whether one of the candidates finds the signature good."""
    for verify in candidates:
        try:
            verify(signature, message)
        except (InvalidSignature, ValueError):
            continue
        return True
    return False


def bind(algorithm: str, key: Any) -> Verify:
    """The check as joserfc's algorithm would make it with this key of joserfc, with nothing left to do for each token but
    to check. joserfc makes a hash and a padding each time and reads an ECDSA signature in hexadecimal, which costs an eighth
    of the whole check of an ES256 token.
    """
    model: Any = JWSRegistry.algorithms[algorithm]
    verify = key.public_key.verify
    if key.key_type == "OKP":
        return verify  # type: ignore[no-any-return]
    if key.key_type == "RSA" and isinstance(model.padding, PSS):
        size = (key.public_key.key_size + 7) // 8
        return functools.partial(_verify_pss, verify, size, model.padding, model.hash_alg())
    if key.key_type == "RSA":
        return functools.partial(verify, padding=model.padding, algorithm=model.hash_alg())
    return functools.partial(_verify_ecdsa, verify, (key.curve_key_size + 7) // 8, ECDSA(model.hash_alg()))


def _verify_pss(verify: Any, size: int, padding: PSS, algorithm: Any, signature: bytes, message: bytes) -> None:
    """As many bytes as the modulus has (RFC 8017 section 8.1.2). OpenSSL takes fewer where those that are missing are zero, so
    that one signature of 256 would have two spellings.
    """
    if len(signature) != size:
        raise InvalidSignature
    verify(signature, message, padding, algorithm)


def _verify_ecdsa(verify: Any, size: int, algorithm: ECDSA, signature: bytes, message: bytes) -> None:
    """Both numbers of the signature in as many bytes as the curve's order has (RFC 7518 section 3.4)."""
    if len(signature) != 2 * size:
        raise InvalidSignature
    numbers = int.from_bytes(signature[:size], "big"), int.from_bytes(signature[size:], "big")
    verify(encode_dss_signature(*numbers), message, algorithm)
