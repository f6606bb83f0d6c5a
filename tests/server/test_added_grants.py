"""Grants that an application adds: one that acted for a user got, in silence, a token for the client itself."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import pytest
from authlib.oauth2.rfc6749 import BaseGrant, TokenEndpointMixin
from authlib.oauth2.rfc6749.errors import InvalidClientError, InvalidGrantError, InvalidRequestError
from authlib.oauth2.rfc7523 import JWTBearerGrant
from joserfc import jwk, jwt
from pyramid.config import Configurator

from pyramid_oauthguard import SettingError, UnavailableError
from pyramid_oauthguard.server.clients import MadeClient
from tests.server.conftest import Build, basic
from tests.server.flows import Flow, build_flow
from tests.steady.redis_server import run_redis

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


class ForItself(Pin):
    """Made by hand for the client itself, where the class says that it acts for a user."""

    def make(self) -> Any:
        client = self.request.client.record
        return self.server.make_token(client, subject=None, scopes=("read",), audiences=("https://api.example",))


@pytest.mark.slow
@pytest.mark.parametrize("grant", [Forgetful, Numbering, OddUser, ByHand, Unbound, ForItself, Contradicting])
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


@pytest.mark.slow
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


@pytest.mark.slow
@pytest.mark.promise("AS-52")
def test_a_user_who_did_not_allow_it_is_not_acted_for(build: Build) -> None:
    flow = build_pin(build)
    client, other = add_client(flow), add_client(flow)
    assert ask(flow, client).json["error"] == "invalid_grant"
    consent(flow, other)
    consent(flow, client, scope="read")
    assert ask(flow, client, scope="read").status_int == 200
    assert ask(flow, client, scope="read write").json["error"] == "invalid_grant"
    assert ask(flow, client, pin="5678", scope="read").json["error"] == "invalid_grant", "bob allowed nothing"


@pytest.mark.slow
def test_a_consent_is_for_the_apis_that_it_was_given_at(build: Build) -> None:
    flow = build_pin(build)
    client = add_client(flow, audiences=["https://api.example", "https://other.example"])
    consent(flow, client)
    token = ask(flow, client, resource="https://api.example", status=200).json["access_token"]
    assert flow.server.introspect(token)["aud"] == "https://api.example"
    assert ask(flow, client, resource="https://other.example").json["error"] == "invalid_grant"
    assert ask(flow, client, resource="https://unknown.example").json["error"] == "invalid_target"


@pytest.mark.slow
def test_withdrawing_ends_its_tokens_and_gives_no_other(build: Build) -> None:
    flow = build_pin(build)
    client = add_client(flow)
    consent(flow, client)
    token = ask(flow, client, status=200).json["access_token"]
    browser = flow.sign_in()
    browser.get("/oauth/applications").form.submit().follow()
    assert not flow.is_active(token)
    assert ask(flow, client).json["error"] == "invalid_grant"


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
def test_a_grant_may_say_that_it_proves_the_consent_itself(build: Build) -> None:
    flow = build_pin(build, Trusted)
    client = add_client(flow)
    answer = ask(flow, client, status=200).json
    assert flow.server.introspect(answer["access_token"])["sub"] == "anna"
    assert "refresh_token" not in answer
    flow.people.gone.add("anna")
    assert ask(flow, client).json["error"] == "invalid_grant"


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
@pytest.mark.parametrize(
    ("scopes", "audiences", "error"),
    [
        (("admin",), ("https://api.example",), "invalid_scope"),
        (("read", "admin"), ("https://api.example",), "invalid_scope"),
        (("read",), ("https://evil.example",), "invalid_target"),
        (("read",), ("https://api.example", "https://evil.example"), "invalid_target"),
    ],
)
def test_a_token_made_by_hand_has_no_more_than_the_client_is_registered_for(
    build: Build, scopes: tuple[str, ...], audiences: tuple[str, ...], error: str
) -> None:
    class Wide(Itself):
        def make(self) -> Any:
            client = self.request.client.record
            return self.server.make_token(client, subject=None, scopes=scopes, audiences=audiences)

    flow = build_pin(build, Wide)
    assert ask(flow, add_client(flow)).json["error"] == error
    assert count_tokens(flow) == 0


@pytest.mark.slow
def test_a_token_made_by_hand_needs_a_client_with_this_grant(build: Build) -> None:
    class Made(Itself):
        def make(self) -> Any:
            client = self.request.client.record
            return self.server.make_token(client, subject=None, scopes=("read",), audiences=("https://api.example",))

    flow = build_pin(build, Made)
    assert ask(flow, add_client(flow)).status_int == 200
    assert ask(flow, add_client(flow, grants=["authorization_code"])).json["error"] == "unauthorized_client"


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


@pytest.mark.slow
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


# ── guesses ──────────────────────────────────────────────────────────────────────────────────────────────────────


def build_limited(build: Build, grant: Any = Trusted, **settings: Any) -> Flow:
    return build_pin(build, grant, **{"limits": "on", "limits.failures": "3/1m", **settings})


def guess(flow: Flow, client: MadeClient, pins: Any, address: str = "192.0.2.1", **form: Any) -> list[int]:
    headers = flow.server.basic(client) if client.secret else {}
    if client.secret is None:
        form["client_id"] = client.client.client_id
    answers = []
    for pin in pins:
        body = {"grant_type": TYPE, "pin": pin, **form}
        where = {"REMOTE_ADDR": address}
        answers.append(flow.server.app.post("/oauth/token", body, headers=headers, extra_environ=where, status="*"))
    return [answer.status_int for answer in answers]


WRONG = "9999"


@pytest.mark.slow
@pytest.mark.parametrize("public", [False, True])
def test_who_guesses_is_stopped_also_with_the_right_one(build: Build, public: bool) -> None:
    flow = build_limited(build)
    client = add_client(flow, public=public)
    assert guess(flow, client, [WRONG] * 3 + ["1234"]) == [400, 400, 400, 429]
    assert guess(flow, client, ["1234"], address="198.51.100.1") == [200], "elsewhere the client goes on"
    assert guess(flow, add_client(flow, public=public), ["1234"]) == [200], "another client goes on"


@pytest.mark.slow
@pytest.mark.parametrize("status", [200, 400, 403])
def test_a_refusal_that_a_grant_returns_is_counted_as_one_that_it_raises(build: Build, status: int) -> None:
    class Returning(Pin):
        def validate_token_request(self) -> None:
            self.request.client = self.authenticate_token_endpoint_client()
            self.request.user = PINS.get(self.request.form["pin"])

        def create_token_response(self) -> Any:
            if self.request.user is None:
                return status, {"error": "invalid_grant"}, self.TOKEN_RESPONSE_HEADER
            return super().create_token_response()

    flow = build_limited(build, Returning)
    client = add_client(flow)
    assert guess(flow, client, [WRONG] * 3 + ["1234"]) == [status] * 3 + [429]


@pytest.mark.slow
def test_the_right_one_is_not_counted(build: Build) -> None:
    flow = build_limited(build)
    client = add_client(flow)
    assert guess(flow, client, ["1234"] * 8) == [200] * 8
    assert guess(flow, client, [WRONG, "1234"] * 2 + [WRONG, "1234"]) == [400, 200, 400, 200, 400, 429]


@pytest.mark.slow
def test_an_address_that_guesses_as_many_clients_is_stopped(build: Build) -> None:
    flow = build_limited(build)
    clients = [add_client(flow, public=True) for _ in range(6)]
    answers = [guess(flow, client, [WRONG] * 3) for client in clients]
    assert answers == [[400] * 3] * 5 + [[429] * 3]


@pytest.mark.slow
def test_what_comes_at_once_is_counted_before_it_is_judged(build: Build) -> None:
    judged = threading.Semaphore(0)
    gate = threading.Event()

    class Waiting(Trusted):
        def authenticate_token_endpoint_client(self) -> Any:
            client = super().authenticate_token_endpoint_client()
            judged.release()
            assert gate.wait(30)
            return client

    flow = build_limited(build, Waiting)
    client = add_client(flow)
    with ThreadPoolExecutor(8) as pool:
        waiting = [pool.submit(guess, flow, client, [WRONG]) for _ in range(8)]
        for _ in range(3):
            assert judged.acquire(timeout=30)
        done, _ = wait(waiting, timeout=30, return_when="FIRST_COMPLETED")
        gate.set()
        answers = sorted(future.result()[0] for future in waiting)
    assert answers == [400] * 3 + [429] * 5
    assert done, "what is over the limit is refused before the others are judged"


@pytest.mark.slow
@pytest.mark.parametrize("form", [{"scope": "read admin"}, {"resource": "https://unknown.example"}])
def test_a_right_one_that_is_refused_for_something_else_tells_nothing_for_free(build: Build, form: Any) -> None:
    flow = build_limited(build)
    client = add_client(flow)
    assert guess(flow, client, ["1234"] * 4, **form) == [400] * 3 + [429]


@pytest.mark.slow
def test_who_does_not_know_the_clients_secret_does_not_use_up_its_guesses(build: Build) -> None:
    flow = build_limited(build)
    client = add_client(flow)
    wrong = basic(client.client.client_id, "ogcs_wrong")
    for status in [401] * 3 + [429] * 20:
        form = {"grant_type": TYPE, "pin": WRONG}
        flow.server.app.post(
            "/oauth/token", form, headers=wrong, extra_environ={"REMOTE_ADDR": "192.0.2.1"}, status=status
        )
    assert guess(flow, client, ["1234", WRONG, WRONG, WRONG, "1234"]) == [200, 400, 400, 400, 429]


@pytest.mark.slow
def test_a_grant_that_calls_a_wrong_assertion_a_wrong_client_is_counted(build: Build) -> None:
    class Renaming(Trusted):
        def validate_token_request(self) -> None:
            try:
                super().validate_token_request()
            except InvalidGrantError:
                raise InvalidClientError("The PIN is wrong.") from None

    flow = build_limited(build, Renaming)
    client = add_client(flow)
    assert guess(flow, client, [WRONG] * 3 + ["1234"]) == [400, 400, 400, 429]


def test_an_outage_is_no_guess(build: Build) -> None:
    class Down(Trusted):
        def validate_token_request(self) -> None:
            raise UnavailableError("users")

    flow = build_limited(build, Down)
    client = add_client(flow)
    assert guess(flow, client, [WRONG] * 5) == [503] * 5


@pytest.mark.slow
def test_a_grant_that_breaks_counts(build: Build) -> None:
    class Broken(Trusted):
        def validate_token_request(self) -> None:
            self.request.client = self.authenticate_token_endpoint_client()
            int(self.request.form["pin"])

    flow = build_limited(build, Broken)
    client = add_client(flow)
    for _ in range(3):
        with pytest.raises(ValueError, match="invalid literal"):
            guess(flow, client, ["x"])
    assert guess(flow, client, ["1"]) == [429]


def test_without_client_authentication_the_address_counts(build: Build) -> None:
    flow = build_limited(build, Assertion)
    form = {"grant_type": Assertion.GRANT_TYPE, "assertion": "x.y.z"}
    answers = [
        flow.server.app.post("/oauth/token", form, status="*", extra_environ={"REMOTE_ADDR": "192.0.2.1"}).status_int
        for _ in range(16)
    ]
    assert answers == [400] * 15 + [429]


@pytest.mark.slow
def test_a_page_of_another_site_uses_up_nobodys_guesses(build: Build) -> None:
    flow = build_limited(build)
    client = add_client(flow, public=True)
    form = {"grant_type": TYPE, "pin": WRONG, "client_id": client.client.client_id}
    foreign = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}
    for _ in range(5):
        flow.server.app.post("/oauth/token", form, headers=foreign, status=403)
    assert ask(flow, client).status_int == 200
    own = {**foreign, "Origin": "https://web.example"}
    assert [flow.server.app.post("/oauth/token", form, headers=own, status="*").status_int for _ in range(4)] == [
        400
    ] * 3 + [429]


@pytest.mark.slow
def test_built_in_grants_are_not_counted(build: Build) -> None:
    flow = build_limited(build)
    for _ in range(5):
        flow.redeem("wrong", status=400)
    assert flow.redeem(flow.allow())["access_token"]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Call to deprecated setex")  # dogpile's, of redis' own client
@pytest.mark.needs("redis-server")
def test_processes_count_guesses_together(build: Build, tmp_path: Path) -> None:
    with run_redis(tmp_path) as redis:
        cache = {"limits.cache.backend": "dogpile.cache.redis", "limits.cache.arguments.port": str(redis.port)}
        flows = [build_limited(build, **cache) for _ in range(2)]
        client = add_client(flows[0])
        assert guess(flows[0], client, [WRONG, "1234", WRONG]) == [400, 200, 400]
        assert guess(flows[1], client, [WRONG, "1234"]) == [400, 429]


class Declaring(Pin):
    """Says which parameters it has."""

    PARAMETERS = ("pin",)
    REPEATABLE_PARAMETERS = frozenset({"hint"})

    def validate_token_request(self) -> None:
        super().validate_token_request()
        type(self).hints = self.request.parameters.get_all("hint")  # type: ignore[attr-defined]


def post(flow: Flow, client: MadeClient, *more: tuple[str, str]) -> Any:
    body = [("grant_type", TYPE), ("scope", "read"), *more]
    return flow.server.app.post("/oauth/token", body, headers=flow.server.basic(client), status="*")


@pytest.mark.slow
@pytest.mark.promise("AS-41")
def test_a_parameter_that_a_grant_declares_is_given_once_or_is_repeatable(build: Build) -> None:
    flow = build_pin(build, Declaring)
    client = add_client(flow)
    consent(flow, client)
    twice = post(flow, client, ("pin", "1234"), ("pin", "5678"))
    assert twice.json == {"error": "invalid_request", "error_description": "The parameter pin is repeated."}
    assert post(flow, client, ("pin", "1234"), ("hint", "a"), ("hint", "b")).status_int == 200
    assert Declaring.hints == ("a", "b")  # type: ignore[attr-defined]


@pytest.mark.slow
@pytest.mark.promise("AS-41")
def test_a_parameter_that_a_grant_does_not_declare_is_not_read_where_it_is_repeated(build: Build) -> None:
    flow = build_pin(build)
    client = add_client(flow)
    consent(flow, client)
    twice = post(flow, client, ("pin", "1234"), ("pin", "5678"))
    assert twice.json == {"error": "invalid_request", "error_description": "The parameter pin is missing."}


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("PARAMETERS", "pin"),
        ("PARAMETERS", (1,)),
        ("REPEATABLE_PARAMETERS", "pin"),
        ("REPEATABLE_PARAMETERS", ("client_id",)),
        ("REPEATABLE_PARAMETERS", ("scope", "hint")),
    ],
)
def test_a_declaration_of_parameters_that_is_none_stops_start_up(attribute: str, value: Any) -> None:
    grant = type("Wrong", (Pin,), {attribute: value})
    config = Configurator(settings={})
    config.include("pyramid_oauthguard.server")
    with pytest.raises(SettingError, match=f"Wrong.{attribute}"):
        config.add_oauth_grant(grant)
