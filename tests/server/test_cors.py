"""Scripts of the sites that public clients are on may call the endpoints that they need. What is public, any script may read."""

from __future__ import annotations

import threading
import time

import pytest
import time_machine

from pyramid_oauthguard.errors import UnavailableError
from pyramid_oauthguard.server.http.origins import find_origin
from pyramid_oauthguard.server.store.sqlalchemy.store import SQLAlchemyUnit
from tests.server.flows import build_flow

SITE = "https://spa.example"
SHARED = [
    ("/oauth/token", "POST"),
    ("/oauth/revoke", "POST"),
    ("/oauth/device_authorization", "POST"),
]
PUBLIC = [
    "/oauth/jwks",
    "/.well-known/oauth-authorization-server",
    "/.well-known/openid-configuration",
]


@pytest.fixture
def server(build):
    return build_flow(build).server


@pytest.fixture
def spa(server):
    server.clients.create("SPA", public=True, grants=["authorization_code"], redirect_uris=[f"{SITE}/callback"])
    return server


def preflight(server, path, method, origin=SITE, headers="authorization"):
    sent = {
        "Origin": origin,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": headers,
    }
    return server.app.options(path, headers=sent, status="*")


@pytest.mark.slow
@pytest.mark.parametrize(("path", "method"), SHARED)
def test_a_browser_is_told_that_it_may(spa, path, method):
    answer = preflight(spa, path, method)
    assert answer.status_int == 204
    assert answer.headers["Access-Control-Allow-Origin"] == SITE
    assert method in answer.headers["Access-Control-Allow-Methods"]
    assert "authorization" in answer.headers["Access-Control-Allow-Headers"]
    assert "Access-Control-Allow-Credentials" not in answer.headers
    assert "Origin" in answer.vary


@pytest.mark.slow
@pytest.mark.parametrize(("path", "method"), SHARED)
@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://spa.example", "https://spa.example.evil", "*"]
)
def test_another_site_is_told_nothing(spa, path, method, origin):
    for answer in (
        preflight(spa, path, method, origin),
        spa.app.request(path, method=method, headers={"Origin": origin}, expect_errors=True),
    ):
        assert "Access-Control-Allow-Origin" not in answer.headers
        assert "Origin" in answer.vary


@pytest.mark.slow
@pytest.mark.parametrize("path", PUBLIC)
@pytest.mark.parametrize("origin", [SITE, "https://inspector.example", "null", None])
def test_any_script_reads_what_is_public(spa, path, origin):
    headers = {} if origin is None else {"Origin": origin}
    answer = spa.app.get(path, headers=headers)
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "WWW-Authenticate" in answer.headers["Access-Control-Expose-Headers"]
    assert "Access-Control-Allow-Credentials" not in answer.headers
    assert "Origin" not in (answer.vary or ()), "it is the same for everybody"
    refused = spa.app.post(path, headers=headers, status=405)
    assert refused.headers["Access-Control-Allow-Origin"] == "*"
    if origin is not None:
        asked = preflight(spa, path, "GET", origin)
        assert (asked.status_int, asked.headers["Access-Control-Allow-Origin"]) == (204, "*")
        assert "GET" in asked.headers["Access-Control-Allow-Methods"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "headers",
    ["authorization", "dpop", "x-requested-with", "mcp-protocol-version", "cache-control,pragma", "x-request-id, traceparent", "*"],
)  # fmt: skip
def test_a_script_may_send_headers_that_its_library_adds(spa, headers):
    answer = preflight(spa, "/oauth/token", "POST", headers=headers)
    assert answer.headers["Access-Control-Allow-Headers"] == headers
    assert "Access-Control-Request-Headers" in answer.vary


@pytest.mark.slow
@pytest.mark.parametrize("headers", ["", "a b", "x" * 65, ",", "a,,b", "a;b", "é", "a, " * 100 + "a", "a,  b"])
def test_names_that_are_none_are_not_repeated(spa, headers):
    answer = preflight(spa, "/oauth/token", "POST", headers=headers)
    assert answer.headers["Access-Control-Allow-Headers"] == "Authorization, Content-Type"


@pytest.mark.slow
def test_a_script_can_read_answers_and_errors(spa):
    answer = spa.app.get("/oauth/jwks", headers={"Origin": SITE})
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    body = {"grant_type": "client_credentials", "client_id": "nobody", "client_secret": "x"}
    refusal = spa.app.post("/oauth/token", body, headers={"Origin": SITE}, status=401)
    assert refusal.headers["Access-Control-Allow-Origin"] == SITE
    for name in ("Retry-After", "WWW-Authenticate"):
        assert name in refusal.headers["Access-Control-Expose-Headers"]


