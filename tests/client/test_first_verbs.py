"""token, introspect, revoke: client credentials against a certified server, and what happens when it goes wrong."""

from __future__ import annotations

import base64
import json
import os
import ssl
import time
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.certificates import write_certificate
from tests.client.issuers import API, MACHINE_SECRET, ScriptedIssuer, run_scripted
from tests.client.terminal import Terminal, run_on_pty
from tests.ground.test_secret_files import ODD

pytestmark = pytest.mark.slow

TOKEN = {"access_token": "tok-0123456789", "token_type": "Bearer", "expires_in": 600}


@pytest.fixture
def machine(terminal: Terminal, foreign: str) -> Terminal:
    terminal.environ |= {
        "OAUTHGUARD_ISSUER": foreign,
        "OAUTHGUARD_CLIENT_ID": "machine",
        "OAUTHGUARD_CLIENT_SECRET": MACHINE_SECRET,
    }
    return terminal


@pytest.fixture
def app(terminal: Terminal, scripted: ScriptedIssuer) -> Terminal:
    """A client of the scripted issuer, which has a token for it."""
    terminal.environ |= {
        "OAUTHGUARD_ISSUER": scripted.issuer,
        "OAUTHGUARD_CLIENT_ID": "app",
        "OAUTHGUARD_CLIENT_SECRET": "sesame-sesame",
    }
    scripted.answers["/token"] = TOKEN
    return terminal


@pytest.mark.needs("node", "npm")
def test_token_introspect_revoke_introspect_at_a_foreign_server(machine: Terminal) -> None:
    token = machine.run("token")
    assert (token.status, token.err) == (0, "")
    assert machine.run("introspect", "-", stdin=token.out).json["active"] is True
    revoked = machine.run("revoke", "-", "--hint", "access_token", stdin=token.out)
    assert (revoked.status, revoked.out, revoked.err) == (0, "", "Revoked.\n")
    after = machine.run("introspect", "-", stdin=token.out)
    assert (after.status, after.json) == (5, {"active": False})


@pytest.mark.needs("node", "npm")
def test_scope_and_resource_reach_the_server(machine: Terminal) -> None:
    answer = machine.run("token", "--format", "json", "--scope", "read", "--resource", API).json
    assert answer["scope"] == "read"
    claims = json.loads(base64.urlsafe_b64decode(answer["access_token"].split(".")[1] + "=="))
    assert claims["aud"] == API
    assert 590 <= answer["expires_in"] <= 600


def test_formats(app: Terminal) -> None:
    assert app.run("token").out == "tok-0123456789\n"
    assert app.run("token", "--format", "header").out == "Authorization: Bearer tok-0123456789\n"
    assert app.run("token", "--format", "env").out == "export OAUTHGUARD_TOKEN=tok-0123456789\n"
    assert app.run("token", "--format", "env", "--name", "T").out == "export T=tok-0123456789\n"
    assert app.run("token", "--format", "json").json["access_token"] == "tok-0123456789"
    assert app.run("token", "--format", "env", "--name", "T; rm -rf").status == 1


def test_flags_beat_the_environment_and_that_beats_dotenv(app: Terminal, scripted: ScriptedIssuer) -> None:
    (app.cwd / ".env").write_text(
        "# of this project\nOAUTHGUARD_SCOPE='from dotenv' # words\nexport OAUTHGUARD_AUDIENCE=dotenv-aud\nPATH=/nowhere\n"
    )
    app.run("token")
    app.run("token", OAUTHGUARD_SCOPE="environment")
    app.run("token", "--scope", "flag", OAUTHGUARD_SCOPE="environment")
    scopes = [asked.form.get("scope") for asked in scripted.asked if asked.path == "/token"]
    assert scopes == ["from dotenv", "environment", "flag"]
    assert scripted.asked[-1].form["audience"] == "dotenv-aud"


