"""Why a token is refused, in words: which check, which setting, what would have to change."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ..access_token import AccessToken
from ..errors import InvalidToken, OAuthGuardError, UnavailableError
from ..interfaces import ITokenVerifier
from .exit_status import CONFIGURATION, REFUSED, find_exit_status
from .guarded_views import find_modes, find_views
from .jws import parse_segment_object
from .remedies import find_remedy
from .settings import GuardSettings
from .state import get_guard
from .verifiers import RANKS

__all__ = ["Explanation", "explain_token"]


@dataclass(frozen=True, slots=True)
class Explanation:
    """The outcome of one verifier.

    :ivar mode: ``"local"`` or ``"remote"``.
    :ivar reason: None when the token was accepted, else the word of the first check that failed.
    :ivar text: what was found and what was expected; may show claims, never the token.
    :ivar setting: the key that the expectation comes from, or None.
    :ivar advice: what would have to change.
    :ivar status: the exit status of a command that ends because of it: 0; 5, refused; 1 or 6, nobody can say.
    """

    mode: str
    reason: str | None
    text: str
    setting: str | None = None
    advice: str = ""
    status: int = 0


#: reason -> (setting, what was found, what to do). Braces are filled with what the token says and the settings want.
_REASONS: Final[Mapping[str, tuple[str | None, str, str]]] = {
    "not_a_jwt": (None, "it is no JWT: three base64url parts with two dots between", "check opaque tokens remotely: token_check=\"remote\""),
    "bad_encoding": (None, "a part of it is not base64url in its one canonical spelling", "copy the token again, whole and without padding"),
    "bad_json": (None, "its header or claims are not one clean JSON object", "ask the issuer"),
    "not_a_token": (None, "it is empty, longer than any token, or not ASCII", "copy the token again"),
    "too_long": (None, "it is longer than any token", "ask the issuer"),
    "header_too_long": (None, "its header is longer than 16 KiB", "ask the issuer"),
    "bad_algorithm": ("algorithms", "it is signed with {alg!r}; accepted are {algorithms}", "have the issuer sign with one of them"),
    "unknown_critical": (None, "its header marks an extension as critical that nobody here knows", "have the issuer leave it out"),
    "encrypted": (None, "it is encrypted", "have the issuer sign without encrypting"),
    "wrong_type": ("profile", "its typ is {typ!r}, which is no access token under the profile {profile!r}", "send the access token, not the ID token; or set the profile to generic"),
    "bound_token": (None, "it is bound to a key or a certificate (cnf), and this application does not check the proof of possession", "have the issuer give this client bearer tokens: without DPoP (RFC 9449) and without certificates (RFC 8705)"),
    "wrong_token_type": (None, "its token_type is not Bearer: the issuer says that it is a token of another kind", "send the access token"),
    "wrong_token_use": (None, "its token_use is not access: the issuer says that it is a token of another kind", "send the access token"),
    "wrong_token_name": (None, "its tokenName is not access_token: the issuer says that it is a token of another kind", "send the access token"),
    "wrong_typ_claim": (None, "its claim typ names another kind of token, such as ID, Refresh, Offline or Logout", "send the access token"),
    "security_event": (None, "it has the claim events: it is a logout token or another security event", "send the access token"),
    "introspection_response": (None, "it has the claim token_introspection: it is an answer about a token", "send the access token"),
    "id_token": (None, "it is an ID token: it has nonce, at_hash, c_hash or s_hash; or it is of Entra ID and has no client (azp, appid)", "send the access token, not the ID token"),
    "bad_kid": (None, "its kid is not text", "ask the issuer"),
    "unknown_key": ("issuer", "the issuer {issuer!r} publishes no key {kid!r} that may verify {alg!r}", "the token's iss is {iss!r}: is this the right issuer?"),
    "bad_signature": ("issuer", "its signature is not that of the issuer's key {kid!r}", "the token was changed on the way or made elsewhere"),
    "wrong_issuer": ("issuer", "its iss is {iss!r}, wanted is {issuer!r}, equal byte for byte", "set the issuer to what the token says, trailing slash included, if you trust it"),
    "missing_exp": (None, "it has no exp", "have the issuer set one"),
    "bad_time": (None, "exp, nbf or iat is no finite JSON number", "ask the issuer"),
    "expired": ("leeway", "it expired {ago:.0f} s ago; the leeway is {leeway:g} s", "get a new one; or set this machine's clock"),
    "not_yet_valid": ("leeway", "its nbf lies more than {leeway:g} s ahead", "compare the clocks: oauthguard check"),
    "issued_in_future": ("leeway", "its iat lies more than {leeway:g} s ahead", "compare the clocks: oauthguard check"),
    "wrong_audience": ("audience", "its aud is {aud!r}, accepted are {audience}", "request the token for this API, or add the audience"),
    "bad_audience": (None, "its aud is neither text nor a list of texts", "ask the issuer"),
    "wrong_client": ("client_id", "it was issued to {client!r}, accepted are {client_id}", "add the client, or use one of these"),
    "bad_client": (None, "its client_id is no text", "ask the issuer"),
    "bad_scope": ("scope_claim", "its scopes are neither text nor a list of texts", "ask the issuer"),
    "bad_claim": (None, "sub, jti or username is no text", "ask the issuer"),
    "missing_claim": ("profile", "a claim is missing that RFC 9068 requires", "set the profile to generic"),
    "inactive": ("introspection.client_id", "the issuer calls it inactive: revoked, expired, or not for this API to see", "get a new one"),
}  # fmt: skip


def explain_token(registry: Any, raw: str) -> list[Explanation]:
    """What the application's own verifiers say of ``raw``, in each mode that a view is checked in."""
    settings = get_guard(registry).settings
    modes = find_modes(find_views(registry, settings), settings)
    return [_explain(registry, settings, raw, mode) for mode in RANKS if mode in modes]


