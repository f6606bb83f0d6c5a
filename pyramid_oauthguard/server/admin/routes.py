"""The routes of the administration. There are none until the setting ``admin`` names somebody."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pyramid.config import Configurator
from pyramid.request import Request

from ..consent.pages import answer_errors_on_page
from ..endpoints.views import add_endpoint
from ..grant_types import USER_GRANTS
from ..settings import ServerSettings
from .access import ADMIN_ROUTE, Page, check_hooks, guard_page
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
    add_endpoint(config, ADMIN_ROUTE, path, {"GET": _view(show_start), "POST": _view(answer_action)})
    for name, page in (("clients", show_clients), ("users", show_user), ("keys", show_keys), ("audit", show_audit)):
        add_endpoint(config, f"{ADMIN_ROUTE}.{name}", f"{path}/{name}", {"GET": _view(page)})


def _view(page: Page) -> Callable[[Request], Any]:
    return answer_errors_on_page(guard_page(page))
