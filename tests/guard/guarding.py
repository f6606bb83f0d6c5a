"""Small real applications with a guard in front, and what their tests say again and again."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from pyramid.authorization import Allow
from pyramid.config import Configurator
from pyramid.exceptions import ConfigurationExecutionError
from pyramid.response import Response
from webtest import TestApp

from pyramid_oauthguard import SettingError
from pyramid_oauthguard.testing import MemoryIssuer, bearer, trust

TestApp.__test__ = False  # pytest takes it for a class of tests

BARE = 'Bearer realm="api"'
MALFORMED = (
    'Bearer realm="api", error="invalid_request", '
    'error_description="The Authorization header must carry exactly one well-formed bearer token."'
)
INVALID = (
    'Bearer realm="api", error="invalid_token", error_description="The access token is invalid, expired or revoked."'
)
INSUFFICIENT = (
    'Bearer realm="api", error="insufficient_scope", error_description="The access token does not permit this request."'
)


class Root:
    """A resource that lets in by scope, client, role and user."""

    __acl__ = (
        (Allow, "scope:read", "read"),
        (Allow, "scope:write", ("read", "write")),
        (Allow, "client:robot", "operate"),
        (Allow, "role:admin", "administer"),
        (Allow, "user:ada", "own"),
        (Allow, "system.Authenticated", "enter"),
    )

    def __init__(self, request: Any = None) -> None:
        self.request = request


def build_app(
    configure: Callable[[Configurator], Any] | None = None,
    issuer: MemoryIssuer | None = None,
    *,
    settings: dict[str, Any] | None = None,
    **options: Any,
) -> TestApp:
    """WebTest over an application with the guard, completed by `configure`, that trusts `issuer`."""
    issuer = issuer or MemoryIssuer()
    config = Configurator(settings={**issuer.settings, **(settings or {})}, **{"root_factory": Root, **options})
    config.include("pyramid_oauthguard")
    if configure is not None:
        configure(config)
    app = config.make_wsgi_app()
    trust(app, issuer)
    return TestApp(app)


def add(config: Configurator, path: str, view: Any = None, **options: Any) -> None:
    """A route of the path's own name, and a view for it."""
    name = path.strip("/") or "root"
    if config.introspector.get("routes", name) is None and name not in _known(config):
        config.add_route(name, path)
        _known(config).add(name)
    config.add_view(view or tell, route_name=name, **{"renderer": "json", **options})


def _known(config: Configurator) -> set[str]:
    known: set[str] = config.registry.__dict__.setdefault("routes_of_this_test", set())
    return known


def tell(request: Any) -> dict[str, Any]:
    """A view that says what it knows of the caller."""
    token = request.access_token
    return {"subject": token and token.subject, "mode": token and token.mode}


def answer(text: str) -> Callable[[Any], Response]:
    """A view that always says `text`."""
    return lambda request: Response(text)


def ask(app: TestApp, path: str, raw: str | None = None, method: str = "GET", **headers: str) -> Any:
    """The answer to a request that presents the token `raw`, whatever its status."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return app.request(path, method=method, headers={**(bearer(raw) if raw else {}), **given}, status="*")


def find_status(app: TestApp, path: str, raw: str | None = None, **headers: str) -> int:
    return ask(app, path, raw, **headers).status_int


def read_problem(response: Any) -> dict[str, Any]:
    """The problem document of a refusal, whose status it repeats."""
    assert response.content_type == "application/problem+json"
    problem = json.loads(response.body)
    assert problem["status"] == response.status_int
    return problem


def find_setting_error(configure: Callable[[], Any]) -> SettingError:
    """The SettingError that start-up stops with, by itself or in Pyramid's wrapping."""
    with pytest.raises((SettingError, ConfigurationExecutionError)) as caught:
        configure()
    error = caught.value if isinstance(caught.value, SettingError) else caught.value.evalue
    assert isinstance(error, SettingError), repr(error)
    assert "\n" not in str(error)
    return error
