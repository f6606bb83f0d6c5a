"""No log line, warning, exception, repr, event or answer holds a token or a secret, at any level."""

from __future__ import annotations

import gc
import io
import logging
import traceback
import warnings

import pytest
from pyramid.config import Configurator
from pyramid.request import Request
from webtest import TestApp

from pyramid_oauthguard import OAuthGuardError, UnavailableError
from pyramid_oauthguard.guard.events import AccessTokenAccepted, AccessTokenRejected
from pyramid_oauthguard.guard.verification import verify
from pyramid_oauthguard.interfaces import ICredentialVerifier
from tests.guard.guarding import Root, add, ask
from tests.guard.verifying import find_verifier
from tests.issuers import CLIENT, FAULTS, HTTPIssuer

pytestmark = pytest.mark.promise("GD-26")

ROOTS = ("", "pyramid_oauthguard", "urllib3", "urllib3.connectionpool", "dogpile", "dogpile.cache", "dogpile.cache.region", "dogpile.lock", "pyramid", "pyramid.debug", "py.warnings", "waitress")  # fmt: skip


class Listening:
    """Everything that is said while a `with` block runs: all loggers at DEBUG, warnings, events, answers."""

    def __init__(self):
        self.said = []
        self._stream = io.StringIO()
        self._handler = logging.StreamHandler(self._stream)
        self._handler.setFormatter(_Everything())
        self._levels = {}
        self._warnings = warnings.catch_warnings(record=True)

    def __enter__(self):
        for name in ROOTS:
            logger = logging.getLogger(name)
            self._levels[name] = (logger.level, logger.disabled)
            logger.setLevel(logging.DEBUG)
            logger.disabled = False
        logging.getLogger().addHandler(self._handler)
        self._caught = self._warnings.__enter__()
        warnings.simplefilter("always")
        return self

    def __exit__(self, *error):
        self._warnings.__exit__(*error)
        logging.getLogger().removeHandler(self._handler)
        for name, (level, disabled) in self._levels.items():
            logging.getLogger(name).setLevel(level)
            logging.getLogger(name).disabled = disabled

    def hear(self, *things):
        for thing in things:
            # As text, a request of WebOb is the request itself, headers and all.
            self.said += [repr(thing)] if isinstance(thing, Request) else [str(thing), repr(thing)]

    @property
    def text(self):
        return "\n".join([self._stream.getvalue(), *self.said, *(str(each.message) for each in self._caught)])


class _Everything(logging.Formatter):
    """Not the message alone: what a handler that keeps records would see."""

    def format(self, record):
        return f"{super().format(record)} | {record.args!r} | {record.__dict__!r}"


def build_parts(*secrets):
    """What must not be found: the whole, and any part of a token that gives its holder something."""
    parts = set()
    for secret in secrets:
        parts.add(secret)
        parts.update(part for part in secret.split(".") if len(part) > 15)
    return parts


def check(text, *secrets):
    for part in build_parts(*secrets, CLIENT[1]):
        assert part not in text, part[:12]


def build(server, listening, **settings):
    more = {f"oauthguard.{name}": value for name, value in settings.items()}
    config = Configurator(
        settings={
            **server.settings,
            "oauthguard.http.timeout": "1",
            "oauthguard.keys.cooldown": "0",
            "pyramid.debug_all": "true",
            **more,
        },
        root_factory=Root,
    )
    config.include("pyramid_oauthguard")
    config.add_subscriber(lambda event: listening.hear(event, event.request, event.access_token), AccessTokenAccepted)
    config.add_subscriber(lambda event: listening.hear(event, event.request, event.reason), AccessTokenRejected)
    add(config, "/local", token_check="local", permission="read")
    add(config, "/remote", token_check="remote", token_require="read")
    add(config, "/odd", lambda request: listening.hear(request, request.identity, request.access_token) or {})
    app = config.make_wsgi_app()
    listening.hear(app.registry, app.registry.settings["oauthguard.issuer"], app.registry.oauthguard.settings)
    listening.hear(
        app.registry.oauthguard,
        *(app.registry.getUtility(ICredentialVerifier, name=mode) for mode in ("local", "remote")),
    )
    return TestApp(app)


def make_tokens(issuer):
    revoked = issuer.mint(scope="read")
    issuer.revoke(revoked)
    good = issuer.mint(scope="read", email="ada@example.com")
    return {
        "good": good,
        "revoked": revoked,
        "expired": issuer.mint_expired(),
        "foreign": issuer.mint_foreign(),
        "tampered": issuer.mint_tampered(),
        "unknown key": issuer.mint(header={"kid": "somebody-else's"}),
        "opaque": issuer.mint_opaque(scope="read"),
        "unknown opaque": "an-opaque-token-that-nobody-issued",
        "bad json": f"{good.split('.')[0]}.bm90LWpzb24tYnV0LWEtc2VjcmV0LWFsbC10aGUtc2FtZQ.{good.split('.')[2]}",
        "for others": issuer.mint(aud="https://other.test"),
        "odd claims": issuer.mint(scope=7, sub=["x"]),
    }


