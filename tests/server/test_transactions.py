"""Beside pyramid_tm, without it, and inside the application's transaction."""

from __future__ import annotations

import pytest
import transaction
from pyramid.response import Response

from pyramid_oauthguard.server.clients import get_clients
from pyramid_oauthguard.server.events import ClientCreated, TokenIssued, TokenRevoked

VETO = {"tm.commit_veto": "pyramid_tm.default_commit_veto"}


def with_tm(config):
    config.add_settings(VETO)
    config.include("pyramid_tm")
    config.add_route("create", "/create")

    def create(request):
        get_clients(request.registry).create("Made", client_id="made", tm=request.tm)
        return Response(status=int(request.params["status"]))

    config.add_view(create, route_name="create")


def listen(server, *kinds):
    heard = []
    for kind in kinds:
        server.registry.registerHandler(heard.append, [kind])
    return heard


@pytest.fixture(params=[None, with_tm], ids=["without", "with"])
def either(build, request):
    return build(configure=request.param)


def test_the_endpoints_work_with_and_without_pyramid_tm(either):
    heard = listen(either, TokenIssued, TokenRevoked)
    token = either.token()
    assert either.introspect(token)["active"] is True
    assert either.revoke(token).status_int == 200
    assert either.introspect(token) == {"active": False}
    assert [type(event) for event in heard] == [TokenIssued, TokenRevoked]
    assert heard[0].token_id == heard[1].token_ids[0]


@pytest.mark.slow
def test_a_client_joins_the_applications_transaction(build):
    server = build(configure=with_tm)
    heard = listen(server, ClientCreated)
    server.app.get("/create?status=400", status=400)
    assert server.clients.find("made") is None
    assert heard == []
    server.app.get("/create?status=200")
    assert server.clients.find("made").client_id == "made"
    assert [event.client_id for event in heard] == ["made"]


def test_an_event_of_a_joined_unit_waits_for_the_commit(server):
    heard = listen(server, ClientCreated)
    manager = transaction.TransactionManager(explicit=True)
    manager.begin()
    server.clients.create("Made", client_id="made", tm=manager)
    assert heard == []
    manager.commit()
    assert [event.client_id for event in heard] == ["made"]


def test_a_subscriber_that_raises_changes_no_answer(server, caplog):
    def explode(event):
        raise RuntimeError("boom")

    server.registry.registerHandler(explode, [TokenIssued])
    token = server.token()
    assert server.introspect(token)["active"] is True
    assert "a subscriber of TokenIssued failed" in caplog.text
    assert token not in caplog.text


def test_events_hold_no_secret(build):
    server = build()
    heard = listen(server, None)
    made = server.clients.create("Other", grants=["client_credentials"], scopes=["read"])
    token = server.token(made)
    other = server.clients.rotate_secret(made.client.client_id)
    server.revoke(token, made)
    server.clients.revoke(made.client.client_id)
    text = repr(heard)
    assert "TokenIssued" in text
    for secret in (made.secret, other.secret, token):
        assert secret not in text
