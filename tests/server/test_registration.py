"""Clients register themselves (RFC 7591), and get no more than the settings allow."""

from __future__ import annotations

import json
import re
import time

import pytest
import sqlalchemy
import time_machine
from pyramid.exceptions import ConfigurationExecutionError
from webtest import TestApp

from pyramid_oauthguard.interfaces import ISelfCheck
from pyramid_oauthguard.server.clients.dynamic import make_registration_token
from pyramid_oauthguard.server.clients.names import clean_name, is_taken
from pyramid_oauthguard.server.opaque import has_checksum
from pyramid_oauthguard.server.store.sqlalchemy.store import SQLAlchemyUnit
from pyramid_oauthguard.server.tokens.pruning import prune
from tests.server.flows import VERIFIER, build_flow, read_answer, read_next
from tests.server.self_registered import (
    GOOD,
    KEYS,
    OPEN,
    SITE,
    TOKEN,
    allow,
    ask,
    find,
    prove,
    read_page,
    redeem,
    register,
)


@pytest.fixture
def flow(build):
    return build_flow(build, OPEN)


# The whole way.


def test_a_client_registers_asks_calls_and_refreshes(flow):
    client = register(flow).json
    tokens = redeem(flow, client, allow(flow, client)["code"])
    assert flow.is_active(tokens["access_token"])
    form = {"grant_type": "refresh_token", "client_id": client["client_id"], "refresh_token": tokens["refresh_token"]}
    assert flow.server.app.post("/oauth/token", form).json["access_token"]


def test_the_answer_is_what_is_registered(flow):
    answer = register(flow, client_uri="https://tool.example/", software_id="x", scope="write read", contacts=["a"])
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.content_type == "application/json"
    body = answer.json
    assert body.pop("client_id").startswith("client-")
    assert abs(body.pop("client_id_issued_at") - time.time()) < 60
    assert body.pop("registration_client_uri").startswith("http://localhost:6543/oauth/register/client-")
    assert has_checksum(body.pop("registration_access_token"))
    assert body == {
        "client_name": "Tool",
        "redirect_uris": [f"{SITE}/callback"],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
        "scope": "read write",
    }


def test_a_client_with_keys_proves_who_it_is(flow):
    client = register(flow, token_endpoint_auth_method="private_key_jwt", jwks=KEYS).json
    assert client["jwks"] == KEYS
    code = allow(flow, client)["code"]
    assert redeem(flow, client, code, status=401)["error"] == "invalid_client"
    assert redeem(flow, client, code, **prove(client))["access_token"]


def test_the_metadata_name_the_endpoint_only_where_it_is(build, flow):
    document = flow.server.app.get("/.well-known/oauth-authorization-server").json
    assert document["registration_endpoint"] == "http://localhost:6543/oauth/register"
    without = build(name="without")
    assert "registration_endpoint" not in without.app.get("/.well-known/oauth-authorization-server").json
    assert without.app.post_json("/oauth/register", GOOD, status="*").status_int == 404


def test_registrations_are_in_the_audit_trail(flow):
    client = register(flow).json
    with flow.server.service.store.reading() as unit:
        [line] = unit.list_audit(limit=9, client_id=client["client_id"])
    assert (line.event, json.loads(line.detail)) == ("ClientCreated", {"by": "registration"})


# What a client may be.


@pytest.mark.promise("AS-13")
@pytest.mark.parametrize(
    ("said", "registered"),
    [
        (
            {"grant_types": ["authorization_code", "client_credentials", "implicit", "password"]},
            ("authorization_code",),
        ),
        ({"grant_types": None}, ("authorization_code",)),
        ({"grant_types": ["refresh_token", "authorization_code"]}, ("authorization_code", "refresh_token")),
    ],
)
def test_it_has_two_grants_at_most(flow, said, registered):
    client = find(flow, register(flow, **said).json)
    assert (client.grants, client.role) == (registered, "client")


