"""A guard whose process forks, in whatever state it is: a child uses no socket, lock, call or thread of its parent."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from dogpile.cache.backends.redis import RedisBackend

from pyramid_oauthguard.interfaces import ICredentialVerifier
from pyramid_oauthguard.issuers.introspection import Introspector
from pyramid_oauthguard.issuers.keys import KeySource
from tests.certificates import write_certificate
from tests.forking import HOW, UNNOTICED, Child, needs_fork, read_all, run_alone, run_in_child, start_child
from tests.issuers import HTTPIssuer
from tests.reachable import find_object, find_objects, held, list_locks
from tests.steady.apps import ALGORITHM, Api, Held, build_trusting, in_threads, wait_until
from tests.steady.redis_server import RedisServer, run_redis
from tests.steady.worker import CHECKOUT

pytestmark = [pytest.mark.slow, needs_fork, pytest.mark.promise("GD-29")]


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(params=["http", "https"])
def issuer(request: pytest.FixtureRequest) -> Iterator[HTTPIssuer]:
    pem = request.getfixturevalue("pem") if request.param == "https" else None
    with HTTPIssuer(algorithm=ALGORITHM, tls=pem) as server:
        yield server


@pytest.fixture(scope="module")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with run_redis(tmp_path_factory.mktemp("redis")) as server:
        yield server


def who(api: Api, view: str, raw: str) -> list[Any]:
    answer = api.send(view, raw)
    return [answer.status_int, answer.json.get("who")]


def ask_at_once(api: Api, tokens: dict[str, str], how: str = "os.fork") -> dict[str, Any]:
    """What each of these users is told whom the API takes them for, each asked by a child of its own, several times."""
    return read_all(start_all(api, tokens, how))


def start_all(api: Api, tokens: dict[str, str], how: str) -> dict[str, Child]:
    return {
        user: start_child(lambda raw=raw: [who(api, "remote", raw) for _ in range(5)], how)  # type: ignore[misc]
        for user, raw in tokens.items()
    }


def mint_all(issuer: HTTPIssuer, *users: str) -> dict[str, str]:
    return {user: issuer.issuer.mint_opaque(sub=user) for user in users}


# ── connections to the issuer ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("how", HOW)
def test_two_children_after_a_remote_check_are_not_told_of_each_others_users(issuer: HTTPIssuer, how: str) -> None:
    issuer.delay = 0.01
    issuer.fail("slow", "introspection")  # so that their questions overlap
    api = Api(issuer.settings)
    for _ in range(3):
        assert who(api, "remote", issuer.issuer.mint_opaque(sub="parent")) == [200, "parent"]
        tokens = mint_all(issuer, "ada", "bob", "cleo")
        assert ask_at_once(api, tokens, how) == {user: [[200, user]] * 5 for user in tokens}


@pytest.mark.skipif(sys.platform != "linux", reason="looks fork up in the C library")
def test_a_fork_that_python_is_not_told_of_is_noticed_when_the_issuer_is_asked(issuer: HTTPIssuer) -> None:
    tokens = {user: issuer.issuer.mint(sub=user) for user in ("ada", "bob")}
    run_alone(check_unnoticed, issuer.settings, issuer.issuer.mint_opaque(sub="parent"), tokens)


def check_unnoticed(settings: dict[str, str], opaque: str, tokens: dict[str, str]) -> None:
    warm, cold = Api(settings), Api(settings)
    assert who(warm, "remote", opaque) == [200, "parent"]
    for api in (warm, cold):
        assert ask_at_once(api, tokens, UNNOTICED) == {user: [[200, user]] * 5 for user in tokens}


def test_no_child_uses_the_connection_of_its_parent_and_the_parent_goes_on_with_it(issuer: HTTPIssuer) -> None:
    api = Api(issuer.settings)
    raw = issuer.issuer.mint_opaque(sub="ada")
    assert [api.ask("remote", raw) for _ in range(2)] == [200, 200]
    (own,) = set(issuer.callers)
    for _ in range(2):
        issuer.callers.clear()
        assert run_in_child(lambda: api.ask("remote", raw)) == 200
        assert own not in issuer.callers
        assert api.ask("remote", raw) == 200
        assert issuer.callers[-1] == own, "the child has not ended it"


def test_a_child_of_a_child_has_its_own(issuer: HTTPIssuer) -> None:
    api = Api(issuer.settings)
    raw = issuer.issuer.mint_opaque(sub="ada")

    def ask_and_fork() -> list[int]:
        return [api.ask("remote", raw), run_in_child(lambda: api.ask("remote", raw)), api.ask("remote", raw)]

    assert api.ask("remote", raw) == 200
    assert run_in_child(ask_and_fork) == [200, 200, 200]
    parent, child, grandchild, again = issuer.callers
    assert len({parent, child, grandchild}) == 3
    assert again == child


def test_a_child_trusts_the_authorities_that_its_parent_trusted(pem: Path, tmp_path: Path) -> None:
    """Also where it may no longer read their file, as a worker that gave up its rights."""
    with HTTPIssuer(algorithm=ALGORITHM, tls=pem) as issuer:
        file = tmp_path / "authorities.pem"
        file.write_bytes(pem.read_bytes())
        api = Api({**issuer.settings, "oauthguard.http.ca_file": str(file)})
        raw = issuer.issuer.mint_opaque()
        assert api.ask("remote", raw) == 200
        file.unlink()
        assert run_in_child(lambda: api.ask("remote", raw)) == 200


# ── what runs in the parent ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("endpoint", ["metadata", "keys", "introspection"])
def test_a_child_does_not_wait_for_what_its_parent_fetches(issuer: HTTPIssuer, endpoint: str, how: str) -> None:
    api, raw = Api(issuer.settings, http__timeout=60), issuer.issuer.mint(sub="ada")
    issuer.fail("hang", endpoint)
    with in_threads(lambda: api.ask("remote", raw)) as (asked,):
        wait_until(lambda: issuer.calls[endpoint])
        issuer.heal()
        assert run_in_child(lambda: who(api, "remote", raw), how) == [200, "ada"]
        issuer.close()
    assert asked.result() == 503


def find_introspector(registry: Any) -> Introspector:
    """That of the remote check; userinfo has one of its own."""
    verifier: Any = registry.getUtility(ICredentialVerifier, name="remote")
    return verifier._verify_only.__self__._introspector  # type: ignore[no-any-return]


def test_a_child_does_not_share_a_call_that_has_not_begun() -> None:
    """Whoever comes while a call runs shares the next one, which waits for the first to end."""
    issuer = Held()
    api, raw = build_trusting(issuer), issuer.mint_opaque(sub="ada")
    issuer.hold()
    with in_threads(lambda: api.ask("remote", raw)) as (first,):
        issuer.wait_for_call()
        with in_threads(lambda: api.ask("remote", raw)) as (second,):
            introspector = find_introspector(api.registry)
            wait_until(lambda: introspector._running[raw].next)
            assert run_in_child(lambda: [issuer.let_go(), who(api, "remote", raw)][1]) == [200, "ada"]
            issuer.let_go()
    assert first.result() == second.result() == 200


def test_a_child_renews_keys_in_the_background_though_its_parent_does_so(clock: Any) -> None:
    issuer = Held()
    api, raw = build_trusting(issuer), issuer.mint()
    assert api.ask("local", raw) == 200
    issuer.hold()
    clock.shift(3_300)
    fresh = issuer.mint(sub="ada")
    assert api.ask("local", fresh) == 200
    issuer.wait_for_call()

    def ask() -> Any:
        issuer.let_go()
        before = issuer.calls["fetch_keys"]
        answers = who(api, "local", fresh)
        wait_until(lambda: issuer.calls["fetch_keys"] > before)
        wait_until(lambda: find_object(api.registry, KeySource).kept.calm_until > time.time())
        return answers

    assert run_in_child(ask) == [200, "ada"]
    issuer.let_go()


def test_a_child_that_can_not_ask_serves_with_the_keys_of_its_parent(clock: Any) -> None:
    """A fetch that runs during the fork makes the child ask, but takes no key from it."""
    issuer = Held()
    api, raw = build_trusting(issuer), issuer.mint(exp=int(time.time()) + 90_000)
    assert api.ask("local", raw) == 200
    issuer.hold()
    clock.shift(3_300)
    assert api.ask("local", raw) == 200
    issuer.wait_for_call()
    assert run_in_child(lambda: [issuer.go_down(), issuer.let_go(), api.ask("local", raw)][2]) == 200
    issuer.let_go()


def test_a_revocation_that_is_under_way_holds_in_the_child() -> None:
    issuer = Held()
    api = build_trusting(issuer, cache__introspection__expiration_time=600)
    raw = issuer.mint(jti="the-one")
    assert [api.ask("remote", raw) for _ in range(3)] == [200, 200, 200]
    introspector = find_introspector(api.registry)
    with introspector._lock:  # as the thread that hears of it does
        assert run_in_child(lambda: [issuer.revoke(raw), api.ask("remote", raw)][1]) == 401


# ── locks ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_no_lock_that_a_thread_of_the_parent_holds_stops_a_child(issuer: HTTPIssuer) -> None:
    api, raw = Api(issuer.settings, cache__introspection__expiration_time=5), issuer.issuer.mint(sub="ada")
    assert [api.ask(view, raw) for view in ("local", "remote")] == [200, 200]
    locks = list_locks(api.registry)
    names = " ".join(locks)
    for owner in ("Kept", "Introspector", "_DeferredIssuer", "Circuit", "NameRegistry"):
        assert owner in names

    def ask_all() -> Any:
        return [who(api, view, token) for view in ("local", "remote") for token in (raw, later)]

    later = issuer.issuer.mint(sub="bob")
    with held(locks.values()):
        assert run_in_child(ask_all) == [[200, "ada"], [200, "bob"]] * 2


@pytest.mark.needs("redis-server")
def test_no_lock_of_a_shared_cache_stops_a_child(redis_server: RedisServer) -> None:
    with HTTPIssuer(algorithm=ALGORITHM) as issuer, share_caches(issuer, redis_server) as api:
        raw, later = issuer.issuer.mint(sub="ada"), issuer.issuer.mint(sub="bob")
        assert [api.ask(view, raw) for view in ("local", "remote")] == [200, 200]
        locks = list_locks(api.registry)
        assert "ConnectionPool" in " ".join(locks)
        began = time.monotonic()
        ask_all = partial(lambda: [who(api, view, token) for view in ("local", "remote") for token in (raw, later)])
        with held(locks.values()):
            assert run_in_child(ask_all) == [[200, "ada"], [200, "bob"]] * 2
        assert time.monotonic() - began < 10, "it waited for a lock of a connection pool"


@contextmanager
def share_caches(issuer: HTTPIssuer, server: RedisServer) -> Iterator[Api]:
    caches = server.settings("metadata", "jwks", "introspection", "inactive")
    api = Api({**issuer.settings, **caches}, cache__introspection__expiration_time=60)
    yield api
    for backend in find_objects(api.registry, RedisBackend):
        backend.writer_client.close()


# ── a shared cache ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.needs("redis-server")
@pytest.mark.parametrize("how", HOW)
def test_children_have_their_own_connections_to_a_shared_cache(redis_server: RedisServer, how: str) -> None:
    with HTTPIssuer(algorithm=ALGORITHM) as issuer, share_caches(issuer, redis_server) as api:
        tokens = mint_all(issuer, "ada", "bob", "cleo")
        assert {user: who(api, "remote", raw) for user, raw in tokens.items()} == {user: [200, user] for user in tokens}
        before = list_connections(redis_server)
        asked = issuer.calls["introspection"]
        assert ask_at_once(api, tokens, how) == {user: [[200, user]] * 5 for user in tokens}
        assert issuer.calls["introspection"] == asked, "the answers were in the cache"
        assert who(api, "remote", tokens["ada"]) == [200, "ada"]
        assert before <= list_connections(redis_server), "no child has ended one of the parent"


def list_connections(server: RedisServer) -> set[str]:
    return {each["id"] for each in server.client.client_list()}


ENDING = """
import json, os, sys, warnings
from dogpile.cache.backends.redis import RedisBackend
from tests.reachable import find_objects
from tests.steady.apps import Api