def test_everything_from_dotenv_names_it(terminal: Terminal, scripted: ScriptedIssuer) -> None:
    scripted.answers["/token"] = TOKEN
    (terminal.cwd / ".env").write_text(
        f"OAUTHGUARD_ISSUER={scripted.issuer}\nOAUTHGUARD_CLIENT_ID=app\nOAUTHGUARD_CLIENT_SECRET=sesame-sesame\n"
    )
    answer = terminal.run("token")
    assert answer.out == "tok-0123456789\n"
    assert "from .env" in answer.err


def test_hostile_dotenv_does_not_get_the_secret_of_the_environment(
    terminal: Terminal, scripted: ScriptedIssuer
) -> None:
    scripted.answers["/token"] = TOKEN
    (terminal.cwd / ".env").write_text(f"OAUTHGUARD_ISSUER={scripted.issuer}\n")
    secret = {"OAUTHGUARD_CLIENT_ID": "app", "OAUTHGUARD_CLIENT_SECRET": "sesame-sesame"}
    answer = terminal.run("token", **secret)
    assert answer.status == 1
    assert ".env" in answer.err
    assert scripted.asked == []
    assert terminal.run("introspect", OAUTHGUARD_TOKEN="tok-1", OAUTHGUARD_CLIENT_ID="app").status == 1
    assert scripted.count("/introspect") == 0


def test_hostile_dotenv_does_not_read_files_of_the_user(terminal: Terminal, scripted: ScriptedIssuer) -> None:
    scripted.answers["/token"] = TOKEN
    (terminal.cwd / "id_rsa").write_text("private-key")
    (terminal.cwd / ".env").write_text(
        f"OAUTHGUARD_ISSUER={scripted.issuer}\nOAUTHGUARD_CLIENT_ID=app\nOAUTHGUARD_CLIENT_SECRET_FILE=id_rsa\n"
    )
    assert terminal.run("token").status == 1
    assert all("private-key" not in str(asked) for asked in scripted.asked)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("how", ["file", "file in the environment", "stdin"])
def test_client_secret_from(app: Terminal, scripted: ScriptedIssuer, how: str, encoding: str) -> None:
    del app.environ["OAUTHGUARD_CLIENT_SECRET"]
    file = app.cwd / "secret"
    file.write_text("sesame: öffne & dich\n", encoding)  # some editors write a byte order mark
    if how == "file":
        answer = app.run("token", "--client-secret-file", str(file))
    elif how == "stdin":
        answer = app.run("token", "--client-secret-file", "-", stdin=file.read_text())
    else:
        answer = app.run("token", OAUTHGUARD_CLIENT_SECRET_FILE=str(file))
    assert answer.status == 0
    scheme, _, pair = scripted.asked[-1].headers["authorization"].partition(" ")
    # RFC 6749 section 2.3.1: both halves form-urlencoded.
    assert (scheme, base64.b64decode(pair)) == ("Basic", b"app:sesame%3A+%C3%B6ffne+%26+dich")


@pytest.mark.timeout(60)
@pytest.mark.parametrize("how", ["flag", "environment"])
@pytest.mark.parametrize("kind", sorted(ODD))
def test_a_secret_file_that_holds_no_secret_is_refused(
    app: Terminal, scripted: ScriptedIssuer, kind: str, how: str
) -> None:
    del app.environ["OAUTHGUARD_CLIENT_SECRET"]
    path = app.cwd / "secret"
    build, said = ODD[kind]
    build(path)
    if how == "flag":
        answer = app.run("token", "--client-secret-file", str(path))
    else:
        answer = app.run("token", OAUTHGUARD_CLIENT_SECRET_FILE=str(path))
    assert answer.status == 1
    assert said in " ".join(answer.err.split())
    assert scripted.count("/token") == 0


