"""A change of the signing keys holds at once: in every process, for every grant, in the key set and in guards."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager, suppress

import pytest
import sqlalchemy as sa
import time_machine
from alembic import command
from alembic.config import Config
from joserfc import jwt
from joserfc.jwk import KeySet
from pyramid.config import Configurator
from webtest import TestApp
from webtest.http import StopableWSGIServer

from pyramid_oauthguard.interfaces import IIssuer
from pyramid_oauthguard.server.clients import get_clients
from pyramid_oauthguard.server.keys import SigningKeyError, get_keys
from pyramid_oauthguard.server.service import IService
from pyramid_oauthguard.server.store.sqlalchemy import SQLAlchemyStore, schema
from pyramid_oauthguard.server.store.sqlalchemy.engine import build_engine
from pyramid_oauthguard.server.store.sqlalchemy.queries import keys as key_queries
from pyramid_oauthguard.testing import bearer
from tests.server.conftest import basic
from tests.server.flows import build_flow
from tests.steady.apps import Api, wait_until

pytestmark = pytest.mark.slow

DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
ISSUER = "http://localhost:6543"
PROCESSES, THREADS = 2, 25


def read_kid(token):
    return json.loads(base64.urlsafe_b64decode(token.split(".")[0] + "=="))["kid"]


def read_claims(token):
    return json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))


def list_kids(server):
    return [key["kid"] for key in server.app.get("/oauth/jwks").json["keys"]]


@pytest.fixture
def settings(database, tmp_path):
    """Of servers on one database of each kind."""
    store = SQLAlchemyStore(build_engine(database))
    store.create_tables()
    store.close()
    return {"sqlalchemy.url": database, "pepper_file": str(tmp_path / "pepper")}


# ── another process ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.promise("SK-40", "SK-01")
def test_a_key_that_one_process_revokes_is_revoked_in_the_others_at_once(build, settings):
    one, other = build(settings), build(settings)
    old = other.token()
    assert list_kids(other) == list_kids(one) == [read_kid(old)]
    get_keys(one.registry).revoke(read_kid(old))
    assert read_kid(old) not in list_kids(other)
    new = other.token()
    assert [read_kid(new)] == list_kids(other) == list_kids(one)
    assert other.introspect(old) == {"active": False}
    assert other.introspect(new)["active"] is True


@pytest.mark.promise("SK-40")
def test_the_first_use_of_a_process_after_a_revocation_is_a_token(build, settings):
    """Nothing else has told it before."""
    one, other = build(settings), build(settings)
    old = other.token()
    get_keys(one.registry).revoke(read_kid(old))
    assert read_kid(other.token()) != read_kid(old)


@pytest.mark.parametrize("how", ["rotate", "retire"])
def test_other_processes_sign_with_the_new_key_at_once(build, settings, how):
    one, other = build(settings), build(settings)
    old = other.token()
    keys = get_keys(one.registry)
    keys.rotate(at_once=True) if how == "rotate" else keys.retire(read_kid(old))
    new = other.token()
    assert read_kid(new) == read_kid(one.token()) != read_kid(old)
    assert list_kids(other) == [read_kid(old), read_kid(new)], "the old one is published until its last token expired"
    assert other.introspect(old)["active"] is True


def test_a_key_that_waits_for_its_turn_is_published_by_other_processes_at_once_and_signs_nothing(build, settings):
    one, other = build(settings), build(settings)
    old = other.token()
    list_kids(other)
    made = get_keys(one.registry).rotate()
    assert list_kids(other) == [read_kid(old), made.kid]
    assert read_kid(other.token()) == read_kid(old)


@pytest.mark.promise("SK-40")
def test_no_grant_stores_a_token_of_a_revoked_key(build, settings):
    flow = build_flow(build, {**settings, "device_interval": "1"})
    elsewhere = get_keys(build(settings).registry)
    server = flow.server
    box = server.clients.create("Box", public=True, grants=["device_code"], scopes=["read"]).client.client_id
    asked = server.app.post("/oauth/device_authorization", {"client_id": box}).json
    typed = flow.sign_in().get("/oauth/device", {"user_code": asked["user_code"]}).form.submit()
    typed.form.submit("decision", value="allow", status=303)
    code = flow.allow()
    kid = read_kid(server.token())
    seen = {kid}

    def use(get):
        nonlocal kid
        elsewhere.revoke(kid)
        token = get()
        assert read_kid(token) not in seen
        assert server.is_active(token)
        claims = jwt.decode(token, KeySet.import_key_set(server.app.get("/oauth/jwks").json), algorithms=["ES256"])
        kid = read_kid(token)
        seen.add(kid)
        return claims.claims

    tokens = {}

    def redeem():
        tokens.update(flow.redeem(code))
        return tokens["access_token"]

    def refresh():
        form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
        return server.app.post("/oauth/token", form, headers=server.basic(flow.web)).json["access_token"]

    def poll():
        form = {"grant_type": DEVICE, "device_code": asked["device_code"], "client_id": box}
        return server.app.post("/oauth/token", form).json["access_token"]

    assert use(server.token)["sub"] == server.program.client.client_id
    claims = use(redeem)
    assert (claims["sub"], claims["auth_time"], claims["scope"]) == ("anna", 1000, "read write")
    assert use(refresh)["sub"] == "anna"
    assert use(poll)["sub"] == "anna"
    store = server.service.store
    with store.reading() as unit:
        stored = unit.find_access_token(server.service.pepper.hash_token(tokens["access_token"]))
    assert stored.token_id == claims["jti"]


def test_tokens_that_no_key_signs_are_issued_whatever_happens_to_keys(build, settings):
    opaque = {**settings, "access_token_format": "opaque"}
    one, other = build(opaque), build(opaque)
    before = other.token()
    keys = get_keys(one.registry)
    keys.revoke(keys.list_all()[0].record.kid)
    assert [other.introspect(each)["active"] for each in (before, other.token())] == [True, True]


def test_a_listener_that_fails_costs_nobody_a_token(build, settings, caplog):
    class Broken:
        def keys_changed(self):
            raise ZeroDivisionError

    one, other = build(settings), build(settings)
    old = other.token()
    other.registry.getUtility(IIssuer, name=ISSUER).subscribe(Broken())
    get_keys(one.registry).revoke(read_kid(old))
    assert other.introspect(other.token())["active"] is True
    assert "a listener to changes of the signing keys failed" in caplog.text


# ── a race ───────────────────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def run_issuers(server):
    """Processes that issue tokens until the block asks for them; yields a function that returns what they issued."""
    given = server.registry.settings
    task = {
        "settings": {name: value for name, value in given.items() if name.startswith("oauthguard.")},
        "form": {"grant_type": "client_credentials"},
        "headers": server.basic(server.program),
        "threads": THREADS,
    }
    with ExitStack() as stack:
        processes = []
        for _process in range(PROCESSES):
            process = subprocess.Popen(
                [sys.executable, "-W", "ignore", "-m", "tests.server.issuing"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            stack.callback(process.wait, 10)
            stack.callback(process.kill)
            process.stdin.write(json.dumps(task) + "\n")
            process.stdin.flush()
            processes.append(process)
        for process in processes:
            assert process.stdout.readline() == "ready\n"

        def stop():
            return [tuple(each) for process in processes for each in json.loads(process.communicate("\n", 60)[0])]

        yield stop


@pytest.mark.promise("SK-40")
def test_no_token_of_a_revoked_key_is_issued_while_two_processes_with_25_threads_each_issue(build, settings):
    # 25 threads share 15 connections to PostgreSQL, and the machine may be busy.
    server = build({**settings, "database.pool_timeout": "30s"})
    first = list_kids(server)[0]
    with run_issuers(server) as stop:
        time.sleep(1)
        get_keys(server.registry).revoke(first)
        revoked_at = time.time()
        keys = KeySet.import_key_set(server.app.get("/oauth/jwks").json)
        time.sleep(1)
        issued = stop()
    odd = [token for _asked_at, _answered_at, token in issued if token.count(".") != 2]
    assert odd == []
    asked_later = [token for asked_at, _answered_at, token in issued if asked_at > revoked_at]
    assert len(asked_later) > 20
    assert {read_kid(token) for token in asked_later} == {key.kid for key in keys.keys}
    for token in asked_later:
        jwt.decode(token, keys, algorithms=["ES256"])
    of_first = [token for _asked_at, _answered_at, token in issued if read_kid(token) == first]
    assert of_first, "else there was no race"
    assert not any(server.is_active(token) for token in of_first)
    assert all(server.is_active(token) for token in asked_later[:50])


@pytest.mark.promise("SK-40")
@pytest.mark.needs("initdb", "pg_ctl")
def test_a_transaction_that_does_not_end_keeps_no_key_from_being_revoked(
    build, postgresql, tmp_path, monkeypatch, caplog
):
    """What it stored is inactive all the same."""
    from tests.server.databases import make_database

    monkeypatch.setattr(key_queries, "_PATIENCE_SECONDS", 1)
    database = make_database(postgresql)
    store = SQLAlchemyStore(build_engine(database))
    store.create_tables()
    server = build({"sqlalchemy.url": database, "pepper_file": str(tmp_path / "pepper")})
    made = server.service.tokens.make(
        server.program.client, subject=None, scopes=("read",), audiences=("https://api.example",)
    )
    stored, may_end = threading.Event(), threading.Event()

    def hang():
        with store.writing() as unit:
            assert unit.add_access_token(made.record, keys_version=made.keys_version)
            stored.set()
            may_end.wait(30)

    thread = threading.Thread(target=hang)
    thread.start()
    assert stored.wait(10)
    get_keys(server.registry).revoke(made.record.key_id)
    assert "does not end" in caplog.text
    assert read_kid(server.token()) != made.record.key_id
    may_end.set()
    thread.join(10)
    assert server.introspect(made.text) == {"active": False}
    store.close()


def test_two_processes_that_change_one_key_at_once_lose_neither_change(build, settings):
    one, other = build(settings), build(settings)
    kid = list_kids(one)[0]

    def retire():
        with suppress(SigningKeyError):  # it was revoked before
            get_keys(one.registry).retire(kid)

    threads = [threading.Thread(target=work) for work in (retire, lambda: get_keys(other.registry).revoke(kid))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    [record] = [each.record for each in get_keys(one.registry).list_all() if each.record.kid == kid]
    assert record.revoked_at is not None
    assert kid not in list_kids(one) + list_kids(other)


# ── the key set that is served ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.promise("SK-40")
def test_no_cache_between_adds_to_the_time_that_a_verifier_keeps_the_key_set(server):
    answer = server.app.get("/oauth/jwks")
    assert answer.headers["Cache-Control"] == "max-age=40, s-maxage=0"
    assert "Pragma" not in answer.headers
    again = server.app.get("/oauth/jwks", headers={"If-None-Match": answer.headers["ETag"]}, status=304)
    assert again.headers["Cache-Control"] == "max-age=40, s-maxage=0"
    assert again.body == b""
    get_keys(server.registry).rotate()
    assert len(server.app.get("/oauth/jwks", headers={"If-None-Match": answer.headers["ETag"]}).json["keys"]) == 2


def test_the_key_set_is_served_for_a_minute_while_the_storage_is_away(server):
    before = server.app.get("/oauth/jwks").json
    engine = build_engine(f"sqlite:///{server.file}")
    with engine.begin() as connection:
        for table in ("oauth_signing_keys", "oauth_versions"):
            connection.exec_driver_sql(f"ALTER TABLE {table} RENAME TO gone_{table}")
    now = time.time()
    with time_machine.travel(now + 30, tick=False):
        for _guard in range(10):
            assert server.app.get("/oauth/jwks").json == before
    with time_machine.travel(now + 61, tick=False):
        assert server.app.get("/oauth/jwks", status=503).headers["Retry-After"]
    with engine.begin() as connection:
        for table in ("oauth_signing_keys", "oauth_versions"):
            connection.exec_driver_sql(f"ALTER TABLE gone_{table} RENAME TO {table}")
    engine.dispose()
    wait_until(lambda: server.app.get("/oauth/jwks", status="*").json == before)


# ── guards ───────────────────────────────────────────────────────────────────────────────────────────────────────


def is_quiet():
    """Whether no guard asks for keys in the background."""
    return all(each.name != "oauthguard-keys" for each in threading.enumerate())


class Served:
    """Two processes' worth of one server; the first is asked over HTTP by a guard elsewhere that checks locally."""

    def __init__(self, stack, settings):
        self.key_sets, self.gate = 0, threading.Event()
        self.gate.set()
        holder = StopableWSGIServer.create(self.answer, host="127.0.0.1", threads=4)
        stack.callback(holder.shutdown)
        self.issuer = f"http://127.0.0.1:{holder.effective_port}"
        one, other = (self.build(settings) for _process in range(2))
        stack.callback(one.registry.getUtility(IService).store.close)
        stack.callback(other.registry.getUtility(IService).store.close)
        self.app, self.other = one, TestApp(other)
        self.keys = get_keys(other.registry)
        made = get_clients(other.registry).create("P", grants=["client_credentials"], scopes=["read"])
        self.headers = basic(made.client.client_id, made.secret)
        guard = {"oauthguard.issuer": self.issuer, "oauthguard.audience": "https://api.example"}
        self.api = Api({**guard, "oauthguard.introspection.auth_method": "none"})

    def answer(self, environ, start_response):
        """The issuer's name has the port, so the socket is there before the application."""
        if environ["PATH_INFO"] == "/oauth/jwks":
            self.key_sets += self.gate.wait(10)
        return self.app(environ, start_response)

    def build(self, settings):
        given = {
            "issuer": self.issuer,
            "audience": "https://api.example",
            "scopes": "read",
            "default_scopes": "read",
            "signing.algorithm": "ES256",
            **settings,
        }
        config = Configurator(settings={f"oauthguard.server.{key}": value for key, value in given.items()})
        config.include("pyramid_oauthguard.server")
        return config.make_wsgi_app()

    def get_token(self):
        return self.other.post("/oauth/token", {"grant_type": "client_credentials"}, headers=self.headers).json[
            "access_token"
        ]


