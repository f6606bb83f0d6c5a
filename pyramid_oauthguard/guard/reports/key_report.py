"""Each key of an issuer, and why it is not used, for ``oauthguard check`` and ``oauthguard explain``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from ...errors import OAuthGuardError
from ...jwt.keyset import PRIVATE_MEMBERS, build_key_set, find_curves
from ..settings import GuardSettings
from .live_issuer import build_live_issuer

__all__ = ["describe_keys", "describe_unusable_keys"]

_MOST: Final = 20
_TYPES: Final = ("RSA", "EC", "OKP")


def describe_unusable_keys(keys: Sequence[object], algorithms: Iterable[str]) -> list[str]:
    """A line for each key that can't verify anything under ``algorithms``: its name, and why."""
    allowed = tuple(algorithms)
    found = [f"{_name(key)} is not used: {why}" for key in keys if (why := _judge(key, allowed))]
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
    why = _judge(key, settings.algorithms)
    if why:
        return why
    ((kid, algorithms),) = build_key_set([key], settings.algorithms).describe()
    if facts["alg"] not in algorithms:
        return f"verifies {' '.join(algorithms)}, the token is signed with {facts['alg']!r}"
    if facts["kid"] is not None and kid != facts["kid"]:
        return f"the token names the key {facts['kid']!r}"
    return "fits, and did not make the signature"


def _judge(key: object, allowed: tuple[str, ...]) -> str | None:
    """Why ``key`` can't be used at all, None where it can."""
    if build_key_set([key], allowed):
        return None
    if not isinstance(key, Mapping):
        return "it is not an object"
    return next(filter(None, (_judge_members(key), _judge_kind(key, allowed))), "it is malformed, or too weak")


def _judge_members(key: Mapping[str, Any]) -> str | None:
    if "kid" in key and not isinstance(key["kid"], str):
        return "its kid is not text"
    secret = sorted(PRIVATE_MEMBERS.intersection(key))
    if secret:
        return f"it is private or symmetric: it has {' '.join(secret)}"
    if key.get("use", "sig") != "sig":
        return f"its use is {key['use']!r}, not sig"
    operations = key.get("key_ops")
    if operations is not None and not (isinstance(operations, list) and "verify" in operations):
        return "its key_ops do not include verify"
    return None


def _judge_kind(key: Mapping[str, Any], allowed: tuple[str, ...]) -> str | None:
    kind, algorithm = key.get("kty"), key.get("alg")
    if kind not in _TYPES:
        return f"its kty {kind!r} is not supported"
    curve = key.get("crv")
    if kind != "RSA" and not (isinstance(curve, str) and curve in find_curves()):
        return f"its crv {curve!r} is not supported"
    if algorithm and algorithm not in allowed:
        return f"its alg {algorithm!r} is not one of oauthguard.algorithms"
    without = {name: value for name, value in key.items() if name != "alg"}
    if build_key_set([without], allowed):
        return f"its alg {algorithm!r} does not fit its kty or crv"
    return None


def _name(key: object) -> str:
    kid = key.get("kid") if isinstance(key, Mapping) else None
    return repr(kid) if isinstance(kid, str) else "a key without kid"


def _shorten(lines: list[str]) -> list[str]:
    rest = len(lines) - _MOST
    return [*lines[:_MOST], f"and {rest} more"] if rest > 0 else lines