@pytest.mark.promise("CL-06")
def test_secrets_that_are_typed_are_not_shown(app: Terminal, scripted: ScriptedIssuer) -> None:
    scripted.answers["/introspect"] = {"active": True}
    status, seen = run_on_pty(app, "introspect", "-", stdin=None)
    assert (status, "typed" in seen) == (0, False)
    assert scripted.asked[-1].form["token"] == "typed"
    status, seen = run_on_pty(app, "token", "--client-secret-file", "-", stdin=None)
    assert (status, "typed" in seen) == (0, False)
    assert base64.b64decode(scripted.asked[-1].headers["authorization"].split()[1]) == b"app:typed"


def test_dotenv_that_is_a_fifo_or_a_folder_holds_nothing_up(app: Terminal) -> None:
    os.mkfifo(app.cwd / ".env")
    assert app.run("token", timeout=20).status == 0
    (app.cwd / ".env").unlink()
    (app.cwd / ".env").mkdir()
    assert app.run("token").status == 0


@pytest.mark.promise("CL-06")
@pytest.mark.parametrize("verb", ["introspect", "revoke", "token"])
def test_a_token_or_secret_in_argv_is_refused_and_not_repeated(
    app: Terminal, scripted: ScriptedIssuer, verb: str
) -> None:
    for args in (["hunter2-hunter2"], ["--token", "hunter2-hunter2"], ["--client-secret=hunter2-hunter2"]):
        answer = app.run(verb, *args)
        assert answer.status == 1
        assert "hunter2" not in answer.err + answer.out
    assert scripted.asked == []


def test_token_shapes_on_stdin(app: Terminal, scripted: ScriptedIssuer) -> None:
    scripted.answers["/introspect"] = {"active": True}
    for text in (
        "tok-1",
        " tok-1\n",
        "Bearer tok-1",
        "Authorization: Bearer tok-1",
        json.dumps({"access_token": "tok-1"}),
    ):
        answer = app.run("introspect", "-", stdin=text)
        assert answer.status == 0, answer.err
        assert scripted.asked[-1].form["token"] == "tok-1"
    for text in ("", "\n", "two words", "tok\x1b[31m", "{", '{"access_token": 1}', "a b c"):
        answer = app.run("introspect", "-", stdin=text)
        assert answer.status == 1
        assert "\x1b" not in answer.err


def test_token_from_environment_and_file(app: Terminal, scripted: ScriptedIssuer) -> None:
    scripted.answers["/introspect"] = {"active": True}
    (app.cwd / "t").write_text("tok-file\n")
    assert app.run("introspect", "--token-file", "t").status == 0
    assert app.run("introspect", OAUTHGUARD_TOKEN="tok-env").status == 0
    assert [asked.form["token"] for asked in scripted.asked if asked.path == "/introspect"] == ["tok-file", "tok-env"]


def test_a_token_for_an_assertion(app: Terminal, scripted: ScriptedIssuer) -> None:
    (app.cwd / "assertion").write_text("eyJ0.eyJ1.c2ln\n")
    answers = [
        app.run("token", "--assertion", "assertion", "--scope", "read", "-v"),
        app.run("token", "--assertion", "-", stdin="eyJ0.eyJ1.c2ln"),
    ]
    assert [(each.status, each.out.strip()) for each in answers] == [(0, "tok-0123456789")] * 2
    assert "eyJ0.eyJ1.c2ln" not in answers[0].err
    forms = [asked.form for asked in scripted.asked if asked.path == "/token"]
    assert [form["assertion"] for form in forms] == ["eyJ0.eyJ1.c2ln"] * 2
    assert {form["grant_type"] for form in forms} == {"urn:ietf:params:oauth:grant-type:jwt-bearer"}
    assert forms[0]["scope"] == "read"
    assert app.run("token", "--assertion", "nothing").status == 1


