"""How the guard says who it is to an issuer: signed assertions and tokens from files, which are replaced while it runs."""

from __future__ import annotations

import json
import time
from base64 import b64decode
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey

from pyramid_oauthguard import SettingError, UnavailableError
from pyramid_oauthguard.guard.settings import parse_settings
from pyramid_oauthguard.issuers.client_authentication import ClientAuthentication, load_signing_key
from pyramid_oauthguard.issuers.settings import IssuerSettings
from pyramid_oauthguard.jwt.jws import parse_segment_object
from pyramid_oauthguard.server.clients.assertion import read_assertion, verify_assertion
from pyramid_oauthguard.server.store.records import Client
from pyramid_oauthguard.testing import generate_key

ISSUER = "https://issuer.test"
TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


def build(**settings: Any) -> ClientAuthentication:
    given = {
        "issuer": ISSUER, "metadata_url": None, "jwks_uri": None, "introspection_endpoint": None,
        "introspection_client_id": "the-api", "introspection_client_secret": None, "introspection_auth_method": "none",
        "http_timeout": 5, "http_max_bytes": 1, "http_ca_file": None, "metadata_lifetime": 1, "keys_cooldown": 1,
    }  # fmt: skip
    return ClientAuthentication(IssuerSettings(**{**given, **settings}))


def sign(path: Any) -> str:
    headers, form = build(introspection_auth_method="private_key_jwt", introspection_key_file=str(path)).find()
    assert headers == {}
    assert (form.pop("client_id"), form.pop("client_assertion_type")) == ("the-api", TYPE)
    return form.pop("client_assertion")


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "ES512", "Ed25519"])
@pytest.mark.parametrize("form", ["PEM", "JWK"])
def test_an_assertion_that_our_own_server_accepts(tmp_path, algorithm, form):
    key = generate_key(algorithm, kid="k1")
    path = tmp_path / "key"
    private = {**key.native.as_dict(private=True), "kid": "k1"}
    path.write_bytes(json.dumps(private).encode() if form == "JWK" else key.native.as_pem(private=True))
    nothing: Any = dict.fromkeys(("redirect_uris", "grants", "scopes", "audiences"), ())
    jwks = json.dumps({"keys": [{**key.jwk, **({} if form == "JWK" else {"kid": ""})}]})
    client = Client(
        client_id="the-api", name="", role="resource_server", public=False, created_at=0, jwks=jwks, **nothing
    )
    raw = sign(path)
    token_id, _until = verify_assertion(read_assertion(raw), client, audiences={ISSUER}, now=time.time())
    header = parse_segment_object(raw.split(".")[0].encode())
    assert header.get("kid") == ("k1" if form == "JWK" else None)
    assert token_id != read_assertion(sign(path)).claims["jti"]


def test_an_issuer_may_want_another_audience(tmp_path):
    """Okta wants the address of the endpoint that is called."""
    path = tmp_path / "key"
    path.write_bytes(generate_key("ES256").native.as_pem(private=True))
    given = {"introspection_auth_method": "private_key_jwt", "introspection_key_file": str(path)}
    for own, expected in ((None, ISSUER), (f"{ISSUER}/v1/introspect", f"{ISSUER}/v1/introspect")):
        _headers, form = build(**given, introspection_assertion_audience=own).find()
        assert parse_segment_object(form["client_assertion"].split(".")[1].encode())["aud"] == expected


def test_the_algorithm_of_a_key_is_kept(tmp_path):
    path = tmp_path / "key"
    key = generate_key("PS256", kid="p").native
    path.write_text(json.dumps({**key.as_dict(private=True), "alg": "PS256"}))
    assert load_signing_key(str(path)).algorithm == "PS256"


def test_the_key_file_of_zitadel(tmp_path):
    key = generate_key("RS256", kid="x")
    path = tmp_path / "key.json"
    pem = key.native.as_pem(private=True).decode()
    path.write_text(json.dumps({"type": "application", "keyId": "2581", "key": pem, "clientId": "c"}))
    assert jwt.decode(sign(path), key.native).header["kid"] == "2581"


BAD = {
    "missing": None,
    "empty": "",
    "public": generate_key("ES256", kid="x").native.as_pem(private=False).decode(),
    "symmetric": json.dumps(OctKey.generate_key(256).as_dict(private=True)),
    "another algorithm": json.dumps({**ECKey.generate_key("P-256").as_dict(private=True), "alg": "RS256"}),
    "another curve": json.dumps(ECKey.generate_key("secp256k1").as_dict(private=True)),
    "JSON of something else": '{"s3cret": 1}',
    "text": "s3cret",
}


@pytest.mark.promise("GD-26")
@pytest.mark.parametrize("name", BAD)
def test_a_key_that_cannot_sign(tmp_path, name):
    path = tmp_path / "key"
    if BAD[name] is not None:
        path.write_text(BAD[name])
    with pytest.raises(ValueError, match=r"can't|is") as caught:
        load_signing_key(str(path))
    assert "s3cret" not in str(caught.value)
    with pytest.raises(UnavailableError) as raised:
        sign(path)
    assert (raised.value.reason, raised.value.lasting) == ("bad_key_file", True)


def test_a_new_key_is_used_at_once_and_a_bad_file_does_not_take_the_old_one_away(tmp_path):
    first, second = generate_key("ES256", kid="1"), generate_key("ES256", kid="2")
    path = tmp_path / "key"
    authentication = build(introspection_auth_method="private_key_jwt", introspection_key_file=str(path))

    def check(key: Any) -> None:
        jwt.decode(authentication.find()[1]["client_assertion"], key.native)

    path.write_bytes(first.native.as_pem(private=True))
    check(first)
    path.write_bytes(b"half of a ")
    check(first)
    path.write_bytes(second.native.as_pem(private=True))
    check(second)
    path.unlink()
    check(second)


def test_a_bearer_token_is_read_at_each_call(tmp_path):
    path = tmp_path / "token"
    authentication = build(introspection_auth_method="bearer", introspection_token_file=str(path))
    for token in ("one", "two"):
        path.write_text(token + "\n")
        assert authentication.find() == ({"Authorization": f"Bearer {token}"}, {})
    path.unlink()
    with pytest.raises(UnavailableError) as caught:
        authentication.find()
    assert caught.value.reason == "bad_token_file"


def test_basic_credentials_are_form_encoded_or_not():
    """WSO2 asks for one of its users, whose name has an @, and decodes nothing."""
    given = {"introspection_client_id": "api@example.com", "introspection_client_secret": "a+b/c=:ü"}
    for method, pair in (
        ("client_secret_basic", "api%40example.com:a%2Bb%2Fc%3D%3A%C3%BC"),
        ("http_basic", "api@example.com:a+b/c=:ü"),
    ):
        headers, form = build(introspection_auth_method=method, **given).find()
        assert (b64decode(headers["Authorization"].removeprefix("Basic ")).decode(), form) == (pair, {})


def test_a_user_with_a_colon_stops_start_up():
    settings = {
        "oauthguard.issuer": ISSUER,
        "oauthguard.audience": "https://api.test",
        "oauthguard.introspection.client_id": "api:1",
        "oauthguard.introspection.client_secret": "secret",
        "oauthguard.introspection.auth_method": "http_basic",
    }
    with pytest.raises(SettingError) as caught:
        parse_settings(settings)
    assert caught.value.key == "oauthguard.introspection.client_id"
