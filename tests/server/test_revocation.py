"""POST /oauth/revoke (RFC 7009)."""

from __future__ import annotations

import pytest

from pyramid_oauthguard.server.events import TokenRevoked


def listen(server):
    heard = []
    server.registry.registerHandler(heard.append, [TokenRevoked])
    return heard


@pytest.mark.slow
@pytest.mark.promise("RV-40")
@pytest.mark.parametrize("hint", [None, "access_token", "refresh_token", "pct_token", ""])
def test_a_revocation_is_200_and_an_empty_object_whatever_the_hint(server, hint):
    token = server.token()
    answer = server.revoke(token, **({} if hint is None else {"token_type_hint": hint}))
    assert (answer.status_int, answer.content_type, answer.json) == (200, "application/json", {})
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Pragma"] == "no-cache"
    assert server.introspect(token) == {"active": False}


@pytest.mark.slow
@pytest.mark.promise("RV-40")
@pytest.mark.parametrize("token", ["x", "a.b.c", "ü", "\x00", "ogat_xyz", "x" * 50_000])
def test_unknown_tokens_are_200_and_an_empty_object(server, token):
    answer = server.revoke(token)
    assert (answer.status_int, answer.content_type, answer.json) == (200, "application/json", {})
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Pragma"] == "no-cache"


@pytest.mark.slow
@pytest.mark.promise("RV-40")
def test_revoking_twice_is_200_twice_and_told_once(server):
    heard = listen(server)
    token = server.token()
    assert [server.revoke(token).status_int for _ in range(2)] == [200, 200]
    assert len(heard) == 1


@pytest.mark.slow
@pytest.mark.promise("RV-40")
@pytest.mark.parametrize("wrong", [("access_token", 1), ("refresh_token", 0)])
def test_a_wrong_hint_is_extended(server, wrong):
    hint, which = wrong
    tokens = server.user_tokens()
    assert server.revoke(tokens[which], token_type_hint=hint).status_int == 200
    assert server.introspect(tokens[which]) == {"active": False}


@pytest.mark.slow
@pytest.mark.promise("RV-41")
def test_someone_elses_token_is_not_revoked(server):
    token = server.token()
    for other in (server.api, server.clients.create("Other", grants=["client_credentials"], scopes=["read"])):
        answer = server.revoke(token, other)
        assert (answer.status_int, answer.json["error"]) == (400, "invalid_grant")
    public = {"token": token, "client_id": server.public.client.client_id}
    assert server.app.post("/oauth/revoke", public, status=400).json["error"] == "invalid_grant"
    assert server.introspect(token)["active"] is True


@pytest.mark.slow
@pytest.mark.promise("RV-41")
def test_a_public_client_is_identified_by_its_id(server):
    access, refresh = server.user_tokens(client=server.public)
    form = {"token": refresh, "client_id": server.public.client.client_id}
    answer = server.app.post("/oauth/revoke", form)
    assert (answer.status_int, answer.content_type, answer.json) == (200, "application/json", {})
    assert server.introspect(access) == {"active": False}
    server.app.post("/oauth/revoke", {"token": refresh}, status=401)
    server.app.post("/oauth/revoke", {"token": refresh, "client_id": "nobody"}, status=401)


@pytest.mark.slow
@pytest.mark.promise("RV-41")
def test_credentials_in_the_body_work(server):
    token = server.token()
    form = {"token": token, "client_id": server.program.client.client_id, "client_secret": server.program.secret}
    assert server.app.post("/oauth/revoke", form).status_int == 200
    assert server.introspect(token) == {"active": False}


@pytest.mark.slow
@pytest.mark.promise("RV-03")
@pytest.mark.parametrize("which", [0, 1])
def test_revoking_one_ends_the_other(server, which):
    heard = listen(server)
    tokens = server.user_tokens()
    bystander = server.user_tokens()
    access_id = server.introspect(tokens[0])["jti"]
    server.revoke(tokens[which])
    assert [server.is_active(token) for token in tokens] == [False, False]
    assert all(server.is_active(token) for token in bystander)
    assert [event.token_ids for event in heard] == [(access_id,)]


@pytest.mark.slow
@pytest.mark.promise("RV-03")
def test_without_the_cascade_an_access_token_ends_alone(build):
    server = build({"revocation.cascade": "false"})
    access, refresh = server.user_tokens()
    server.revoke(access)
    assert server.introspect(access) == {"active": False}
    assert server.is_active(refresh)
    access, refresh = server.user_tokens()
    server.revoke(refresh)
    assert server.introspect(access) == {"active": False}


def test_without_a_token_the_parameter_is_named(server):
    answer = server.revoke("")
    assert (answer.status_int, answer.json["error"]) == (400, "invalid_request")
    assert "token" in answer.json["error_description"]
