"""POST /oauth/introspect (RFC 7662)."""

from __future__ import annotations

import time

import pytest
import time_machine


@pytest.mark.slow
def test_an_active_token_is_described(server):
    token = server.token(scope="write read")
    answer = server.introspect(token)
    client_id = server.program.client.client_id
    assert answer.keys() == {
        "active", "token_type", "iss", "sub", "aud", "client_id", "exp", "iat", "jti", "scope",
    }  # fmt: skip
    assert answer["active"] is True
    assert answer["scope"] == "write read"
    assert answer["aud"] == "https://api.example"
    assert answer["sub"] == answer["client_id"] == client_id
    assert answer["iss"] == "http://localhost:6543"


@pytest.mark.slow
@pytest.mark.promise("IN-01")
def test_only_resource_servers_may_ask(server):
    token = server.token()
    others = [server.basic(server.program), {}]
    for headers in others:
        answer = server.app.post("/oauth/introspect", {"token": token}, headers=headers, status=401)
        assert answer.json["error"] == "invalid_client"
        assert "WWW-Authenticate" in answer.headers
    public = {"token": token, "client_id": server.public.client.client_id}
    assert server.app.post("/oauth/introspect", public, status=401).json["error"] == "invalid_client"


@pytest.mark.promise("IN-01")
def test_a_token_for_another_api_is_inactive_and_nothing_is_said(server):
    other = server.clients.create("Other API", role="resource_server", audiences=["https://other.example"])
    token = server.token()
    answer = server.app.post("/oauth/introspect", {"token": token}, headers=server.basic(other))
    assert answer.text == '{"active":false}'
    assert server.introspect(token)["active"] is True


@pytest.mark.slow
@pytest.mark.promise("IN-01")
@pytest.mark.parametrize("token", ["x", "ogat_", "a.b.c", "ü", "\x00", "x" * 50_000, "' or 1=1 --"])
def test_an_unknown_token_is_inactive_alone(server, token):
    answer = server.app.post("/oauth/introspect", {"token": token}, headers=server.basic(server.api))
    assert answer.text == '{"active":false}'
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.slow
def test_without_a_token_the_parameter_is_named(server):
    answer = server.app.post("/oauth/introspect", {"token": ""}, headers=server.basic(server.api), status=400)
    assert (answer.json["error"], "token" in answer.json["error_description"]) == ("invalid_request", True)


@pytest.mark.slow
@pytest.mark.promise("IN-40")
@pytest.mark.parametrize("hint", ["access_token", "refresh_token", "pct_token", "", "ü"])
def test_hints_only_hint(server, hint):
    access, refresh = server.user_tokens()
    if hint.isascii():
        assert server.introspect(access, token_type_hint=hint)["token_type"] == "Bearer"
        assert server.introspect(refresh, token_type_hint=hint) == {"active": False}
    else:
        form = {"token": access, "token_type_hint": hint}
        headers = server.basic(server.api)
        assert (
            server.app.post("/oauth/introspect", form, headers=headers, status=400).json["error"] == "invalid_request"
        )


@pytest.mark.slow
@pytest.mark.promise("IN-40")
@pytest.mark.parametrize("hint", [{}, {"token_type_hint": "refresh_token"}, {"token_type_hint": "access_token"}])
@pytest.mark.parametrize("audience", ["https://api.example", "http://localhost:6543", "http://localhost:6543/oauth"])
def test_no_resource_server_is_told_anything_of_a_refresh_token(build, audience, hint):
    """Also one whose audience is the issuer, as it was by default: it took the refresh token for an access token."""
    server = build({"audience": audience})
    access, refresh = server.user_tokens(audiences=(audience,))
    issuer = server.clients.create("Userinfo", role="resource_server", audiences=[audience, "http://localhost:6543"])
    assert server.introspect(access)["active"] is True
    for asking in (server.api, issuer):
        form = {"token": refresh, **hint}
        answer = server.app.post("/oauth/introspect", form, headers=server.basic(asking))
        assert answer.text == '{"active":false}'
    assert server.is_active(refresh), "which it was all the time"


