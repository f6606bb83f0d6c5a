"""`token_require={"once": True}`: a token is accepted once, in all processes that share the store."""

from __future__ import annotations

import itertools
import json
import logging
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import time_machine
from pyramid.response import Response
from pyramid.security import view_execution_permitted
from webtest import TestApp

from pyramid_oauthguard import InvalidToken, UnavailableError
from pyramid_oauthguard.command.guard.explanation import explain_token
from pyramid_oauthguard.guard import require
from pyramid_oauthguard.guard.self_check import judge_guard
from pyramid_oauthguard.guard.verification import verify
from pyramid_oauthguard.interfaces import Finding
from pyramid_oauthguard.one_time import SharedUses, build_uses
from pyramid_oauthguard.testing import ABSENT, MemoryIssuer, bearer, trust
from tests.guard.guarding import Root, add, ask, build_app, find_setting_error, find_status
from tests.guard.once_worker import build as build_worker
from tests.steady.redis_server import RedisServer, run_redis

CHECKOUT = Path(__file__).parents[2]
MEMORY = {"oauthguard.once.backend": "memory"}
ONCE = {"once": True}


@pytest.fixture
def issuer() -> MemoryIssuer:
    return MemoryIssuer()


def build(issuer: MemoryIssuer, configure: Any = None, **settings: Any) -> TestApp:
    def add_views(config: Any) -> None:
        for mode in "local", "remote":
            add(config, f"/{mode}", token_check=mode, token_require=ONCE)
        add(config, "/scoped", token_require={"once": "true", "scope": "pay"})
        add(config, "/often", token_check="local")
        if configure is not None:
            configure(config)

    return build_app(add_views, issuer, settings={**MEMORY, **settings})


# ── once ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.promise("GD-74")
@pytest.mark.parametrize("path", ["/local", "/remote"])
def test_a_token_is_accepted_once(issuer, path, caplog):
    app = build(issuer, **{"oauthguard.cache.introspection.expiration_time": "60"})
    for _token in range(2):
        raw = issuer.mint()
        assert [find_status(app, path, raw) for _again in range(3)] == [200, 401, 401]
    opaque = issuer.mint_opaque()
    assert find_status(app, "/remote", opaque) == 200
    assert find_status(app, "/remote", opaque) == 401
    assert "already_used" in caplog.text


@pytest.mark.promise("GD-74")
def test_a_token_that_is_remembered_is_used_up_all_the_same(issuer):
    app = build(issuer)
    raw = issuer.mint()
    assert [find_status(app, "/often", raw) for _again in range(4)] == [200] * 4
    assert [find_status(app, "/local", raw) for _again in range(2)] == [200, 401]
    assert [find_status(app, "/remote", raw) for _again in range(2)] == [401, 401]
    assert find_status(app, "/often", raw) == 200, "this view accepts it as often as it comes"


@pytest.mark.promise("GD-74")
@pytest.mark.parametrize("claims", [{"jti": ABSENT}, {"jti": ""}, {"jti": None}], ids=["none", "empty", "null"])
def test_a_token_without_jti_is_refused(issuer, claims):
    app = build(issuer)
    assert find_status(app, "/often", issuer.mint(claims)) == 200
    assert find_status(app, "/local", issuer.mint(claims)) == 401
    raw = issuer.mint_opaque()
    issuer.answer(raw, {"active": True, "aud": issuer.audience, "exp": time.time() + 60, "sub": "ada"})
    assert find_status(app, "/remote", raw) == 401


@pytest.mark.promise("GD-74")
def test_a_token_that_does_not_expire_is_refused(issuer):
    app = build(issuer, **{"oauthguard.introspection.require_expiry": "false"})
    raw = issuer.mint_opaque()
    issuer.answer(raw, {"active": True, "aud": issuer.audience, "sub": "ada", "jti": "1"})
    assert find_status(app, "/remote", raw) == 401


def test_a_request_that_is_refused_for_another_reason_does_not_use_it_up(issuer):
    app = build(issuer)
    raw = issuer.mint(scope="read", jti="1")
    assert [find_status(app, "/scoped", raw) for _again in range(2)] == [403, 403]
    better = issuer.mint(scope="pay", jti="1")
    assert [find_status(app, "/scoped", better) for _again in range(2)] == [200, 401]


