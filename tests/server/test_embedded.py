"""The issuer as a guard in the same process sees it."""

from __future__ import annotations

import pytest
from zope.interface.verify import verifyObject

from pyramid_oauthguard.interfaces import IIssuer, KeyDocument


class Listener:
    def __init__(self, look):
        self.look = look
        self.revoked = []
        self.states = []
        self.keys = 0

    def tokens_revoked(self, token_ids):
        self.revoked += token_ids
        self.states.append(self.look())

    def keys_changed(self):
        self.keys += 1


@pytest.fixture
def issuer(server):
    return server.registry.getUtility(IIssuer, name="http://localhost:6543")


def test_it_is_an_issuer(issuer):
    assert verifyObject(IIssuer, issuer)
    assert issuer.identifier == "http://localhost:6543"


def test_keys_are_those_of_the_endpoint(server, issuer):
    document = issuer.fetch_keys()
    assert isinstance(document, KeyDocument)
    assert [dict(key) for key in document.keys] == server.app.get("/oauth/jwks").json["keys"]


def test_introspection_is_that_of_the_endpoint(server, issuer):
    token = server.token()
    assert issuer.introspect(token) == server.introspect(token)
    server.revoke(token)
    assert issuer.introspect(token) == {"active": False}
    for odd in ("", "x", "\x00", "\udcff", "ü" * 10_000):
        assert issuer.introspect(odd) == {"active": False}


def test_a_refresh_token_is_no_access_token(server, issuer):
    access, refresh = server.user_tokens()
    assert issuer.introspect(access)["sub"] == "anna"
    assert issuer.introspect(refresh) == {"active": False}


def test_listeners_hear_of_a_revocation_once_it_is_committed(server, issuer):
    token = server.token()
    token_id = issuer.introspect(token)["jti"]
    listener = Listener(lambda: issuer.introspect(token)["active"])
    issuer.subscribe(listener)
    server.revoke(token)
    server.revoke(token)
    assert listener.revoked == [token_id]
    assert listener.states == [False]


def test_listeners_hear_of_every_token_of_a_revoked_client(server, issuer):
    ids = {issuer.introspect(server.token())["jti"] for _ in range(3)}
    listener = Listener(lambda: None)
    issuer.subscribe(listener)
    server.clients.revoke(server.program.client.client_id)
    assert set(listener.revoked) == ids


@pytest.mark.slow
def test_two_applications_do_not_meet(build):
    first, second = build(name="first"), build(name="second")
    token = first.token()
    assert second.introspect(token) == {"active": False}
    assert second.registry.getUtility(IIssuer, name="http://localhost:6543").introspect(token) == {"active": False}
    assert first.app.get("/oauth/jwks").json != second.app.get("/oauth/jwks").json
