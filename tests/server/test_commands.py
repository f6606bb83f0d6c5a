"""What an operator types."""

from __future__ import annotations

import json
import os
import pwd
import re
import secrets
import subprocess
import sys
import time
from hashlib import sha256

import pytest
import time_machine
from click.testing import CliRunner
from joserfc import jwt
from joserfc.jwk import ECKey
from webtest import TestApp

from pyramid_oauthguard.command.server import server as group
from pyramid_oauthguard.errors import OAuthGuardError, SettingError, UnavailableError
from pyramid_oauthguard.server.clients import RegistrationError
from pyramid_oauthguard.server.clients.registry import ClientRegistry
from pyramid_oauthguard.server.service import IService
from pyramid_oauthguard.server.store.records import Grant
from pyramid_oauthguard.server.store.sqlalchemy.engine import build_engine
from pyramid_oauthguard.server.store.sqlalchemy.schema import HEAD
from tests.server.conftest import basic
from tests.server.databases import make_database
from tests.server.ini_application import main

pytestmark = pytest.mark.slow

TEXT = """
[app:main]
use = call:tests.server.ini_application:main
oauthguard.server.issuer = http://localhost:6543
oauthguard.server.audience = https://api.example
oauthguard.server.signing.algorithm = ES256
oauthguard.server.scopes = read
oauthguard.server.default_scopes = read
oauthguard.server.sqlalchemy.url = {url}
oauthguard.server.pepper_file = {folder}/pepper
"""


class Operator:
    def __init__(self, ini, url, folder):
        self.ini, self.url, self.folder = ini, url, folder
        self.apps = []

    def run(self, *arguments, input=None, fails=None):  # noqa: A002
        words = arguments[:2] if arguments[0] in ("client", "key", "token", "user") else arguments[:1]
        rest = arguments[len(words) :]
        result = CliRunner().invoke(group, [*words, str(self.ini), *rest], input=input)
        if fails is not None:
            assert isinstance(result.exception, fails), result.output
            return str(result.exception)
        assert result.exit_code == 0, (result.output, result.exception)
        return result

    def json(self, *arguments):
        return json.loads(self.run(*arguments, "--format", "json").stdout)

    def open(self):
        """Another process of the same server."""
        settings = {
            "oauthguard.server.issuer": "http://localhost:6543",
            "oauthguard.server.audience": "https://api.example",
            "oauthguard.server.signing.algorithm": "ES256",
            "oauthguard.server.scopes": "read",
            "oauthguard.server.default_scopes": "read",
            "oauthguard.server.sqlalchemy.url": self.url,
            "oauthguard.server.pepper_file": f"{self.folder}/pepper",
        }
        app = main({}, **settings)
        self.apps.append(app)
        return TestApp(app)


@pytest.fixture
def operator(tmp_path):
    url = f"sqlite:///{tmp_path}/oauth.sqlite"
    ini = tmp_path / "server.ini"
    ini.write_text(TEXT.format(url=url, folder=tmp_path))
    found = Operator(ini, url, tmp_path)
    yield found
    for app in found.apps:
        app.registry.getUtility(IService).store.close()


def get_token(app, made):
    headers = basic(made["client_id"], made["client_secret"])
    return app.post("/oauth/token", {"grant_type": "client_credentials"}, headers=headers, status="*")


def test_a_client_from_its_creation_to_its_end(operator):
    made = operator.json("client", "create", "Nightly report", "--grant", "client_credentials", "--scope", "read")
    app = operator.open()
    assert get_token(app, made).status_int == 200
    assert [each["name"] for each in operator.json("client", "list")] == ["Nightly report"]
    other = operator.json("client", "rotate", made["client_id"], "--label", "second", "--overlap", "1h")
    assert {get_token(app, each).status_int for each in (made, other)} == {200}
    shown = operator.run("client", "show", made["client_id"]).stdout
    assert "second" in shown
    assert "last used 20" in shown
    for secret in (made["client_secret"], other["client_secret"]):
        assert secret not in shown
    operator.run("client", "revoke", made["client_id"], "--secret-id", other["secret_id"])
    assert [get_token(app, each).status_int for each in (made, other)] == [200, 401]
    operator.run("client", "revoke", made["client_id"])
    assert get_token(app, made).status_int == 401
    assert operator.json("client", "list") == []
    assert len(operator.json("client", "list", "--all")) == 1


