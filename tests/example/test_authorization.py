"""`pserve development.ini` from the browser to the API: sign in, allow, redeem, use, withdraw."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from playwright.sync_api import Browser, Page

from tests.example.servers import CLIENT, Caller, Server, find_free_port, post_form, serve

pytestmark = [pytest.mark.slow, pytest.mark.needs("chromium")]
# RFC 7636 appendix B.
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    more = {"oauthguard.server.limits.sign_in": "100/1m"}  # one user signs in for all of these tests
    folder, ports = tmp_path_factory.mktemp("flow"), {"6543": find_free_port()}
    with serve("development.ini", folder, ports=ports, settings=more) as server:
        yield server


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    context = chromium.new_context()
    yield context.new_page()
    context.close()


def authorize(page: Page, server: Server, client: str) -> dict[str, str]:
    """Sign in, allow, and what the client is told at its redirect URI. Nobody listens there: the address is enough."""
    redirect_uri = f"http://127.0.0.1:{find_free_port()}/callback"
    query = {
        "response_type": "code",
        "client_id": client,
        "redirect_uri": redirect_uri,
        "scope": "customer_api",
        "state": "xyz",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
    }
    page.goto(f"{server.url}/oauth/authorize?{urlencode(query)}")
    page.fill("#name", "demo")
    page.fill("#password", "demo")
    page.click("button")
    page.wait_for_selector("button[value=allow]")
    # Without an answer, the browser's error page could end what the test opens next.
    page.route(f"{redirect_uri}?*", lambda route: route.fulfill(body="Done."))
    with page.expect_request(f"{redirect_uri}?*") as sent:
        page.click("button[value=allow]")
    page.wait_for_url(f"{redirect_uri}?*")
    answer = {name: value for name, (value,) in parse_qs(urlsplit(sent.value.url).query).items()}
    return {**answer, "redirect_uri": redirect_uri}


def redeem(server: Server, answer: dict[str, str], *, client: str = CLIENT) -> dict[str, str]:
    tokens = post_form(
        f"{server.url}/oauth/token",
        client=client,
        grant_type="authorization_code",
        code=answer["code"],
        redirect_uri=answer["redirect_uri"],
        code_verifier=VERIFIER,
    )
    assert tokens.status == 200, tokens.data
    return dict(tokens.json())


@pytest.mark.promise("AS-04", "AS-06")
def test_a_confidential_client_acts_for_the_user_until_the_user_withdraws_it(page: Page, server: Server) -> None:
    answer = authorize(page, server, "customer-manager")
    assert (answer["state"], answer["iss"]) == ("xyz", server.url)
    tokens = redeem(server, answer)
    caller = Caller(server.url, tokens["access_token"])
    assert caller.make_three_calls() == [200, 201, 201]
    page.goto(server.url)
    page.click("text=Applications you allowed")
    page.wait_for_selector("h2")
    assert page.inner_text("h2") == "Customer manager"
    page.click("button:has-text('Withdraw')")
    page.wait_for_selector("[role=status]")
    assert caller.make_three_calls() == [200, 201, 401]
    refreshed = post_form(
        f"{server.url}/oauth/token", grant_type="refresh_token", refresh_token=tokens["refresh_token"]
    )
    assert (refreshed.status, refreshed.json()["error"]) == (400, "invalid_grant")
    log = server.read_log()
    for secret in (tokens["access_token"], tokens["refresh_token"], answer["code"], VERIFIER):
        assert secret not in log


@pytest.mark.promise("AS-40")
def test_a_code_that_comes_twice_ends_its_tokens_although_the_answer_is_rolled_back(page: Page, server: Server) -> None:
    answer = authorize(page, server, "customer-manager")
    caller = Caller(server.url, redeem(server, answer)["access_token"])
    assert caller.charge_customer() == 201
    again = post_form(
        f"{server.url}/oauth/token",
        grant_type="authorization_code",
        code=answer["code"],
        redirect_uri=answer["redirect_uri"],
        code_verifier=VERIFIER,
    )
    assert (again.status, again.json()["error"]) == (400, "invalid_grant")
    assert caller.charge_customer() == 401
