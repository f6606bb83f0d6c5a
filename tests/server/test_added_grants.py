"""Grants that an application adds: one that acted for a user got, in silence, a token for the client itself."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
from typing import Any

import pytest
from authlib.oauth2.rfc6749 import BaseGrant, TokenEndpointMixin
from authlib.oauth2.rfc6749.errors import InvalidGrantError, InvalidRequestError
from authlib.oauth2.rfc7523 import JWTBearerGrant
from joserfc import jwk, jwt
from pyramid.config import Configurator

from pyramid_oauthguard import SettingError
from pyramid_oauthguard.server.clients import MadeClient
from tests.server.conftest import Build
from tests.server.flows import Flow, build_flow

TYPE = "urn:example:pin"
PINS = {"1234": "anna", "5678": "bob", "0000": "mallory"}


class Pin(BaseGrant, TokenEndpointMixin):
    """A user's PIN, which a terminal of ours sends."""

    ACTS_FOR_USER = True
    GRANT_TYPE = TYPE
    TOKEN_ENDPOINT_AUTH_METHODS = ("client_secret_basic", "none")
    refresh = True

    def validate_token_request(self) -> None:
        self.request.client = self.authenticate_token_endpoint_client()
        pin = self.request.form.get("pin")
        if pin is None:
            raise InvalidRequestError("The parameter pin is missing.")
        if pin not in PINS:
            raise InvalidGrantError("The PIN is wrong.")
        self.request.user = PINS[pin]

    def create_token_response(self) -> Any:
        token = self.make()
        self.save_token(token)
        return 200, token, self.TOKEN_RESPONSE_HEADER

    def make(self) -> Any:
        scope = self.request.payload.scope
        return self.generate_token(user=self.request.user, scope=scope, include_refresh_token=self.refresh)


def build_pin(build: Build, grant: Any = Pin, **settings: Any) -> Flow:
    return build_flow(build, settings, configure=lambda config: config.add_oauth_grant(grant))


def add_client(flow: Flow, **how: Any) -> MadeClient:
    given = {
        "grants": [TYPE, "authorization_code", "refresh_token"],
        "redirect_uris": ["https://web.example/callback?tenant=1"],
    }
    return flow.server.clients.create("Terminal", scopes=["read", "write"], **{**given, **how})


def ask(flow: Flow, client: MadeClient, pin: str = "1234", status: Any = "*", **form: Any) -> Any:
    body = {"grant_type": TYPE, "pin": pin, **form}
    if client.secret is None:
        return flow.server.app.post("/oauth/token", {**body, "client_id": client.client.client_id}, status=status)
    return flow.server.app.post("/oauth/token", body, headers=flow.server.basic(client), status=status)


def consent(flow: Flow, client: MadeClient, scope: str = "read write", subject: str = "anna") -> None:
    """The user allows the client these scopes on the page."""
    page = flow.sign_in(subject).get(
        "/oauth/authorize", flow.ask(client, scope=scope, redirect_uri="https://web.example/callback?tenant=1")
    )
    assert page.form.submit("decision", value="allow").status_int == 303


def count_tokens(flow: Flow) -> int:
    with contextlib.closing(sqlite3.connect(flow.server.file)) as db:
        return int(db.execute("SELECT count(*) FROM oauth_access_tokens").fetchone()[0])


# ── the declaration ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("said", [None, "yes", 1, 0, "user", "False"])
def test_a_grant_that_does_not_say_for_whom_its_tokens_are_stops_start_up(said: Any) -> None:
    grant = type("Odd", (Pin,), {"ACTS_FOR_USER": said})
    config = Configurator()
    config.include("pyramid_oauthguard.server")
    with pytest.raises(SettingError, match=r"Odd does not say for whom its tokens are \(set ACTS_FOR_USER = True"):
        config.add_oauth_grant(grant)


def test_a_grant_of_authlib_alone_says_nothing_either() -> None:
    config = Configurator()
    config.include("pyramid_oauthguard.server")
    with pytest.raises(SettingError, match="does not say for whom"):
        config.add_oauth_grant(JWTBearerGrant)


def test_what_it_says_of_consent_is_a_bool() -> None:
    config = Configurator()
    config.include("pyramid_oauthguard.server")
    with pytest.raises(SettingError, match="NEEDS_CONSENT must be True or False"):
        config.add_oauth_grant(type("Odd", (Pin,), {"NEEDS_CONSENT": "no"}))


class Forgetful(Pin):
    """As grants were written when nothing was said: the user is left out."""

    def make(self) -> Any:
        return self.generate_token(scope=self.request.payload.scope)


