"""What the verifiers of one issuer ask: its keys, its introspection and its userinfo, in this process or over HTTP."""

from __future__ import annotations

import functools
import json
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple
from weakref import WeakSet

from dogpile.cache import CacheRegion
from pyramid.registry import Registry
from zope.interface import implementer

from ... import processes
from ...bounded import BoundedMap
from ...caching import build_region
from ...errors import SettingError, UnavailableError
from ...interfaces import IEmbeddedIssuer, IIssuer, IIssuerListener, KeyDocument
from ...issuers.http_issuer import build_http_issuer
from ...issuers.in_flight import InFlight
from ...issuers.introspection import Introspector
from ...issuers.key_file import KeyFile
from ...issuers.keys import KeySource
from ...telemetry.counting import name_issuer
from ..cache_secret import require_cache_secret
from ..settings import KEY_LIFETIME_SECONDS, GuardSettings
from ..state import Guard
from ..verifiers.chosen import Verifiers
from ..verifiers.local import AudiencelessVerifier, LocalVerifier, build_memory
from ..verifiers.remote import RemoteVerifier
from ..verifiers.signed_answers import build_introspect
from ..verifiers.userinfo import USERINFO_KEY, UserinfoVerifier

__all__ = ["IssuerParts", "build_modes", "build_parts"]

FindSecret = Callable[[], str]


@implementer(IIssuerListener)
class _Listener:
    """Passes what the issuer in this process says to the caches."""

    def __init__(self, keys: KeySource | KeyFile, *introspectors: Introspector) -> None:
        self._keys = keys
        self._introspectors = introspectors

    def tokens_revoked(self, token_ids: Iterable[str]) -> None:
        gone = tuple(token_ids)
        for each in self._introspectors:
            each.evict(gone)

    def keys_changed(self) -> None:
        self._keys.kept.forget()


class _DeferredIssuer:
    """The issuer in this process if there is one, otherwise the issuer over HTTP. Decided at the first use, when all are registered."""

    def __init__(self, registry: Registry, settings: GuardSettings, find_secret: FindSecret) -> None:
        self._registry = registry
        self._settings = settings
        self._region = _build_metadata_region(
            settings, find_secret
        )  # now, because a wrong setting must be found before the first request
        self._lock = threading.Lock()
        self._issuer: Any = None
        self.listener: _Listener | None = None
        processes.register(self, _DeferredIssuer._leave_parent)

    def fetch_keys(self) -> KeyDocument:
        return self._find().fetch_keys()  # type: ignore[no-any-return]

    def is_embedded(self) -> bool:
        """Whether the issuer runs in this process."""
        return bool(IEmbeddedIssuer.providedBy(self._find()))

    def answers_at_once(self) -> bool:
        """Whether its answers come from this process, so that no thread waits for a network."""
        issuer = self._find()
        return bool(IEmbeddedIssuer.providedBy(issuer)) or getattr(issuer, "in_memory", False) is True

    def introspect(self, raw: str) -> Mapping[str, Any]:
        return self._find().introspect(raw)  # type: ignore[no-any-return]

    def fetch_metadata(self) -> Any:
        return self._find().fetch_metadata()

    def fetch_userinfo(self, raw: str) -> Mapping[str, Any]:
        issuer = self._find()
        if not hasattr(issuer, "fetch_userinfo"):
            raise UnavailableError("no_userinfo", f"{self._settings.issuer} has no userinfo here", lasting=True)
        return issuer.fetch_userinfo(raw)  # type: ignore[no-any-return]

    def _leave_parent(self) -> None:
        self._lock = threading.Lock()

    def _find(self) -> Any:
        if self._issuer is None:
            with self._lock:
                if self._issuer is None:
                    issuer = self._registry.queryUtility(IIssuer, name=self._settings.issuer)
                    issuer = issuer or build_http_issuer(self._settings.build_issuer_settings(), self._region)
                    issuer.subscribe(self.listener)
                    self._issuer = issuer
        return self._issuer


def _build_metadata_region(settings: GuardSettings, find_secret: FindSecret) -> CacheRegion:
    return _build_region(settings, "metadata", settings.build_issuer_settings().metadata_lifetime, find_secret)