@pytest.mark.promise("AS-13")
@pytest.mark.parametrize("said", [None, "", "write", "read admin offline_access"])
def test_it_has_the_scopes_of_the_settings_at_most(flow, said):
    """All of them: clients register with the scopes of their first request, and ask for more later."""
    client = register(flow, scope=said).json
    assert find(flow, client).scopes == ("read", "write")
    assert find(flow, client).audiences == ("https://api.example",)
    assert read_answer(ask(flow, client, scope="admin"))["error"] == "invalid_scope"


@pytest.mark.slow
@pytest.mark.promise("AS-13")
@pytest.mark.parametrize("member", ["role", "audiences", "first_party", "client_id", "secret", "require_pkce"])
def test_no_other_member_gives_it_more(flow, member):
    client = register(flow, **{member: "resource_server"}).json
    found = find(flow, client)
    assert (found.role, found.public, found.secrets) == ("client", True, ())
    assert client["client_id"] != "resource_server"
    assert member not in client or member == "client_id"


@pytest.mark.promise("AS-13")
def test_it_may_not_use_other_endpoints(flow):
    client = register(flow).json
    app, who = flow.server.app, {"client_id": client["client_id"]}
    assert app.post("/oauth/introspect", {"token": "x", **who}, status=401)
    assert app.post("/oauth/device_authorization", who, status="*").json["error"] == "unauthorized_client"
    form = {"grant_type": "client_credentials", **who}
    assert app.post("/oauth/token", form, status="*").json["error"] in {"invalid_client", "unauthorized_client"}


@pytest.mark.promise("AS-13")
def test_settings_that_became_narrower_count_for_clients_from_before(build, flow):
    client = register(flow).json
    grant = redeem(flow, client, allow(flow, client, scope="read write")["code"])
    narrower = build_flow(build, {**OPEN, "self_registered.scopes": "read"}, clients=False)
    assert read_answer(ask(narrower, client, scope="write"))["error"] == "invalid_scope"
    form = {"grant_type": "refresh_token", "client_id": client["client_id"], "refresh_token": grant["refresh_token"]}
    assert narrower.server.app.post("/oauth/token", form).json["scope"] == "read"
    moved = build_flow(build, {**OPEN, "self_registered.audiences": "https://other.example"}, clients=False)
    assert ask(moved, client).status_int == 400
    assert moved.server.app.post("/oauth/token", form, status=401).json["error"] == "invalid_client"


@pytest.mark.parametrize("method", [None, "client_secret_basic", "client_secret_post"])
def test_one_that_asks_for_a_secret_becomes_public(flow, method):
    """RFC 7591 section 3.2.1: the answer says so."""
    client = register(flow, token_endpoint_auth_method=method).json
    assert client["token_endpoint_auth_method"] == "none"
    assert "client_secret" not in client
    assert redeem(flow, client, allow(flow, client)["code"])["access_token"]


def test_the_user_is_asked_every_time(flow):
    proven = register(flow, token_endpoint_auth_method="private_key_jwt", jwks=KEYS).json
    for client in (register(flow).json, proven):
        allow(flow, client)
        assert ask(flow, client).content_type == "text/html", "although it was allowed a moment ago"


# Errors.

KEY = {"kty": "oct", "k": "AAAA"}


