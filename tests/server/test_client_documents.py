"""The client_id is the URL of a document in which a client describes itself."""

from __future__ import annotations

import json
import logging
import time

import pytest
import time_machine

from pyramid_oauthguard.errors import SettingError
from pyramid_oauthguard.interfaces import ISelfCheck
from pyramid_oauthguard.server.settings import parse_settings
from tests.server.flows import VERIFIER, build_flow, read_answer
from tests.server.self_registered import (
    KEYS,
    OPEN,
    allow,
    ask,
    describe,
    prove,
    read_page,
    redeem,
    serve_documents,
)

pytestmark = pytest.mark.slow
ON = {**OPEN, "registration": "off", "client_metadata_documents": "on"}
LOOPBACK = {**ON, "client_metadata_documents.development": "on"}
DAY = 86_400.0


@pytest.fixture
def host():
    with serve_documents() as found:
        yield found


@pytest.fixture
def flow(build):
    return build_flow(build, LOOPBACK)


def refresh(flow, client, token, *, status=200, **form):
    body = {"grant_type": "refresh_token", "client_id": client["client_id"], "refresh_token": token, **form}
    return flow.server.app.post("/oauth/token", body, status=status).json


def refuse(flow, client):
    page = ask(flow, client)
    assert page.status_int == 400, page
    assert "The document of the client can&#39;t be used." in page.text, page
    return page.text


# The whole way.


def test_a_client_is_known_by_its_document(flow, host):
    client = describe(host.publish())
    tokens = redeem(flow, client, allow(flow, client)["code"])
    assert flow.server.introspect(tokens["access_token"])["client_id"] == host.url
    assert refresh(flow, client, tokens["refresh_token"])["access_token"]
    assert host.asked == ["/client.json"]
    stored = flow.server.clients.find(host.url)
    assert (stored.role, stored.public, stored.registered_by) == ("client", True, "document")


def test_a_client_proves_who_it_is_by_keys_elsewhere(flow, host):
    host.answers["/keys"] = (200, {"Content-Type": "application/jwk-set+json"}, json.dumps(KEYS).encode())
    url = host.publish(token_endpoint_auth_method="private_key_jwt", jwks_uri=f"{host.origin}/keys")
    client = describe(url)
    code = allow(flow, client)["code"]
    assert redeem(flow, client, code, status=401)["error"] == "invalid_client"
    tokens = redeem(flow, client, code, **prove(client))
    assert refresh(flow, client, tokens["refresh_token"], **prove(client))["access_token"]


def test_a_client_proves_who_it_is_by_keys_in_the_document(flow, host):
    client = describe(host.publish(token_endpoint_auth_method="private_key_jwt", jwks=KEYS))
    assert redeem(flow, client, allow(flow, client)["code"], **prove(client))["access_token"]


def test_the_metadata_say_so(build, flow):
    name = "client_id_metadata_document_supported"
    assert flow.server.app.get("/.well-known/oauth-authorization-server").json[name] is True
    assert name not in build_flow(build, name="off").server.app.get("/.well-known/oauth-authorization-server").json


def test_the_first_approval_is_in_the_audit_trail(flow, host):
    client = describe(host.publish())
    for _time in range(2):
        allow(flow, client)
    with flow.server.service.store.reading() as unit:
        lines = unit.list_audit(limit=9, client_id=host.url, event="ClientCreated")
    assert [line.detail for line in lines] == ['{"by": "document"}']


# Who may make the server fetch.


@pytest.mark.promise("AS-12")
def test_nothing_is_fetched_before_a_user_has_signed_in(flow, host):
    parameters = flow.ask(client_id=host.publish(), redirect_uri=f"{host.origin}/callback")
    answer = flow.server.app.get("/oauth/authorize", parameters, status=303)
    assert answer.headers["Location"].startswith("http://localhost/sign-in")
    assert host.asked == []


def test_other_endpoints_know_only_clients_that_a_user_has_approved(flow, host):
    client = describe(host.publish())
    ask(flow, client).form.submit("decision", value="deny")
    app, who = flow.server.app, {"client_id": host.url}
    code = {"grant_type": "authorization_code", "code": "x", "code_verifier": VERIFIER, **who}
    assert app.post("/oauth/token", code, status=401).json["error"] == "invalid_client"
    assert app.post("/oauth/revoke", {"token": "x", **who}, status=401).json["error"] == "invalid_client"
    assert app.post("/oauth/device_authorization", who, status=401).json["error"] == "invalid_client"
    assert flow.server.clients.find(host.url) is None
    assert host.asked == ["/client.json"]


