"""A client replaces what is registered of it (RFC 7592 section 2.2), and gets no more than it had."""

from __future__ import annotations

import json
import time

import pytest
import sqlalchemy
import time_machine

from tests.server.flows import build_flow, read_answer
from tests.server.self_registered import GOOD, KEYS, OPEN, SITE, allow, ask, find, prove, redeem, register
from tests.server.test_registration import MISTAKES, preflight

pytestmark = pytest.mark.slow

SIGNS = {"token_endpoint_auth_method": "private_key_jwt", "jwks": KEYS}
OTHER = "https://other.example/callback"


@pytest.fixture
def flow(build):
    return build_flow(build, OPEN)


def change(flow, client, *, status=200, **said):
    """PUT what is said of the client, in place of what was registered of it."""
    body = {"client_id": client["client_id"], **GOOD, **said}
    path = client["registration_client_uri"].removeprefix("http://localhost:6543")
    headers = {"Authorization": f"Bearer {client['registration_access_token']}"}
    sent = {name: value for name, value in body.items() if value is not Ellipsis}
    return flow.server.app.put_json(path, sent, headers=headers, status=status)


def list_events(flow, client):
    with flow.server.service.store.reading() as unit:
        return unit.list_audit(limit=99, client_id=client["client_id"])


@pytest.mark.promise("AS-13")
def test_what_is_said_replaces_everything_that_was_said(flow):
    client = register(flow, **SIGNS).json
    said = {"client_name": "New", "redirect_uris": [OTHER], "grant_types": ["authorization_code"], "jwks": ...}
    answer = change(flow, client, token_endpoint_auth_method="none", **said)
    kept = ("client_id", "client_id_issued_at", "scope", "registration_client_uri", "registration_access_token")
    assert answer.json == {
        "client_name": "New",
        "redirect_uris": [OTHER],
        "grant_types": ["authorization_code"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
        **{name: client[name] for name in kept},
    }
    assert answer.headers["Cache-Control"] == "no-store"
    path, headers = (
        client["registration_client_uri"],
        {"Authorization": f"Bearer {client['registration_access_token']}"},
    )
    assert flow.server.app.get(path, headers=headers).json == answer.json


@pytest.mark.promise("AS-13")
@pytest.mark.parametrize("absent", [..., None])
def test_what_is_left_out_is_no_longer_registered(flow, absent):
    client = register(flow).json
    changed = change(flow, client, client_name=absent, grant_types=absent).json
    assert (changed["client_name"], changed["grant_types"]) == ("tool.example", ["authorization_code"])
    assert change(flow, client, redirect_uris=absent, status=400).json["error"] == "invalid_redirect_uri"


@pytest.mark.promise("AS-52")
def test_the_answer_went_to_a_host_that_the_page_had_not_shown(flow):
    """Where the request names no redirect URI, it is the only one that is registered."""
    client = register(flow).json
    page = ask(flow, client, redirect_uri="")
    assert "tool.example" in page.text
    change(flow, client, redirect_uris=[OTHER])
    again = page.form.submit("decision", value="allow")
    assert again.status_int == 200
    assert "other.example" in again.text
    assert read_answer(again.form.submit("decision", value="allow"))["to"] == OTHER


@pytest.mark.promise("AS-13")
@pytest.mark.parametrize("client_id", [..., None, "", "client-other", 1, ["x"]])
def test_the_client_id_must_be_its_own(flow, client_id):
    client = register(flow).json
    answer = change(flow, client, client_id=client_id, client_name="New", status=400).json
    assert answer == {"error": "invalid_request", "error_description": "client_id must be that of the client."}
    assert find(flow, client).name == "Tool"


@pytest.mark.promise("AS-13")
@pytest.mark.parametrize(
    "name",
    [
        "client_secret", "client_secret_expires_at", "client_id_issued_at", "registration_client_uri",
        "registration_access_token",
    ],
)  # fmt: skip
def test_a_client_chooses_neither_a_secret_nor_what_the_server_says(flow, name):
    client = register(flow).json
    answer = change(flow, client, **{name: client.get(name, "s" * 40)}, client_name="New", status=400).json
    assert (answer["error"], answer["error_description"].split()[0]) == ("invalid_request", name)
    assert find(flow, client).name == "Tool"
    assert find(flow, client).secrets == ()


@pytest.mark.promise("AS-13")
@pytest.mark.parametrize(("mistake", "error"), MISTAKES)
def test_what_may_not_be_registered_is_refused_here_too(flow, mistake, error):
    client = register(flow).json
    before = find(flow, client)
    said = {name: ... if value is None else value for name, value in mistake.items()}
    assert change(flow, client, **said, status=400).json["error"] == error
    assert find(flow, client) == before


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"client_id": "x", "client_id": "y"}', b"\xff"])
def test_what_is_not_a_json_object_is_refused(flow, body):
    client = register(flow).json
    headers = {"Authorization": f"Bearer {client['registration_access_token']}", "Content-Type": "application/json"}
    answer = flow.server.app.put(client["registration_client_uri"], body, headers=headers, status=400)
    assert answer.json["error"] == "invalid_request"