@pytest.mark.slow
def test_in_good_and_bad_requests():
    with Listening() as listening, HTTPIssuer() as server:
        app = build(server, listening, **{"cache.introspection.expiration_time": "60"})
        tokens = make_tokens(server.issuer)
        for raw in tokens.values():
            for path in "/local", "/remote", "/odd":
                for _again in range(2):
                    listening.hear(ask(app, path, raw))
            for header in (
                f"Bearer {raw} {raw}",
                f"Bearer {raw}, Bearer {raw}",
                f"Bearer\t{raw}",
                f'Bearer "{raw}"',
                f"Basic {raw}",
                f"Token {raw}",
            ):
                listening.hear(ask(app, "/remote", Authorization=header))
        text = listening.text
    assert "token refused by the local check: expired" in text  # it was listening
    assert "urllib3" in text or "HTTP/1.1" in text
    answers = text.replace("'email': 'ada@example.com'", "")
    assert "ada@example.com" not in answers
    check(text, *tokens.values())


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_while_the_issuer_fails(fault):
    with Listening() as listening, HTTPIssuer() as server:
        server.delay = 1.5
        app = build(server, listening, **{"cache.inactive.expiration_time": "0"})
        tokens = make_tokens(server.issuer)
        assert ask(app, "/remote", tokens["good"]).status_int == 200
        for endpoint in "introspection", "keys", "metadata":
            server.heal()
            server.fail(fault, endpoint)
            app = build(server, listening)
            listening.hear(ask(app, "/remote", tokens["good"]), ask(app, "/local", tokens["unknown key"]))
        text = listening.text
    check(text, tokens["good"], tokens["unknown key"])


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["local", "remote"])
def test_in_tracebacks_and_reprs_of_errors(mode):
    with Listening() as listening, HTTPIssuer() as server:
        app = build(server, listening)
        verifier = find_verifier(app.app.registry, mode)
        tokens = make_tokens(server.issuer)
        errors = []
        for fault in [None, "garbage", "hang"]:
            server.heal()
            if fault:
                server.fail(fault, "introspection")
            for raw in tokens.values():
                try:
                    listening.hear(verifier.verify(raw))
                except OAuthGuardError as error:
                    errors.append(error)
                    listening.hear(error, error.reason, error.args, "".join(traceback.format_exception(error)))
        text = listening.text
    assert len(errors) > 8
    check(text, *tokens.values())


def test_an_access_token_shows_no_claims_and_not_itself():
    with Listening() as listening, HTTPIssuer() as server:
        app = build(server, listening)
        verifier = find_verifier(app.app.registry)
        raw = server.issuer.mint(email="ada@example.com", ssn="078-05-1120")
        token = verifier.verify(raw)
        assert token.claims["email"] == "ada@example.com"
        for shown in str(token), repr(token), f"{token!r}", repr([token]):
            assert "ada@example.com" not in shown
            assert "078-05-1120" not in shown
            check(shown, raw)


@pytest.mark.slow
def test_a_refusal_keeps_no_frames_alive():
    """A traceback would hold on to the frames it came through, in whose variables the token is."""
    with Listening() as listening, HTTPIssuer() as server:
        kept = []
        app = build(server, listening)
        app.app.registry.registerHandler(
            lambda event: kept.append(event.request.registry.oauthguard.authenticator.authenticate(event.request)),
            [__import__("pyramid.interfaces", fromlist=["INewResponse"]).INewResponse],
        )
        ask(app, "/local", server.issuer.mint_expired())
        ask(app, "/remote", server.issuer.mint(scope="other"))
        gc.collect()
        assert kept
        for error in kept:
            assert getattr(error, "__traceback__", None) is None


def test_the_failure_of_a_verifier_does_not_keep_its_error():
    """The text of the error may hold the token, and its frames do."""

    class Broken:
        def verify(self, raw):
            raise ValueError(raw)

    config = Configurator(settings={"oauthguard.issuer": "https://id.example", "oauthguard.audience": "api"})
    config.include("pyramid_oauthguard")
    config.set_token_verifier("local", Broken())
    config.commit()
    request = Request.blank("/", headers={"Authorization": "Bearer abc"})
    request.registry = config.registry
    error = config.registry.oauthguard.authenticator.authenticate(request)
    assert (error.reason, error.__context__, error.__traceback__) == ("verifier_failed", None, None)
    with pytest.raises(UnavailableError) as caught:
        verify(config.registry, "abc")
    assert (caught.value.reason, caught.value.__context__) == ("verifier_failed", None)
