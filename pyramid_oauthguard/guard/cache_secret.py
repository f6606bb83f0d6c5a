"""The secret that seals the guard's entries in shared caches. A cache is not an authority: an entry without a seal is a miss.

Anyone who can write to a cache and can also compute the seal can put keys there, and so make tokens. Therefore a cache outside
this process needs a secret, or a setting that says that every program that can write to it is trusted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from ..caching import is_shared
from ..errors import SettingError
from ..interfaces import Finding, IEmbeddedIssuer, IIssuer
from .settings import CACHES, MIN_CACHE_SECRET_CHARACTERS, GuardSettings

__all__ = ["CacheSecret", "check_caches", "find_cache_secret", "judge_caches", "require_cache_secret"]

_INTROSPECTION: Final = "oauthguard.introspection.client_secret"
_COST: Final = "every program that can write to it can make tokens that are accepted here"
_REMEDY: Final = "set oauthguard.cache.secret_file"


@dataclass(frozen=True, slots=True)
class CacheSecret:
    """What seals entries.

    :ivar source: the setting it comes from, or what else gave it.
    """

    source: str
    text: str = field(repr=False)


def find_cache_secret(settings: GuardSettings, issuer: object) -> CacheSecret | None:
    """The best secret at hand, or None where there is none.

    :param issuer: the :class:`~pyramid_oauthguard.interfaces.IIssuer` of the settings in this process, or None.
    """
    if settings.cache_secret:
        return CacheSecret("oauthguard.cache.secret", f"setting {settings.cache_secret}")
    if IEmbeddedIssuer.providedBy(issuer):
        key: Any = issuer.derive_cache_key()  # type: ignore[attr-defined]  # it provides the interface
        return CacheSecret("a key of the authorization server in this process", f"server {key.hex()}")
    # A client's secret that is its name, or the issuer, is known to others.
    if settings.introspection_client_secret and not settings.is_public(settings.introspection_client_secret):
        return CacheSecret(_INTROSPECTION, f"introspection {settings.introspection_client_secret}")
    return None


def require_cache_secret(settings: GuardSettings, issuer: object) -> str:
    """The text that caches are sealed with; without secrecy where the settings trust the cache.

    :raises SettingError: there is a shared cache, no secret, and no setting that trusts it.
    """
    found = find_cache_secret(settings, issuer)
    if found is not None:
        return found.text
    shared = _list_shared(settings)
    if shared and not settings.cache_trusted:
        name, backend = shared[0]
        raise SettingError(
            f"oauthguard.cache.{name}.backend",
            f"is {backend}, which is outside this process, and there is no secret to seal its entries with: {_COST}",
            f"{_REMEDY}; or, if that is what you want, oauthguard.cache.trusted = true",
        )
    return ""


def check_caches(registry: Any, settings: GuardSettings) -> None:
    """:raises SettingError: as :func:`require_cache_secret`."""
    require_cache_secret(settings, registry.queryUtility(IIssuer, name=settings.issuer))


def judge_caches(settings: GuardSettings, issuer: object) -> Iterator[Finding]:
    """What ``oauthguard check`` says of the shared caches."""
    shared = _list_shared(settings)
    if not shared:
        return
    names = ", ".join(f"{name} in {backend}" for name, backend in shared)
    found = find_cache_secret(settings, issuer)
    if found is None:
        yield Finding("warning", "oauthguard.cache.trusted", f"{names}, without a secret: {_COST}", _REMEDY)
        return
    yield Finding("ok", "caches", f"{names}, sealed with {found.source}")
    if found.source == _INTROSPECTION and len(settings.introspection_client_secret or "") < MIN_CACHE_SECRET_CHARACTERS:
        text = f"is short and seals {names}: anyone who can read a cache can try to guess it"
        yield Finding("warning", _INTROSPECTION, text, _REMEDY)


def _list_shared(settings: GuardSettings) -> list[tuple[str, str]]:
    """Names and backends of the caches outside this process."""
    options = {name: getattr(settings, f"cache_{name}") for name in CACHES}
    return [(name, str(each["backend"])) for name, each in options.items() if is_shared(each)]