def test_the_secret_is_data_and_the_warning_is_not(operator):
    result = operator.run("client", "create", "Report", "--grant", "client_credentials", "--scope", "read")
    assert "ogcs_" in result.stdout
    assert "can't be shown again" in result.stderr
    assert "ogcs_" not in result.stderr


def make_key_set(*kids, private=False):
    keys = [ECKey.generate_key("P-256", {"kid": kid}) for kid in kids]
    return keys, json.dumps({"keys": [key.as_dict(private=private) for key in keys]})


def get_token_by_signature(app, client_id, key):
    now = int(time.time())
    claims = {
        "iss": client_id,
        "sub": client_id,
        "aud": "http://localhost:6543",
        "exp": now + 60,
        "jti": secrets.token_hex(8),
    }
    form = {
        "grant_type": "client_credentials",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": jwt.encode({"alg": "ES256", "kid": key.kid}, claims, key),
    }
    return app.post("/oauth/token", form, status="*")


def test_a_client_is_edited(operator, tmp_path):
    made = operator.json(
        "client", "create", "Shop", "--grant", "client_credentials", "--scope", "read", "--owner", "Anna"
    )
    logo = tmp_path / "logo.png"
    logo.write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR")
    what = ("--name", "Web shop", "--scope", "read", "--scope", "write", "--access-token-ttl", "2m", "--first-party")
    more = ("--redirect-uri", "https://shop.example/", "--pkce", "optional", "--home-page", "https://shop.example")
    operator.run("client", "edit", made["client_id"], *what, *more, "--logo", str(logo))
    shown = operator.json("client", "show", made["client_id"])
    assert (shown["name"], shown["scopes"], shown["access_token_ttl"]) == ("Web shop", ["read", "write"], 120)
    assert (shown["first_party"], shown["require_pkce"], shown["owner"]) == (True, False, "Anna")
    assert (shown["home_page"], shown["logo"].endswith(".png")) == ("https://shop.example", True)
    cleared = [word for field in ("logo", "owner", "access_token_ttl", "redirect_uris") for word in ("--clear", field)]
    operator.run("client", "edit", made["client_id"], *cleared, "--third-party", "--pkce", "setting")
    shown = operator.json("client", "show", made["client_id"])
    assert not shown.keys() & {"logo", "owner", "access_token_ttl", "first_party", "require_pkce"}
    assert (shown["redirect_uris"], shown["scopes"]) == ([], ["read", "write"])
    assert sum(line["event"] == "ClientEdited" for line in operator.json("audit")) == 4


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ((), "options: name what to change"),
        (("--access-token-ttl", "soon"), "access_token_ttl: "),
        (("--home-page", "http://x.example"), "home_page: must begin with https://"),
        (("--scope", ""), "scopes: must be non-empty strings"),
        (("--grant", "authorization_code"), "redirect_uris: authorization_code needs at least one"),
    ],
)
def test_a_wrong_edit_is_explained(operator, words, problem):
    made = operator.json("client", "create", "Shop", "--grant", "client_credentials")
    assert problem in operator.run("client", "edit", made["client_id"], *words, fails=RegistrationError)


def write_lines(*documents):
    return "\n".join(json.dumps(document) for document in documents) + "\n\n"


