"""Clients and live tokens of another server."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import time

import pytest
import time_machine

from pyramid_oauthguard.server.clients import RegistrationError
from pyramid_oauthguard.server.clients import authentication as module
from pyramid_oauthguard.server.events import TokensImported
from pyramid_oauthguard.server.opaque import make_client_secret
from pyramid_oauthguard.server.tokens.importing import (
    ForeignTokens,
    ImportRefusedError,
    as_foreign_tokens,
    import_tokens,
)
from pyramid_oauthguard.server.tokens.revocation import revoke_token
from pyramid_oauthguard.server.tokens.status import find_token
from tests.server.conftest import basic
from tests.server.flows import build_flow
from tests.server.self_registered import OPEN, register

pytestmark = pytest.mark.slow

SECRET = "correct horse"
SHA256 = hashlib.sha256(SECRET.encode()).hexdigest()  # doorkeeper, passport
DERIVED = hashlib.pbkdf2_hmac("sha256", SECRET.encode(), b"Sa.lt", 1000)
PBKDF2 = f"pbkdf2_sha256$1000$Sa.lt${base64.b64encode(DERIVED).decode()}"  # django-oauth-toolkit
HASHES = [SHA256, SHA256.upper(), PBKDF2]
GRANT = {"grant_type": "client_credentials"}


def add(server, secret_hash, **more):
    made = server.clients.create(
        "Old", client_id="old", secret_hash=secret_hash, grants=["client_credentials"], scopes=["read"], **more
    )
    assert made.secret is None
    return made.client


def ask(server, secret, **how):
    return server.app.post("/oauth/token", GRANT, headers=basic("old", secret), status="*", **how)


def read_secret(server):
    (secret,) = server.clients.find("old").secrets
    return secret


@pytest.mark.promise("TK-40")
@pytest.mark.parametrize("secret_hash", HASHES)
def test_the_secret_works_and_our_own_hash_replaces_the_other(server, secret_hash):
    add(server, secret_hash)
    before = read_secret(server)
    assert ask(server, "wrong").status_int == 401
    assert read_secret(server) == before
    assert ask(server, SECRET).status_int == 200
    after = read_secret(server)
    assert (after.scheme, after.hash) == (None, server.service.pepper.hash_secret(SECRET))
    assert after.hash != before.hash
    assert [ask(server, SECRET).status_int, ask(server, "wrong").status_int] == [200, 401]


@pytest.mark.promise("TK-40")
@pytest.mark.parametrize("secret_hash", HASHES)
def test_what_is_stored_is_keyed_with_the_pepper(server, secret_hash):
    add(server, secret_hash)
    data = server.file.read_bytes()
    for digest in (bytes.fromhex(SHA256), DERIVED):
        for form in (digest, digest.hex().encode(), base64.b64encode(digest)):
            assert form not in data
    assert read_secret(server).hash == server.service.pepper.hash_imported(
        DERIVED if secret_hash == PBKDF2 else bytes.fromhex(SHA256)
    )


@pytest.mark.promise("TK-40")
@pytest.mark.parametrize(
    "text",
    [
        "", SECRET, "a" * 63, "a" * 65, "g" * 64, "pbkdf2_sha256$0$salt$" + "A" * 43 + "=",
        "pbkdf2_sha256$2000001$salt$" + "A" * 43 + "=", "pbkdf2_sha256$99999999$salt$" + "A" * 43 + "=",
        "pbkdf2_sha256$1000$$" + "A" * 43 + "=", "pbkdf2_sha256$1000$" + "s" * 129 + "$" + "A" * 43 + "=",
        "pbkdf2_sha256$1000$salt$" + "A" * 44, "pbkdf2_sha1$1000$salt$" + "A" * 43 + "=", "md5$salt$" + "a" * 32,
        "$2y$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy", "plain$" + SECRET,
        "pbkdf2_sha256$1000$sa\nlt$" + "A" * 43 + "=", SHA256 + "\n", "argon2$argon2id$v=19$m=102400,t=2,p=8$x$y",
    ],
)  # fmt: skip
def test_plain_text_and_unknown_formats_are_refused(server, text):
    with pytest.raises(RegistrationError, match="secret_hash: must be"):
        add(server, text)
    assert server.clients.find("old") is None


def test_a_hash_is_not_given_beside_a_secret_or_for_a_public_client(server):
    with pytest.raises(RegistrationError, match="secret_hash: is given beside a secret"):
        add(server, SHA256, secret=SECRET)
    with pytest.raises(RegistrationError, match="secret: a public client has none"):
        server.clients.create("Old", client_id="old", secret_hash=SHA256, public=True)


@pytest.mark.promise("TK-40")
def test_the_hash_of_another_server_is_not_the_secret(server):
    add(server, SHA256)
    assert ask(server, SHA256).status_int == 401
    assert ask(server, read_secret(server).hash.hex()).status_int == 401


def test_a_secret_that_was_revoked_or_rotated_away_does_not_come_back(server):
    add(server, SHA256)
    server.clients.revoke_secret("old", read_secret(server).secret_id)
    assert ask(server, SECRET).status_int == 401


@pytest.mark.promise("TK-40")
def test_failures_are_counted_before_anything_is_hashed(build, monkeypatch):
    """Many requests at once cannot make the server derive more keys than the limit allows."""
    server = build({"limits": "on", "limits.failures": "3/60s"})
    add(server, PBKDF2)
    derived, all_wait = [], threading.Barrier(8)

    def derive(scheme, text):
        derived.append(text)
        return b""

    monkeypatch.setattr(module, "digest_secret", derive)

    def guess():
        all_wait.wait()
        ask(server, "guess", extra_environ={"REMOTE_ADDR": "203.0.113.1"})

    threads = [threading.Thread(target=guess) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(derived) == 3


@pytest.mark.promise("TK-40")
def test_a_text_of_our_own_format_that_is_not_limited_is_not_hashed(build, monkeypatch):
    server = build({"limits": "on", "limits.failures": "3/60s"})
    add(server, PBKDF2)
    monkeypatch.setattr(module, "digest_secret", lambda *_: pytest.fail("hashed"))
    for _time in range(5):
        assert ask(server, make_client_secret()).status_int in {401, 429}


def test_right_secrets_do_not_use_up_the_limit(build):
    server = build({"limits": "on", "limits.failures": "3/60s"})
    for number in range(6):
        server.clients.create(
            "Old", client_id=f"old-{number}", secret_hash=SHA256, grants=["client_credentials"], scopes=["read"]
        )
        headers = basic(f"old-{number}", SECRET)
        server.app.post("/oauth/token", GRANT, headers=headers, extra_environ={"REMOTE_ADDR": "203.0.113.1"})
    assert ask(server, "wrong", extra_environ={"REMOTE_ADDR": "203.0.113.1"}).status_int == 401


# Tokens.

ACCESS, REFRESH = "MTQ0NjJkZmQ5OTM2NDE1ZTZjNGZmZjI3", "IwOGYzYTlmM2YxOTQ5MGE3YmNmMDFkNTVk"


def sha(text):
    return hashlib.sha256(text.encode()).hexdigest()


def describe(flow, **changes):
    now = time.time()
    found = {
        "client_id": flow.web.client.client_id,
        "subject": "anna",
        "scopes": ["read"],
        "access_token": sha(ACCESS),
        "access_token_expires_at": now + 600,
        "refresh_token": sha(REFRESH),
        "refresh_token_expires_at": now + 86400,
        **changes,
    }
    return {name: value for name, value in found.items() if value is not None}


def store(flow, **changes):
    return import_tokens(flow.server.service, as_foreign_tokens(describe(flow, **changes)))


@pytest.fixture
def flow(build):
    return build_flow(build)


def refresh(flow, token, client=None, status=200):
    form = {"grant_type": "refresh_token", "refresh_token": token}
    return flow.server.app.post("/oauth/token", form, headers=flow.server.basic(client or flow.web), status=status).json


@pytest.mark.promise("TK-40")
def test_imported_tokens_are_introspected_refreshed_and_revoked(build):
    seen = []
    flow = build_flow(build, configure=lambda config: config.add_subscriber(seen.append, TokensImported))
    assert store(flow)
    answer = flow.server.introspect(ACCESS)
    assert (answer["active"], answer["sub"], answer["scope"], answer["aud"]) == (
        True,
        "anna",
        "read",
        "https://api.example",
    )
    assert (seen[0].client_id, seen[0].subject, len(seen[0].token_ids)) == (flow.web.client.client_id, "anna", 1)
    assert flow.server.introspect(REFRESH) == {"active": False}
    new = refresh(flow, REFRESH)
    assert new["refresh_token"].startswith("ogrt_")
    assert flow.server.introspect(new["access_token"])["sub"] == "anna"
    assert refresh(flow, new["refresh_token"])["access_token"]
    assert flow.server.revoke(ACCESS, flow.web).status_int == 200
    for token in (ACCESS, new["access_token"]):
        assert flow.server.introspect(token) == {"active": False}


@pytest.mark.promise("TK-05")
def test_an_imported_refresh_token_that_is_used_again_ends_its_grant(build):
    flow = build_flow(build, {"refresh_reuse_grace": "0"})
    store(flow)
    new = refresh(flow, REFRESH)
    assert refresh(flow, REFRESH, status=400)["error"] == "invalid_grant"
    assert refresh(flow, new["refresh_token"], status=400)["error"] == "invalid_grant"
    assert flow.server.introspect(ACCESS) == {"active": False}


@pytest.mark.promise("TK-40")
@pytest.mark.parametrize("by", ["client", "operator", "end of the client", "user"])
def test_everyone_who_can_end_tokens_can_end_imported_ones(flow, by):
    store(flow)
    service = flow.server.service
    if by == "client":
        flow.server.revoke(REFRESH, flow.web)
    elif by == "operator":
        with service.store.reading() as unit:
            found = find_token(unit, service.pepper, ACCESS, None)
        revoke_token(service, found)
    elif by == "user":
        flow.people.gone.add("anna")
    else:
        flow.server.clients.revoke(flow.web.client.client_id)
    assert flow.server.introspect(ACCESS) == {"active": False}
    if by != "end of the client":
        assert refresh(flow, REFRESH, status=400)["error"] == "invalid_grant"


def test_another_client_cannot_use_them(flow):
    store(flow)
    other = flow.server.clients.create(
        "Other", redirect_uris=["https://o.example/"], grants=["authorization_code", "refresh_token"], scopes=["read"]
    )
    assert refresh(flow, REFRESH, other, status=400)["error"] == "invalid_grant"
    assert flow.server.revoke(ACCESS, other).status_int == 400
    assert flow.server.introspect(ACCESS)["active"]


@pytest.mark.promise("TK-40")
def test_they_expire_when_they_were_to_expire(flow):
    store(flow)
    with time_machine.travel(time.time() + 601):
        assert flow.server.introspect(ACCESS) == {"active": False}
        assert refresh(flow, REFRESH)["access_token"]
    store(flow, access_token=None, refresh_token=sha("other"))
    with time_machine.travel(time.time() + 86401):
        assert refresh(flow, "other", status=400)["error"] == "invalid_grant"


def test_the_time_of_the_approval_counts(flow):
    store(flow, approved_at=time.time() - 91 * 86400)
    assert refresh(flow, REFRESH, status=400)["error"] == "invalid_grant"


def test_a_client_may_have_a_token_of_its_own(flow):
    client_id = flow.server.program.client.client_id
    assert store(flow, client_id=client_id, subject=None, refresh_token=None)
    assert flow.server.introspect(ACCESS)["sub"] == client_id


def test_expired_tokens_are_left_out(flow):
    gone = time.time() - 1
    assert not store(flow, access_token_expires_at=gone, refresh_token_expires_at=gone)
    assert store(flow, access_token_expires_at=gone)
    assert flow.server.introspect(ACCESS) == {"active": False}
    assert refresh(flow, REFRESH)["access_token"]


@pytest.mark.promise("TK-40")
@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"access_token": ACCESS}, "access_token: must be the SHA-256"),
        ({"refresh_token": "$2y$10$x"}, "refresh_token: must be the SHA-256"),
        ({"access_token_expires_at": None}, "access_token_expires_at: must be seconds"),
        ({"refresh_token_expires_at": None}, "refresh_token_expires_at: must be seconds"),
        ({"refresh_token_expires_at": 1e12}, "refresh_token_expires_at: must be seconds"),
        ({"access_token_expires_at": float("nan")}, "access_token_expires_at: is not of the right type"),
        ({"access_token_expires_at": 10**400}, "access_token_expires_at: is not of the right type"),
        ({"access_token_expires_at": "tomorrow"}, "access_token_expires_at: is not of the right type"),
        ({"access_token_expires_at": True}, "access_token_expires_at: is not of the right type"),
        ({"access_token": None, "refresh_token": None}, "access_token: is missing"),
        ({"client_id": None}, "client_id: is missing"),
        ({"client_id": "nobody"}, "client_id: is not a live client"),
        ({"subject": None}, "subject: is required with refresh_token"),
        ({"subject": ""}, "subject: must be 1 to 255"),
        ({"subject": 7}, "subject: is not of the right type"),
        ({"scopes": "read"}, "scopes: is not of the right type"),
        ({"scopes": ["a b"]}, "scopes: is not of the right type"),
        ({"scopes": ["admin"]}, "scopes: names a scope"),
        ({"audiences": ["https://other.example"]}, "audiences: names an API"),
        ({"token": "x"}, "token: is not a member"),
    ],
)
def test_what_cannot_be_imported_is_named(flow, changes, problem):
    with pytest.raises(ImportRefusedError, match=problem):
        store(flow, **changes)
    assert flow.server.introspect(ACCESS) == {"active": False}


def test_a_subject_is_never_the_id_of_a_client(flow):
    with pytest.raises(ImportRefusedError, match="subject: is the id of a client"):
        store(flow, subject=flow.native.client.client_id)


@pytest.mark.promise("AS-11")
def test_a_subject_is_never_the_address_of_a_document(build):
    flow = build_flow(build, {**OPEN, "client_metadata_documents": "on"})
    with pytest.raises(ImportRefusedError, match="subject: is the id of a client"):
        store(flow, subject="https://tool.example/client.json")


def test_an_imported_token_that_begins_like_a_jwt_was_never_found(flow):
    """One random text among 238,000 does."""
    access, refreshed = "eyJ" + ACCESS, "eyJ" + REFRESH
    store(flow, access_token=sha(access), refresh_token=sha(refreshed))
    assert flow.server.introspect(access)["active"]
    assert refresh(flow, refreshed)["access_token"]


@pytest.mark.promise("TK-40")
def test_a_user_did_not_see_the_client_of_imported_tokens_and_could_not_withdraw_them(flow):
    store(flow, approved_at=1_700_000_000)
    page = flow.sign_in().get("/oauth/applications")
    assert ("Web shop" in page.text, "November 14, 2023" in page.text) == (True, True)
    done = page.form.submit(status=303).follow(headers={"Cookie": "user=anna"})
    assert "You have not allowed any application yet." in done.text
    assert flow.server.introspect(ACCESS) == {"active": False}
    assert refresh(flow, REFRESH, status=400)["error"] == "invalid_grant"


def test_an_approval_before_all_calendars_would_have_broken_the_pages(flow):
    store(flow, approved_at=-9e15)
    assert "January 1, 1970" in flow.sign_in().get("/oauth/applications").text


def test_nothing_is_imported_for_a_client_that_registered_itself(build):
    flow = build_flow(build, OPEN)
    client_id = register(flow).json["client_id"]
    with pytest.raises(ImportRefusedError, match="client_id: is a client that registered itself"):
        store(flow, client_id=client_id)


def test_a_token_is_imported_once(flow):
    store(flow)
    with pytest.raises(ImportRefusedError, match="access_token: is there already"):
        store(flow)
    with pytest.raises(ImportRefusedError, match="refresh_token: is there already"):
        store(flow, access_token=None)


def test_tokens_do_not_appear_in_messages():
    tokens = ForeignTokens(client_id="a", access_token=sha(ACCESS), refresh_token=sha(REFRESH))
    assert sha(ACCESS) not in repr(tokens)
    assert sha(REFRESH) not in repr(tokens)
    assert json.dumps(sha(ACCESS)) not in repr(tokens)
