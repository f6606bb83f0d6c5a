"""How claims become an access token without any optimization: what the guard's own way is compared with."""

from __future__ import annotations

from typing import Any

from pyramid_oauthguard import AccessToken, InvalidToken
from pyramid_oauthguard.access_token import freeze
from pyramid_oauthguard.guard.settings import GuardSettings
from pyramid_oauthguard.jwt.claims import as_texts, check_texts, read_audience, read_times
from pyramid_oauthguard.jwt.token_kind import check_kind

__all__ = ["build_plainly"]


def build_plainly(
    claims: dict[str, Any], settings: GuardSettings, *, mode: str, now: float, audience_required: bool = True
) -> AccessToken:
    """What `build_access_token` does, by the functions for any shape and the constructor."""
    if claims.get("iss") != settings.issuer:
        raise InvalidToken("wrong_issuer")
    if "cnf" in claims:
        raise InvalidToken("bound_token")
    check_kind(claims)
    expires_at, issued_at = read_times(claims, now - settings.leeway, now + settings.leeway)
    audience = read_audience(claims)
    if set(audience).isdisjoint(settings.audience) and (audience or audience_required):
        raise InvalidToken("wrong_audience")
    named = [claims[name] for name in settings.client_id_claim if name in claims]
    if named and not isinstance(named[0], str):
        raise InvalidToken("bad_client")
    client_id = named[0] if named else None
    if settings.client_id and client_id not in settings.client_id:
        raise InvalidToken("wrong_client")
    check_texts(claims.get("sub"), claims.get("jti"), claims.get("username"))
    granted = [claims[name] for name in settings.scope_claim if name in claims]
    scopes = as_texts(granted[0], "bad_scope") if granted else ()
    if granted and isinstance(granted[0], str):
        scopes = tuple(each for each in granted[0].split(" ") if each)
    return AccessToken(
        subject=claims.get("sub"), client_id=client_id, scopes=frozenset(scopes), audience=audience, issuer=settings.issuer,
        expires_at=expires_at, issued_at=issued_at, token_id=claims.get("jti"), username=claims.get("username"),
        claims=freeze(claims), mode=mode,
    )  # fmt: skip