@pytest.mark.parametrize(
    ("args", "problem"),
    [
        (["token", "--client-credentials", "--assertion", "-"], "either --client-credentials or --assertion"),
        (["login", "--flow", "device", "--param", "max_age=300"], "which --flow device does not send"),
    ],
)
def test_an_option_that_had_no_effect_beside_another_one_is_refused(
    app: Terminal, args: list[str], problem: str
) -> None:
    done = app.run(*args, stdin="eyJ0.eyJ1.c2ln")
    assert (done.status, problem in done.err) == (1, True)


@pytest.mark.promise("CL-06")
def test_verbose_shows_requests_without_secrets(app: Terminal, scripted: ScriptedIssuer) -> None:
    scripted.answers["/introspect"] = {"active": True, "username": "ann", "extra": "tok-0123456789"}
    answers = [app.run("token", "-v"), app.run("-v", "introspect", "-", stdin="tok-0123456789")]
    words = "".join(answer.err for answer in answers)
    assert "> POST" in words
    assert "grant_type=client_credentials" in words
    assert '"username": "ann"' in words
    secrets = ("tok-0123456789", "sesame", base64.b64encode(b"app:sesame-sesame").decode())
    assert [secret for secret in secrets if secret in words] == []


def test_quiet_says_nothing(app: Terminal, scripted: ScriptedIssuer) -> None:
    scripted.answers["/revoke"] = (200, b"")
    answer = app.run("revoke", "-", "--quiet", stdin="tok-1")
    assert (answer.status, answer.out, answer.err) == (0, "", "")


@pytest.mark.parametrize(
    ("name", "status", "body", "expected", "words"),
    [
        ("refused", 401, {"error": "invalid_client"}, 2, "invalid_client"),
        ("grant not registered", 400, {"error": "unauthorized_client"}, 2, "not registered for this grant"),
        ("refused with 200", 200, {"error": "invalid_scope"}, 2, "invalid_scope"),
        ("refused without words", 401, b"", 2, "401"),
        ("HTML", 200, b"<html>hello</html>", 1, "JSON"),
        ("HTML error", 404, b"<html>hello</html>", 6, "404"),
        ("down", 503, {}, 6, "503"),
        ("busy", 429, {"error": "slow_down"}, 6, "429"),
        ("redirect", 302, b"", 1, "redirect"),
        ("no token", 200, {"token_type": "Bearer"}, 6, "access_token"),
        ("token that breaks the header", 200, {"access_token": "a\r\nb", "token_type": "Bearer"}, 6, "access_token"),
        ("DPoP token", 200, {"access_token": "abc", "token_type": "DPoP"}, 6, "DPoP"),
        ("list", 200, [1], 1, "JSON"),
        ("too much", 200, b"x" * 1_100_000, 6, "more than"),
    ],
)
def test_wrong_answers(
    app: Terminal, scripted: ScriptedIssuer, name: str, status: int, body: object, expected: int, words: str
) -> None:
    scripted.answers["/token"] = (status, body, {"Location": "/elsewhere"})
    answer = app.run("token")
    assert (answer.status, answer.out) == (expected, "")
    assert words in answer.err
    assert answer.err.count("\n") == 1
    assert "Traceback" not in answer.err
    assert scripted.count("/elsewhere") == 0


def test_hostile_words_do_not_steer_the_terminal(app: Terminal, scripted: ScriptedIssuer) -> None:
    hostile = "\x1b]0;owned\x07\x1b[2J\u202e\r\nfake: line" + "x" * 5000 + " sesame-sesame"
    scripted.answers["/token"] = (400, {"error": "invalid_grant\x1b[31m", "error_description": hostile})
    answer = app.run("token", "-v")
    assert answer.status == 2
    assert not {"\x1b", "\x07", "\u202e", "\r"} & set(answer.err)
    assert "sesame-sesame" not in answer.err
    last = answer.err.splitlines()[-1]
    assert last.startswith("oauthguard: ")
    assert len(last) < 1000


