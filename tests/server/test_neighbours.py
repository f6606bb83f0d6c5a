"""The server beside other packages, in any order of includes: its endpoints answer as they do alone."""

from __future__ import annotations

import itertools
import warnings

import pytest
from pyramid.config import Configurator
from webtest import TestApp

with warnings.catch_warnings():  # of packages of other people, as they are imported
    warnings.simplefilter("ignore")
    import cornice  # noqa: F401
    import pyramid_multiauth  # noqa: F401
    import pyramid_openapi3  # noqa: F401

from pyramid_oauthguard.server.clients import get_clients
from pyramid_oauthguard.server.limits import TooManyRequestsError
from pyramid_oauthguard.server.service import IService
from tests.server.conftest import ISSUER, basic
from tests.server.flows import CALLBACK, VERIFIER, Flow, People, read_answer

pytestmark = [pytest.mark.slow, pytest.mark.promise("AS-16")]
SPEC = 'openapi: "3.1.0"\ninfo: {title: API, version: "1"}\npaths: {}\n'
SETTINGS = {
    "oauthguard.server.issuer": ISSUER,
    "oauthguard.server.audience": "https://api.example",
    "oauthguard.server.scopes": "read = Read\nwrite = Write",
    "oauthguard.server.default_scopes": "read",
    "oauthguard.server.signing.algorithm": "ES256",
    "multiauth.policies": "remote",
    "multiauth.policy.remote.use": "pyramid.authentication.RemoteUserAuthenticationPolicy",
}
GUARD = {"oauthguard.issuer": ISSUER, "oauthguard.audience": "https://api.example", "oauthguard.policy": "off"}


@pytest.fixture
def build(tmp_path):
    """A function that starts an application whose parts are included in this order."""
    (tmp_path / "openapi.yaml").write_text(SPEC)
    made = []

    def include_openapi(config):
        config.include("pyramid_openapi3")
        config.pyramid_openapi3_spec(str(tmp_path / "openapi.yaml"))

    def include_own(config):
        config.set_default_permission("everything")
        config.add_route("limit", "/limit")
        config.add_view(reach_limit, route_name="limit", permission="__no_permission_required__")

    def reach_limit(request):
        raise TooManyRequestsError(7)

    def include_server(config):
        config.include("pyramid_oauthguard.server")
        config.set_resource_owner(People())

    parts = {
        "server": include_server,
        "guard": lambda config: config.include("pyramid_oauthguard"),
        "cornice": lambda config: config.include("cornice"),
        "openapi": lambda config: config.include(include_openapi),
        "multiauth": lambda config: config.include("pyramid_multiauth"),
        "own": lambda config: config.include(include_own),
    }

    def make(order):
        settings = {**SETTINGS, "oauthguard.server.sqlalchemy.url": f"sqlite:///{tmp_path}/oauth.sqlite"}
        config = Configurator(settings={**settings, **(GUARD if "guard" in order else {})})
        for part in order:
            parts[part](config)
        app = TestApp(config.make_wsgi_app())
        made.append(config.registry)
        return app

    yield make
    for registry in made:
        registry.getUtility(IService).store.close()


ORDERS = [
    *itertools.permutations(["server", "cornice", "multiauth", "own"]),
    *itertools.permutations(["server", "guard", "openapi", "cornice"]),
]


@pytest.mark.parametrize("order", ORDERS, ids=" ".join)
def test_the_endpoints_answer_as_they_do_alone(build, order):
    app = build(order)
    grants = ["authorization_code", "refresh_token", "client_credentials"]
    clients = get_clients(app.app.registry)
    web = clients.create("Web", redirect_uris=[CALLBACK], grants=grants, scopes=["read", "write"])
    headers = basic(web.client.client_id, web.secret)
    ask = Flow(None, None, web, None).ask
    assert app.get("/oauth/authorize", ask()).headers["Location"].startswith("http://localhost/sign-in?next=")
    app.set_cookie("user", "anna")
    answer = app.get("/oauth/authorize", ask()).form.submit("decision", value="allow")
    form = {"code": read_answer(answer)["code"], "redirect_uri": CALLBACK, "code_verifier": VERIFIER}
    token = app.post("/oauth/token", {"grant_type": "authorization_code", **form}, headers=headers).json
    app.post("/oauth/revoke", {"token": token["access_token"]}, headers=headers, status=200)
    refused = app.post("/oauth/token", {"grant_type": "client_credentials"}, status=401)
    assert refused.json["error"] == "invalid_client"
    assert app.get("/oauth/token", status=405).headers["Allow"] == "POST"
    assert app.get("/oauth/jwks").json["keys"]
    assert app.get("/.well-known/oauth-authorization-server").json["issuer"] == ISSUER
    assert TestApp(app.app).get("/%ff", status=400)
    if "own" in order:
        assert app.get("/limit", status=429).headers["Retry-After"] == "7"
