"""private_key_jwt (RFC 7523): a client proves with a signature who it is, once with each."""

from __future__ import annotations

import base64
import json
import threading
import time

import pytest
import time_machine
from joserfc import jws
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from pyramid_oauthguard.server.events import ClientKeysReplaced
from pyramid_oauthguard.server.grant_types import RegistrationError
from tests.ground.test_key_strength import ENCODINGS

TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
TOKEN = "http://localhost:6543/oauth/token"
KEY = ECKey.generate_key("P-256", parameters={"kid": "one"})
OTHER = ECKey.generate_key("P-256", parameters={"kid": "two"})


class Registry(jws.JWSRegistry):
    """Signs with whatever is asked for."""

    def get_alg(self, name):
        return self.algorithms[name]

    def check_header(self, header):
        pass


def publish(*keys):
    return {"keys": [key.as_dict(private=False) for key in keys]}


@pytest.fixture
def signer(server):
    return server.clients.create("Signer", grants=["client_credentials"], scopes=["read"], jwks=publish(KEY)).client


@pytest.fixture
def clock():
    with time_machine.travel(int(time.time()), tick=False) as traveller:
        yield traveller


def sign(client, key=KEY, header=None, **changes):
    now = int(time.time())
    claims = {
        "iss": client.client_id,
        "sub": client.client_id,
        "aud": TOKEN,
        "jti": f"{now}-{time.monotonic_ns()}",
        "iat": now,
        "exp": now + 60,
        **changes,
    }
    claims = {name: value for name, value in claims.items() if value is not ...}
    protected = {"alg": "ES256", "kid": "one", **(header or {})}
    protected = {name: value for name, value in protected.items() if value is not ...}
    return jws.serialize_compact(protected, json.dumps(claims), key, registry=Registry())


def send(server, assertion, path="token", status=200, **form):
    body = {
        "grant_type": "client_credentials",
        "client_assertion_type": TYPE,
        "client_assertion": assertion,
        **form,
    }
    return server.app.post(f"/oauth/{path}", {k: v for k, v in body.items() if v is not ...}, status=status)


def refuse(server, assertion, **form):
    answer = send(server, assertion, status=401, **form)
    assert answer.json == {"error": "invalid_client", "error_description": "Client authentication failed."}
    assert "WWW-Authenticate" in answer.headers


@pytest.mark.slow
def test_a_signed_assertion_is_the_clients(server, signer):
    token = send(server, sign(signer)).json["access_token"]
    assert server.introspect(token)["client_id"] == signer.client_id
    assert send(server, sign(signer), client_id=signer.client_id).json["access_token"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        (RSAKey.generate_key(2048), "RS256"),
        (RSAKey.generate_key(2048), "PS384"),
        (ECKey.generate_key("P-521"), "ES512"),
        (OKPKey.generate_key("Ed25519"), "EdDSA"),
        (OKPKey.generate_key("Ed25519"), "Ed25519"),
    ],
)
def test_each_kind_of_key_can_sign_and_needs_no_kid(server, key, algorithm):
    client = server.clients.create("S", grants=["client_credentials"], scopes=["read"], jwks=publish(OTHER, key)).client
    assert send(server, sign(client, key, {"alg": algorithm, "kid": ...})).json["access_token"]
    if algorithm in {"RS256", "EdDSA"}:
        said = server.app.get("/.well-known/oauth-authorization-server").json
        assert algorithm in said["token_endpoint_auth_signing_alg_values_supported"]
        assert "private_key_jwt" in said["token_endpoint_auth_methods_supported"]


@pytest.mark.slow
@pytest.mark.parametrize("audience", [TOKEN, [TOKEN], "http://localhost:6543"])
def test_we_are_named_by_the_issuer_or_the_token_endpoint(server, signer, audience):
    assert send(server, sign(signer, aud=audience)).json["access_token"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "audience",
    [["http://localhost:6543", TOKEN], ["http://localhost:6543", TOKEN, "http://localhost:6543/oauth/introspect"]],
)
def test_an_assertion_that_names_this_server_by_several_of_its_names_was_refused(server, audience):
    """As openid-client 5 does: the issuer and the endpoint."""
    api = server.clients.create("API", role="resource_server", jwks=publish(KEY)).client
    assert send(server, sign(api, aud=audience), "introspect", grant_type=..., token="x").json == {"active": False}
    refuse(server, sign(api, aud=[*audience, "https://other.example"]))