def test_debug_gives_the_traceback_without_secrets(app: Terminal, scripted: ScriptedIssuer) -> None:
    scripted.answers["/token"] = (400, {"error": "invalid_grant", "error_description": "not sesame-sesame"})
    answer = app.run("token", "--debug")
    assert answer.status == 2
    assert "Traceback" in answer.err
    assert "sesame-sesame" not in answer.err


@pytest.mark.promise("CL-04")
def test_metadata_of_another_issuer_is_refused(app: Terminal, scripted: ScriptedIssuer) -> None:
    path = "/.well-known/oauth-authorization-server"
    for other in (scripted.issuer + "/", "https://other.example", None):
        scripted.answers[path] = scripted.metadata(issuer=other)
        answer = app.run("token")
        assert answer.status == 1, answer.err
    assert scripted.count("/token") == 0


@pytest.mark.promise("CL-04")
def test_endpoints_and_issuers_without_tls_are_refused(app: Terminal, scripted: ScriptedIssuer) -> None:
    path = "/.well-known/oauth-authorization-server"
    scripted.answers[path] = scripted.metadata(token_endpoint="http://issuer.example/token")
    answer = app.run("token")
    assert answer.status == 1
    assert "token_endpoint" in answer.err
    for issuer in (
        "http://issuer.example",
        "ftp://issuer.example",
        "issuer.example",
        "https://user:pw@issuer.example",
        "",
    ):
        assert app.run("token", "--issuer", issuer).status == 1


def test_issuer_that_is_a_web_site(app: Terminal, scripted: ScriptedIssuer) -> None:
    scripted.answers = {"/.well-known/oauth-authorization-server": b"<html>Welcome</html>"}
    answer = app.run("token")
    assert answer.status == 1
    assert "JSON" in answer.err
    scripted.answers = {}
    answer = app.run("token")
    assert (answer.status, answer.err.count("\n")) == (1, 1)
    assert "no metadata" in answer.err


def test_server_without_the_endpoint(app: Terminal, scripted: ScriptedIssuer) -> None:
    scripted.answers["/.well-known/oauth-authorization-server"] = scripted.metadata(introspection_endpoint=None)
    answer = app.run("introspect", "-", stdin="tok-1")
    assert answer.status == 1
    assert "introspection_endpoint" in answer.err


def test_nobody_there(app: Terminal) -> None:
    answer = app.run("token", "--issuer", "http://127.0.0.1:9")
    assert answer.status == 6
    assert "nothing listens there" in answer.err


def test_an_issuer_that_is_overloaded_is_to_be_asked_later(app: Terminal, scripted: ScriptedIssuer) -> None:
    """The advice was to check the address and the network."""
    for place in ("oauth-authorization-server", "openid-configuration"):
        scripted.answers[f"/.well-known/{place}"] = (503, {})
    answer = app.run("token")
    assert answer.status == 6
    assert answer.err.endswith("answered 503; try again later\n")


