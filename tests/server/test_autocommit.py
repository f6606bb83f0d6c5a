"""What is called after the server was assembled counts as well: with autocommit, with pyramid.testing, in a later commit."""

from __future__ import annotations

import pytest
from pyramid import testing
from pyramid.config import Configurator
from pyramid.response import Response
from webtest import TestApp

from pyramid_oauthguard import SettingError
from pyramid_oauthguard.interfaces import IIssuer
from pyramid_oauthguard.server.clients import get_clients
from pyramid_oauthguard.server.service import IService, find_service
from pyramid_oauthguard.server.store.sqlalchemy import SQLAlchemyStore
from pyramid_oauthguard.server.store.sqlalchemy.engine import build_engine
from tests.server.conftest import ISSUER, basic
from tests.server.flows import CALLBACK, VERIFIER, Flow, People, read_answer
from tests.server.test_settings import Handshake

pytestmark = pytest.mark.slow

METADATA = "/.well-known/oauth-authorization-server"


def build_settings(folder, **more):
    given = {
        "issuer": ISSUER,
        "audience": "https://api.example",
        "scopes": "read = Read\nwrite = Write",
        "default_scopes": "read",
        "signing.algorithm": "ES256",
        "sqlalchemy.url": f"sqlite:///{folder}/oauth.sqlite",
        **more,
    }
    return {f"oauthguard.server.{name}": value for name, value in given.items()}


@pytest.fixture(params=["autocommit", "pyramid.testing", "two commits"])
def include(request, tmp_path):
    """A function that makes a configurator in which the server runs already."""
    made = []

    def make(*, guard=None, **more):
        settings = {**build_settings(tmp_path, **more), **(guard or {})}
        if request.param == "pyramid.testing":
            config = testing.setUp(settings=settings)
        else:
            config = Configurator(settings=settings, autocommit=request.param == "autocommit")
        made.append(config)
        config.include("pyramid_oauthguard.server")
        config.commit()
        return config

    yield make
    for config in made:
        service = config.registry.queryUtility(IService)
        if service is not None:
            service.store.close()
            service.store._engine.dispose()  # a database in memory stays open when its store is closed
        if request.param == "pyramid.testing":
            testing.tearDown()


def test_users_that_are_made_known_later_can_be_asked(include):
    config = include()
    config.set_resource_owner(people := People())
    app = TestApp(config.make_wsgi_app())
    assert app.get(METADATA).json["authorization_endpoint"] == f"{ISSUER}/oauth/authorize"
    grants = ["authorization_code", "refresh_token"]
    web = get_clients(config.registry).create("Web", redirect_uris=[CALLBACK], grants=grants, scopes=["read", "write"])
    flow = Flow(None, people, web, None)
    app.set_cookie("user", "anna")
    answer = app.get("/oauth/authorize", flow.ask()).form.submit("decision", value="allow")
    form = {
        "grant_type": "authorization_code",
        "code": read_answer(answer)["code"],
        "redirect_uri": CALLBACK,
        "code_verifier": VERIFIER,
    }
    headers = basic(web.client.client_id, web.secret)
    tokens = app.post("/oauth/token", form, headers=headers).json
    assert app.post("/oauth/token", {"grant_type": "refresh_token", **tokens}, headers=headers).json["access_token"]
    assert app.get("/oauth/applications").form.action.endswith("/oauth/applications")


def test_nothing_that_was_stored_before_is_lost(include):
    config = include(**{"sqlalchemy.url": "sqlite://"})
    made = get_clients(config.registry).create("Program", grants=["client_credentials"], scopes=["read"])
    keys = [key["kid"] for key in find_service(config).keys.list_published()]
    config.set_resource_owner(People())
    app = TestApp(config.make_wsgi_app())
    headers = basic(made.client.client_id, made.secret)
    assert app.post("/oauth/token", {"grant_type": "client_credentials"}, headers=headers).json["access_token"]
    assert [key["kid"] for key in app.get("/oauth/jwks").json["keys"]] == keys