@pytest.mark.slow
def test_it_works_at_every_endpoint_that_authenticates_clients(server, signer):
    token = send(server, sign(signer)).json["access_token"]
    api = server.clients.create("API", role="resource_server", jwks=publish(KEY)).client
    for audience in ("http://localhost:6543/oauth/introspect", TOKEN):
        answer = send(server, sign(api, aud=audience), "introspect", grant_type=..., token=token)
        assert answer.json["active"] is True
    assert send(server, sign(signer), "revoke", grant_type=..., token=token).json == {}
    assert server.introspect(token) == {"active": False}
    refuse(server, sign(signer, aud="http://localhost:6543/oauth/revoke"))


@pytest.mark.slow
@pytest.mark.promise("TK-02")
@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "somebody"},
        {"iss": ...},
        {"sub": "somebody"},
        {"sub": ...},
        {"sub": 7, "iss": 7},
        {"sub": "", "iss": ""},
        {"sub": "\x00", "iss": "\x00"},
        {"aud": ...},
        {"aud": "https://other.example"},
        {"aud": [TOKEN, "https://other.example"]},
        {"aud": []},
        {"aud": {"a": 1}},
        {"aud": TOKEN + "/"},
        {"exp": ...},
        {"exp": 0},
        {"exp": True},
        {"exp": "9999999999"},
        {"exp": 99999999999},
        {"exp": None},
        {"nbf": None},
        {"iat": None},
        {"nbf": 99999999999},
        {"iat": 99999999999},
        {"iat": "now"},
        {"jti": ...},
        {"jti": ""},
        {"jti": 5},
        {"jti": "x" * 256},
    ],
    ids=str,
)
def test_an_assertion_that_says_something_else_is_refused(server, signer, claims):
    refuse(server, sign(signer, **claims))


@pytest.mark.promise("TK-02")
@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
@pytest.mark.parametrize("sign_of_it", [1, -1])
def test_a_time_that_no_float_can_hold_is_refused_not_raised(server, signer, name, sign_of_it):
    refuse(server, sign(signer, **{name: sign_of_it * 10**400}))


@pytest.mark.slow
@pytest.mark.promise("TK-02")
@pytest.mark.parametrize(
    "header",
    [
        {"typ": "at+jwt"},
        {"typ": "logout+jwt"},
        {"typ": 5},
        {"kid": "two"},
        {"kid": 5},
        {"kid": None},
        {"crit": ["exp"], "exp": 1},
        {"crit": "x"},
        {"crit": []},
        {"b64": True},
        {"enc": "A128GCM"},
        {"typ": None},
    ],
    ids=str,
)
def test_an_assertion_with_an_odd_header_is_refused(server, signer, header):
    refuse(server, sign(signer, header=header))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["JWT", "jwt", "application/jwt", "client-authentication+jwt"])
def test_its_type_may_be_named(server, signer, kind):
    assert send(server, sign(signer, header={"typ": kind})).json["access_token"]


@pytest.mark.slow
@pytest.mark.promise("TK-02")
def test_another_key_or_another_clients_is_refused(server, signer):
    other = server.clients.create("Other", grants=["client_credentials"], scopes=["read"], jwks=publish(OTHER)).client
    refuse(server, sign(signer, OTHER))
    refuse(server, sign(other, KEY))
    answer = send(server, sign(signer), status=400, client_id=other.client_id)
    assert answer.json["error"] == "invalid_request"


@pytest.mark.slow
@pytest.mark.promise("TK-02")
def test_an_hmac_with_the_public_key_or_none_is_refused(server, signer):
    public = OctKey.import_key(json.dumps(KEY.as_dict(private=False)))
    refuse(server, sign(signer, public, {"alg": "HS256"}))
    header, payload, _signature = sign(signer).split(".")
    none = jws.serialize_compact({"alg": "none"}, "{}", KEY, registry=Registry()).split(".")[0]
    for text in (f"{none}.{payload}.", f"{header}.{payload}.", f"{header}.{payload}"):
        refuse(server, text)


@pytest.mark.slow
@pytest.mark.promise("TK-02")
@pytest.mark.parametrize(
    "text", ["x", "a.b.c", "...", "e30.e30.e30", "x" * 50_000, "eyJ9.e30.", "W10.W10.AA", "\u00fc"]
)
def test_what_is_no_jwt_is_refused(server, text):
    if text.isascii():
        refuse(server, text)
    else:
        assert send(server, text, status=400).json["error"] == "invalid_request"


@pytest.mark.slow
@pytest.mark.promise("TK-02")
def test_each_proves_once_until_it_has_expired(server, signer, clock):
    assertion = sign(signer, jti="once")
    assert send(server, assertion).json["access_token"]
    refuse(server, assertion)
    refuse(server, sign(signer, jti="once"))
    other = server.clients.create("Other", grants=["client_credentials"], scopes=["read"], jwks=publish(KEY)).client
    assert send(server, sign(other, jti="once")).json["access_token"], "ids are each client's own"
    clock.shift(89)
    refuse(server, assertion)
    clock.shift(1)
    refuse(server, assertion)


