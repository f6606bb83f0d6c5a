"""Signing keys: one is made at the first start, whoever starts."""

from __future__ import annotations

import threading
import time

import time_machine

from pyramid_oauthguard.server.hashing import Pepper
from pyramid_oauthguard.server.signing import KeyRing
from pyramid_oauthguard.server.store.sqlalchemy import SQLAlchemyStore
from pyramid_oauthguard.server.store.sqlalchemy.engine import build_engine


def make_store(tmp_path):
    store = SQLAlchemyStore(build_engine(f"sqlite:///{tmp_path}/keys.sqlite"))
    store.create_tables()
    return store


def test_eight_first_starts_make_one_key(tmp_path):
    store, pepper = make_store(tmp_path), Pepper(b"p" * 32)
    rings = [KeyRing(store, pepper, algorithm="ES256") for _ in range(8)]
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


def test_a_key_outlives_the_process(build):
    first, second = build(), build()
    assert first.app.get("/oauth/jwks").json == second.app.get("/oauth/jwks").json


def test_another_algorithm_makes_another_key_and_the_old_one_stays_published(build):
    old = build({"signing.algorithm": "ES256"}).app.get("/oauth/jwks").json["keys"]
    new = build({"signing.algorithm": "EdDSA"}).app.get("/oauth/jwks").json["keys"]
    assert [key["alg"] for key in new] == ["ES256", "EdDSA"]
    assert new[0] == old[0]


def test_a_host_whose_clock_is_behind_makes_no_key_of_its_own(tmp_path):
    store, pepper = make_store(tmp_path), Pepper(b"p" * 32)
    kid = KeyRing(store, pepper, algorithm="ES256").find_signer().kid
    with time_machine.travel(time.time() - 5, tick=False):
        ring = KeyRing(store, pepper, algorithm="ES256")
        assert ring.find_signer().kid == kid
        assert len(ring.list_published()) == 1
    store.close()