def test_a_question_does_not_use_it_up(issuer):
    def ask_first(request):
        return {"permitted": bool(view_execution_permitted(request.context, request, "pay"))}

    def configure(config):
        add(config, "/ask", ask_first, token_check="local")
        config.add_view(lambda request: Response("paid"), name="pay", context=Root, token_require=ONCE)

    app = build(issuer, configure)
    raw = issuer.mint()
    for _again in range(3):
        assert ask(app, "/ask", raw).json == {"permitted": True}
    assert [find_status(app, "/local", raw) for _again in range(2)] == [200, 401]


def test_what_is_done_in_one_request_is_one_use(issuer):
    def work(request):
        for _again in range(3):
            require(request, once=True)
        return {}

    def configure(config):
        add(config, "/work", work, token_require=ONCE)
        add(config, "/inside", work)

    app = build(issuer, configure)
    for path in "/work", "/inside":
        raw = issuer.mint()
        assert [find_status(app, path, raw) for _again in range(2)] == [200, 401]
    assert find_status(app, "/inside", issuer.mint(jti=ABSENT)) == 401


@pytest.mark.promise("GD-74")
def test_verify_uses_it_up(issuer):
    registry = build(issuer).app.registry
    raw = issuer.mint()
    assert verify(registry, raw, require=ONCE).subject == "test-user"
    with pytest.raises(InvalidToken) as caught:
        verify(registry, raw, require=ONCE)
    assert caught.value.reason == "already_used"


@pytest.mark.promise("GD-74")
def test_it_is_remembered_for_as_long_as_it_is_accepted(issuer):
    now = time.time()
    with time_machine.travel(now, tick=False) as clock:
        app = build(issuer, **{"oauthguard.leeway": "60"})
        raw = issuer.mint(exp=now + 100, jti="1")
        assert find_status(app, "/local", raw) == 200
        for later in (99, 130, 159.5):
            clock.move_to(now + later)
            assert find_status(app, "/often", raw) == 200
            assert find_status(app, "/local", raw) == 401
        clock.move_to(now + 161)
        assert find_status(app, "/often", raw) == 401
        again = issuer.mint(exp=now + 500, jti="1")
        assert find_status(app, "/local", again) == 200, "the issuer may give the name again"


@pytest.mark.promise("GD-74", "GD-31")
def test_two_issuers_may_give_the_same_jti(issuer):
    settings = {
        "oauthguard.issuers": "other",
        "oauthguard.issuers.other.issuer": "https://other.test",
        "oauthguard.issuers.other.scopes": "any",
        "oauthguard.issuers.other.introspection.auth_method": "none",
    }
    app = build(issuer, **settings)
    other = trust(app, MemoryIssuer("https://other.test"))
    for each in issuer, other:
        raw = each.mint(jti="1")
        assert [find_status(app, "/local", raw) for _again in range(2)] == [200, 401]


# ── the store ────────────────────────────────────────────────────────────────────────────────────────────────────


def find_findings(app: TestApp) -> list[Finding]:
    """What `check` says of the store."""
    found = judge_guard(app.app.registry)
    return [each for each in found if each.subject == "oauthguard.once.backend" and type(each) is Finding]


def race(use: Any, names: list[str], threads: int = 8) -> Counter[str]:
    """How often each name was used, where all threads use all names at once."""
    begin, won = threading.Barrier(threads), Counter[str]()

    def run() -> None:
        begin.wait(10)
        mine = [name for name in names if use(name)]
        won.update(mine)

    started = [threading.Thread(target=run) for _each in range(threads)]
    for each in started:
        each.start()
    for each in started:
        each.join(30)
    return won


@pytest.mark.promise("GD-74")
def test_of_several_threads_one_wins():
    uses = build_uses({"backend": "memory"})
    names = [str(number) for number in range(500)]
    won = race(lambda name: uses.add(name, time.time() + 60), names)
    assert won == Counter(names)


@pytest.mark.promise("GD-74")
def test_a_full_memory_refuses_and_forgets_what_expired(issuer):
    app = build(issuer, **{"oauthguard.once.arguments.size": "3"})
    now = time.time()
    with time_machine.travel(now, tick=False) as clock:
        early = [issuer.mint(exp=now + 10) for _each in range(3)]
        assert [find_status(app, "/local", raw) for raw in early] == [200] * 3
        late = issuer.mint(exp=now + 600)
        response = ask(app, "/local", late)
        assert (response.status_int, response.headers["Retry-After"]) == (503, "40")
        assert [find_status(app, "/local", raw) for raw in early] == [401] * 3
        clock.move_to(now + 41)
        assert [find_status(app, "/local", late) for _again in range(2)] == [200, 401]