def test_clients_and_tokens_of_another_server_are_imported(operator):
    client = {"name": "Old", "client_id": "old", "secret_hash": sha256(b"s3cret").hexdigest(), "scopes": ["read"]}
    client |= {"grants": ["client_credentials"], "access_token_ttl": 60}
    public = {"name": "App", "client_id": "app", "public": True, "grants": ["device_code"], "scopes": ["read"]}
    assert "imported 2 clients" in operator.run("client", "import", input=write_lines(client, public)).stderr
    token = {"client_id": "old", "scopes": ["read"], "access_token": sha256(b"live").hexdigest()}
    token |= {"access_token_expires_at": time.time() + 60}
    gone = {**token, "access_token": sha256(b"gone").hexdigest(), "access_token_expires_at": 1}
    assert "imported the tokens of 1 lines" in operator.run("token", "import", input=write_lines(token, gone)).stderr
    app = operator.open()
    assert get_token(app, {"client_id": "old", "client_secret": "s3cret"}).json["expires_in"] == 60
    assert "revoked" in operator.run("token", "revoke", input="live").stderr


@pytest.mark.parametrize(
    ("kind", "line", "problem"),
    [
        ("client", "{", "line 2: must be a JSON object"),
        ("client", "[]", "line 2: must be a JSON object"),
        ("client", '{"name": "B", "client_id": "b", "client_secret": "x"}', "line 2: secret: secrets in plain text"),
        ("client", '{"name": "B", "client_id": "b", "secret_hash": "x"}', "line 2: secret_hash: must be"),
        ("client", '{"name": "B", "client_id": "b"}', "line 2: secret_hash: is missing"),
        ("client", '{"name": "B", "secret_hash": "x"}', "line 2: client_id: must be a text"),
        ("client", '{"name": "B", "client_id": "b", "public": true, "x": 1}', "line 2: a client has no 'x'"),
        ("token", '{"client_id": "b"}', "line 2: access_token: is missing"),
    ],
)
def test_a_wrong_line_is_named(operator, kind, line, problem):
    first = '{"name": "A", "client_id": "a", "public": true}' if kind == "client" else ""
    assert problem in operator.run(kind, "import", input=f"{first}\n{line}\n", fails=OAuthGuardError)
    if kind == "client":
        assert [each["client_id"] for each in operator.json("client", "list")] == ["a"], "what was before it is stored"


def test_a_client_with_keys_and_then_with_others(operator):
    (one, two), both = make_key_set("one", "two")
    file = operator.folder / "keys.json"
    file.write_text(json.dumps({"keys": [one.as_dict(private=False)]}))
    made = operator.json(
        "client", "create", "Signer", "--grant", "client_credentials", "--scope", "read", "--jwks", str(file)
    )
    assert list(made) == ["client_id"], "no secret"
    app = operator.open()
    assert [get_token_by_signature(app, made["client_id"], key).status_int for key in (one, two)] == [200, 401]
    assert "replaced" in operator.run("client", "keys", made["client_id"], "--jwks", "-", input=both).stderr
    assert [get_token_by_signature(app, made["client_id"], key).status_int for key in (one, two)] == [200, 200]
    assert "one two" in operator.run("client", "show", made["client_id"]).stdout
    file.write_bytes(b"\xef\xbb\xbf" + json.dumps({"keys": [two.as_dict(private=False)]}).encode())
    operator.run("client", "keys", made["client_id"], "--jwks", str(file))
    assert [get_token_by_signature(app, made["client_id"], key).status_int for key in (one, two)] == [401, 200]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (make_key_set("one", private=True)[1], "jwks: key 1 can't be used: it is private"),
        ("-----BEGIN PUBLIC KEY-----", "jwks: must be a JSON Web Key Set: an object with `keys`"),
        (json.dumps({"kty": "EC"}), "jwks: must be a JSON Web Key Set: an object with `keys`"),
        (b"\xff\xfe", "jwks: must be a JSON Web Key Set in UTF-8"),
        ('{"keys": []}', "jwks: must have 1 to 10 keys"),
        ('{"keys": [{"kty": "oct", "k": "AAAA"}]}', "jwks: key 1 can't be used: it is private or symmetric"),
        (make_key_set("one")[1], "client_id: is not a live client"),
    ],
)
def test_keys_that_can_not_be_used_are_one_line_that_holds_no_key(operator, text, words):
    said = operator.run("client", "keys", "nobody", "--jwks", "-", input=text, fails=OAuthGuardError)
    assert words in said
    assert "BEGIN" not in said
    assert len(said.splitlines()) == 1
    if not words.startswith("client_id"):
        create = ("client", "create", "X", "--grant", "client_credentials", "--jwks", "-")
        assert operator.run(*create, input=text, fails=OAuthGuardError) == said
        assert operator.json("client", "list") == []


