"""A client that registers itself and gets a secret: where the secret is kept, to whom it is sent, and what happens when it is lost."""

from __future__ import annotations

import base64
import json
import stat
import time
from pathlib import Path
from typing import Any

import pytest

from tests.client.apis import TOKENS, Api, sign_in
from tests.client.issuers import Asked
from tests.client.terminal import Answered, Terminal
from tests.client.test_storage import KEYRING

pytestmark = pytest.mark.slow

SECRET = "issued secret: +&%"
METHODS = "token_endpoint_auth_methods_supported"


def give_secret(api: Api, method: str | None = "client_secret_basic", **more: Any) -> None:
    """Let the server register each caller as a new client with a secret."""
    count = iter(range(1, 100))

    def register(_asked: Asked) -> Any:
        document = {"client_id": f"client-{next(count)}", "client_secret": SECRET, **more}
        return (201, document if method is None else {**document, "token_endpoint_auth_method": method})

    api.offer_registration(register)


def find_authentication(asked: Asked) -> tuple[str, str]:
    """The client and its secret as a server reads them; the secret is empty if there is none."""
    scheme, _, value = asked.headers.get("authorization", "").partition(" ")
    if scheme != "Basic":
        return asked.form["client_id"], asked.form.get("client_secret", "")
    client, _, secret = base64.b64decode(value).decode().partition(":")
    return client, secret


def find_asked(api: Api, path: str = "/token") -> list[Asked]:
    return [each for each in api.issuer.asked if each.path == path]


def log_in(terminal: Terminal, api: Api, *args: str) -> Answered:
    _query, ended = sign_in(terminal, api.url, *args)
    assert ended.status == 0, ended.err
    return ended


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post", None])
def test_the_secret_is_sent_as_the_answer_says(terminal: Terminal, api: Api, method: str | None) -> None:
    give_secret(api, method)
    api.answers["/token"] = {**TOKENS, "expires_in": 1}
    ended = log_in(terminal, api, "--verbose")
    assert terminal.run("token", "--verbose").status == 0
    (redeemed, refreshed) = find_asked(api)
    if method == "client_secret_post":
        assert "authorization" not in redeemed.headers
        assert find_authentication(redeemed) == find_authentication(refreshed) == ("client-1", SECRET)
    else:
        quoted = "issued+secret%3A+%2B%26%25"  # RFC 6749 section 2.3.1: form-urlencoded before base64
        assert find_authentication(redeemed) == find_authentication(refreshed) == ("client-1", quoted)
        assert "client_secret" not in redeemed.form
    assert SECRET not in ended.err
    assert len(find_asked(api, "/register")) == 1


@pytest.mark.parametrize(
    ("offered", "wanted"),
    [
        (["client_secret_post", "client_secret_basic"], "client_secret_basic"),
        (["client_secret_post"], "client_secret_post"),
        (["client_secret_basic", "none"], "none"),
        (["private_key_jwt"], "none"),
        (None, "none"),
        ("client_secret_basic", "none"),
    ],
)
def test_a_secret_is_wanted_only_where_the_server_requires_one(
    terminal: Terminal, api: Api, offered: Any, wanted: str
) -> None:
    api.offer_registration((400, {"error": "invalid_client_metadata"}), **{METHODS: offered})
    terminal.run("login", api.url)
    (asked,) = find_asked(api, "/register")
    assert json.loads(asked.body)["token_endpoint_auth_method"] == wanted


def test_the_flag_chooses_the_method_of_the_registration(terminal: Terminal, api: Api) -> None:
    give_secret(api, "client_secret_post")
    log_in(terminal, api, "--auth-method", "client_secret_post")
    (asked,) = find_asked(api, "/register")
    assert json.loads(asked.body)["token_endpoint_auth_method"] == "client_secret_post"


def test_a_public_client_does_not_send_the_secret_that_came_with_it(terminal: Terminal, api: Api) -> None:
    give_secret(api, "none")
    log_in(terminal, api)
    assert [find_authentication(each) for each in find_asked(api)] == [("client-1", "")]
    assert SECRET not in "".join(path.read_text() for path in terminal.home.iterdir())


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ({"token_endpoint_auth_method": "private_key_jwt\x1b[31m"}, "authentication method private_key_jwt"),
        ({"token_endpoint_auth_method": "client_secret_basic"}, "did not send a usable client_secret"),
        ({"token_endpoint_auth_method": "client_secret_post", "client_secret": "a\r\nb"}, "a usable client_secret"),
        ({"token_endpoint_auth_method": "client_secret_post", "client_secret": ["x"]}, "a usable client_secret"),
    ],
)
def test_an_answer_that_cannot_be_used_is_explained(terminal: Terminal, api: Api, answer: Any, text: str) -> None:
    api.offer_registration((201, {"client_id": "new-client", **answer}))
    ended = terminal.run("login", api.url)
    assert (ended.status, text in ended.err, "--client-id" in ended.err) == (1, True, True), ended.err
    assert "\x1b" not in ended.err


