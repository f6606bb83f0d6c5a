"""What the working folder may not decide: who receives a secret or a token, and which files are read."""

from __future__ import annotations

import base64
import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pyramid_oauthguard.client.errors import CommandError
from pyramid_oauthguard.client.options import ClientOptions
from pyramid_oauthguard.client.recipients import Credential, check_recipient
from pyramid_oauthguard.client.storage.dotenv import read_dotenv
from tests.client.browsers import start_login
from tests.client.issuers import Asked, ScriptedIssuer, run_scripted
from tests.client.terminal import Answered, Terminal, find_command

pytestmark = pytest.mark.slow

SECRET = "the-secret-of-production"
FOLDERS_SECRET = "the-secret-of-the-folder"
TOKENS = {
    "access_token": "access-of-production",
    "refresh_token": "refresh-of-production",
    "token_type": "Bearer",
    "expires_in": 5,
}


@pytest.fixture
def hostile(terminal: Terminal) -> Iterator[ScriptedIssuer]:
    """The issuer that the folder's ``.env`` names, and nothing else."""
    with run_scripted() as issuer:
        issuer.answers["/token"] = {"access_token": "tok-of-the-hostile", "token_type": "Bearer"}
        issuer.answers |= {"/introspect": {"active": True}, "/revoke": (200, b""), "/userinfo": {"sub": "ann"}}
        (terminal.cwd / ".env").write_text(f"OAUTHGUARD_ISSUER={issuer.issuer}\n")
        terminal.environ["OAUTHGUARD_CLIENT_ID"] = "app"
        yield issuer


def read_request(asked: Asked) -> str:
    """Everything that a request carried, with HTTP Basic in clear."""
    scheme, _, rest = asked.headers.get("authorization", "").partition(" ")
    clear = base64.b64decode(rest).decode() if scheme == "Basic" else rest
    return f"{asked.path} {asked.query} {asked.form} {clear}"


def received(issuer: ScriptedIssuer, *secrets: str) -> bool:
    return any(secret in read_request(asked) for asked in issuer.asked for secret in secrets)


# ── each credential from each place ──────────────────────────────────────────────────────────────────────────────

Give = Callable[[Terminal, str], tuple[list[str], str]]


def in_the_environment(terminal: Terminal, issuer: str) -> tuple[list[str], str]:
    terminal.environ["OAUTHGUARD_CLIENT_SECRET"] = SECRET
    return [], ""


def in_a_file_that_the_environment_names(terminal: Terminal, issuer: str) -> tuple[list[str], str]:
    terminal.environ["OAUTHGUARD_CLIENT_SECRET_FILE"] = _write(terminal)
    return [], ""


def in_a_file_that_a_flag_names(terminal: Terminal, issuer: str) -> tuple[list[str], str]:
    return ["--client-secret-file", _write(terminal)], ""


def in_a_file_of_the_folder_that_a_flag_names(terminal: Terminal, issuer: str) -> tuple[list[str], str]:
    (terminal.cwd / "secret").write_text(SECRET)
    return ["--client-secret-file", "secret"], ""


def on_standard_input(terminal: Terminal, issuer: str) -> tuple[list[str], str]:
    return ["--client-secret-file", "-"], SECRET


def on_standard_input_that_the_environment_names(terminal: Terminal, issuer: str) -> tuple[list[str], str]:
    terminal.environ["OAUTHGUARD_CLIENT_SECRET_FILE"] = "-"
    return [], SECRET


def in_the_keyring(terminal: Terminal, issuer: str) -> tuple[list[str], str]:
    folder = terminal.home.parent / "keyrings"
    folder.mkdir()
    lines = ["from keyring.backend import KeyringBackend", "class Fixed(KeyringBackend):", "    priority = 5"]
    for name in ("get_password", "set_password", "delete_password"):
        lines.append(f"    def {name}(self, service, username, *rest):")
        lines.append(f"        return {SECRET!r} if username == {f'app@{issuer}'!r} else None")
    (folder / "fixed_keyring.py").write_text("\n".join(lines))
    terminal.environ |= {"PYTHONPATH": str(folder), "PYTHON_KEYRING_BACKEND": "fixed_keyring.Fixed"}
    return [], ""