def test_without_the_setting_the_url_is_an_unknown_client(build, host):
    flow = build_flow(build)
    assert "The client does not exist on this server." in ask(flow, describe(host.publish())).text
    assert host.asked == []


# What a document may say.


@pytest.mark.promise("AS-12")
def test_documents_that_describe_no_client_are_refused_with_one_text(flow, host, caplog):
    bad = {
        "another id": {"client_id": "http://127.0.0.1/other.json"},
        "no id": {"client_id": None},
        "an id that is a list": {"client_id": [host.url]},
        "a secret": {"client_secret": "hush"},
        "the end of a secret": {"client_secret_expires_at": 0},
        "a method with a secret": {"token_endpoint_auth_method": "client_secret_basic"},
        "an unknown method": {"token_endpoint_auth_method": "tls_client_auth"},
        "no redirects": {"redirect_uris": None},
        "http elsewhere": {"redirect_uris": ["http://tool.example/"]},
        "redirects elsewhere": {"redirect_uris": ["https://other.example/callback"]},
        "no code": {"grant_types": ["client_credentials"]},
        "no keys": {"token_endpoint_auth_method": "private_key_jwt"},
        "both kinds of keys": {
            "token_endpoint_auth_method": "private_key_jwt",
            "jwks": KEYS,
            "jwks_uri": f"{host.origin}/keys",
        },
        "scopes": {"scope": "admin"},
        "html": {"headers": {"Content-Type": "text/html"}},
        "no type": {"headers": {"Content-Type": ""}},
        "encoded": {"headers": {"Content-Encoding": "gzip"}},
        "not json": {"body": b"{"},
        "a list": {"body": b"[]"},
        "too large": {"logo_uri": "x" * 5200},
        "a redirect": {"status": 302, "headers": {"Location": f"{host.origin}/client.json"}},
        "a redirect with a body": {"status": 301},
        "not found": {"status": 404},
        "created": {"status": 201},
        "gone": {"status": 500},
        "keys on a private host": {
            "token_endpoint_auth_method": "private_key_jwt",
            "jwks_uri": "http://10.0.0.1/keys",
        },
        "keys on the host of the server": {
            "token_endpoint_auth_method": "private_key_jwt",
            "jwks_uri": "http://localhost:6543/oauth/jwks",
        },
    }
    texts = set()
    for number, (what, changes) in enumerate(bad.items()):
        flow.server.service.documents._pauses.succeed("127.0.0.1")
        url = host.publish(f"/{number}.json", **changes)
        with caplog.at_level(logging.WARNING, "pyramid_oauthguard.server"):
            texts.add(refuse(flow, describe(url, f"{host.origin}/callback")))
        assert url in caplog.messages[-1], what
    assert len(texts) == 1
    assert len(set(caplog.messages)) == len(bad)
    assert "hush" not in caplog.text


def test_redirect_uris_elsewhere_are_left_out_unless_a_setting_allows_them(build, flow, host):
    uris = ["https://other.example/callback", "com.example.tool:/callback", "http://localhost:9/x"]
    url = host.publish(redirect_uris=uris)
    assert "redirect_uri" in ask(flow, describe(url, uris[0])).text
    for uri in uris[1:]:
        assert read_page(ask(flow, describe(url, uri)))
    anywhere = build_flow(build, {**LOOPBACK, "client_metadata_documents.redirects": "any"}, name="any")
    assert allow(anywhere, describe(url, uris[0]))["code"]


@pytest.mark.parametrize(
    ("said", "scopes"), [(None, ("read", "write")), ("read", ("read",)), ("read admin offline_access", ("read",))]
)
def test_it_has_the_scopes_of_the_settings_at_most(flow, host, said, scopes):
    client = describe(host.publish(scope=said, audiences=["https://other.example"], role="resource_server"))
    allow(flow, client)
    stored = flow.server.clients.find(host.url)
    assert (stored.scopes, stored.audiences, stored.role) == (scopes, ("https://api.example",), "client")
    assert read_answer(ask(flow, client, scope="admin"))["error"] == "invalid_scope"