MISTAKES = [
    ({"redirect_uris": None}, "invalid_redirect_uri"),
    ({"redirect_uris": []}, "invalid_redirect_uri"),
    ({"redirect_uris": "https://tool.example/"}, "invalid_redirect_uri"),
    ({"redirect_uris": ["http://tool.example/"]}, "invalid_redirect_uri"),
    ({"redirect_uris": ["https://*.example/"]}, "invalid_redirect_uri"),
    ({"redirect_uris": ["javascript:alert(1)"]}, "invalid_redirect_uri"),
    ({"redirect_uris": ["data:text/html,x"]}, "invalid_redirect_uri"),
    ({"redirect_uris": ["https://tool.example/#x"]}, "invalid_redirect_uri"),
    ({"redirect_uris": ["https://user@tool.example/"]}, "invalid_redirect_uri"),
    ({"redirect_uris": ["https://tööl.example/"]}, "invalid_redirect_uri"),
    ({"redirect_uris": ["https://tool.example/ x"]}, "invalid_redirect_uri"),
    ({"redirect_uris": ["https://tool.example/" + "x" * 1000]}, "invalid_redirect_uri"),
    ({"redirect_uris": [f"https://tool.example/{number}" for number in range(21)]}, "invalid_redirect_uri"),
    ({"redirect_uris": [1]}, "invalid_redirect_uri"),
    ({"grant_types": ["client_credentials"]}, "invalid_client_metadata"),
    ({"grant_types": "authorization_code"}, "invalid_client_metadata"),
    ({"response_types": ["token"]}, "invalid_client_metadata"),
    ({"token_endpoint_auth_method": "tls_client_auth"}, "invalid_client_metadata"),
    ({"token_endpoint_auth_method": ["none"]}, "invalid_client_metadata"),
    ({"token_endpoint_auth_method": "private_key_jwt"}, "invalid_client_metadata"),
    ({"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [KEY]}}, "invalid_client_metadata"),
    ({"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": []}}, "invalid_client_metadata"),
    (
        {"token_endpoint_auth_method": "private_key_jwt", "jwks_uri": "https://x.example/"},
        "invalid_client_metadata",
    ),
    ({"scope": "admin"}, "invalid_client_metadata"),
    ({"scope": ["read"]}, "invalid_client_metadata"),
    ({"client_name": ["Tool"]}, "invalid_client_metadata"),
    ({"client_name": "WEB  shop!"}, "invalid_client_metadata"),
]


def test_members_that_are_null_were_refused(flow):
    """Some serializers write null for what was not set."""
    members = (
        "client_name",
        "scope",
        "grant_types",
        "response_types",
        "token_endpoint_auth_method",
        "jwks",
        "contacts",
    )
    answer = flow.server.app.post_json("/oauth/register", {**GOOD, **dict.fromkeys(members)}, status=201).json
    assert (answer["client_name"], answer["grant_types"]) == ("tool.example", ["authorization_code"])
    refused = flow.server.app.post_json("/oauth/register", {**GOOD, "redirect_uris": None}, status=400).json
    assert refused["error"] == "invalid_redirect_uri"


@pytest.mark.promise("AS-02")
@pytest.mark.parametrize("mistake", [{"scope": "admin"}, {"response_type": "token"}, {"state": "\x7f"}])
def test_a_wrong_request_led_to_the_site_of_a_client_that_registered_itself_before_anyone_signed_in(flow, mistake):
    """RFC 9700 section 4.11.2: everyone could have made a link of this server that leads to a page of theirs."""
    parameters = {**flow.ask(client_id=register(flow).json["client_id"], redirect_uri=f"{SITE}/callback"), **mistake}
    answer = TestApp(flow.server.app.app).get("/oauth/authorize", parameters, status=303)
    assert answer.headers["Location"].startswith("http://localhost/sign-in?next=%2Foauth%2Fauthorize%3F")
    told = read_answer(flow.sign_in().get(read_next(answer)))
    assert (told["to"], bool(told["error"])) == (f"{SITE}/callback", True)


@pytest.mark.promise("AS-02")
def test_a_wrong_request_of_a_program_on_the_device_is_told_at_once(flow):
    uri = "http://127.0.0.1:4000/callback"
    client_id = register(flow, redirect_uris=[uri]).json["client_id"]
    answer = TestApp(flow.server.app.app).get(
        "/oauth/authorize", flow.ask(client_id=client_id, redirect_uri=uri, scope="admin")
    )
    assert read_answer(answer)["error"] == "invalid_scope"


@pytest.mark.promise("AS-51")
def test_one_redirect_uri_without_a_dot_in_its_scheme_cost_the_whole_registration(flow):
    """Cursor sends these three, and uses the second."""
    plain, own, near = (
        "cursor://anysphere.cursor-mcp/oauth/callback",
        "https://www.cursor.com/agents/mcp/oauth/callback",
        "http://localhost:8787/callback",
    )
    client = register(flow, redirect_uris=[plain, own, near]).json
    assert client["redirect_uris"] == [own, near]
    assert redeem(flow, client, allow(flow, client)["code"])["access_token"]
    assert "redirect_uri" in ask(flow, client, redirect_uri=plain).text
    assert "has a dot" in register(flow, redirect_uris=[plain], status=400).json["error_description"]
    for other in ("javascript:alert(1)", "http://tool.example/", "cursor:callback"):
        assert register(flow, redirect_uris=[own, other], status=400).json["error"] == "invalid_redirect_uri"


def test_errors_have_the_codes_of_rfc_7591(flow):
    for said, error in MISTAKES:
        answer = register(flow, status=400, **said).json
        assert (answer["error"], bool(answer["error_description"])) == (error, True), said


@pytest.mark.slow
@pytest.mark.promise("AS-13")
@pytest.mark.parametrize(
    "odd",
    [
        {"use": "sig", "key_ops": ["verify", "encrypt"]}, {"key_ops": ["verify", "bogus"]}, {"x5c": 3}, {"x5u": 3}, {"x5t": {}},
        {"x5t#S256": 5}, {"kid": "\x1b[2J"}, {"ext": "no"},
    ],
)  # fmt: skip
def test_an_odd_member_of_a_key_was_an_answer_500_on_the_consent_page(flow, odd):
    keys = {"keys": [{**KEYS["keys"][0], **odd}]}
    client = register(flow, token_endpoint_auth_method="private_key_jwt", jwks=keys).json
    code = allow(flow, client)["code"]
    with flow.server.service.store.reading() as unit:
        (consent,) = unit.list_consents("anna", client_id=client["client_id"])
    assert len(consent.key_thumbprints[0]) == 43
    kid = odd.get("kid", "one")
    assert redeem(flow, client, code, **prove(client, header={"kid": kid}))["access_token"]


BODIES = [
    (b"", "application/json", 400),
    (b"[]", "application/json", 400),
    (b"{", "application/json", 400),
    (b'{"a": 1, "a": 2}', "application/json", 400),
    (b'{"client_name": "\\ud800"}', "application/json", 400),
    (b"\xff", "application/json", 400),
    (b"[" * 10_000, "application/json", 400),
    (b" " * 20_000 + b"{}", "application/json", 413),
    (b"{}", "application/x-www-form-urlencoded", 400),
    (b"{}", "", 400),
]


def test_what_is_not_a_json_object_is_refused(flow):
    for body, content_type, status in BODIES:
        answer = flow.server.app.post("/oauth/register", body, content_type=content_type, status=status)
        assert answer.json["error"] == "invalid_request", body


def test_other_methods_are_refused(flow):
    assert flow.server.app.get("/oauth/register", status=405).headers["Allow"] == "POST"


def test_each_registration_beyond_the_maximum_wrote_a_line(build, caplog):
    flow = build_flow(build, {**OPEN, "registration.max_unused": "1"})
    register(flow)
    for _ in range(20):
        register(flow, status=429)
    assert len([each for each in caplog.messages if "registration.max_unused clients" in each]) == 1


# Initial access tokens.


@pytest.fixture
def guarded(build):
    return build_flow(build, {**OPEN, "registration": "token", "registration.tokens": f"{TOKEN} {'u' * 32}"})


@pytest.mark.parametrize("token", [TOKEN, "u" * 32])
def test_a_caller_with_an_initial_access_token_may_register(guarded, token):
    assert register(guarded, headers={"Authorization": f"Bearer {token}"}).json["client_id"]


@pytest.mark.slow
@pytest.mark.promise("AS-13")
@pytest.mark.parametrize(
    "sent",
    [None, "", "Bearer", "Bearer x", f"Basic {TOKEN}", f"Bearer {TOKEN}x", f"Bearer {TOKEN} {'u' * 32}", "Bearer \xff"],
)
def test_without_one_nobody_may(guarded, sent):
    answer = register(guarded, status=401, headers={"Authorization": sent} if sent is not None else {})
    assert answer.json["error"] == "invalid_token"
    assert answer.headers["WWW-Authenticate"].startswith("Bearer ")
    assert TOKEN not in answer.text


# Limits and the end of clients that nobody uses.


def test_an_address_may_register_a_number_of_clients(build):
    flow = build_flow(build, {**OPEN, "limits": "on", "limits.registration": "2/1h"})
    for _time in range(2):
        register(flow)
    answer = register(flow, status=429)
    assert int(answer.headers["Retry-After"]) > 0
    other = TestApp(flow.server.app.app, extra_environ={"REMOTE_ADDR": "192.0.2.9"})
    assert other.post_json("/oauth/register", GOOD, status=201)


def test_there_is_a_largest_number_of_clients_that_nobody_uses(build):
    flow = build_flow(build, {**OPEN, "registration.max_unused": "2"})
    first = register(flow).json
    register(flow)
    assert int(register(flow, status=429).headers["Retry-After"]) > 0
    allow(flow, first)
    register(flow)
    register(flow, status=429)


def test_a_client_that_nobody_uses_ends_and_is_deleted(flow):
    client = register(flow).json
    with time_machine.travel(time.time() + 86_401, tick=False):
        assert ask(flow, client).status_int == 400
        form = {"grant_type": "refresh_token", "client_id": client["client_id"], "refresh_token": "x"}
        assert flow.server.app.post("/oauth/token", form, status=401).json["error"] == "invalid_client"
        assert find(flow, client) is not None
        assert prune(flow.server.service.store) == 1
        assert find(flow, client) is None


def test_a_registration_deletes_those_that_ended(flow):
    client = register(flow).json
    with time_machine.travel(time.time() + 86_401, tick=False):
        register(flow)
        assert find(flow, client) is None


def test_a_client_that_a_user_allowed_something_stays(flow):
    client = register(flow).json
    denied = register(flow).json
    allow(flow, client)
    ask(flow, denied).form.submit("decision", value="deny")
    with time_machine.travel(time.time() + 86_401, tick=False):
        prune(flow.server.service.store)
        assert allow(flow, client)["code"]
        assert find(flow, denied) is None


def test_a_client_that_ends_while_the_page_is_open_gets_nothing(flow):
    client = register(flow).json
    page = ask(flow, client)
    with flow.server.service.store.writing() as unit:
        unit.prune_clients(time.time() + 90_000, 10)
    answer = page.form.submit("decision", value="allow", status=400)
    assert "invalid_" in answer.text
    with flow.server.service.store.reading() as unit:
        assert unit.list_consents("anna") == ()


# CORS.


def preflight(flow, path, origin):
    headers = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type,mcp-protocol-version",
    }
    return flow.server.app.options(path, headers=headers)


