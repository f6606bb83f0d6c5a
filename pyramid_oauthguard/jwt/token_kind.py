"""Whether claims are those of an access token. An issuer signs tokens of other kinds with the same keys, often for the
same audience: ID tokens, refresh tokens, logout tokens (RFC 8725 section 3.12)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ..errors import InvalidToken

__all__ = ["MARKS", "check_kind"]

#: Keycloak writes the kind into the claim ``typ``: its access tokens have ``Bearer``.
_TYPES: Final = ("bearer", "jwt", "at+jwt", "application/jwt", "application/at+jwt")
#: RFC 6749 section 7.1. Salesforce and Hydra before version 1.9 write the second into introspection answers, Simple JWT of Django the
#: third into tokens.
_TOKEN_TYPES: Final = ("bearer", "access_token", "access")
#: OpenID Connect Core sections 2 and 3.3.2.11, CIBA section 10.3.1, Native SSO section 3.4: only ID tokens have these.
_ID_TOKEN: Final = frozenset({
    "at_hash", "c_hash", "s_hash", "ds_hash", "nonce",
    "urn:openid:params:jwt:claim:rt_hash", "urn:openid:params:jwt:claim:auth_req_id",
})  # fmt: skip
#: What ``acr`` always is at authentik.
_AUTHENTIK: Final = "goauthentik.io/providers/oauth2/default"
#: In each issuer identifier of Kanidm.
_KANIDM: Final = "/oauth2/openid/"
_CLIENT: Final = frozenset({"azp", "appid", "client_id", "cid"})
_KINDS: Final = frozenset({"id", "idtoken", "refresh", "refreshtoken"})
#: Claims that have another meaning at most issuers, with the values that name another kind, without hyphens and underscores. At
#: Curity ``purpose`` is the kind, at Pocket ID and in home-made tokens ``type``, at Casdoor ``tokenType``, at Oracle ``tok_type``.
_ELSEWHERE_OTHER: Final[Mapping[str, frozenset[str]]] = {
    "purpose": _KINDS,
    "type": _KINDS,
    "tokenType": _KINDS,
    "tok_type": frozenset({"it"}),
}
#: Claims with none of these names say nothing about the kind of the token.
MARKS: Final = _ID_TOKEN | {
    "token_type",
    "token_use",
    "tokenName",
    "typ",
    "events",
    "token_introspection",
    "granted_scopes",
    "tid",
    "idp",
    *_ELSEWHERE_OTHER,
}


def check_kind(claims: Mapping[str, Any]) -> None:
    """Refuse a token that names another kind, or has a claim that access tokens do not have, whatever its value is.

    The same for a JWT and for an introspection answer (RFC 7662 section 2.2). Not checked here: ``typ`` in the header. A
    token that names no kind is accepted: then only its audience tells it from an ID token.

    :raises InvalidToken: with the first reason found.
    """
    if not _says(claims, "token_type", _TOKEN_TYPES, any_case=True):
        raise InvalidToken("wrong_token_type")
    if not _says(claims, "typ", _TYPES, any_case=True):
        raise InvalidToken("wrong_typ_claim")
    if not _says(claims, "token_use", ("access", "access_token")):
        raise InvalidToken("wrong_token_use")  # Cognito; Hydra writes the second
    if not _says(claims, "tokenName", ("access_token",)):
        raise InvalidToken("wrong_token_name")  # ForgeRock
    if _names_other_kind(claims) or _is_refresh_token(claims):
        raise InvalidToken("other_kind")
    if "events" in claims:
        raise InvalidToken("security_event")  # RFC 8417 section 2.2; logout tokens have it
    if "token_introspection" in claims:
        raise InvalidToken("introspection_response")  # RFC 9701 section 5
    if _is_id_token(claims):
        raise InvalidToken("id_token")


def _says(claims: Mapping[str, Any], name: str, accepted: tuple[str, ...], *, any_case: bool = False) -> bool:
    """Whether the claim is absent or has one of these values. Null and the wrong type are other values."""
    if name not in claims:
        return True
    value = claims[name]
    if type(value) is not str or not value.isascii():
        return False
    return (value.lower() if any_case else value) in accepted


def _names_other_kind(claims: Mapping[str, Any]) -> bool:
    for name, kinds in _ELSEWHERE_OTHER.items():
        value = claims.get(name)
        if type(value) is str and value.lower().replace("-", "").replace("_", "") in kinds:
            return True
    return False


def _is_refresh_token(claims: Mapping[str, Any]) -> bool:
    """Of Cloud Foundry UAA, and so of SAP XSUAA: what its access tokens have in scope."""
    return "scope" not in claims and {"granted_scopes", "cid", "zid"} <= claims.keys()


def _is_id_token(claims: Mapping[str, Any]) -> bool:
    """By what only ID tokens have; the claims that name the kind were checked before."""
    marks = _ID_TOKEN.intersection(claims)
    if marks == {"nonce"}:
        return not _copies_nonce(claims)
    # Entra ID: an access token names its client, an ID token does not.
    is_entra = "tid" in claims and claims.get("ver") in ("1.0", "2.0")
    # Okta: its ID tokens name the identity provider, and their ids begin so; those of its access tokens with AT.
    is_okta = "idp" in claims and str(claims.get("jti")).startswith("ID.")
    return bool(marks) or is_okta or (is_entra and _CLIENT.isdisjoint(claims))


def _copies_nonce(claims: Mapping[str, Any]) -> bool:
    """Whether it is an access token of an issuer that copies the nonce of the authorization request into access tokens."""
    # Keycloak before 25 and ForgeRock: each names its ID tokens in the same claim.
    if str(claims.get("typ")).lower() == "bearer" or "tokenName" in claims:
        return True
    # Azure AD B2C: its access tokens alone have scopes and a client.
    policy = str(claims.get("tfp", claims.get("acr"))).lower()
    if claims.get("ver") == "1.0" and policy.startswith("b2c_1"):
        return {"scp", "azp"} <= claims.keys()
    # Kanidm: its access tokens alone name client, scopes and session; its ID tokens have the client in azp.
    if _KANIDM in str(claims.get("iss")):
        return {"client_id", "scope", "session_id"} <= claims.keys() and "azp" not in claims
    # authentik: its access tokens alone have a client and a random uid. Its ID tokens have at_hash, too.
    return claims.get("acr") == _AUTHENTIK and {"azp", "uid"} <= claims.keys()
