"""What an operator types to change the keys of a client and the users that it may assert."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from pyramid_oauthguard.client.errors import CommandError
from pyramid_oauthguard.command.server import server as group
from pyramid_oauthguard.server.clients import RegistrationError, get_clients
from pyramid_oauthguard.server.clients.key_sources.shared import open_shared_key
from pyramid_oauthguard.server.service import IService
from tests.server.test_commands import operator

__all__ = ["operator"]  # a fixture

pytestmark = pytest.mark.slow

KEY = "0123456789abcdef0123456789abcdef"
DATA = KEY.encode()


@pytest.fixture
def client_id(operator):
    made = operator.json("client", "create", "Mover", "--grant", "client_credentials", "--scope", "read")
    return made["client_id"]


def read_key(operator, client_id):
    registry = operator.open().app.registry
    client = get_clients(registry).find(client_id)
    return open_shared_key(registry.getUtility(IService).pepper, client)


def write_key(tmp_path, content=DATA, mode=0o600):
    file = tmp_path / "shared.key"
    file.write_bytes(content)
    file.chmod(mode)
    return str(file)


def test_a_client_gets_the_address_of_its_keys_and_its_users(operator, client_id):
    uri, subjects = "https://mover.example/jwks", ["acct:*@mover.example", "anna"]
    words = [word for subject in subjects for word in ("--assertion-subject", subject)]
    operator.run("client", "edit", client_id, "--jwks-uri", uri, *words)
    shown = operator.json("client", "show", client_id)
    assert (shown["jwks_uri"], shown["assertion_subjects"]) == (uri, subjects)
    assert shown["scopes"] == ["read"], "the rest stays"
    operator.run("client", "edit", client_id, "--clear", "jwks_uri", "--clear", "assertion_subjects")
    assert not operator.json("client", "show", client_id).keys() & {"jwks_uri", "assertion_subjects"}


def test_a_client_can_be_created_with_them(operator):
    words = ("--grant", "client_credentials", "--jwks-uri", "https://a.example/jwks", "--assertion-subject", "anna")
    made = operator.json("client", "create", "Signer", *words)
    assert "client_secret" not in made
    shown = operator.json("client", "show", made["client_id"])
    assert (shown["jwks_uri"], shown["assertion_subjects"]) == ("https://a.example/jwks", ["anna"])


@pytest.mark.promise("AS-15")
@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_a_shared_key_comes_from_a_file(operator, client_id, tmp_path, end):
    result = operator.run(
        "client", "edit", client_id, "--name", "Moved", "--shared-key-file", write_key(tmp_path, KEY.encode() + end)
    )
    assert read_key(operator, client_id) == KEY.encode()
    shown = operator.json("client", "show", client_id)
    assert (shown["name"], shown["shared_key"]) == ("Moved", "stored")
    trail = operator.run("audit", "--format", "json").output
    assert "ClientKeysReplaced" in trail
    for text in (result.output, str(shown), trail):
        assert KEY not in text
    operator.run("client", "edit", client_id, "--clear", "shared_key")
    assert read_key(operator, client_id) is None
    assert "shared_key" not in operator.json("client", "show", client_id)


@pytest.mark.promise("AS-15")
def test_a_shared_key_comes_from_standard_input(operator, client_id):
    result = operator.run("client", "edit", client_id, "--shared-key-file", "-", input=f"{KEY}\n")
    assert read_key(operator, client_id) == KEY.encode()
    assert KEY not in result.output


@pytest.mark.promise("AS-15")
def test_a_terminal_asks_for_the_key_without_showing_it(operator, client_id, monkeypatch):
    asked = []

    def prompt(text, **how):
        asked.append((text, how))
        return KEY

    monkeypatch.setattr(click, "prompt", prompt)
    monkeypatch.setattr("pyramid_oauthguard.command.server.shared_keys.is_terminal", lambda: True)
    result = operator.run("client", "edit", client_id, "--shared-key-file", "-")
    assert asked == [("Shared key", {"hide_input": True, "err": True})]
    assert read_key(operator, client_id) == KEY.encode()
    assert KEY not in result.output


@pytest.mark.promise("AS-15")
@pytest.mark.parametrize("words", [["--shared-key", KEY], [f"--shared-key={KEY}"]])
def test_a_key_on_the_command_line_is_refused_and_not_repeated(operator, client_id, words):
    result = CliRunner().invoke(group, ["client", "edit", str(operator.ini), client_id, *words])
    assert isinstance(result.exception, CommandError)
    assert "other users can see a command line" in str(result.exception)
    assert KEY not in f"{result.exception!r} {result.output}"
    assert read_key(operator, client_id) is None
    assert "--shared-key " not in CliRunner().invoke(group, ["client", "edit", "--help"]).output


@pytest.mark.parametrize(
    ("content", "mode", "problem"),
    [
        (KEY[:31].encode(), 0o600, "must be 32 to 1024 bytes"),
        (KEY.encode() * 40, 0o600, "must be 32 to 1024 bytes"),
        (b"", 0o600, "is empty"),
        (b"x" * 40, 0o600, "has the same few characters"),
        (KEY.encode(), 0o602, "can be changed by every user"),
    ],
)
def test_a_file_that_holds_no_good_key_changes_nothing(operator, client_id, tmp_path, content, mode, problem):
    path = write_key(tmp_path, content, mode)
    words = ("--name", "Moved", "--shared-key-file", path)
    message = operator.run("client", "edit", client_id, *words, fails=RegistrationError)
    assert message.startswith("shared_key: ")
    assert problem in message
    assert KEY not in message
    assert operator.json("client", "show", client_id)["name"] == "Mover"


def test_a_file_that_is_not_there_is_named(operator, client_id, tmp_path):
    words = ("--shared-key-file", str(tmp_path / "none"))
    assert "No such file" in operator.run("client", "edit", client_id, *words, fails=RegistrationError)


def test_a_public_client_gets_no_shared_key_and_nothing_else(operator, tmp_path):
    made = operator.json(
        "client", "create", "App", "--public", "--grant", "authorization_code", "--redirect-uri", "a.b:/x"
    )
    words = ("--name", "New", "--shared-key-file", write_key(tmp_path))
    message = operator.run("client", "edit", made["client_id"], *words, fails=RegistrationError)
    assert "is for a confidential client" in message
    assert operator.json("client", "show", made["client_id"])["name"] == "App"


def test_a_client_that_a_document_describes_is_not_edited(operator):
    """The same as in Python: the message says what to do."""
    made = operator.json("client", "create", "App", "--grant", "client_credentials", "--id", "described")
    registry = operator.open().app.registry
    with registry.getUtility(IService).store.writing() as unit:
        client = unit.find_client(made["client_id"])
        unit.update_client(_describe(client), ("registered_by",))
    message = operator.run("client", "edit", "described", "--name", "New", fails=RegistrationError)
    assert "change the document" in message
    assert operator.json("client", "show", "described")["name"] == "App"


def _describe(client):
    from dataclasses import replace

    return replace(client, registered_by="document")


def test_the_help_says_that_a_terminal_asks():
    text = " ".join(CliRunner().invoke(group, ["client", "edit", "--help"]).output.split())
    assert "a terminal asks for it without showing it" in text
