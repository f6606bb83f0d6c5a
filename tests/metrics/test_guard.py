"""What is counted of a guard, by which labels, and for whom it can be read."""

from __future__ import annotations

import ast
import time
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from pyramid.authorization import Allow, Authenticated
from pyramid.config import Configurator
from pyramid.events import NewRequest
from webtest import TestApp

from pyramid_oauthguard import InvalidToken, UnavailableError
from pyramid_oauthguard.guard.state import get_guard
from pyramid_oauthguard.metrics.prometheus import Prometheus
from pyramid_oauthguard.metrics.reasons import bound_reason
from pyramid_oauthguard.telemetry import counting as notes
from pyramid_oauthguard.testing import MemoryIssuer, trust
from tests.documentation import ROOT
from tests.guard.guarding import find_setting_error
from tests.metrics.counted import Root, add_views, build, counting, read
from tests.steady.redis_server import run_redis

#: What refuses a request.
ERRORS = {
    "InvalidToken",
    "InvalidRequest",
    "InsufficientScope",
    "InsufficientUserAuthentication",
    "UnavailableError",
    "CoolingError",
}


def status(app: TestApp, path: str, headers: dict[str, str] | None = None) -> int:
    return app.get(path, headers=headers or {}, status="*").status_int  # type: ignore[no-any-return]


def test_each_check_is_counted_once_by_its_outcome() -> None:
    issuer = MemoryIssuer()
    app = build(issuer)
    good = issuer.bearer(scope="read")
    with counting() as found:
        assert status(app, "/local", good) == 200
        assert [status(app, "/local", good) for _ in range(3)] == [200] * 3
        assert status(app, "/local") == 401
        assert status(app, "/local", issuer.bearer(aud="https://other.test")) == 401
        assert status(app, "/local", {"Authorization": "Bearer a b"}) == 400
        assert status(app, "/scoped", issuer.bearer(scope="other")) == 403
    assert found["checks_total{issuer=-,mode=local,outcome=accepted,reason=checked}"] == 2
    assert found["checks_total{issuer=-,mode=local,outcome=accepted,reason=remembered}"] == 3
    assert found["checks_total{issuer=-,mode=local,outcome=missing,reason=missing_token}"] == 1
    assert found["checks_total{issuer=-,mode=local,outcome=refused,reason=wrong_audience}"] == 1
    assert found["checks_total{issuer=-,mode=local,outcome=refused,reason=malformed_header}"] == 1
    assert found["check_seconds_count{mode=local}"] == 4
    assert found["refusals_total{reason=insufficient_scope,status=403}"] == 1
    assert found["refusals_total{reason=missing_token,status=401}"] == 1
    assert found["refusals_total{reason=malformed_header,status=400}"] == 1
    assert found["fetches_total{issuer=-,kind=keys,outcome=answered}"] == 1


def test_remote_checks_their_fetches_and_the_caches() -> None:
    issuer = MemoryIssuer()
    app = build(issuer, cache__introspection__expiration_time="60")
    good, gone = issuer.mint(), issuer.mint()
    issuer.revoke(gone)
    with counting() as found:
        for raw, expected in ((good, 200), (good, 200), (good, 200), (gone, 401), (gone, 401)):
            assert status(app, "/remote", {"Authorization": f"Bearer {raw}"}) == expected
    assert found["fetches_total{issuer=-,kind=introspection,outcome=answered}"] == 2
    assert found["fetch_seconds_count{issuer=-,kind=introspection}"] == 2
    assert found["cache_reads_total{cache=introspection,outcome=hit}"] >= 1
    assert found["cache_reads_total{cache=inactive,outcome=hit}"] == 1
    assert found["checks_total{issuer=-,mode=remote,outcome=refused,reason=inactive}"] == 2
    series = read()
    assert series["oauthguard_remote_checks_in_flight", (("issuer", "-"),)] == 0
    fetched = series["oauthguard_keys_fetched_timestamp_seconds", (("issuer", "-"),)]
    assert abs(time.time() - fetched) < 60


def test_an_outage_is_counted_by_its_reason() -> None:
    issuer = MemoryIssuer()

    def refuse(raw: str) -> Any:
        raise UnavailableError("unreachable", "https://login.example.com")

    issuer.introspect = refuse  # type: ignore[method-assign]
    app = build(issuer)
    with counting() as found:
        assert status(app, "/remote", issuer.bearer()) == 503
    assert found["checks_total{issuer=-,mode=remote,outcome=unavailable,reason=unreachable}"] == 1
    assert found["fetches_total{issuer=-,kind=introspection,outcome=failed}"] == 1
    assert found["refusals_total{reason=unreachable,status=503}"] == 1


