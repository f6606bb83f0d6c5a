"""Signing keys for tests, made once a process: an RSA key takes longer than most tests."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any, Final

__all__ = ["KINDS", "KeyPool", "SigningKey", "generate_key"]

KINDS: Final[dict[str, tuple[str, int | str]]] = {
    "RS256": ("RSA", 2048),
    "RS384": ("RSA", 2048),
    "RS512": ("RSA", 2048),
    "PS256": ("RSA", 2048),
    "PS384": ("RSA", 2048),
    "PS512": ("RSA", 2048),
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "ES512": ("EC", "P-521"),
    "EdDSA": ("OKP", "Ed25519"),
    "Ed25519": ("OKP", "Ed25519"),
}
"""Algorithm (RFC 7518 section 3.1, RFC 8037, RFC 9864) -> key type, and size in bits or curve."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key and what it signs with.

    :ivar kid: its id in key sets and token headers.
    :ivar algorithm: the ``alg`` it signs with, such as ``"ES256"``.
    :ivar native: the key as joserfc holds it.
    """

    kid: str
    algorithm: str
    native: Any = field(repr=False, compare=False)

    @property
    def jwk(self) -> dict[str, Any]:
        """The public half as an issuer publishes it (RFC 7517 section 4)."""
        return {**self.native.as_dict(private=False), "kid": self.kid, "alg": self.algorithm, "use": "sig"}


def generate_key(algorithm: str = "RS256", *, kid: str = "") -> SigningKey:
    """A new key for ``algorithm``; without ``kid`` it is named by its thumbprint (RFC 7638).

    :raises ValueError: if the algorithm is not supported.
    """
    native = _generate(*_require_kind(algorithm))
    return SigningKey(kid or native.thumbprint(), algorithm, native)


class KeyPool:
    """Lends keys, each to one borrower at a time, so that no two issuers share one by accident.

    Without a lock: issuers give their keys back when they are collected, and the collector may run in the middle of
    :meth:`borrow`, in the same thread. Every step is one operation of a list, which is atomic in the interpreter.
    """

    def __init__(self) -> None:
        self._free: dict[tuple[str, int | str], list[Any]] = {kind: [] for kind in KINDS.values()}
        self._numbers = itertools.count(1)

    def borrow(self, algorithm: str) -> SigningKey:
        """A key that no other borrower has, with an id that no key had before."""
        kind = _require_kind(algorithm)
        kid = f"{algorithm.lower()}-{next(self._numbers)}"
        try:
            native = self._free[kind].pop()
        except IndexError:
            native = _generate(*kind)
        return SigningKey(kid, algorithm, native)

    def give_back(self, keys: list[SigningKey]) -> None:
        """Give back keys of :meth:`borrow` that are no longer used for signing."""
        for key in keys:
            self._free[_require_kind(key.algorithm)].append(key.native)


def _require_kind(algorithm: str) -> tuple[str, int | str]:
    try:
        return KINDS[algorithm]
    except KeyError:
        raise ValueError(f"no key signs with {algorithm!r}; choose one of {', '.join(KINDS)}") from None


def _generate(kty: str, size: int | str) -> Any:
    from joserfc import jwk  # 170 ms, which only those who sign should wait for

    return jwk.generate_key(kty, size)  # type: ignore[call-overload]  # its overloads want literals
