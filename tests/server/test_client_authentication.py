"""Who the client is: one way of saying it, and the same answer to whatever is wrong with it."""

from __future__ import annotations

import base64
import time

import pytest
import time_machine

GRANT = {"grant_type": "client_credentials"}


def post_credentials(client):
    return {**GRANT, "client_id": client.client.client_id, "client_secret": client.secret}


@pytest.mark.slow
def test_basic_and_body_both_work(server):
    assert server.token()
    assert server.app.post("/oauth/token", post_credentials(server.program)).json["access_token"]


@pytest.mark.slow
def test_basic_with_the_same_client_id_in_the_body_works(server):
    form = {**GRANT, "client_id": server.program.client.client_id}
    assert server.app.post("/oauth/token", form, headers=server.basic(server.program)).status_int == 200


def test_basic_halves_are_form_decoded(server):
    client = server.clients.create("Odd", secret="a b+c%d:e", grants=["client_credentials"], scopes=["read"])
    secret = "a+b%2Bc%25d%3Ae"
    text = base64.b64encode(f"{client.client.client_id}:{secret}".encode()).decode()
    assert server.app.post("/oauth/token", GRANT, headers={"Authorization": f"bAsIc {text}"}).status_int == 200


@pytest.mark.promise("TK-01")
def test_two_client_authentications_are_refused(server):
    for form in (
        post_credentials(server.program),
        {**GRANT, "client_secret": server.program.secret},
        {**GRANT, "client_id": server.api.client.client_id},
    ):
        answer = server.app.post("/oauth/token", form, headers=server.basic(server.program), status=400)
        assert answer.json["error"] == "invalid_request"


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


@pytest.mark.slow
@pytest.mark.promise("TK-02")
@pytest.mark.parametrize(
    "header",
    [
        "Basic",
        "Basic ",
        "Basic =",
        "Basic !!!",
        "Basic \xff\xfe",
        "Basic " + b64(b"no colon"),
        "Basic " + b64(b":"),
        "Basic " + b64(b"id:"),
        "Basic " + b64(b":secret"),
        "Basic " + b64(b"\xff\xfe:\xff"),
        "Basic " + b64(b"a%ff:b%00"),
        "Basic " + b64("ü:ü".encode()),
        "Basic " + b64(b"\x00:\x00"),
        "Basic " + b64(b"unknown:secret"),
        "Basic " + b64(b"unknown:secret") + ", Basic " + b64(b"a:b"),
        "Bearer " + b64(b"unknown:secret"),
        "Negotiate",
        "",
    ],
)
@pytest.mark.parametrize("endpoint", ["token", "revoke", "introspect"])
def test_failed_authentication_is_one_401_with_a_challenge_whatever_the_bytes(server, endpoint, header):
    answer = server.app.post(
        f"/oauth/{endpoint}", {**GRANT, "token": "x"}, headers={"Authorization": header}, status="*"
    )
    assert answer.status_int == 401
    assert answer.headers["WWW-Authenticate"].startswith('Basic realm="')
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.json == {"error": "invalid_client", "error_description": "Client authentication failed."}


@pytest.mark.slow
@pytest.mark.promise("TK-02")
def test_unknown_revoked_and_wrong_look_the_same(server):
    other = server.clients.create("Other", grants=["client_credentials"], scopes=["read"])
    server.clients.revoke(other.client.client_id)
    wrong = [
        ("nobody", "x"),
        (other.client.client_id, other.secret),
        (server.program.client.client_id, server.api.secret),
        (server.program.client.client_id, server.program.secret + "x"),
        (server.program.client.client_id, "sécret"),
        (server.public.client.client_id, "x"),
    ]
    for client_id, secret in wrong:
        header = {"Authorization": "Basic " + b64(f"{client_id}:{secret}".encode())}
        form = {**GRANT, "client_id": client_id, "client_secret": secret}
        texts = {server.app.post("/oauth/token", GRANT, headers=header, status=401).text}
        if secret.isascii():
            texts.add(server.app.post("/oauth/token", form, status=401).text)
        assert texts == {'{"error":"invalid_client","error_description":"Client authentication failed."}'}


@pytest.mark.promise("TK-02")
def test_a_non_ascii_secret_in_the_body_is_refused_not_raised(server):
    form = {**GRANT, "client_id": server.program.client.client_id, "client_secret": "sécret"}
    assert server.app.post("/oauth/token", form, status=400).json["error"] == "invalid_request"


@pytest.mark.slow
def test_a_confidential_client_can_not_only_name_itself(server):
    form = {"client_id": server.program.client.client_id, "token": server.token()}
    assert server.app.post("/oauth/revoke", form, status=401).json["error"] == "invalid_client"
    assert server.introspect(form["token"])["active"] is True


@pytest.mark.slow
@pytest.mark.promise("TK-40")
def test_a_rotation_has_an_overlap(server):
    client_id = server.program.client.client_id
    start = time.time()
    with time_machine.travel(start, tick=False) as clock:
        made = server.clients.rotate_secret(client_id, label="2027", overlap=3600)

        def status(secret):
            header = {"Authorization": "Basic " + b64(f"{client_id}:{secret}".encode())}
            return server.app.post("/oauth/token", GRANT, headers=header, status="*").status_int

        assert (status(server.program.secret), status(made.secret)) == (200, 200)
        clock.move_to(start + 3599)
        assert status(server.program.secret) == 200
        clock.move_to(start + 3600)
        assert (status(server.program.secret), status(made.secret)) == (401, 200)
        server.clients.revoke_secret(client_id, made.secret_id)
        assert status(made.secret) == 401


@pytest.mark.slow
def test_the_last_use_of_a_secret_is_noted_to_the_hour(server):
    start = time.time()
    client_id = server.program.client.client_id

    def used():
        return server.clients.find(client_id).secrets[0].last_used_at

    with time_machine.travel(start, tick=False) as clock:
        assert used() is None
        server.token()
        assert used() == pytest.approx(start)
        clock.move_to(start + 3599)
        server.token()
        assert used() == pytest.approx(start)
        clock.move_to(start + 3600)
        server.token()
        assert used() == pytest.approx(start + 3600)
