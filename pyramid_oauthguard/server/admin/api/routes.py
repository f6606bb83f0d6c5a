"""The routes of the API. There are none until the setting ``admin.scope`` names its scope."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any, Final

from pyramid.config import Configurator
from pyramid.events import ApplicationCreated
from pyramid.interfaces import PHASE3_CONFIG

from ....errors import SettingError
from ....interfaces import ICredentialCheck
from ...endpoints.views import add_endpoint
from ...settings import PREFIX, ServerSettings
from ..access import ADMIN_ROUTE
from . import clients, others
from .calls import Operation, build_view

__all__ = ["include"]

#: After everything that an application includes.
_LAST: Final = PHASE3_CONFIG + 2
#: By path and method: what is called, with the parameters that its query may have.
_OPERATIONS: Final[Mapping[str, Mapping[str, Operation]]] = {
    "clients": {
        "GET": Operation(clients.show_clients, ("client_id", "limit", "after")),
        "POST": Operation(clients.create_client),
        "PATCH": Operation(clients.edit_client, ("client_id",)),
        "DELETE": Operation(clients.disable_client, ("client_id",)),
    },
    "secrets": {
        "POST": Operation(clients.create_secret, ("client_id",)),
        "DELETE": Operation(clients.end_secret, ("client_id", "secret_id")),
    },
    "client_keys": {"PUT": Operation(clients.replace_keys, ("client_id",))},
    "grants": {
        "GET": Operation(others.show_grants, ("subject", "limit")),
        "DELETE": Operation(others.end_grants, ("grant_id", "subject")),
    },
    "users": {"DELETE": Operation(others.forget_user, ("subject",))},
    "keys": {
        "GET": Operation(others.show_keys),
        "POST": Operation(others.make_key),
        "PATCH": Operation(others.change_key, ("kid",)),
    },
    "audit": {"GET": Operation(others.show_audit, ("limit", "before", "since", "event", "client_id", "subject"))},
    "health": {"GET": Operation(others.show_health)},
}
#: To read and to end something needs no new sign-in, so that a program can do it, too.
_WITHOUT_SIGN_IN: Final = frozenset({"GET", "DELETE"})


def include(config: Configurator, settings: ServerSettings) -> None:
    """Add the routes and their views.

    :raises SettingError: the application does not include the guard; at the end of the configuration.
    """
    if settings.admin_scope is None:
        return
    check = functools.partial(_check_guard, config.registry)
    if config.autocommit:
        config.add_subscriber(lambda _event: check(), ApplicationCreated)
    else:
        config.action("oauthguard admin api", check, order=_LAST)
    for name, operations in _OPERATIONS.items():
        views = {
            method: build_view(operation, needs_sign_in=method not in _WITHOUT_SIGN_IN)
            for method, operation in operations.items()
        }
        add_endpoint(config, f"{ADMIN_ROUTE}.api.{name}", f"{settings.path}/admin/api/{name}", views)


def _check_guard(registry: Any) -> None:
    if registry.queryUtility(ICredentialCheck) is None:
        hint = 'add config.include("pyramid_oauthguard"), or remove this setting'
        raise SettingError(f"{PREFIX}.admin.scope", "needs the guard in the same application", hint)