@pytest.mark.slow
@pytest.mark.promise("TK-02")
def test_of_many_at_once_one_proves(server, signer):
    assertion, barrier, seen = sign(signer), threading.Barrier(8), []

    def run():
        barrier.wait()
        seen.append(send(server, assertion, status="*").status_int)

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(seen) == [200] + [401] * 7


@pytest.mark.slow
@pytest.mark.promise("TK-02")
def test_one_that_is_refused_for_its_claims_is_not_used_up(server, signer):
    refuse(server, sign(signer, jti="a", aud="https://other.example"))
    assert send(server, sign(signer, jti="a")).json["access_token"]


@pytest.mark.slow
@pytest.mark.promise("TK-02")
def test_clocks_may_differ_a_little_and_lives_are_short(server, signer, clock):
    now = int(time.time())
    assert send(server, sign(signer, exp=now - 29)).json["access_token"]
    refuse(server, sign(signer, exp=now - 30))
    assert send(server, sign(signer, nbf=now + 30, iat=now + 30)).json["access_token"]
    refuse(server, sign(signer, nbf=now + 31))
    assert send(server, sign(signer, exp=now + 3600)).json["access_token"]
    refuse(server, sign(signer, exp=now + 3631))


@pytest.mark.slow
@pytest.mark.promise("TK-01")
def test_with_another_authentication_it_is_one_too_many(server, signer):
    assertion = sign(signer)
    for how in (
        {"client_secret": "x"},
        {"client_id": signer.client_id, "client_secret": "x"},
        {"client_id": "somebody"},
    ):
        assert send(server, assertion, status=400, **how).json["error"] == "invalid_request"
    body = {"grant_type": "client_credentials", "client_assertion_type": TYPE, "client_assertion": assertion}
    answer = server.app.post("/oauth/token", body, headers=server.basic(server.program), status=400)
    assert answer.json["error"] == "invalid_request"


@pytest.mark.promise("TK-01")
@pytest.mark.parametrize("kind", [..., "urn:ietf:params:oauth:client-assertion-type:saml2-bearer", "x"])
def test_another_type_of_assertion_is_refused(server, signer, kind):
    refuse(server, sign(signer), client_assertion_type=kind)


@pytest.mark.slow
@pytest.mark.promise("TK-02")
def test_a_client_without_keys_has_none_that_fits(server, signer):
    for client in (server.program.client, server.public.client):
        refuse(server, sign(client))
        refuse(server, sign(client), client_id=client.client_id)
    refuse(server, ..., client_id=signer.client_id, client_assertion_type=TYPE)
    revoked = server.clients.create("R", grants=["client_credentials"], scopes=["read"], jwks=publish(KEY)).client
    server.clients.revoke(revoked.client_id)
    refuse(server, sign(revoked))


@pytest.mark.slow
def test_a_client_with_keys_has_no_secret_unless_given_one(server, signer):
    made = server.clients.create("M", grants=["client_credentials"], jwks=json.dumps(publish(KEY)), scopes=["read"])
    assert made.secret is None
    assert made.client.secrets == ()
    both = server.clients.create("B", grants=["client_credentials"], jwks=publish(KEY), secret="given", scopes=["read"])
    assert send(server, sign(both.client)).json["access_token"]
    assert server.token(both)
    named = {"grant_type": "client_credentials", "client_id": signer.client_id}
    assert server.app.post("/oauth/token", named, status=401).json["error"] == "invalid_client"


@pytest.mark.slow
def test_keys_can_be_replaced_with_an_overlap(server, signer):
    heard = []
    server.registry.registerHandler(heard.append, [ClientKeysReplaced])
    server.clients.replace_keys(signer.client_id, publish(KEY, OTHER))
    assert send(server, sign(signer)).json["access_token"]
    assert send(server, sign(signer, OTHER, {"kid": "two"})).json["access_token"]
    server.clients.replace_keys(signer.client_id, publish(OTHER))
    refuse(server, sign(signer))
    assert send(server, sign(signer, OTHER, {"kid": "two"})).json["access_token"]
    assert [event.client_id for event in heard] == [signer.client_id] * 2
    for client_id in (server.public.client.client_id, "nobody"):
        with pytest.raises(RegistrationError, match="client_id"):
            server.clients.replace_keys(client_id, publish(KEY))


def build_rsa(bits, exponent="AQAB"):
    size = (bits + 7) // 8
    modulus = base64.urlsafe_b64encode((1 << (bits - 1) | 1).to_bytes(size, "big")).decode().rstrip("=")
    return {"keys": [{"kty": "RSA", "n": modulus, "e": exponent}]}


