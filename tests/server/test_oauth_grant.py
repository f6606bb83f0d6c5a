"""Grants that act for users: the application says who and what, and the server does the rest."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from pyramid.config import Configurator
from pyramid.exceptions import ConfigurationExecutionError

from pyramid_oauthguard import SettingError
from pyramid_oauthguard.server.clients import MadeClient, RegistrationError
from pyramid_oauthguard.server.grant_types import declare_grant
from pyramid_oauthguard.server.grants import GRANTS, Approval, InvalidGrantError, OAuthGrant
from tests.documentation import find_blocks, read_page
from tests.server.conftest import Build
from tests.server.flows import CALLBACK, Flow, build_flow

PAGE = read_page("how-to/server/extend")
TYPE = "urn:example:badge"
APIS = ("https://orders.example", "https://stock.example")


def load_page() -> dict[str, Any]:
    """The example of the documentation, executed."""
    (code,) = [block for block in find_blocks(PAGE, "python") if "(OAuthGrant)" in block]
    space: dict[str, Any] = {"__name__": "page"}
    exec(compile(code, "extend.md", "exec"), space)  # noqa: S102  # it is our own page
    return space


class Badge(OAuthGrant):
    """A till sends the number of an employee's badge."""

    GRANT_TYPE = TYPE
    PARAMETERS = ("badge",)
    SHORT_NAME = "badge"

    def approve(self, client: Any, parameters: Any) -> Approval:
        subject = {"1": "anna", "2": "bob"}.get(parameters.require("badge"))
        if subject is None:
            raise InvalidGrantError("The badge is not valid.")
        return Approval(subject=subject)


class Trusted(Badge):
    """The same without a consent."""

    NEEDS_CONSENT = False


def build_badge(build: Build, grant: Any = Trusted, **settings: Any) -> tuple[Flow, MadeClient]:
    """A server with this grant, and a client that may use it."""
    flow = build_flow(build, settings, configure=lambda config: config.add_oauth_grant(grant))
    return flow, add_till(flow)


def add_till(flow: Flow, **how: Any) -> MadeClient:
    given = {
        "grants": ["badge", "refresh_token", "authorization_code"],
        "redirect_uris": [CALLBACK],
        "scopes": ["read", "write"],
        "audiences": APIS,
    }
    return flow.server.clients.create("Till", **{**given, **how})


def ask(
    flow: Flow, client: MadeClient, *more: tuple[str, str], badge: str = "1", status: Any = "*", **form: Any
) -> Any:
    pairs = [("grant_type", TYPE), ("badge", badge), *form.items(), *more]
    environ = {"REMOTE_ADDR": "192.0.2.1"}
    headers = flow.server.basic(client)
    return flow.server.app.post("/oauth/token", pairs, headers=headers, status=status, extra_environ=environ)


def refresh(flow: Flow, client: MadeClient, text: str, status: Any = 200, **form: Any) -> Any:
    body = {"grant_type": "refresh_token", "refresh_token": text, **form}
    return flow.server.app.post("/oauth/token", body, headers=flow.server.basic(client), status=status).json


def allow(flow: Flow, client: MadeClient, scope: str = "read write", resource: str | None = None) -> None:
    """The user allows the client these scopes on the page, at all of its APIs or at one."""
    pairs = list(flow.ask(client, scope=scope, redirect_uri=CALLBACK).items())
    pairs += [("resource", each) for each in ([resource] if resource else APIS)]
    assert flow.sign_in().get("/oauth/authorize", pairs).form.submit("decision", value="allow").status_int == 303


def read_claims(flow: Flow, token: str) -> Any:
    """What an API of both audiences is told."""
    api = flow.server.clients.create("API", role="resource_server", audiences=APIS)
    return flow.server.app.post("/oauth/introspect", {"token": token}, headers=flow.server.basic(api)).json


def list_audit(flow: Flow, event: str) -> Any:
    with flow.server.service.store.reading() as unit:
        return unit.list_audit(limit=10, event=event)


# ── the page ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
def test_the_example_on_the_page_gives_a_token_for_the_apis_that_it_names(build: Build) -> None:
    space = load_page()
    flow = build_flow(build, configure=space["includeme"])
    client = add_till(flow)
    number = next(iter(space["BADGES"]))
    names = [("audience", "orders"), ("audience", "stock")]
    assert ask(flow, client, *names, badge=number).json["error"] == "invalid_grant", "the user has not allowed it yet"
    allow(flow, client)
    answer = ask(flow, client, *names, badge=number, status=200).json
    told = read_claims(flow, answer["access_token"])
    assert (told["sub"], told["aud"], told["client_id"]) == ("anna", list(APIS), client.client.client_id)
    one = ask(flow, client, names[0], badge=number, status=200).json["access_token"]
    assert read_claims(flow, one)["aud"] == APIS[0]
    assert ask(flow, client, ("audience", "payroll"), badge=number).json["error"] == "invalid_grant"
    assert ask(flow, client, badge="0").json["error"] == "invalid_grant"


