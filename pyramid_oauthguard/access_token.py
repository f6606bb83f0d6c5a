"""The value a verified access token becomes."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any, Final

__all__ = ["AccessToken"]

_new: Final = object.__new__
_set: Final = object.__setattr__


@dataclass(frozen=True, kw_only=True)
class AccessToken:
    """A verified access token: the user or service that calls, its client and its scopes.

    Immutable all the way down, because one value may serve many requests: lists in ``claims`` are tuples
    and objects are read-only mappings.

    It can be copied, deep-copied and pickled. A pickle proves nothing: read none that another party could have written.

    :ivar subject: ``sub`` (RFC 7519 section 4.1.2), None when the token names no subject.
    :ivar client_id: ``client_id`` (RFC 9068 section 2.2), or ``cid``, ``azp`` or ``appid`` where issuers use these.
    :ivar scopes: the granted scopes (RFC 6749 section 3.3).
    :ivar implied_scopes: what the granted scopes contain by ``oauthguard.scope_implies``: it counts in checks, and was not
        granted by name.
    :ivar audience: ``aud``, always a tuple.
    :ivar issuer: ``iss``, or the configured issuer for an introspection answer without ``iss``.
    :ivar issuer_name: the application's own name for the issuer, None for the one of ``oauthguard.issuer``.
    :ivar expires_at: ``exp`` in seconds since the epoch; infinity for a token that does not expire.
    :ivar issued_at: ``iat`` in seconds since the epoch, or None.
    :ivar token_id: ``jti``, or None.
    :ivar username: ``username`` of an introspection answer (RFC 7662 section 2.2), or None.
    :ivar claims: every claim of the token, or every member of the introspection answer.
    :ivar mode: how it was verified, ``"local"``, ``"remote"`` or ``"userinfo"``.
    """

    subject: str | None
    client_id: str | None
    scopes: frozenset[str]
    audience: tuple[str, ...]
    issuer: str
    expires_at: float
    issued_at: float | None
    token_id: str | None
    username: str | None
    claims: Mapping[str, Any] = field(repr=False, hash=False)
    mode: str
    issuer_name: str | None = None
    implied_scopes: frozenset[str] = frozenset()
    #: What :func:`derive` worked out; not part of the value.
    _derived: Any = field(default=None, init=False, repr=False, compare=False)

    def can(self, scope: str) -> bool:
        """Whether the token was granted ``scope``, or one that contains it. Says nothing about what its user may do."""
        return scope in self.scopes or scope in self.implied_scopes

    def can_all(self, *scopes: str) -> bool:
        """Like :meth:`can`, for every one of ``scopes``."""
        return self.scopes.issuperset(scopes) or (self.scopes | self.implied_scopes).issuperset(scopes)

    def can_any(self, *scopes: str) -> bool:
        """Like :meth:`can`, for at least one of ``scopes``."""
        return not (self.scopes.isdisjoint(scopes) and self.implied_scopes.isdisjoint(scopes))

    def expired(self) -> bool:
        """Whether it expires by now. A long answer, such as a stream of events, asks before each part."""
        return time.time() >= self.expires_at

    def to_dict(self) -> dict[str, Any]:
        """The members as values that ``json`` can write: a new dictionary, with lists for ``audience`` and, sorted,
        for ``scopes`` and ``implied_scopes``, and with ``claims`` as a dictionary. It contains personal data if the claims do, but never the
        token's characters, which are not kept.
        """
        members = {name: getattr(self, name) for name in _NAMES}
        return {
            **members,
            "expires_at": None if self.expires_at == math.inf else self.expires_at,
            "scopes": sorted(self.scopes),
            "implied_scopes": sorted(self.implied_scopes),
            "audience": list(self.audience),
            "claims": _as_plain(self.claims),
        }

    def __reduce__(self) -> tuple[Any, ...]:
        members = {name: getattr(self, name) for name in _NAMES}
        return _restore, (type(self), {**members, "claims": _as_plain(self.claims)})


_NAMES: Final = tuple(each.name for each in fields(AccessToken) if each.init)


def freeze(value: Any) -> Any:
    """Dictionaries as read-only mappings and lists as tuples, all the way down. One level of ``value`` takes one frame.

    NOT checked: how deep ``value`` is; what comes from outside was bounded when it was parsed.
    """
    if type(value) is dict:
        return MappingProxyType(dict(zip(value, map(freeze, value.values()), strict=True)))
    return tuple(map(freeze, value)) if type(value) is list else value


def _as_plain(value: Any) -> Any:
    """The opposite of :func:`freeze`: mappings as dictionaries, tuples as lists."""
    if isinstance(value, Mapping):
        return {name: _as_plain(each) for name, each in value.items()}
    return [_as_plain(each) for each in value] if isinstance(value, (list, tuple)) else value


def _restore(kind: type[AccessToken], members: dict[str, Any]) -> AccessToken:
    return kind(**{**members, "claims": freeze(members["claims"])})


def take(fields: dict[str, Any]) -> AccessToken:
    """The same as the constructor with all its fields and ``_derived``. Takes the dictionary over.

    A frozen dataclass sets its fields one by one past its own lock, which costs a twelfth of the whole check of a token.
    """
    token = _new(AccessToken)
    _set(token, "__dict__", fields)
    return token


def derive(token: AccessToken, build: Callable[[AccessToken], Any]) -> Any:
    """``build(token)``, kept with the token: what is always the same of one is worked out once."""
    derived = token._derived
    if derived is None:
        derived = build(token)
        object.__setattr__(token, "_derived", derived)
    return derived
