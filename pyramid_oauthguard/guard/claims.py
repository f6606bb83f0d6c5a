"""Claims checked and made into an AccessToken: the same rules for a JWT and for an introspection answer."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from ..access_token import AccessToken
from ..errors import InvalidToken
from .settings import GuardSettings

__all__ = ["CLIENT_CLAIMS", "build_access_token", "check_profile", "find_roles"]

_MAX_NUMBER: Final = 2.0**53
_RFC9068: Final = ("iss", "exp", "aud", "sub", "client_id", "iat", "jti")
CLIENT_CLAIMS: Final = ("client_id", "cid", "azp")


def check_profile(claims: Mapping[str, Any], profile: str) -> None:
    """Every claim that RFC 9068 section 2.2 requires, where the profile says so."""
    if profile == "rfc9068" and not all(name in claims for name in _RFC9068):
        raise InvalidToken("missing_claim")


def build_access_token(
    claims: Mapping[str, Any], settings: GuardSettings, *, mode: str, now: float, audience_required: bool = True
) -> AccessToken:
    """Check ``iss``, ``exp``, ``nbf``, ``iat``, ``aud`` and the client (RFC 7519 section 4.1), then build the value.

    Not checked here: signature, ``typ``, whether the issuer still calls the token active.

    :param now: seconds since the epoch.
    :param audience_required: False lets ``aud`` be absent; when present it is checked all the same.
    :raises InvalidToken: with the first reason found.
    """
    if claims.get("iss") != settings.issuer:
        raise InvalidToken("wrong_issuer")
    expires_at = _find_time(claims, "exp")
    if expires_at is None:
        raise InvalidToken("missing_exp")
    issued_at = _find_time(claims, "iat")
    _check_times(expires_at, issued_at, _find_time(claims, "nbf"), now, settings.leeway)
    audience = _find_audience(claims)
    if not any(name in settings.audience for name in audience) and (audience or audience_required):
        raise InvalidToken("wrong_audience")
    client_id = _find_client(claims)
    if settings.client_id and client_id not in settings.client_id:
        raise InvalidToken("wrong_client")
    return AccessToken(
        subject=_find_text(claims, "sub"),
        client_id=client_id,
        scopes=_find_scopes(claims, settings.scope_claim),
        audience=audience,
        issuer=settings.issuer,
        expires_at=expires_at,
        issued_at=issued_at,
        token_id=_find_text(claims, "jti"),
        username=_find_text(claims, "username"),
        claims=_freeze(claims),
        mode=mode,
    )


def find_roles(claims: Mapping[str, Any], path: str) -> tuple[str, ...]:
    """The roles at a dotted ``path``; a claim whose own name has dots in it is found first.

    Text counts as one role; whatever else is no text gives none.
    """
    value: Any = claims.get(path)
    if value is None:
        value = claims
        for name in path.split("."):
            value = value.get(name) if isinstance(value, Mapping) else None
    if isinstance(value, str):
        return (value,)
    return tuple(each for each in value if isinstance(each, str)) if isinstance(value, (list, tuple)) else ()


def _find_time(claims: Mapping[str, Any], name: str) -> float | None:
    """A NumericDate (RFC 7519 section 2). A string, null or truth value is refused, not guessed at."""
    value = claims.get(name, None)
    if value is None:
        if name in claims:
            raise InvalidToken("bad_time")
        return None
    kind = type(value)  # exactly: bool is an int
    if (kind is not int and kind is not float) or not -_MAX_NUMBER < value < _MAX_NUMBER or math.isnan(value):
        raise InvalidToken("bad_time")
    return value  # type: ignore[no-any-return]


def _check_times(exp: float, iat: float | None, nbf: float | None, now: float, leeway: float) -> None:
    if now >= exp + leeway:
        raise InvalidToken("expired")
    if nbf is not None and nbf > now + leeway:
        raise InvalidToken("not_yet_valid")
    if iat is not None and iat > now + leeway:
        raise InvalidToken("issued_in_future")


def _find_audience(claims: Mapping[str, Any]) -> tuple[str, ...]:
    if "aud" not in claims:
        return ()
    value = claims["aud"]
    return _as_texts(value, "bad_audience")


def _find_client(claims: Mapping[str, Any]) -> str | None:
    for name in CLIENT_CLAIMS:
        if name in claims:
            value = claims[name]
            if type(value) is not str:
                raise InvalidToken("bad_client")
            return value
    return None


def _find_scopes(claims: Mapping[str, Any], names: tuple[str, ...]) -> frozenset[str]:
    for name in names:
        if name in claims:
            value = claims[name]
            if type(value) is str:
                return frozenset(value.split(" ")) - {""}
            return frozenset(_as_texts(value, "bad_scope"))
    return frozenset()


def _find_text(claims: Mapping[str, Any], name: str) -> str | None:
    value = claims.get(name)
    if value is not None and type(value) is not str:
        raise InvalidToken("bad_claim")
    return value


def _as_texts(value: Any, reason: str) -> tuple[str, ...]:
    if type(value) is str:
        return (value,)
    if type(value) not in (list, tuple):
        raise InvalidToken(reason)
    for each in value:
        if type(each) is not str:
            raise InvalidToken(reason)
    return tuple(value)


def _freeze(value: Any) -> Any:
    """One token serves many requests: what one of them changed, all others would see."""
    kind = type(value)
    if kind is dict:
        return MappingProxyType(
            {name: _freeze(each) if type(each) in (dict, list) else each for name, each in value.items()}
        )
    if kind is list:
        return tuple([_freeze(each) if type(each) in (dict, list) else each for each in value])
    return value
