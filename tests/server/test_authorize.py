"""The authorization endpoint: what it asks, what it answers, and where the answer goes."""

from __future__ import annotations

import time

import pytest
import time_machine
from webtest import TestApp

from pyramid_oauthguard.server.events import AuthorizationApproved, AuthorizationDenied, TokenIssued
from pyramid_oauthguard.server.tokens.pruning import prune
from tests.server.conftest import ISSUER, Build
from tests.server.flows import CALLBACK, LOOPBACK, Flow, build_flow, read_answer, read_next


@pytest.fixture
def flow(build: Build) -> Flow:
    return build_flow(build)


def ask(flow: Flow, client=None, *, status=None, **changes):
    return flow.sign_in().get("/oauth/authorize", flow.ask(client, **changes), status=status)


@pytest.mark.slow
def test_a_user_allows_and_the_client_gets_tokens(flow):
    page = flow.show()
    assert "Allow “Web shop”?" in page.text
    assert "Anna" in page.text
    answer = read_answer(page.form.submit("decision", value="allow"))
    assert answer["to"] == "https://web.example/callback"
    assert answer["tenant"] == "1"
    assert answer["iss"] == ISSUER
    tokens = flow.redeem(answer["code"])
    assert tokens["token_type"] == "Bearer"
    assert tokens["scope"] == "read write"
    said = flow.server.introspect(tokens["access_token"])
    assert (said["sub"], said["scope"], said["aud"]) == ("anna", "read write", "https://api.example")


@pytest.mark.slow
def test_the_claims_of_the_token_say_when_the_user_signed_in(flow):
    from joserfc import jwk, jwt

    token = flow.redeem(flow.allow())["access_token"]
    keys = jwk.KeySet.import_key_set(flow.server.app.get("/oauth/jwks").json)
    claims = jwt.decode(token, keys, algorithms=["ES256"]).claims
    assert claims["sub"] == "anna"
    assert claims["auth_time"] == 1000


@pytest.mark.slow
@pytest.mark.promise("AS-02")
def test_state_comes_back_untouched(flow):
    state = "".join(chr(code) for code in range(0x20, 0x7F))
    allowed = read_answer(flow.show(flow.native, state=state).form.submit("decision", value="allow"))
    assert allowed["state"] == state
    denied = read_answer(flow.show(state=state).form.submit("decision", value="deny"))
    assert denied["state"] == state
    refused = read_answer(ask(flow, state=state, scope="admin"))
    assert refused["state"] == state
    assert "state" not in read_answer(flow.show(state=None).form.submit("decision", value="deny"))


@pytest.mark.slow
@pytest.mark.promise("AS-02", "AS-04")
@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": None}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": "code token"}, "unsupported_response_type"),
        ({"response_type": "<script>"}, "unsupported_response_type"),
        ({"scope": "admin"}, "invalid_scope"),
        ({"scope": "read nonsense"}, "invalid_scope"),
        ({"resource": "https://other.example"}, "invalid_target"),
        ({"response_mode": "fragment"}, "invalid_request"),
        ({"code_challenge": None, "code_challenge_method": None}, "invalid_request"),
    ],
)
def test_a_client_is_told_what_is_wrong_with_its_request(flow, changes, error):
    answer = read_answer(ask(flow, **changes))
    assert answer["to"] == "https://web.example/callback"
    assert answer["error"] == error
    assert answer["iss"] == ISSUER
    assert answer["state"] == "s t/%"
    assert "code" not in answer


@pytest.mark.slow
@pytest.mark.promise("AS-02")
@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": None},
        {"client_id": "nobody"},
        {"client_id": "nobody\0"},
        {"redirect_uri": "https://evil.example/"},
        {"redirect_uri": "https://web.example/callback"},
        {"redirect_uri": "javascript:alert(1)"},
        {"redirect_uri": CALLBACK + '"><script>'},
        {"redirect_uri": "https://web.example/callback?tenant=1#x"},
        {"redirect_uri": "https://web.example/callback?tenant=1\n"},
        {"scope": "admin", "redirect_uri": "https://evil.example/"},
    ],
)
def test_who_is_not_known_is_never_redirected_to(flow, changes):
    answer = ask(flow, **changes, status=400)
    assert answer.content_type == "text/html"
    assert "Location" not in answer.headers
    assert "<script" not in answer.text
    assert "evil.example" not in answer.text


@pytest.mark.promise("AS-02")
def test_a_revoked_client_gets_a_page(flow):
    flow.server.clients.revoke(flow.web.client.client_id)
    assert "invalid_client" in ask(flow, status=400).text


@pytest.mark.slow
def test_a_client_with_several_addresses_must_name_one(flow):
    several = flow.server.clients.create(
        "Several", redirect_uris=["https://a.example/", "https://b.example/"], grants=["authorization_code"]
    )
    assert "redirect_uri" in ask(flow, several, redirect_uri=None, status=400).text
    answer = flow.show(redirect_uri=None).form.submit("decision", value="allow")
    assert read_answer(answer)["to"] == "https://web.example/callback"