@pytest.mark.slow
@pytest.mark.promise("IN-01", "IN-40")
def test_not_even_its_own_client_introspects_a_refresh_token(server):
    """A client learns by using it whether its refresh token is good."""
    refresh = server.user_tokens()[1]
    for client in (server.program, server.public):
        headers = server.basic(client) if client.secret else {}
        form = {"token": refresh, **({} if client.secret else {"client_id": client.client.client_id})}
        assert server.app.post("/oauth/introspect", form, headers=headers, status=401).json["error"] == "invalid_client"


@pytest.mark.slow
@pytest.mark.promise("IN-03")
def test_expired_and_not_yet_valid_are_inactive(server):
    start = int(time.time())
    with time_machine.travel(start, tick=False) as clock:
        token = server.token()
        clock.move_to(start + 599)
        assert server.introspect(token)["active"] is True
        clock.move_to(start + 600)
        assert server.introspect(token) == {"active": False}
        clock.move_to(start - 30)
        assert server.introspect(token)["active"] is True
        clock.move_to(start - 61)
        assert server.introspect(token) == {"active": False}


@pytest.mark.slow
@pytest.mark.promise("IN-03")
def test_revoked_tokens_and_those_of_a_revoked_client_are_inactive(server):
    first, second = server.token(), server.token()
    server.revoke(first)
    assert server.introspect(first) == {"active": False}
    assert server.introspect(second)["active"] is True
    server.clients.revoke(server.program.client.client_id)
    assert server.introspect(second) == {"active": False}


@pytest.mark.slow
@pytest.mark.promise("IN-03")
def test_tokens_of_a_disabled_user_are_inactive(build):
    class Users:
        disabled: frozenset[str] = frozenset()

        def is_active(self, subject):
            return subject not in self.disabled

    users = Users()
    server = build(configure=lambda config: config.set_resource_owner(users))
    access, refresh = server.user_tokens()
    own = server.token()
    assert server.introspect(access)["active"] is True
    users.disabled = frozenset({"anna", server.program.client.client_id})
    assert server.introspect(access) == {"active": False}
    assert not server.is_active(refresh)
    assert server.introspect(own)["active"] is True, "a client is no user"


def test_introspection_is_one_query_for_the_client_and_one_for_the_token(server):
    from sqlalchemy import event

    token = server.token()
    server.introspect(token)
    seen = []
    engine = server.service.store._engine
    server.service.store.close()  # so that connections are made anew
    event.listen(engine, "checkout", lambda connection, *_: connection.set_trace_callback(seen.append))
    server.introspect(token)
    assert [statement.split()[0] for statement in seen] == ["SELECT", "SELECT"], seen
    with server.service.store.reading() as unit:
        plan = unit._connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {seen[1]}").all()
    assert all("SEARCH" in str(step) and "INDEX" in str(step) for step in plan), plan


# ── what the operator reads ──────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def log(caplog):
    caplog.set_level("WARNING", logger="pyramid_oauthguard.server")
    return lambda: [each.getMessage() for each in caplog.records if each.getMessage().startswith("introspection")]


@pytest.mark.slow
def test_a_client_that_is_no_resource_server_is_logged_once(server, log):
    token = server.token()
    for _ in range(20):
        server.app.post("/oauth/introspect", {"token": token}, headers=server.basic(server.program), status=401)
    (line,) = log()
    assert f"the client {server.program.client.client_id} ('Program') is not a resource server" in line
    assert "oauthguard server client create --resource-server" in line
    assert token not in line


@pytest.mark.slow
def test_an_audience_that_is_not_the_callers_is_logged_once(server, log):
    other = server.clients.create("Other API", role="resource_server", audiences=["https://other.example"])
    token = server.token()
    for _ in range(20):
        server.app.post("/oauth/introspect", {"token": token}, headers=server.basic(other))
    (line,) = log()
    assert f"the client {other.client.client_id} ('Other API') was told that a token is inactive" in line
    assert line.endswith("the token is for https://api.example, and this client for https://other.example")
    assert token not in line


@pytest.mark.slow
def test_nothing_is_logged_of_a_token_that_is_unknown_or_the_callers(server, log):
    assert server.introspect(server.token())["active"] is True
    assert server.introspect("unknown") == {"active": False}
    assert log() == []
