"""The signature algorithms that are supported, and the keys that they need (RFC 7518 section 3.1, RFC 8037, RFC 9864).

Only algorithms with a private and a public key: with a shared secret, the verifier could also sign (RFC 8725 section 3.5).
"""

from __future__ import annotations

from typing import Final

__all__ = ["ALGORITHMS", "FITTING", "is_same"]

#: The ``kty`` and the values of ``crv`` that a key for the algorithm may have. Tuples: what is compared may be a list.
FITTING: Final[dict[str, tuple[str, tuple[str | None, ...]]]] = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), ("RSA", (None,))),
    "ES256": ("EC", ("P-256",)),
    "ES384": ("EC", ("P-384",)),
    "ES512": ("EC", ("P-521",)),
    "EdDSA": ("OKP", ("Ed25519", "Ed448")),
    "Ed25519": ("OKP", ("Ed25519",)),
}
ALGORITHMS: Final = tuple(FITTING)
#: Two names of one algorithm (RFC 9864 section 2.2).
_EDWARDS: Final = ("EdDSA", "Ed25519")


def is_same(named: object, algorithm: str) -> bool:
    """Whether ``named``, whatever it is, is a name of ``algorithm``."""
    return named == algorithm or (named in _EDWARDS and algorithm in _EDWARDS)