SECRETS = [
    in_the_environment,
    in_a_file_that_the_environment_names,
    in_a_file_that_a_flag_names,
    in_a_file_of_the_folder_that_a_flag_names,
    on_standard_input,
    on_standard_input_that_the_environment_names,
    in_the_keyring,
]


def _write(terminal: Terminal) -> str:
    file = terminal.home.parent / "secret"
    file.write_text(SECRET)
    return str(file)


@pytest.mark.promise("CL-09")
@pytest.mark.parametrize("verb", ["token", "login", "introspect"])
@pytest.mark.parametrize("give", SECRETS)
def test_a_client_secret_is_not_sent_to_an_issuer_that_only_dotenv_names(
    terminal: Terminal, hostile: ScriptedIssuer, give: Give, verb: str
) -> None:
    args, stdin = give(terminal, hostile.issuer)
    more = ["--flow", "device"] if verb == "login" else []
    answer = terminal.run(verb, *args, *more, stdin=stdin)
    assert not received(hostile, SECRET)
    assert answer.status == 1
    assert ".env" in answer.err
    assert "--issuer or OAUTHGUARD_ISSUER" in answer.err
    assert hostile.issuer in answer.err
    assert SECRET not in answer.err


@pytest.mark.parametrize("named", ["by a flag", "by the environment", "by a profile"])
@pytest.mark.parametrize("give", SECRETS)
def test_a_client_secret_is_sent_to_an_issuer_that_the_user_names_too(
    terminal: Terminal, hostile: ScriptedIssuer, give: Give, named: str
) -> None:
    if named == "by a profile":
        sign_in(terminal, hostile.issuer)
    elif named == "by the environment":
        terminal.environ["OAUTHGUARD_ISSUER"] = hostile.issuer
    args, stdin = give(terminal, hostile.issuer)
    flags = ["--issuer", hostile.issuer] if named == "by a flag" else []
    answer = terminal.run(
        "token", "--client-credentials", *args, *flags, "--auth-method", "client_secret_basic", stdin=stdin
    )
    assert (answer.status, answer.out) == (0, "tok-of-the-hostile\n"), answer.err
    assert received(hostile, SECRET)


@pytest.mark.promise("CL-09")
@pytest.mark.parametrize("how", ["the environment", "a file", "standard input"])
@pytest.mark.parametrize("verb", ["introspect", "revoke"])
def test_a_token_is_not_sent_to_an_issuer_that_only_dotenv_names(
    terminal: Terminal, hostile: ScriptedIssuer, verb: str, how: str
) -> None:
    answer = run_with_token(terminal, verb, how)
    assert not received(hostile, "tok-of-production")
    assert (answer.status, "only the .env of this folder names the issuer" in answer.err) == (1, True)
    assert "tok-of-production" not in answer.err
    named = run_with_token(terminal, verb, how, "--issuer", hostile.issuer)
    assert named.status == 0, named.err
    assert received(hostile, "tok-of-production")


def run_with_token(terminal: Terminal, verb: str, how: str, *args: str) -> Answered:
    if how == "the environment":
        return terminal.run(verb, *args, OAUTHGUARD_TOKEN="tok-of-production")
    if how == "standard input":
        return terminal.run(verb, *args, "-", stdin="tok-of-production")
    file = terminal.home.parent / "token"
    file.write_text("tok-of-production")
    return terminal.run(verb, *args, "--token-file", str(file))


def test_a_folder_that_names_its_own_issuer_and_its_own_secret_works(
    terminal: Terminal, hostile: ScriptedIssuer
) -> None:
    with (terminal.cwd / ".env").open("a") as file:
        file.write(f"OAUTHGUARD_CLIENT_ID=folders\nOAUTHGUARD_CLIENT_SECRET={FOLDERS_SECRET}\n")
    del terminal.environ["OAUTHGUARD_CLIENT_ID"]
    assert terminal.run("token").out == "tok-of-the-hostile\n"
    assert received(hostile, FOLDERS_SECRET)
    assert terminal.run("introspect").status == 0
    # What the folder holds does not let it have more.
    assert terminal.run("introspect", "-", stdin="tok-of-production").status == 1
    assert not received(hostile, "tok-of-production")


