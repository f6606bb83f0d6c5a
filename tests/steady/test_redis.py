"""A real Redis between processes: what it shares, what it holds, and that nothing it does or suffers hurts.

Defended: anyone who can read it learns neither tokens nor how to look one up, and anyone who can write to it can neither run
code here nor put in keys, answers or metadata of his own, nor move one token's answer to another; all he can do is to
delete, which costs a call, and to fill it with what takes long to read. That rests on a secret, which keys the hashes and
the seals; here it is `oauthguard.introspection.client_secret`. The others, and no secret at all, are in
test_cache_authority.py.

Not defended: an old entry can be put back, which is judged by the times that are sealed into it.
"""

from __future__ import annotations

import json
import logging
import pickle
import re
import time
from collections import Counter
from pathlib import Path

import pytest

from pyramid_oauthguard import shared_cache
from pyramid_oauthguard.testing import MemoryIssuer, generate_key, read_claims
from tests.issuers import CLIENT, HTTPIssuer
from tests.steady.apps import ALGORITHM, Api, Held, build_trusting, in_threads, time_of
from tests.steady.forging import bind, write_entry
from tests.steady.redis_server import RedisServer, run_redis
from tests.steady.worker import run_workers

pytestmark = [pytest.mark.slow, pytest.mark.needs("redis-server"), pytest.mark.promise("GD-25")]