@pytest.mark.parametrize(
    ("settings", "key", "said"),
    [
        ({"oauthguard.once.backend": ""}, "oauthguard.once.*", "backend"),
        ({}, "oauthguard.once.backend", "is required: a view accepts each token once"),
        ({"oauthguard.once.backend": "dogpile.cache.memory"}, "oauthguard.once.backend", "use dogpile.cache.redis"),
        ({"oauthguard.once.backend": "dogpile.cache.pymemcache"}, "oauthguard.once.backend", "can't be used"),
        ({"oauthguard.once.backend": "nothing"}, "oauthguard.once.backend", "can't be used"),
        ({"oauthguard.once.arguments.size": "3"}, "oauthguard.once.*", "backend"),
        ({**MEMORY, "oauthguard.once.arguments.size": "many"}, "oauthguard.once.backend", "can't be used"),
        ({**MEMORY, "oauthguard.once.expiration_time": "60"}, "oauthguard.once.*", "expiration_time"),
        ({**MEMORY, "oauthguard.once.place": "60"}, "oauthguard.once.*", "place"),
    ],
    ids=range(9),
)
def test_start_up_names_what_is_wrong(issuer, settings, key, said):
    def start():
        return build_app(lambda config: add(config, "/pay", token_require=ONCE), issuer, settings=settings)

    error = find_setting_error(start)
    assert error.key == key
    assert said in str(error)


@pytest.mark.parametrize("value", [False, "no", "perhaps", 7, None])
def test_once_is_true_or_left_out(issuer, value):
    def start():
        return build_app(lambda config: add(config, "/pay", token_require={"once": value}), issuer, settings=MEMORY)

    assert "once: must be true" in str(find_setting_error(start))


def test_without_such_a_view_nothing_is_needed(issuer):
    app = build_app(lambda config: add(config, "/often", token_check="local"), issuer)
    assert find_status(app, "/often", issuer.mint()) == 200


def test_check_warns_of_the_memory_of_a_process(issuer):
    found = find_findings(build(issuer))
    assert [each.level for each in found] == ["warning"]
    often = build_app(lambda config: add(config, "/often", token_check="local"), issuer, settings=MEMORY)
    assert find_findings(often) == []


def test_explain_says_whether_a_token_was_used_and_does_not_use_it_up(issuer):
    app = build(issuer)
    raw = issuer.mint()
    registry = app.app.registry
    for _again in range(2):
        assert "any method /local accepts it once" in explain_token(registry, raw, "local").views
    assert find_status(app, "/local", raw) == 200
    said = explain_token(registry, raw, "local").views
    assert "any method /local answers 401: it accepts a token once, and this one was used" in said
    assert not [line for line in said if "/often" in line]
    said = explain_token(registry, issuer.mint(jti=ABSENT), "local").views
    assert "any method /local answers 401: it accepts a token once, and the reason is missing_jti" in said


# ── Redis ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def redis(tmp_path_factory) -> Iterator[RedisServer]:
    with run_redis(tmp_path_factory.mktemp("redis")) as server:
        yield server


def shared(redis: RedisServer) -> dict[str, str]:
    return {"oauthguard.once.backend": "dogpile.cache.redis", "oauthguard.once.arguments.port": str(redis.port)}


@pytest.mark.slow
@pytest.mark.needs("redis-server")
@pytest.mark.promise("GD-74")
def test_of_several_threads_one_wins_in_redis(redis):
    uses = build_uses({"backend": "dogpile.cache.redis", "arguments.port": redis.port})
    names = [f"thread {number}" for number in range(60)]
    assert race(lambda name: uses.add(name, time.time() + 60), names) == Counter(names)