@pytest.mark.slow
@pytest.mark.parametrize("path", ["/oauth/introspect", "/nowhere"])
def test_what_no_browser_needs_is_not_shared(spa, path):
    assert "Access-Control-Allow-Origin" not in preflight(spa, path, "POST").headers


@pytest.mark.slow
def test_without_asking_first_options_is_no_method(spa):
    assert spa.app.options("/oauth/token", status=405).headers["Allow"] == "POST"


@pytest.mark.slow
def test_confidential_clients_and_revoked_ones_share_nothing(server):
    server.clients.create("Web", grants=["authorization_code"], redirect_uris=["https://web.example/cb"])
    gone = server.clients.create(
        "Gone", public=True, grants=["authorization_code"], redirect_uris=["https://gone.example/cb"]
    )
    assert "Access-Control-Allow-Origin" in preflight(server, "/oauth/token", "POST", "https://gone.example").headers
    server.clients.revoke(gone.client.client_id)
    for origin in ("https://web.example", "https://gone.example"):
        assert "Access-Control-Allow-Origin" not in preflight(server, "/oauth/token", "POST", origin).headers


@pytest.fixture
def slow_store(monkeypatch):
    """Reading the sites of all clients takes a moment; returns how often it was done."""
    reads, read = [], SQLAlchemyUnit.list_public_redirect_uris

    def read_slowly(unit):
        found = read(unit)
        reads.append(found)
        time.sleep(0.3)
        return found

    monkeypatch.setattr(SQLAlchemyUnit, "list_public_redirect_uris", read_slowly)
    return reads


@pytest.mark.slow
def test_each_request_of_an_unknown_site_read_the_sites_of_all_clients(spa, slow_store):
    """With 100,000 clients, four callers kept four processors busy."""
    sites, answers = [SITE, *(f"https://{number}.example" for number in range(5))], {}

    def ask(site):
        answers[site] = preflight(spa, "/oauth/token", "POST", site).headers.get("Access-Control-Allow-Origin")

    threads = [threading.Thread(target=ask, args=(site,)) for site in sites]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(slow_store), answers) == (1, dict.fromkeys(sites) | {SITE: SITE})
    with time_machine.travel(time.time() + 0.9):
        ask("https://9.example")
    assert len(slow_store) == 1, "where it takes long, it is done less often"
    with time_machine.travel(time.time() + 5):
        ask("https://9.example")
    assert len(slow_store) == 2


@pytest.mark.slow
def test_those_who_wait_for_a_reader_that_fails_do_not_try_one_after_the_other(spa, monkeypatch):
    tried, answers = [], []

    def fail_slowly(_unit):
        tried.append(None)
        time.sleep(0.5)
        raise UnavailableError("storage", "gone")

    monkeypatch.setattr(SQLAlchemyUnit, "list_public_redirect_uris", fail_slowly)
    asks = [threading.Thread(target=lambda: answers.append(preflight(spa, "/oauth/token", "POST"))) for _ in range(8)]
    for thread in asks:
        thread.start()
    for thread in asks:
        thread.join()
    assert len(answers) == 8
    assert not any("Access-Control-Allow-Origin" in answer.headers for answer in answers)
    assert len(tried) <= 2, "each that waited tried again, so the last of them waited for all"


@pytest.mark.slow
def test_a_site_that_was_stored_while_others_were_read_was_unknown_for_a_second(server, slow_store):
    reader = threading.Thread(target=preflight, args=(server, "/oauth/token", "POST"))
    reader.start()
    while not slow_store:
        time.sleep(0.01)
    server.clients.create("SPA", public=True, grants=["authorization_code"], redirect_uris=[f"{SITE}/callback"])
    assert preflight(server, "/oauth/token", "POST").headers["Access-Control-Allow-Origin"] == SITE
    reader.join()


@pytest.mark.slow
def test_another_process_hears_of_a_new_client_within_a_minute(build):
    one, other = build(), build()
    assert "Access-Control-Allow-Origin" not in preflight(other, "/oauth/token", "POST").headers
    one.clients.create("SPA", public=True, grants=["authorization_code"], redirect_uris=[f"{SITE}/callback"])
    with time_machine.travel(time.time() + 61):
        assert "Access-Control-Allow-Origin" in preflight(other, "/oauth/token", "POST").headers


@pytest.mark.parametrize(
    ("uri", "origin"),
    [
        ("https://Spa.Example/cb?x=1", "https://spa.example"),
        ("https://spa.example:443/cb", "https://spa.example"),
        ("https://spa.example:8443/cb", "https://spa.example:8443"),
        ("http://localhost:3000/", "http://localhost:3000"),
        ("http://[::1]:80/", "http://[::1]"),
        ("com.example.app:/cb", None),
    ],
)
def test_the_origin_of_a_redirect_uri(uri, origin):
    assert find_origin(uri) == origin
