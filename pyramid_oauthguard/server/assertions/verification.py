"""What an assertion must be (RFC 7523 section 3), judged by its characters, its issuer's keys and the time.

The client gets the same refusal for every error in an assertion; the log names the rule that was broken.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ...errors import InvalidToken
from ...jwt.base64url import parse_segment
from ...jwt.claims import as_texts, as_time, read_audience, read_times
from ...jwt.jws import ParsedHeader, parse_header, parse_segment_object, split
from ...jwt.token_kind import check_kind

__all__ = ["Presented", "Signed", "read_signed", "verify_claims"]

#: ``typ`` of the header: none, a JWT, or an identity assertion for this purpose (ID-JAG).
_TYPES: Final = frozenset({None, "jwt", "oauth-id-jag+jwt"})
#: Claims that access tokens name their kind with, and values of ``typ`` (Keycloak) that any JWT may have.
_KINDS: Final = frozenset({"token_use", "token_type", "tokenName"})
_NEUTRAL: Final = frozenset({"jwt", "application/jwt"})
_MAX_CHARACTERS: Final = 255


@dataclass(frozen=True, slots=True)
class Signed:
    """An assertion that was taken apart; NOT verified."""

    claims: Mapping[str, Any]
    issuer: str
    header: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    message: bytes = field(repr=False)

    def read_header(self, algorithms: tuple[str, ...]) -> ParsedHeader:
        """:raises InvalidToken: another algorithm or another kind of token."""
        return parse_header(self.header, algorithms, _TYPES)

    def check_signature(self, verify: Callable[[bytes, bytes], bool]) -> None:
        """:param verify: whether a signature of a message is good.

        :raises InvalidToken: it is not.
        """
        if not verify(self.message, parse_segment(self.signature)):
            raise InvalidToken("bad_signature")


@dataclass(frozen=True, slots=True)
class Presented:
    """What a verified assertion says.

    :ivar expires_at: with the leeway.
    :ivar scopes: None: it says nothing about scopes; so ``audiences`` about APIs.
    """

    subject: str
    token_id: str
    expires_at: float
    scopes: tuple[str, ...] | None
    audiences: tuple[str, ...] | None


def read_signed(text: str) -> Signed:
    """The assertion in ``text``. :raises InvalidToken: not a JWT with an issuer."""
    header, body, signature, message = split(text)
    claims = parse_segment_object(body)
    return Signed(claims, _require_text(claims, "iss"), header, signature, message)


def verify_claims(
    claims: Mapping[str, Any], *, audience: str, client_id: str, now: float, leeway: float, max_life: float
) -> Presented:
    """Judge the claims of an assertion whose signature is good.

    NOT checked: that it was not used before.

    :param audience: the issuer identifier of this server; ``aud`` must be this alone.
    :param client_id: of the authenticated client; an assertion that names a client must name this one.
    :raises InvalidToken: with the first rule that is broken.
    """
    check_kind(claims)
    if _names_access_token(claims):
        raise InvalidToken("access_token")
    if read_audience(claims) != (audience,):
        raise InvalidToken("wrong_audience")
    expires_at, issued_at = read_times(claims, now - leeway, now + leeway)
    begins = [each for each in (issued_at, as_time(claims["nbf"]) if "nbf" in claims else None) if each is not None]
    if expires_at > now + max_life + leeway or any(expires_at - begin > max_life for begin in begins):
        raise InvalidToken("lives_too_long")
    if "client_id" in claims and claims["client_id"] != client_id:
        raise InvalidToken("wrong_client")
    if "cnf" in claims:
        raise InvalidToken("bound")  # its proof is not checked here
    return Presented(
        subject=_require_text(claims, "sub"),
        token_id=_require_text(claims, "jti"),
        expires_at=expires_at + leeway,
        scopes=_read_scopes(claims),
        audiences=as_texts(claims["resource"], "bad_resource") if "resource" in claims else None,
    )


def _names_access_token(claims: Mapping[str, Any]) -> bool:
    """Whether a claim says that it is an access token. NOT checked: what :func:`check_kind` checks before."""
    return not _KINDS.isdisjoint(claims) or str(claims.get("typ", "jwt")).lower() not in _NEUTRAL


def _require_text(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name)
    if type(value) is not str or not 0 < len(value) <= _MAX_CHARACTERS or not value.isprintable():
        raise InvalidToken(f"bad_{name}")
    return value


def _read_scopes(claims: Mapping[str, Any]) -> tuple[str, ...] | None:
    if "scope" not in claims:
        return None
    if type(claims["scope"]) is not str:
        raise InvalidToken("bad_scope")
    return tuple(filter(None, claims["scope"].split(" ")))  # RFC 6749 section 3.3: no other white space