def test_the_script_of_any_site_may_register_a_client_and_read_the_answer(flow):
    told = preflight(flow, "/oauth/register", SITE)
    answer = register(flow, headers={"Origin": SITE})
    for each in (told, answer, register(flow, headers={"Origin": SITE}, status=400, scope="admin")):
        assert each.headers["Access-Control-Allow-Origin"] == SITE, "and never a star, see the other endpoints"
        assert "Access-Control-Allow-Credentials" not in each.headers
        assert "Origin" in each.vary
    assert "content-type" in told.headers["Access-Control-Allow-Headers"]


@pytest.mark.slow
@pytest.mark.parametrize("origin", ["null", "*", "https://tool.example/path", "https://a@tool.example", "x" * 300])
def test_what_is_not_an_origin_is_not_repeated(flow, origin):
    assert "Access-Control-Allow-Origin" not in register(flow, headers={"Origin": origin}).headers


def test_its_site_may_call_the_other_endpoints_once_a_user_allowed_it_something(flow):
    client = register(flow).json
    assert "Access-Control-Allow-Origin" not in preflight(flow, "/oauth/token", SITE).headers
    code = allow(flow, client)["code"]
    assert preflight(flow, "/oauth/token", SITE).headers["Access-Control-Allow-Origin"] == SITE
    headers = {"Origin": SITE, "Sec-Fetch-Site": "cross-site"}
    form = {"grant_type": "authorization_code", "client_id": client["client_id"], "code": code}
    form |= {"code_verifier": VERIFIER, "redirect_uri": f"{SITE}/callback"}
    assert flow.server.app.post("/oauth/token", form, headers=headers).headers["Access-Control-Allow-Origin"] == SITE


