"""The series that are there from the start, at zero."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, Final

from ..telemetry.counting import name_issuer
from .settings import MetricsSettings

__all__ = ["OTHER", "list_series"]

OTHER: Final = "other"
_OF_ISSUERS: Final = {
    "circuits": (("opened", "failed_again", "closed"),),
    "fetches": (("keys", "metadata", "introspection"), ("answered", "failed")),
    "remote_checks_in_flight": (),
}
_OF_SERVERS: Final = {
    "reuses": ("refresh_token", "code", "device_code"),
    "consents": ("allowed", "remembered", "first_party", "denied", "denied_by_application", "withdrawn"),
    "limits_reached": (
        "failures",
        "token",
        "introspection",
        "revocation",
        "device_authorization",
        "registration",
        "sign_in",
    ),
}

Series = tuple[str, tuple[str, ...]]


def list_series(registry: Any, settings: MetricsSettings) -> Iterator[Series]:
    """The names and labels of what has not happened yet in an application, and may."""
    guard = registry.__dict__.get("oauthguard")
    for issuer in guard.settings.list_issuers() if guard is not None else ():
        for name, values in _OF_ISSUERS.items():
            yield from ((name, (name_issuer(issuer.issuer_name), *rest)) for rest in itertools.product(*values))
    for grant in _list_grants(registry):
        yield from (("tokens_issued", (grant, client)) for client in (*settings.clients, OTHER))
    for name, words in _OF_SERVERS.items() if _list_grants(registry) else ():
        yield from ((name, (word,)) for word in words)


def _list_grants(registry: Any) -> tuple[str, ...]:
    """The grants of the authorization server that are on; none without one."""
    try:
        from ..server.service import IService
    except ImportError:  # the bare install is the guard alone
        return ()
    service = registry.queryUtility(IService)
    return () if service is None else tuple(service.grants)