def make_certificate(folder: Path, *, name: str = "127.0.0.1") -> tuple[ssl.SSLContext, Path]:
    """A self-signed certificate for ``name``: a server's context, and the PEM file that makes it trusted."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(1))
        .not_valid_after(now + timedelta(1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(name))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "both.pem").write_bytes(private + pem)
    (folder / "ca.pem").write_bytes(pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "both.pem")
    return context, folder / "ca.pem"


def test_tls_failures_say_what_to_do(app: Terminal, tmp_path: Path) -> None:
    context, ca_file = make_certificate(tmp_path)
    with run_scripted(context) as issuer:
        issuer.answers["/token"] = TOKEN
        answer = app.run("token", "--issuer", issuer.issuer)
        assert (answer.status, answer.err.count("\n")) == (6, 1)
        assert "certificate is not accepted" in answer.err
        assert "--ca-file" in answer.err
        assert issuer.asked == []
        for args, environ in (
            (["--ca-file", str(ca_file)], {}),
            ([], {"OAUTHGUARD_CA_FILE": str(ca_file)}),
            ([], {"SSL_CERT_FILE": str(ca_file)}),
        ):
            assert app.run("token", "--issuer", issuer.issuer, *args, **environ).status == 0
        url = f"{issuer.issuer}/token"
        assert app.run("call", "GET", url, OAUTHGUARD_TOKEN="tok-1").status == 6
        assert app.run("call", "GET", url, "--ca-file", str(ca_file), OAUTHGUARD_TOKEN="tok-1").status == 0
        plain = issuer.issuer.replace("https", "http")
        assert app.run("token", "--issuer", plain).status == 6
    context, ca_file = make_certificate(tmp_path, name="127.0.0.2")
    with run_scripted(context) as issuer:
        answer = app.run("token", "--issuer", issuer.issuer, "--ca-file", str(ca_file))
        assert answer.status == 6
        assert "mismatch" in answer.err
        assert answer.err.endswith("it is for another host: is the address right?\n"), "an authority does not help"
    context.load_cert_chain(expired := write_certificate(tmp_path, days=-0.5))
    with run_scripted(context) as issuer:
        answer = app.run("token", "--issuer", issuer.issuer, "--ca-file", str(expired))
        assert answer.status == 6
        assert "it has expired: who runs the server must renew it" in answer.err


def test_tls_to_a_port_without_it(app: Terminal, scripted: ScriptedIssuer) -> None:
    answer = app.run("token", "--issuer", scripted.issuer.replace("http", "https"))
    assert (answer.status, answer.err.count("\n")) == (6, 1)
    assert "no TLS connection" in answer.err


def test_a_ca_file_that_is_none(app: Terminal) -> None:
    (app.cwd / "empty.pem").write_text("nothing")
    for path in ("nowhere.pem", "empty.pem"):
        answer = app.run("token", "--ca-file", path)
        assert (answer.status, answer.err.count("\n")) == (1, 1)
        assert path in answer.err


def test_introspection_answer_without_active(app: Terminal, scripted: ScriptedIssuer) -> None:
    for body in ({}, {"active": "true"}, {"active": 1}):
        scripted.answers["/introspect"] = body
        assert app.run("introspect", "-", stdin="tok-1").status == 6


def test_client_secret_post_where_basic_is_not_offered(app: Terminal, scripted: ScriptedIssuer) -> None:
    offered = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
    scripted.answers["/.well-known/oauth-authorization-server"] = scripted.metadata(**offered)
    assert app.run("token").status == 0
    assert "authorization" not in scripted.asked[-1].headers
    assert scripted.asked[-1].form["client_secret"] == "sesame-sesame"


def test_missing_options_say_what_to_do(terminal: Terminal) -> None:
    answer = terminal.run("token")
    assert answer.status == 1
    assert "oauthguard login" in answer.err
    answer = terminal.run("introspect", "-", stdin="t")
    assert "OAUTHGUARD_ISSUER" in answer.err
    answer = terminal.run("introspect", "-", stdin="t", OAUTHGUARD_ISSUER="http://127.0.0.1:9")
    assert "OAUTHGUARD_CLIENT_ID" in answer.err
    assert terminal.run("token", OAUTHGUARD_ISSUER="http://127.0.0.1:9", OAUTHGUARD_CLIENT_ID="x").status == 1


def test_usage_errors_are_status_1(terminal: Terminal) -> None:
    for args in (["nonsense"], ["token", "--nonsense"], ["token", "--format", "xml"], ["--nonsense"]):
        answer = terminal.run(*args)
        assert (answer.status, answer.out, answer.err.count("\n")) == (1, "", 1)


def test_slow_drip_ends(app: Terminal, scripted: ScriptedIssuer) -> None:
    def hang(_asked: object) -> object:
        time.sleep(13)
        return TOKEN

    scripted.answers["/token"] = hang
    started = time.monotonic()
    answer = app.run("token")
    assert answer.status == 6
    assert time.monotonic() - started < 13