def test_a_grant_that_is_added_later_is_on(include):
    config = include()
    config.add_oauth_grant(Handshake)
    config.set_resource_owner(People())
    app = TestApp(config.make_wsgi_app())
    assert Handshake.GRANT_TYPE in app.get(METADATA).json["grant_types_supported"]
    made = get_clients(config.registry).create("Shaker", grants=[Handshake.GRANT_TYPE], scopes=["read"])
    headers = basic(made.client.client_id, made.secret)
    assert app.post("/oauth/token", {"grant_type": Handshake.GRANT_TYPE}, headers=headers).json["access_token"]


def test_a_store_that_is_set_later_is_the_one_that_is_used(include, tmp_path):
    store = SQLAlchemyStore(build_engine(f"sqlite:///{tmp_path}/theirs.sqlite"))
    store.create_tables()
    config = include(pepper_file=str(tmp_path / "pepper"))
    config.set_oauth_store(store)
    config.commit()
    made = get_clients(config.registry).create("Program", grants=["client_credentials"], scopes=["read"])
    app = TestApp(config.make_wsgi_app())
    headers = basic(made.client.client_id, made.secret)
    assert app.post("/oauth/token", {"grant_type": "client_credentials"}, headers=headers).json["access_token"]
    with store.reading() as unit:
        assert unit.find_client(made.client.client_id)
    store.close()


def test_a_guard_hears_of_revocations_whichever_came_first(include):
    guard = {"oauthguard.issuer": ISSUER, "oauthguard.audience": "https://api.example"}
    config = include(guard={**guard, "oauthguard.cache.introspection.expiration_time": "1h"})
    config.include("pyramid_oauthguard")
    config.add_route("me", "/me")
    config.add_view(lambda request: Response("ok"), route_name="me", token_check="remote")
    made = get_clients(config.registry).create("Program", grants=["client_credentials"], scopes=["read"])
    app = TestApp(config.make_wsgi_app())
    headers = basic(made.client.client_id, made.secret)
    token = app.post("/oauth/token", {"grant_type": "client_credentials"}, headers=headers).json["access_token"]
    bearer = {"Authorization": f"Bearer {token}"}
    assert app.get("/me", headers=bearer).text == "ok"
    issuer = config.registry.getUtility(IIssuer, name=ISSUER)
    config.set_resource_owner(People())
    config.commit()
    assert config.registry.getUtility(IIssuer, name=ISSUER) is issuer
    assert app.post("/oauth/revoke", {"token": token}, headers=headers).status_int == 200
    assert app.get("/me", headers=bearer, status="*").status_int == 401


@pytest.mark.promise("AS-16")
def test_endpoints_that_come_later_are_matched_in_the_place_of_the_include(include):
    config = include()
    config.add_route("rest", "/*rest")
    config.add_view(lambda request: Response("mine"), route_name="rest")
    config.set_resource_owner(People())
    app = TestApp(config.make_wsgi_app())
    assert app.get("/oauth/authorize", {"client_id": "x"}, status=400).content_type == "text/html"
    assert app.get("/oauth/elsewhere").text == "mine"


@pytest.mark.parametrize("how", [{"autocommit": True}, None])
def test_grants_may_be_named_before_the_users_are_known(tmp_path, how):
    settings = build_settings(tmp_path, grants=f"authorization_code {Handshake.GRANT_TYPE}")
    config = Configurator(settings=settings, autocommit=True) if how else testing.setUp(settings=settings)
    config.include("pyramid_oauthguard.server")
    with pytest.raises(SettingError, match=r"server\.grants.*it needs config\.set_resource_owner"):
        config.make_wsgi_app()
    config.set_resource_owner(People())
    with pytest.raises(SettingError, match=r"server\.grants: 'urn:example:handshake'"):
        config.make_wsgi_app()
    config.add_oauth_grant(Handshake)
    app = TestApp(config.make_wsgi_app())
    assert app.get(METADATA).json["grant_types_supported"] == ["authorization_code", Handshake.GRANT_TYPE]
    config.registry.getUtility(IService).store.close()
    testing.tearDown()


def test_a_unit_test_that_makes_no_application_finds_the_service(tmp_path):
    config = testing.setUp(settings=build_settings(tmp_path))
    config.include("pyramid_oauthguard.server")
    config.set_resource_owner(people := People())
    request = testing.DummyRequest()
    assert find_service(request).owner is people
    assert get_clients(request.registry).list_all() == ()
    find_service(request).store.close()
    testing.tearDown()
