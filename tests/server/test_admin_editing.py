"""Editing a client and ending what a user allowed, in the browser."""

from __future__ import annotations

import json
from typing import Any

import pytest
from joserfc.jwk import ECKey
from webtest import TestApp

from pyramid_oauthguard.server.clients import ClientRegistry
from pyramid_oauthguard.server.clients.fields import ClientChanges
from pyramid_oauthguard.server.clients.versions import ClientChangedError, find_version
from tests.server.conftest import Build
from tests.server.flows import Flow, read_answer
from tests.server.test_admin import Operators, build_admin, press, read_trail

pytestmark = pytest.mark.slow


@pytest.fixture
def flow(build: Build, monkeypatch: pytest.MonkeyPatch) -> Flow:
    return build_admin(build, monkeypatch)


def open_form(browser: TestApp, client_id: str, button: str = "Save") -> Any:
    page: Any = browser.get("/oauth/admin/client", {"client_id": client_id})
    return next(form for form in page.forms.values() if f">{button}<" in form.text)


EDITED = {
    "name": "Shop & more",
    "redirect_uris": "https://web.example/one\r\nhttps://web.example/two",
    "grants": "authorization_code\r\nrefresh_token\r\nclient_credentials",
    "scopes": "read",
    "audiences": "https://api.example",
    "require_pkce": "optional",
    "access_token_ttl": "5m",
    "refresh_token_ttl": "7d",
    "refresh_token_max_age": "30d",
    "owner": "Example Inc.",
    "home_page": "https://web.example/",
    "policy": "https://web.example/privacy",
    "jwks_uri": "https://web.example/keys",
    "assertion_subjects": "anna b*",
}


def test_every_field_is_edited_and_shown_again(flow: Flow) -> None:
    client_id, browser = flow.web.client.client_id, flow.sign_in()
    form = open_form(browser, client_id)
    for name, value in EDITED.items():
        form[name] = value
    form["first_party"], form["loopback_localhost"] = True, True
    assert form.submit().headers["Location"].endswith(f"/oauth/admin/client?client_id={client_id}")
    client = flow.server.clients.find(client_id)
    assert client is not None
    assert client.name == "Shop & more"
    assert client.redirect_uris == ("https://web.example/one", "https://web.example/two")
    assert client.grants == ("authorization_code", "refresh_token", "client_credentials")
    assert (client.require_pkce, client.first_party, client.loopback_localhost) == (False, True, True)
    lives = (client.access_token_ttl, client.refresh_token_ttl, client.refresh_token_max_age)
    assert lives == (300.0, 604800.0, 2592000.0)
    assert client.assertion_subjects == ("anna", "b*")
    [line] = read_trail(flow, "ClientEdited")
    assert line["administrator"] == "anna"
    assert set(line["changes"]) >= {"name", "first_party", "scopes"}
    again = open_form(browser, client_id)
    assert again.submit().status_int == 303
    assert len(read_trail(flow, "ClientEdited")) == 1, "nothing was different"
    assert set(EDITED) | {"first_party", "loopback_localhost"} == set(ClientChanges.__annotations__)


@pytest.mark.promise("AD-01")
def test_the_second_of_two_editors_is_told_and_saves_nothing(flow: Flow) -> None:
    client_id = flow.web.client.client_id
    first, second = open_form(flow.sign_in(), client_id), open_form(flow.sign_in("berta"), client_id)
    first["scopes"], second["name"] = "read", "Overwritten"
    assert first.submit().status_int == 303
    refused = second.submit(status=409)
    assert "changed after you opened the page" in refused.text
    typed = {each.strong.text: each.code.text for each in refused.html.select(".entry")}
    assert typed["name"] == "Overwritten", "what was typed is not lost"
    client = flow.server.clients.find(client_id)
    assert client is not None
    assert (client.scopes, client.name) == (("read",), "Web shop")


@pytest.mark.promise("AD-01")
def test_two_tabs_of_one_administrator_notice_each_other_too(flow: Flow) -> None:
    client_id, browser = flow.web.client.client_id, flow.sign_in()
    first, second = open_form(browser, client_id), open_form(browser, client_id)
    first["name"], second["name"] = "First", "Second"
    assert [first.submit(status="*").status_int, second.submit(status="*").status_int] == [303, 409]


def test_what_was_typed_is_kept_after_an_error(flow: Flow) -> None:
    client_id, browser = flow.web.client.client_id, flow.sign_in()
    for name, value, problem in (
        ("grants", "nothing", "grants: "),
        ("access_token_ttl", "soon", "access_token_ttl: "),
        ("redirect_uris", "https://web.example/#x", "redirect_uris: "),
        ("name", "", "name: "),
        ("home_page", "javascript:alert(1)", "home_page: "),
        ("name", "<script>alert(1)</script>", None),
    ):
        form = open_form(browser, client_id)
        form["owner"] = "Kept"
        form[name] = value
        page = form.submit(status="*")
        assert "<script" not in page.text
        assert page.status_int == (303 if problem is None else 422)
        if problem is not None:
            assert problem in page.html.select_one(f"#{name}-problem").text
            assert page.html.select_one("[aria-invalid]")["name"] == name
            sent = next(each for each in page.forms.values() if ">Save<" in each.text)
            assert (sent["owner"].value, sent[name].value.strip()) == ("Kept", value)
            sent["owner"], sent[name] = "", "" if name == "access_token_ttl" else form[name].value
    assert flow.server.clients.find(client_id).name.startswith("<script>")  # type: ignore[union-attr]
    assert "<script" not in browser.get("/oauth/admin/clients").text