@pytest.mark.slow
@pytest.mark.promise("AS-41")
@pytest.mark.parametrize("name", ["response_type", "scope", "state", "code_challenge", "response_mode"])
def test_a_repeated_parameter_is_told_the_client(flow, name):
    parameters = [*flow.ask().items(), (name, "x"), (name, "x")]
    answer = read_answer(flow.sign_in().get("/oauth/authorize", parameters))
    assert answer["error"] == "invalid_request"
    assert answer["iss"] == ISSUER
    assert ("state" in answer) is (name != "state")


@pytest.mark.slow
@pytest.mark.promise("AS-41")
@pytest.mark.parametrize("values", ["xx", "xy", "xyz"])
def test_a_repeated_parameter_that_nobody_knows_is_ignored(flow, values):
    unknown = [("prompt", value) for value in values]
    page = flow.sign_in().get("/oauth/authorize", [*unknown, *flow.ask().items()])
    answer = read_answer(page.form.submit("decision", value="allow"))
    assert set(answer) == {"tenant", "code", "state", "iss", "to"}


@pytest.mark.slow
@pytest.mark.promise("AS-41", "AS-02")
@pytest.mark.parametrize("name", ["client_id", "redirect_uri"])
def test_a_repeated_address_is_told_nobody_but_the_user(flow, name):
    parameters = [*flow.ask().items(), (name, flow.ask()[name])]
    answer = flow.sign_in().get("/oauth/authorize", parameters, status=400)
    assert "repeated" in answer.text


@pytest.mark.slow
@pytest.mark.promise("AS-41")
def test_parameters_in_the_body_of_a_get_and_the_query_of_a_post_are_not_read(flow):
    from urllib.parse import urlencode

    browser = flow.sign_in()
    body = urlencode(flow.ask()).encode()
    answer = browser.request(
        "/oauth/authorize", method="GET", body=body, content_type="application/x-www-form-urlencoded", status=400
    )
    assert "client_id" in answer.text
    assert browser.post(f"/oauth/authorize?{urlencode(flow.ask())}", {"ticket": "x"}, status=400)


def test_a_request_by_post_goes_on_as_a_get(flow):
    answer = flow.sign_in().post("/oauth/authorize", flow.ask())
    assert answer.status_int == 303
    assert "Allow “Web shop”?" in answer.follow(headers={"Cookie": "user=anna"}).text


def test_a_secret_sent_by_post_to_the_wrong_place_does_not_get_into_a_url(flow):
    answer = flow.sign_in().post("/oauth/authorize", {**flow.ask(), "client_secret": flow.web.secret, "code": "x"})
    assert flow.web.secret not in answer.headers["Location"]
    assert "Allow “Web shop”?" in answer.follow(headers={"Cookie": "user=anna"}).text


def test_who_is_not_signed_in_is_sent_to_sign_in_and_back(flow):
    stranger = TestApp(flow.server.app.app)
    answer = stranger.get("/oauth/authorize", flow.ask())
    assert answer.status_int == 303
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Allow “Web shop”?" in flow.sign_in().get(read_next(answer)).text


def test_a_wrong_request_is_refused_before_anyone_signs_in(flow):
    stranger = TestApp(flow.server.app.app)
    assert stranger.get("/oauth/authorize", flow.ask(redirect_uri="https://evil.example/"), status=400)


@pytest.mark.slow
@pytest.mark.promise("AS-04")
def test_metadata_says_what_there_is(flow, build):
    document = flow.server.app.get("/.well-known/oauth-authorization-server").json
    assert document["authorization_endpoint"] == f"{ISSUER}/oauth/authorize"
    assert document["authorization_response_iss_parameter_supported"] is True
    assert document["response_types_supported"] == ["code"]
    assert document["response_modes_supported"] == ["query", "form_post"]
    assert document["code_challenge_methods_supported"] == ["S256"]
    assert "authorization_code" in document["grant_types_supported"]
    without = build(name="without").app.get("/.well-known/oauth-authorization-server").json
    assert "authorization_endpoint" not in without
    assert "authorization_code" not in without["grant_types_supported"]
    off = build_flow(build, {"grants": "client_credentials"}, name="off").server.app
    off.get("/oauth/authorize", status=404)
    assert "authorization_endpoint" not in off.get("/.well-known/oauth-authorization-server").json


@pytest.mark.slow
@pytest.mark.promise("AS-08")
@pytest.mark.parametrize("kind", ["token", "id_token", "code token", "none"])
def test_there_is_no_implicit_grant(flow, kind):
    answer = ask(flow, response_type=kind)
    assert "#" not in answer.headers["Location"]
    assert read_answer(answer)["error"] == "unsupported_response_type"