@pytest.mark.promise("AS-51")
def test_the_port_that_a_program_takes_was_refused_where_its_document_names_localhost_without_one(flow, host):
    """As the documents of Claude Code and Zed do."""
    url = host.publish(redirect_uris=["http://localhost/callback", "http://127.0.0.1/callback"])
    for uri in ("http://localhost:3118/callback", "http://127.0.0.1:3118/callback", "http://localhost/callback"):
        client = describe(url, uri)
        assert redeem(flow, client, allow(flow, client)["code"])["access_token"]
        assert read_answer(ask(flow, client, state="\x7f"))["error"] == "invalid_request"
    for uri in ("http://localhost:3118/other", "https://localhost:3118/callback", "http://localhost:0/callback"):
        assert "redirect_uri" in ask(flow, describe(url, uri)).text
    exact = host.publish("/exact.json", redirect_uris=["http://localhost:9/callback"])
    assert "redirect_uri" in ask(flow, describe(exact, "http://localhost:10/callback")).text
    host.publish(redirect_uris=["http://127.0.0.1/callback"])
    flow.server.service.documents._kept.clear()
    allow(flow, describe(url, "http://127.0.0.1:3118/callback"))
    assert not flow.server.clients.find(url).loopback_localhost


def test_one_redirect_uri_that_no_client_may_have_cost_the_whole_document(flow, host):
    uris = ["editor://callback", "http://tool.example/", f"{host.origin}/callback"]
    client = describe(host.publish(redirect_uris=uris))
    assert allow(flow, client)["code"]
    assert flow.server.clients.find(host.url).redirect_uris == (f"{host.origin}/callback",)
    assert "redirect_uri" in ask(flow, describe(host.url, "editor://callback")).text


def test_a_byte_order_mark_made_a_document_useless(flow, host):
    """Some editors write one at the beginning of a file."""
    document = {"client_id": host.url, "redirect_uris": [f"{host.origin}/callback"]}
    host.publish(body=b"\xef\xbb\xbf" + json.dumps(document).encode())
    assert allow(flow, describe(host.url))["code"]


def test_members_that_are_null_made_a_document_useless(flow, host):
    members = (
        "client_name",
        "scope",
        "grant_types",
        "response_types",
        "token_endpoint_auth_method",
        "jwks",
        "jwks_uri",
    )
    document = {"client_id": host.url, "redirect_uris": [f"{host.origin}/callback"], **dict.fromkeys(members)}
    host.publish(body=json.dumps(document).encode())
    assert allow(flow, describe(host.url))["code"]


# The page.


@pytest.mark.promise("AS-12")
def test_the_page_shows_both_hosts_above_the_name(flow, host):
    text = read_page(ask(flow, describe(host.publish(redirect_uris=["com.example.tool:/x"]), "com.example.tool:/x")))
    assert text.index("127.0.0.1") < text.index("com.example.tool:") < text.rindex("“Tool”")
    assert "any program on it could ask like this" in text


def test_nothing_of_the_document_is_loaded_by_the_page(flow, host):
    page = ask(flow, describe(host.publish(logo_uri=f"{host.origin}/logo.png", client_uri="https://tool.example/")))
    assert "logo.png" not in page.text
    assert "https://tool.example/" not in page.text


@pytest.mark.parametrize("name", ["Web shop", "\u202e", None])
def test_a_name_of_another_client_or_none_becomes_the_host(flow, host, name):
    assert "Allow “127.0.0.1”?" in read_page(ask(flow, describe(host.publish(client_name=name))))


def test_a_document_that_changes_while_the_page_is_open_is_shown_again(flow, host):
    client = describe(host.publish(client_name="Old"))
    page = ask(flow, client)
    host.publish(client_name="New")
    flow.server.service.documents._kept.clear()
    again = page.form.submit("decision", value="allow")
    assert "Allow “New”?" in read_page(again)
    assert read_answer(again.form.submit("decision", value="allow"))["code"]


def test_the_users_list_shows_the_host(flow, host):
    allow(flow, describe(host.publish()))
    assert "“Tool” (127.0.0.1)" in read_page(flow.sign_in().get("/oauth/applications"))


def test_a_consent_says_what_the_page_showed(flow, host):
    allow(flow, describe(host.publish(token_endpoint_auth_method="private_key_jwt", jwks=KEYS)))
    with flow.server.service.store.reading() as unit:
        [consent] = unit.list_consents("anna")
        grant_id = unit.list_live_grant_ids("anna", host.url)[0]
        grant = unit.find_grant(grant_id)
    assert (consent.client_name, consent.auth_method) == ("Tool", "private_key_jwt")
    assert consent.redirect_uri == f"{host.origin}/callback"
    assert len(consent.key_thumbprints) == 1
    assert consent.jwks_host is None
    assert grant.auth_method == "private_key_jwt"


