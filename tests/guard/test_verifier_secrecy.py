"""Whatever is presented and however it fails: no log line, error, repr, event or answer holds it, at any log level."""

from __future__ import annotations

import logging
import pickle
import traceback

import pytest
from pyramid.config import Configurator
from webtest import TestApp

from pyramid_oauthguard import OAuthGuardError
from pyramid_oauthguard.guard.events import AccessTokenAccepted, AccessTokenRejected
from pyramid_oauthguard.testing import ABSENT, MemoryIssuer, trust
from tests.guard.verifying import build_verifier
from tests.issuers import CLIENT, FAULTS, HTTPIssuer

pytestmark = pytest.mark.slow

#: A word in the claims and in the header that nothing else has.
SECRET = "xyzzy-plugh"

TOKENS = {
    "good": lambda issuer: issuer.mint(sub=SECRET, jti=SECRET, name=SECRET),
    "expired": lambda issuer: issuer.mint_expired(sub=SECRET),
    "foreign": lambda issuer: issuer.mint_foreign(sub=SECRET),
    "tampered": lambda issuer: issuer.mint_tampered(name=SECRET),
    "wrong issuer": lambda issuer: issuer.mint(iss=f"https://{SECRET}.test"),
    "wrong audience": lambda issuer: issuer.mint(aud=SECRET),
    "wrong client": lambda issuer: issuer.mint(client_id=[SECRET]),
    "bad time": lambda issuer: issuer.mint(exp=SECRET),
    "bad scope": lambda issuer: issuer.mint(scope={SECRET: 1}),
    "unknown kid": lambda issuer: issuer.mint(header={"kid": SECRET}),
    "bad algorithm": lambda issuer: issuer.mint(header={"alg": SECRET}),
    "critical": lambda issuer: issuer.mint(header={"crit": [SECRET], SECRET: 1}),
    "wrong type": lambda issuer: issuer.mint(header={"typ": SECRET}),
    "cut": lambda issuer: issuer.mint(sub=SECRET)[:-9],
    "not base64": lambda issuer: issuer.mint(sub=SECRET) + "=",
    "too long": lambda issuer: issuer.mint(sub=SECRET * 30_000),
    "long header": lambda issuer: issuer.mint(header={"x": SECRET * 2_000}),
    "opaque": lambda issuer: issuer.mint_opaque(sub=SECRET),
    "opaque, unknown": lambda _issuer: f"{SECRET}-{SECRET}-{SECRET}",
    "opaque, other audience": lambda issuer: issuer.mint_opaque(aud=SECRET),
    "opaque, no end": lambda issuer: issuer.mint_opaque(exp=ABSENT, sub=SECRET),
}


def find_traces(raw):
    """What must not be seen: the token, each part of it long enough to be told, and the word in it."""
    return {SECRET, raw, *(part for part in raw.replace("=", ".").split(".") if len(part) > 15)}


def assert_clean(text, traces):
    found = [trace[:40] for trace in traces if trace in text]
    assert not found, text[:2000]


@pytest.fixture
def everything(caplog):
    """All that is logged from here on, by anybody, at any level, as a formatter would write it."""
    caplog.set_level(logging.NOTSET)
    for name in ("pyramid_oauthguard", "urllib3", "dogpile", "joserfc"):
        caplog.set_level(logging.DEBUG, logger=name)

    def tell():
        formatter = logging.Formatter("%(name)s %(levelname)s %(message)s %(args)s")
        return "\n".join(formatter.format(record) + repr(record.__dict__) for record in caplog.records)

    return tell


@pytest.mark.promise("GD-26")
@pytest.mark.parametrize("mode", ["local", "remote"])
@pytest.mark.parametrize("kind", TOKENS)
def test_no_error_and_no_log_line_holds_a_token(everything, mode, kind):
    issuer = MemoryIssuer(algorithm="Ed25519")
    raw = TOKENS[kind](issuer)
    shown = ""
    try:
        shown = repr(build_verifier(issuer, mode).verify(raw)).replace(
            SECRET, "", 2
        )  # the subject and the jti may be seen
    except OAuthGuardError as error:
        shown = f"{error} {error!r} {error.args} {vars(error)} {''.join(traceback.format_exception(error))}"
    assert_clean(shown + everything(), find_traces(raw))


@pytest.mark.promise("GD-26")
@pytest.mark.parametrize("fault", sorted(FAULTS))
def test_no_fault_of_the_issuer_brings_out_a_token_or_a_secret(everything, fault):
    with HTTPIssuer() as server:
        server.delay = 0
        app, _events = build_app(server.settings, **{"oauthguard.http.timeout": "0.3"})
        for raw in (server.issuer.mint(sub=SECRET), server.issuer.mint_opaque(sub=SECRET)):
            for endpoint in ("introspection", "keys", "metadata"):
                server.heal()
                server.fail(fault, endpoint)
                answer = app.get("/remote", headers={"Authorization": f"Bearer {raw}"}, expect_errors=True)
                shown = f"{answer.status} {answer.headerlist} {answer.text}" if answer.status_int != 200 else ""
                assert answer.status_int in {200, 401, 503}
                assert_clean(shown, {*find_traces(raw), *CLIENT, server.origin, "127.0.0.1"})
                assert_clean(everything(), {*find_traces(raw), CLIENT[1]})


@pytest.mark.promise("GD-26")
@pytest.mark.parametrize("path", ["/local", "/remote"])
@pytest.mark.parametrize("kind", TOKENS)
def test_no_answer_and_no_event_holds_a_token(everything, path, kind):
    issuer = MemoryIssuer(algorithm="Ed25519")
    app, events = build_app(issuer.settings, issuer=issuer)
    raw = TOKENS[kind](issuer)
    answer = app.get(path, headers={"Authorization": f"Bearer {raw}"}, expect_errors=True)
    assert answer.status_int in {200, 400, 401}
    assert_clean(f"{answer.headerlist} {answer.text} {everything()}", find_traces(raw))
    assert events
    for event in events:
        if isinstance(event, AccessTokenRejected):
            assert_clean(f"{event.reason} {event.mode}", find_traces(raw))
        else:
            assert_clean(repr(event.access_token).replace(SECRET, ""), find_traces(raw) - {SECRET})


def build_app(settings, issuer=None, **more):
    config = Configurator(settings={**settings, **more})
    config.include("pyramid_oauthguard")
    events = []
    config.add_subscriber(events.append, AccessTokenAccepted)
    config.add_subscriber(events.append, AccessTokenRejected)
    for mode in ("local", "remote"):
        config.add_route(mode, f"/{mode}")
        config.add_view(lambda _request: {}, route_name=mode, renderer="json", token_check=mode)
    app = TestApp(config.make_wsgi_app())
    if issuer is not None:
        trust(app, issuer)
    return app, events


@pytest.mark.promise("GD-26")
def test_the_value_of_a_token_shows_no_claims_and_not_itself():
    issuer = MemoryIssuer(algorithm="Ed25519")
    raw = issuer.mint(sub="ada", email=SECRET)
    token = build_verifier(issuer).verify(raw)
    assert_clean(f"{token!r} {token!s} {token}", find_traces(raw))
    pickled = pickle.dumps(token)  # it has the claims, but not the characters of the token
    assert not any(part.encode() in pickled for part in raw.split("."))


@pytest.mark.promise("GD-26")
def test_a_signing_key_shows_nothing_of_itself():
    key = MemoryIssuer(algorithm="Ed25519").signing_key
    assert key.native.as_dict(private=True)["d"] not in f"{key!r} {key}"
