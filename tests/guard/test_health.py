"""The health view of a guard: what it says in each state, to whom, and what it costs the issuer."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from pyramid.authorization import Allow
from pyramid.config import Configurator
from webtest import TestApp

from pyramid_oauthguard import InvalidToken, UnavailableError
from pyramid_oauthguard.health import find_board
from pyramid_oauthguard.health.probes import DEGRADED, Probe, Reading
from pyramid_oauthguard.interfaces import IHealthProbes
from pyramid_oauthguard.testing import MemoryIssuer, trust
from tests.guard.guarding import add, build_app, find_setting_error
from tests.issuers import HTTPIssuer
from tests.steady.apps import make_ca_file
from tests.steady.redis_server import run_redis

HEALTH = "/oauthguard/health"
WORDS = {"alive", "ready", "degraded", "not ready"}


class Root:
    __acl__ = ((Allow, "scope:operate", "oauthguard.health"), (Allow, "scope:look", "look"))

    def __init__(self, request: Any = None) -> None:
        pass


def add_local(config: Configurator) -> None:
    add(config, "/local", token_check="local")


def build(issuer: MemoryIssuer, configure: Any = add_local, **settings: Any) -> TestApp:
    given = {f"oauthguard.{name.replace('__', '.')}": value for name, value in settings.items()}
    return build_app(configure, issuer, settings=given, root_factory=Root)


def look(app: TestApp, path: str = HEALTH, **headers: str) -> tuple[int, str]:
    """The answer to a caller without a token, looked up now."""
    find_board(app.app.registry)._start_anew()
    found = app.get(path, headers=headers, status="*")
    assert found.text.strip() in WORDS
    assert found.headers["Cache-Control"] == "no-store"
    return found.status_int, found.text.strip()


def read_reasons(app: TestApp, issuer: MemoryIssuer) -> dict[str, Any]:
    find_board(app.app.registry)._start_anew()
    return app.get(HEALTH, headers=issuer.bearer(scope="operate"), status="*").json  # type: ignore[no-any-return]


def test_a_guard_that_knows_its_keys_is_ready() -> None:
    issuer = MemoryIssuer()
    app = build(issuer)
    assert look(app) == (200, "ready")
    assert look(app, f"{HEALTH}/ready") == (200, "ready")
    assert app.head(HEALTH).status_int == 200
    reasons = read_reasons(app, issuer)
    assert reasons["status"] == "ready"
    assert reasons["checks"]["keys"]["status"] == "ok"
    assert reasons["checks"]["keys"]["age_seconds"] >= 0


@pytest.mark.parametrize("path", ["s", "/", "/alive/", "/aliv", "/x/ready", "alive"])
def test_nothing_else_below_it_is_answered(path: str) -> None:
    assert build(MemoryIssuer()).get(HEALTH + path, status="*").status_int == 404


def test_an_issuer_that_never_answered_makes_the_guard_not_ready() -> None:
    issuer = MemoryIssuer()

    def refuse() -> Any:
        raise UnavailableError("unreachable", "GET https://login.example.com/jwks")

    issuer.fetch_keys = refuse  # type: ignore[method-assign]
    app = build(issuer)
    assert look(app) == (503, "not ready")
    assert look(app, f"{HEALTH}/alive") == (200, "alive")
    found = find_board(app.app.registry).find().seen["keys"].reading
    assert (found.level, found.reason) == ("failed", "unreachable")


def test_keys_that_are_known_serve_on_while_the_issuer_is_down(monkeypatch: pytest.MonkeyPatch) -> None:
    issuer = MemoryIssuer()
    app = build(issuer, cache__jwks__expiration_time="60")
    app.get("/local", headers=issuer.bearer())
    monkeypatch.setattr(
        issuer, "fetch_keys", lambda: (_ for _ in ()).throw(UnavailableError("unreachable", "https://x"))
    )
    later = time.time() + 61
    monkeypatch.setattr("pyramid_oauthguard.guard.reports.probes.time.time", lambda: later)
    assert look(app) == (200, "degraded")
    reading = find_board(app.app.registry).find().seen["keys"].reading
    assert reading.reason == "issuer_away"
    assert reading.facts["age_seconds"] >= 60


def test_without_local_views_an_issuer_without_keys_does_not_take_the_guard_out() -> None:
    issuer = MemoryIssuer()
    issuer.fetch_keys = lambda: (_ for _ in ()).throw(UnavailableError("unreachable"))  # type: ignore[method-assign]
    app = build(issuer, lambda config: add(config, "/remote", token_check="remote"), token_check="remote")
    assert look(app) == (200, "degraded")


@pytest.mark.slow
def test_known_keys_are_not_fetched_for_it() -> None:
    with HTTPIssuer() as issuer:
        settings = {**issuer.settings, "oauthguard.http.ca_file": make_ca_file(), "oauthguard.http.timeout": "1"}
        config = Configurator(settings=settings)
        config.include("pyramid_oauthguard")
        add_local(config)
        app = TestApp(config.make_wsgi_app())
        assert look(app) == (200, "ready")
        for _ in range(20):
            assert look(app) == (200, "ready")
        assert issuer.calls == {"metadata": 1, "keys": 1}
    for _ in range(20):
        assert look(app) == (200, "ready")  # the keys are fresh


def test_each_issuer_is_named_as_in_the_settings() -> None:
    issuer, other = MemoryIssuer(), MemoryIssuer("https://other.test")
    settings = {
        "issuers": "staff",
        "issuers.staff.issuer": "https://other.test",
        "issuers.staff.scopes": "any",
        "issuers.staff.audience": issuer.settings["oauthguard.audience"],
    }
    app = build(issuer, **{name.replace(".", "__"): value for name, value in settings.items()})
    trust(app.app, other)
    assert look(app) == (200, "ready")
    assert read_reasons(app, issuer)["checks"].keys() == {"keys", "keys of staff"}


def test_tenants_are_not_fetched_for_it() -> None:
    issuer = MemoryIssuer("https://login.test/a/v2")
    settings = {
        **issuer.settings,
        "oauthguard.issuer": "https://login.test/{tid}/v2",
        "oauthguard.issuer_values": "a b c",
    }
    config = Configurator(settings=settings)
    config.include("pyramid_oauthguard")
    add_local(config)
    app = TestApp(config.make_wsgi_app())
    assert look(app) == (200, "ready")  # nobody answers at login.test
    assert find_board(app.app.registry).find().seen["keys"].reading.facts == {}


def test_a_verifier_of_the_application_needs_no_keys() -> None:
    class Own:
        def verify(self, raw: str) -> Any:
            raise InvalidToken("own")

    def configure(config: Configurator) -> None:
        config.set_token_verifier("local", Own())
        add_local(config)

    app = build(MemoryIssuer(), configure)
    assert look(app) == (200, "ready")
    assert find_board(app.app.registry).find().seen == {}


# ── shared caches ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
@pytest.mark.needs("redis-server")
def test_a_shared_cache_that_is_away_or_read_only_is_told(tmp_path: Path) -> None:
    issuer = MemoryIssuer()
    with run_redis(tmp_path) as redis:
        caches = {
            name.removeprefix("oauthguard.").replace(".", "__"): value
            for name, value in redis.settings("jwks", "introspection").items()
        }
        app = build(issuer, **caches, cache__secret="a secret of nothing but the caches")
        assert look(app) == (200, "ready")
        assert read_reasons(app, issuer)["checks"]["cache jwks"]["status"] == "ok"
        redis.client.replicaof("127.0.0.1", 1)  # a replica without writes
        assert look(app) == (200, "degraded")
        redis.client.replicaof("NO", "ONE")
        assert look(app) == (200, "ready")
        redis.kill()
        assert look(app) == (200, "degraded")
        reasons = read_reasons(app, issuer)
        assert reasons["checks"]["cache jwks"] == {
            "status": "degraded", "reason": "cache_away", "milliseconds": reasons["checks"]["cache jwks"]["milliseconds"],
        }  # fmt: skip
        assert str(redis.port) not in json.dumps(reasons)


# ── who may know the reasons ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.promise("MO-03")
def test_without_the_permission_there_is_a_word_alone() -> None:
    issuer = MemoryIssuer()
    app = build(issuer)
    for headers in (
        {},
        {"Accept": "application/json"},
        {"Accept": "application/problem+json, */*;q=0.1"},
        issuer.bearer(scope="read"),
        {"Authorization": "Bearer rubbish"},
        {"Authorization": "Basic YTpi"},
        {"Authorization": ""},
        {"Authorization": "Bearer " + "x" * 20_000},
    ):
        assert look(app, **headers) == (200, "ready")


def test_the_name_of_the_permission_is_a_setting() -> None:
    issuer = MemoryIssuer()
    app = build(issuer, health__permission="look")
    assert app.get(HEALTH, headers=issuer.bearer(scope="look")).json["status"] == "ready"
    assert app.get(HEALTH, headers=issuer.bearer(scope="operate")).text == "ready\n"


@pytest.mark.promise("MO-03")
def test_without_a_security_policy_nobody_has_the_permission() -> None:
    issuer = MemoryIssuer()
    app = build(issuer, policy="off")
    assert look(app, **issuer.bearer(scope="operate")) == (200, "ready")


class Broken:
    def identity(self, request: Any) -> Any:
        raise RuntimeError("the database of users is down")

    permits = authenticated_userid = identity


def test_a_policy_that_needs_what_is_down_is_not_asked_by_load_balancers() -> None:
    app = build(MemoryIssuer(), lambda config: config.set_security_policy(Broken()), policy="off")
    assert look(app) == (200, "ready")
    assert look(app, Accept="application/json") == (200, "ready")


@pytest.mark.promise("MO-03")
def test_neither_the_reasons_nor_the_word_contain_what_the_issuer_or_a_caller_said() -> None:
    issuer = MemoryIssuer()
    secret = "s3cret-of-the-issuer"
    app = build(issuer, introspection__client_id="api", introspection__client_secret=secret)
    raw = issuer.mint(scope="operate", sub="ada-the-user")
    reasons = app.get(HEALTH, headers={"Authorization": f"Bearer {raw}"}).text
    for text in (secret, raw, "ada-the-user", issuer.identifier, "test-client"):
        assert text not in reasons


# ── switching it, and its place ──────────────────────────────────────────────────────────────────────────────────


def test_it_can_be_turned_off() -> None:
    assert build(MemoryIssuer(), health="off").get(HEALTH, status="*").status_int == 404


@pytest.mark.parametrize("settings", [{"health": "maybe"}, {"health__permision": "x"}, {"helth": "on"}])
def test_a_wrong_setting_stops_start_up(settings: dict[str, str]) -> None:
    (name,) = settings
    error = find_setting_error(lambda: build(MemoryIssuer(), **settings))
    assert error.key == f"oauthguard.{name.replace('__', '.')}"


def test_it_is_no_open_view_for_require_under() -> None:
    app = build(MemoryIssuer(), require_under="/")
    assert look(app) == (200, "ready")


def test_a_route_prefix_moves_it() -> None:
    issuer = MemoryIssuer()
    config = Configurator(settings=issuer.settings)
    config.include("pyramid_oauthguard", route_prefix="/api")
    app = TestApp(config.make_wsgi_app())
    trust(app.app, issuer)
    assert app.get("/api/oauthguard/health").text == "ready\n"


def test_the_root_factory_of_the_application_is_not_called_for_a_word() -> None:
    def factory(request: Any) -> Any:
        raise RuntimeError("the database is down")

    app = build_app(add_local, root_factory=factory)
    assert look(app) == (200, "ready")


def test_an_application_adds_probes_of_its_own() -> None:
    issuer = MemoryIssuer()

    def configure(config: Configurator) -> None:
        def list_probes(registry: Any) -> list[Probe]:
            return [Probe("mail", lambda: Reading(DEGRADED, "queue_full", {"queued": 812}))]

        config.registry.registerUtility(list_probes, IHealthProbes, name="mail")

    app = build(issuer, configure)
    assert look(app) == (200, "degraded")
    mail = read_reasons(app, issuer)["checks"]["mail"]
    assert (mail["status"], mail["reason"], mail["queued"]) == ("degraded", "queue_full", 812)


def test_probes_that_can_not_be_listed_took_the_whole_view_away() -> None:
    issuer = MemoryIssuer()

    def list_probes(registry: Any) -> list[Probe]:
        raise LookupError("no mail server is configured")

    def configure(config: Configurator) -> None:
        add_local(config)
        config.registry.registerUtility(list_probes, IHealthProbes, name="mail")

    app = build(issuer, configure)
    assert look(app) == (503, "not ready")
    checks = read_reasons(app, issuer)["checks"]
    assert checks["probes of mail"]["reason"] == "error"
    assert checks["keys"]["status"] == "ok"