# Consents that are remembered.


def test_a_consent_is_remembered_only_where_a_setting_says_so(build, host):
    client = describe(host.publish(token_endpoint_auth_method="private_key_jwt", jwks=KEYS))
    usual = build_flow(build, LOOPBACK, name="usual")
    allow(usual, client)
    assert ask(usual, client).content_type == "text/html"
    flow = build_flow(build, {**LOOPBACK, "self_registered.remember_consent": "on"})
    allow(flow, client)
    assert read_answer(ask(flow, client))["code"], "without a page"
    assert ask(flow, client, scope="write").content_type == "text/html", "for a new scope"
    other = f"{host.origin}/other"
    host.publish(
        token_endpoint_auth_method="private_key_jwt", jwks=KEYS, redirect_uris=[*client["redirect_uris"], other]
    )
    flow.server.service.documents._kept.clear()
    assert ask(flow, describe(host.url, other)).content_type == "text/html", "for a new redirect URI"
    host.publish(redirect_uris=client["redirect_uris"])
    flow.server.service.documents._kept.clear()
    assert ask(flow, client).content_type == "text/html", "because it no longer proves who it is"


def test_a_new_host_of_the_keys_asks_again(build, host):
    with serve_documents() as keys:
        flow = build_flow(build, {**LOOPBACK, "self_registered.remember_consent": "on"})
        body = json.dumps(KEYS).encode()
        for each in (host, keys):
            each.answers["/keys"] = (200, {"Content-Type": "application/json"}, body)
        how = {"token_endpoint_auth_method": "private_key_jwt"}
        client = describe(host.publish(jwks_uri=f"{host.origin}/keys", **how))
        allow(flow, client)
        assert read_answer(ask(flow, client))["code"]
        host.publish(jwks_uri=f"http://localhost:{keys.origin.rpartition(':')[2]}/keys", **how)
        flow.server.service.documents._kept.clear()
        assert ask(flow, client).content_type == "text/html"


# After the consent.


@pytest.fixture
def served(flow, host):
    """A client with a refresh token, a day after its document was read."""
    client = describe(host.publish())
    tokens = redeem(flow, client, allow(flow, client)["code"])
    with time_machine.travel(time.time() + DAY + 1, tick=False) as clock:
        yield client, tokens["refresh_token"], clock


def test_a_refresh_reads_the_document_again_after_its_time(flow, host, served):
    client, token, _clock = served
    host.publish(client_name="New name")
    token = refresh(flow, client, token)["refresh_token"]
    assert flow.server.clients.find(host.url).name == "New name"
    refresh(flow, client, token)
    assert host.asked == ["/client.json"] * 2


@pytest.mark.parametrize(
    "change",
    [
        {"status": 404},
        {"status": 500},
        {"body": b"now a web page", "headers": {"Content-Type": "text/html"}},
        {"client_id": "https://other.example/x"},
        {"token_endpoint_auth_method": "private_key_jwt", "jwks": KEYS},
    ],
)
def test_a_document_that_disappears_or_changes_ends_its_client_when_the_good_copy_is_too_old(
    flow, host, served, change
):
    client, token, clock = served
    host.publish(**change)
    answer = refresh(flow, client, token)
    assert flow.is_active(answer["access_token"])
    assert flow.server.clients.find(host.url).public, "the good copy is what counts"
    clock.move_to(time.time() + 6 * DAY)
    assert not flow.is_active(answer["access_token"])
    assert refresh(flow, client, answer["refresh_token"], status=401)["error"] == "invalid_client"


def test_an_access_token_ends_with_the_good_copy(flow, host):
    client = describe(host.publish())
    began = time.time()
    code = allow(flow, client)["code"]
    with flow.server.service.store.writing() as unit:
        stored = unit.find_client(host.url)
    assert stored.expires_at == pytest.approx(began + 7 * DAY, abs=60)
    token = redeem(flow, client, code)["refresh_token"]
    with time_machine.travel(stored.expires_at - 60, tick=False) as clock:
        host.publish(status=404)
        flow.server.service.documents._kept.clear()
        access = refresh(flow, client, token)["access_token"]
        assert flow.is_active(access)
        clock.move_to(stored.expires_at + 1)
        assert not flow.is_active(access)


