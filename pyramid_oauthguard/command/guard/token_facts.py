"""The unverified content of a token, and the issuer's answer about it, for ``oauthguard explain``."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from ...errors import InvalidToken, OAuthGuardError
from ...guard.reports.live_issuer import build_live_issuer, introspect_live
from ...guard.settings import GuardSettings
from ...guard.verifiers.access_tokens import RFC9068_CLAIMS
from ...guard.verifiers.chosen import ChosenVerifier
from ...interfaces import Credential, ICredentialVerifier
from ...jwt.jws import looks_like_jwt, parse_segment_object
from ...jwt.token_kind import check_kind

__all__ = ["fetch_answer", "find_facts", "find_issuer", "is_jwt"]

_MASK: Final = "***"
#: What some issuers write in place of ``exp``.
_ENDS: Final = ("expires_at", "expires_in", "expires", "expiration")


def is_jwt(raw: str) -> bool:
    """Whether the remote check reads ``raw`` as a JWT before it asks the issuer."""
    return looks_like_jwt(raw)


def fetch_answer(registry: Any, settings: GuardSettings, raw: str) -> Mapping[str, Any] | None:
    """The issuer's introspection answer about ``raw``, as it is now, without the token itself.

    None where the remote check would not ask: the application checks such tokens itself, the local check refuses the token,
    or the issuer does not answer.
    """
    if not isinstance(registry.queryUtility(ICredentialVerifier, name="remote"), ChosenVerifier):
        return None
    try:
        if is_jwt(raw) and settings.introspection_judges == "opaque":
            registry.getUtility(ICredentialVerifier, name="local").verify(Credential("Bearer", raw, "argument"))
        answer = introspect_live(build_live_issuer(registry, settings), settings, raw)
    except OAuthGuardError:
        return None
    return {name: _mask(value, raw) for name, value in answer.items()}


def find_issuer(settings: GuardSettings, raw: str) -> GuardSettings:
    """The settings that ``raw`` is judged by; those of the application where no issuer of it is named. Of a tenant that is not in the
    list of a template, the settings of the template.
    """
    identifier = _decode(raw.split(".")[1]).get("iss") if is_jwt(raw) else None
    issuers = settings.list_issuers()
    if isinstance(identifier, str):
        return _find_named(issuers, identifier) or settings
    prefixed = [each for each in issuers if each.token_prefix and raw.startswith(each.token_prefix)]
    return prefixed[0] if prefixed else settings


def _find_named(issuers: Sequence[GuardSettings], identifier: str) -> GuardSettings | None:
    for each in issuers:
        if each.template is None and each.issuer == identifier:
            return each
        value = each.template.find_value(identifier) if each.template else None
        if value is not None:
            return each.fill(value)
    templates = ((each, each.template) for each in issuers if each.template is not None)
    return next((each for each, template in templates if replace(template, values=None).find_value(identifier)), None)


def find_facts(settings: GuardSettings, raw: str, answer: Mapping[str, Any] | None) -> dict[str, Any]:
    """What the token and the answer about it say, beside what the settings want; for the texts of the reasons."""
    parts = raw.split(".")
    header, own = _decode(parts[0]), _decode(parts[1]) if len(parts) > 1 else {}
    claims = {**own, **(answer or {})}
    return {
        "parts": len(parts),
        "kind": _find_kind(own),
        "alg": header.get("alg"),
        "enc": header.get("enc"),
        "typ": header.get("typ"),
        "is_cognito": claims.get("token_use") == "access" and "aud" not in claims,
        "kid": header.get("kid"),
        "iss": claims.get("iss"),
        "aud": claims.get("aud"),
        "client": next((claims[name] for name in settings.client_id_claim if name in claims), None),
        "exp": claims.get("exp"),
        "end": next((name for name in _ENDS if name in claims), None),
        "is_by_client": settings.audience_by_client,
        "ago": time.time() - _as_number(claims.get("exp")),
        "times": _list(claims, "exp", "nbf", "iat"),
        "texts": _list(claims, "sub", "jti", "username"),
        "missing": " ".join(name for name in RFC9068_CLAIMS if name not in claims),
        "algorithms": " ".join(settings.algorithms),
        "profile": settings.profile,
        "issuer": " or ".join(each.issuer for each in settings.list_issuers() or (settings,)),
        "claim": settings.template.claim if settings.template else None,
        "tenant": claims.get(settings.template.claim) if settings.template else None,
        "audience": " ".join((*settings.audience, *settings.resource_audiences)),
        "client_id": " ".join(settings.client_id),
        "leeway": settings.leeway,
    }


def _find_kind(claims: Mapping[str, Any]) -> str | None:
    """The reason for which a token of another kind is refused, even with a good signature; None for an access token."""
    try:
        check_kind(claims)
    except InvalidToken as error:
        return error.reason
    return None


def _list(claims: Mapping[str, Any], *names: str) -> str:
    return ", ".join(f"{name} {claims[name]!r}" for name in names if name in claims)


def _as_number(value: Any) -> float:
    """``value`` if it is a possible time, otherwise now."""
    if isinstance(value, int | float) and abs(value) < 2**53 and math.isfinite(value):
        return float(value)
    return time.time()


def _mask(value: Any, raw: str) -> Any:
    """Remove the token: some issuers repeat it in the answer."""
    return _MASK if isinstance(value, str) and raw in value else value


def _decode(segment: str) -> dict[str, Any]:
    try:
        return parse_segment_object(segment.encode("ascii", "replace"))
    except InvalidToken:
        return {}