class Numbering(Pin):
    def make(self) -> Any:
        return self.generate_token(user=7, scope=self.request.payload.scope)


class OddUser(Pin):
    class User:
        def get_user_id(self) -> Any:
            return None

    def make(self) -> Any:
        return self.generate_token(user=self.User(), scope=self.request.payload.scope)


class ByHand(Pin):
    """The client's own token, made by hand without saying so."""

    def make(self) -> Any:
        return self.server.make_token(self.request.client.record, scopes=("read",), audiences=("https://api.example",))


class Unbound(ByHand):
    """A user's token that no grant belongs to: no withdrawal would end it."""

    def make(self) -> Any:
        client = self.request.client.record
        return self.server.make_token(client, subject="anna", scopes=("read",), audiences=("https://api.example",))


class Contradicting(Pin):
    ACTS_FOR_USER = False


@pytest.mark.parametrize("grant", [Forgetful, Numbering, OddUser, ByHand, Unbound, Contradicting])
def test_a_token_for_nobody_in_particular_is_refused_and_the_log_says_why(
    build: Build, grant: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        logging.getLogger("pyramid_oauthguard.server"), "disabled", False
    )  # other tests configure logging
    flow = build_pin(build, grant)
    client = add_client(flow)
    consent(flow, client)
    answer = ask(flow, client)
    assert (answer.status_int, answer.json["error"]) == (400, "server_error")
    assert "access_token" not in answer.json
    assert count_tokens(flow) == 0
    assert any(record.levelname == "ERROR" and "user" in record.getMessage() for record in caplog.records)


# ── a user's token ───────────────────────────────────────────────────────────────────────────────────────────────


def test_the_token_is_the_users_as_those_of_built_in_grants_are(build: Build) -> None:
    flow = build_pin(build)
    client = add_client(flow)
    consent(flow, client)
    answer = ask(flow, client, status=200).json
    told = flow.server.introspect(answer["access_token"])
    assert (told["sub"], told["client_id"], told["scope"]) == ("anna", client.client.client_id, "read")
    assert told["aud"] == "https://api.example"
    form = {"grant_type": "refresh_token", "refresh_token": answer["refresh_token"]}
    again = flow.server.app.post("/oauth/token", form, headers=flow.server.basic(client)).json
    assert flow.server.introspect(again["access_token"])["sub"] == "anna"
    flow.people.gone.add("anna")
    assert not flow.is_active(again["access_token"])
    assert ask(flow, client).json["error"] == "invalid_grant"


@pytest.mark.promise("AS-07")
def test_a_user_who_did_not_allow_it_is_not_acted_for(build: Build) -> None:
    flow = build_pin(build)
    client, other = add_client(flow), add_client(flow)
    assert ask(flow, client).json["error"] == "invalid_grant"
    consent(flow, other)
    consent(flow, client, scope="read")
    assert ask(flow, client, scope="read").status_int == 200
    assert ask(flow, client, scope="read write").json["error"] == "invalid_grant"
    assert ask(flow, client, pin="5678", scope="read").json["error"] == "invalid_grant", "bob allowed nothing"


def test_a_consent_is_for_the_apis_that_it_was_given_at(build: Build) -> None:
    flow = build_pin(build)
    client = add_client(flow, audiences=["https://api.example", "https://other.example"])
    consent(flow, client)
    token = ask(flow, client, resource="https://api.example", status=200).json["access_token"]
    assert flow.server.introspect(token)["aud"] == "https://api.example"
    assert ask(flow, client, resource="https://other.example").json["error"] == "invalid_grant"
    assert ask(flow, client, resource="https://unknown.example").json["error"] == "invalid_target"


def test_withdrawing_ends_its_tokens_and_gives_no_other(build: Build) -> None:
    flow = build_pin(build)
    client = add_client(flow)
    consent(flow, client)
    token = ask(flow, client, status=200).json["access_token"]
    browser = flow.sign_in()
    browser.get("/oauth/applications").form.submit().follow()
    assert not flow.is_active(token)
    assert ask(flow, client).json["error"] == "invalid_grant"


def test_a_withdrawal_between_the_making_and_the_storing_wins(build: Build) -> None:
    class Slow(Pin):
        def create_token_response(self) -> Any:
            token = self.make()
            flow.sign_in().get("/oauth/applications").form.submit()
            self.save_token(token)
            return 200, token, self.TOKEN_RESPONSE_HEADER

    flow = build_pin(build, Slow)
    client = add_client(flow)
    consent(flow, client)
    assert ask(flow, client).json["error"] == "invalid_grant"
    assert count_tokens(flow) == 0