def test_a_token_keeps_the_method_of_its_approval(flow, host):
    client = describe(host.publish(token_endpoint_auth_method="private_key_jwt", jwks=KEYS))
    tokens = redeem(flow, client, allow(flow, client)["code"], **prove(client))
    code = allow(flow, client)["code"]
    host.publish()
    flow.server.service.documents._kept.clear()
    allow(flow, client)
    assert flow.server.clients.find(host.url).public, "as another user approved it"
    assert refresh(flow, client, tokens["refresh_token"], status=400)["error"] == "invalid_grant"
    assert redeem(flow, client, code, status=400)["error"] == "invalid_grant"


@pytest.mark.parametrize(
    "change", [{"client_metadata_documents": "off"}, {"client_metadata_documents.development": "off"}]
)
def test_a_place_that_the_settings_keep_out_has_no_live_tokens(build, flow, host, change):
    client = describe(host.publish())
    tokens = redeem(flow, client, allow(flow, client)["code"])
    strict = build_flow(build, {**LOOPBACK, **change})
    assert not strict.is_active(tokens["access_token"])
    assert refresh(strict, client, tokens["refresh_token"], status=401)["error"] == "invalid_client"


DENIED = {"client_metadata_documents.deny": "evil.example *.bad.example shared.example/evil/"}
ALLOWED = {"client_metadata_documents.allow": "good.example *.fine.example shared.example/good/"}


@pytest.mark.parametrize(
    ("settings", "url", "is_let_in"),
    [
        ({}, "https://tool.example/client.json", True),
        ({}, "https://tool.example/a/b", True),
        ({}, "https://tool.example/a/", True),
        ({}, "https://tool.example", False),
        ({}, "https://tool.example/", False),
        ({}, "http://tool.example/client.json", False),
        ({}, "HTTPS://tool.example/client.json", False),
        ({}, "https://TOOL.example/client.json", False),
        ({}, "https://tool.example:443/client.json", False),
        ({}, "https://tool.example:8443/client.json", False),
        ({}, "https://tool.example./client.json", False),
        ({}, "https://tool/client.json", False),
        ({}, "https://localhost/client.json", False),
        ({}, "https://127.0.0.1/client.json", False),
        ({}, "https://93.184.216.34/client.json", False),
        ({}, "https://[2606:4700::1111]/client.json", False),
        ({}, "https://0x7f.1/client.json", False),
        ({}, "https://user@tool.example/client.json", False),
        ({}, "https://user:secret@tool.example/client.json", False),
        ({}, "https://tool.example/client.json?x=1", False),
        ({}, "https://tool.example/client.json#x", False),
        ({}, "https://tool.example/../client.json", False),
        ({}, "https://tool.example/a/./client.json", False),
        ({}, "https://tool.example/%63lient.json", False),
        ({}, "https://tool.example//client.json", False),
        ({}, "https://tool.example/a\\b", False),
        ({}, "https://tööl.example/client.json", False),
        ({}, "https://tool.example/" + "x" * 255, False),
        ({}, "javascript://tool.example/x", False),
        (DENIED, "https://tool.example/x", True),
        (DENIED, "https://evil.example/x", False),
        (DENIED, "https://not-evil.example/x", True),
        (DENIED, "https://a.bad.example/x", False),
        (DENIED, "https://bad.example/x", True),
        (DENIED, "https://shared.example/evil/x", False),
        (DENIED, "https://shared.example/EVIL/x", False),
        (DENIED, "https://shared.example/evil", True),
        (ALLOWED, "https://tool.example/x", False),
        (ALLOWED, "https://good.example/x", True),
        (ALLOWED, "https://good.example.evil.example/x", False),
        (ALLOWED, "https://a.b.fine.example/x", True),
        (ALLOWED, "https://evilfine.example/x", False),
        (ALLOWED, "https://shared.example/good/x", True),
        (ALLOWED, "https://shared.example/goodness/x", False),
        (ALLOWED, "https://shared.example/GOOD/x", False),
        ({"client_metadata_documents.allow": "Shared.example/Good/"}, "https://shared.example/Good/x", True),
        ({"client_metadata_documents.deny": "shared.example/Evil/"}, "https://shared.example/evil/x", False),
        ({**ALLOWED, "client_metadata_documents.deny": "good.example"}, "https://good.example/x", False),
    ],
)
def test_which_urls_may_be_a_client_id(settings, url, is_let_in):
    found = read_settings(settings)
    assert (found.is_document_id(url), found.lets_in(url)) == (is_let_in, is_let_in)
    assert found.lets_in("client-1")