def test_verbs_that_send_nothing_to_the_issuer_take_a_token_from_anywhere(
    terminal: Terminal, hostile: ScriptedIssuer, scripted: ScriptedIssuer
) -> None:
    scripted.answers["/customers"] = {}
    answer = terminal.run("call", "GET", f"{scripted.issuer}/customers", OAUTHGUARD_TOKEN="tok-of-production")
    assert answer.status == 0
    assert scripted.asked[-1].headers["authorization"] == "Bearer tok-of-production"
    assert terminal.run("inspect", "-", stdin="e30.e30.AA").status == 5
    assert not received(hostile, "tok-of-production", "e30.e30.AA")


# ── logins ───────────────────────────────────────────────────────────────────────────────────────────────────────


def sign_in(terminal: Terminal, issuer: str = "", *args: str) -> None:
    flags = ["--issuer", issuer] if issuer else []
    with start_login(terminal, *flags, *args) as login:
        login.come_back(code="c-1")
        ended = login.end()
    assert ended.status == 0, ended.err


@pytest.mark.promise("CL-09")
def test_the_tokens_of_a_login_are_not_sent_to_an_issuer_that_only_dotenv_names(
    terminal: Terminal, hostile: ScriptedIssuer, scripted: ScriptedIssuer
) -> None:
    scripted.answers |= {"/token": TOKENS, "/userinfo": {"sub": "ann"}}
    secret = terminal.home.parent / "secret"
    secret.write_text(SECRET)
    sign_in(terminal, scripted.issuer, "--client-secret-file", str(secret))
    for client in ("app", "another"):
        for args in (["token"], ["whoami"], ["introspect"], ["revoke"], ["logout"], ["exec", "--", "true"]):
            terminal.run(*args, OAUTHGUARD_CLIENT_ID=client)
    assert not received(hostile, SECRET, "access-of-production", "refresh-of-production")
    assert terminal.run("token", "--profile", "default").status == 0


@pytest.mark.promise("CL-09")
@pytest.mark.parametrize("give", SECRETS)
def test_a_login_in_a_hostile_folder_does_not_make_its_issuer_the_users(
    terminal: Terminal, hostile: ScriptedIssuer, tmp_path: Path, give: Give
) -> None:
    """The folder names the issuer, the user signs in there, and the login outlives the folder."""
    sign_in(terminal)
    (terminal.cwd / ".env").unlink()
    assert terminal.run("token").out == "tok-of-the-hostile\n"  # its own token: it issued it
    args, stdin = give(terminal, hostile.issuer)
    for flags in ([], ["--profile", "default"]):
        answer = terminal.run(
            "token", "--client-credentials", "--auth-method", "client_secret_post", *flags, *args, stdin=stdin
        )
        assert (answer.status, answer.out) == (1, "")
        assert "took it from the .env of a folder" in answer.err
    (terminal.cwd / ".env").write_text(f"OAUTHGUARD_CLIENT_SECRET={FOLDERS_SECRET}\n")  # another folder's
    assert terminal.run("token", "--client-credentials", "--auth-method", "client_secret_post").status == 1
    assert not received(hostile, SECRET, FOLDERS_SECRET)


def test_a_login_that_names_the_issuer_itself_makes_it_the_users(terminal: Terminal, hostile: ScriptedIssuer) -> None:
    sign_in(terminal)
    sign_in(terminal, hostile.issuer)
    (terminal.cwd / ".env").unlink()
    answer = terminal.run(
        "token", "--client-credentials", "--auth-method", "client_secret_post", OAUTHGUARD_CLIENT_SECRET=SECRET
    )
    assert answer.status == 0, answer.err


# ── what else stands in a folder ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("variable", ["CLIENT_SECRET_FILE", "CA_FILE", "TOKEN", "PROFILE", "HOME"], ids=str.lower)
def test_dotenv_names_no_file_no_login_and_no_token(
    terminal: Terminal, scripted: ScriptedIssuer, tmp_path: Path, variable: str
) -> None:
    """Each value would change what this run does, if it were taken."""
    scripted.answers |= {"/token": TOKENS, "/userinfo": {"sub": "ann"}, "/introspect": {"active": True}}
    terminal.environ |= {"OAUTHGUARD_ISSUER": scripted.issuer, "OAUTHGUARD_CLIENT_ID": "app"}
    sign_in(terminal, "", "--profile", "work")
    sign_in(terminal)
    before = [read_request(asked) for asked in (terminal.run("introspect"), scripted.asked[-1])[1:]]
    (tmp_path / "private").write_text("of-the-user")
    value = {"TOKEN": "tok-of-the-folder", "PROFILE": "work"}.get(variable, str(tmp_path / "private"))
    (terminal.cwd / ".env").write_text(f"OAUTHGUARD_{variable}={value}\n")
    answer = terminal.run("introspect")
    assert answer.status == 0, answer.err
    assert [read_request(scripted.asked[-1])] == before
    assert f"OAUTHGUARD_{variable} in .env: ignored" in answer.err


