"""Claims checked and made into an AccessToken: the same rules for a JWT and for an introspection answer."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

from ...access_token import AccessToken, freeze, take
from ...errors import InvalidToken
from ...jwt.claims import FIRST_MILLISECOND, MAX_TIME_SECONDS, as_texts, check_texts, read_audience, read_times
from ...jwt.token_kind import MARKS, check_kind
from ..settings import GuardSettings

__all__ = [
    "HEADER_TYPES",
    "RFC9068_CLAIMS",
    "build_access_token",
    "check_profile",
    "find_implied",
    "find_member",
    "find_roles",
    "read_scopes",
]

#: What ``typ`` of the header may be, by profile (RFC 9068 section 4): an ID token or a proof is not an access token.
HEADER_TYPES: Final = {"generic": frozenset({None, "jwt", "at+jwt"}), "rfc9068": frozenset({"at+jwt"})}
#: Claims with none of these names are not looked at more closely.
_MARKS: Final = MARKS | {"cnf"}
_ID_TOKEN: Final = frozenset({"nonce", "at_hash"})
_NO_SCOPES: Final[frozenset[str]] = frozenset()
_CONTAINERS: Final = frozenset({dict, list})
_EMPTY: Final[tuple[Any, ...]] = (None, "", [], {})
RFC9068_CLAIMS: Final = ("iss", "exp", "aud", "sub", "client_id", "iat", "jti")


def check_profile(claims: Mapping[str, Any]) -> None:
    """Check that every claim that RFC 9068 section 2.2 requires is there, and is neither null nor empty.

    :raises InvalidToken: one is missing.
    """
    if any(claims.get(name) in _EMPTY for name in RFC9068_CLAIMS):
        raise InvalidToken("missing_claim")


# The usual shapes are judged in place. Whatever looks different goes to the functions below and to those of jwt/claims.py. With
# these and the constructor alone, the whole check of an RS256 token takes a quarter longer.
def build_access_token(
    claims: dict[str, Any],
    settings: GuardSettings,
    *,
    mode: str,
    now: float,
    audience_required: bool = True,
    is_answer: bool = False,
) -> AccessToken:
    """Check ``iss``, ``cnf``, the kind, ``exp``, ``nbf``, ``iat``, ``aud`` and the client (RFC 7519 section 4.1), then build the
    value. Takes ``claims`` over: the caller may not change it afterwards. Not checked here: signature, ``typ`` of the header,
    whether the issuer still calls the token active.

    :param now: seconds since the epoch.
    :param audience_required: False lets ``aud`` be absent; if it is present, it is checked.
    :param is_answer: whether the claims are the issuer's answer about an opaque token, and not those of a JWT.
    :raises InvalidToken: with the first reason found.
    """
    get = claims.get
    if get("iss") != settings.issuer:
        raise InvalidToken("wrong_issuer")
    if not _MARKS.isdisjoint(claims):
        _check_marks(claims)  # before the audience: of an ID token, that it is one says more than whom it is for
    exp, iat, leeway = get("exp"), get("iat"), settings.leeway
    nbf = get("nbf", iat)
    if not (
        type(exp) is type(iat) is type(nbf) is int
        and now - leeway < exp < FIRST_MILLISECOND
        and -MAX_TIME_SECONDS < iat <= now + leeway
        and -MAX_TIME_SECONDS < nbf <= now + leeway
    ):
        exp, iat = _read_times(claims, now, settings, is_answer)
    audience, client_id = get("aud"), get(settings.client_id_claim[0])
    if type(audience) is not str or audience not in settings.audience:
        audience = _read_audience(claims, settings, required=audience_required, is_answer=is_answer)
    if type(client_id) is not str:
        client_id = _find_client(claims, settings.client_id_claim)
    if settings.client_id and client_id not in settings.client_id:
        raise InvalidToken("wrong_client")
    subject, token_id, username = get("sub"), get("jti"), get("username")
    if not (type(subject) is type(token_id) is str and username is None):
        check_texts(subject, token_id, username)
    scope = get(settings.scope_claim[0])
    scopes = _split_scopes(scope) if type(scope) is str else read_scopes(claims, settings.scope_claim)
    implied = settings.scope_implies
    if settings.is_restricted:
        scopes = _restrict(scopes, claims, settings)
    return take({
        "subject": subject,
        "client_id": client_id,
        "scopes": scopes, "implied_scopes": find_implied(scopes, implied) if implied else _NO_SCOPES,
        "audience": audience if type(audience) is tuple else (audience,),
        "issuer": settings.issuer, "issuer_name": settings.issuer_name,
        "expires_at": exp, "issued_at": iat,
        "token_id": token_id, "username": username,
        "claims": MappingProxyType(claims) if _CONTAINERS.isdisjoint(map(type, claims.values())) else _freeze_claims(claims),
        "mode": mode,
        "_derived": None,
    })  # fmt: skip


def find_roles(claims: Mapping[str, Any], paths: Iterable[str]) -> tuple[str, ...]:
    """The roles at the dotted ``paths``, each once. A member whose own name has dots in it is found before shorter names.

    A text counts as one role, unless it is empty. In a list, values that are not text are left out. In an object, as zitadel writes roles, the names of
    the members are roles: of those whose value is an object of texts, the organizations that granted the role.
    """
    found: dict[str, None] = {}
    for path in paths:
        value = find_member(claims, path.split("."))
        if isinstance(value, str):
            found[value] = None
        elif isinstance(value, (list, tuple)):
            found.update((each, None) for each in value if isinstance(each, str))
        elif isinstance(value, Mapping):
            found.update((name, None) for name, granted in value.items() if _is_grant(granted))
    found.pop("", None)
    return tuple(found)


def _is_grant(value: Any) -> bool:
    """Not ``false``, and not an object of lists, such as Keycloak's for each client."""
    return isinstance(value, Mapping) and bool(value) and all(isinstance(each, str) for each in value.values())