# ── what the server does ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
def test_a_refusal_is_told_and_leaves_nothing_behind(build: Build) -> None:
    flow, client = build_badge(build)
    answer = ask(flow, client, badge="9", status=400)
    assert answer.json == {"error": "invalid_grant", "error_description": "The badge is not valid."}
    assert not list_audit(flow, "TokenIssued")


@pytest.mark.slow
def test_a_parameter_of_its_own_is_required_and_is_given_once(build: Build) -> None:
    flow, client = build_badge(build)
    twice = ask(flow, client, ("badge", "2"), status=400).json
    assert twice == {"error": "invalid_request", "error_description": "The parameter badge is repeated."}
    none = ask(flow, client, badge="", status=400).json
    assert none == {"error": "invalid_request", "error_description": "The parameter badge is missing."}


@pytest.mark.slow
def test_the_token_is_audited_and_belongs_to_a_grant_of_the_user(build: Build) -> None:
    flow, client = build_badge(build)
    ask(flow, client, status=200)
    (entry,) = list_audit(flow, "TokenIssued")
    assert (entry.subject, entry.client_id, entry.address) == ("anna", client.client.client_id, "192.0.2.1")
    assert entry.grant_id
    assert f'"grant_type": "{TYPE}"' in entry.detail


@pytest.mark.slow
def test_the_user_must_have_allowed_it(build: Build) -> None:
    flow, client = build_badge(build, Badge)
    assert ask(flow, client, status=400).json["error"] == "invalid_grant"
    allow(flow, client, scope="read", resource=APIS[0])
    assert ask(flow, client, scope="read", resource=APIS[0]).status_int == 200
    assert ask(flow, client, scope="read", resource=APIS[1]).json["error"] == "invalid_grant"
    assert ask(flow, client, scope="read write", resource=APIS[0]).json["error"] == "invalid_grant"
    assert ask(flow, client, scope="read", resource=APIS[0], badge="2").json["error"] == "invalid_grant", "bob did not"


@pytest.mark.slow
def test_withdrawing_the_consent_ends_the_tokens(build: Build) -> None:
    flow, client = build_badge(build, Badge)
    allow(flow, client)
    answer = ask(flow, client, status=200).json
    flow.sign_in().get("/oauth/applications").form.submit().follow()
    assert read_claims(flow, answer["access_token"]) == {"active": False}
    assert refresh(flow, client, answer["refresh_token"], status=400)["error"] == "invalid_grant"
    assert ask(flow, client).json["error"] == "invalid_grant"


@pytest.mark.slow
def test_a_user_who_is_not_active_is_not_acted_for(build: Build) -> None:
    flow, client = build_badge(build)
    flow.people.gone.add("anna")
    assert ask(flow, client, status=400).json["error"] == "invalid_grant"


@pytest.mark.slow
def test_the_refresh_token_carries_the_whole_grant(build: Build) -> None:
    class Wide(Trusted):
        def approve(self, client: Any, parameters: Any) -> Approval:
            return Approval(subject="anna", scopes=["read", "write"], audiences=APIS)

    flow, client = build_badge(build, Wide)
    first = ask(flow, client, scope="read", resource=APIS[0], status=200).json
    told = read_claims(flow, first["access_token"])
    assert (first["scope"], told["aud"]) == ("read", APIS[0])
    second = refresh(flow, client, first["refresh_token"])
    told = read_claims(flow, second["access_token"])
    assert (second["scope"], told["aud"]) == ("read write", list(APIS))
    assert refresh(flow, client, first["refresh_token"] + "x", status=400)["error"] == "invalid_grant"


def test_a_client_that_is_not_registered_for_it_gets_no_refresh_token(build: Build) -> None:
    flow, client = build_badge(build)
    assert "refresh_token" in ask(flow, client, status=200).json
    assert "refresh_token" not in ask(flow, add_till(flow, grants=["badge"]), status=200).json


@pytest.mark.slow
def test_a_grant_may_do_without_refresh_tokens(build: Build) -> None:
    flow, client = build_badge(build, type("Once", (Trusted,), {"MAY_REFRESH": False}))
    assert "refresh_token" not in ask(flow, client, status=200).json
    with pytest.raises(RegistrationError, match=r"comes with authorization_code or device_code or jwt_bearer$"):
        add_till(flow, grants=["badge", "refresh_token"])


