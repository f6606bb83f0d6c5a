"""Clients are changed after they were made."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
import transaction

from pyramid_oauthguard.server.clients import RegistrationError
from pyramid_oauthguard.server.clients.redirect_uris import is_registered
from pyramid_oauthguard.server.events import AuthorizationApproved, ClientEdited
from tests.server.flows import CALLBACK, CHALLENGE, LOOPBACK, VERIFIER, build_flow, read_answer
from tests.server.self_registered import KEYS

PNG = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR" + bytes(30)
GOOD = {
    "name": "New name",
    "redirect_uris": ["https://new.example/back"],
    "grants": ["authorization_code"],
    "scopes": ["read", "admin"],
    "audiences": ["https://api.example"],
    "require_pkce": False,
    "first_party": True,
    "loopback_localhost": True,
    "access_token_ttl": 60,
    "refresh_token_ttl": 3600,
    "refresh_token_max_age": 7200.5,
    "owner": "Ännä & Co.",
    "home_page": "https://new.example/",
    "policy": "https://new.example/privacy",
}


def list_audit(server, event):
    with server.service.store.reading() as unit:
        return unit.list_audit(limit=100, event=event)


@pytest.fixture
def flow(build):
    return build_flow(build)


def test_every_field_can_be_changed_and_the_rest_stays(flow):
    clients, before = flow.server.clients, flow.web.client
    edited = clients.edit(before.client_id, **GOOD)
    found = clients.find(before.client_id)
    assert found == edited
    for name, value in GOOD.items():
        assert getattr(found, name) == (tuple(value) if isinstance(value, list) else value)
    for name in ("client_id", "role", "public", "secrets", "created_at", "jwks"):
        assert getattr(found, name) == getattr(before, name)


@pytest.mark.promise("EV-01")
def test_what_was_changed_is_in_the_audit_trail(build):
    seen = []
    flow = build_flow(build, configure=lambda config: config.add_subscriber(seen.append, ClientEdited))
    client_id = flow.web.client.client_id
    flow.server.clients.edit(client_id, scopes=["read"], name="Web shop")
    assert seen == [ClientEdited(client_id, {"scopes": [("read", "write"), ("read",)]})]
    (line,) = list_audit(flow.server, "ClientEdited")
    assert (line.client_id, json.loads(line.detail)) == (
        client_id,
        {"changes": {"scopes": [["read", "write"], ["read"]]}},
    )
    flow.server.clients.edit(client_id, scopes=["read"])
    assert len(seen) == 1, "nothing was different"


def test_a_change_can_be_part_of_the_transaction_of_the_application(flow):
    manager = transaction.TransactionManager(explicit=True)
    manager.begin()
    flow.server.clients.edit(flow.web.client.client_id, tm=manager, name="Never")
    manager.abort()
    assert flow.server.clients.find(flow.web.client.client_id).name == "Web shop"
    assert list_audit(flow.server, "ClientEdited") == ()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"name": ""}, "name: must be 1 to 255"),
        ({"name": "a\nb"}, "name: must be 1 to 255"),
        ({"name": 7}, "name: must be 1 to 255"),
        ({"redirect_uris": []}, "redirect_uris: authorization_code needs at least one"),
        ({"redirect_uris": ["https://x/#f"]}, "redirect_uris: .*without fragment"),
        ({"redirect_uris": "https://x/"}, "redirect_uris: must be a list"),
        ({"grants": ["password"]}, "grants: 'password' is not one of"),
        ({"scopes": ["a b"]}, "scopes: must be non-empty strings without"),
        ({"audiences": ["ä"]}, "audiences: 'ä' is not a URI"),
        ({"access_token_ttl": 0}, "access_token_ttl: must be 1 second to"),
        ({"access_token_ttl": True}, "access_token_ttl: must be 1 second to"),
        ({"access_token_ttl": float("nan")}, "access_token_ttl: must be 1 second to"),
        ({"access_token_ttl": 10**400}, "access_token_ttl: must be 1 second to"),  # it was an OverflowError
        ({"refresh_token_ttl": "1h"}, "refresh_token_ttl: must be 1 second to"),
        ({"refresh_token_max_age": 1e12}, "refresh_token_max_age: must be 1 second to"),
        ({"first_party": "yes"}, "first_party: must be True or False"),
        ({"require_pkce": 0}, "require_pkce: must be True or False"),
        ({"owner": ""}, "owner: must be 1 to 255"),
        ({"home_page": "http://x.example/"}, "home_page: must begin with https://"),
        ({"home_page": "javascript:alert(1)"}, "home_page: must begin with https://"),
        ({"policy": 'https://x.example/"'}, "policy: must be a URL"),
        ({"policy": "https://x.example/" + "a" * 2000}, "policy: must be a URL of at most"),
    ],
)
def test_a_wrong_change_is_named_and_nothing_is_changed(flow, changes, problem):
    with pytest.raises(RegistrationError, match=problem):
        flow.server.clients.edit(flow.web.client.client_id, **{"owner": "Somebody", **changes})
    assert flow.server.clients.find(flow.web.client.client_id) == flow.web.client


def test_what_is_not_a_field_is_a_mistake_of_the_caller(flow):
    for name in ("client_id", "role", "public", "jwks", "logo", "created_at"):
        with pytest.raises(TypeError, match=name):
            flow.server.clients.edit(flow.web.client.client_id, **{name: "x"})


def test_only_a_live_client_can_be_changed(flow):
    flow.server.clients.revoke(flow.web.client.client_id)
    for client_id in (flow.web.client.client_id, "nobody"):
        with pytest.raises(RegistrationError, match="is not a live client"):
            flow.server.clients.edit(client_id, name="New")
        with pytest.raises(RegistrationError, match="is not a live client"):
            flow.server.clients.set_logo(client_id, PNG)


def test_a_client_that_a_document_describes_is_changed_by_its_document(flow):
    clients, client_id = flow.server.clients, flow.web.client.client_id
    with flow.server.service.store.writing() as unit:
        unit.update_client(replace(flow.web.client, registered_by="document"), ("registered_by",))
    before = clients.find(client_id)
    for name, value in GOOD.items():
        with pytest.raises(RegistrationError, match="describes the client: change the document; or end"):
            clients.edit(client_id, **{name: value})
    with pytest.raises(RegistrationError, match="client_id: is the address of a document"):
        clients.replace_keys(client_id, KEYS)
    assert clients.find(client_id) == before
    clients.revoke(client_id)


@pytest.mark.parametrize("by", ["registration", "document"])
def test_a_client_that_registered_itself_gets_no_secret(flow, by):
    """It is public or signs."""
    with flow.server.service.store.writing() as unit:
        unit.update_client(replace(flow.web.client, registered_by=by), ("registered_by",))
    with pytest.raises(RegistrationError, match="client_id: is a client that registered itself"):
        flow.server.clients.rotate_secret(flow.web.client.client_id)


def test_keys_are_registered_in_one_place(flow):
    clients = flow.server.clients
    made = clients.create("Signer", jwks_uri="https://a.example/jwks", grants=["client_credentials"])
    with pytest.raises(RegistrationError, match="client_id: has its keys at its jwks_uri: remove that first"):
        clients.replace_keys(made.client.client_id, KEYS)


def test_a_client_with_stored_keys_could_not_move_to_an_address(flow):
    """The keys at the address take the place of the stored ones, and the trail says so."""
    clients = flow.server.clients
    client_id = clients.create("Signer", jwks=KEYS, grants=["client_credentials"]).client.client_id
    moved = clients.edit(client_id, jwks_uri="https://a.example/jwks")
    assert (moved.jwks, moved.jwks_uri) == (None, "https://a.example/jwks")
    assert clients.find(client_id) == moved
    assert len(list_audit(flow.server, "ClientKeysReplaced")) == 1
    clients.edit(client_id, jwks_uri=None)
    clients.replace_keys(client_id, KEYS)
    assert json.loads(clients.find(client_id).jwks) == KEYS


def test_a_client_that_registered_itself_does_not_lose_its_keys_to_an_address(flow):
    clients = flow.server.clients
    client_id = clients.create("Signer", jwks=KEYS, grants=["client_credentials"]).client.client_id
    with flow.server.service.store.writing() as unit:
        unit.update_client(replace(clients.find(client_id), registered_by="registration"), ("registered_by",))
    before = clients.find(client_id)
    with pytest.raises(RegistrationError, match="jwks_uri: is for a confidential client of the operator"):
        clients.edit(client_id, jwks_uri="https://a.example/jwks")
    assert clients.find(client_id) == before


@pytest.mark.promise("AS-52")
@pytest.mark.parametrize(
    ("change", "shown"),
    [
        ({"redirect_uris": ["https://new.example/back"]}, "new.example"),
        ({"audiences": ["https://b.example"]}, "Web shop"),
    ],
)
def test_a_decision_was_taken_for_what_the_page_had_not_shown(flow, change, shown):
    page = flow.show(redirect_uri=None)
    flow.server.clients.edit(flow.web.client.client_id, **change)
    again = page.form.submit("decision", value="allow")
    assert again.status_int == 200
    assert shown in again.text
    assert read_answer(again.form.submit("decision", value="allow"))["code"]


def test_the_next_request_follows_the_change(flow):
    flow.server.clients.edit(flow.web.client.client_id, redirect_uris=["https://new.example/back"], scopes=["read"])
    refused = flow.sign_in().get("/oauth/authorize", flow.ask(), status=400)
    assert "redirect_uri" in refused.text
    answer = flow.sign_in().get("/oauth/authorize", flow.ask(redirect_uri="https://new.example/back"))
    assert read_answer(answer)["error"] == "invalid_scope"


@pytest.mark.promise("TK-04")
def test_a_refresh_gives_only_what_the_client_may_still_have(flow):
    token = flow.redeem(flow.allow())["refresh_token"]
    flow.server.clients.edit(flow.web.client.client_id, scopes=["read"])
    form = {"grant_type": "refresh_token", "refresh_token": token}
    answer = flow.server.app.post("/oauth/token", form, headers=flow.server.basic(flow.web)).json
    assert answer["scope"] == "read"


@pytest.mark.promise("TK-06")
def test_a_code_gives_only_what_the_client_may_still_have(flow):
    code = flow.allow()
    flow.server.clients.edit(flow.web.client.client_id, scopes=["read"])
    assert flow.redeem(code)["scope"] == "read"


@pytest.mark.promise("TK-08")
def test_a_device_code_gives_only_what_the_client_may_still_have(flow):
    device = flow.server.clients.create("TV", public=True, grants=["device_code"], scopes=["read", "write"])
    client_id = device.client.client_id
    asked = flow.server.app.post("/oauth/device_authorization", {"client_id": client_id, "scope": "read write"}).json
    typed = flow.sign_in().get("/oauth/device", {"user_code": asked["user_code"]}).form.submit()
    typed.form.submit("decision", value="allow")
    flow.server.clients.edit(client_id, scopes=["write"])
    form = {"grant_type": "urn:ietf:params:oauth:grant-type:device_code", "device_code": asked["device_code"]}
    assert flow.server.app.post("/oauth/token", {**form, "client_id": client_id}).json["scope"] == "write"


def test_a_page_of_a_new_site_may_call_at_once(flow):
    headers = {"Origin": "https://spa.example"}
    form = {"grant_type": "refresh_token", "refresh_token": "x", "client_id": flow.native.client.client_id}
    answer = flow.server.app.post("/oauth/token", form, headers=headers, status="*")
    assert "Access-Control-Allow-Origin" not in answer.headers
    flow.server.clients.edit(flow.native.client.client_id, redirect_uris=[LOOPBACK, "https://spa.example/back"])
    answer = flow.server.app.post("/oauth/token", form, headers=headers, status="*")
    assert answer.headers["Access-Control-Allow-Origin"] == "https://spa.example"


# Lifetimes.


@pytest.mark.promise("TK-04")
@pytest.mark.parametrize("style", ["jwt", "opaque"])
def test_a_client_has_lifetimes_of_its_own(build, style):
    flow = build_flow(build, {"access_token_format": style})
    flow.server.clients.edit(
        flow.web.client.client_id, access_token_ttl=60, refresh_token_ttl=1000, refresh_token_max_age=5000
    )
    answer = flow.redeem(flow.allow())
    assert answer["expires_in"] == 60
    found = flow.server.introspect(answer["access_token"])
    assert found["exp"] - found["iat"] == 60
    record = flow.server.find_refresh_token(answer["refresh_token"])
    assert record.expires_at - record.issued_at == pytest.approx(1000, abs=1)
    flow.server.clients.edit(flow.web.client.client_id, refresh_token_max_age=500)
    form = {"grant_type": "refresh_token", "refresh_token": answer["refresh_token"]}
    again = flow.server.app.post("/oauth/token", form, headers=flow.server.basic(flow.web)).json
    record = flow.server.find_refresh_token(again["refresh_token"])
    assert record.expires_at - record.issued_at <= 500, "the whole grant ends then"
    assert flow.redeem(flow.allow(flow.native), flow.native)["expires_in"] == 600, "and others have the setting"


# PKCE.


@pytest.mark.promise("AS-53")
def test_a_confidential_web_client_may_be_without_pkce(flow):
    plain = {"code_challenge": None, "code_challenge_method": None}
    answer = flow.sign_in().get("/oauth/authorize", flow.ask(**plain))
    assert read_answer(answer)["error"] == "invalid_request"
    flow.server.clients.edit(flow.web.client.client_id, require_pkce=False)
    code = flow.allow(**plain)
    assert "access_token" in flow.redeem(code, code_verifier=None)
    code = flow.allow(browser=flow.sign_in("bob"))
    assert flow.redeem(code, code_verifier="w" * 43, status=400)["error"] == "invalid_grant"
    code = flow.allow(browser=flow.sign_in("eve"), **plain)
    assert flow.redeem(code, status=400)["error"] in {"invalid_grant", "invalid_request"}


@pytest.mark.promise("AS-53")
def test_a_client_may_be_held_to_pkce_where_the_setting_is_off(build):
    flow = build_flow(build, {"require_pkce": "false"})
    plain = {"code_challenge": None, "code_challenge_method": None}
    assert flow.show(**plain)
    flow.server.clients.edit(flow.web.client.client_id, require_pkce=True)
    answer = flow.sign_in().get("/oauth/authorize", flow.ask(**plain))
    assert read_answer(answer)["error"] == "invalid_request"


@pytest.mark.slow
@pytest.mark.promise("AS-53")
@pytest.mark.parametrize(
    "uri",
    [
        LOOPBACK,
        "http://[::1]/",
        "http://localhost/x",
        "https://localhost/x",
        "https://app.localhost/",
        "com.example:/back",
    ],
)
def test_pkce_cannot_be_turned_off_where_programs_receive_the_code(flow, uri):
    clients, client_id = flow.server.clients, flow.web.client.client_id
    with pytest.raises(RegistrationError, match=r"require_pkce: .*must use PKCE"):
        clients.edit(client_id, require_pkce=False, redirect_uris=[CALLBACK, uri])
    clients.edit(client_id, require_pkce=False)
    with pytest.raises(RegistrationError, match=r"require_pkce: .*must use PKCE"):
        clients.edit(client_id, redirect_uris=[uri])
    with pytest.raises(RegistrationError, match="require_pkce"):
        clients.create("New", grants=["authorization_code"], redirect_uris=[uri], require_pkce=False)


@pytest.mark.promise("AS-53")
def test_pkce_cannot_be_turned_off_for_a_public_client(flow):
    with pytest.raises(RegistrationError, match="require_pkce: a public client must use PKCE"):
        flow.server.clients.edit(flow.native.client.client_id, require_pkce=False, redirect_uris=[CALLBACK])


@pytest.mark.promise("AS-53")
def test_the_request_is_checked_again_where_the_storage_says_otherwise(flow):
    """As if another process had changed the redirect URIs at the same moment."""
    from dataclasses import replace

    with flow.server.service.store.writing() as unit:
        client = replace(flow.web.client, require_pkce=False, redirect_uris=(LOOPBACK,))
        unit.update_client(client, ("require_pkce", "redirect_uris"))
    asked = flow.ask(redirect_uri=LOOPBACK, code_challenge=None, code_challenge_method=None)
    assert read_answer(flow.sign_in().get("/oauth/authorize", asked))["error"] == "invalid_request"


# The port of localhost.


@pytest.mark.promise("AS-51")
@pytest.mark.parametrize(
    ("asked", "good"),
    [
        ("http://localhost:1234/back?x=1", True),
        ("http://localhost/back?x=1", True),
        ("http://localhost:0/back?x=1", False),
        ("http://localhost:99999/back?x=1", False),
        ("http://localhost:1234/other?x=1", False),
        ("http://localhost:1234/back?x=2", False),
        ("https://localhost:1234/back?x=1", False),
        ("http://LOCALHOST:1234/back?x=1", False),
        ("http://localhost.:1234/back?x=1", False),
        ("http://localhost:1234@evil.example/back?x=1", False),
        ("http://localhost.evil.example/back?x=1", False),
        ("http://127.0.0.1:1234/back?x=1", False),
        ("http://localhost:1234/back?x=1#y", False),
        ("http://localhost:1234\\@evil.example/back?x=1", False),
    ],
)
def test_loopback_localhost_lets_the_port_vary_and_nothing_else(asked, good):
    registered = ("http://localhost/back?x=1",)
    assert is_registered(asked, registered, localhost=True) is good
    assert is_registered(asked, registered) is (asked == registered[0])


@pytest.mark.promise("AS-51")
def test_loopback_localhost_is_a_choice_of_each_client(flow):
    clients, client_id = flow.server.clients, flow.native.client.client_id
    clients.edit(client_id, redirect_uris=["http://localhost/cb"])
    asked = flow.ask(flow.native, redirect_uri="http://localhost:4711/cb")
    assert flow.sign_in().get("/oauth/authorize", asked, status=400).content_type == "text/html"
    clients.edit(client_id, loopback_localhost=True)
    answer = flow.sign_in().get("/oauth/authorize", asked).form.submit("decision", value="deny")
    assert read_answer(answer)["to"] == "http://localhost:4711/cb"
    errors = flow.sign_in().get("/oauth/authorize", [*asked.items(), ("scope", "read")])
    assert read_answer(errors)["to"] == "http://localhost:4711/cb", "and for parameters that cannot be read"


# The application's own clients.


@pytest.mark.promise("AS-52")
def test_a_first_party_client_gets_its_code_without_a_page_and_this_is_recorded(build):
    seen = []
    flow = build_flow(build, configure=lambda config: config.add_subscriber(seen.append, AuthorizationApproved))
    flow.server.clients.edit(flow.web.client.client_id, first_party=True)
    answer = read_answer(flow.sign_in().get("/oauth/authorize", flow.ask()))
    assert flow.redeem(answer["code"])["scope"] == "read write"
    (event,) = seen
    assert (event.first_party, event.remembered) == (True, False)
    (line,) = list_audit(flow.server, "AuthorizationApproved")
    assert json.loads(line.detail)["first_party"] is True
    with flow.server.service.store.reading() as unit:
        assert unit.list_consents("anna") == (), "the user read nothing"
    flow.server.clients.edit(flow.web.client.client_id, first_party=False)
    assert flow.show(), "and is asked as soon as it is no longer first-party"


@pytest.mark.slow
@pytest.mark.promise("AS-52")
@pytest.mark.parametrize(
    "uri",
    [LOOPBACK, "http://[::1]/", "http://localhost/x", "https://localhost/x", "https://a.localhost/", "com.example:/x"],
)
def test_a_first_party_program_still_shows_the_page_and_needs_a_click(flow, uri):
    for made in (flow.web, flow.native):
        flow.server.clients.edit(made.client.client_id, first_party=True, redirect_uris=[uri])
        page = flow.sign_in().get("/oauth/authorize", flow.ask(made, redirect_uri=uri))
        assert page.content_type == "text/html"
        assert page.form.submit("decision", value="allow").status_int == 303


@pytest.mark.promise("AS-52")
def test_a_first_party_device_still_shows_the_page_and_needs_a_click(flow):
    device = flow.server.clients.create("TV", public=True, grants=["device_code"], scopes=["read"], first_party=True)
    asked = flow.server.app.post("/oauth/device_authorization", {"client_id": device.client.client_id}).json
    page = flow.sign_in().get("/oauth/device", {"user_code": asked["user_code"]}).form.submit()
    assert page.form["ticket"].value
    assert "TV" in page.text


@pytest.mark.promise("AS-52")
def test_a_client_that_registered_itself_is_never_first_party(flow):
    client_id = flow.web.client.client_id
    with flow.server.service.store.writing() as unit:
        unit.update_client(replace(flow.web.client, registered_by="registration"), ("registered_by",))
    with pytest.raises(RegistrationError, match="first_party: users are always asked"):
        flow.server.clients.edit(client_id, first_party=True)
    with pytest.raises(RegistrationError, match="logo: "):
        flow.server.clients.set_logo(client_id, PNG)
    with flow.server.service.store.writing() as unit:
        changed = replace(flow.web.client, first_party=True, audiences=("https://api.example",))
        unit.update_client(changed, ("first_party", "audiences"))
    answer = flow.sign_in().get("/oauth/authorize", flow.ask(), status="*")
    assert "code=" not in answer.headers.get("Location", ""), "whatever the storage says"


@pytest.mark.promise("AS-52")
def test_the_application_and_the_user_still_decide_about_a_first_party_client(flow):
    flow.server.clients.edit(flow.web.client.client_id, first_party=True)
    flow.people.refused.add("Web shop")
    assert read_answer(flow.sign_in().get("/oauth/authorize", flow.ask()))["error"] == "access_denied"
    assert "sign-in" in flow.server.app.get("/oauth/authorize", flow.ask()).headers["Location"]


@pytest.mark.promise("AS-52")
def test_pkce_holds_for_first_party_clients(flow):
    flow.server.clients.edit(flow.native.client.client_id, first_party=True, redirect_uris=[CALLBACK])
    asked = flow.ask(flow.native, redirect_uri=CALLBACK, code_challenge=None, code_challenge_method=None)
    assert read_answer(flow.sign_in().get("/oauth/authorize", asked))["error"] == "invalid_request"
    asked = {**asked, "code_challenge": CHALLENGE, "code_challenge_method": "S256"}
    code = read_answer(flow.sign_in().get("/oauth/authorize", asked))["code"]
    assert flow.redeem(code, flow.native, redirect_uri=CALLBACK, code_verifier=VERIFIER)["access_token"]


# What the consent page shows.


@pytest.mark.promise("AS-06")
def test_the_consent_page_shows_owner_home_page_policy_and_logo(flow):
    clients, client_id = flow.server.clients, flow.web.client.client_id
    clients.edit(client_id, owner="A & <b>", home_page="https://x.example/?a&b", policy="https://x.example/p")
    clients.set_logo(client_id, PNG)
    page = flow.show()
    assert "A &amp; &lt;b&gt;" in page.text
    links = {link["href"]: link["rel"] for link in page.html.find_all("a")}
    assert links == {"https://x.example/?a&b": ["noreferrer"], "https://x.example/p": ["noreferrer"]}
    (image,) = page.html.find_all("img")
    assert re.fullmatch(r"/oauth/logo/[0-9a-f]{32}\.png", image["src"])
    assert "img-src 'self'" in page.headers["Content-Security-Policy"]
    sent = flow.server.app.get(image["src"])
    assert (sent.body, sent.content_type) == (PNG, "image/png")
    assert sent.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in sent.headers["Content-Security-Policy"]
    clients.set_logo(client_id, None)
    assert "<img" not in flow.show().text
    flow.server.app.get(image["src"], status=404)
    assert "<img" not in flow.show(flow.native).text


@pytest.mark.slow
@pytest.mark.parametrize(
    "data",
    [
        b"", b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>", b"<?xml version='1.0'?><svg/>",
        b"<html>", b" " + PNG, PNG + bytes(65536), b"RIFF", b"GIF88a", b"\x1f\x8b svgz",
    ],
)  # fmt: skip
def test_only_small_bitmaps_are_logos(flow, data):
    with pytest.raises(RegistrationError, match="logo: must be a PNG, JPEG, GIF or WebP image of at most 64 KiB"):
        flow.server.clients.set_logo(flow.web.client.client_id, data)


@pytest.mark.parametrize(
    ("data", "media_type"),
    [(b"\xff\xd8\xff\xe0", "image/jpeg"), (b"GIF89a", "image/gif"), (b"RIFF\n\n\n\nWEBP", "image/webp")],
)
def test_the_type_of_a_logo_is_read_from_its_bytes(flow, data, media_type):
    flow.server.clients.set_logo(flow.web.client.client_id, data)
    name = flow.server.clients.find(flow.web.client.client_id).logo
    assert flow.server.app.get(f"/oauth/logo/{name}").content_type == media_type
    (line,) = list_audit(flow.server, "ClientEdited")
    assert json.loads(line.detail) == {"changes": {"logo": [None, name]}}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["x.png", "0" * 32, "../pages.css", "0" * 32 + ".png", "0" * 32 + ".png%0a", "%00"])
def test_other_names_are_not_found(flow, name):
    flow.server.app.get(f"/oauth/logo/{name}", status=404)


def test_the_logo_of_a_revoked_client_is_gone(flow):
    flow.server.clients.set_logo(flow.web.client.client_id, PNG)
    name = flow.server.clients.find(flow.web.client.client_id).logo
    flow.server.clients.revoke(flow.web.client.client_id)
    flow.server.app.get(f"/oauth/logo/{name}", status=404)