@pytest.mark.slow
@pytest.mark.needs("redis-server")
@pytest.mark.promise("GD-74")
def test_of_two_processes_one_wins(redis, issuer, tmp_path):
    keys = tmp_path / "keys.json"
    keys.write_text(json.dumps(issuer.jwks))
    settings = {**issuer.settings, **shared(redis), "oauthguard.jwks_file": str(keys)}
    command = [sys.executable, "-m", "tests.guard.once_worker", json.dumps(settings)]
    tokens = [issuer.mint() for _each in range(40)]
    with ExitStack() as stack:
        workers = [
            stack.enter_context(
                subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=CHECKOUT)
            )
            for _each in range(2)
        ]
        for each in workers:
            assert each.stdout.readline() == "ready\n"
        for each in workers:  # both have all before either has answered all
            each.stdin.write("\n".join(tokens) + "\n")
            each.stdin.close()
        answers = [each.stdout.read().split() for each in workers]
    assert [each.returncode for each in workers] == [0, 0]
    assert [sorted(both) for both in zip(*answers, strict=True)] == [["200", "401"]] * len(tokens)


@pytest.mark.slow
@pytest.mark.needs("redis-server")
@pytest.mark.promise("GD-74", "GD-25")
def test_what_redis_holds(redis, issuer):
    redis.client.flushall()
    app = build(issuer, **shared(redis), **{"oauthguard.leeway": "60"})
    raw = issuer.mint(exp=time.time() + 100, jti="the name of the token")
    assert [find_status(app, "/local", raw) for _again in range(2)] == [200, 401]
    (key,) = redis.client.scan_iter()
    assert b"the name" not in key
    assert 160 < redis.client.pttl(key) / 1000 < 170
    found = find_findings(app)
    assert [each.level for each in found] == ["ok"]
    redis.client.config_set("maxmemory-policy", "allkeys-lru")
    found = find_findings(app)
    redis.client.config_set("maxmemory-policy", "noeviction")
    assert [each.level for each in found] == ["ok", "warning"]


@pytest.mark.slow
@pytest.mark.needs("redis-server")
@pytest.mark.promise("GD-74", "GD-20")
def test_a_store_that_is_down_accepts_nothing(issuer, tmp_path, caplog):
    with run_redis(tmp_path) as own:
        app = build(issuer, **shared(own))
        used = issuer.mint()
        assert find_status(app, "/local", used) == 200
        own.kill()
        raw = issuer.mint()
        for _again in range(5):
            response = ask(app, "/local", raw)
            assert (response.status_int, "Retry-After" in response.headers) == (503, True)
            assert find_status(app, "/often", raw) == 200
        assert find_status(app, "/local", used) == 503
        found = find_findings(app)
        assert [(each.level, each.status) for each in found if each.level != "ok"] == [("error", 6)]
    assert "once_store_down" in caplog.text


class Client:
    """A Redis that stores, and whose first answers are lost."""

    def __init__(self, lost: int = 0, error: bool = False) -> None:
        self.kept: dict[str, str] = {}
        self.lost, self.error = itertools.count(-lost), error

    def set(self, key: str, value: str, *, nx: bool, px: int) -> bool | None:
        assert nx
        assert px > 0
        if self.error:
            raise ConnectionError("redis://:secret@host")
        if key not in self.kept:
            self.kept[key] = value
            return True if next(self.lost) >= 0 else None
        return None

    def get(self, key: str) -> bytes | None:
        return self.kept[key].encode() if key in self.kept else None


class Region:
    key_mangler = staticmethod(str.upper)

    def __init__(self, client: Client) -> None:
        self.actual_backend = type("Backend", (), {"writer_client": client})()


def test_a_write_that_is_sent_again_is_still_the_first():
    uses = SharedUses(Region(Client(lost=1)))
    assert [uses.add("a", time.time() + 9) for _again in range(2)] == [True, False]
    assert [uses.has("a"), uses.has("b")] == [True, False]


@pytest.mark.promise("GD-26")
def test_the_error_of_a_store_shows_no_password(caplog):
    caplog.set_level(logging.DEBUG)
    uses = SharedUses(Region(Client(error=True)))
    for _again in range(4):
        with pytest.raises(UnavailableError) as caught:
            uses.add("a", time.time() + 9)
        assert "secret" not in f"{caught.value} {caught.value.__context__!r}" or caught.value.__suppress_context__
        assert "secret" not in str(caught.value)
    assert "secret" not in caplog.text


def test_the_worker_is_an_application_like_the_others(issuer, tmp_path):
    keys = tmp_path / "keys.json"
    keys.write_text(json.dumps(issuer.jwks))
    app = build_worker({**issuer.settings, **MEMORY, "oauthguard.jwks_file": str(keys)})
    raw = issuer.mint()
    assert [app.get("/pay", headers=bearer(raw), status="*").status_int for _again in range(2)] == [200, 401]