@pytest.mark.parametrize(
    "place", ["evil", "https://evil.example", "evil.example/x", "*.evil.example/x/", "a b.example*"]
)
def test_a_place_that_means_nothing_stops_start_up(place):
    with pytest.raises(SettingError, match=r"client_metadata_documents\.deny"):
        read_settings({"client_metadata_documents.deny": place})


def read_settings(settings):
    given = {"issuer": "https://id.example", "audience": "https://api.example", "scopes": "read = R\nwrite = W"}
    given = {f"oauthguard.server.{name}": value for name, value in {**given, **ON, **settings}.items()}
    return parse_settings(given, known_grants=frozenset()).self_registration


def test_a_client_that_the_operator_revoked_stays_revoked(flow, host):
    client = describe(host.publish())
    tokens = redeem(flow, client, allow(flow, client)["code"])
    flow.server.clients.revoke(host.url)
    assert not flow.is_active(tokens["access_token"])
    refuse(flow, client)


def test_a_user_may_not_have_the_url_of_a_document_as_identifier(flow, host, caplog):
    browser = flow.sign_in()
    flow.people.user = lambda request: host.url
    assert read_answer(browser.get("/oauth/authorize", flow.ask()))["error"] == "server_error"
    assert "can't be a URL" in caplog.text


# The cache.


def test_a_good_document_lives_between_five_minutes_and_a_day(flow, host):
    for number, (control, seconds) in enumerate(
        [("", 3600), ("no-store", 300), ("max-age=1", 300), ("max-age=7200", 7200), ("public, max-age=99999999", DAY)]
    ):
        path = f"/{number}.json"
        client = describe(host.publish(path, headers={"Cache-Control": control}), f"{host.origin}/callback")
        now = time.time()
        with time_machine.travel(now, tick=False) as clock:
            ask(flow, client)
            clock.move_to(now + seconds - 1)
            ask(flow, client)
            assert host.asked.count(path) == 1, control
            clock.move_to(now + seconds)
            ask(flow, client)
            assert host.asked.count(path) == 2, control


def test_failures_are_not_kept_but_pause(flow, host, monkeypatch):
    clock = [1000.0]
    monkeypatch.setattr("pyramid_oauthguard.server.clients.documents.pauses.time.monotonic", lambda: clock[0])
    good = describe(host.publish("/good.json"), f"{host.origin}/callback")
    ask(flow, good)
    client = describe(host.publish(status=503))
    for length in (1, 2, 4, 8, 16, 30, 30):
        refuse(flow, client)
        asked = len(host.asked)
        refuse(flow, client)
        refuse(flow, describe(host.publish("/other.json"), f"{host.origin}/callback"))
        assert len(host.asked) == asked, "the host is paused"
        assert read_page(ask(flow, good)), "a good document does not wait"
        clock[0] += length + 0.1
    host.publish()
    assert allow(flow, client)["code"], "at once"


def test_a_document_that_is_missing_does_not_pause_its_host(flow, host):
    refuse(flow, describe(f"{host.origin}/missing.json", f"{host.origin}/callback"))
    assert allow(flow, describe(host.publish()))["code"]


def test_a_user_may_have_a_number_of_documents_read(build, host):
    flow = build_flow(build, {**LOOPBACK, "limits": "on", "limits.documents": "2/1h"})
    for number in range(2):
        assert read_page(ask(flow, describe(host.publish(f"/{number}.json"), f"{host.origin}/callback")))
    refuse(flow, describe(host.publish()))
    assert ask(flow, describe(f"{host.origin}/0.json", f"{host.origin}/callback")).status_int == 200, "it is kept"


# The check.


@pytest.mark.parametrize(
    ("changes", "subject", "level"),
    [
        ({}, "client_metadata_documents", "ok"),
        ({"client_metadata_documents.redirects": "any"}, "client_metadata_documents.redirects", "warning"),
        ({"client_metadata_documents.development": "on"}, "client_metadata_documents.development", "warning"),
        (
            {"client_metadata_documents.development": "on", "issuer": "https://id.example"},
            "client_metadata_documents.development",
            "error",
        ),
    ],
)
def test_the_check_reports_what_the_settings_allow(build, changes, subject, level):
    server = build_flow(build, {**ON, **changes}).server
    findings = list(server.registry.getUtility(ISelfCheck, name="server")(server.registry))
    assert [each.level for each in findings if each.subject == f"oauthguard.server.{subject}"] == [level]