def test_each_issuer_has_its_name_in_the_settings() -> None:
    plain, staff = MemoryIssuer(), MemoryIssuer("https://staff.test")
    settings = {
        "issuers": "staff", "issuers__staff__issuer": "https://staff.test", "issuers__staff__scopes": "any",
        "issuers__staff__introspection__auth_method": "none",
    }  # fmt: skip
    app = build(plain, **settings)
    trust(app.app, staff)
    with counting() as found:
        assert status(app, "/local", plain.bearer()) == 200
        headers = {"Authorization": "Bearer " + staff.mint()}
        assert [status(app, "/local", headers) for _ in range(3)] == [200] * 3
        assert status(app, "/local", MemoryIssuer("https://unknown.test").bearer()) == 401
    assert found["checks_total{issuer=-,mode=local,outcome=accepted,reason=checked}"] == 1
    assert found["checks_total{issuer=staff,mode=local,outcome=accepted,reason=checked}"] == 1
    assert found["checks_total{issuer=staff,mode=local,outcome=accepted,reason=remembered}"] == 2
    assert found["checks_total{issuer=,mode=local,outcome=refused,reason=wrong_issuer}"] == 1


def test_full_caches_are_counted() -> None:
    issuer = MemoryIssuer()
    app = build(issuer, cache__tokens__size="5")
    with counting() as found:
        for _ in range(8):
            assert status(app, "/local", issuer.bearer()) == 200
    assert found["cache_evictions_total{cache=tokens}"] == 3


@pytest.mark.slow
@pytest.mark.needs("redis-server")
def test_a_shared_cache_that_is_away_is_counted(tmp_path: Any) -> None:
    issuer = MemoryIssuer()
    with run_redis(tmp_path) as redis:
        caches = {
            name.removeprefix("oauthguard.").replace(".", "__"): value for name, value in redis.settings("jwks").items()
        }
        app = build(issuer, **caches, cache__secret="a secret of nothing but the caches")
        redis.kill()
        with counting() as found:
            assert status(app, "/local", issuer.bearer()) == 200
    assert found["cache_failures_total{cache=jwks,operation=reads}"] == 1


def test_nothing_is_observed_without_the_include() -> None:
    issuer = MemoryIssuer()
    config = Configurator(settings=issuer.settings)
    config.include("pyramid_oauthguard")
    add_views(config)
    app = TestApp(config.make_wsgi_app())
    trust(app.app, issuer)
    authenticator = get_guard(config.registry).authenticator
    assert "_verify" not in authenticator.__dict__
    assert type(authenticator._recalls) is dict


def test_it_needs_no_subscriber_and_makes_no_request_send_events() -> None:
    app = build(MemoryIssuer())
    assert app.app.registry.has_listeners is False


def test_it_counts_beside_subscribers() -> None:
    heard: list[Any] = []
    issuer = MemoryIssuer()

    def configure(config: Configurator) -> None:
        add_views(config)
        config.add_subscriber(heard.append, NewRequest)

    app = build(issuer, configure)
    headers = issuer.bearer()
    with counting() as found:
        assert [status(app, "/local", headers) for _ in range(3)] == [200] * 3
    assert found["checks_total{issuer=-,mode=local,outcome=accepted,reason=checked}"] == 3
    assert len(heard) == 3


# ── labels come from the settings ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
@pytest.mark.promise("MO-04")
def test_no_caller_makes_a_series() -> None:
    issuer = MemoryIssuer()
    app = build(issuer)
    odd = ["x" * 200, '{"a"}', "a\nb", "é", "-", "staff"]

    def ask_everything(number: int) -> None:
        for text in odd:
            claims = {
                "sub": f"{text}{number}",
                "client_id": f"{text}{number}",
                "scope": f"s{number}",
                "jti": f"{text}{number}",
            }
            status(app, "/local", issuer.bearer(**claims))
            status(app, "/remote", issuer.bearer(**claims))
            status(app, "/local", issuer.bearer(iss=f"https://{number}.test"))
            status(app, "/local", issuer.bearer(aud=f"https://{number}.test"))
            status(app, "/local", {"Authorization": f"Bearer opaque-{number}"})
            status(app, "/remote", {"Authorization": f"Bearer opaque-{number}"})
            status(app, "/local", {"Authorization": f"Scheme{number} x"})
        status(app, f"/path-{number}")
        app.request(f"/local?x={number}", method="PUT", status="*", headers={"X-Request-Id": str(number)})

    ask_everything(0)
    before = set(read())
    for number in range(1, 15):
        ask_everything(number)
    assert set(read()) == before


@pytest.mark.promise("MO-04")
def test_a_verifier_of_the_application_can_not_make_series_either() -> None:
    class Own:
        count = 0

        def verify(self, raw: str) -> Any:
            Own.count += 1
            raise (InvalidToken if Own.count % 2 else UnavailableError)(f"reason {raw}")

    def configure(config: Configurator) -> None:
        add_views(config)
        config.set_token_verifier("local", Own())

    app = build(MemoryIssuer(), configure)
    with counting() as found:
        for number in range(20):
            assert status(app, "/local", {"Authorization": f"Bearer t{number}"}) in (401, 503)
    assert found["checks_total{issuer=-,mode=local,outcome=refused,reason=other}"] == 10
    assert found["checks_total{issuer=-,mode=local,outcome=unavailable,reason=other}"] == 10
    assert all("reason t" not in name for name, _labels in read())


