"""The audit trail: what was committed, all of it and nothing else."""

from __future__ import annotations

import json

import pytest
import sqlalchemy as sa
from pyramid.httpexceptions import HTTPSeeOther

from pyramid_oauthguard.server.clients import get_clients
from pyramid_oauthguard.server.store.sqlalchemy.engine import build_engine
from tests.server.flows import build_flow

pytestmark = pytest.mark.promise("EV-01")


def read_trail(server, **filters):
    with server.service.store.reading() as unit:
        return list(reversed(unit.list_audit(limit=100, **filters)))


@pytest.mark.slow
def test_every_event_is_in_the_trail_with_its_ids(server):
    token = server.token()
    token_id = read_trail(server, event="TokenIssued")[0].token_id
    server.revoke(token)
    server.clients.rotate_secret(server.program.client.client_id)
    client_id = server.program.client.client_id
    assert [each.event for each in read_trail(server, client_id=client_id)] == [
        "ClientCreated",
        "TokenIssued",
        "TokenRevoked",
        "ClientSecretRotated",
    ]
    issued, revoked = read_trail(server, client_id=client_id)[1:3]
    assert issued.subject == client_id
    assert json.loads(issued.detail)["grant_type"] == "client_credentials"
    assert json.loads(revoked.detail)["token_ids"] == [token_id]


def test_a_line_names_the_request_and_where_it_came_from(server):
    body = {"grant_type": "client_credentials"}
    headers = {**server.basic(server.program), "X-Request-Id": "abc-123"}
    answer = server.app.post("/oauth/token", body, headers=headers, extra_environ={"REMOTE_ADDR": "192.0.2.7"})
    line = read_trail(server, event="TokenIssued")[0]
    assert (line.address, line.request_id) == ("192.0.2.7", "abc-123")
    assert answer.headers["X-Request-Id"] == "abc-123"


@pytest.mark.slow
@pytest.mark.parametrize("hostile", ["a b", "x" * 200, "<script>", 'a"b', "", "a;b", "command/root/abc"])
def test_a_request_id_that_can_not_be_written_anywhere_is_replaced(server, hostile):
    body = {"grant_type": "client_credentials"}
    answer = server.app.post("/oauth/token", body, headers={**server.basic(server.program), "X-Request-Id": hostile})
    made = answer.headers["X-Request-Id"]
    assert made not in ("", hostile)
    assert read_trail(server, event="TokenIssued")[0].request_id == made


@pytest.mark.slow
def test_a_response_that_an_application_gives_each_time_does_not_grow(build):
    flow = build_flow(build)
    always = HTTPSeeOther("/sign-in")
    flow.people.sign_in = lambda request: always
    answers = [flow.server.app.get("/oauth/authorize", flow.ask()) for _ in range(3)]
    assert [len(answer.headers.getall("X-Request-Id")) for answer in answers] == [1, 1, 1]
    assert len({answer.headers["X-Request-Id"] for answer in answers}) == 3


@pytest.mark.slow
def test_the_trail_holds_no_secret(server):
    token = server.token()
    access, refresh = server.user_tokens()
    server.revoke(refresh)
    made = server.clients.rotate_secret(server.program.client.client_id)
    text = repr(read_trail(server))
    assert "TokenRevoked" in text
    for secret in (token, access, refresh, made.secret, server.program.secret):
        assert secret not in text


@pytest.mark.slow
def test_what_is_rolled_back_leaves_no_line(build):
    def configure(config):
        config.add_settings({"tm.commit_veto": "pyramid_tm.default_commit_veto"})
        config.include("pyramid_tm")
        config.add_route("create", "/create")

        def create(request):
            get_clients(request.registry).create("Made", client_id="made", tm=request.tm)
            request.response.status_int = int(request.params["status"])
            return request.response

        config.add_view(create, route_name="create")

    server = build(configure=configure)
    server.app.get("/create?status=409", status=409)
    assert read_trail(server, client_id="made") == []
    server.app.get("/create?status=200")
    assert [each.event for each in read_trail(server, client_id="made")] == ["ClientCreated"]


@pytest.mark.slow
def test_a_unit_that_fails_leaves_neither_line_nor_event(server):
    from pyramid_oauthguard.server.events import ClientCreated

    heard = []
    server.registry.registerHandler(heard.append, [ClientCreated])

    def fail():
        with server.service.store.writing() as unit:
            server.service.tell(unit, ClientCreated("nobody"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert heard == []
    assert read_trail(server, client_id="nobody") == []


@pytest.mark.slow
@pytest.mark.parametrize("statement", ["UPDATE oauth_audit SET client_id = 'x'", "DELETE FROM oauth_audit"])
def test_the_database_itself_refuses_to_change_the_trail(server, statement):
    server.token()
    before = read_trail(server)
    engine = build_engine(f"sqlite:///{server.file}")
    with pytest.raises(sa.exc.DatabaseError, match="append-only"), engine.begin() as connection:
        connection.exec_driver_sql(statement)
    engine.dispose()
    assert read_trail(server) == before
