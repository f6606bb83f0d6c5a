"""Real applications with an authorization server each, on a SQLite file of their own."""

from __future__ import annotations

import base64
import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from jinja2.bccache import Bucket, BytecodeCache
from pyramid.config import Configurator
from webtest import TestApp

from pyramid_oauthguard.server.clients import ClientRegistry, MadeClient, get_clients
from pyramid_oauthguard.server.opaque import REFRESH_PREFIX, make_id, make_opaque
from pyramid_oauthguard.server.service import IService, Service
from pyramid_oauthguard.server.store.records import AccessTokenRecord, Grant, RefreshTokenRecord
from pyramid_oauthguard.server.store.sqlalchemy import SQLAlchemyStore
from pyramid_oauthguard.server.store.sqlalchemy import engine as engines
from tests.server.databases import database, postgresql  # noqa: F401  # fixtures

_set_up_connection = engines._set_up_connection
ISSUER = "http://localhost:6543"


@dataclass
class Server:
    """An application under test and its clients: ``program`` has client credentials, ``api`` may introspect."""

    app: TestApp
    registry: Any
    file: Path
    program: Any = None  # each a MadeClient, unless the server was made without clients
    api: Any = None
    public: Any = None

    @property
    def clients(self) -> ClientRegistry:
        return get_clients(self.registry)

    @property
    def service(self) -> Service:
        found: Service = self.registry.getUtility(IService)
        return found

    def basic(self, client: MadeClient) -> dict[str, str]:
        return basic(client.client.client_id, client.secret or "")

    def token(self, client: MadeClient | None = None, **form: str) -> str:
        body = {"grant_type": "client_credentials", **form}
        answer = self.app.post("/oauth/token", body, headers=self.basic(client or self.program))
        text: str = answer.json["access_token"]
        return text

    def introspect(self, token: str, **form: str) -> Any:
        return self.app.post("/oauth/introspect", {"token": token, **form}, headers=self.basic(self.api)).json

    def revoke(self, token: str, client: MadeClient | None = None, **form: str) -> Any:
        headers = self.basic(client or self.program)
        return self.app.post("/oauth/revoke", {"token": token, **form}, headers=headers, status="*")

    def is_active(self, token: str) -> bool:
        """Whether an API is told that an access token is good, or a client may use a refresh token."""
        answer = self.introspect(token)
        if token.startswith(REFRESH_PREFIX):
            assert answer == {"active": False}, "no API is told anything of a refresh token"
            return self.find_refresh_token(token) is not None
        assert answer["active"] or answer == {"active": False}
        return bool(answer["active"])

    def find_refresh_token(self, text: str) -> RefreshTokenRecord | None:
        """What is stored of a refresh token that its client may use now, otherwise None. No endpoint says this."""
        now, pepper = time.time(), self.service.pepper
        with self.service.store.reading() as unit:
            found = unit.find_refresh_token(pepper.hash_token(text))
        if (
            found is None
            or found.revoked
            or found.successor_id is not None
            or not found.issued_at <= now < found.expires_at
        ):
            return None
        return found if self.service.is_active_user(found.subject) else None

    def user_tokens(
        self,
        *,
        subject: str = "anna",
        client: MadeClient | None = None,
        audiences: tuple[str, ...] = ("https://api.example",),
    ) -> tuple[str, str]:
        """A grant of a user with an access token and a refresh token, as the grants for users will store them."""
        client_id = (client or self.program).client.client_id
        now = time.time()
        grant = Grant(
            grant_id=make_id(),
            client_id=client_id,
            subject=subject,
            scopes=("read",),
            audiences=audiences,
            created_at=now,
        )
        refresh = make_opaque(REFRESH_PREFIX)
        access = make_opaque("ogat_")
        common = {
            "client_id": client_id,
            "subject": subject,
            "scopes": ("read",),
            "audiences": audiences,
            "issued_at": now,
        }
        pepper = self.service.pepper
        with self.service.store.writing() as unit:
            unit.add_grant(grant)
            unit.add_access_token(
                AccessTokenRecord(
                    token_id=access.token_id,
                    hash=pepper.hash_token(access.text),
                    grant_id=grant.grant_id,
                    expires_at=now + 600,
                    **common,
                )
            )
            unit.add_refresh_token(
                RefreshTokenRecord(
                    token_id=refresh.token_id,
                    hash=pepper.hash_token(refresh.text),
                    grant_id=grant.grant_id,
                    expires_at=now + 86400,
                    **common,
                )
            )
        return access.text, refresh.text


def basic(client_id: str, secret: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode()}


Build = Callable[..., Server]


class _Compiled(BytecodeCache):
    """The compiled templates of our pages: each application would compile its own."""

    def __init__(self) -> None:
        self._codes: dict[tuple[str, str], Any] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        bucket.code = self._codes.get((bucket.key, bucket.checksum))

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._codes[bucket.key, bucket.checksum] = bucket.code


_COMPILED = _Compiled()


@cache
def _make_empty_database() -> bytes:
    """A SQLite file with our tables: writing it takes less time than making them."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "empty.sqlite"
        store = SQLAlchemyStore(engines.build_engine(f"sqlite:///{file}"))
        store.create_tables()
        store.close()
        return file.read_bytes()


def _set_up_without_waiting(connection: sqlite3.Connection, record: Any) -> None:
    _set_up_connection(connection, record)
    connection.execute("PRAGMA synchronous = OFF").close()


@pytest.fixture
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Build]:
    """A function that makes a server; settings without their prefix, ``configure`` is called with the Configurator."""
    stores = []
    # No test cuts the power, and with several processes each transaction would wait long for the disk.
    monkeypatch.setattr(engines, "_set_up_connection", _set_up_without_waiting)

    def make(
        settings: dict[str, Any] | None = None,
        *,
        configure: Callable[[Any], None] | None = None,
        name: str = "oauth",
        clients: bool = True,
    ) -> Server:
        file = tmp_path / f"{name}.sqlite"
        given = {
            "issuer": ISSUER,
            "audience": "https://api.example",
            "scopes": "read = Read\nwrite = Write\nadmin = Administer",
            "default_scopes": "read",
            "signing.algorithm": "ES256",  # RSA keys take long to make
            "sqlalchemy.url": f"sqlite:///{file}",
            "limits": "off",
            **(settings or {}),
        }
        if given["sqlalchemy.url"] == f"sqlite:///{file}" and not file.exists():
            file.touch(0o600)
            file.write_bytes(_make_empty_database())
        config = Configurator(
            settings={
                **{f"oauthguard.server.{key}": value for key, value in given.items()},
                "oauthguard pages.bytecode_caching": _COMPILED,
            }
        )
        config.include("pyramid_oauthguard.server")
        if configure:
            configure(config)
        app = TestApp(config.make_wsgi_app())
        stores.append(config.registry.getUtility(IService).store)
        if not clients:
            return Server(app, config.registry, file)
        registry = get_clients(config.registry)
        return Server(
            app,
            config.registry,
            file,
            registry.create("Program", grants=["client_credentials"], scopes=["read", "write"]),
            registry.create("API", role="resource_server"),
            registry.create("Public", public=True, redirect_uris=["http://127.0.0.1/"], grants=["authorization_code"]),
        )

    yield make
    for store in stores:
        store.close()
        engine = getattr(store, "_engine", None)
        if engine is not None:
            engine.dispose()  # a database in memory stays open when its store is closed


@pytest.fixture
def server(build: Build) -> Server:
    return build()