def as_ed25519(raw):
    return {"kty": "OKP", "crv": "Ed25519", "x": base64.urlsafe_b64encode(raw).decode().rstrip("=")}


@pytest.mark.slow
@pytest.mark.promise("GD-46")
@pytest.mark.filterwarnings("ignore:Key size should be")  # joserfc's, of the key that is refused
@pytest.mark.parametrize(
    ("jwks", "problem"),
    [
        ("", "must be a JSON Web Key Set"),
        ("[]", "must be a JSON Web Key Set"),
        ({}, "must be a JSON Web Key Set"),
        ({"keys": []}, "must have 1 to 10 keys"),
        ({"keys": [KEY.as_dict(private=False)] * 11}, "must have 1 to 10 keys"),
        ({"keys": ["x"]}, "key 1 can't be used: it is not an object"),
        ({"keys": [KEY.as_dict(private=True)]}, "key 1 can't be used: it is private or symmetric: it has d"),
        (
            {"keys": [KEY.as_dict(private=False), {"kty": "oct", "k": "AA"}]},
            "key 2 can't be used: it is private or symmetric: it has k",
        ),
        ({"keys": [{"kty": "EC", "crv": "secp256k1"}]}, "key 1 can't be used: its crv 'secp256k1' is not supported"),
        (
            {"keys": [{"kty": "OKP", "crv": "X25519", "x": "AA"}]},
            "key 1 can't be used: its crv 'X25519' is not supported",
        ),
        ({"keys": [{"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}]}, "key 1 can't be used: it is malformed"),
        ({"keys": [{**KEY.as_dict(private=False), "use": "enc"}]}, "key 1 can't be used: its use is 'enc', not sig"),
        (
            {"keys": [{**KEY.as_dict(private=False), "key_ops": ["encrypt"]}]},
            "key 1 can't be used: its key_ops do not include verify",
        ),
        (
            {"keys": [{**KEY.as_dict(private=False), "key_ops": 5}]},
            "key 1 can't be used: its key_ops do not include verify",
        ),
        ({"keys": [{**KEY.as_dict(private=False), "kid": 5}]}, "key 1 can't be used: its kid is not text"),
        ({"keys": [{**KEY.as_dict(private=False), "kid": None}]}, "key 1 can't be used: its kid is not text"),
        ({"keys": [{"kty": []}]}, r"key 1 can't be used: its kty \[\] is not supported"),
        ({"keys": [{"kty": "EC", "crv": {}}]}, "key 1 can't be used: its crv {} is not supported"),
        ({"keys": [{**KEY.as_dict(private=False), "x": object()}]}, "key 1 can't be used: it is malformed"),
        ({"keys": [{**KEY.as_dict(private=False), "more": object()}]}, "contains values that are not JSON"),
        ('{"keys":' + "[" * 100_000, "must be a JSON Web Key Set"),
        (
            {"keys": [{"kty": "RSA", "n": "AQAB" * 40 + "AQ", "e": "AQAB"}]},
            "key 1 can't be used: it has fewer than 2048 bits",
        ),
        (build_rsa(16_385), "key 1 can't be used: it has more than 16384 bits"),
        (build_rsa(1_000_000), "key 1 can't be used: it has more than 16384 bits"),
        (build_rsa(2048, exponent="AQAA"), "key 1 can't be used: it (has an exponent that is even|is malformed)"),
        (build_rsa(2048, exponent="AQ"), "key 1 can't be used: it (has an exponent that is even|is malformed)"),
        *(
            ({"keys": [KEY.as_dict(private=False), as_ed25519(raw)]}, "key 2 can't be used: it is (a point|not in)")
            for raw in ENCODINGS
        ),
    ],
)
def test_what_can_not_be_used_is_not_registered(server, jwks, problem):
    with pytest.raises(RegistrationError, match=problem):
        server.clients.create("X", jwks=jwks)


def test_a_public_client_has_no_keys(server):
    with pytest.raises(RegistrationError, match="jwks: a public client"):
        server.clients.create("X", public=True, redirect_uris=["https://x.example/"], jwks=publish(KEY))


@pytest.mark.slow
@pytest.mark.promise("EV-01")
def test_the_log_says_what_was_wrong_and_not_with_what(server, signer, caplog):
    caplog.set_level("DEBUG")
    assertion = sign(signer, exp=0)
    refuse(server, assertion)
    refuse(server, sign(signer, OTHER))
    assert "refused: expired" in caplog.text
    assert "no key of the client made the signature" in caplog.text
    assert not any(part in caplog.text for part in assertion.split("."))