@pytest.fixture
def served(settings):
    with ExitStack() as stack:
        yield Served(stack, settings)


@pytest.mark.promise("SK-40", "GD-76", "GD-21")
@pytest.mark.parametrize("how", ["revoke", "rotate", "retire"])
def test_a_guard_elsewhere_accepts_the_new_key_at_its_first_token(served, how):
    """The process that serves the key set is not the one that changed the keys."""
    old = served.get_token()
    assert served.api.ask("local", old) == 200
    if how == "rotate":
        served.keys.rotate(at_once=True)
    else:
        getattr(served.keys, how)(read_kid(old))
    new = [served.get_token() for _ in range(20)]
    assert {read_kid(token) for token in new}.isdisjoint({read_kid(old)})
    assert served.api.ask_all("local", new) == {200: 20}
    assert served.api.ask("local", old) == (401 if how == "revoke" else 200)


@pytest.mark.promise("SK-40", "GD-21")
def test_a_guard_elsewhere_refuses_a_revoked_key_when_it_reads_the_key_set_again(served):
    """Also where no token of the new key tells it that there is something to read."""
    now = time.time()
    with time_machine.travel(now, tick=False) as clock:
        old = served.get_token()
        assert served.api.ask("local", old) == 200
        served.keys.revoke(read_kid(old))
        clock.shift(40)
        assert served.api.ask("local", old) == 401