@pytest.mark.slow
def test_a_client_may_be_registered_for_the_grant_and_its_refresh_tokens_alone(build: Build) -> None:
    flow, _client = build_badge(build)
    client = add_till(flow, grants=["badge", "refresh_token"], redirect_uris=[])
    assert client.client.grants == (TYPE, "refresh_token")
    assert refresh(flow, client, ask(flow, client, status=200).json["refresh_token"])["access_token"]


def test_guesses_are_limited(build: Build) -> None:
    flow, client = build_badge(build, **{"limits": "on", "limits.failures": "3/1m"})
    assert [ask(flow, client, badge=number).status_int for number in "1999"] == [200, 400, 400, 400]
    assert ask(flow, client).status_int == 429, "the right one, too"


def test_the_client_authenticates_and_is_registered_for_the_grant(build: Build) -> None:
    flow, client = build_badge(build)
    form = {"grant_type": TYPE, "badge": "1"}
    public = add_till(flow, public=True)
    named = {**form, "client_id": public.client.client_id}
    assert flow.server.app.post("/oauth/token", named, status=401).json["error"] == "invalid_client"
    assert ask(flow, add_till(flow, grants=["authorization_code"])).json["error"] == "unauthorized_client"
    for secret in ({"client_secret": client.secret}, {"client_secret": "x"}):
        post = {**form, "client_id": client.client.client_id, **secret}
        assert flow.server.app.post("/oauth/token", post, status="*").status_int == (
            401 if "x" in secret.values() else 200
        )


# ── what the application says ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
@pytest.mark.parametrize(
    ("scopes", "asked", "found"),
    [
        (None, None, "read"),
        (None, "write", "write"),
        (("write",), None, "write"),
        (("read", "write"), "write", "write"),
        (("write", "admin"), None, "write"),
        (("write", "write"), None, "write"),
        (("read",), "write", "invalid_scope"),
        (("admin",), None, "invalid_scope"),
        (None, "admin", "invalid_scope"),
    ],
)
def test_scopes_are_those_approved_that_the_client_asks_for_and_may_have(
    build: Build, scopes: Any, asked: str | None, found: str
) -> None:
    class Scoped(Trusted):
        def approve(self, client: Any, parameters: Any) -> Approval:
            return Approval(subject="anna", scopes=scopes)

    flow, client = build_badge(build, Scoped)
    answer = ask(flow, client, **({"scope": asked} if asked else {})).json
    assert answer.get("scope", answer.get("error")) == found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("audiences", "resource", "found"),
    [
        (None, None, list(APIS)),
        (None, APIS[1], APIS[1]),
        ([APIS[0]], None, APIS[0]),
        ([APIS[0], "https://evil.example"], None, APIS[0]),
        ([APIS[0]], APIS[1], "invalid_target"),
        (["https://evil.example"], None, "invalid_target"),
        ([], None, "invalid_target"),
    ],
)
def test_audiences_are_those_approved_that_the_client_asks_for_and_may_have(
    build: Build, audiences: Any, resource: str | None, found: Any
) -> None:
    class Aimed(Trusted):
        def approve(self, client: Any, parameters: Any) -> Approval:
            return Approval(subject="anna", audiences=audiences)

    flow, client = build_badge(build, Aimed)
    answer = ask(flow, client, **({"resource": resource} if resource else {})).json
    told = answer.get("error") or read_claims(flow, answer["access_token"])["aud"]
    assert told == found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("returned", "problem"),
    [
        (None, "returned a value of type NoneType, not an Approval"),
        ("anna", "returned a value of type str, not an Approval"),
        (Approval(subject=7), "names a user by a value of type int"),  # type: ignore[arg-type]
        (Approval(subject="anna", scopes="read"), "as one text"),
        (Approval(subject="anna", audiences=APIS[0]), "as one text"),
        (Approval(subject=""), "must be 1 to 255 printable characters"),
    ],
)
def test_a_mistake_of_the_application_is_a_server_error_and_the_log_says_what(
    build: Build, returned: Any, problem: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("pyramid_oauthguard.server"), "disabled", False)  # others configure logging
    flow, client = build_badge(build, type("Odd", (Trusted,), {"approve": lambda *_: returned}))
    assert ask(flow, client, status=400).json["error"] == "server_error"
    assert problem in caplog.text
    assert not list_audit(flow, "TokenIssued")


# ── declarations ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
@pytest.mark.promise("AS-41")
@pytest.mark.parametrize(
    ("grant_type", "name"), [(each.grant_type, name) for each in GRANTS.values() for name in sorted(each.parameters)]
)
def test_a_parameter_that_a_built_in_grant_declares_is_given_once(build: Build, grant_type: str, name: str) -> None:
    flow = build_flow(build, {"assertions.clients.scopes": "any"})
    body = [("grant_type", grant_type), (name, "a"), (name, "b")]
    answer = flow.server.app.post("/oauth/token", body, headers=flow.server.basic(flow.web), status=400)
    assert answer.json["error_description"] == f"The parameter {name} is repeated."