def test_public_clients_and_resource_servers(operator):
    public = operator.json(
        "client", "create", "Phone", "--public", "--grant", "authorization_code", "--redirect-uri", "https://p.example/"
    )
    assert list(public) == ["client_id"]
    api = operator.json("client", "create", "API", "--resource-server", "--audience", "https://api.example")
    assert "client_secret" in api
    assert [each["kind"] for each in operator.json("client", "list")] == ["public", "resource_server"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("client", "create", "X", "--grant", "password"), "grants: 'password' is not one of"),
        (("client", "create", "X", "--scope", 'a"b'), "scopes: "),
        (("client", "show", "nobody"), "client_id: is not a client"),
        (("client", "revoke", "nobody"), "client_id: is not a live client"),
        (("client", "rotate", "nobody"), "client_id: is not a live client"),
        (("client", "rotate", "nobody", "--overlap", "soon"), "overlap: must be a duration"),
        (("key", "retire", "nobody"), "there is no signing key nobody"),
        (("key", "revoke", "nobody"), "there is no signing key nobody"),
        (("prune", "--keep", "soon"), "--keep: must be a duration"),
        (("audit", "--since", "soon"), "--since: must be a duration"),
        (("client", "rotate", "nobody", "--overlap", "99999999999d"), "overlap: must be 0 seconds to 3650 days"),
        (("client", "rotate", "nobody", "--label", "x" * 256), "label: must be at most 255"),
        (("token", "revoke", "-"), "not a token of this server"),
    ],
)
def test_what_can_not_be_done_is_one_line(operator, arguments, words):
    assert words in operator.run(*arguments, fails=OAuthGuardError)


@pytest.mark.parametrize("odd", ["\udcff", "a\0b", "\x1b[2J"])
@pytest.mark.parametrize(
    "arguments",
    [
        ("client", "show"),
        ("client", "rotate", "x", "--label"),
        ("client", "revoke", "x", "--secret-id"),
        ("key", "retire"),
        ("audit", "--client"),
        ("audit", "--subject"),
        ("audit", "--event"),
    ],
)
def test_an_argument_that_no_database_can_hold_is_refused(operator, arguments, odd):
    words = arguments[:2] if len(arguments) != 2 or arguments[0] != "audit" else arguments[:1]
    rest = arguments[len(words) :]
    result = CliRunner().invoke(group, [*words, str(operator.ini), *rest, odd])
    assert "must be printable text" in result.output
    assert isinstance(result.exception, SystemExit)


def test_a_file_that_is_no_text_is_no_token(operator):
    assert "not a token of this server" in operator.run(
        "token", "revoke", "-", input=b"\xff\xfe\0", fails=OAuthGuardError
    )


def test_a_secret_that_outlives_calendars_can_be_shown(operator):
    """One was made so, before an overlap had an end."""
    made = operator.json("client", "create", "P", "--grant", "client_credentials", "--scope", "read")
    with operator.open().app.registry.getUtility(IService).store.writing() as unit:
        unit.limit_secrets(made["client_id"], 1e15)
    assert "1000000000000000" in operator.run("client", "show", made["client_id"]).stdout


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nonsense", "does not start: MissingSectionHeaderError"),
        ("[app:main]\nuse = call:no_such_module:main\n", "No module named 'no_such_module'"),
        ("[app:other]\nuse = call:x:y\n", "does not start: LookupError"),
        ("[app:main]\nuse = call:x:y\nkey = sekrit%(y)s\n", "key: does not start: [app:main] has a %"),
    ],
)
def test_an_ini_file_that_starts_nothing_is_one_line(tmp_path, text, words):
    ini = tmp_path / "bad.ini"
    ini.write_text(text)
    for command in (("client", "list"), ("key", "list"), ("audit",)):
        said = Operator(ini, "", tmp_path).run(*command, fails=SettingError)
        assert words in said
        assert str(ini) in said
        assert "\n" not in said
        assert "sekrit" not in said


