"""The log has one line for each authorization request that ends before the user is asked, with the reason."""

from __future__ import annotations

import logging
from urllib.parse import urlencode

import pytest

from tests.server.flows import CALLBACK, CHALLENGE, Flow, build_flow

pytestmark = pytest.mark.slow

LOGGER = "pyramid_oauthguard.server"


@pytest.fixture
def flow(build) -> Flow:
    return build_flow(build)


def ask(flow: Flow, **changes: str | None) -> None:
    asked = {
        "response_type": "code", "client_id": flow.web.client.client_id, "redirect_uri": CALLBACK, "scope": "read",
        "state": "st4te", "code_challenge": CHALLENGE, "code_challenge_method": "S256", **changes,
    }  # fmt: skip
    query = urlencode({name: value for name, value in asked.items() if value is not None})
    flow.sign_in().get(f"/oauth/authorize?{query}", status="*")


def find_lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.getMessage() for each in caplog.records if "before consent" in each.getMessage()]


@pytest.mark.parametrize(
    ("changes", "texts"),
    [
        ({"client_id": "nobody"}, ["invalid_", "the user was told", "client_id 'nobody'"]),
        ({"client_id": None}, ["client_id is missing", "the user was told"]),
        ({"redirect_uri": "https://evil.example/"}, ["the user was told", "redirect_uri 'https://evil.example/'"]),
        ({"scope": "read everything"}, ["invalid_scope", "the client was told", "scope 'read everything'"]),
        ({"resource": "https://other.example"}, ["invalid_target", "resource 'https://other.example'"]),
        ({"code_challenge": None}, ["invalid_request", "the client was told"]),
        ({"response_type": "token"}, ["unsupported_response_type", "response_type 'token'"]),
        ({"client_id": "x" * 5000}, ["the user was told", "x" * 100]),
        ({"scope": "a\nb\x1b[31m"}, ["invalid_request", "the client was told"]),
    ],
)
def test_the_reason_is_in_one_line(flow, caplog, changes, texts):
    caplog.set_level(logging.INFO, LOGGER)
    ask(flow, **changes)
    (line,) = find_lines(caplog)
    assert [text for text in texts if text not in line] == []
    assert line.isprintable()
    assert len(line) < 1000


def test_a_refusal_of_the_application_is_logged(flow, caplog):
    caplog.set_level(logging.INFO, LOGGER)
    flow.people.refused.add(flow.web.client.name)
    ask(flow)
    (line,) = find_lines(caplog)
    assert "the application refused it" in line
    assert flow.web.client.client_id in line


def test_what_leads_to_the_page_is_not_logged(flow, caplog):
    caplog.set_level(logging.INFO, LOGGER)
    ask(flow)
    assert find_lines(caplog) == []


@pytest.mark.promise("GD-26")
def test_no_line_has_the_state_or_the_challenge(flow, caplog):
    caplog.set_level(logging.DEBUG)
    ask(flow, scope="none")
    assert "st4te" not in caplog.text
    assert CHALLENGE not in caplog.text