@pytest.mark.promise("MO-04")
def test_tenants_share_the_label_of_their_template() -> None:
    issuer = MemoryIssuer("https://login.test/a/v2")
    settings = {
        "issuer": "https://login.test/{tid}/v2",
        "issuer_values": "any",
        "jwks_uri": "https://login.test/keys",
        "introspection__endpoint": "https://login.test/introspect",
    }
    app = build(issuer, **settings)
    with counting() as found:
        for number in range(10):
            other = MemoryIssuer(f"https://login.test/t{number}/v2")
            status(app, "/local", other.bearer(tid=f"t{number}"))
    assert {name.split("issuer=")[1].split(",")[0].rstrip("}") for name in found if "issuer=" in name} == {"-"}


# ── who may read them ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.promise("MO-05")
def test_the_numbers_require_the_permission() -> None:
    issuer = MemoryIssuer()
    app = build(issuer)
    assert status(app, "/metrics") == 401
    assert status(app, "/metrics", issuer.bearer(scope="read")) == 403
    answer = app.get("/metrics", headers=issuer.bearer(scope="operate"))
    assert answer.headers["Content-Type"].startswith("text/plain; version=")
    assert answer.headers["Cache-Control"] == "no-store"
    assert read(answer.text)["oauthguard_health", (("check", "keys"),)] == 1
    assert app.post("/metrics", headers=issuer.bearer(scope="operate"), status="*").status_int in (404, 405)


@pytest.mark.promise("MO-05")
@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"policy": "off"}, "oauthguard.metrics.permission"),
        ({"metrics__permission": "__no_permission_required__"}, "oauthguard.metrics.permission"),
        ({"metrics__path": "/{any}"}, "oauthguard.metrics.path"),
        ({"metrics__paths": "/m"}, "oauthguard.metrics.paths"),
    ],
)
def test_start_up_stops_where_everybody_could_read_them(settings: dict[str, str], key: str) -> None:
    assert find_setting_error(lambda: build(MemoryIssuer(), **settings)).key == key


def test_an_application_without_guard_and_server_has_nothing_to_count() -> None:
    config = Configurator(settings={})
    config.include("pyramid_oauthguard.metrics")

    class Policy:
        def permits(self, request: Any, context: Any, permission: str) -> bool:
            return False

        identity = authenticated_userid = permits

    config.set_security_policy(Policy())
    assert "nothing to count" in find_setting_error(config.make_wsgi_app).problem


def test_path_and_permission_are_settings() -> None:
    class Operators(Root):
        __acl__ = ((Allow, Authenticated, "see"),)

    issuer = MemoryIssuer()
    settings = {"oauthguard.metrics.path": "/internal/numbers", "oauthguard.metrics.permission": "see"}
    config = Configurator(settings={**issuer.settings, **settings}, root_factory=Operators)
    config.include("pyramid_oauthguard.metrics")  # before the guard, too
    config.include("pyramid_oauthguard")
    app = TestApp(config.make_wsgi_app())
    trust(app.app, issuer)
    assert app.get("/internal/numbers", headers=issuer.bearer()).status_int == 200
    assert status(app, "/metrics") == 404


def test_a_listener_hears_nothing_after_a_stop() -> None:
    heard: list[str] = []
    before = notes._Heard.listeners
    notes.listen(lambda name, _labels, _value: heard.append(name))
    try:
        notes.note("limits_reached", "a test's")
        notes.stop()
        notes.note("limits_reached", "a test's")
    finally:
        notes._Heard.listeners = before
    assert heard == ["limits_reached"]


@pytest.mark.promise("MO-04")
def test_a_label_that_is_not_bounded_after_all_stops_growing() -> None:
    counted = CollectorRegistry()
    listener = Prometheus(counted)
    for number in range(3_000):
        listener("limits_reached", (f"limit {number}",), 1)
    series = read(generate_latest(counted).decode())
    found = {labels: value for (name, labels), value in series.items() if name == "oauthguard_limits_reached_total"}
    assert len(found) == 2_001
    assert found[(("limit", "other"),)] == 1_000


def test_reasons_of_ours_were_counted_as_those_of_a_verifier_of_the_application() -> None:
    package = ROOT / "pyramid_oauthguard"
    assertions = package / "server/assertions"  # what clients send to the server: no request is refused for it
    files = [path for path in package.rglob("*.py") if not path.is_relative_to(assertions)]
    calls = [
        node for path in files for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call)
    ]
    first = [node.args[0] for node in calls if getattr(node.func, "id", "") in ERRORS and node.args]
    found = {each.value for each in first if isinstance(each, ast.Constant)} - {
        "bad_answer",
        "old_answer",
    }  # in a log line
    assert len(found) > 60
    assert {reason for reason in found if bound_reason(reason) != reason} == set()
