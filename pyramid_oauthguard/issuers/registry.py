"""IssuerRegistry: which issuer a token names."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from ..errors import InvalidToken
from ..jwt.jws import Jwt, looks_like_jwt, parse_jwt
from .template import IssuerTemplate

__all__ = ["Choice", "Issuer", "IssuerRegistry"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Issuer(Generic[T]):
    """One issuer of an application.

    :ivar name: the application's own name for it, None for the plain issuer.
    :ivar identifier: the issuer identifier, compared byte for byte with ``iss``.
    :ivar parts: what belongs to it alone, such as its verifiers.
    :ivar template: the identifier's template, if it has a placeholder.
    :ivar token_prefix: how its opaque tokens begin; None if no opaque token is for it.
    """

    name: str | None
    identifier: str
    parts: T
    template: IssuerTemplate | None = None
    token_prefix: str | None = None


@dataclass(frozen=True, slots=True)
class Choice(Generic[T]):
    """The issuer that has to judge a token.

    :ivar value: what stands for the placeholder of its template; None without a template, and where only the issuer's answer
        can say it.
    """

    issuer: Issuer[T]
    value: str | None = None


class IssuerRegistry(Generic[T]):
    """The issuers of one application, at least one. A token is judged by one of them, and sent to no other.

    :raises ValueError: there is none, or two have the same identifier.
    """

    def __init__(self, issuers: Iterable[Issuer[T]]) -> None:
        self._issuers = tuple(issuers)
        self._templates = tuple((each.template, each) for each in self._issuers if each.template is not None)
        self._by_identifier = {each.identifier: Choice(each) for each in self._issuers if each.template is None}
        self._prefixes = tuple((each.token_prefix, Choice(each)) for each in self._issuers if each.token_prefix)
        if not self._issuers or len({each.identifier for each in self._issuers}) < len(self._issuers):
            raise ValueError("issuers must have identifiers of their own, and there must be one")

    def list_parts(self) -> list[T]:
        """The parts of every issuer."""
        return [each.parts for each in self._issuers]

    def find_only(self) -> Issuer[T] | None:
        """The issuer that judges every token; None where a token has to say which one it is for."""
        first = self._issuers[0]
        plain = first.name is None and first.template is None and first.token_prefix is None
        return first if plain and len(self._issuers) == 1 else None

    def choose(self, raw: str) -> tuple[Choice[T], Jwt | None]:
        """The issuer that has to judge a token, and the token taken apart. NOT checked: whether the token is from it.

        A JWT is for the issuer that it names. An opaque token is for the issuer with its prefix, and is shown to no other.

        :raises InvalidToken: it names no issuer or an unknown one, or has no prefix of one issuer alone.
        """
        try:
            jwt = parse_jwt(raw)
        except InvalidToken as error:
            return self._choose_by_prefix(raw, error.reason), None
        named = jwt[-1].get("iss")
        if type(named) is not str:
            raise InvalidToken("wrong_issuer")
        found = self._by_identifier.get(named) or self._find_of_template(named)
        if found is None:
            raise InvalidToken("wrong_issuer")
        return found, jwt

    def _find_of_template(self, identifier: str) -> Choice[T] | None:
        for template, issuer in self._templates:
            value = template.find_value(identifier)
            if value is not None:
                return Choice(issuer, value)
        return None

    def _choose_by_prefix(self, raw: str, why_no_jwt: str) -> Choice[T]:
        found = [choice for prefix, choice in self._prefixes if raw.startswith(prefix)]
        if len(found) == 1:
            return found[0]
        raise InvalidToken(why_no_jwt if looks_like_jwt(raw) else "opaque_of_no_issuer")