@pytest.mark.slow
def test_a_built_in_grant_is_one_file_and_one_line(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    """As CONTRIBUTING says: nothing else of the server has to know of it."""
    monkeypatch.setitem(GRANTS, TYPE, declare_grant(Badge))
    flow = build_flow(build, {"limits": "on", "limits.failures": "1/1m"})
    client = add_till(flow)
    assert ask(flow, client).json["error"] == "invalid_grant"
    allow(flow, client)
    assert ask(flow, client, ("badge", "2")).json["error_description"] == "The parameter badge is repeated."
    answer = ask(flow, client, status=200).json
    assert read_claims(flow, refresh(flow, client, answer["refresh_token"])["access_token"])["sub"] == "anna"
    flow.sign_in().get("/oauth/applications").form.submit().follow()
    assert read_claims(flow, answer["access_token"]) == {"active": False}
    assert TYPE in flow.server.app.get("/.well-known/oauth-authorization-server").json["grant_types_supported"]


def test_what_the_built_in_grants_declare() -> None:
    declared = {each.name: (each.acts_for_user, each.may_refresh, sorted(each.parameters)) for each in GRANTS.values()}
    assert declared == {
        "authorization_code": (True, True, ["code", "code_verifier", "redirect_uri"]),
        "client_credentials": (False, False, []),
        "device_code": (True, True, ["device_code"]),
        "jwt_bearer": (True, True, ["assertion"]),
        "refresh_token": (True, False, ["refresh_token"]),
    }


@pytest.mark.slow
def test_a_grant_may_repeat_only_what_it_declares_itself(build: Build) -> None:
    class Rooms(Trusted):
        REPEATABLE_PARAMETERS = ("room",)

    class Other(Trusted):
        GRANT_TYPE = "urn:example:other"
        SHORT_NAME = "other"
        PARAMETERS = ("badge", "room")

    def add_both(config: Any) -> None:
        config.add_oauth_grant(Rooms)
        config.add_oauth_grant(Other)

    flow = build_flow(build, configure=add_both)
    client = add_till(flow, grants=["badge", "other"])
    rooms = [("room", "1"), ("room", "2")]
    assert ask(flow, client, *rooms).status_int == 200
    body = [("grant_type", Other.GRANT_TYPE), ("badge", "1"), *rooms]
    answer = flow.server.app.post("/oauth/token", body, headers=flow.server.basic(client), status=400)
    assert answer.json["error_description"] == "The parameter room is repeated."


@pytest.mark.slow
def test_settings_and_clients_may_use_its_short_name(build: Build) -> None:
    flow, client = build_badge(build, grants="badge authorization_code refresh_token")
    assert client.client.grants[0] == TYPE
    found = flow.server.app.get("/.well-known/oauth-authorization-server").json["grant_types_supported"]
    assert found == ["authorization_code", "refresh_token", TYPE]


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("SHORT_NAME", ""),
        ("SHORT_NAME", "a b"),
        ("SHORT_NAME", 7),
        ("MAY_REFRESH", "no"),
        ("GRANT_TYPE", None),
        ("GRANT_TYPE", ""),
    ],
)
def test_a_wrong_declaration_stops_start_up(attribute: str, value: Any) -> None:
    config = Configurator(settings={})
    config.include("pyramid_oauthguard.server")
    with pytest.raises(SettingError, match=attribute):
        config.add_oauth_grant(type("Wrong", (Badge,), {attribute: value}))


def test_a_class_without_its_method_stops_start_up() -> None:
    config = Configurator(settings={})
    config.include("pyramid_oauthguard.server")
    with pytest.raises(SettingError, match=r"Empty must have the method approve"):
        config.add_oauth_grant(type("Empty", (OAuthGrant,), {"GRANT_TYPE": TYPE}))


@pytest.mark.parametrize("name", ["device_code", "client_credentials", "urn:example:other"])
def test_the_short_name_of_another_grant_stops_start_up(build: Build, name: str) -> None:
    other = type("Other", (Badge,), {"GRANT_TYPE": "urn:example:other", "SHORT_NAME": "other"})
    taken = type("Taken", (Badge,), {"SHORT_NAME": name})

    def add_both(config: Any) -> None:
        config.add_oauth_grant(other)
        config.add_oauth_grant(taken)

    with pytest.raises((SettingError, ConfigurationExecutionError), match="SHORT_NAME"):
        build_flow(build, configure=add_both)
