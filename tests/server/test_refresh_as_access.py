"""A refresh token opens no API: neither one that asks the server over HTTP, nor one in the server's own process."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
from pyramid.config import Configurator
from webtest import TestApp
from webtest.http import StopableWSGIServer

from pyramid_oauthguard.testing import bearer
from tests.example.servers import find_free_port
from tests.server.flows import build_flow


def find_caller(request):
    return {"sub": request.access_token.subject, "mode": request.access_token.mode}


def guard(config):
    config.include("pyramid_oauthguard")
    for mode in ("local", "remote"):
        config.add_route(mode, f"/{mode}")
        config.add_view(find_caller, route_name=mode, renderer="json", token_check=mode)


@pytest.fixture(params=["in its own process", "over HTTP"])
def place(request):
    return request.param


@pytest.mark.slow
@pytest.mark.promise("IN-40", "GD-45")
@pytest.mark.parametrize("form", ["jwt", "opaque"])
@pytest.mark.parametrize("audience", ["the issuer", "an API"])
def test_a_refresh_token_opens_no_api(build, place, form, audience):
    port = find_free_port()
    url = f"http://127.0.0.1:{port}"
    ours = url if audience == "the issuer" else "https://api.example"
    settings = {"oauthguard.issuer": url, "oauthguard.audience": ours, "oauthguard.introspection.auth_method": "none"}

    def embed(config):
        if place == "in its own process":
            config.add_settings(settings)
            guard(config)

    flow = build_flow(build, {"issuer": url, "audience": ours, "access_token_format": form}, configure=embed)
    api = flow.server.api
    running = StopableWSGIServer.create(flow.server.app.app, host="127.0.0.1", port=port, threads=2)
    try:
        answer = flow.show().form.submit("decision", value="allow")
        tokens = flow.redeem(parse_qs(urlsplit(answer.location).query)["code"][0])
        app = flow.server.app
        if place == "over HTTP":
            credentials = {"client_id": api.client.client_id, "client_secret": api.secret}
            mine = {f"oauthguard.introspection.{name}": value for name, value in credentials.items()}
            config = Configurator(
                settings={**settings, **mine, "oauthguard.introspection.auth_method": "client_secret_basic"}
            )
            guard(config)
            app = TestApp(config.make_wsgi_app())
        modes = ("local", "remote") if form == "jwt" else ("remote",)
        for mode in modes:
            assert app.get(f"/{mode}", headers=bearer(tokens["access_token"])).json == {"sub": "anna", "mode": mode}
        for mode in ("local", "remote"):
            answer = app.get(f"/{mode}", headers=bearer(tokens["refresh_token"]), status=401)
            assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]
    finally:
        running.shutdown()
        running.runner.join(10)