@pytest.mark.promise("AD-01")
def test_an_old_sign_in_edits_nothing(flow: Flow) -> None:
    people, client_id = flow.people, flow.web.client.client_id
    assert isinstance(people, Operators)
    people.ago = 301.0
    form = open_form(flow.sign_in(), client_id)
    form["first_party"] = True
    page = form.submit(status=403)
    assert "Sign in again" in page.text
    assert page.forms[0].submit().headers["Location"].endswith(f"/oauth/admin/client?client_id={client_id}")
    client = flow.server.clients.find(client_id)
    assert client is not None
    assert not client.first_party


def test_what_is_not_there_leads_to_the_list(flow: Flow) -> None:
    for query in ("", "?client_id=nobody", "?client_id=https://nobody.example/x"):
        answer = flow.sign_in().get(f"/oauth/admin/client{query}")
        assert answer.headers["Location"].endswith("/oauth/admin/clients")
    flow.sign_in().get("/oauth/admin/client?client_id=%00", status=400)


def test_a_client_that_ended_meanwhile_is_not_edited(flow: Flow) -> None:
    form = open_form(flow.sign_in(), flow.web.client.client_id)
    flow.server.clients.revoke(flow.web.client.client_id)
    assert "is not a live client" in form.submit(status=422).text
    page: Any = flow.sign_in().get("/oauth/admin/client", {"client_id": flow.web.client.client_id})
    assert ">Save<" not in page.text


def test_one_secret_ends_and_keys_are_replaced(flow: Flow) -> None:
    client_id, browser = flow.web.client.client_id, flow.sign_in()
    flow.server.clients.rotate_secret(client_id, label="second")
    press(browser, f"/oauth/admin/client?client_id={client_id}", "End this secret")
    client = flow.server.clients.find(client_id)
    assert client is not None
    assert [each.revoked_at is None for each in client.secrets] == [False, True]
    key = ECKey.generate_key("P-256", parameters={"kid": "k1"})
    form = open_form(browser, client_id, "Replace the keys")
    form["jwks"] = json.dumps({"keys": [key.as_dict(private=True)]})
    refused = form.submit(status=422)
    assert key.as_dict(private=True)["d"] not in refused.text
    form = open_form(browser, client_id, "Replace the keys")
    form["jwks"] = json.dumps({"keys": [key.as_dict(private=False)]})
    form.submit(status=303)
    assert "k1" in browser.get("/oauth/admin/client", {"client_id": client_id}).text
    assert read_trail(flow, "ClientKeysReplaced")[0]["administrator"] == "anna"
    assert read_trail(flow, "ClientSecretRevoked")[0]["administrator"] == "anna"


def allow(flow: Flow, who: str) -> str:
    answer: Any = flow.sign_in(who).get("/oauth/authorize", flow.ask())
    if answer.status_int == 200:
        answer = answer.forms[1].submit("decision", value="allow")
    token: str = flow.redeem(read_answer(answer)["code"])["access_token"]
    return token


def test_one_grant_ends_or_all_of_them_or_the_user_is_forgotten(flow: Flow) -> None:
    first, second, path = allow(flow, "carl"), allow(flow, "carl"), "/oauth/admin/users?subject=carl"
    press(flow.sign_in(), path, "End this grant")
    assert sorted([flow.is_active(first), flow.is_active(second)]) == [False, True]
    assert "End with all its tokens" in flow.sign_in().get(path).text, "the consent stays"
    press(flow.sign_in(), path, "End all grants")
    assert not flow.is_active(second)
    third = allow(flow, "carl")
    press(flow.sign_in(), path, "Forget this user")
    assert not flow.is_active(third)
    assert "has allowed nothing" in flow.sign_in().get(path).text
    assert read_trail(flow, "UserForgotten") == [{"administrator": "anna"}]
    assert {each["administrator"] for each in read_trail(flow, "TokenRevoked")} == {"anna"}


def test_an_edit_by_version_is_one_transaction(flow: Flow) -> None:
    clients: ClientRegistry = flow.server.clients
    client = flow.web.client
    version = find_version(client)
    changed = clients.edit(client.client_id, version=version, owner="Example")
    assert find_version(changed) != version
    with pytest.raises(ClientChangedError):
        clients.edit(client.client_id, version=version, owner="Other")
    with pytest.raises(ClientChangedError):
        clients.edit(client.client_id, version="x", owner="Other")