def test_a_database_that_is_away_is_named_with_what_to_do(tmp_path):
    ini = tmp_path / "server.ini"
    ini.write_text(TEXT.format(url="postgresql+psycopg://user:sekrit@127.0.0.1:1/x", folder=tmp_path))
    for command in (("client", "list"), ("audit",), ("prune",), ("upgrade",)):
        said = Operator(ini, "", tmp_path).run(*command, fails=UnavailableError)
        assert "oauthguard.server.sqlalchemy.url" in said
        assert "sekrit" not in said


def test_an_outage_during_an_import_is_not_a_wrong_line(operator, monkeypatch):
    """It ended with the status of a wrong line, which no new attempt helps against."""

    def lose_the_database(registry, *_arguments, **_fields):
        raise UnavailableError("storage", "OperationalError 57P01")

    monkeypatch.setattr(ClientRegistry, "create", lose_the_database)
    line = write_lines({"name": "A", "client_id": "a", "public": True})
    said = operator.run("client", "import", input=line, fails=UnavailableError)
    assert "the database can't be used (line 1: OperationalError 57P01; those before it are stored)" in said


@pytest.mark.promise("SK-01")
def test_keys_are_rotated_retired_and_revoked(operator):
    first = operator.json("key", "list")
    assert [each["state"] for each in first] == ["signing"]
    made = operator.json("key", "rotate")
    assert [each["state"] for each in operator.json("key", "list")] == ["signing", "next"]
    operator.run("key", "retire", first[0]["kid"])
    assert [each["state"] for each in operator.json("key", "list")] == ["replaced", "signing"]
    operator.run("key", "revoke", made["kid"])
    assert [each["state"] for each in operator.json("key", "list")] == ["replaced", "revoked", "signing"]
    operator.run("key", "rotate", "--now")
    assert [each["state"] for each in operator.json("key", "list")] == ["replaced", "revoked", "replaced", "signing"]


@pytest.mark.promise("IN-03")
def test_a_key_that_another_process_revoked_is_gone_within_a_minute(operator):
    app = operator.open()
    made = operator.json("client", "create", "P", "--grant", "client_credentials", "--scope", "read")
    api = operator.json("client", "create", "A", "--resource-server")
    old = get_token(app, made).json["access_token"]
    operator.run("key", "revoke", operator.json("key", "list")[0]["kid"])
    headers = basic(api["client_id"], api["client_secret"])
    assert app.post("/oauth/introspect", {"token": old}, headers=headers).json == {"active": False}
    with time_machine.travel(time.time() + 91):
        kids = [key["kid"] for key in app.get("/oauth/jwks").json["keys"]]
        assert kids == [each["kid"] for each in operator.json("key", "list") if each["state"] == "signing"]
        new = get_token(app, made).json["access_token"]
        assert app.post("/oauth/introspect", {"token": new}, headers=headers).json["active"] is True


def test_a_token_that_was_found_is_revoked(operator):
    made = operator.json("client", "create", "P", "--grant", "client_credentials", "--scope", "read")
    api = operator.json("client", "create", "A", "--resource-server")
    app = operator.open()
    token = get_token(app, made).json["access_token"]
    result = operator.run("token", "revoke", "-", input=token + "\n")
    assert token not in result.output
    headers = basic(api["client_id"], api["client_secret"])
    assert app.post("/oauth/introspect", {"token": token}, headers=headers).json == {"active": False}


