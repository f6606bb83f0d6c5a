"""Who a client says it is: the Authorization header, the form and the assertion."""

from __future__ import annotations

import base64
import json
import time

from authlib.oauth2.base import OAuth2Error

from pyramid_oauthguard.server.clients.assertion import RefusedError, verify_assertion, read_assertion
from pyramid_oauthguard.server.clients.credentials import read_credentials
from pyramid_oauthguard.server.store.records import Client
from pyramid_oauthguard.testing import generate_key

from ..source import Source

KEY = generate_key("ES256", kid="mine")
CLIENT = Client(
    client_id="program", name="Program", public=False, role="client", grants=("client_credentials",), scopes=("read",),
    audiences=(), redirect_uris=(), created_at=0.0, jwks=json.dumps({"keys": [KEY.jwk]}),
)  # fmt: skip
NAMES = (
    "client_id",
    "client_secret",
    "client_assertion",
    "client_assertion_type",
    "program",
    "iss",
    "sub",
    "aud",
    "exp",
    "jti",
    "iat",
    "nbf",
    "alg",
    "typ",
    "kid",
    "mine",
    "ES256",
    "JWT",
    "crit",
)
TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


def run(data: bytes) -> None:
    """OAuth's errors or a refusal with its reason; an assertion that was not signed by the client proves nothing."""
    source = Source(data)
    raw = source.take_bytes()
    header = source.choose(
        (None, "Basic " + base64.b64encode(raw).decode(), "Basic " + raw.decode("latin-1"), raw.decode("latin-1"))
    )
    form = {source.choose(NAMES): source.take_text() or "x" for _each in range(source.take_byte() % 4)}
    if source.take_byte() % 2:
        form |= {"client_assertion_type": TYPE, "client_assertion": _build_assertion(source)}
    try:
        found = read_credentials(header, form)
    except OAuth2Error as error:
        assert error.description is None or error.description.isprintable()
        return
    assert found.client_id
    assert "secret=" not in repr(found)


def _build_assertion(source: Source) -> str:
    parts = (source.take_object(NAMES), source.take_object(NAMES))
    text = ".".join(base64.urlsafe_b64encode(json.dumps(each).encode()).rstrip(b"=").decode() for each in parts)
    assertion = f"{text}.{base64.urlsafe_b64encode(source.take_bytes()).rstrip(b'=').decode()}"
    try:
        verify_assertion(read_assertion(assertion), CLIENT, audiences={"https://issuer.example"}, now=time.time())
    except RefusedError as error:
        assert error.reason
        return assertion
    raise AssertionError("an assertion without a signature of the client was accepted")
