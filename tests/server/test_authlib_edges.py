"""Where Authlib alone would answer otherwise; each of its edges that the first endpoints touch."""

from __future__ import annotations

import logging
import re

import pytest

from tests.server.flows import VERIFIER, build_flow, read_answer

GRANT = {"grant_type": "client_credentials"}
DESCRIPTION = re.compile(r"[\x20-\x21\x23-\x5b\x5d-\x7e]+")  # RFC 6749 section 5.2


def test_behind_a_proxy_that_ends_tls_the_transport_is_the_issuers(build):
    server = build({"issuer": "https://id.example"})
    headers = {**server.basic(server.program), "Host": "10.0.0.7:8080"}
    answer = server.app.post("/oauth/token", GRANT, headers=headers, extra_environ={"wsgi.url_scheme": "http"})
    assert answer.status_int == 200


@pytest.mark.slow
@pytest.mark.parametrize("name", ["redirect_uri", "response_type", "grant_type"])
@pytest.mark.parametrize("value", ['"', "\\", 'https://a.example/"><script>'])
def test_a_quote_is_an_invalid_request_not_a_value_error(server, name, value):
    form = {**GRANT, name: value}
    answer = server.app.post("/oauth/token", form, headers=server.basic(server.program), status=400)
    assert answer.json["error"] == "invalid_request"
    assert name in answer.json["error_description"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "form",
    [
        {},
        {"grant_type": "x'<>&"},
        {"grant_type": "client_credentials", "scope": "x"},
        {"grant_type": "client_credentials", "resource": "x"},
        {"grant_type": "client_credentials", "client_secret": "x"},
        {"grant_type": "client_credentials", "client_id": "x"},
        [('a\u00fc"', "1"), ('a\u00fc"', "2")],
    ],
)
def test_descriptions_keep_to_the_rfcs_characters_and_repeat_nothing(server, form):
    answer = server.app.post("/oauth/token", form, headers=server.basic(server.program), status=400)
    assert DESCRIPTION.fullmatch(answer.json["error_description"])
    assert "<" not in answer.text


def test_get_and_post_parameters_are_not_merged(server):
    answer = server.app.post("/oauth/token?x=1", {**GRANT, "x": "2"}, headers=server.basic(server.program))
    assert answer.status_int == 200, "x is neither repeated nor read from the query"
    secret = {"client_id": server.program.client.client_id, "client_secret": server.program.secret}
    query = "&".join(f"{name}={value}" for name, value in secret.items())
    assert server.app.post(f"/oauth/token?{query}", GRANT, status=400).json["error"] == "invalid_request"


def test_a_401_names_its_realm(server):
    answer = server.app.post("/oauth/token", GRANT, status=401)
    assert answer.headers["WWW-Authenticate"] == 'Basic realm="oauth", charset="UTF-8"'


@pytest.mark.parametrize("name", ["redirect_uri", "response_type"])
def test_a_quote_at_the_authorization_endpoint_is_an_invalid_request(build, name):
    flow = build_flow(build)
    answer = flow.sign_in().get("/oauth/authorize", flow.ask(**{name: '"\\'}), status=[303, 400])
    if name == "redirect_uri":
        assert "invalid_request" in answer.text
    else:
        assert read_answer(answer)["error"] == "invalid_request"


def test_behind_a_proxy_that_ends_tls_users_are_asked_all_the_same(build):
    flow = build_flow(build, {"issuer": "https://id.example"})
    environ = {"wsgi.url_scheme": "http", "HTTP_HOST": "10.0.0.7:8080", "HTTP_COOKIE": "user=anna"}
    page = flow.server.app.get("/oauth/authorize", flow.ask(), extra_environ=environ)
    answer = page.form.submit("decision", value="deny", extra_environ=environ)
    assert "iss=https%3A%2F%2Fid.example" in answer.headers["Location"]


@pytest.mark.slow
@pytest.mark.promise("GD-26")
def test_no_log_line_holds_a_code_a_token_a_ticket_or_a_verifier(build, caplog):
    caplog.set_level(logging.DEBUG)
    flow = build_flow(build)
    page = flow.show()
    code = read_answer(page.form.submit("decision", value="allow"))["code"]
    tokens = flow.redeem(code)
    flow.redeem(code, status=400)
    assert "authlib" in {record.name.partition(".")[0] for record in caplog.records}
    for secret in (code, VERIFIER, tokens["access_token"], page.form["ticket"].value, flow.web.secret):
        assert secret not in caplog.text
