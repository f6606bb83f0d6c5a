"""The routes of the administration. There are none until the setting ``admin`` names somebody."""

from __future__ import annotations

from pyramid.config import Configurator

from ..endpoints.views import add_page
from ..grant_types import USER_GRANTS
from ..settings import ServerSettings
from .access import ADMIN_ROUTE, check_hooks, guard_page
from .actions import answer_action
from .lists import show_clients, show_keys, show_start, show_user
from .trail import show_audit

__all__ = ["include"]


def include(config: Configurator, settings: ServerSettings) -> None:
    """Add the routes and their views.

    :raises SettingError: the application lacks a hook that the administration needs.
    """
    if not settings.admin or not USER_GRANTS.intersection(settings.grants):
        return
    check_hooks(config.registry, settings)
    path = f"{settings.path}/admin"
    add_page(config, ADMIN_ROUTE, path, {"GET": guard_page(show_start), "POST": guard_page(answer_action)})
    for name, page in (("clients", show_clients), ("users", show_user), ("keys", show_keys), ("audit", show_audit)):
        add_page(config, f"{ADMIN_ROUTE}.{name}", f"{path}/{name}", {"GET": guard_page(page)})
