"""`trust`: one line between an application and an issuer in memory."""

from __future__ import annotations

import pytest
from pyramid.config import Configurator
from webtest import TestApp

from pyramid_oauthguard import SettingError
from pyramid_oauthguard.interfaces import IIssuer
from pyramid_oauthguard.testing import MemoryIssuer, bearer, read_claims, trust

ISSUER = "https://tenant.example.com/oauth2/default"
SETTINGS = {"oauthguard.issuer": ISSUER, "oauthguard.audience": "api://default api://other"}


def build(**more):
    config = Configurator(settings={**SETTINGS, **more})
    config.include("pyramid_oauthguard")
    config.add_route("home", "/")
    config.add_view(
        lambda request: {"who": request.access_token.subject}, route_name="home", renderer="json", token_check="local"
    )
    return config


class Middleware:
    def __init__(self, name, wrapped):
        setattr(self, name, wrapped)


def test_an_issuer_is_made_to_fit_the_settings():
    issuer = trust(build(**{"oauthguard.client_id": "web mobile", "oauthguard.algorithms": "ES384 PS256"}))
    claims = read_claims(issuer.mint())
    assert (claims["iss"], claims["aud"], claims["client_id"]) == (ISSUER, "api://default", "web")
    assert issuer.algorithm == "ES384"


def test_rs256_is_preferred_where_it_is_accepted():
    assert trust(build(**{"oauthguard.algorithms": "ES256 RS256"})).algorithm == "RS256"


def test_its_tokens_are_accepted():
    app = TestApp(build().make_wsgi_app())
    issuer = trust(app)
    assert app.get("/", headers=issuer.bearer(sub="ada")).json == {"who": "ada"}


def test_those_of_another_issuer_of_the_same_name_are_not():
    app = TestApp(build().make_wsgi_app())
    trust(app)
    other = MemoryIssuer(ISSUER, audience="api://default")
    app.get("/", headers=other.bearer(), status=401)


@pytest.mark.parametrize("name", ["app", "application", "wsgi_app"])
def test_middleware_is_looked_through(name):
    app = build().make_wsgi_app()
    issuer = trust(Middleware("app", Middleware(name, app)))
    assert app.registry.queryUtility(IIssuer, name=ISSUER) is issuer


def test_a_registry_and_a_configurator_will_do():
    config = build()
    assert trust(config).identifier == trust(config.registry).identifier == ISSUER


def test_an_issuer_of_your_own_is_taken():
    app = build().make_wsgi_app()
    mine = MemoryIssuer(ISSUER, audience="api://other", algorithm="EdDSA")
    assert trust(app, mine) is mine
    assert TestApp(app).get("/", headers=bearer(mine.mint())).status_int == 200


def test_an_issuer_of_another_name_is_refused():
    with pytest.raises(SettingError, match=r"oauthguard\.issuer.*tenant\.example\.com.*issuer\.test"):
        trust(build(), MemoryIssuer())


def test_an_application_without_an_issuer_is_refused():
    with pytest.raises(SettingError, match=r"oauthguard\.issuer"):
        trust(Configurator())


@pytest.mark.parametrize("thing", [object(), Middleware("app", Middleware("app", None)), print])
def test_what_is_no_application_is_refused(thing):
    with pytest.raises(TypeError, match="no Pyramid application"):
        trust(thing)


def test_applications_do_not_share_issuers():
    one, other = TestApp(build().make_wsgi_app()), TestApp(build().make_wsgi_app())
    headers = trust(one).bearer()
    trust(other)
    one.get("/", headers=headers)
    other.get("/", headers=headers, status=401)
