"""The command and the example application, each in its own process, over HTTP."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.client.terminal import Terminal
from tests.example.servers import find_free_port, serve

CUSTOMER = '{"name": "Mary Shelley"}'
CHARGE = '{"amount": "12.50"}'


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a running example; its issuer identifier too."""
    with serve("development.ini", tmp_path_factory.mktemp("example"), ports={"6543": find_free_port()}) as server:
        yield server.url


@pytest.fixture
def manager(terminal: Terminal, example: str) -> Terminal:
    terminal.environ |= {
        "OAUTHGUARD_ISSUER": example,
        "OAUTHGUARD_CLIENT_ID": "customer-manager",
        "OAUTHGUARD_CLIENT_SECRET": "customer-manager-secret",
        "OAUTHGUARD_SCOPE": "customer_api",
    }
    return terminal


API = {"OAUTHGUARD_CLIENT_ID": "customer-manager-api", "OAUTHGUARD_CLIENT_SECRET": "customer-manager-api-secret"}


def test_the_walk_through_by_command(manager: Terminal, example: str) -> None:
    token = manager.run("token").out

    def make_three_calls() -> list[int]:
        calls = (
            ["GET", f"{example}/customers"],
            ["POST", f"{example}/customers", "-d", CUSTOMER],
            ["POST", f"{example}/customers/1/charges", "-d", CHARGE],
        )
        return [manager.run("call", *call, OAUTHGUARD_TOKEN=token).status for call in calls]

    assert make_three_calls() == [0, 0, 0]
    assert manager.run("introspect", "-", stdin=token, **API).json["active"] is True
    assert manager.run("revoke", "-", stdin=token).status == 0
    assert make_three_calls() == [0, 0, 5]
    inactive = manager.run("introspect", "-", stdin=token, **API)
    assert (inactive.status, inactive.json) == (5, {"active": False})


def test_inspect_a_token_of_the_example(manager: Terminal, example: str) -> None:
    token = manager.run("token").out
    args = ["--audience", "https://customers.example", "--scope", "customer_api"]
    answer = manager.run("inspect", "-", *args, stdin=token)
    assert (answer.status, {check["outcome"] for check in answer.json["checks"]}) == (0, {"pass"})
    assert answer.json["claims"]["iss"] == example
    head, body, signature = token.strip().split(".")
    changed = manager.run("inspect", "-", *args, stdin=f"{head}.{body}.{signature[:-8]}AAAAAAAA")
    assert changed.status == 5


def test_refusals_of_the_example(manager: Terminal) -> None:
    assert manager.run("token", OAUTHGUARD_CLIENT_SECRET="not-the-secret").status == 2
    assert manager.run("token", "--scope", "no_such_scope").status == 2
    token = manager.run("token").out
    assert manager.run("introspect", "-", stdin=token).status == 2  # no resource server
    assert manager.run("revoke", "-", stdin="unknown-token").status == 0  # RFC 7009 section 2.2


def test_a_refusal_is_explained(manager: Terminal, example: str) -> None:
    narrow = manager.run("token", "--scope", "read:messages").out
    answer = manager.run("call", "GET", f"{example}/customers", OAUTHGUARD_TOKEN=narrow)
    assert answer.status == 5
    assert "insufficient_scope" in answer.err
    assert "customer_api" in answer.err
    answer = manager.run("call", "GET", f"{example}/customers", OAUTHGUARD_TOKEN="nonsense")
    assert answer.status == 5
    assert "invalid_token" in answer.err


def test_exec_at_the_example(manager: Terminal) -> None:
    answer = manager.run("exec", "--", "printenv", "OAUTHGUARD_TOKEN")
    assert manager.run("introspect", "-", stdin=answer.out, **API).json["client_id"] == "customer-manager"


def test_check_and_explain_are_found_in_the_room_of_the_guard(manager: Terminal) -> None:
    """They answer in one line here: what they say of an application is shown where they live."""
    for verb in ("check", "explain"):
        assert manager.run(verb, "--help").status == 0
        answer = manager.run(verb, "nowhere.ini")
        assert (answer.status, answer.out, answer.err.count("\n")) == (1, "", 1)
    (manager.cwd / "some.ini").write_text("")
    answer = manager.run("explain", "some.ini", "opaque-token-0123456789")
    assert (answer.status, answer.err.count("\n")) == (1, 1)
    assert "opaque-token" not in answer.err
