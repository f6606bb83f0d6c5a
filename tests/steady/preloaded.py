"""Applications for a server that loads them, lets them serve once, and then forks its workers (gunicorn --preload).

Settings come from the environment; what the test needs to know goes to a file.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from pyramid.config import Configurator
from pyramid.request import Request
from webtest import TestApp

from pyramid_oauthguard.server.clients import get_clients
from pyramid_oauthguard.testing import bearer
from tests.server.conftest import Server

AUDIENCE = "https://api.example"
USERS = tuple(f"user-{number}" for number in range(12))


def build_issuer() -> Any:
    """The authorization server, with a view that is guarded by its own tokens, without HTTP."""
    known = read_known()
    config = Configurator(settings=read_settings("ISSUER_SETTINGS"))
    config.include("pyramid_oauthguard.server")
    config.include("pyramid_oauthguard")
    add_view(config)
    app = config.make_wsgi_app()
    clients = get_clients(config.registry)
    program = clients.create("Program", grants=["client_credentials"], scopes=["read"])
    api = clients.create("API", role="resource_server", audiences=[AUDIENCE])
    server = Server(TestApp(app), config.registry, Path(), program, api, program)
    tokens = {user: server.user_tokens(subject=user, audiences=(AUDIENCE,))[0] for user in USERS}
    assert server.app.get("/who", headers=bearer(tokens[USERS[0]])).json["who"] == USERS[0]
    assert server.introspect(server.token())["active"]
    known |= {
        "tokens": tokens,
        "api": [api.client.client_id, api.secret],
        "program": [program.client.client_id, program.secret],
    }
    Path(os.environ["KNOWN"]).write_text(json.dumps(known))
    return app


def build_api() -> Any:
    """An application that asks the authorization server over HTTP."""
    known = read_known()
    client_id, secret = known["api"]
    settings = {
        **read_settings("API_SETTINGS"),
        "oauthguard.introspection.client_id": client_id,
        "oauthguard.introspection.client_secret": secret,
    }
    config = Configurator(settings=settings)
    config.include("pyramid_oauthguard")
    add_view(config)
    app = config.make_wsgi_app()
    for user in USERS[:2]:
        answer = Request.blank("/who", headers=bearer(known["tokens"][user])).get_response(app)
        assert answer.json["who"] == user
    return app


def add_view(config: Any) -> None:
    config.add_route("who", "/who")
    config.add_view(who, route_name="who", renderer="json", token_check="remote")


def who(request: Any) -> dict[str, Any]:
    return {"who": request.authenticated_userid, "process": os.getpid()}


def read_settings(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(os.environ[name])
    return found


def read_known() -> dict[str, Any]:
    file = Path(os.environ["KNOWN"])
    return json.loads(file.read_text()) if file.exists() else {}