@pytest.mark.promise("AS-13")
def test_a_change_gives_no_scope_api_role_or_exception(flow):
    client = register(flow).json
    with flow.server.service.store.reading() as unit:
        before = unit.find_client(client["client_id"])
    more = {
        "scope": "read write admin", "scopes": ["admin"], "audiences": ["https://evil.example"], "role": "resource_server",
        "first_party": True, "require_pkce": False, "loopback_localhost": True, "registered_by": "operator",
        "expires_at": None, "access_token_ttl": 1e9, "public": False, "logo_uri": "https://evil.example/logo.png",
        "jwks_uri": "https://evil.example/jwks", "grant_types": [*GOOD["grant_types"], "client_credentials"],
    }  # fmt: skip
    changed = change(flow, client, **more).json
    assert changed["scope"] == "read write"
    assert changed["grant_types"] == GOOD["grant_types"]
    assert find(flow, client) == before


@pytest.mark.promise("AS-13")
def test_what_the_operator_took_away_does_not_come_back(flow):
    client = register(flow).json
    flow.server.clients.edit(client["client_id"], scopes=["read"])
    assert change(flow, client, scope="read write").json["scope"] == "read"


@pytest.mark.promise("AS-13")
def test_settings_that_became_narrower_count(build, tmp_path):
    flow = build_flow(build, OPEN)
    client = register(flow).json
    narrow = build_flow(build, {**OPEN, "self_registered.scopes": "read"})
    assert change(narrow, client).json["scope"] == "read"


@pytest.mark.promise("AS-13")
def test_an_unused_client_ends_when_it_would_have_ended(flow):
    client = register(flow).json
    with time_machine.travel(time.time() + 80000):
        change(flow, client, client_name="New")
    assert find(flow, client).expires_at <= time.time() + 86400
    with time_machine.travel(time.time() + 86401):
        assert change(flow, client, status=401).json["error"] == "invalid_token"


@pytest.mark.promise("AS-13")
def test_a_new_redirect_uri_is_asked_for_again(build):
    flow = build_flow(build, {**OPEN, "self_registered.remember_consent": "true"})
    client = register(flow, **SIGNS).json
    allow(flow, client)
    assert ask(flow, client).status_int == 303, "it is remembered"
    changed = change(flow, client, redirect_uris=[OTHER, f"{SITE}/callback"], **SIGNS).json
    assert ask(flow, changed).content_type == "text/html"
    assert ask(flow, changed, redirect_uri=f"{SITE}/callback").status_int == 303, "the other one is as it was"
    changed = change(flow, client, redirect_uris=[OTHER], **SIGNS).json
    assert ask(flow, changed, redirect_uri=f"{SITE}/callback").status_int == 400


@pytest.mark.promise("AS-13")
def test_another_method_is_asked_for_again_and_old_tokens_do_not_follow(build):
    flow = build_flow(build, {**OPEN, "self_registered.remember_consent": "true"})
    client = register(flow, **SIGNS).json
    code = allow(flow, client)["code"]
    refresh = redeem(flow, client, code, **prove(client))["refresh_token"]
    later = allow_again(flow, client)
    changed = change(flow, client).json
    assert ask(flow, changed).content_type == "text/html"
    redeem(flow, changed, later, status=400)
    form = {"grant_type": "refresh_token", "refresh_token": refresh, "client_id": client["client_id"]}
    assert flow.server.app.post("/oauth/token", form, status=400).json["error"] == "invalid_grant"


