"""Signing keys: one at the first start, replaced without a refused token, revoked at once."""

from __future__ import annotations

import base64
import json
import threading
import time

import pytest
import sqlalchemy as sa
import time_machine
from joserfc import jwt
from joserfc.jwk import KeySet
from pyramid.config import Configurator
from pyramid.response import Response
from webtest import TestApp

from pyramid_oauthguard.errors import UnavailableError
from pyramid_oauthguard.server.clients import get_clients
from pyramid_oauthguard.server.events import SigningKeyMade, SigningKeyRetired, SigningKeyRevoked
from pyramid_oauthguard.server.hashing import Pepper
from pyramid_oauthguard.server.keys import SigningKeyError, get_keys
from pyramid_oauthguard.server.keys.making import KeyMaker
from pyramid_oauthguard.server.keys.ring import KeyPolicy, KeyRing
from pyramid_oauthguard.server.service import IService
from pyramid_oauthguard.server.store.sqlalchemy import SQLAlchemyStore
from pyramid_oauthguard.server.store.sqlalchemy.engine import build_engine

DAY = 86400
NOON = 1_800_000_000


def make_store(tmp_path):
    store = SQLAlchemyStore(build_engine(f"sqlite:///{tmp_path}/keys.sqlite"))
    store.create_tables()
    return store


def make_ring(store, pepper=b"p", **policy):
    return KeyRing(
        store, KeyMaker(Pepper(pepper * 32)), KeyPolicy(algorithm="ES256", **policy), tell=lambda unit, event: None
    )


def read_header(token):
    return json.loads(base64.urlsafe_b64decode(token.split(".")[0] + "=="))


def read_claims(token):
    return json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))


def list_kids(server):
    return [key["kid"] for key in server.app.get("/oauth/jwks").json["keys"]]


def read_states(server):
    return [each.state for each in get_keys(server.registry).list_all()]


def test_eight_first_starts_make_one_key(tmp_path):
    store = make_store(tmp_path)
    rings = [make_ring(store) for _ in range(8)]
    barrier, found = threading.Barrier(8), []

    def start(ring):
        barrier.wait()
        found.append(ring.find_signer().kid)

    threads = [threading.Thread(target=start, args=(ring,)) for ring in rings]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1
    for ring in rings:
        assert [key["kid"] for key in ring.list_published()] == found[:1]
    store.close()


@pytest.mark.promise("SK-01")
def test_eight_processes_that_rotate_at_once_make_one_next_key(tmp_path):
    store = make_store(tmp_path)
    with time_machine.travel(NOON, tick=False):
        first = make_ring(store).find_signer().kid
    rings = [make_ring(store, rotation=30 * DAY, lead=DAY) for _ in range(8)]
    barrier = threading.Barrier(8)

    def start(ring):
        barrier.wait()
        ring.keep_up()

    with time_machine.travel(NOON + 29 * DAY, tick=False):
        threads = [threading.Thread(target=start, args=(ring,)) for ring in rings]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        published = {tuple(key["kid"] for key in ring.list_published()) for ring in rings}
        assert len(published) == 1
        kids = published.pop()
        assert len(kids) == 2
        assert kids[0] == first
        assert {ring.find_signer().kid for ring in rings} == {first}
    store.close()


@pytest.mark.slow
def test_a_key_outlives_the_process(build):
    first, second = build(), build()
    assert first.app.get("/oauth/jwks").json == second.app.get("/oauth/jwks").json


@pytest.mark.slow
@pytest.mark.promise("SK-01")
def test_another_algorithm_makes_a_key_that_waits_its_turn(build):
    old = build({"signing.algorithm": "ES256"})
    before = old.app.get("/oauth/jwks").json["keys"]
    new = build({"signing.algorithm": "EdDSA"})
    keys = new.app.get("/oauth/jwks").json["keys"]
    assert [key["alg"] for key in keys] == ["ES256", "EdDSA"]
    assert keys[0] == before[0]
    assert read_header(new.token())["alg"] == "ES256"
    with time_machine.travel(time.time() + DAY + 1, tick=False):
        assert read_header(new.token())["alg"] == "EdDSA"


@pytest.mark.slow
def test_two_processes_of_different_algorithms_do_not_make_keys_for_ever(build):
    one, other = build({"signing.algorithm": "ES256"}), build({"signing.algorithm": "EdDSA"})
    now = time.time()
    for hour in range(20):
        with time_machine.travel(now + hour * 3600, tick=False):
            one.token()
            other.token()
    assert len(get_keys(one.registry).list_all()) == 2


def test_a_host_whose_clock_is_behind_makes_no_key_of_its_own(tmp_path):
    store = make_store(tmp_path)
    kid = make_ring(store).find_signer().kid
    with time_machine.travel(time.time() - 5, tick=False):
        ring = make_ring(store)
        assert ring.find_signer().kid == kid
        assert len(ring.list_published()) == 1
    store.close()