@pytest.mark.slow
@pytest.mark.promise("AS-11")
def test_a_user_whose_id_is_a_clients_is_nobody(flow, caplog):
    browser = flow.sign_in(flow.web.client.client_id)
    answer = read_answer(browser.get("/oauth/authorize", flow.ask()))
    assert answer["error"] == "server_error"
    assert "is also the id of a client" in caplog.text
    page = flow.show(browser=flow.sign_in("later"))
    flow.server.clients.create("Later", client_id="later", grants=["client_credentials"])
    assert read_answer(page.form.submit("decision", value="allow"))["error"] == "server_error"
    browser = flow.sign_in("later")
    assert read_answer(browser.get("/oauth/authorize", flow.ask()))["error"] == "server_error"
    assert browser.get("/oauth/applications", status=400)


@pytest.mark.slow
@pytest.mark.promise("AS-11")
def test_a_client_cant_take_the_id_of_a_user_seen_before(flow):
    from pyramid_oauthguard.server.clients import RegistrationError

    flow.allow()
    with pytest.raises(RegistrationError, match="is the identifier of a user"):
        flow.server.clients.create("Anna", client_id="anna", grants=["client_credentials"])


@pytest.mark.slow
@pytest.mark.promise("AS-11")
def test_a_client_cant_take_the_id_of_a_user_whose_grants_were_pruned(flow):
    from pyramid_oauthguard.server.clients import RegistrationError

    flow.allow()
    with time_machine.travel(time.time() + 3 * 86400):
        prune(flow.server.service.store)
    with flow.server.service.store.reading() as unit:
        assert unit.list_live_grant_ids("anna", flow.web.client.client_id) == ()
    with pytest.raises(RegistrationError, match="is the identifier of a user"):
        flow.server.clients.create("Anna", client_id="anna", grants=["client_credentials"])


@pytest.mark.parametrize("subject", ["x" * 256, "a\tb"])
def test_a_user_id_that_cant_be_stored_is_refused(flow, subject, caplog):
    flow.people.user = lambda request: subject
    assert read_answer(ask(flow))["error"] == "server_error"
    assert subject not in caplog.text


def test_the_application_may_refuse(flow):
    flow.people.refused.add("Web shop")
    heard = listen(flow, AuthorizationDenied)
    assert read_answer(ask(flow))["error"] == "access_denied"
    assert [(event.by, event.subject) for event in heard] == [("application", "anna")]
    assert flow.people.asked[0].scopes == ("read", "write")


def test_the_application_may_refuse_until_the_last_moment(flow):
    page = flow.show()
    flow.people.refused.add("Web shop")
    assert read_answer(page.form.submit("decision", value="allow"))["error"] == "access_denied"


@pytest.mark.slow
def test_a_user_who_may_not_be_acted_for_can_allow_nothing(flow):
    page = flow.show()
    flow.people.gone.add("anna")
    assert read_answer(page.form.submit("decision", value="allow"))["error"] == "access_denied"
    assert read_answer(ask(flow))["error"] == "access_denied"


@pytest.mark.slow
@pytest.mark.promise("EV-01")
def test_events_say_what_was_decided_and_hold_no_code(flow):
    heard = listen(flow, AuthorizationApproved, AuthorizationDenied, TokenIssued)
    read_answer(flow.show().form.submit("decision", value="deny"))
    code = flow.allow()
    token = flow.redeem(code)["access_token"]
    assert [type(event).__name__ for event in heard] == ["AuthorizationDenied", "AuthorizationApproved", "TokenIssued"]
    assert heard[1].grant_id == heard[2].grant_id
    assert code not in repr(heard)
    assert token not in repr(heard)


@pytest.mark.slow
def test_a_native_program_is_sent_back_to_its_port(flow):
    uri = "http://127.0.0.1:51234/callback"
    page = flow.show(flow.native, redirect_uri=uri)
    answer = read_answer(page.form.submit("decision", value="allow"))
    assert answer["to"] == uri
    assert flow.redeem(answer["code"], flow.native, redirect_uri=LOOPBACK, status=400)["error"] == "invalid_grant"
    assert flow.redeem(answer["code"], flow.native, redirect_uri=uri)["access_token"]


@pytest.mark.slow
def test_a_client_without_scopes_learns_who_the_user_is(flow):
    bare = flow.server.clients.create("Bare", redirect_uris=["https://bare.example/"], grants=["authorization_code"])
    page = flow.show(bare, redirect_uri=None, scope=None)
    assert "learn who you are" in page.text
    answer = read_answer(page.form.submit("decision", value="allow"))
    assert "scope" not in flow.redeem(answer["code"], bare, redirect_uri=None)


def listen(flow, *kinds):
    heard = []
    for kind in kinds:
        flow.server.registry.registerHandler(heard.append, [kind])
    return heard