def allow_again(flow, client):
    return read_answer(ask(flow, client))["code"]


@pytest.mark.parametrize("said", [{"redirect_uris": [OTHER]}, {"client_name": "New"}, SIGNS])
def test_a_page_that_showed_something_else_allows_nothing(flow, said):
    client = register(flow).json
    page = ask(flow, client)
    change(flow, client, **said)
    answer = page.form.submit("decision", value="allow", status="*")
    assert "code=" not in answer.headers.get("Location", "")
    with flow.server.service.store.reading() as unit:
        assert unit.list_consents("anna") == ()


def test_the_end_of_the_right_to_refresh_counts_at_once(flow):
    client = register(flow).json
    tokens = redeem(flow, client, allow(flow, client)["code"])
    change(flow, client, grant_types=["authorization_code"])
    form = {
        "grant_type": "refresh_token",
        "refresh_token": tokens["refresh_token"],
        "client_id": client["client_id"],
    }
    assert flow.server.app.post("/oauth/token", form, status=400).json["error"] == "unauthorized_client"
    assert flow.is_active(tokens["access_token"])


def test_pkce_holds_after_a_change(flow):
    client = register(flow, **SIGNS).json
    changed = change(flow, client, **SIGNS, client_name="New").json
    assert read_answer(ask(flow, changed, code_challenge=""))["error"] == "invalid_request"


@pytest.mark.promise("EV-01")
def test_a_change_is_in_the_audit_trail_without_the_token(flow):
    client = register(flow).json
    change(flow, client, client_name="New", **SIGNS)
    keys, edited, _made = list_events(flow, client)
    assert (keys.event, edited.event) == ("ClientKeysReplaced", "ClientEdited")
    assert json.loads(edited.detail) == {
        "changes": {"name": ["Tool", "New"], "public": [True, False]}, "by": "registration"
    }  # fmt: skip
    assert client["registration_access_token"] not in str(list_events(flow, client))


def test_saying_the_same_again_changes_nothing(flow):
    client = register(flow, **SIGNS).json
    before = find(flow, client), list_events(flow, client)
    assert change(flow, client, **SIGNS).json == client
    assert (find(flow, client), list_events(flow, client)) == before


def test_changes_are_limited(build):
    flow = build_flow(build, {**OPEN, "limits": "on", "limits.registration": "3/1h"})
    client, other = register(flow).json, register(flow).json
    for number in range(3):
        change(flow, client, client_name=f"Name {number}")
    answer = change(flow, client, client_name="More", status=429)
    assert int(answer.headers["Retry-After"]) > 0
    assert find(flow, client).name == "Name 2"
    assert change(flow, other, client_name="New").json["client_name"] == "New", "each client has its own limit"


def test_a_script_of_any_site_may_change_its_client(flow):
    path = "/oauth/register/client-x"
    answer = preflight(flow, path, SITE)
    assert answer.headers["Access-Control-Allow-Origin"] == SITE
    assert "PUT" in answer.headers["Access-Control-Allow-Methods"].split(", ")


def test_the_new_site_may_call_the_other_endpoints_at_once_and_the_old_one_no_more(flow):
    client = register(flow).json
    allow(flow, client)
    assert SITE in flow.server.service.origins
    change(flow, client, redirect_uris=[OTHER])
    assert "https://other.example" in flow.server.service.origins
    assert SITE not in flow.server.service.origins


def test_a_storage_that_is_away_is_503_and_changes_nothing(flow, monkeypatch):
    client = register(flow).json
    before = find(flow, client)

    def fail(*_args):
        raise sqlalchemy.exc.OperationalError("x", {}, Exception())

    engine = flow.server.service.store._engine
    sqlalchemy.event.listen(engine, "before_cursor_execute", fail)
    change(flow, client, client_name="New", status=503)
    sqlalchemy.event.remove(engine, "before_cursor_execute", fail)
    assert find(flow, client) == before


def test_other_methods_name_those_that_there_are(flow):
    client = register(flow).json
    answer = flow.server.app.post(client["registration_client_uri"], "", status=405)
    assert answer.headers["Allow"] == "DELETE, GET, HEAD, PUT"