CACHES = ("metadata", "jwks", "introspection", "inactive")
TTL = {"oauthguard.cache.introspection.expiration_time": 3_600}
#: For applications that have no introspection credentials.
SECRET = {"oauthguard.cache.secret": "a secret of nothing but the caches"}


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    with run_redis(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def cache(shared):
    shared.client.flushall()
    return shared


@pytest.fixture
def own(tmp_path):
    """A Redis that may be killed."""
    with run_redis(tmp_path) as server:
        yield server


@pytest.fixture
def quick(monkeypatch):
    """Look again after a failure sooner than a test can wait."""
    monkeypatch.setattr(shared_cache, "_PAUSE_SECONDS", 0.2)


@pytest.fixture
def log(caplog):
    """What is said of the shared caches."""
    caplog.set_level(logging.INFO)
    return lambda: [record.getMessage() for record in caplog.records if "shared" in record.getMessage()]


def build(server, redis, *caches, **more):
    return Api({**server.settings, **redis.settings(*(caches or CACHES)), **TTL}, **more)


def count(server):
    """Metadata, key sets, introspections asked for."""
    return tuple(server.calls[name] for name in ("metadata", "keys", "introspection"))


# ── several processes ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def workers(server, cache):
    settings = {**server.settings, **cache.settings(*CACHES), **TTL, "oauthguard.http.timeout": 5}
    with run_workers(4, settings) as processes:
        yield processes


@pytest.mark.promise("GD-22", "GD-17")
def test_four_processes_share_keys_answers_and_evictions(server, workers):
    server.delay = 0.3
    server.fail("slow")
    tokens = [server.issuer.mint() for _ in workers]
    for worker, raw in zip(workers, tokens, strict=True):
        worker.say("ask", "local", raw)
    assert [worker.hear() for worker in workers] == ["200"] * 4
    assert count(server) == (1, 1, 0)

    server.heal()
    raw, other = server.issuer.mint(), server.issuer.mint()
    for _use in range(3):
        assert [worker.ask("remote", each) for each in (raw, other) for worker in workers] == [200] * 8
    assert count(server) == (1, 1, 2)

    server.issuer.revoke(raw)
    workers[0].tell(read_claims(raw)["jti"])
    assert [worker.ask("remote", raw) for worker in workers] == [401] * 4
    assert [worker.ask("remote", other) for worker in workers] == [200] * 4
    assert count(server) == (1, 1, 3)  # one found out for all that it is inactive


@pytest.mark.promise("GD-22")
def test_a_process_that_dies_while_it_fetches_keeps_nobody_waiting_for_long(server, cache):
    settings = {
        **server.settings,
        **cache.settings("jwks"),
        "oauthguard.http.timeout": 60,
        "oauthguard.cache.jwks.arguments.lock_blocking_timeout": 1,
    }
    server.fail("hang", "keys")
    raw = server.issuer.mint()
    with run_workers(2, settings) as [dying, other]:
        dying.say("ask", "local", raw)
        while not server.calls["keys"]:
            time.sleep(0.01)
        dying.kill()
        server.heal()
        assert time_of(lambda: other.ask("local", raw)) < 5
        assert other.ask("local", raw) == 200


# ── what it holds ────────────────────────────────────────────────────────────────────────────────────────────────


def test_it_holds_hashes_and_sealed_json_that_expires(server, cache):
    api = build(server, cache)
    tokens = [server.issuer.mint(), server.issuer.mint_opaque()]
    revoked = server.issuer.mint()
    server.issuer.revoke(revoked)
    assert api.ask_all("remote", [*tokens, revoked]) == {200: 2, 401: 1}
    held = cache.read_all()
    # Metadata, keys, two answers each with the way from its jti, one inactive token.
    assert len(held) == 7
    for key, value in held.items():
        assert re.fullmatch(rb"oauthguard:[0-9a-f]{64}", key)
        seal, metadata, payload = value.split(b"|", 2)
        assert re.fullmatch(rb"[0-9a-f]{64}", seal)
        assert json.loads(metadata)
        json.loads(payload)
        assert 0 < cache.client.ttl(key) <= 2 * 86_400
    everything = repr(held)
    parts = [part for raw in [*tokens, revoked] for part in raw.split(".")]
    for secret in [*parts, *CLIENT]:
        assert secret not in everything


def test_its_locks_are_named_by_hashes_too(server, cache):
    with cache.client.monitor() as monitor:
        build(server, cache, "jwks").ask("local", server.issuer.mint())
        said = []
        while not said or "DEL" not in said[-1].upper():
            said.append(monitor.next_command()["command"])
            assert len(said) < 50
    locks = [word for line in said for word in line.split() if word.startswith("_lock")]
    assert locks
    assert all(re.fullmatch(r"_lockoauthguard:[0-9a-f]{64}", name) for name in locks)


def test_applications_with_another_secret_do_not_meet(server, cache):
    assert build(server, cache).ask("remote", server.issuer.mint()) == 200
    before = len(cache.read_all())
    other = Api(
        {
            **server.settings,
            **cache.settings(*CACHES),
            **TTL,
            "oauthguard.introspection.client_secret": "another",
        }
    )
    assert other.ask("local", server.issuer.mint()) == 200
    assert len(cache.read_all()) == before + 2
    assert count(server)[:2] == (2, 2)


@pytest.mark.promise("GD-16")
def test_an_answer_that_another_application_kept_is_judged_here(server, cache):
    """Both have the same credentials, one lets fewer clients in."""
    raw = server.issuer.mint_opaque(client_id="app-1")
    assert build(server, cache).ask("remote", raw) == 200
    stricter = build(server, cache, client_id="app-2")
    assert stricter.ask("remote", raw) == 401
    assert count(server)[2] == 1


# ── rubbish and worse in it ──────────────────────────────────────────────────────────────────────────────────────


class Payload:
    """What a pickle can do to who loads it."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (Path(self.path),)


RUBBISH = {
    "empty": b"",
    "text": b"hello",
    "bytes": bytes(range(256)),
    "json": b'{"keys": []}',
    "number": b"7",
    "null": b"null",
    "bar": b"|",
    "bars": b"|||||",
    "dogpile": b'{"v": 1, "ct": 1}|{"keys": []}',
    "half of dogpile": b'{"v": 1, "ct',
    "deep": b"[" * 100_000,
    "huge": b"x" * 3_000_000,
    "number too long": b"9" * 10_000 + b"|7",
}


def overwrite(cache, value):
    keys = cache.read_all()
    assert keys
    for key in keys:
        cache.client.set(key, value)


@pytest.fixture
def raw(server):
    return server.issuer.mint(exp=time.time() + 86_400 * 9)


@pytest.mark.parametrize("name", RUBBISH)
def test_rubbish_is_a_miss(server, cache, raw, log, name):
    assert build(server, cache).ask("remote", raw) == 200
    overwrite(cache, RUBBISH[name])
    for _process in range(2):
        assert build(server, cache).ask_all("remote", [raw] * 3) == {200: 3}
    assert count(server) == (2, 2, 2)  # the first of the two put it right
    assert log() == []


def test_a_pickle_is_not_loaded(server, cache, raw, tmp_path):
    proof = tmp_path / "executed"
    pickled = pickle.dumps(Payload(str(proof)))
    assert build(server, cache).ask("remote", raw) == 200
    for value in (pickled, b'{"v": 1, "ct": 1}|' + pickled, b"0" * 64 + b'|{"v": 1, "ct": 1}|' + pickled):
        overwrite(cache, value)
        assert build(server, cache).ask("remote", raw) == 200
    assert not proof.exists()


@pytest.mark.parametrize("kind", ["list", "hash", "set"])
def test_an_entry_of_another_type_is_a_miss(server, cache, raw, log, kind):
    assert build(server, cache).ask("remote", raw) == 200
    fill = {
        "list": lambda key: cache.client.lpush(key, "x"),
        "set": lambda key: cache.client.sadd(key, "x"),
        "hash": lambda key: cache.client.hset(key, "x", "y"),
    }[kind]
    for key in cache.read_all():
        cache.client.delete(key)
        fill(key)
    api = build(server, cache)
    assert api.ask_all("remote", [raw] * 5) == {200: 5}
    assert all("refusing (ResponseError WRONGTYPE)" in line for line in log())
    assert len(log()) <= len(CACHES)  # once for each cache, whatever comes
    assert build(server, cache).ask("remote", raw) == 200
    assert count(server) == (2, 2, 2)


def forge(value, key, server, cache, secret):
    """An entry as one writes it who knows the settings, and takes `secret` for the introspection client's."""
    text = f"introspection {secret}" if secret else ""
    return write_entry(value, key.decode(), bind(text, server.issuer.identifier, server.issuer.audience, cache))


def test_hostile_keys_are_not_taken(server, cache, raw):
    """Anyone who can write to Redis does not thereby become our issuer."""
    assert build(server, cache, "jwks").ask("local", raw) == 200
    [key] = cache.read_all()
    seal, metadata, _payload = cache.client.get(key).split(b"|", 2)
    stranger = generate_key(ALGORITHM, kid=server.issuer.signing_key.kid)
    now = time.time()
    entry = {"keys": [stranger.jwk], "fetched_at": now, "tried_at": now, "life": 3_600}
    plain = metadata + b"|" + json.dumps(entry).encode()
    guesses = [forge(entry, key, server, "jwks", guess) for guess in ("", "secret", CLIENT[0])]
    for value in (plain, seal + b"|" + plain, *guesses):
        cache.client.set(key, value)
        api = build(server, cache, "jwks")
        assert api.ask("local", server.issuer.mint(key=stranger)) == 401
        assert api.ask("local", raw) == 200
    # With the secret itself it is taken; otherwise this test would show nothing.
    cache.client.set(key, forge(entry, key, server, "jwks", CLIENT[1]))
    assert build(server, cache, "jwks").ask("local", server.issuer.mint(key=stranger)) == 200


def test_hostile_metadata_is_not_taken(server, cache, raw):
    assert build(server, cache, "metadata").ask("local", raw) == 200
    [key] = cache.read_all()
    with HTTPIssuer() as thief:
        document = {**server.issuer.metadata, "jwks_uri": f"{thief.origin}/jwks"}
        now = time.time()
        entry = {"document": document, "url": server.origin, "fetched_at": now, "tried_at": now, "life": 3_600}
        cache.client.set(key, forge(entry, key, server, "metadata", ""))
        assert build(server, cache, "metadata").ask("remote", raw) == 200
        assert thief.calls == Counter()
        cache.client.set(key, forge(entry, key, server, "metadata", CLIENT[1]))
        build(server, cache, "metadata").ask("remote", raw)
        assert thief.calls["keys"] == 1


def test_an_answer_about_one_token_can_not_be_moved_to_another(server, cache, clock):
    api = build(server, cache, "introspection")
    good, revoked = server.issuer.mint_opaque(), server.issuer.mint_opaque()
    assert api.ask_all("remote", [good, revoked]) == {200: 2}
    server.issuer.revoke(revoked)
    [one, other] = [key for key, value in cache.read_all().items() if b"asked_at" in value]
    held = cache.read_all()
    cache.client.set(one, held[other])
    cache.client.set(other, held[one])
    fresh = build(server, cache, "introspection")
    assert [fresh.ask("remote", good), fresh.ask("remote", revoked)] == [200, 401]


def test_an_old_answer_put_back_is_judged_by_its_own_time(server, cache, clock):
    raw = server.issuer.mint_opaque(exp=time.time() + 86_400)
    assert build(server, cache).ask("remote", raw) == 200
    saved = cache.read_all()
    server.issuer.revoke(raw)
    clock.shift(3_600)
    for key, value in saved.items():
        cache.client.set(key, value)
    assert build(server, cache).ask("remote", raw) == 401


# ── Redis away, slow, back ───────────────────────────────────────────────────────────────────────────────────────


def test_redis_down_from_the_start(server, raw, log, tmp_path):
    api = build(server, RedisServer(tmp_path))  # which nobody starts
    assert api.ask_all("remote", [raw] * 50) == {200: 50}
    assert api.ask_all("local", [raw] * 50) == {200: 50}
    assert api.ask_all("remote", ["made-up"] * 20) == {401: 20}
    assert count(server) == (1, 1, 2)  # from the process's own memory
    assert sorted(log()) == [
        f"the shared {name} cache is away (ConnectionError ECONNREFUSED): using this process's memory"
        for name in sorted(CACHES)
    ]


@pytest.mark.usefixtures("quick")
def test_redis_dies_and_comes_back(server, own, raw, log):
    api = build(server, own, "introspection")
    other = server.issuer.mint()
    assert api.ask("remote", raw) == 200
    own.kill()
    assert api.ask_all("remote", [raw, other] * 20) == {200: 40}
    assert count(server)[2] == 2
    assert log() == [
        "the shared introspection cache is away (ConnectionError ECONNREFUSED): using this process's memory"
    ]
    own.start()
    time.sleep(0.25)
    assert api.ask_all("remote", [raw, other] * 20) == {200: 40}
    assert log()[1:] == ["the shared introspection cache is back"]
    assert len(own.read_all()) > 0


@pytest.mark.promise("GD-17")
def test_a_revocation_evicts_an_answer_on_its_way_to_another_process(cache):
    issuer = Held(early=True)
    settings = {**cache.settings("introspection"), **TTL, **SECRET, "http__timeout": 30}
    hearing, deaf = build_trusting(issuer, **settings), build_trusting(issuer, **settings)
    raw = issuer.mint_opaque()
    assert hearing.ask("remote", issuer.mint()) == 200
    issuer.tells = False  # nothing to the second one, which asks for the first time now
    issuer.hold()
    with in_threads(lambda: deaf.ask("remote", raw)) as [before]:
        issuer.wait_for_call()
        issuer.revoke(raw)
        issuer.let_go()
    assert before.result() == 200  # asked before the revocation
    assert [deaf.ask("remote", raw), hearing.ask("remote", raw)] == [401, 401]


@pytest.mark.promise("GD-17")
@pytest.mark.usefixtures("quick")
def test_a_revocation_while_redis_is_away_holds_in_this_process(clock, own):
    """Redis comes back and still holds the answer: it was frozen when it should have been deleted."""
    issuer = MemoryIssuer(algorithm=ALGORITHM)
    api = build_trusting(issuer, **{**own.settings("introspection"), **TTL, **SECRET})
    raw = issuer.mint()
    assert api.ask_all("remote", [raw] * 3) == {200: 3}
    own.freeze()
    issuer.revoke(raw)
    own.thaw()
    time.sleep(0.3)
    assert api.ask("remote", raw) == 401
    assert any(b"asked_at" in value for value in own.read_all().values())


@pytest.mark.usefixtures("quick")
def test_redis_restarts_between_two_requests(server, own, raw, log):
    """The connection in the pool is dead, Redis is not: nobody needs to hear of it."""
    api = build(server, own, "introspection")
    assert api.ask("remote", raw) == 200
    own.kill()
    own.start()
    assert api.ask_all("remote", [raw] * 10) == {200: 10}
    assert log() == []


@pytest.mark.usefixtures("quick")
def test_redis_freezes(server, own, raw, log):
    api = build(server, own, "introspection")
    assert api.ask("remote", raw) == 200
    own.freeze()
    assert time_of(lambda: api.ask("remote", raw)) < 3  # half a second of patience
    assert len(log()) == 1
    assert time_of(lambda: [api.ask("remote", raw) for _ in range(20)]) < 5
    assert api.ask_all("remote", [raw, server.issuer.mint()] * 5) == {200: 10}
    assert len(log()) == 1
    own.thaw()
    time.sleep(0.3)
    assert api.ask_all("remote", [raw] * 20) == {200: 20}
    assert log()[1:] == ["the shared introspection cache is back"]


def test_redis_frozen_on_a_cold_start(server, own, raw, log):
    own.freeze()
    api = build(server, own)
    try:
        assert time_of(lambda: api.ask("remote", raw)) < 10
        assert api.ask_all("remote", [raw] * 20) == {200: 20}
        assert len(log()) == len(CACHES)
    finally:
        own.thaw()


@pytest.mark.parametrize(
    ("command", "kind"),
    [(["REPLICAOF", "127.0.0.1", "1"], "ReadOnlyError"), (["CONFIG", "SET", "maxmemory", "1"], "OutOfMemoryError")],
)
def test_redis_that_takes_no_more(server, own, raw, log, command, kind):
    own.client.execute_command(*command)
    api = build(server, own, "introspection")
    tokens = [server.issuer.mint() for _ in range(5)]
    assert api.ask_all("remote", tokens * 10) == {200: 50}
    assert log() == [f"the shared introspection cache is refusing ({kind}): using this process's memory"]


@pytest.mark.promise("GD-26")
def test_what_is_said_of_a_failing_cache_holds_nothing_of_it(server, own, raw, caplog):
    caplog.set_level(logging.DEBUG)
    api = build(server, own)
    api.ask("remote", raw)
    own.kill()
    api.ask("remote", raw)
    text = caplog.text
    assert raw not in text
    assert CLIENT[1] not in text