@pytest.mark.promise("CL-06")
def test_the_secret_is_kept_with_the_tokens_in_a_private_file(terminal: Terminal, api: Api) -> None:
    give_secret(api)
    log_in(terminal, api)
    holders = [path for path in terminal.home.iterdir() if SECRET in path.read_text()]
    assert [path.name for path in holders] == ["default.tokens"]
    assert stat.S_IMODE(holders[0].stat().st_mode) == 0o600
    assert SECRET not in terminal.run("profiles", "--format", "json").out
    api.answers["/revoke"] = {}
    assert terminal.run("logout").status == 0
    assert [path for path in terminal.home.iterdir() if SECRET in path.read_text()] == []


@pytest.mark.promise("CL-06")
def test_the_secret_is_kept_in_the_keyring_if_there_is_one(terminal: Terminal, api: Api, tmp_path: Path) -> None:
    (tmp_path / "fake_keyring.py").write_text(KEYRING)
    kept = tmp_path / "keyring.json"
    terminal.environ |= {"PYTHONPATH": str(tmp_path), "FAKE_KEYRING": str(kept)}
    terminal.environ["PYTHON_KEYRING_BACKEND"] = "fake_keyring.Working"
    give_secret(api)
    log_in(terminal, api)
    assert SECRET in kept.read_text()
    assert [path for path in terminal.home.iterdir() if SECRET in path.read_text()] == []
    assert terminal.run("introspect").status == 6  # the scripted server has no such endpoint
    (asked,) = find_asked(api, "/introspect")[-1:]
    assert find_authentication(asked)[0] == "client-1"


@pytest.mark.promise("CL-09")
def test_the_secret_is_sent_to_the_issuer_that_gave_it_only(terminal: Terminal, api: Api) -> None:
    give_secret(api)
    log_in(terminal, api)
    other = {**api.issuer.metadata(), "issuer": f"{api.issuer.issuer}/other"}
    api.answers["/.well-known/oauth-authorization-server/other"] = other
    api.issuer.asked.clear()
    terminal.run("token", "--issuer", other["issuer"], "--client-id", "client-1")
    terminal.run("introspect", "-", "--issuer", other["issuer"], "--client-id", "client-1", stdin="x" * 20)
    assert [
        each for each in find_asked(api) + find_asked(api, "/introspect") if each.headers.get("authorization")
    ] == []


@pytest.mark.parametrize("more", [{}, {"client_secret_expires_at": 0}, {"client_secret_expires_at": time.time() + 600}])
def test_a_secret_that_has_not_expired_is_used_at_the_next_login(terminal: Terminal, api: Api, more: Any) -> None:
    give_secret(api, **more)
    log_in(terminal, api)
    log_in(terminal, api)
    assert len(find_asked(api, "/register")) == 1
    assert [find_authentication(each)[0] for each in find_asked(api)] == ["client-1", "client-1"]
    assert {find_authentication(each)[1] for each in find_asked(api)} != {""}


def test_with_an_expired_secret_the_next_login_registers_a_new_client(terminal: Terminal, api: Api) -> None:
    give_secret(api, client_secret_expires_at=1)
    log_in(terminal, api)
    log_in(terminal, api)
    assert [find_authentication(each)[0] for each in find_asked(api)] == ["client-1", "client-2"]


@pytest.mark.parametrize("damage", ["{", '{"issuer": 1}', None])
def test_with_a_lost_secret_the_next_login_registers_a_new_client(
    terminal: Terminal, api: Api, damage: str | None
) -> None:
    give_secret(api)
    log_in(terminal, api)
    file = terminal.home / "default.tokens"
    file.unlink() if damage is None else file.write_text(damage)
    named = terminal.run("login", "--flow", "paste")
    assert (named.status, "with the URL of the API registers a new client" in named.err) == (1, True), named.err
    log_in(terminal, api)
    assert [find_authentication(each)[0] for each in find_asked(api)] == ["client-1", "client-2"]


def test_a_client_that_the_server_deleted_is_named_with_the_way_out(terminal: Terminal, api: Api) -> None:
    give_secret(api)
    api.answers["/token"] = {**TOKENS, "expires_in": 1}
    log_in(terminal, api)
    api.answers["/token"] = (401, {"error": "invalid_client"})
    refused = terminal.run("token")
    assert (refused.status, "oauthguard logout --forget --profile default" in refused.err) == (2, True), refused.err
    assert terminal.run("logout", "--forget", "--profile", "default").status == 0
    api.answers["/token"] = TOKENS
    log_in(terminal, api)
    assert find_authentication(find_asked(api)[-1])[0] == "client-2"


def test_a_secret_of_the_environment_does_not_replace_the_issued_one(terminal: Terminal, api: Api) -> None:
    give_secret(api)
    log_in(terminal, api)
    api.answers["/introspect"] = {"active": True}
    asked = terminal.run("introspect", OAUTHGUARD_CLIENT_SECRET="another-secret-012345")
    assert asked.status == 0, asked.err
    assert find_authentication(find_asked(api, "/introspect")[-1])[1].startswith("issued")