# The page.


def test_the_page_shows_the_destination_above_the_name_and_the_name_in_quotes(flow):
    client = register(flow, client_name="Web shop team").json
    text = read_page(ask(flow, client))
    assert text.index("tool.example") < text.rindex("“Web shop team”")
    assert "the name was not checked" in text
    assert "The answer to this question goes to" not in read_page(flow.show())


def test_the_page_warns_of_a_program_on_the_users_own_device(flow):
    client = register(flow, redirect_uris=["http://127.0.0.1:1234/callback"]).json
    text = read_page(ask(flow, client))
    assert "any program on it could ask like this" in text
    assert "127.0.0.1" in text
    client = register(flow, redirect_uris=["com.example.tool:/callback"]).json
    text = read_page(ask(flow, client))
    assert "any program on it could ask like this" in text
    assert "com.example.tool:" in text
    assert "any program on it" not in read_page(ask(flow, register(flow).json))


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("Tool", "Tool"),
        ("  My \n\t tool  ", "My tool"),
        ("Tool\u202e\u2066eviL\u2069", "TooleviL"),
        ("To\u200bol\u00ad\ufeff\x00\x1b", "Tool"),
        ("Tool” by “Google", "Tool by Google"),
        ("A\"B'C`D«E»", "ABCDE"),
        ("\u3164\u2800", ""),
        ("Tool″ʺ״❞", "Tool"),
        ("a" + "\u0301" * 40, "\u00e1" + "\u0301" * 2),
        ("x" * 500, "x" * 80),
        ("<b>Tool</b>", "<b>Tool</b>"),
        ("工具", "工具"),
    ],
)
def test_a_name_has_nothing_that_imitates_the_page(said, shown):
    assert clean_name(said) == shown