def test_a_guard_elsewhere_renews_the_key_set_in_the_background(served):
    """No request waits for it: it is old enough to be asked for before it lapses."""
    with time_machine.travel(time.time(), tick=False) as clock:
        raw = served.get_token()
        assert served.api.ask("local", raw) == 200
        for fetches in (2, 3):
            clock.shift(33)
            served.gate.clear()
            assert served.api.ask("local", raw) == 200  # while the issuer does not answer
            served.gate.set()
            wait_until(is_quiet)
            assert served.key_sets == fetches


@contextmanager
def embed(settings):
    """Guard and server in one process."""
    given = {
        "oauthguard.server.issuer": ISSUER,
        "oauthguard.server.audience": "https://api.example",
        "oauthguard.server.scopes": "read",
        "oauthguard.server.default_scopes": "read",
        "oauthguard.server.signing.algorithm": "ES256",
        "oauthguard.issuer": ISSUER,
        "oauthguard.audience": "https://api.example",
        "oauthguard.cache.introspection.expiration_time": "1h",
        **{f"oauthguard.server.{name}": value for name, value in settings.items()},
    }
    config = Configurator(settings=given)
    config.include("pyramid_oauthguard")
    config.include("pyramid_oauthguard.server")
    for mode in ("local", "remote"):
        config.add_route(mode, f"/{mode}")
        config.add_view(lambda _request: {}, route_name=mode, renderer="json", token_check=mode)
    app = TestApp(config.make_wsgi_app())
    made = get_clients(config.registry).create("P", grants=["client_credentials"], scopes=["read"])
    app.headers = basic(made.client.client_id, made.secret)
    yield app
    wait_until(is_quiet)
    config.registry.getUtility(IService).store.close()


