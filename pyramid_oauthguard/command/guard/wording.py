"""The words for a refusal: those of its reason, or more exact ones where the token says more."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from ...guard.reports.reasons import (
    ANSWER_WITHOUT_AUDIENCE,
    AUDIENCE_OF_CLIENT,
    AUDIENCE_OF_ISSUER,
    BROKEN_JWT,
    CLIENT_WITHOUT_AUDIENCE,
    ENCRYPTED,
    END_ELSEWHERE,
    ENDED_IN_1970,
    ENDLESS,
    OPAQUE_OF_AUTH0,
    OTHER_CLIENT_WITHOUT_AUDIENCE,
    REASONS,
    SAME_APPLICATION,
    SAME_AUDIENCE,
    SEVERAL_IN_ONE,
    SHARED_SECRET,
    SIGNED_ELSEWHERE,
    TENANT_WITHOUT_CLAIM,
    TOKEN_FOR_GRAPH,
    TOKEN_WITHOUT_AUDIENCE,
    UNPUBLISHED_KEY,
    UNSIGNED,
    USERINFO,
    Words,
)
from ...jwt.claims import MAX_TIME_SECONDS
from .issuer_wording import find_issuer_words
from .token_facts import is_jwt

__all__ = ["find_words"]

Facts = Mapping[str, Any]

#: What no key set contains a key for.
_SHARED: Final = ("HS256", "HS384", "HS512")
_PARTS_OF_JWT: Final = 3
_PARTS_OF_JWE: Final = 5
#: Base64url of the first characters of a JSON object.
_BEGINNING: Final = "eyJ"
#: Reasons for which no key verifies a token. What the token says of its own kind is more useful then: no API can verify a refresh
#: token of Keycloak.
_UNVERIFIABLE: Final = frozenset({"bad_algorithm", "unknown_key", "bad_signature"})
#: Microsoft Graph changes its tokens after they were signed, so that no other API can verify them.
_OF_GRAPH: Final = ("00000003-0000-0000-c000-000000000000", "https://graph.microsoft.com")
#: Audiences of APIs that issuers have themselves: Keycloak, Microsoft Graph and its predecessor, ADFS.
_OF_ISSUERS: Final = frozenset({
    "account", *_OF_GRAPH, "00000002-0000-0000-c000-000000000000", "https://graph.windows.net", "urn:microsoft:userinfo",
})  # fmt: skip
_AUTH0: Final = re.compile(r"https://[\w.-]+\.auth0\.com/", re.ASCII)
#: Below the issuer: the issuer itself (Okta, Kubernetes), userinfo and the management API of Auth0, the scopes of IdentityServer.
_BELOW_ISSUERS: Final = ("", "/userinfo", "/api/v2", "/resources")


def find_words(facts: Facts, reason: str, raw: str, *, mode: str, answered: bool) -> Words:
    """What to say of a token that was refused for ``reason``.

    :param facts: of :func:`.token_facts.find_facts`.
    :param answered: whether the issuer's introspection said something about it.
    """
    if mode == "userinfo" and reason in USERINFO:
        return USERINFO[reason]
    found = _find_of_form(facts, reason, raw)
    if found is None and reason == "wrong_audience":
        found = _find_of_audience(facts, is_answer=answered and not is_jwt(raw))
    return found or _find_of_claims(facts, reason, raw) or REASONS.get(reason, (None, reason, ""))


def _find_of_form(facts: Facts, reason: str, raw: str) -> Words | None:
    if reason in _UNVERIFIABLE and facts["kind"] is not None:
        return REASONS[facts["kind"]]
    if reason in ("not_a_jwt", "inactive") and facts["parts"] != _PARTS_OF_JWT:
        if facts["parts"] == _PARTS_OF_JWE and (facts["alg"] is None or facts["enc"] is not None):
            return ENCRYPTED
        if raw.startswith(_BEGINNING):
            return BROKEN_JWT
    if reason == "not_a_jwt" and is_jwt(raw) and raw.endswith(".") and facts["alg"] is not None:
        return UNSIGNED
    if reason == "not_a_jwt" and not is_jwt(raw) and _AUTH0.fullmatch(facts["issuer"]):
        return OPAQUE_OF_AUTH0
    if reason == "bad_algorithm" and facts["alg"] in _SHARED:
        return SHARED_SECRET
    return None


def _find_of_claims(facts: Facts, reason: str, raw: str) -> Words | None:
    if reason == "wrong_issuer" and is_jwt(raw):
        return find_issuer_words(facts)
    if reason in ("bad_signature", "unknown_key") and facts["aud"] in _OF_GRAPH:
        return TOKEN_FOR_GRAPH
    if reason == "bad_signature" and facts["iss"] not in facts["issuer"].split(" or "):
        return SIGNED_ELSEWHERE
    if reason == "wrong_tenant" and facts["tenant"] is None:
        return TENANT_WITHOUT_CLAIM
    if reason == "unknown_key" and facts["iss"] in facts["issuer"].split(" or "):
        return UNPUBLISHED_KEY
    if reason == "missing_exp" and facts["end"] is not None:
        return END_ELSEWHERE
    if reason == "expired" and facts["exp"] in (0, -1):
        return ENDED_IN_1970
    if reason == "bad_time" and type(facts["exp"]) is int and facts["exp"] > MAX_TIME_SECONDS:
        return ENDLESS
    return None


def _find_of_audience(facts: Facts, *, is_answer: bool) -> Words | None:
    """Where the audience is missing, or is one that the settings should not list."""
    if facts["aud"] is None:
        return _find_without_audience(facts, is_answer=is_answer)
    audience, accepted = _list_texts(facts["aud"]), facts["audience"].split()
    if not _fold(audience).isdisjoint(_fold(accepted)):
        return SAME_AUDIENCE
    if isinstance(facts["aud"], str) and not set(facts["aud"].split()).isdisjoint(accepted):
        return SEVERAL_IN_ONE
    if audience and audience <= {facts["client"]}:
        return AUDIENCE_OF_CLIENT
    if not {f"api://{each}" for each in audience}.isdisjoint(accepted) or not audience.isdisjoint(
        f"api://{each}" for each in accepted
    ):
        return SAME_APPLICATION
    if audience and all(_is_of_issuer(each, facts["iss"]) for each in audience):
        return AUDIENCE_OF_ISSUER
    return None


def _find_without_audience(facts: Facts, *, is_answer: bool) -> Words:
    if is_answer:
        return ANSWER_WITHOUT_AUDIENCE
    if facts["is_by_client"] and facts["client"] is not None:
        return OTHER_CLIENT_WITHOUT_AUDIENCE
    return CLIENT_WITHOUT_AUDIENCE if facts["is_cognito"] else TOKEN_WITHOUT_AUDIENCE


def _list_texts(audience: Any) -> set[str]:
    values = audience if isinstance(audience, list | tuple) else [audience]
    return {each for each in values if isinstance(each, str) and each}


def _fold(audience: Iterable[str]) -> set[str]:
    return {each.rstrip("/").lower() for each in audience}


def _is_of_issuer(audience: str, issuer: Any) -> bool:
    """Whether it is the issuer, or an API that the issuer has itself. Another address below that of the issuer may be ours."""
    if audience in _OF_ISSUERS:
        return True
    if not isinstance(issuer, str):
        return False
    return audience.rstrip("/") in [issuer.rstrip("/") + each for each in _BELOW_ISSUERS]
