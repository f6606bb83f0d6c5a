"""oauthguard login URL: issuer, resource, scopes and client are found out from what an API and its server say."""

from __future__ import annotations

import json
import ssl
from typing import Any

import pytest

from pyramid_oauthguard.client.errors import CommandError
from pyramid_oauthguard.client.web.requests import Web
from pyramid_oauthguard.command.client.known_by_url import _check_address, prepare
from pyramid_oauthguard.command.run import Run
from pyramid_oauthguard.fetch.resolving import Resolver
from tests.client.apis import PLACE, TOKENS, Api, sign_in
from tests.client.terminal import Terminal

pytestmark = pytest.mark.slow


def test_the_url_is_enough_where_clients_may_register(terminal: Terminal, api: Api) -> None:
    api.offer_registration()
    query, ended = sign_in(terminal, api.url)
    assert ended.status == 0, ended.err
    assert (query["client_id"], query["scope"], query["resource"]) == ("new-client", "read", api.url)
    assert query["code_challenge_method"] == "S256"
    assert "as the client new-client" in ended.err
    assert terminal.run("token").out.strip() == TOKENS["access_token"]
    redeemed = next(each.form for each in api.issuer.asked if each.path == "/token")
    assert (redeemed["client_id"], redeemed["resource"]) == ("new-client", api.url)
    again, _ended = sign_in(terminal, api.url)
    assert again["client_id"] == "new-client"
    assert api.issuer.count("/register") == 1


@pytest.mark.parametrize("client", ["cli", "https://app.example/client.json"])
def test_a_client_that_is_known_is_used(terminal: Terminal, api: Api, client: str) -> None:
    api.offer_registration()
    query, ended = sign_in(terminal, api.url, "--client-id", client, "--scope", "write")
    assert (ended.status, query["client_id"], query["scope"]) == (0, client, "write")
    assert api.issuer.count("/register") == 0


def test_an_endpoint_that_knows_post_only_is_asked_by_post(terminal: Terminal, api: Api) -> None:
    named = f'resource_metadata="{api.issuer.issuer}{PLACE}/mcp"'
    api.answers["/mcp"] = api.refuse('scope="posted"', named, method="POST")
    query, _ended = sign_in(terminal, api.url, "--client-id", "cli")
    assert query["scope"] == "posted"


@pytest.mark.parametrize("place", [f"{PLACE}/mcp", PLACE])
def test_without_a_challenge_the_well_known_places_are_asked(terminal: Terminal, api: Api, place: str) -> None:
    api.answers["/mcp"] = (404, {})
    document = api.answers.pop(f"{PLACE}/mcp")
    api.answers[place] = document
    query, _ended = sign_in(terminal, api.url, "--client-id", "cli")
    assert query["scope"] == "all"


def test_a_refresh_token_is_asked_for_where_that_takes_a_scope(terminal: Terminal, api: Api) -> None:
    api.announce(code_challenge_methods_supported=["S256"], scopes_supported=["read", "offline_access"])
    query, _ended = sign_in(terminal, api.url, "--client-id", "cli")
    assert query["scope"] == "read offline_access"


def test_the_flag_chooses_among_several_issuers(terminal: Terminal, api: Api) -> None:
    api.answers[f"{PLACE}/mcp"] = api.describe(authorization_servers=["https://other.example", api.issuer.issuer])
    query, _ended = sign_in(terminal, api.url, "--client-id", "cli", "--issuer", api.issuer.issuer)
    assert query["client_id"] == "cli"
    refused = terminal.run("login", api.url, "--client-id", "cli", "--issuer", "https://third.example")
    assert (refused.status, "not of https://third.example" in refused.err) == (1, True)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"resource": "https://api.example/mcp"}, "describes 'https://api.example/mcp'"),
        ({"resource": 7}, "describes 7"),
        ({"authorization_servers": []}, "names no authorization server"),
        ({"authorization_servers": "x"}, "names no authorization server"),
        ({"authorization_servers": ["https://other.example\x1b[31m"]}, "names no authorization server"),
        ({"authorization_servers": ["https://other.example\x1b"]}, "the issuer must be a URL"),
        ({"authorization_servers": ["http://issuer.example"]}, "must begin with https"),
    ],
)
def test_a_document_that_cannot_be_used_ends_the_attempt(terminal: Terminal, api: Api, changes: Any, text: str) -> None:
    api.answers[f"{PLACE}/mcp"] = api.describe(**changes)
    ended = terminal.run("login", api.url, "--client-id", "cli")
    assert ended.status == 1
    assert text in ended.err
    assert "\x1b" not in ended.err


