"""The registry of clients."""

from __future__ import annotations

import time

import pytest
from pyramid.config import Configurator

from pyramid_oauthguard.errors import OAuthGuardError
from pyramid_oauthguard.server.clients import RegistrationError, get_clients
from pyramid_oauthguard.server.grant_types import DEVICE_CODE
from pyramid_oauthguard.server.store.records import Grant


@pytest.mark.slow
def test_a_client_is_what_was_asked_for(server):
    made = server.clients.create(
        " Desk ",
        public=True,
        redirect_uris=["http://127.0.0.1/cb", "com.example.app:/cb", "https://a.example/cb?x=1"],
        grants=["authorization_code", "refresh_token", "device_code"],
        scopes=["read", "not:yet"],
        audiences=["https://a.example"],
    )
    client = made.client
    assert made.secret is None
    assert client.name == "Desk"
    assert client.grants == ("authorization_code", "refresh_token", DEVICE_CODE)
    assert (client.role, client.public, client.secrets) == ("client", True, ())
    assert server.clients.find(client.client_id) == client
    assert client in server.clients.list_all()
    assert server.clients.find("nobody") is None
    assert server.clients.find("\x00\udcff") is None


@pytest.mark.slow
def test_the_server_chooses_ids_and_secrets(server):
    made = [server.clients.create("X", grants=["client_credentials"]) for _ in range(20)]
    assert len({each.client.client_id for each in made} | {each.secret for each in made}) == 40
    assert all(each.client.client_id.startswith("client-") for each in made)
    assert all(len(each.secret) > 64 for each in made)


def test_a_client_id_is_never_a_users(server):
    with server.service.store.writing() as unit:
        unit.add_grant(
            Grant(
                grant_id="g",
                client_id=server.program.client.client_id,
                subject="anna",
                scopes=(),
                audiences=(),
                created_at=1.0,
            )
        )
    with pytest.raises(RegistrationError, match="client_id: is the identifier of a user"):
        server.clients.create("X", client_id="anna")
    assert server.clients.find("anna") is None


def test_an_id_is_taken_for_ever(server):
    server.clients.create("X", client_id="x")
    with pytest.raises(RegistrationError, match="client_id: is taken"):
        server.clients.create("X", client_id="x")
    server.clients.revoke("x")
    with pytest.raises(RegistrationError, match="client_id: is taken"):
        server.clients.create("X", client_id="x")
    assert server.clients.find("x").revoked_at is not None


@pytest.mark.slow
@pytest.mark.promise("TK-07")
@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("name", {"name": ""}),
        ("name", {"name": "a\nb"}),
        ("name", {"name": "x" * 256}),
        ("client_id", {"client_id": "a b"}),
        ("client_id", {"client_id": 'a"b'}),
        ("client_id", {"client_id": "a:b"}),
        ("client_id", {"client_id": "ü"}),
        ("client_id", {"client_id": "x" * 256}),
        ("secret", {"secret": ""}),
        ("secret", {"secret": "ü"}),
        ("secret", {"secret": "x", "public": True}),
        ("redirect_uris", {"redirect_uris": "https://a.example"}),
        ("redirect_uris", {"redirect_uris": ["http://a.example/"]}),
        ("redirect_uris", {"redirect_uris": ["https://a.example/#x"]}),
        ("redirect_uris", {"redirect_uris": ["https://*.example/"]}),
        ("redirect_uris", {"redirect_uris": ["https://u@a.example/"]}),
        ("redirect_uris", {"redirect_uris": ["https:///x"]}),
        ("redirect_uris", {"redirect_uris": ["https://[::1"]}),
        ("redirect_uris", {"redirect_uris": ["javascript:alert(1)"]}),
        ("redirect_uris", {"redirect_uris": ["data:text/html,x"]}),
        ("redirect_uris", {"redirect_uris": ["myapp:/cb"]}),
        ("redirect_uris", {"redirect_uris": ["/relative"]}),
        ("redirect_uris", {"redirect_uris": ["https://a.example/\n"]}),
        ("redirect_uris", {"redirect_uris": ['https://a.example/"']}),
        ("redirect_uris", {"grants": ["authorization_code"]}),
        ("grants", {"grants": ["password"]}),
        ("grants", {"grants": ["implicit"]}),
        ("grants", {"grants": ["client_credentials"], "public": True}),
        ("grants", {"grants": ["refresh_token"]}),
        ("scopes", {"scopes": ['a"b']}),
        ("scopes", {"scopes": ["a b"]}),
        ("scopes", {"scopes": [""]}),
        ("audiences", {"audiences": ["a b"]}),
        ("role", {"role": "admin"}),
        ("role", {"role": "resource_server", "public": True}),
        ("role", {"role": "resource_server", "grants": ["client_credentials"]}),
    ],
)
def test_what_can_not_be_registered_is_refused_by_name(server, argument, value):
    before = server.clients.list_all()
    with pytest.raises(RegistrationError) as caught:
        server.clients.create(**{"name": "X", **value})
    assert caught.value.argument == argument
    assert server.clients.list_all() == before


def test_rotation_and_revocation_want_a_live_confidential_client(server):
    with pytest.raises(RegistrationError, match="not a live client"):
        server.clients.rotate_secret("nobody")
    with pytest.raises(RegistrationError, match="public"):
        server.clients.rotate_secret(server.public.client.client_id)
    server.clients.revoke(server.program.client.client_id)
    for call in (server.clients.rotate_secret, server.clients.revoke):
        with pytest.raises(RegistrationError, match="not a live client"):
            call(server.program.client.client_id)
    with pytest.raises(RegistrationError, match="secret_id"):
        server.clients.revoke_secret(server.api.client.client_id, "nothing")


def test_an_overlap_never_lengthens_a_secrets_life(server):
    client_id = server.program.client.client_id
    server.clients.rotate_secret(client_id, overlap=10)
    first = server.clients.find(client_id).secrets[0]
    server.clients.rotate_secret(client_id, overlap=1000)
    assert server.clients.find(client_id).secrets[0].expires_at == first.expires_at


def test_a_client_has_a_limited_number_of_secrets(server):
    client_id = server.program.client.client_id
    made = [server.clients.rotate_secret(client_id) for _ in range(19)]
    with pytest.raises(RegistrationError, match="has 20 secrets that can be used: revoke one of them first"):
        server.clients.rotate_secret(client_id)
    server.clients.revoke_secret(client_id, made[0].secret_id)
    server.clients.rotate_secret(client_id)
    server.clients.rotate_secret(client_id, overlap=0)  # a leak must not wait for room
    assert sum(secret.is_live(time.time()) for secret in server.clients.find(client_id).secrets) == 1


def test_without_the_server_it_says_so():
    with pytest.raises(OAuthGuardError, match="server_not_included"):
        get_clients(Configurator(settings={}).registry)