def test_consents_of_a_public_client_do_not_count(build: Build) -> None:
    """Anybody can say to be it, so the authorization endpoint asks each time, too."""
    flow = build_pin(build)
    client = add_client(flow, public=True)
    consent(flow, client)
    assert ask(flow, client).json["error"] == "invalid_grant"


class Trusted(Pin):
    """One that proves by itself that the user allows it."""

    NEEDS_CONSENT = False
    refresh = False


def test_a_grant_may_say_that_it_proves_the_consent_itself(build: Build) -> None:
    flow = build_pin(build, Trusted)
    client = add_client(flow)
    answer = ask(flow, client, status=200).json
    assert flow.server.introspect(answer["access_token"])["sub"] == "anna"
    assert "refresh_token" not in answer
    flow.people.gone.add("anna")
    assert ask(flow, client).json["error"] == "invalid_grant"


@pytest.mark.promise("AS-11")
@pytest.mark.parametrize("subject", ["", "a" * 256, "an\nna", "a\x00", None])
def test_a_user_without_a_sound_identifier_gets_nothing(build: Build, subject: str | None) -> None:
    flow = build_pin(build, Trusted)
    client = add_client(flow)
    PINS["9999"] = client.client.client_id if subject is None else subject  # a client's id would pass for the client
    try:
        assert ask(flow, client, pin="9999").json["error"] == "server_error"
    finally:
        del PINS["9999"]


@pytest.mark.promise("TK-07")
def test_only_what_the_client_is_registered_for(build: Build) -> None:
    flow = build_pin(build, Trusted)
    client = add_client(flow)
    assert ask(flow, client, scope="read admin").json["error"] == "invalid_scope"
    other = add_client(flow, grants=["authorization_code"])
    assert ask(flow, other).json["error"] == "unauthorized_client"
    assert ask(flow, flow.server.api).json["error"] == "unauthorized_client"


class Itself(Pin):
    ACTS_FOR_USER = False

    def make(self) -> Any:
        return self.generate_token(scope=self.request.payload.scope)


@pytest.mark.promise("TK-07")
def test_a_grant_in_which_the_client_acts_for_itself(build: Build) -> None:
    flow = build_pin(build, Itself)
    client = add_client(flow, audiences=["https://api.example", "https://other.example"])
    answer = ask(flow, client, status=200, resource="https://api.example").json
    told = flow.server.introspect(answer["access_token"])
    assert (told["sub"], told["aud"]) == (client.client.client_id, "https://api.example")
    assert "refresh_token" not in answer
    other = add_client(flow, grants=["authorization_code"])
    assert ask(flow, other).json["error"] == "unauthorized_client"


KEY = jwk.OctKey.import_key("k" * 32)


class Assertion(JWTBearerGrant):
    """Authlib's own grant, completed as its documentation has it; its users are objects."""

    ACTS_FOR_USER = True
    NEEDS_CONSENT = False

    class User:
        def __init__(self, subject: str) -> None:
            self.subject = subject

        def get_user_id(self) -> str:
            return self.subject

    def resolve_issuer_client(self, issuer: str) -> Any:
        return self.server.query_client(issuer)

    def resolve_client_public_key(self, client: Any) -> Any:
        return KEY

    def get_audiences(self) -> list[str]:
        return ["http://localhost:6543"]

    def authenticate_user(self, subject: str) -> Any:
        return self.User(subject)

    def has_granted_permission(self, client: Any, user: Any) -> bool:
        return True


def test_authlibs_jwt_bearer_grant_gets_a_token_for_the_user_it_found(build: Build) -> None:
    flow = build_pin(build, Assertion)
    client = add_client(flow, grants=[Assertion.GRANT_TYPE])
    claims = {"iss": client.client.client_id, "aud": "http://localhost:6543", "exp": 9_999_999_999, "sub": "anna"}
    answer = flow.server.app.post("/oauth/token", build_assertion(claims)).json
    assert flow.server.introspect(answer["access_token"])["sub"] == "anna"
    del claims["sub"]
    answer = flow.server.app.post("/oauth/token", build_assertion(claims), status=400)
    assert answer.json["error"] == "server_error", "without a user it is not, in silence, the client itself"


def build_assertion(claims: dict[str, Any]) -> dict[str, str]:
    return {"grant_type": Assertion.GRANT_TYPE, "assertion": jwt.encode({"alg": "HS256"}, claims, KEY), "scope": "read"}