def test_dotenv_of_a_parent_folder_is_not_read(terminal: Terminal, hostile: ScriptedIssuer) -> None:
    inner = terminal.cwd / "src"
    inner.mkdir()
    answer = Terminal(home=terminal.home, cwd=inner, environ=terminal.environ).run("token")
    assert (answer.status, hostile.asked) == (1, [])
    assert "no issuer" in answer.err


@pytest.mark.parametrize("target", ["../prod/.env", "/absolute", "chain"])
def test_dotenv_that_links_out_of_the_folder_is_refused(
    terminal: Terminal, scripted: ScriptedIssuer, target: str
) -> None:
    """The folder would choose whose secret the user's issuer receives."""
    prod = terminal.cwd.parent / "prod"
    prod.mkdir()
    (prod / ".env").write_text(f"OAUTHGUARD_CLIENT_SECRET={SECRET}\n")
    link = terminal.cwd / ".env"
    if target == "chain":
        (terminal.cwd / "step").symlink_to(prod / ".env")
        link.symlink_to("step")
    else:
        link.symlink_to(prod / ".env" if target == "/absolute" else target)
    terminal.environ |= {"OAUTHGUARD_ISSUER": scripted.issuer, "OAUTHGUARD_CLIENT_ID": "app"}
    answer = terminal.run("token")
    assert (answer.status, answer.err.count("\n")) == (1, 1)
    assert "outside of this folder" in answer.err
    assert not received(scripted, SECRET)
    link.unlink()
    (terminal.cwd / "data").write_text("OAUTHGUARD_CLIENT_SECRET=of-this-folder\n")
    link.symlink_to("data")
    scripted.answers["/token"] = TOKENS
    assert terminal.run("token").status == 0
    link.unlink()
    (prod / ".env").write_text("DATABASE_URL=postgres:///prod\n")  # nothing of this command in it
    link.symlink_to(prod / ".env")
    assert terminal.run("token", OAUTHGUARD_CLIENT_SECRET=SECRET).status == 0


@pytest.mark.parametrize(
    "line", ["# a comment\u2028{}", "# a comment\x0b{}", "# a comment\x85{}", "# a comment\r{}", "X={}"]
)
def test_dotenv_hides_no_line_in_a_comment(terminal: Terminal, hostile: ScriptedIssuer, line: str) -> None:
    """An editor shows one line; it must be one line here, too."""
    (terminal.cwd / ".env").write_text(line.format(f"OAUTHGUARD_ISSUER={hostile.issuer}") + "\n", newline="")
    answer = terminal.run("token")
    assert (answer.status, hostile.asked) == (1, [])
    assert "no issuer" in answer.err


def test_dotenv_that_is_too_long_is_not_taken_in_part(terminal: Terminal, hostile: ScriptedIssuer) -> None:
    with (terminal.cwd / ".env").open("a") as file:
        file.write("#" * 70000)
    answer = terminal.run("token")
    assert (answer.status, hostile.asked) == (1, [])
    assert "longer than" in answer.err
    (terminal.cwd / ".env").write_text("#" * 70000)
    assert "no issuer" in terminal.run("token").err


@pytest.mark.parametrize("variable", ["OAUTHGUARD_HOME", "OAUTHGUARD_CA_FILE"])
def test_a_relative_path_in_the_environment_is_refused(
    terminal: Terminal, scripted: ScriptedIssuer, variable: str
) -> None:
    """It is another file in each folder: a folder would bring its own logins, authorities or secrets."""
    terminal.environ |= {"OAUTHGUARD_ISSUER": scripted.issuer, "OAUTHGUARD_CLIENT_ID": "app"}
    (terminal.cwd / "own").mkdir(mode=0o700)
    answer = terminal.run("login", "--flow", "device", **{variable: "own"})
    assert (answer.status, answer.err.count("\n"), scripted.asked) == (1, 1, [])
    assert f"{variable} must be an absolute path" in answer.err


