"""IssuerRegistry: which issuer a token names."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from ..errors import InvalidToken
from ..interfaces import Credential
from ..jwt.jws import parse_segment_object, split

__all__ = ["Issuer", "IssuerRegistry"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Issuer(Generic[T]):
    """One issuer of an application.

    :ivar name: the application's own name for it, None for the plain issuer.
    :ivar identifier: the issuer identifier, compared byte for byte with ``iss``.
    :ivar parts: what belongs to it alone, such as its verifiers.
    """

    name: str | None
    identifier: str
    parts: T


class IssuerRegistry(Generic[T]):
    """The issuers of one application, at least one. A token is judged by one of them, and sent to no other.

    :raises ValueError: there is none, or two have the same identifier.
    """

    def __init__(self, issuers: Iterable[Issuer[T]]) -> None:
        self._issuers = tuple(issuers)
        self._by_identifier = {each.identifier: each for each in self._issuers}
        if not self._issuers or len(self._by_identifier) < len(self._issuers):
            raise ValueError("issuers must have identifiers of their own, and there must be one")
        self._only = self._issuers[0] if len(self._issuers) == 1 else None

    def list_parts(self) -> list[T]:
        """The parts of every issuer."""
        return [each.parts for each in self._issuers]

    def choose(self, credential: Credential) -> Issuer[T]:
        """The issuer that has to judge the token. NOT checked: whether the token is from it.

        A single issuer gets every token. With several, a JWT is for the one that it names; a token that names none is for
        none, because it must not be shown to issuers until one knows it.

        :raises InvalidToken: it names no issuer, or an unknown one.
        """
        if self._only is not None:
            return self._only
        _head, body, _tail, _signed = split(credential.characters)
        identifier = parse_segment_object(body).get("iss")
        found = self._by_identifier.get(identifier) if isinstance(identifier, str) else None
        if found is None:
            raise InvalidToken("wrong_issuer")
        return found