class IssuerParts(NamedTuple):
    """What the verifiers of one issuer ask, and where they remember verified tokens. There are two memories, because the remote
    check accepts tokens before it asks that a local view may refuse.
    """

    keys: KeySource | KeyFile
    introspector: Introspector
    userinfo: Introspector
    fetch_metadata: Callable[[], Any]
    verified: BoundedMap | None
    audienceless: BoundedMap | None


def build_modes(settings: GuardSettings, parts: IssuerParts) -> Verifiers:
    """The verifiers of one issuer, or of one tenant, by mode."""
    first = local = LocalVerifier(settings, parts.keys, verified=parts.verified)
    if settings.introspection_judges == "all":
        first = AudiencelessVerifier(settings, parts.keys, verified=parts.audienceless)
    return {
        "local": local,
        "remote": RemoteVerifier(settings, first, parts.introspector),
        "userinfo": UserinfoVerifier(settings, local, parts.userinfo, keys=parts.keys),
    }


def build_parts(registry: Registry, settings: GuardSettings) -> IssuerParts:
    """The keys and the introspection of one issuer, or of all tenants that share them."""
    # At the first use: an authorization server that is included later gives the secret.
    find_secret = functools.cache(
        lambda: require_cache_secret(settings, registry.queryUtility(IIssuer, name=settings.issuer))
    )
    issuer = _DeferredIssuer(registry, settings, find_secret)
    keys = _build_keys(settings, issuer, find_secret)
    _note_source(registry, settings, keys)
    label = name_issuer(settings.issuer_name)
    positive, inactive = settings.find_expiration("introspection", 0), settings.find_expiration("inactive", 10)
    limits: dict[str, Any] = {
        "positive": _build_region(settings, "introspection", positive, find_secret),
        "inactive": _build_region(settings, "inactive", inactive, find_secret),
        "lifetime": positive,
        "inactive_lifetime": inactive,
        "patience": settings.http_timeout,
        "in_flight": InFlight(settings.introspection_max_in_flight, is_embedded=issuer.answers_at_once, label=label),
        "memory": settings.cache_tokens_size,
        "label": label,
    }
    introspector = Introspector(build_introspect(settings, keys, issuer.introspect), **limits)
    userinfo = Introspector(
        lambda key: issuer.fetch_userinfo(key.removeprefix(USERINFO_KEY)), kind="userinfo", **limits
    )
    issuer.listener = _Listener(keys, introspector, userinfo)
    return IssuerParts(
        keys, introspector, userinfo, issuer.fetch_metadata, build_memory(settings), build_memory(settings)
    )


def _note_source(registry: Registry, settings: GuardSettings, keys: KeySource | KeyFile) -> None:
    guard: Guard | None = registry.__dict__.get("oauthguard")
    if guard is not None:  # otherwise a verifier without an application
        guard.key_sources.setdefault(settings.issuer_name, WeakSet()).add(keys)


def _build_keys(settings: GuardSettings, issuer: _DeferredIssuer, find_secret: FindSecret) -> KeySource | KeyFile:
    limits: dict[str, Any] = {
        "algorithms": settings.algorithms,
        "uses": settings.key_uses,
        "max_stale": settings.keys_max_stale,
    }
    if settings.jwks_file is not None:
        return KeyFile(settings.jwks_file, **limits)
    lifetime = settings.find_expiration("jwks", KEY_LIFETIME_SECONDS)
    return KeySource(
        issuer.fetch_keys,
        _build_region(settings, "jwks", lifetime, find_secret),
        lifetime=lifetime,
        cooldown=settings.keys_cooldown,
        is_embedded=issuer.is_embedded,
        label=name_issuer(settings.issuer_name),
        **limits,
    )


def _build_region(settings: GuardSettings, name: str, expiration_time: float, find_secret: FindSecret) -> CacheRegion:
    namespace = [settings.issuer, settings.audience, name]

    def bind_secret() -> str:
        """The secret for this cache, issuer and audience alone: an entry can't be moved to another one."""
        return json.dumps([find_secret(), *namespace])

    options = getattr(settings, f"cache_{name}")
    try:
        own = json.dumps(namespace)
        return build_region(name, options, expiration_time=expiration_time, secret=bind_secret, namespace=own)
    except Exception as error:  # dogpile and its backends raise any exception
        raise SettingError(settings.name_key(f"cache.{name}"), f"can't be configured: {error}") from error
