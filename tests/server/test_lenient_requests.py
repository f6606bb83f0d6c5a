"""What clients may send in more than one way: scopes, resources, secrets."""

from __future__ import annotations

import base64
from urllib.parse import quote, quote_plus

import pytest
from authlib.oauth2.rfc6749.grants import ClientCredentialsGrant

from pyramid_oauthguard.server.clients.resources import find_resource
from tests.server.conftest import basic
from tests.server.flows import CALLBACK, build_flow

pytestmark = pytest.mark.slow

SECRET = "a+b/c=d e"


def ask(server, made=None, **form):
    body = {"grant_type": "client_credentials", **form}
    return server.app.post("/oauth/token", body, headers=server.basic(made or server.program), status="*")


def read_header(client_id, secret):
    return {"Authorization": "Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode()}


@pytest.mark.parametrize("scope", ["read  write", " read write", "read write ", "  read   write  "])
def test_additional_spaces_between_scopes_have_no_meaning(server, scope):
    assert ask(server, scope=scope).json["scope"] == "read write"


def test_a_scope_of_spaces_is_none(server):
    assert ask(server, scope="  ").json["scope"] == "read"


@pytest.mark.parametrize("scope", ['re"ad', "re\\ad", "read\twrite"])
def test_other_characters_are_still_refused(server, scope):
    assert ask(server, scope=scope).json["error"] in {"invalid_scope", "invalid_request"}


@pytest.mark.promise("AS-50")
def test_narrow_scopes_gives_what_the_client_may_have(build):
    server = build({"narrow_scopes": "on"})
    answer = ask(server, scope="read admin unknown").json
    assert answer["scope"] == "read"
    assert server.introspect(answer["access_token"])["scope"] == "read"


@pytest.mark.promise("AS-50")
def test_narrow_scopes_refuses_where_no_scope_is_left(build):
    server = build({"narrow_scopes": "on"})
    assert ask(server, scope="admin unknown").json["error"] == "invalid_scope"


@pytest.mark.promise("TK-07")
def test_without_narrow_scopes_one_scope_too_many_is_refused(server):
    assert ask(server, scope="read admin").json["error"] == "invalid_scope"


@pytest.mark.promise("AS-50")
def test_narrow_scopes_holds_for_users_and_for_refreshing(build):
    flow = build_flow(build, {"narrow_scopes": "on"})
    page = flow.show(scope="read admin")
    assert "scope.admin" not in page.text
    assert "scope.read" in page.text
    answer = flow.redeem(flow.allow(scope="read admin"))
    assert answer["scope"] == "read"
    form = {"grant_type": "refresh_token", "refresh_token": answer["refresh_token"], "scope": "read write"}
    again = flow.server.app.post("/oauth/token", form, headers=flow.server.basic(flow.web)).json
    assert again["scope"] == "read", "what the user did not allow is not added"


class Careless(ClientCredentialsGrant):
    """A grant of an application that makes its token by hand."""

    GRANT_TYPE = "urn:example:careless"
    ACTS_FOR_USER = False
    TOKEN_ENDPOINT_AUTH_METHODS = ("client_secret_basic",)

    def generate_token(self, scope=None, **_):
        return self.server.make_token(
            self.request.client.record, subject=None, scopes=("read", "admin"), audiences=("https://api.example",)
        )


@pytest.mark.promise("AS-50")
def test_narrow_scopes_does_not_let_a_token_of_a_grant_have_more(build):
    """The scopes of such a token are not asked for but given: leaving one out would not change the token."""
    server = build({"narrow_scopes": "on"}, configure=lambda config: config.add_oauth_grant(Careless))
    made = server.clients.create("Careless", grants=[Careless.GRANT_TYPE], scopes=["read"])
    answer = ask(server, made, grant_type=Careless.GRANT_TYPE)
    assert (answer.status_int, answer.json["error"]) == (400, "invalid_scope")


def test_offline_access_is_accepted_and_is_no_scope_of_the_token(build):
    flow = build_flow(build)
    page = flow.show(scope="read offline_access")
    assert "offline_access" not in page.text.replace(page.html.find("input", {"name": "ticket"})["value"], "")
    answer = flow.redeem(flow.allow(scope="read offline_access"))
    assert answer["scope"] == "read"
    assert "refresh_token" in answer
    form = {"grant_type": "refresh_token", "refresh_token": answer["refresh_token"], "scope": "read offline_access"}
    again = flow.server.app.post("/oauth/token", form, headers=flow.server.basic(flow.web)).json
    assert again["scope"] == "read"


def test_offline_access_gives_no_refresh_token_to_a_client_that_may_have_none(server):
    answer = ask(server, scope="read offline_access").json
    assert answer["scope"] == "read"
    assert "refresh_token" not in answer


def test_offline_access_alone_asks_for_the_default_scopes(server):
    assert ask(server, scope="offline_access").json["scope"] == "read"


def test_an_application_may_have_a_scope_of_this_name(build):
    server = build({"scopes": "read = Read\noffline_access = Stay"})
    made = server.clients.create("Stays", grants=["client_credentials"], scopes=["read", "offline_access"])
    assert ask(server, made, scope="read offline_access").json["scope"] == "read offline_access"
    other = server.clients.create("Goes", grants=["client_credentials"], scopes=["read"])
    assert ask(server, other, scope="read offline_access").json["scope"] == "read"


def test_the_metadata_name_offline_access_where_there_are_refresh_tokens(build, server):
    path = "/.well-known/oauth-authorization-server"
    assert "offline_access" not in server.app.get(path).json["scopes_supported"]
    flow = build_flow(build, name="users")
    assert "offline_access" in flow.server.app.get(path).json["scopes_supported"]


@pytest.mark.promise("AS-50")
@pytest.mark.parametrize(
    ("registered", "asked"),
    [
        ("https://api.example", "https://api.example/"),
        ("https://api.example/", "https://api.example"),
        ("https://api.example/v1/", "https://API.example:443/v1"),
        ("https://api.example/v1?x=1", "https://api.example/v1/?x=1"),
    ],
)
def test_one_slash_makes_no_difference_and_the_token_has_the_registered_spelling(build, registered, asked):
    server = build({"audience": registered})
    answer = ask(server, resource=asked).json
    assert server.introspect(answer["access_token"])["aud"] == registered


@pytest.mark.parametrize(
    "asked",
    [
        "https://api.example//", "https://api.example/V1", "http://api.example", "https://api.example:8443",
        "https://api.example/#x", "https://api.example.evil", "https://x@api.example", "api.example", "/",
    ],
)  # fmt: skip
def test_other_resources_are_other_resources(server, asked):
    assert ask(server, resource=asked).json["error"] == "invalid_target"


def test_the_same_text_is_preferred_and_names_are_texts():
    assert find_resource("https://a/x/", ("https://a/x", "https://a/x/")) == "https://a/x/"
    assert find_resource("api/", ("api",)) is None
    assert find_resource("api", ("api",)) == "api"


def test_two_spellings_of_one_resource_give_one_audience(server):
    body = [
        ("grant_type", "client_credentials"),
        ("resource", "https://api.example"),
        ("resource", "https://api.example/"),
    ]
    answer = server.app.post("/oauth/token", body, headers=server.basic(server.program)).json
    assert server.introspect(answer["access_token"])["aud"] == "https://api.example"


def test_a_refresh_compares_resources_in_the_same_way(build):
    flow = build_flow(build)
    token = flow.redeem(flow.allow(resource="https://api.example/"), resource="https://api.example/")["refresh_token"]
    form = {"grant_type": "refresh_token", "refresh_token": token, "resource": "https://api.example/"}
    answer = flow.server.app.post("/oauth/token", form, headers=flow.server.basic(flow.web)).json
    assert flow.server.introspect(answer["access_token"])["aud"] == "https://api.example"


@pytest.mark.parametrize("encode", [str, quote_plus, quote, lambda text: quote(text, safe="")])
def test_a_secret_works_raw_and_encoded(server, encode):
    made = server.clients.create(
        "Old", client_id="old+app/1", secret=SECRET, grants=["client_credentials"], scopes=["read"]
    )
    for name in (made.client.client_id, quote_plus(made.client.client_id)):
        headers = read_header(name, encode(SECRET))
        server.app.post("/oauth/token", {"grant_type": "client_credentials"}, headers=headers)


@pytest.mark.parametrize("sent", ["100%", "100%25", "100%2525"])
def test_a_secret_with_a_percent_sign(server, sent):
    """`100%25` may be sent raw or encoded; `100%` is not what either means."""
    server.clients.create("Old", client_id="old", secret="100%25", grants=["client_credentials"], scopes=["read"])
    status = 401 if sent == "100%" else 200
    server.app.post(
        "/oauth/token", {"grant_type": "client_credentials"}, headers=read_header("old", sent), status=status
    )


@pytest.mark.promise("TK-02")
@pytest.mark.parametrize("sent", ["a+b/c", "%61%2Bb%2Fc%3Dd", "a%2520", "%ff%", "%", "+"])
def test_no_other_secret_works(server, sent):
    server.clients.create("Old", client_id="old", secret=SECRET, grants=["client_credentials"], scopes=["read"])
    answer = server.app.post(
        "/oauth/token", {"grant_type": "client_credentials"}, headers=read_header("old", sent), status=401
    )
    assert answer.json["error"] == "invalid_client"


def test_a_public_client_that_sends_an_empty_secret_is_a_public_client(build):
    flow = build_flow(build)
    client_id = flow.native.client.client_id
    for how in (
        {"headers": basic(client_id, "")},
        {"form": {"client_id": client_id, "client_secret": ""}},
        {"headers": basic(client_id, ""), "form": {"client_id": client_id, "client_secret": ""}},
    ):
        token = flow.redeem(flow.allow(flow.native), flow.native)["refresh_token"]
        form = {"grant_type": "refresh_token", "refresh_token": token, **how.get("form", {})}
        flow.server.app.post("/oauth/token", form, headers=how.get("headers", {}))


@pytest.mark.promise("TK-07")
def test_a_confidential_client_with_an_empty_secret_is_refused(server):
    client_id = server.program.client.client_id
    form = {"grant_type": "client_credentials"}
    answer = server.app.post("/oauth/token", form, headers=basic(client_id, ""), status=401)
    assert answer.json["error"] == "invalid_client"
    answer = server.app.post("/oauth/token", {**form, "client_id": client_id, "client_secret": ""}, status=401)
    assert answer.json["error"] == "invalid_client"
    answer = server.app.post(
        "/oauth/introspect", {"token": "x"}, headers=basic(server.api.client.client_id, ""), status=401
    )
    assert answer.json["error"] == "invalid_client"


@pytest.mark.promise("TK-06")
def test_what_a_client_lost_in_the_meantime_is_not_in_the_token(build):
    """The code is redeemed after the setting was changed."""
    flow = build_flow(build)
    code = flow.allow()
    smaller = build_flow(build, {"scopes": "read = Read"})
    answer = smaller.redeem(code, flow.web, redirect_uri=CALLBACK)
    assert answer["scope"] == "read"
