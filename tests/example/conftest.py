"""The example in this process: the API alone with an issuer in memory, and the whole of it as development.ini sets it up."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from webtest import TestApp as App

from example_app import main
from pyramid_oauthguard.testing import trust

ORIGIN = "http://localhost:3000"


def build_api_settings(folder: Path, **more: str) -> dict[str, str]:
    return {
        "sqlalchemy.url": f"sqlite:///{folder}/customers.sqlite",
        "example.demo": "true",
        "cors.origins": ORIGIN,
        "pyramid_openapi3.enable_response_validation": "true",  # each answer of the API is one that its document describes
        "oauthguard.issuer": "http://localhost",
        "oauthguard.audience": "https://customers.example",
        **more,
    }


def build_settings(folder: Path, **more: str) -> dict[str, str]:
    return {
        **build_api_settings(folder),
        "example.session_secret_file": f"{folder}/session.key",
        "oauthguard.server.issuer": "http://localhost",
        "oauthguard.server.audience": "https://customers.example",
        "oauthguard.server.scopes": "customer_api = Customers\nread:messages = Messages",
        "oauthguard.server.default_scopes": "customer_api",
        "oauthguard.server.sqlalchemy.url": f"sqlite:///{folder}/oauth.sqlite",
        "oauthguard.server.limits": "off",
        **more,
    }


def dispose(app: Any) -> None:
    app.registry["example_app.engine"].dispose()


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    settings = build_api_settings(tmp_path_factory.mktemp("api"), **{"oauthguard.introspection.auth_method": "none"})
    made = main({}, **settings)
    yield App(made)
    dispose(made)


@pytest.fixture(scope="module")
def mint(api: App) -> Callable[..., dict[str, str]]:
    """The header that presents a token of the API's issuer with these scopes."""
    issuer = trust(api)
    return lambda scope: issuer.bearer(scope=scope)


@pytest.fixture(scope="module")
def bearer(mint: Callable[..., dict[str, str]]) -> dict[str, str]:
    return mint("customer_api")


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    made = main({}, **build_settings(tmp_path_factory.mktemp("example")))
    yield App(made)
    dispose(made)


@pytest.fixture(scope="module")
def own_bearer(app: App) -> dict[str, str]:
    """The header that presents a token of the embedded authorization server."""
    client = App(app.app)
    client.authorization = ("Basic", ("customer-manager", "customer-manager-secret"))
    answer = client.post("/oauth/token", {"grant_type": "client_credentials", "scope": "customer_api"})
    return {"Authorization": f"Bearer {answer.json['access_token']}"}