def test_what_a_user_allowed_is_listed_ended_and_forgotten(operator):
    made = operator.json("client", "create", "Shop", "--grant", "client_credentials", "--scope", "read")
    grant = {"client_id": made["client_id"], "subject": "anna", "scopes": ("read",), "audiences": ()}
    with operator.open().app.registry.getUtility(IService).store.writing() as unit:
        for number in range(2):
            unit.add_grant(Grant(grant_id=f"g{number}", created_at=float(number), **grant))
    found = operator.json("user", "grants", "anna")
    assert [(each["grant_id"], each["client"], each["scopes"]) for each in found] == [
        ("g1", made["client_id"], ["read"]),
        ("g0", made["client_id"], ["read"]),
    ]
    assert "ended 2 grants" in operator.run("user", "end", "anna").stderr
    assert operator.json("user", "grants", "anna") == []
    assert "forgotten" in operator.run("user", "forget", "anna").stderr
    [line] = operator.json("audit", "--event", "UserForgotten")
    assert line["subject"] == "anna"
    assert line["request"].startswith(f"command/{pwd.getpwuid(os.getuid()).pw_name}/")


@pytest.mark.promise("EV-01")
def test_the_audit_trail_says_who_typed_it(operator):
    made = operator.json("client", "create", "P", "--grant", "client_credentials", "--scope", "read")
    get_token(operator.open(), made)
    lines = operator.json("audit", "--client", made["client_id"])
    assert [each["event"] for each in lines] == ["TokenIssued", "ClientCreated"]
    assert lines[1]["request"].startswith("command/")
    assert lines[0]["detail"]["grant_type"] == "client_credentials"
    assert operator.json("audit", "--event", "ClientCreated", "--since", "1h", "--limit", "1") == [lines[1]]
    assert operator.json("audit", "--subject", "anna") == []
    assert made["client_secret"] not in operator.run("audit").stdout


@pytest.mark.promise("SK-01")
def test_a_key_whose_id_begins_with_a_dash_can_be_revoked(operator, monkeypatch):
    ids = iter(["--_first", "-second", "-third"])
    monkeypatch.setattr("pyramid_oauthguard.server.keys.making.make_id", lambda: next(ids))
    assert operator.json("key", "list")[0]["kid"] == "_first"
    operator.run("key", "rotate", "--now")  # one that the pepper still opens
    with operator.open().app.registry.getUtility(IService).store.writing() as unit:
        unit._connection.exec_driver_sql("UPDATE oauth_signing_keys SET kid = '-_first' WHERE number = 1")
    operator.run("key", "revoke", "-_first")
    assert [each["state"] for each in operator.json("key", "list")] == ["revoked", "signing"]


@pytest.mark.promise("EV-01")
def test_the_environment_can_not_say_who_typed_it(operator, monkeypatch):
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "somebody-else")
    operator.run("client", "create", "P", "--grant", "client_credentials", "--scope", "read")
    (line,) = operator.json("audit", "--event", "ClientCreated")
    assert line["request"].startswith(f"command/{pwd.getpwuid(os.getuid()).pw_name}/")


@pytest.mark.parametrize("name", ["", "a b\n", "x" * 500, "\udcff", "DOMAIN\\anna"])
def test_any_account_fits_into_the_trail(operator, monkeypatch, name):
    monkeypatch.setattr("pyramid_oauthguard.command.server.application._read_account", lambda: name)
    operator.run("client", "create", "P", "--grant", "client_credentials", "--scope", "read")
    (line,) = operator.json("audit", "--event", "ClientCreated")
    assert re.fullmatch(r"command/[A-Za-z0-9._-]{1,64}/[0-9a-f]{16}", line["request"])


def test_a_name_can_not_steer_the_terminal(operator):
    made = operator.json("client", "create", "P", "--grant", "client_credentials", "--scope", "read")
    with operator.open().app.registry.getUtility(IService).store.writing() as unit:
        unit._connection.exec_driver_sql("UPDATE oauth_clients SET name = char(27) || '[2J'")
    for text in (operator.run("client", "list").stdout, operator.run("client", "show", made["client_id"]).stdout):
        assert "\x1b" not in text
        assert "\\x1b[2J" in text