@pytest.mark.parametrize("path", ["secret", "inner/secret", "./secret"])
def test_a_link_of_the_folder_is_not_taken_for_the_file_that_the_environment_names(
    terminal: Terminal, scripted: ScriptedIssuer, tmp_path: Path, path: str
) -> None:
    """The folder would choose which file of the user the user's issuer receives."""
    terminal.environ |= {"OAUTHGUARD_ISSUER": scripted.issuer, "OAUTHGUARD_CLIENT_ID": "app"}
    scripted.answers["/token"] = TOKENS
    private = tmp_path / "private"
    private.mkdir()
    (private / "secret").write_text(SECRET)
    (terminal.cwd / "inner").symlink_to(private)
    (terminal.cwd / "secret").symlink_to(private / "secret")
    answer = terminal.run("token", OAUTHGUARD_CLIENT_SECRET_FILE=path)
    assert (answer.status, answer.err.count("\n")) == (1, 1)
    assert "is a link in this folder" in answer.err
    assert not received(scripted, SECRET)
    for link in ("inner", "secret"):
        (terminal.cwd / link).unlink()
    (terminal.cwd / "inner").mkdir()
    (terminal.cwd / path).write_text("of-this-folder")
    assert terminal.run("token", OAUTHGUARD_CLIENT_SECRET_FILE=path).status == 0
    assert received(scripted, "of-this-folder")
    assert terminal.run("token", OAUTHGUARD_CLIENT_SECRET_FILE="../private/secret").status == 0  # the user's own words


def test_a_relative_state_folder_brings_no_login_of_the_folder(terminal: Terminal, hostile: ScriptedIssuer) -> None:
    """Some versions of platformdirs take a relative XDG_STATE_HOME, others ignore it."""
    (terminal.cwd / ".env").unlink()
    own = terminal.cwd / "own" / "oauthguard"
    own.mkdir(mode=0o700, parents=True)
    file = own / "default.profile"
    file.touch(0o600)
    file.write_text(json.dumps({"issuer": hostile.issuer, "client_id": "app"}))
    terminal.environ |= {"OAUTHGUARD_HOME": str(own), "OAUTHGUARD_CLIENT_SECRET": SECRET}
    assert terminal.run("token", "--client-credentials").status == 0  # the login itself is whole
    hostile.asked.clear()
    answer = terminal.run("token", "--client-credentials", OAUTHGUARD_HOME="", XDG_STATE_HOME="own")
    assert (answer.status, answer.err.count("\n"), hostile.asked) == (1, 1, [])


@pytest.mark.parametrize(("variable", "below"), [("XDG_CONFIG_HOME", "."), ("HOME", ".config"), ("XDG_DATA_HOME", ".")])
def test_a_relative_home_does_not_let_the_folder_choose_the_keyring(
    terminal: Terminal, scripted: ScriptedIssuer, variable: str, below: str
) -> None:
    """The configuration of the keyring names code that runs, and this code receives the tokens."""
    scripted.answers["/token"] = TOKENS
    (terminal.cwd / "ring.py").write_text(
        "import pathlib, keyring.backends.null\npathlib.Path('ran').touch()\n"
        "class Keyring(keyring.backends.null.Keyring):\n    priority = 9\n"
    )
    settings = terminal.cwd / "own" / below / "python_keyring"
    settings.mkdir(parents=True)
    (settings / "keyringrc.cfg").write_text(f"[backend]\ndefault-keyring=ring.Keyring\nkeyring-path={terminal.cwd}\n")
    terminal.environ |= {"OAUTHGUARD_ISSUER": scripted.issuer, "OAUTHGUARD_CLIENT_ID": "app"}
    answer = terminal.run("token", **{"PYTHON_KEYRING_BACKEND": "", variable: "own"})
    assert (answer.status, answer.err.count("\n"), scripted.asked) == (1, 1, [])
    assert not (terminal.cwd / "ran").exists()
    assert f"{variable} must be an absolute path" in answer.err


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
def test_a_relative_path_brings_no_authorities_of_the_folder(
    terminal: Terminal, scripted: ScriptedIssuer, variable: str
) -> None:
    terminal.environ |= {"OAUTHGUARD_ISSUER": scripted.issuer, "OAUTHGUARD_CLIENT_ID": "app"}
    answer = terminal.run("token", OAUTHGUARD_CLIENT_SECRET=SECRET, **{variable: "own"})
    assert (answer.status, answer.err.count("\n"), scripted.asked) == (1, 1, [])
    assert f"{variable} must be an absolute path" in answer.err


