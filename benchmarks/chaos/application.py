"""The servers under test. It is copied into a folder and run there by the environment of a project, so it knows nothing else.

``CHAOS_SETTINGS`` names a JSON file with the settings. ``python application.py prepare 8`` makes the clients and signs in so
many users; what it made is in ``given.json`` beside the settings. ``CHAOS_CLOCK`` names a file that has a number of seconds, by
which the clock of the process is wrong.
"""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import os
import re
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from pyramid.config import Configurator
from pyramid.response import Response

__all__ = ["build", "build_behind_proxy", "build_example", "build_guarded"]

_VERIFIER = "v" * 43
_CALLBACK = "https://web.example/callback"
_SITE = "https://spa.example"


class People:
    """The user is the one that the header names."""

    def user(self, request: Any) -> str | None:
        return request.headers.get("X-User")

    def sign_in(self, request: Any) -> Any:
        return Response("sign in")


def build(*_global: object, **_settings: str) -> Any:
    """The WSGI application; what gunicorn is given, and the command."""
    return _configure().make_wsgi_app()


def build_behind_proxy() -> Any:
    """The same, where the header ``X-Client`` has the address of the caller."""
    app = build()

    def serve(environ: Any, start_response: Any) -> Any:
        environ["REMOTE_ADDR"] = environ.get("HTTP_X_CLIENT", "127.0.0.1")
        return app(environ, start_response)

    return serve


def build_guarded() -> Any:
    """An API: one view for each way to check a token, and one that is open."""
    _log()
    config = Configurator(settings=_read_settings())
    config.include("pyramid_oauthguard")
    for path, options in {"mine": {}, "local": {"token_check": "local"}, "remote": {"token_check": "remote"}}.items():
        config.add_route(path, f"/{path}")
        config.add_view(_name_caller if options else _answer, route_name=path, **options)
    return config.make_wsgi_app()


def _answer(_request: Any) -> Any:
    return Response("here")


def _name_caller(request: Any) -> Any:
    return Response(json_body={"who": request.access_token.subject})


def build_example() -> Any:
    """The example, both halves in one process."""
    from example_app import main

    _log()
    return main({}, **_read_settings())


def _log() -> None:
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s %(message)s")


def _read_settings() -> Any:
    return json.loads(Path(os.environ["CHAOS_SETTINGS"]).read_text())


def _configure() -> Any:
    _log()
    config = Configurator(settings=_read_settings())
    config.include("pyramid_oauthguard.server")
    config.set_resource_owner(People())
    config.add_route("mine", "/mine")
    config.add_view(lambda request: Response("mine"), route_name="mine")
    return config


def _move_clock(offset: Path, right: Any = time.time) -> None:
    """Let ``time.time`` be wrong. What lasts a while is measured by the monotonic clock, which nobody sets."""
    time.time = lambda: right() + float(offset.read_text())


def _prepare(users: int) -> None:
    from webtest import TestApp

    from pyramid_oauthguard.server.clients import get_clients

    config = _configure()
    app = TestApp(config.make_wsgi_app())
    clients = get_clients(config.registry)
    program = clients.create("Program", grants=["client_credentials"], scopes=["read"])
    audience = _read_settings()["oauthguard.server.audience"]
    api = clients.create("API", role="resource_server", audiences=[audience])
    chosen = clients.create("Chosen", grants=["client_credentials"], scopes=["read"], secret="chosen-by-people")
    web = clients.create(
        "Web", redirect_uris=[_CALLBACK], grants=["authorization_code", "refresh_token"], scopes=["read"]
    )
    spa = clients.create("SPA", public=True, redirect_uris=[f"{_SITE}/cb"], grants=["authorization_code"])
    given = {
        name: [made.client.client_id, made.secret]
        for name, made in {"program": program, "api": api, "chosen": chosen, "web": web, "spa": spa}.items()
    }
    tokens = [_sign_in(app, given["web"], f"user-{number}") for number in range(users)]
    Path(os.environ["CHAOS_SETTINGS"]).with_name("given.json").write_text(json.dumps({**given, "tokens": tokens}))


def _sign_in(app: Any, web: Any, user: str) -> str:
    challenge = base64.urlsafe_b64encode(hashlib.sha256(_VERIFIER.encode()).digest()).rstrip(b"=").decode()
    asked = {
        "response_type": "code",
        "client_id": web[0],
        "redirect_uri": _CALLBACK,
        "scope": "read",
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    headers = {"X-User": user}
    page = app.get(f"/oauth/authorize?{urlencode(asked)}", headers=headers)
    found = re.search(r'name="ticket" value="([^"]+)"', page.text)
    assert found is not None
    form = {"ticket": found[1], "decision": "allow", "scope.read": "on"}
    location = app.post("/oauth/authorize", form, headers=headers).headers["Location"]
    form = {"grant_type": "authorization_code", "code": parse_qs(urlsplit(location).query)["code"][0]}
    form |= {"redirect_uri": _CALLBACK, "code_verifier": _VERIFIER}
    basic = base64.b64encode(f"{web[0]}:{web[1]}".encode()).decode()
    token: str = app.post("/oauth/token", form, headers={"Authorization": f"Basic {basic}"}).json["refresh_token"]
    return token


if "CHAOS_CLOCK" in os.environ:
    _move_clock(Path(os.environ["CHAOS_CLOCK"]))
if __name__ == "__main__" and sys.argv[1:2] == ["prepare"]:
    _prepare(int(sys.argv[2]))
