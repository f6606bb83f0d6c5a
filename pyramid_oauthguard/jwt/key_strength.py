"""Public keys that prove nothing, because any caller could sign for them, or that cost too much to verify with."""

from __future__ import annotations

from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

__all__ = ["check_strength"]

_MIN_RSA_BITS: Final = 2048
_MAX_RSA_BITS: Final = 16_384
#: OpenSSL verifies with no longer exponent where the modulus has more than 3072 bits.
_MAX_EXPONENT_BITS: Final = 64
#: The primes of the two curves' fields (RFC 8032 sections 5.1 and 5.2).
_P25519: Final = 2**255 - 19
_P448: Final = 2**448 - 2**224 - 1
#: The y coordinate of the four points of order 8, up to its sign.
_Y8: Final = int.from_bytes(bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little")
#: The y coordinates of the points whose order divides the cofactor: 8 points of order 1, 2, 4 and 8; 4 of 1, 2 and 4.
_SMALL_25519: Final = frozenset({0, 1, _P25519 - 1, _Y8, _P25519 - _Y8})
_SMALL_448: Final = frozenset({0, 1, _P448 - 1})


def check_strength(key: Any) -> None:
    """Refuse a public key (of ``cryptography``) that no signature should be verified with.

    RSA: NIST SP 800-131A for the least size; an exponent of 1 makes every message its own signature, a long one makes each
    check slow, and an even modulus is not the product of two large primes. Ed25519 and Ed448:
    with a key of small order a signature without any private key verifies for many messages. Not checked: that an
    elliptic curve point is on its curve, which the import does.

    :raises ValueError: what is wrong with it, after "the key".
    """
    if isinstance(key, RSAPublicKey):
        _check_rsa(key)
    elif isinstance(key, Ed25519PublicKey):
        _check_order(key.public_bytes_raw(), _P25519, _SMALL_25519)
    elif isinstance(key, Ed448PublicKey):
        _check_order(key.public_bytes_raw(), _P448, _SMALL_448)


def _check_rsa(key: RSAPublicKey) -> None:
    if key.key_size < _MIN_RSA_BITS:
        raise ValueError(f"has fewer than {_MIN_RSA_BITS} bits")
    if key.key_size > _MAX_RSA_BITS:
        raise ValueError(f"has more than {_MAX_RSA_BITS} bits")
    exponent, modulus = key.public_numbers().e, key.public_numbers().n
    if exponent < 3 or exponent % 2 == 0:
        raise ValueError("has an exponent that is even or less than 3")
    if exponent.bit_length() > _MAX_EXPONENT_BITS:
        raise ValueError(f"has an exponent of more than {_MAX_EXPONENT_BITS} bits")
    if modulus % 2 == 0:
        raise ValueError("has an even modulus: any caller could sign for it")


def _check_order(raw: bytes, prime: int, small: frozenset[int]) -> None:
    """By the y coordinate; the highest bit is the sign of x, which makes no difference to the order."""
    y = int.from_bytes(raw, "little") & ~(1 << (8 * len(raw) - 1))
    if y >= prime:
        raise ValueError("is not in its canonical encoding (RFC 8032)")
    if y in small:
        raise ValueError("is a point of small order: any caller could sign for it")
