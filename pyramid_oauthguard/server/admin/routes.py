"""The routes of the administration. There are none until the setting ``admin`` names somebody."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from pyramid.config import Configurator

from ..endpoints.views import add_page
from ..grant_types import USER_GRANTS
from ..settings import ServerSettings
from . import api
from .access import ADMIN_ROUTE, Page, check_hooks, guard_page, guard_page_of_outages
from .actions import answer_action, answer_signed_out
from .client_page import show_client
from .health_page import HEALTH_ROUTE, show_health
from .lists import show_clients, show_keys, show_start
from .trail import show_audit
from .user_page import show_user

__all__ = ["include"]

_PAGES: Final[Mapping[str, Page]] = {
    "clients": show_clients,
    "client": show_client,
    "users": show_user,
    "keys": show_keys,
    "audit": show_audit,
}


def include(config: Configurator, settings: ServerSettings) -> None:
    """Add the routes and their views.

    :raises SettingError: the application lacks a hook that the administration needs.
    """
    api.include(config, settings)
    if not settings.admin or not USER_GRANTS.intersection(settings.grants):
        return
    check_hooks(config.registry, settings)
    path = f"{settings.path}/admin"
    action = guard_page(answer_action, signed_out=answer_signed_out)
    add_page(config, ADMIN_ROUTE, path, {"GET": guard_page(show_start), "POST": action})
    for name, page in _PAGES.items():
        add_page(config, f"{ADMIN_ROUTE}.{name}", f"{path}/{name}", {"GET": guard_page(page)})
    add_page(config, HEALTH_ROUTE, f"{path}/health", {"GET": guard_page_of_outages(show_health)})