def test_names_are_escaped(flow):
    page = ask(flow, register(flow, client_name="<b>Tool</b>").json)
    assert "&lt;b&gt;Tool" in page.text
    assert "<b>Tool" not in page.text


@pytest.mark.parametrize("uri", [f"{SITE}/callback", "http://localhost:1/x"])
def test_without_a_name_the_page_shows_the_host(flow, uri):
    for name in (None, "", "\u202e"):
        assert (
            register(flow, client_name=name, redirect_uris=[uri]).json["client_name"] == uri.split("/")[2].split(":")[0]
        )
    assert register(flow, client_name=None, redirect_uris=["com.example:/x"]).json["client_name"] == "Unnamed client"


@pytest.mark.parametrize(
    "name", ["Web shop", "web SHOP", "Web-Shop.", "Ｗｅｂ shop", "Web\u00a0shop", "Wеb shоp", "Web sh0p"]
)
def test_a_name_of_a_client_of_the_operator_is_taken(name):
    assert is_taken(name, ["Other", "Web shop"])
    assert not is_taken(f"{name} 2", ["Other", "Web shop"])


@pytest.mark.parametrize(
    ("name", "own"),
    [
        ("PayPaI", "PayPal"), ("PayPa|", "PayPal"), ("PayPa\u01c0", "PayPal"), ("Flrst", "First"), ("F1rst", "First"),
        ("\u13b3eb shop", "Web shop"), ("\ua4eaeb shop", "Web shop"), ("VVeb shop", "Web shop"), ("\u1d18ayPal", "PayPal"),
        ("\u146dayPal", "PayPal"), ("\u0397ome", "Home"), ("\u039dative", "Native"), ("Adrnin", "Admin"), ("PayPa\u05d5", "PayPal"),
    ],
)  # fmt: skip
def test_letters_of_other_scripts_and_a_capital_i_imitated_a_client_of_the_operator(name, own):
    assert is_taken(name, [own])
    assert not is_taken(f"{name} 2", [own])