@pytest.mark.slow
@pytest.mark.promise("SK-01")
def test_no_token_is_refused_while_keys_rotate_for_sixty_days(build):
    """Verifiers keep key sets for up to 47 hours here: each of them knows the key of every live token at any time."""
    settings = {"signing.rotation": "10d", "signing.lead": "2d", "access_token_ttl": "12h"}
    with time_machine.travel(NOON, tick=False):
        server = build(settings)
    snapshots, live, used = [], [], []
    for step in range(0, 60 * DAY, 6 * 3600):
        now = NOON + step
        with time_machine.travel(now, tick=False):
            token = server.token()
            snapshots = [(at, keys) for at, keys in snapshots if now - at <= 47 * 3600]
            snapshots.append((now, KeySet.import_key_set(server.app.get("/oauth/jwks").json)))
            live = [each for each in live if read_claims(each)["exp"] > now] + [token]
            for _at, keys in snapshots:
                jwt.decode(token, keys, algorithms=["ES256"])  # the new one by the oldest key set that is kept
            for each in live:
                jwt.decode(each, snapshots[-1][1], algorithms=["ES256"])  # the oldest ones by the newest key set
            if (kid := read_header(token)["kid"]) not in used:
                used.append(kid)
            assert len(snapshots[-1][1].keys) <= 3
    assert len(used) == 6
    with time_machine.travel(NOON + 60 * DAY - 60, tick=False):
        assert read_states(server) == ["expired"] * 5 + ["signing", "next"]


@pytest.mark.slow
def test_a_server_that_slept_for_a_year_publishes_before_it_signs(build):
    server = build({"signing.rotation": "90d"})
    first = read_header(server.token())["kid"]
    now = time.time()
    with time_machine.travel(now + 365 * DAY, tick=False):
        assert read_header(server.token())["kid"] == first
        assert len(list_kids(server)) == 2
    with time_machine.travel(now + 366 * DAY + 1, tick=False):
        assert read_header(server.token())["kid"] == list_kids(server)[-1] != first


def test_rotation_off_leaves_the_key(build):
    server = build({"signing.rotation": "0"})
    first = read_header(server.token())["kid"]
    with time_machine.travel(time.time() + 1000 * DAY, tick=False):
        assert read_header(server.token())["kid"] == first


@pytest.mark.slow
def test_an_operator_rotates_ahead_of_time(server):
    first = list_kids(server)
    made = get_keys(server.registry).rotate()
    assert list_kids(server) == [*first, made.kid]
    assert read_header(server.token())["kid"] == first[0]
    with pytest.raises(SigningKeyError, match=made.kid):
        get_keys(server.registry).rotate()
    assert read_states(server) == ["signing", "next"]


@pytest.mark.slow
def test_an_operator_rotates_at_once(server):
    old = server.token()
    made = get_keys(server.registry).rotate(at_once=True)
    assert read_header(server.token())["kid"] == made.kid
    assert read_header(old)["kid"] in list_kids(server)
    assert server.introspect(old)["active"] is True
    assert read_states(server) == ["replaced", "signing"]


@pytest.mark.slow
@pytest.mark.promise("SK-01")
def test_a_retired_key_stays_published_until_its_last_token_expired(server):
    old = server.token()
    kid, exp = read_header(old)["kid"], read_claims(old)["exp"]
    get_keys(server.registry).retire(kid)
    assert read_header(server.token())["kid"] != kid
    with time_machine.travel(exp - 1, tick=False):
        assert kid in list_kids(server)
    with time_machine.travel(exp + 301, tick=False):
        assert kid not in list_kids(server)
        assert read_states(server)[0] == "expired"
    with pytest.raises(SigningKeyError, match="any more"):
        get_keys(server.registry).retire(kid)


@pytest.mark.slow
@pytest.mark.promise("SK-01")
def test_a_shorter_token_life_withdraws_no_key_too_early(build):
    """The key of a token that was issued for a day is published for that day, whatever the setting is now."""
    before = build({"access_token_ttl": "1d"})
    token = before.token()
    after = build({"access_token_ttl": "1m"})
    get_keys(after.registry).retire(read_header(token)["kid"])
    with time_machine.travel(time.time() + DAY - 10, tick=False):
        assert read_header(token)["kid"] in list_kids(after)


@pytest.mark.slow
@pytest.mark.promise("SK-01", "IN-03")
def test_a_revoked_key_is_withdrawn_and_its_tokens_are_dead_at_once(build):
    server, elsewhere = build(), build()
    old = server.token()
    kid = read_header(old)["kid"]
    get_keys(server.registry).revoke(kid)
    assert kid not in list_kids(server)
    assert server.introspect(old) == {"active": False}
    assert elsewhere.introspect(old) == {"active": False}, "another process knows at once, too"
    new = server.token()
    assert read_header(new)["kid"] in list_kids(server)
    assert server.introspect(new)["active"] is True
    with pytest.raises(SigningKeyError, match="not published"):
        get_keys(server.registry).revoke(kid)