def find_member(value: Any, names: list[str]) -> Any:
    """What is at a dotted path, split; some neighbours in it may be one name. None where nothing is."""
    if not names:
        return value
    if not isinstance(value, Mapping):
        return None
    for length in range(len(names), 0, -1):
        name = ".".join(names[:length])
        found = find_member(value[name], names[length:]) if name in value else None
        if found is not None:
            return found
    return None


def _check_marks(claims: Mapping[str, Any]) -> None:
    if "cnf" in claims:
        # No proof of possession is checked (RFC 9449 section 7.1, RFC 8705 section 3).
        raise InvalidToken("bound_token")
    check_kind(claims)


def _restrict(scopes: frozenset[str], claims: Mapping[str, Any], settings: GuardSettings) -> frozenset[str]:
    """The scopes that are trusted from the issuer. Of a template, the claim that is its placeholder says the same as ``iss``."""
    if settings.template is not None and claims.get(settings.template.claim) != settings.issuer_value:
        raise InvalidToken("wrong_tenant")
    return scopes if settings.trusted_scopes is None else scopes & settings.trusted_scopes


def _read_times(
    claims: Mapping[str, Any], now: float, settings: GuardSettings, is_answer: bool
) -> tuple[float, float | None]:
    return read_times(
        claims,
        now - settings.leeway,
        now + settings.leeway,
        expiry_required=not is_answer or settings.introspection_require_expiry,
        check_issued_at=settings.check_issued_at,
    )


def _read_audience(
    claims: Mapping[str, Any], settings: GuardSettings, *, required: bool, is_answer: bool
) -> tuple[str, ...]:
    if settings.audience_by_client and "aud" not in claims and not is_answer:
        return _check_audience_by_client(claims, settings)
    audience, accepted = read_audience(claims), (*settings.audience, *settings.resource_audiences)
    if is_answer:
        audience = tuple(filter(None, audience))  # some issuers write an empty text for none
    if not any(each in accepted for each in audience) and (audience or required):
        raise InvalidToken("wrong_audience")
    return audience


def _check_audience_by_client(claims: Mapping[str, Any], settings: GuardSettings) -> tuple[str, ...]:
    """A token without ``aud`` is for us if one of our clients has it (Amazon Cognito). It must not be an ID token at all."""
    client_id = claims.get("client_id")
    is_ours = isinstance(client_id, str) and client_id in settings.client_id
    if not is_ours or claims.get("token_use", "access") != "access" or not _ID_TOKEN.isdisjoint(claims):
        raise InvalidToken("wrong_audience")
    return ()


def _find_client(claims: Mapping[str, Any], names: tuple[str, ...]) -> str | None:
    for name in names:
        if name in claims:
            value = claims[name]
            if type(value) is not str:
                raise InvalidToken("bad_client")
            return value
    return None


def read_scopes(claims: Mapping[str, Any], names: tuple[str, ...]) -> frozenset[str]:
    """The scopes in the first claim that is present. :raises InvalidToken: neither a text nor a list of texts."""
    for name in names:
        if name in claims:
            value = claims[name]
            return _split_scopes(value) if type(value) is str else frozenset(as_texts(value, "bad_scope")) - {""}
    return frozenset()


def find_implied(scopes: frozenset[str], contained: Mapping[str, frozenset[str]]) -> frozenset[str]:
    """What ``scopes`` contain beside themselves.

    :param contained: for each scope, all scopes that it contains.
    """
    if not contained:
        return _NO_SCOPES
    return _NO_SCOPES.union(*(contained.get(each, _NO_SCOPES) for each in scopes)) - scopes


@functools.lru_cache(maxsize=1024)
def _split_scopes(text: str) -> frozenset[str]:
    """Most tokens of an issuer carry one of a few scope strings; equal ones share the set."""
    return frozenset(text.split(" ")) - {""}


def _freeze_claims(claims: dict[str, Any]) -> Any:
    """One token serves many requests: what one of them changed, all others would see."""
    try:
        return freeze(claims)
    except RecursionError:  # the caller has nearly filled the stack
        raise InvalidToken("bad_json") from None
