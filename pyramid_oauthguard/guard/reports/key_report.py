"""Each key of an issuer, and why it is not used, for ``oauthguard check`` and ``oauthguard explain``."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

from ...errors import OAuthGuardError
from ...jwt.key_issuer import fits_issuer
from ...jwt.keyset import build_key_set, find_fault
from ..settings import GuardSettings
from .live_issuer import build_live_issuer
from .remedies import names_other_use

__all__ = ["describe_keys", "describe_unusable_keys"]

_MOST_LINES: Final = 20


def describe_unusable_keys(
    keys: Sequence[object], algorithms: Iterable[str], uses: Collection[str] = ("sig",)
) -> list[str]:
    """A line for each key that can't verify anything under ``algorithms``: its name, and why."""
    allowed = tuple(algorithms)
    found = [f"{_name(key)} is not used: {why}" for key in keys if (why := _judge(key, allowed, uses))]
    return _shorten(found)


def describe_keys(registry: Any, settings: GuardSettings, facts: Mapping[str, Any]) -> tuple[str, ...]:
    """A line for each key of the issuer: why it did not verify a token whose header has ``alg`` and ``kid`` of ``facts``.

    Empty where the issuer can't be asked.
    """
    try:
        document = build_live_issuer(registry, settings).fetch_keys()
    except OAuthGuardError:
        return ()
    return tuple(_shorten([f"{_name(key)}: {_judge_for(key, settings, facts)}" for key in document.keys]))


def _judge_for(key: object, settings: GuardSettings, facts: Mapping[str, Any]) -> str:
    why = _judge(key, settings.algorithms, settings.key_uses)
    if why:
        return why
    ((kid, algorithms),) = build_key_set([key], settings.algorithms, uses=settings.key_uses).describe()
    if facts["alg"] not in algorithms:
        return f"verifies {' '.join(algorithms)}, the token is signed with {facts['alg']!r}"
    if facts["kid"] is not None and kid != facts["kid"]:
        return f"the token names the key {facts['kid']!r}"
    owner = key["issuer"] if isinstance(key, Mapping) and "issuer" in key else None
    if owner is not None and not fits_issuer(owner, str(facts["iss"])):
        return f"verifies tokens of the issuer {owner!r} only"
    return "fits, but did not make the signature"


def _judge(key: object, allowed: tuple[str, ...], uses: Collection[str]) -> str | None:
    """Why ``key`` can't be used with any token; None if it can."""
    fault = find_fault(key, uses=uses)
    if fault is not None and names_other_use(fault):
        return f"{fault}; oauthguard.key_uses may list it"
    if fault is not None or find_fault(key, allowed, uses) is None:
        return fault
    algorithm = key.get("alg") if isinstance(key, Mapping) else None
    return (
        f"its alg {algorithm!r} is not one of oauthguard.algorithms"
        if algorithm
        else "it fits no algorithm of oauthguard.algorithms"
    )


def _name(key: object) -> str:
    kid = key.get("kid") if isinstance(key, Mapping) else None
    return repr(kid) if isinstance(kid, str) else "a key without kid"


def _shorten(lines: list[str]) -> list[str]:
    rest = len(lines) - _MOST_LINES
    return [*lines[:_MOST_LINES], f"and {rest} more"] if rest > 0 else lines
