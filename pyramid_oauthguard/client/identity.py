"""The name of the user of a token. It is only shown: no decision depends on it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from .errors import CommandError
from .session import OAuthSession
from .tokens import Tokens

__all__ = ["fetch_identity", "find_name"]

_NAMES: Final = ("username", "preferred_username", "email", "upn", "name", "sub")


def fetch_identity(session: OAuthSession, tokens: Tokens, *, may_introspect: bool) -> Mapping[str, Any]:
    """The first of these that is available: the introspection answer, the userinfo, the claims of the token itself.

    An inactive token's introspection answer is given back as it is. The token's own claims are not verified here: it
    came from the token endpoint over TLS.

    :raises CommandError: the issuer can't be reached.
    """
    if may_introspect and session.offers("introspection_endpoint"):
        found = _ask(lambda: session.introspect(tokens.access_credential, hint="access_token"))
        if found.get("active") is False or find_name(found):
            return found
    if session.offers("userinfo_endpoint"):
        found = _ask(lambda: session.fetch_userinfo(tokens.access_credential))
        if find_name(found):
            return found
    return _read_claims(tokens.id_token) or _read_claims(tokens.access_token)


def find_name(claims: Mapping[str, Any]) -> str | None:
    """The first of the names in ``claims`` that a user would recognize, or None."""
    found = (claims.get(name) for name in _NAMES)
    return next((name for name in found if isinstance(name, str) and name.strip()), None)


def _ask(question: Any) -> Mapping[str, Any]:
    from .errors import RefusedError

    try:
        answer: Mapping[str, Any] = question()
    except RefusedError:
        return {}  # this client or this token may not ask; the next source may have the name
    return answer


def _read_claims(token: str | None) -> Mapping[str, Any]:
    from .inspection import read_jwt

    try:
        return read_jwt(token or "").claims
    except CommandError:
        return {}