def test_a_bar_may_still_separate_words():
    assert is_taken("Foo | Bar", ["Foo Bar"])


def test_the_users_list_shows_the_name_in_quotes(flow):
    allow(flow, register(flow).json)
    assert "“Tool”" in flow.sign_in().get("/oauth/applications").text


# Settings.


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"self_registered.scopes": ""}, "self_registered.scopes"),
        ({"self_registered.audiences": ""}, "self_registered.audiences"),
        ({"self_registered.scopes": "read unknown"}, "self_registered.scopes"),
        ({"registration": "token"}, "registration.tokens"),
        ({"registration": "token", "registration.tokens": "short"}, "registration.tokens"),
        ({"registration": "yes"}, "registration"),
        ({"registration.unused_ttl": "2d"}, "registration.unused_ttl"),
    ],
)
def test_start_up_names_the_setting(build, changes, key):
    with pytest.raises(ConfigurationExecutionError, match=re.escape(f"oauthguard.server.{key}:")):
        build_flow(build, {**OPEN, **changes})


def test_the_tokens_are_in_no_message(build):
    with pytest.raises(ConfigurationExecutionError) as raised:
        build_flow(build, {**OPEN, "registration": "token", "registration.tokens": f"{TOKEN} hush"})
    assert "hush" not in str(raised.value)
    assert TOKEN not in str(raised.value)


@pytest.mark.parametrize(
    ("changes", "level", "text"),
    [
        ({"limits": "on"}, "ok", "open: read write at https://api.example"),
        ({"limits": "off"}, "warning", "without a limit for each address"),
        ({"limits": "on", "limits.registration": "0"}, "warning", "without a limit for each address"),
    ],
)
def test_the_check_reports_an_open_registration(build, changes, level, text):
    flow = build_flow(build, {**OPEN, **changes})
    register(flow)
    findings = list(flow.server.registry.getUtility(ISelfCheck, name="server")(flow.server.registry))
    [mine] = [each for each in findings if each.subject == "oauthguard.server.registration"]
    assert (mine.level, text in mine.text) == (level, True)
    assert [each.text for each in findings if each.subject == "clients"] == ["5 registered"]


# RFC 7592.


@pytest.fixture
def own(flow):
    """A client, and how it authenticates at its own address."""
    client = register(flow).json
    path = client["registration_client_uri"].removeprefix("http://localhost:6543")
    return client, path, {"Authorization": f"Bearer {client['registration_access_token']}"}


def test_a_client_reads_what_is_registered_of_it(flow, own):
    client, path, headers = own
    assert path == f"/oauth/register/{client['client_id']}"
    answer = flow.server.app.get(path, headers=headers)
    assert answer.json == client
    assert answer.headers["Cache-Control"] == "no-store"


def test_a_client_deletes_itself_and_its_tokens(flow, own):
    client, path, headers = own
    tokens = redeem(flow, client, allow(flow, client)["code"])
    assert flow.server.app.delete(path, headers=headers, status=204).body == b""
    assert not flow.is_active(tokens["access_token"])
    assert find(flow, client).revoked_at is not None
    assert ask(flow, client).status_int == 400
    for method in ("get", "delete", "put"):
        assert getattr(flow.server.app, method)(path, headers=headers, status=401).json["error"] == "invalid_token"
    with flow.server.service.store.reading() as unit:
        events = [line.event for line in unit.list_audit(limit=9, client_id=client["client_id"])]
    assert events[0] == "ClientRevoked"


