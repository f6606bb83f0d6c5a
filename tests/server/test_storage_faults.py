"""Whatever happens to the database, at whatever endpoint: 503 for what needs it, never 500, never a 200 for what was not done."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from webtest import TestApp

from pyramid_oauthguard import UnavailableError
from pyramid_oauthguard.server.clients import MadeClient
from pyramid_oauthguard.server.store.sqlalchemy import SQLAlchemyStore
from pyramid_oauthguard.server.store.sqlalchemy.engine import build_engine
from tests.example.postgres import run_postgresql
from tests.server.conftest import Build, basic
from tests.server.databases import make_database
from tests.server.flows import CALLBACK, VERIFIER, Flow, build_flow

pytestmark = pytest.mark.slow

DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
#: What reads nothing that isn't remembered.
NEEDS_NOTHING = {"jwks", "metadata", "style", "device page"}
#: What only reads.
READS = NEEDS_NOTHING | {"introspection", "introspection of nothing", "applications"}


class Visitor:
    """Has begun everything that can be begun, and goes on when something has happened to the database."""

    def __init__(self, flow: Flow) -> None:
        self.flow = flow
        grants = ["authorization_code", "refresh_token", "device_code", "client_credentials"]
        self.client = flow.server.clients.create("All", redirect_uris=[CALLBACK], grants=grants, scopes=["read"])
        self.browser = flow.sign_in()
        ask = flow.ask(self.client, scope="read", redirect_uri=CALLBACK)
        consent = self.browser.get("/oauth/authorize", ask)
        tokens = flow.redeem(
            flow.allow(self.client, scope="read", redirect_uri=CALLBACK), self.client, redirect_uri=CALLBACK
        )
        code = self.browser.get("/oauth/authorize", ask).headers["Location"].partition("code=")[2].partition("&")[0]
        device = self.post("device_authorization", {}).json
        device_page = self.browser.get("/oauth/device")
        device_page.form["user_code"] = device["user_code"]
        decision = device_page.form.submit()
        applications = self.browser.get("/oauth/applications")
        access = {"token": tokens["access_token"]}
        redeem = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": VERIFIER}
        poll = {"grant_type": DEVICE, "device_code": device["device_code"]}
        self.does: dict[str, Callable[[], Any]] = {
            "jwks": lambda: self.get("/oauth/jwks"),
            "metadata": lambda: self.get("/.well-known/oauth-authorization-server", Origin="https://x.example"),
            "style": lambda: self.get("/oauth/pages.css"),
            "introspection": lambda: self.post("introspect", access, flow.server.api),
            "introspection of nothing": lambda: self.post("introspect", {"token": "x"}, flow.server.api),
            "applications": lambda: self.get("/oauth/applications"),
            "device page": lambda: self.get("/oauth/device"),
            "client credentials": lambda: self.post("token", {"grant_type": "client_credentials"}),
            "poll": lambda: self.post("token", poll),
            "device authorization": lambda: self.post("device_authorization", {}),
            "authorize": lambda: self.browser.get("/oauth/authorize", ask, status="*"),
            "allow": lambda: consent.form.submit("decision", value="allow", status="*"),
            "deny": lambda: consent.form.submit("decision", value="deny", status="*"),
            "user code": lambda: device_page.form.submit(status="*"),
            "device decision": lambda: decision.form.submit("decision", value="allow", status="*"),
            "withdraw": lambda: applications.form.submit(status="*"),
            "code": lambda: self.post("token", redeem),
            "refresh": lambda: self.post(
                "token", {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
            ),
            "revocation": lambda: self.post("revoke", access),
        }

    def get(self, path: str, **headers: str) -> Any:
        return self.browser.get(path, headers=headers, status="*")

    def post(self, path: str, form: dict[str, str], client: MadeClient | None = None) -> Any:
        made = client or self.client
        headers = basic(made.client.client_id, made.secret or "")
        return TestApp(self.flow.server.app.app).post(f"/oauth/{path}", form, headers=headers, status="*")

    def expect_503(self, *, but: set[str]) -> None:
        answers = {name: do() for name, do in self.does.items()}
        assert {name: answer.status_int for name, answer in answers.items() if name in but} == dict.fromkeys(but, 200)
        for name in answers.keys() - but:
            assert (name, answers[name].status_int) == (name, 503)
            assert answers[name].headers["Retry-After"]
            assert answers[name].headers["Cache-Control"] == "no-store"

    def expect_all_is_well(self) -> None:
        done = {name: self.does[name]().status_int for name in ("authorize", "refresh", "code", "revocation")}
        assert done == {"authorize": 303, "refresh": 200, "code": 200, "revocation": 200}


@pytest.fixture
def visitor(build: Build) -> Visitor:
    return Visitor(build_flow(build, {"database.lock_timeout": "0.05"}))


def reopen(flow: Flow, *pragmas: str) -> None:
    """Have each connection from now on obey these."""
    store: Any = flow.server.service.store

    def obey(connection: Any, _record: Any) -> None:
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")

    sa.event.listen(store._engine, "connect", obey)
    store.close()


@pytest.mark.promise("RV-04")
def test_locked_by_another_program(visitor):
    holder = sqlite3.connect(visitor.flow.server.file, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    visitor.expect_503(but=READS)
    holder.rollback()
    holder.close()
    visitor.expect_all_is_well()


@pytest.mark.promise("RV-04")
def test_read_only(visitor):
    reopen(visitor.flow, "query_only = ON")
    visitor.expect_503(but=READS)


@pytest.mark.promise("RV-04")
def test_a_full_disk(visitor):
    database = sqlite3.connect(visitor.flow.server.file)
    pages = database.execute("PRAGMA page_count").fetchone()[0]
    database.close()
    reopen(visitor.flow, f"max_page_count = {pages}")
    statuses = {visitor.post("token", {"grant_type": "client_credentials"}).status_int for _ in range(300)}
    assert statuses == {200, 503}
    visitor.post("revoke", {"token": "x"})
    found = {name: do().status_int for name, do in visitor.does.items()}
    assert set(found.values()) <= {200, 303, 400, 503}, "what still finds room is done, and nothing else"
    assert found["client credentials"] == 503


@pytest.mark.promise("RV-04")
@pytest.mark.parametrize("damage", ["overwritten", "replaced by a folder"])
def test_a_file_that_can_not_be_read(visitor, damage):
    file = visitor.flow.server.file
    visitor.flow.server.service.store.close()
    for suffix in ("", "-wal", "-shm"):
        file.with_name(file.name + suffix).unlink(missing_ok=True)
    if damage == "overwritten":
        file.write_bytes(b"no database " * 2000)
    else:
        file.mkdir()
    visitor.expect_503(but=NEEDS_NOTHING)


@pytest.mark.parametrize(
    ("hook", "needed_by"),
    [
        (
            "user",
            {"authorize", "allow", "deny", "user code", "device decision", "withdraw", "applications", "device page"},
        ),
        (
            "is_active",
            {"authorize", "allow", "deny", "user code", "device decision", "introspection", "code", "refresh"},
        ),
        ("approve", {"authorize", "allow", "deny", "user code", "device decision"}),
        ("user_name", {"user code", "applications", "device page"}),
        ("auth_time", {"authorize", "allow", "device decision"}),
    ],
)
def test_an_application_that_can_not_tell_who_its_users_are(visitor, monkeypatch, hook, needed_by):
    def fail(*_anything: Any) -> Any:
        raise UnavailableError("users")

    monkeypatch.setattr(visitor.flow.people, hook, fail)
    answers = {name: visitor.does[name]() for name in sorted(needed_by)}
    assert {name: answer.status_int for name, answer in answers.items()} == dict.fromkeys(needed_by, 503)
    assert all(answer.headers["Retry-After"] for answer in answers.values())


@pytest.fixture
def own_postgresql() -> Iterator[str]:
    """One that the test may stop."""
    with run_postgresql() as url:
        yield url


@pytest.mark.promise("RV-04")
@pytest.mark.needs("initdb", "pg_ctl")
def test_postgresql_that_ends_sessions_refuses_to_write_and_goes_away(build, tmp_path, own_postgresql):
    database = make_database(own_postgresql)
    store = SQLAlchemyStore(build_engine(database))
    store.create_tables()
    store.close()
    visitor = Visitor(build_flow(build, {"sqlalchemy.url": database, "pepper_file": str(tmp_path / "pepper")}))
    engine = sa.create_engine(own_postgresql, isolation_level="AUTOCOMMIT")
    end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
    with engine.connect() as connection:
        for value, expect in (("on", lambda: visitor.expect_503(but=READS)), ("off", visitor.expect_all_is_well)):
            connection.exec_driver_sql(f"ALTER SYSTEM SET default_transaction_read_only = {value}")
            connection.exec_driver_sql("SELECT pg_reload_conf(), pg_sleep(0.3)")
            connection.exec_driver_sql(end)
            expect()
        # Nobody gets in any more, as when it is gone.
        name = sa.engine.make_url(database).database
        connection.exec_driver_sql(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        connection.exec_driver_sql(end)
        visitor.expect_503(but=NEEDS_NOTHING)
    engine.dispose()
