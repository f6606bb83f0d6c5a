"""Which principals the issuers of the settings can give a caller."""

from __future__ import annotations

from typing import Final

from .parsed import GuardSettings

__all__ = ["is_ours", "is_possible", "list_forms"]

_OF_ISSUERS: Final = ("client:", "user:", "role:")
_ISSUER: Final = "issuer:"
_SCOPE: Final = "scope:"


def is_ours(name: str) -> bool:
    """Whether a principal has the form of one that comes from a token."""
    return name.startswith((*_OF_ISSUERS, _ISSUER, _SCOPE))


def is_possible(name: str, settings: GuardSettings) -> bool:
    """Whether a token of some issuer can give this principal."""
    return any(_is_possible(name, each, settings) for each in settings.list_issuers())


def list_forms(settings: GuardSettings) -> tuple[str, ...]:
    """How the principals begin that tokens can give."""
    if settings.is_plain:
        return (_SCOPE, *_list_kinds(settings))
    forms = [_SCOPE]
    for each in settings.list_issuers():
        start = _find_start(each)
        forms += [f"{kind}{start}" for kind in _list_kinds(each)]
        forms += [f"{_ISSUER}{start.rstrip('/')}"] if start else []
    return tuple(forms)


def _is_possible(name: str, issuer: GuardSettings, settings: GuardSettings) -> bool:
    kind, colon, rest = name.partition(":")
    if kind + colon == _SCOPE:
        return _is_trusted(rest, issuer)
    parts = rest.split("/")
    if settings.is_plain:
        return kind + colon in _list_kinds(issuer)
    named = [] if issuer.issuer_name is None else [issuer.issuer_name]
    length = len(named) + (issuer.template is not None)
    is_here = parts[: len(named)] == named and _is_value(issuer, parts[len(named) : length])
    if kind + colon == _ISSUER:
        return is_here and len(parts) == length > 0
    return kind + colon in _list_kinds(issuer) and is_here and len(parts) == length + 1


def _is_value(issuer: GuardSettings, parts: list[str]) -> bool:
    if issuer.template is None:
        return True
    return len(parts) == 1 and issuer.template.find_value(issuer.template.fill(parts[0])) is not None


def _is_trusted(scope: str, issuer: GuardSettings) -> bool:
    if issuer.trusted_scopes is None or scope in issuer.trusted_scopes:
        return True
    return any(scope in issuer.scope_implies.get(each, ()) for each in issuer.trusted_scopes)


def _list_kinds(issuer: GuardSettings) -> tuple[str, ...]:
    return _OF_ISSUERS if issuer.role_claim else _OF_ISSUERS[:2]


def _find_start(issuer: GuardSettings) -> str:
    named = "" if issuer.issuer_name is None else f"{issuer.issuer_name}/"
    return named if issuer.template is None else f"{named}{{{issuer.template.claim}}}/"