def find_sessions():
    return [backend.writer_client.client_id() for backend in find_objects(api.registry, RedisBackend)]

warnings.simplefilter("error")
warnings.filterwarnings("ignore", message=".*multi-threaded.*fork")
api, raw = Api(json.loads(sys.argv[1])), sys.argv[2]
assert api.ask("remote", raw) == 200
sessions = find_sessions()
for _ in range(2):
    child = os.fork()
    if child == 0:
        assert api.ask("remote", raw) == 200
        assert not set(sessions) & set(find_sessions())
        sys.exit(0)  # with all finalizers
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert api.ask("remote", raw) == 200
    assert sessions == find_sessions()
for backend in find_objects(api.registry, RedisBackend):
    backend.writer_client.close()
"""


@pytest.mark.needs("redis-server")
def test_the_end_of_a_child_ends_no_connection_of_its_parent(issuer: HTTPIssuer, redis_server: RedisServer) -> None:
    settings = {**issuer.settings, **redis_server.settings("metadata", "jwks", "introspection", "inactive")}
    raw = issuer.issuer.mint(sub="ada")
    done = subprocess.run(
        [sys.executable, "-c", ENDING, json.dumps(settings), raw],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    own, child, again, other, last = issuer.callers
    assert own == again == last
    assert len({own, child, other}) == 3