def test_a_document_that_is_not_there_ends_the_attempt(terminal: Terminal, api: Api) -> None:
    api.answers[f"{PLACE}/mcp"] = (404, {})
    ended = terminal.run("login", api.url)
    assert (ended.status, "check --as-client shows each step" in ended.err) == (1, True)


def test_a_server_without_pkce_is_not_used(terminal: Terminal, api: Api) -> None:
    api.announce()
    ended = terminal.run("login", api.url, "--client-id", "cli")
    assert (ended.status, "PKCE" in ended.err) == (1, True)


@pytest.mark.parametrize(
    ("answer", "status", "text"),
    [
        (None, 1, "does not let clients register themselves"),
        ((400, {"error": "invalid_redirect_uri", "error_description": "no\x1b[31m"}), 2, "invalid_redirect_uri"),
        ((401, {}), 2, "with a token only"),
        ((201, {}), 1, "without a client"),
        ((500, {}), 1, "without a client"),
    ],
)
def test_why_there_is_no_client_is_said(terminal: Terminal, api: Api, answer: Any, status: int, text: str) -> None:
    if answer is not None:
        api.offer_registration(answer)
    ended = terminal.run("login", api.url)
    assert (ended.status, text in ended.err) == (status, True), ended.err
    assert "\x1b" not in ended.err


def test_what_is_registered_is_a_native_public_client(terminal: Terminal, api: Api) -> None:
    api.offer_registration()
    sign_in(terminal, api.url)
    (asked,) = [each for each in api.issuer.asked if each.path == "/register"]
    sent = json.loads(asked.body)
    assert (asked.method, asked.headers["content-type"]) == ("POST", "application/json")
    assert (sent["application_type"], sent["token_endpoint_auth_method"]) == ("native", "none")
    assert (sent["redirect_uris"], sent["scope"]) == (["http://127.0.0.1/callback"], "read")


@pytest.mark.promise("CL-09")
def test_a_secret_is_not_sent_to_an_issuer_that_an_api_names(terminal: Terminal, api: Api) -> None:
    secret = {"OAUTHGUARD_CLIENT_ID": "cli", "OAUTHGUARD_CLIENT_SECRET": "s3cret-0123456789"}
    ended = terminal.run("login", api.url, **secret)
    assert ended.status == 1
    assert "neither a folder nor an API may choose the receiver" in ended.err
    assert [each for each in api.issuer.asked if "s3cret" in str(each)] == []
    named = {**secret, "OAUTHGUARD_ISSUER": api.issuer.issuer}
    _query, ended = sign_in(terminal, api.url, **named)
    assert ended.status == 0


def test_a_client_of_another_issuer_is_not_used(terminal: Terminal, api: Api) -> None:
    api.offer_registration()
    other = {"OAUTHGUARD_ISSUER": "https://other.example", "OAUTHGUARD_CLIENT_ID": "theirs"}
    query, _ended = sign_in(terminal, api.url, **other)
    assert query["client_id"] == "new-client"


@pytest.mark.parametrize("url", ["http://api.example/mcp", "ftp://x", "api.example", "https://"])
def test_what_is_not_the_address_of_an_api_is_refused(terminal: Terminal, url: str) -> None:
    ended = terminal.run("login", url)
    assert (ended.status, "the URL" in ended.err) == (1, True)


@pytest.mark.parametrize(
    "issuer", ["http://127.0.0.1:8080/a", "https://127.0.0.1", "https://intranet.example", "https://[::1]"]
)
def test_an_api_elsewhere_does_not_send_the_command_into_the_users_network(issuer: str) -> None:
    """The document of the API and the registration were held to public addresses, and the issuer was not."""
    known = {"api.example": ["93.184.215.14"], "id.example": ["93.184.215.15"], "intranet.example": ["10.0.0.1"]}
    resolver = Resolver(lambda host, port: known.get(host, [host]))
    web = Web("https://api.example/mcp", ssl.create_default_context(), resolver=resolver)
    with pytest.raises(CommandError, match="the issuer that the API names is not asked") as caught:
        _check_address(web, issuer)
    assert (caught.value.exit_status, caught.value.advice) == (1, "if you trust it, name it with --issuer")
    _check_address(web, "https://id.example")


def test_the_users_own_issuer_may_be_in_their_network(
    terminal: Terminal, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only what the API alone names is held to public addresses."""
    monkeypatch.setattr(Web, "check", lambda web, url: pytest.fail("it was checked"))
    run = Run(
        environ={**terminal.full_environ(), "OAUTHGUARD_ISSUER": api.issuer.issuer, "OAUTHGUARD_CLIENT_ID": "cli"}
    )
    prepare(run, api.url, "http://127.0.0.1/callback")
    assert run.options.issuer == api.issuer.issuer