@pytest.mark.slow
def test_revoking_the_signing_key_lets_the_published_next_one_sign(server):
    keys = get_keys(server.registry)
    first = list_kids(server)[0]
    following = keys.rotate()
    keys.revoke(first)
    assert read_header(server.token())["kid"] == following.kid
    assert read_states(server) == ["revoked", "signing"]


@pytest.mark.slow
def test_no_key_of_that_name(server):
    for verb in ("retire", "revoke"):
        with pytest.raises(SigningKeyError, match="there is no signing key nobody"):
            getattr(get_keys(server.registry), verb)("nobody")


@pytest.mark.slow
@pytest.mark.promise("SK-01", "GD-21")
def test_the_embedded_guard_stops_accepting_a_revoked_key_at_once(tmp_path):
    settings = {
        "oauthguard.server.issuer": "http://localhost:6543",
        "oauthguard.server.audience": "https://api.example",
        "oauthguard.server.signing.algorithm": "ES256",
        "oauthguard.server.sqlalchemy.url": f"sqlite:///{tmp_path}/oauth.sqlite",
        "oauthguard.issuer": "http://localhost:6543",
        "oauthguard.audience": "https://api.example",
    }
    config = Configurator(settings=settings)
    config.include("pyramid_oauthguard")
    config.include("pyramid_oauthguard.server")
    config.add_route("local", "/local")
    config.add_view(lambda request: Response("ok"), route_name="local", token_check="local")
    app = TestApp(config.make_wsgi_app())
    made = get_clients(config.registry).create("P", grants=["client_credentials"])
    body = {"grant_type": "client_credentials", "client_id": made.client.client_id, "client_secret": made.secret}

    def get_token():
        return app.post("/oauth/token", body).json["access_token"]

    old = get_token()
    headers = {"Authorization": f"Bearer {old}"}
    app.get("/local", headers=headers, status=200)  # and it is remembered now
    get_keys(config.registry).revoke(read_header(old)["kid"])
    app.get("/local", headers=headers, status=401)
    app.get("/local", headers={"Authorization": f"Bearer {get_token()}"}, status=200)
    config.registry.getUtility(IService).store.close()


@pytest.mark.slow
@pytest.mark.promise("SK-01", "TK-40")
def test_private_halves_are_encrypted_at_rest(server):
    engine = build_engine(f"sqlite:///{server.file}")
    with engine.connect() as connection:
        row = connection.execute(sa.text("SELECT public_jwk, private_box FROM oauth_signing_keys")).one()
    engine.dispose()
    assert "d" not in json.loads(row.public_jwk)
    assert b"kty" not in row.private_box
    assert b"BEGIN" not in row.private_box


def test_another_pepper_opens_no_key(tmp_path):
    store = make_store(tmp_path)
    make_ring(store).find_signer()
    with pytest.raises(UnavailableError, match="pepper"):
        make_ring(store, pepper=b"q").find_signer()
    store.close()


@pytest.mark.slow
@pytest.mark.promise("EV-01")
def test_what_happens_to_keys_is_told(server):
    heard = []
    server.registry.registerHandler(heard.append, [None])
    keys = get_keys(server.registry)
    first = list_kids(server)[0]
    following = keys.rotate()
    keys.retire(first)
    keys.revoke(first)
    of_keys = [event for event in heard if type(event).__name__.startswith("SigningKey")]
    assert [type(event) for event in of_keys] == [SigningKeyMade, SigningKeyRetired, SigningKeyRevoked]
    assert [event.kid for event in of_keys] == [following.kid, first, first]


@pytest.mark.slow
def test_a_key_that_can_not_be_made_now_stops_no_token(build, caplog):
    server = build({"signing.rotation": "90d"})
    first = read_header(server.token())["kid"]
    engine = build_engine(f"sqlite:///{server.file}")
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "CREATE TRIGGER full BEFORE INSERT ON oauth_signing_keys BEGIN SELECT RAISE(ABORT, 'disk full'); END"
        )
    with time_machine.travel(time.time() + 100 * DAY, tick=False):
        assert read_header(server.token())["kid"] == first
    engine.dispose()
    assert len(get_keys(server.registry).list_all()) == 1


@pytest.mark.parametrize(
    ("settings", "key"),
    [({"signing.lead": "10"}, "signing.lead"), ({"signing.rotation": "1h", "signing.lead": "2h"}, "signing.rotation")],
)
def test_a_rotation_that_can_not_work_is_refused_at_start_up(build, settings, key):
    from pyramid.exceptions import ConfigurationExecutionError

    with pytest.raises(ConfigurationExecutionError, match=f"oauthguard.server.{key}"):
        build(settings)