def get_token(app):
    return app.post("/oauth/token", {"grant_type": "client_credentials"}, headers=app.headers).json["access_token"]


def ask(app, view, raw):
    return app.get(f"/{view}", headers=bearer(raw), status="*").status_int


@pytest.mark.promise("SK-40", "GD-21")
def test_an_embedded_guard_follows_a_change_in_another_process(settings):
    with embed(settings) as one, embed(settings) as other:
        old = get_token(one)
        for _use in range(3):
            assert [ask(app, view, old) for app in (one, other) for view in ("local", "remote")] == [200] * 4
        get_keys(one.app.registry).revoke(read_kid(old))
        assert [ask(one, view, old) for view in ("local", "remote")] == [401] * 2
        new = get_token(one)
        assert [ask(other, view, new) for view in ("local", "remote")] == [200] * 2, "the unknown key is asked for"
        assert [ask(other, view, old) for view in ("local", "remote")] == [401] * 2


@pytest.mark.promise("SK-40")
def test_an_embedded_guard_that_only_checks_follows_within_a_second(settings):
    with embed(settings) as one, embed(settings) as other, time_machine.travel(time.time(), tick=False) as clock:
        old = get_token(one)
        for _use in range(3):
            assert [ask(other, view, old) for view in ("local", "remote")] == [200] * 2
        get_keys(one.app.registry).revoke(read_kid(old))
        clock.shift(1)
        assert [ask(other, view, old) for view in ("local", "remote")] == [401] * 2