def _explain(registry: Any, settings: GuardSettings, raw: str, mode: str) -> Explanation:
    try:
        token = registry.getUtility(ITokenVerifier, name=mode).verify(raw)
    except UnavailableError as error:
        remedy = find_remedy(error)
        advice = remedy.text or "oauthguard check looks at the issuer"
        return Explanation(mode, error.reason, str(error), remedy.setting, advice, find_exit_status(error))
    except OAuthGuardError as error:
        return _put_in_words(error, settings, raw, mode)
    except Exception as error:  # noqa: BLE001  # a verifier of the application's own may raise anything
        text = f"the application's own verifier failed with {type(error).__qualname__}"
        return Explanation(mode, "verifier_failed", text, None, "requests get 503 for it", CONFIGURATION)
    if not isinstance(token, AccessToken):
        text = f"the application's own verifier returned a {type(token).__qualname__}, not an AccessToken"
        return Explanation(mode, "verifier_failed", text, None, "requests get 503 for it", CONFIGURATION)
    return Explanation(mode, None, _describe(token))


def _describe(token: AccessToken) -> str:
    scopes = " ".join(sorted(token.scopes)) or "none"
    left = token.expires_at - time.time()
    return f"sub {token.subject!r}, client {token.client_id!r}, scopes {scopes}, expires in {left:.0f} s"


def _put_in_words(error: OAuthGuardError, settings: GuardSettings, raw: str, mode: str) -> Explanation:
    setting, text, advice = _REASONS.get(error.reason, (None, error.reason, ""))
    facts = _find_facts(settings, raw)
    return Explanation(
        mode,
        error.reason,
        text.format_map(facts),
        f"oauthguard.{setting}" if setting else None,
        advice.format_map(facts),
        REFUSED,
    )


def _find_facts(settings: GuardSettings, raw: str) -> dict[str, Any]:
    """What the token says, unverified, beside what the settings want."""
    parts = raw.split(".")
    header = _decode(parts[0])
    claims = _decode(parts[1]) if len(parts) > 1 else {}
    exp = claims.get("exp")
    return {
        "alg": header.get("alg"),
        "typ": header.get("typ"),
        "kid": header.get("kid"),
        "iss": claims.get("iss"),
        "aud": claims.get("aud"),
        "client": claims.get("client_id", claims.get("cid", claims.get("azp"))),
        "ago": time.time() - exp if isinstance(exp, (int, float)) else 0,
        "algorithms": " ".join(settings.algorithms),
        "profile": settings.profile,
        "issuer": settings.issuer,
        "audience": " ".join(settings.audience),
        "client_id": " ".join(settings.client_id),
        "leeway": settings.leeway,
    }


def _decode(segment: str) -> dict[str, Any]:
    try:
        return parse_segment_object(segment.encode("ascii", "replace"))
    except InvalidToken:
        return {}
