"""The tokens of a grant: what they carry and how long they live."""

from __future__ import annotations

import time

import pytest

from pyramid_oauthguard.server.events import TokenIssued
from pyramid_oauthguard.server.grants.user_tokens import issue
from pyramid_oauthguard.server.opaque import make_id
from pyramid_oauthguard.server.store.records import Grant


@pytest.fixture
def client(server):
    made = server.clients.create(
        "Web", grants=["authorization_code"], scopes=["read"], redirect_uris=["https://a.example/"]
    )
    return made.client


def make(server, client):
    with server.service.store.writing() as unit:
        return make_in(unit, server, client)


def make_in(unit, server, client):
    grant = Grant(
        grant_id=make_id(),
        client_id=client.client_id,
        subject="anna",
        scopes=("read", "write"),
        audiences=("https://api.example",),
        created_at=time.time(),
        auth_time=1.0,
    )
    unit.add_grant(grant)
    how = {"scopes": ("read",), "audiences": grant.audiences, "claims": {}, "grant_type": "authorization_code"}
    return grant, issue(server.service, unit, client, grant, **how)


def test_the_access_token_is_the_users(server, client):
    heard = []
    server.registry.registerHandler(heard.append, [TokenIssued])
    grant, answer = make(server, client)
    said = server.introspect(answer["access_token"])
    assert (said["sub"], said["client_id"], said["scope"]) == ("anna", client.client_id, "read")
    assert [(event.subject, event.grant_id) for event in heard] == [("anna", grant.grant_id)]


def test_without_the_grant_there_is_no_refresh_token(server, client):
    _grant, answer = make(server, client)
    assert "refresh_token" not in answer
    assert answer.refresh is None


def test_a_unit_that_fails_leaves_no_token(server, client):
    heard = []
    server.registry.registerHandler(heard.append, [TokenIssued])
    made = []

    def fail():
        with server.service.store.writing() as unit:
            made.append(make_in(unit, server, client)[1])
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert server.introspect(made[0]["access_token"]) == {"active": False}
    assert heard == []