@pytest.mark.promise("SK-40")
def test_an_embedded_guard_follows_when_its_own_server_stores_a_token(settings):
    with embed(settings) as one, embed(settings) as other, time_machine.travel(time.time(), tick=False):
        old = get_token(other)
        assert ask(other, "local", old) == 200
        get_keys(one.app.registry).revoke(read_kid(old))
        new = get_token(other)
        assert [ask(other, "local", raw) for raw in (old, new)] == [401, 200]


@pytest.mark.promise("SK-01")
@pytest.mark.parametrize("seconds", [200, 400], ids=["a key is made", "a key is retired"])
def test_a_rotation_that_an_embedded_guard_meets_first_stops_no_thread(settings, seconds):
    """The guard held its lock while it asked for the keys. The server made the key that was due and told the guard, which
    waited for the lock that its own thread held: for ever, and all requests with tokens with it.
    """
    given = {**settings, "signing.rotation": "300", "signing.lead": "120", "access_token_ttl": "1h"}
    with embed(given) as app, time_machine.travel(time.time(), tick=False) as clock:
        token = get_token(app)
        assert ask(app, "local", token) == 200
        found: list[int] = []
        for step in range(1, seconds // 200 + 1):
            clock.shift(200)
            guarded = threading.Thread(target=lambda: found.append(ask(app, "local", token)), daemon=True)
            guarded.start()
            guarded.join(20)
            assert found == [200] * step
        assert len(get_keys(app.app.registry).list_all()) == 2
        assert ask(app, "local", get_token(app)) == 200


@pytest.mark.promise("GD-76")
def test_unknown_kids_delay_a_new_key_at_an_embedded_guard_by_a_second_at_the_most(settings):
    with embed(settings) as one, embed(settings) as other, time_machine.travel(time.time(), tick=False) as clock:
        old = get_token(one)
        _head, body, tail = old.split(".")
        junk = [
            base64.urlsafe_b64encode(json.dumps({"alg": "ES256", "kid": f"k{number}"}).encode()).decode().rstrip("=")
            for number in range(20)
        ]
        assert {ask(other, "local", f"{each}.{body}.{tail}") for each in junk} == {401}
        get_keys(one.app.registry).rotate(at_once=True)
        new = get_token(one)
        clock.shift(1)
        assert {ask(other, "local", f"{each}.{body}.{tail}") for each in junk} == {401}
        assert ask(other, "local", new) == 200


@pytest.mark.promise("GD-20")
@pytest.mark.needs("initdb", "pg_ctl")
def test_an_embedded_guard_goes_on_while_its_storage_hangs(postgresql, tmp_path):
    from tests.server.databases import make_database

    database = make_database(postgresql)
    store = SQLAlchemyStore(build_engine(database))
    store.create_tables()
    store.close()
    engine = build_engine(database)
    settings = {"sqlalchemy.url": database, "pepper_file": str(tmp_path / "pepper")}
    with embed(settings) as app, time_machine.travel(time.time(), tick=False) as clock:
        raw = get_token(app)
        assert ask(app, "local", raw) == 200
        with engine.connect() as connection, connection.begin() as transaction:
            connection.execute(sa.text("LOCK TABLE oauth_versions, oauth_signing_keys IN ACCESS EXCLUSIVE MODE"))
            clock.shift(0.85)
            assert ask(app, "local", raw) == 200
            assert not is_quiet(), "the keys are renewed in the background"
            clock.shift(0.3)
            assert [ask(app, "local", raw) for _request in range(3)] == [200] * 3
            assert not is_quiet()
            transaction.rollback()
        wait_until(is_quiet)
        assert ask(app, "local", raw) == 200
    engine.dispose()


# ── a database from before ───────────────────────────────────────────────────────────────────────────────────────


def migrate(engine, verb, revision):
    config = Config()
    config.set_main_option("script_location", str(schema._SCRIPTS))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        getattr(command, verb)(config, revision)


def test_a_database_with_keys_and_tokens_from_before_is_upgraded_and_taken_back(build, database, tmp_path):
    engine = build_engine(database)
    schema.upgrade(engine)
    settings = {"sqlalchemy.url": database, "pepper_file": str(tmp_path / "pepper")}
    server = build(settings)
    old = server.token()
    server.service.store.close()
    for _time in range(2):
        migrate(engine, "downgrade", "0002")
        with engine.connect() as connection:
            assert "oauth_versions" not in sa.inspect(connection).get_table_names()
        assert schema.upgrade(engine) == ("0002", schema.HEAD)
    one, other = build(settings), build(settings)
    with other.service.store.reading() as unit:
        assert unit.read_keys_version() == 0
    assert read_kid(other.token()) == read_kid(old)
    assert other.introspect(old)["active"] is True
    get_keys(one.registry).revoke(read_kid(old))
    assert read_kid(other.token()) != read_kid(old)
    assert other.introspect(old) == {"active": False}
    engine.dispose()