@pytest.mark.promise("AS-13")
def test_a_registration_token_opens_its_own_client_only(flow, own):
    client, path, headers = own
    other = register(flow).json
    token = client["registration_access_token"]
    app = flow.server.app
    wrong = [
        {},
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer \xff"},
        {"Authorization": f"Basic {token}"},
        {"Authorization": f"Bearer {token}x"},
        {"Authorization": f"Bearer {other['registration_access_token']}"},
    ]
    paths = [f"/oauth/register/{other['client_id']}", *(f"/oauth/register/{each}" for each in client_ids(flow))]
    answers = [app.get(path, headers=each, status=401) for each in wrong]
    answers += [app.delete(path, headers=each, status=401) for each in wrong]
    answers += [app.put_json(path, client, headers=each, status=401) for each in wrong]
    answers += [app.get(each, headers=headers, status=401) for each in paths]
    answers += [app.delete(each, headers=headers, status=401) for each in paths]
    answers += [app.put_json(each, client, headers=headers, status=401) for each in paths]
    assert len({answer.text for answer in answers}) == 1
    assert all(answer.headers["WWW-Authenticate"].startswith("Bearer ") for answer in answers)
    assert find(flow, other).revoked_at is None
    assert find(flow, client).revoked_at is None


def client_ids(flow):
    """Clients that did not register themselves, and none at all."""
    return [flow.web.client.client_id, flow.native.client.client_id, "nobody", "%00", "%D0%BA", "a%20b"]


def test_a_token_of_an_operators_client_would_be_of_no_use(flow):
    """There is none, but it can be computed by who knows the pepper."""
    client_id = flow.native.client.client_id
    token = make_registration_token(flow.server.service.pepper, client_id)
    headers = {"Authorization": f"Bearer {token}"}
    assert flow.server.app.delete(f"/oauth/register/{client_id}", headers=headers, status=401)


def test_a_flood_of_clients_that_delete_themselves_is_limited_too(build):
    flow = build_flow(build, {**OPEN, "registration.max_unused": "2"})
    for _time in range(2):
        client = register(flow).json
        headers = {"Authorization": f"Bearer {client['registration_access_token']}"}
        flow.server.app.delete(f"/oauth/register/{client['client_id']}", headers=headers, status=204)
    register(flow, status=429)


@pytest.mark.parametrize("how", [{}, {"token_endpoint_auth_method": "private_key_jwt", "jwks": KEYS}])
def test_such_a_client_uses_pkce_whatever_the_setting_says(build, how):
    flow = build_flow(build, {**OPEN, "require_pkce": "false"})
    client = register(flow, **how).json
    answer = flow.sign_in().get(
        "/oauth/authorize", {"response_type": "code", "client_id": client["client_id"], "scope": "read"}
    )
    assert read_answer(answer)["error"] == "invalid_request"


@pytest.mark.slow
def test_many_clients_that_nobody_uses_are_not_read(flow):
    """The plan of SQLite names an index for each question that other requests ask."""
    engine = flow.server.service.store._engine
    with engine.connect() as connection:
        told = []
        sqlalchemy.event.listen(connection, "before_cursor_execute", lambda *args: told.append(args[2:4]))
        unit = SQLAlchemyUnit(connection, [], lambda _later: None)
        unit.count_unused_clients(1.0)
        unit.list_operator_names()
        unit.list_public_redirect_uris()
        for statement, values in list(told):
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values).all()
            assert all("SEARCH" in str(line) or "MULTI-INDEX" in str(line) or "INDEX " in str(line) for line in plan), (
                plan
            )