@pytest.mark.parametrize("code", [10, 13, 11, 12, 28, 133, 8232, 8233])
def test_a_name_adds_no_line(operator, code):
    made = operator.json("client", "create", "P", "--grant", "client_credentials", "--scope", "read")
    with operator.open().app.registry.getUtility(IService).store.writing() as unit:
        unit._connection.exec_driver_sql("UPDATE oauth_clients SET name = 'P' || char(?) || 'fake'", (code,))
        unit._connection.exec_driver_sql("UPDATE oauth_client_secrets SET label = 'L' || char(?) || 'fake'", (code,))
    assert len(operator.run("client", "list").stdout.splitlines()) == 2
    shown = operator.run("client", "show", made["client_id"]).stdout.splitlines()
    assert not any(line.startswith("fake") for line in shown)
    assert sum("fake" in line for line in shown) == 2


def test_pruning_says_how_much(operator):
    made = operator.json("client", "create", "P", "--grant", "client_credentials", "--scope", "read")
    app = operator.open()
    get_token(app, made)
    assert "deleted 0 rows" in operator.run("prune").stderr
    with time_machine.travel(time.time() + 2 * 86400):
        assert "deleted 1 rows" in operator.run("token", "prune").stderr


def test_upgrade_needs_no_application_and_says_what_it_did(operator):
    assert f"revision {HEAD}; before, they had none" in operator.run("upgrade").stderr
    assert operator.run("upgrade").stderr.strip() == f"the tables have revision {HEAD}"
    operator.open()


@pytest.mark.needs("initdb", "pg_ctl")
def test_upgrade_makes_the_tables_that_start_up_asks_for(tmp_path, postgresql):
    ini = tmp_path / "server.ini"
    ini.write_text(TEXT.format(url=make_database(postgresql).replace("%", "%%"), folder=tmp_path))
    operator = Operator(ini, "", tmp_path)
    assert "oauthguard server upgrade INI" in operator.run("key", "list", fails=SettingError)
    operator.run("upgrade")
    assert operator.json("key", "list")[0]["state"] == "signing"


def test_upgrade_with_a_wrong_url(tmp_path):
    ini = tmp_path / "server.ini"
    ini.write_text(TEXT.format(url="nonsense", folder=tmp_path))
    words = Operator(ini, "", tmp_path).run("upgrade", fails=SettingError)
    assert "oauthguard.server.sqlalchemy.url" in words


def test_upgrade_of_tables_of_a_later_release(operator):
    operator.run("upgrade")
    engine = build_engine(operator.url)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE oauth_alembic_version SET version_num = '9999'")
    engine.dispose()
    assert "use the release that made them" in operator.run("upgrade", fails=SettingError)


def test_an_application_without_a_server(tmp_path):
    ini = tmp_path / "other.ini"
    ini.write_text("[app:main]\nuse = call:tests.server.ini_application:main\ninclude =\n")
    for command in (("key", "list"), ("client", "list"), ("audit",), ("prune",)):
        assert "does not include" in Operator(ini, "", tmp_path).run(*command, fails=OAuthGuardError)


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["key", "list"], 0, "signing"),
        (["client", "create", "{ini}", "X", "--grant", "password"], 1, "oauthguard: grants: 'password' is not one of"),
        (["client", "keys", "{ini}", "X", "--jwks", "{ini}"], 1, "oauthguard: jwks: must be a JSON Web Key Set"),
        (["client", "keys", "{ini}", "X", "--jwks", "/nowhere"], 1, "No such file"),
    ],
)
def test_the_real_command(operator, arguments, status, words):
    arguments = [each.format(ini=operator.ini) for each in arguments]
    if "{ini}" not in arguments and str(operator.ini) not in arguments:
        arguments.append(str(operator.ini))
    program = "from pyramid_oauthguard.command.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program, "server", *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == status, done.stderr
    assert words in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
