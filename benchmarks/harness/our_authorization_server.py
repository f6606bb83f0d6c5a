"""Our authorization server under test: ``python -m benchmarks.harness.our_authorization_server OPTIONS``."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import random
import sys
import time
from pathlib import Path
from typing import Any

import waitress
from pyramid.config import Configurator
from sqlalchemy import insert

from pyramid_oauthguard.server.clients import get_clients
from pyramid_oauthguard.server.opaque import CODE_PREFIX, REFRESH_PREFIX, make_client_id, make_id, make_opaque
from pyramid_oauthguard.server.service import IService, Service
from pyramid_oauthguard.server.store.records import (
    REGISTRATION,
    AccessTokenRecord,
    CodeRecord,
    Grant,
    RefreshTokenRecord,
)
from pyramid_oauthguard.server.store.sqlalchemy.engine import build_engine
from pyramid_oauthguard.server.store.sqlalchemy.models import access_tokens, clients, grants

__all__ = ["add_unused_clients", "add_used_client"]

CALLBACK = "https://web.example/callback"
VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()


class _People:
    """Nobody signs in here: codes are in the database already."""

    def user(self, request: Any) -> None:
        return None

    def sign_in(self, request: Any) -> Any:
        raise AssertionError


def _serve() -> None:
    options = json.loads(sys.argv[1])
    settings = {
        "issuer": "http://127.0.0.1",
        "audience": "https://api.example",
        "scopes": "read",
        "default_scopes": "read",
        "sqlalchemy.url": f"sqlite:///{options['folder']}/oauth.sqlite",
        # Counted as always, and never reached.
        **{f"limits.{name}": "9999999/1m" for name in ("token", "introspection", "failures")},
        **options.get("settings", {}),
    }
    config = Configurator(settings={f"oauthguard.server.{key}": value for key, value in settings.items()})
    config.include("pyramid_oauthguard.server")
    config.set_resource_owner(_People())
    app = config.make_wsgi_app()
    given = _fill(config.registry, options)
    (Path(options["folder"]) / "given.json").write_text(json.dumps(given))
    waitress.serve(app, host="127.0.0.1", port=options["port"], threads=options["threads"], connection_limit=1000)


def _fill(registry: Any, options: dict[str, Any]) -> dict[str, Any]:
    registered, service = get_clients(registry), registry.getUtility(IService)
    program = registered.create("Program", grants=["client_credentials"], scopes=["read"])
    web = registered.create(
        "Web", grants=["authorization_code", "refresh_token"], redirect_uris=[CALLBACK], scopes=["read"]
    )
    api = registered.create("API", role="resource_server")
    made = {"program": program, "web": web, "api": api}
    unused = options.get("unused_clients", 0)
    if unused:
        engine = build_engine(f"sqlite:///{options['folder']}/oauth.sqlite")
        add_unused_clients(engine, unused, expires_at=time.time() + 86400)
        engine.dispose()
    codes, refresh_tokens = _add_grants(service, web.client.client_id, options["prepared"])
    return {
        "paths": {"token": "/oauth/token", "introspect": "/oauth/introspect"},
        "clients": {name: (each.client.client_id, each.secret) for name, each in made.items()},
        "tokens": _add_tokens(service, program.client.client_id, options["live"]),
        "codes": codes,
        "refresh_tokens": refresh_tokens,
        "code_form": {"redirect_uri": CALLBACK, "code_verifier": VERIFIER},
    }


def add_unused_clients(engine: Any, count: int, *, expires_at: float) -> None:
    """Clients that registered themselves and that no user has allowed anything; in one statement, because 100,000 of their own
    take minutes."""
    common = {
        "name": "Tool",
        "role": "client",
        "public": True,
        "grants": "authorization_code refresh_token",
        "scopes": "read",
        "audiences": "https://api.example",
        "created_at": expires_at - 86400,
        "registered_by": REGISTRATION,
        "expires_at": expires_at,
    }
    uris = (f"https://tool{number}.example/callback http://127.0.0.1/callback" for number in range(count))
    rows = [{**common, "client_id": make_client_id(), "redirect_uris": each} for each in uris]
    with engine.begin() as connection:
        if rows:
            connection.execute(insert(clients), rows)


def add_used_client(engine: Any, *, tokens: int) -> None:
    """A client with live access tokens, one for each of many users."""
    uri, now = "https://app.example/callback", time.time()
    client = {"client_id": "app", "name": "App", "role": "client", "public": False, "redirect_uris": uri}
    rights = {"scopes": "read", "audiences": "https://api.example"}
    granted = {"client_id": "app", "subject": "anna", **rights}
    grant_rows = [{"grant_id": make_id(), "created_at": now, **granted} for _number in range(tokens)]
    times = {"issued_at": now, "expires_at": now + 86400}
    token_rows = [
        {"token_id": make_id(), "hash": os.urandom(32), "grant_id": each["grant_id"], **times, **granted}
        for each in grant_rows
    ]
    with engine.begin() as connection:
        connection.execute(insert(clients).values(grants="authorization_code", created_at=now, **client, **rights))
        connection.execute(insert(grants), grant_rows)
        connection.execute(insert(access_tokens), token_rows)


def _add_tokens(service: Service, client_id: str, count: int) -> list[str]:
    """Live tokens, and a thousand of them from all over the table."""
    now, wanted = time.time(), set(random.sample(range(count), min(count, 1000)))
    found = []
    for begin in range(0, count, 10_000):
        with service.store.writing() as unit:
            for number in range(begin, min(begin + 10_000, count)):
                made = make_opaque("ogat_")
                record = AccessTokenRecord(
                    token_id=made.token_id,
                    hash=service.pepper.hash_token(made.text),
                    client_id=client_id,
                    subject=client_id,
                    scopes=("read",),
                    audiences=("https://api.example",),
                    issued_at=now,
                    expires_at=now + 86400,
                )
                unit.add_access_token(record)
                if number in wanted:
                    found.append(made.text)
    return found


def _add_grants(service: Service, client_id: str, count: int) -> tuple[list[str], list[str]]:
    now = time.time()
    codes, refresh_tokens = [], []
    common = {"scopes": ("read",), "audiences": ("https://api.example",), "client_id": client_id, "subject": "anna"}
    with service.store.writing() as unit:
        for number in range(2 * count):
            grant_id = make_id()
            unit.add_grant(Grant(grant_id=grant_id, created_at=now, **common))
            if number % 2:
                text = make_opaque(CODE_PREFIX).text
                unit.add_code(
                    CodeRecord(
                        hash=service.pepper.hash_code(text),
                        grant_id=grant_id,
                        client_id=client_id,
                        redirect_uri=CALLBACK,
                        code_challenge=CHALLENGE,
                        created_at=now,
                        expires_at=now + 86400,
                    )
                )
                codes.append(text)
            else:
                made = make_opaque(REFRESH_PREFIX)
                unit.add_refresh_token(
                    RefreshTokenRecord(
                        token_id=made.token_id,
                        hash=service.pepper.hash_token(made.text),
                        grant_id=grant_id,
                        issued_at=now,
                        expires_at=now + 86400,
                        **common,
                    )
                )
                refresh_tokens.append(made.text)
    return codes, refresh_tokens


if __name__ == "__main__":
    _serve()