@pytest.mark.parametrize("variable", ["OAUTHGUARD_HOME", "OAUTHGUARD_CA_FILE", "OAUTHGUARD_CLIENT_SECRET_FILE"])
def test_the_home_of_an_unknown_user_is_said_in_one_line(
    terminal: Terminal, scripted: ScriptedIssuer, variable: str
) -> None:
    terminal.environ |= {"OAUTHGUARD_ISSUER": scripted.issuer, "OAUTHGUARD_CLIENT_ID": "app"}
    answer = terminal.run("token", **{"OAUTHGUARD_CLIENT_SECRET": SECRET, variable: "~no-such-user/x"})
    assert (answer.status, answer.err.count("\n"), scripted.asked) == (1, 1, [])
    assert "~no-such-user/x names a user that does not exist on this machine" in answer.err


def test_a_folder_that_the_user_may_not_search_holds_nothing_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`sudo -u service oauthguard token` in a folder of root ended with "Permission denied: .env", before Python 3.14."""

    def refuse(_path: Path) -> bool:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), ".env")

    monkeypatch.setattr(Path, "is_file", refuse)
    assert read_dotenv(tmp_path / ".env").values == {}


def test_a_folder_that_was_deleted_holds_nothing_up(terminal: Terminal, scripted: ScriptedIssuer) -> None:
    scripted.answers["/token"] = TOKENS
    terminal.environ |= {"OAUTHGUARD_ISSUER": scripted.issuer, "OAUTHGUARD_CLIENT_ID": "app"}
    gone = terminal.cwd / "gone"
    gone.mkdir()
    process = Terminal(terminal.home, gone, {**terminal.environ, "OAUTHGUARD_CLIENT_SECRET": SECRET})
    script = f'rmdir "{gone}" && exec "$0" token'
    done = subprocess.run(
        ["sh", "-c", script, find_command()],
        cwd=gone,
        env=process.full_environ(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "access-of-production\n"), done.stderr


# ── exec ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.promise("CL-06")
@pytest.mark.parametrize("name", ["OAUTHGUARD_TOKEN", "API_TOKEN"])
def test_exec_leaves_one_credential_in_the_environment(
    terminal: Terminal, scripted: ScriptedIssuer, tmp_path: Path, name: str
) -> None:
    scripted.answers["/token"] = {**TOKENS, "expires_in": 600}
    file = tmp_path / "secret"
    file.write_text(SECRET)
    harmless = {"OAUTHGUARD_ISSUER": scripted.issuer, "OAUTHGUARD_CLIENT_ID": "app", "OAUTHGUARD_SCOPE": "read"}
    others = [
        "CLIENT_SECRET",
        "TOKEN",
        "REFRESH_TOKEN",
        "ACCESS_TOKEN",
        "CLIENT_ASSERTION",
        "PASSWORD",
        "SERVER_PEPPER",
    ]
    terminal.environ |= harmless
    terminal.environ |= {f"OAUTHGUARD_{each}": f"credential-{each}" for each in others}
    terminal.environ["OAUTHGUARD_CLIENT_SECRET_FILE"] = str(file)
    code = "import json, os; print(json.dumps(dict(os.environ)))"
    answer = terminal.run("exec", "--name", name, "--", sys.executable, "-c", code)
    left = {key: value for key, value in answer.json.items() if "OAUTHGUARD" in key.upper() or key == name}
    assert left == {**harmless, "OAUTHGUARD_HOME": str(terminal.home), name: "access-of-production"}
    assert "credential-" not in answer.out
    assert str(file) not in json.dumps(answer.json)
    assert answer.json["PATH"] == os.environ["PATH"]


@pytest.mark.promise("CL-09")
def test_an_issued_token_goes_back_to_its_issuer_alone() -> None:
    token = Credential(text="tok", name="the refresh token", place="the token endpoint", issuer="https://one.example")
    check_recipient(token, ClientOptions(issuer="https://one.example", issuer_origin=".env"))
    for issuer in ("https://one.example/", "https://two.example", None):
        with pytest.raises(CommandError, match=r"was issued by https://one\.example"):
            check_recipient(token, ClientOptions(issuer=issuer, issuer_is_the_users=True))
