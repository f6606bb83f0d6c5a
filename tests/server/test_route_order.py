"""What was included first is matched first: no route that the application adds later answers in place of an endpoint."""

from __future__ import annotations

import itertools

import pytest
from pyramid.config import Configurator
from pyramid.config.views import DefaultViewMapper
from pyramid.interfaces import IRoutesMapper
from pyramid.response import Response
from webtest import TestApp

from pyramid_oauthguard.server.clients import get_clients
from pyramid_oauthguard.server.service import IService
from tests.server.conftest import basic
from tests.server.flows import People

PATHS = (
    "/oauth/token",
    "/oauth/jwks",
    "/oauth/authorize",
    "/oauth/device",
    "/oauth/pages.css",
    "/.well-known/oauth-authorization-server",
    "/.well-known/openid-configuration",
)


@pytest.fixture
def settings(tmp_path):
    return {
        "oauthguard.server.issuer": "http://localhost:6543",
        "oauthguard.server.audience": "https://api.example",
        "oauthguard.server.scopes": "read = Read",
        "oauthguard.server.default_scopes": "read",
        "oauthguard.server.signing.algorithm": "ES256",
        "oauthguard.server.sqlalchemy.url": f"sqlite:///{tmp_path}/oauth.sqlite",
    }


@pytest.fixture
def start():
    """Make the application of a configurator; its database is closed at the end of the test."""
    started = []

    def make(config):
        app = TestApp(config.make_wsgi_app())
        started.append(config.registry)
        return app

    yield make
    for registry in started:
        registry.getUtility(IService).store.close()


def include_server(config):
    config.include("pyramid_oauthguard.server")
    config.set_resource_owner(People())


def add_fallback(config, pattern="/*rest", **options):
    config.add_route("fallback", pattern, **options)
    config.add_view(lambda request: Response("fallback"), route_name="fallback")


def find_fallbacks(app):
    """The endpoints' addresses that the application's route answers."""
    answers = {path: app.request(path, method="GET", expect_errors=True) for path in PATHS}
    return [path for path, answer in answers.items() if answer.text == "fallback" or answer.status_int == 404]


def list_names(config):
    return [route.name for route in config.registry.getUtility(IRoutesMapper).get_routes()]


@pytest.mark.slow
@pytest.mark.promise("AS-16")
@pytest.mark.parametrize("pattern", ["/*rest", "/{page:.*}", "/{owner}/{repo}", "/oauth/{rest}", "/oauth/token"])
def test_a_route_added_after_the_include_answers_in_place_of_no_endpoint(settings, start, pattern):
    config = Configurator(settings=settings)
    include_server(config)
    add_fallback(config, pattern)
    app = start(config)
    assert find_fallbacks(app) == []
    made = get_clients(config.registry).create("Program", grants=["client_credentials"], scopes=["read"])
    headers = basic(made.client.client_id, made.secret)
    assert app.post("/oauth/token", {"grant_type": "client_credentials"}, headers=headers).json["scope"] == "read"


@pytest.mark.slow
@pytest.mark.promise("AS-16")
def test_a_static_view_at_the_root_answers_in_place_of_no_endpoint(settings, start, tmp_path):
    (tmp_path / "index.txt").write_text("index")
    config = Configurator(settings=settings)
    include_server(config)
    config.add_static_view("/", str(tmp_path))
    app = start(config)
    assert find_fallbacks(app) == []
    assert app.get("/index.txt").text == "index"


@pytest.mark.slow
@pytest.mark.promise("AS-16")
@pytest.mark.parametrize("order", list(itertools.permutations(["server", "before", "nested"])))
def test_what_was_included_first_is_matched_first(settings, start, order):
    def add_nested(config):
        config.add_route("nested", "/nested")

    calls = {
        "server": include_server,
        "before": lambda config: config.add_route("before", "/before"),
        "nested": lambda config: config.include(add_nested),
    }
    config = Configurator(settings=settings)
    for name in order:
        calls[name](config)
    start(config)
    found = ["server" if name.startswith("oauthguard.") else name for name in list_names(config)]
    assert [name for name, _group in itertools.groupby(found)] == list(order)


@pytest.mark.promise("AS-16")
def test_a_route_added_before_the_include_stays_the_application_s(settings, start):
    config = Configurator(settings=settings)
    config.add_route("mine", "/oauth/jwks")
    config.add_view(lambda request: Response("mine"), route_name="mine")
    include_server(config)
    assert start(config).get("/oauth/jwks").text == "mine"


@pytest.mark.promise("AS-16")
def test_an_include_inside_an_include_keeps_its_place(settings, start):
    config = Configurator(settings=settings)
    config.add_route("first", "/first")
    config.include(include_server, route_prefix="auth")
    add_fallback(config)
    app = start(config)
    assert app.get("/auth/oauth/jwks").json["keys"]
    assert app.get("/.well-known/oauth-authorization-server").json["jwks_uri"].endswith("/auth/oauth/jwks")
    assert list_names(config)[0] == "first"
    assert list_names(config)[-1] == "fallback"


@pytest.mark.slow
@pytest.mark.promise("AS-16")
@pytest.mark.parametrize("again", [False, True])
def test_a_commit_in_between_changes_nothing(settings, start, again):
    config = Configurator(settings=settings)
    config.add_route("first", "/first")
    include_server(config)
    config.commit()
    add_fallback(config)
    if again:  # by another package of the application, which does not know of the first
        config.include("pyramid_oauthguard.server")
    app = start(config)
    assert find_fallbacks(app) == []
    assert list_names(config)[0] == "first"


@pytest.mark.promise("AS-16")
def test_the_settings_may_still_be_changed_after_the_include(settings, start):
    config = Configurator(settings=settings)
    include_server(config)
    add_fallback(config)
    config.add_settings({"oauthguard.server.path": "/sso"})
    app = start(config)
    assert app.get("/sso/jwks").json["keys"]
    assert app.get("/oauth/jwks").text == "fallback"


@pytest.mark.slow
@pytest.mark.promise("AS-16")
def test_defaults_of_the_application_do_not_reach_the_endpoints(settings, start):
    class Backwards(DefaultViewMapper):
        def __call__(self, view):
            raise AssertionError("asked for an endpoint")

    config = Configurator(settings=settings)
    config.set_view_mapper(Backwards)
    include_server(config)
    assert find_fallbacks(start(config)) == []
