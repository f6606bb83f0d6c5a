"""`pserve development.ini` and the calls of the README, over real HTTP."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator

import pytest

from tests.example.servers import (
    CHECKOUT,
    Caller,
    Server,
    fetch_token,
    find_free_port,
    find_sh,
    post_form,
    revoke_token,
    serve,
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve("development.ini", tmp_path_factory.mktemp("walkthrough"), ports={"6543": find_free_port()}) as server:
        yield server


@pytest.mark.promise("GD-17")
def test_after_the_revocation_only_the_remote_check_refuses(server: Server) -> None:
    token = fetch_token(server.url)
    caller = Caller(server.url, token)
    assert caller.make_three_calls() == [200, 201, 201]
    assert revoke_token(server.url, token) == 200
    assert caller.make_three_calls() == [200, 201, 401]


def test_a_revoked_token_is_challenged_as_invalid(server: Server) -> None:
    token = fetch_token(server.url)
    revoke_token(server.url, token)
    answer = Caller(server.url, token).send("POST", "/customers/1/charges", {"amount": 1})
    assert answer.status == 401
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/customers"),
        ("POST", "/customers"),
        ("POST", "/customers/1/charges"),
        ("GET", "/api/private"),
        ("GET", "/api/private-scoped"),
    ],
)
def test_without_a_token_the_challenge_has_no_error_and_names_the_scope(server: Server, method: str, path: str) -> None:
    scope = {"/api/private": "", "/api/private-scoped": ', scope="read:messages"'}.get(path, ', scope="customer_api"')
    answer = Caller(server.url).send(method, path)
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"] == f'Bearer realm="api"{scope}'
    assert answer.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/customers"), ("POST", "/customers"), ("POST", "/customers/1/charges")]
)
def test_a_token_without_the_scope_is_told_which(server: Server, method: str, path: str) -> None:
    answer = Caller(server.url, fetch_token(server.url, "read:messages")).send(
        method, path, {} if method == "POST" else None
    )
    assert answer.status == 403
    assert 'error="insufficient_scope"' in answer.headers["WWW-Authenticate"]
    assert 'scope="customer_api"' in answer.headers["WWW-Authenticate"]


def test_the_three_messages(server: Server) -> None:
    paths = ["/api/public", "/api/private", "/api/private-scoped"]

    def read(token: str | None) -> list[int]:
        return [Caller(server.url, token).send("GET", path).status for path in paths]

    assert read(None) == [200, 401, 401]
    assert read(fetch_token(server.url, "customer_api")) == [200, 200, 403]
    assert read(fetch_token(server.url, "read:messages")) == [200, 200, 200]
    refusal = Caller(server.url, fetch_token(server.url)).send("GET", "/api/private-scoped")
    assert 'scope="read:messages"' in refusal.headers["WWW-Authenticate"]


def test_the_printed_walk_through(server: Server) -> None:
    page = (CHECKOUT / "docs" / "tutorials" / "walkthrough.md").read_text("utf-8")
    script, expected = _find_block(page, "sh"), _find_block(page, "text")
    ran = subprocess.run(
        [find_sh(), "-eu"],
        input=script.replace("http://localhost:6543", server.url),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout == expected


@pytest.mark.promise("GD-26")
def test_the_log_holds_no_token_and_no_secret(server: Server) -> None:
    token = fetch_token(server.url)
    Caller(server.url, token).make_three_calls()
    Caller(server.url, token[:-2]).make_three_calls()
    revoke_token(server.url, token)
    post_form(f"{server.url}/oauth/token", client="customer-manager:not-the-secret", grant_type="client_credentials")
    log = server.read_log()
    assert "example.demo is on" in log  # it is the log
    assert "Traceback" not in log
    for part in token.split("."):
        assert part not in log
    assert not re.search("customer-manager-secret|not-the-secret", log)


def test_the_metadata_is_the_issuers(server: Server) -> None:
    found = Caller(server.url).send("GET", "/.well-known/oauth-authorization-server")
    assert json.loads(found.data)["issuer"] == server.url


def _find_block(page: str, language: str) -> str:
    found = re.search(rf"^```{language}\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    assert found
    return found[1]
