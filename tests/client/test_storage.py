"""Where tokens are kept, how they are refreshed, and what happens when that goes wrong: nothing lost, nothing leaked."""

from __future__ import annotations

import errno
import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pyramid_oauthguard.client.storage.folder import Folder
from tests.client.browsers import start_login, wait_for
from tests.client.issuers import Asked, ScriptedIssuer, run_scripted
from tests.client.terminal import Terminal, find_command

pytestmark = pytest.mark.slow

KEYRING = '''
import json, os
from pathlib import Path

from keyring.backend import KeyringBackend

FILE = Path(os.environ["FAKE_KEYRING"])


class Working(KeyringBackend):
    """A keyring in a file."""

    priority = 5

    def _read(self):
        return json.loads(FILE.read_text()) if FILE.exists() else {}

    def get_password(self, service, username):
        return self._read().get(f"{service}/{username}")

    def set_password(self, service, username, password):
        FILE.write_text(json.dumps({**self._read(), f"{service}/{username}": password}))

    def delete_password(self, service, username):
        kept = self._read()
        del kept[f"{service}/{username}"]
        FILE.write_text(json.dumps(kept))


class Refusing(Working):
    """Takes nothing; its words hold what it was given."""

    def set_password(self, service, username, password):
        raise RuntimeError(f"locked, so {password} was not kept")


class Locked(Refusing):
    def get_password(self, service, username):
        raise OSError("locked")


class Cutting(Working):
    """Keeps the first hundred characters, as some do."""

    def set_password(self, service, username, password):
        super().set_password(service, username, password[:100])
'''


@pytest.fixture
def public(terminal: Terminal, scripted: ScriptedIssuer) -> Terminal:
    terminal.environ |= {"OAUTHGUARD_ISSUER": scripted.issuer, "OAUTHGUARD_CLIENT_ID": "cli"}
    scripted.answers["/token"] = build_tokens(1)
    scripted.answers["/userinfo"] = {"sub": "ann"}
    return terminal


@pytest.fixture
def keyring(public: Terminal, tmp_path: Path) -> Callable[[str], None]:
    """Gives the machine one of the keyrings above."""
    (tmp_path / "keyrings").mkdir()
    (tmp_path / "keyrings" / "fake_keyring.py").write_text(KEYRING)
    public.environ |= {"PYTHONPATH": str(tmp_path / "keyrings"), "FAKE_KEYRING": str(tmp_path / "keyring.json")}

    def choose(name: str) -> None:
        public.environ["PYTHON_KEYRING_BACKEND"] = f"fake_keyring.{name}"

    choose("Working")
    return choose


def build_tokens(number: int, *, expires_in: float = 600) -> dict[str, Any]:
    return {
        "access_token": f"access-{number:08}",
        "refresh_token": f"refresh-{number:08}",
        "token_type": "Bearer",
        "expires_in": expires_in,
    }


def sign_in(terminal: Terminal, *args: str) -> str:
    with start_login(terminal, *args) as login:
        login.come_back(code="c-1")
        ended = login.end()
    assert ended.status == 0, ended.err
    return ended.err


def read_files(terminal: Terminal) -> str:
    return "".join(path.read_text() for path in sorted(terminal.home.iterdir()))


def rotate(scripted: ScriptedIssuer, delay: float = 0.0) -> None:
    """A token endpoint that takes each refresh token once, and gives the next."""
    valid = {"refresh-00000001": 2}

    def answer(asked: Asked) -> Any:
        if asked.form["grant_type"] != "refresh_token":
            return build_tokens(1, expires_in=5)
        number = valid.pop(asked.form["refresh_token"], None)
        time.sleep(delay)
        if number is None:
            return (400, {"error": "invalid_grant"})
        valid[f"refresh-{number:08}"] = number + 1
        return build_tokens(number)

    scripted.answers["/token"] = answer


# ── refresh ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_token_with_a_minute_left_is_not_refreshed(public: Terminal, scripted: ScriptedIssuer) -> None:
    scripted.answers["/token"] = build_tokens(1, expires_in=75)
    sign_in(public)
    assert public.run("token").out == "access-00000001\n"
    assert scripted.count("/token") == 1


def test_refresh_keeps_the_old_refresh_token_where_no_new_one_comes(public: Terminal, scripted: ScriptedIssuer) -> None:
    scripted.answers["/token"] = build_tokens(1, expires_in=5)
    sign_in(public)
    answer = build_tokens(2, expires_in=5)
    del answer["refresh_token"]
    scripted.answers["/token"] = answer
    assert public.run("token").out == "access-00000002\n"
    assert public.run("token").out == "access-00000002\n"
    assert [asked.form.get("refresh_token") for asked in scripted.asked[-1:]] == ["refresh-00000001"]


@pytest.mark.promise("CL-07")
def test_two_processes_refreshing_at_once_make_one_refresh(public: Terminal, scripted: ScriptedIssuer) -> None:
    rotate(scripted, delay=1)
    sign_in(public)
    both = [public.start("token") for _ in range(4)]
    ended = [process.communicate(timeout=60) for process in both]
    assert {out for out, _ in ended} == {"access-00000002\n"}, ended
    assert scripted.count("/token") == 2  # the code, and one refresh
    assert public.run("token").out == "access-00000002\n"


@pytest.mark.parametrize(
    ("answer", "status"), [((400, {"error": "invalid_grant"}), 2), ((503, {}), 6), ((200, b"<html>"), 1)]
)
def test_a_refresh_that_fails_loses_nothing(
    public: Terminal, scripted: ScriptedIssuer, answer: object, status: int
) -> None:
    rotate(scripted)
    sign_in(public)
    before, good = read_files(public), scripted.answers["/token"]
    scripted.answers["/token"] = answer
    ended = public.run("token")
    assert (ended.status, ended.out, ended.err.count("\n")) == (status, "", 1)
    assert read_files(public) == before
    scripted.answers["/token"] = good
    assert public.run("token").out == "access-00000002\n"


def test_expired_and_no_refresh_token(public: Terminal, scripted: ScriptedIssuer) -> None:
    answer = build_tokens(1, expires_in=1)
    del answer["refresh_token"]
    scripted.answers["/token"] = answer
    sign_in(public)
    time.sleep(1.1)
    ended = public.run("token")
    assert ended.status == 1
    assert "oauthguard login --profile default" in ended.err


@contextmanager
def not_ignored(number: signal.Signals) -> Iterator[None]:
    """What is started meanwhile does not inherit that the signal is ignored, as SIGHUP is where `nohup` started the tests."""
    before = signal.getsignal(number)
    if before == signal.SIG_IGN:
        signal.signal(number, signal.SIG_DFL)
    yield
    signal.signal(number, before)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_refresh_that_is_interrupted_keeps_the_new_tokens(
    public: Terminal, scripted: ScriptedIssuer, number: signal.Signals
) -> None:
    rotate(scripted, delay=1)
    sign_in(public)
    with not_ignored(number):
        process = public.start("token")
    wait_for(lambda: scripted.count("/token") == 2)
    process.send_signal(number)
    out, _ = process.communicate(timeout=30)
    assert process.returncode != 0
    assert out == ""
    assert "refresh-00000002" in read_files(public)
    assert public.run("token").out == "access-00000002\n"


def test_a_full_disk_is_noticed_before_the_refresh_token_is_spent(public: Terminal, scripted: ScriptedIssuer) -> None:
    rotate(scripted)
    sign_in(public)
    before = read_files(public)
    # Like a full disk: no file may grow beyond 40 bytes.
    limited = f"ulimit -f 0; exec {find_command()} token"
    done = subprocess.run(
        ["bash", "-c", limited], env=public.full_environ(), cwd=public.cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "can't be written" in done.stderr
    assert scripted.count("/token") == 1
    assert read_files(public) == before
    assert not list(public.home.glob(".new-*"))
    assert public.run("token").out == "access-00000002\n"


# ── the file ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.promise("CL-06")
@pytest.mark.parametrize("mode", [0o640, 0o602])
@pytest.mark.parametrize("name", ["default.tokens", "default.profile", "current"])
def test_files_open_to_others_are_refused(public: Terminal, mode: int, name: str) -> None:
    sign_in(public)
    (public.home / name).chmod(mode)
    ended = public.run("token")
    assert (ended.status, ended.out, ended.err.count("\n")) == (1, "", 1)
    assert f"mode {mode:o}" in ended.err


@pytest.mark.promise("CL-06")
@pytest.mark.parametrize("mode", [0o755, 0o770])
def test_a_folder_open_to_others_is_refused(public: Terminal, mode: int) -> None:
    sign_in(public)
    public.home.chmod(mode)
    for verb in ("token", "logout", "profiles"):
        ended = public.run(verb)
        assert (ended.status, ended.out) == (1, "")
        assert "open to others" in ended.err
    public.home.chmod(0o700)
    assert public.run("token").status == 0


def test_what_is_there_in_place_of_the_folder_is_not_to_be_removed(terminal: Terminal) -> None:
    """The advice was to remove /dev/null."""
    said = terminal.run("profiles", OAUTHGUARD_HOME="/dev/null").err
    assert said == "oauthguard: /dev/null is not a plain folder; name another folder with OAUTHGUARD_HOME\n"


@pytest.mark.promise("CL-06")
def test_symlinks_and_other_kinds_of_file_are_refused(public: Terminal, tmp_path: Path) -> None:
    sign_in(public)
    tokens = public.home / "default.tokens"
    elsewhere = tmp_path / "elsewhere"
    tokens.rename(elsewhere)
    tokens.symlink_to(elsewhere)
    assert public.run("token").status == 1
    tokens.unlink()
    tokens.mkdir(mode=0o700)
    assert public.run("token").status == 1
    tokens.rmdir()
    os.mkfifo(tokens, 0o600)
    assert public.run("token", timeout=20).status == 1


@pytest.mark.promise("CL-06")
@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file away")
def test_files_of_another_user_are_refused(public: Terminal) -> None:
    sign_in(public)
    os.chown(public.home / "default.tokens", 65534, 65534)
    ended = public.run("token")
    assert ended.status == 1
    assert "another user" in ended.err


@pytest.mark.promise("CL-06")
@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file away")
def test_dotenv_of_another_user_is_refused(public: Terminal) -> None:
    (public.cwd / ".env").write_text("OAUTHGUARD_ISSUER=https://evil.example\n")
    os.chown(public.cwd / ".env", 65534, 65534)
    ended = public.run("token")
    assert ended.status == 1
    assert "another user" in ended.err


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"access_token": 5}', "\xff", '{"access_token": "a b"}', "[" * 5000]
)
@pytest.mark.parametrize("name", ["default.tokens", "default.profile"])
def test_damaged_files_say_what_to_do(public: Terminal, name: str, text: str) -> None:
    sign_in(public)
    (public.home / name).write_bytes(text.encode("latin-1"))
    ended = public.run("token")
    assert (ended.status, ended.out, ended.err.count("\n")) == (1, "", 1)
    assert "bug" not in ended.err


def test_tokens_are_bound_to_their_issuer(public: Terminal, scripted: ScriptedIssuer) -> None:
    """A profile that was turned to another issuer must not have the tokens sent there."""
    sign_in(public)
    profile = public.home / "default.profile"
    profile.write_text(json.dumps({**json.loads(profile.read_text()), "client_id": "other"}))
    assert public.run("token", "--client-id", "other").status == 1
    assert public.run("logout", "--client-id", "other").status == 1
    assert scripted.count("/revoke") == 0


def test_profile_names_stay_in_the_folder(public: Terminal) -> None:
    for name in ("../evil", "a/b", "", ".hidden", "x" * 65, "a\nb", "-x"):
        ended = public.run("login", f"--profile={name}") if name else public.run("profiles", "use", "")
        assert ended.status == 1, name


WRITER = """
import sys
from pathlib import Path
from pyramid_oauthguard.client.storage.folder import Folder
folder = Folder(Path(sys.argv[1]))
number = 0
folder.write("x", f"{number}:" + "y" * 20000 + f":{number}")
print("ready", flush=True)
while True:
    number += 1
    folder.write("x", f"{number}:" + "y" * 20000 + f":{number}")
"""


@pytest.mark.promise("CL-06")
def test_a_write_that_is_killed_leaves_the_old_or_the_new_text(tmp_path: Path) -> None:
    for pause in (0.05, 0.06, 0.07, 0.08, 0.083, 0.087, 0.091, 0.097):
        process = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path / "f")], stdout=subprocess.PIPE)
        assert process.stdout
        process.stdout.readline()
        time.sleep(pause)
        process.kill()
        process.wait()
        process.stdout.close()
        first, middle, last = (tmp_path / "f" / "x").read_text().split(":")
        assert (first, len(middle)) == (last, 20000)
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "f").iterdir()} == {0o600}


def test_a_file_system_that_can_not_flush_folders_keeps_the_tokens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tokens were written, and the command said that nothing was changed."""
    flush = os.fsync

    def refuse_folders(number: int) -> None:
        if stat.S_ISDIR(os.fstat(number).st_mode):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        flush(number)

    monkeypatch.setattr(os, "fsync", refuse_folders)
    folder = Folder(tmp_path / "kept")
    folder.write("a", "text")
    assert folder.read("a") == "text"


def test_leftovers_of_killed_writes_are_swept(public: Terminal) -> None:
    public.home.mkdir(mode=0o700)
    left = public.home / ".new-left"
    left.write_text("secret")
    os.utime(left, (0, 0))
    sign_in(public)
    assert not left.exists()


# ── the keyring ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.promise("CL-06")
def test_tokens_in_the_keyring_are_in_no_file(
    public: Terminal, scripted: ScriptedIssuer, keyring: Callable[[str], None], tmp_path: Path
) -> None:
    rotate(scripted)
    sign_in(public)
    assert public.run("token").out == "access-00000002\n"
    assert "refresh-00000002" in (tmp_path / "keyring.json").read_text()
    assert "access-" not in read_files(public)
    assert public.run("logout").status == 6  # the scripted issuer has no revocation yet
    scripted.answers["/revoke"] = (200, b"")
    assert public.run("logout").status == 0
    assert json.loads((tmp_path / "keyring.json").read_text()) == {}


def test_a_public_login_asks_no_keyring_for_a_secret(
    public: Terminal, scripted: ScriptedIssuer, keyring: Callable[[str], None], tmp_path: Path
) -> None:
    rotate(scripted)
    sign_in(public, "--store", "file")
    (tmp_path / "keyring.json").unlink(missing_ok=True)
    keyring("Locked")
    (tmp_path / "keyrings" / "fake_keyring.py").write_text("raise SystemExit('asked')")
    assert public.run("token").out == "access-00000002\n"


@pytest.mark.promise("CL-06")
@pytest.mark.parametrize("kind", ["Refusing", "Locked", "Cutting", "NoSuchClass"])
def test_a_keyring_that_fails_at_login_leaves_the_file(
    public: Terminal, keyring: Callable[[str], None], kind: str
) -> None:
    keyring(kind)
    said = sign_in(public)
    assert "file of mode 0600" in said
    assert "access-0" not in said
    assert public.run("token").out == "access-00000001\n"
    assert (public.home / "default.tokens").stat().st_mode & 0o777 == 0o600


@pytest.mark.promise("CL-06")
def test_a_keyring_that_fails_at_a_refresh_loses_nothing(
    public: Terminal, scripted: ScriptedIssuer, keyring: Callable[[str], None], tmp_path: Path
) -> None:
    rotate(scripted)
    sign_in(public)
    keyring("Locked")
    ended = public.run("token")
    assert (ended.status, ended.out) == (1, "")
    assert "unlock" in ended.err
    assert scripted.count("/token") == 1  # nothing was spent
    keyring("Refusing")  # can be read, takes nothing
    assert public.run("token").out == "access-00000002\n"
    assert "refresh-00000002" in read_files(public)
    keyring("Working")
    assert public.run("token").out == "access-00000002\n"


@pytest.mark.promise("CL-06")
def test_store_keyring_is_an_order(public: Terminal, keyring: Callable[[str], None]) -> None:
    keyring("Refusing")
    with start_login(public, "--store", "keyring") as login:
        login.come_back(code="c-1")
        ended = login.end()
    assert ended.status == 1
    assert "access-0" not in ended.err
    assert "access-0" not in read_files(public)


def test_store_file_leaves_the_keyring_alone(public: Terminal, keyring: Callable[[str], None], tmp_path: Path) -> None:
    sign_in(public)
    sign_in(public, "--store", "file")
    assert json.loads((tmp_path / "keyring.json").read_text()) == {}, "the former login's entry stayed behind"
    assert public.run("token").out == "access-00000001\n"


def test_client_secret_from_the_keyring(
    public: Terminal, scripted: ScriptedIssuer, keyring: Callable[[str], None], tmp_path: Path
) -> None:
    entry = {f"oauthguard/cli@{scripted.issuer}": "sesame-sesame"}
    (tmp_path / "keyring.json").write_text(json.dumps(entry))
    assert public.run("token").status == 0
    assert scripted.asked[-1].headers["authorization"].startswith("Basic ")


# ── logout ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.promise("CL-08")
def test_logout_revokes_first_then_forgets(public: Terminal, scripted: ScriptedIssuer) -> None:
    sign_in(public)
    seen = []

    def revoke(asked: Asked) -> object:
        seen.append((asked.form["token_type_hint"], asked.form["token"], (public.home / "default.tokens").exists()))
        return (200, b"")

    scripted.answers["/revoke"] = revoke
    assert public.run("logout").status == 0
    assert seen == [("refresh_token", "refresh-00000001", True), ("access_token", "access-00000001", True)]
    assert not list(public.home.glob("default.[!l]*"))
    assert public.run("whoami").status == 1


@pytest.mark.promise("CL-08")
@pytest.mark.parametrize(
    ("answer", "status"), [((503, {}), 6), ((401, {"error": "invalid_client"}), 2), ((302, b""), 1), ((500, b""), 6)]
)
def test_logout_that_fails_forgets_nothing(
    public: Terminal, scripted: ScriptedIssuer, answer: object, status: int
) -> None:
    sign_in(public)
    before = read_files(public)
    scripted.answers["/revoke"] = answer
    ended = public.run("logout")
    assert (ended.status, ended.err.count("\n")) == (status, 1)
    assert "nothing was forgotten" in ended.err
    assert read_files(public) == before
    scripted.answers["/revoke"] = [(200, b""), answer]  # the refresh token goes, the access token does not
    assert public.run("logout").status == status
    assert read_files(public) == before
    assert public.run("logout", "--forget").status == 0
    assert not list(public.home.glob("*.tokens"))


def test_logout_where_nothing_can_be_revoked_says_so(public: Terminal, scripted: ScriptedIssuer) -> None:
    sign_in(public)
    document = scripted.metadata(revocation_endpoint=None)
    scripted.answers["/.well-known/oauth-authorization-server"] = document
    ended = public.run("logout")
    assert ended.status == 0
    assert "offers no revocation" in ended.err


def test_revoke_of_the_stored_token(public: Terminal, scripted: ScriptedIssuer) -> None:
    rotate(scripted)
    scripted.answers["/revoke"] = (200, b"")
    sign_in(public)
    assert public.run("revoke").status == 0
    assert scripted.asked[-1].form["token"] == "access-00000001"
    assert public.run("token").out == "access-00000002\n"  # refreshed: the revoked one is not handed out again
    assert public.run("revoke", "--hint", "refresh_token").status == 0
    assert scripted.asked[-1].form["token"] == "refresh-00000002"
    assert public.run("revoke", "--hint", "refresh_token").status == 1


# ── profiles ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_profiles_side_by_side(public: Terminal, scripted: ScriptedIssuer) -> None:
    scripted.answers["/token"] = lambda asked: {**build_tokens(1), "access_token": f"of-{asked.form['client_id']}"}
    sign_in(public, "--profile", "home", "--client-id", "cli-home")
    sign_in(public, "--profile", "work", "--client-id", "cli-work")
    public.environ = {name: value for name, value in public.environ.items() if not name.startswith("OAUTHGUARD_")}
    listed = {each["name"]: each["current"] for each in public.run("profiles").json}
    assert listed == {"home": False, "work": True}
    assert public.run("token").out == "of-cli-work\n"
    assert public.run("token", "--profile", "home").out == "of-cli-home\n"
    assert public.run("token", OAUTHGUARD_PROFILE="home").out == "of-cli-home\n"
    assert public.run("profiles", "use", "home").status == 0
    assert public.run("token").out == "of-cli-home\n"
    assert public.run("profiles", "use", "nobody").status == 1
    table = public.run("profiles", "--format", "table").out
    assert [line[:6] for line in table.splitlines()] == ["* home", "  work"]


def test_a_damaged_profile_does_not_hide_the_others(public: Terminal) -> None:
    sign_in(public, "--profile", "home")
    sign_in(public, "--profile", "work")
    (public.home / "old.profile").write_text("{")
    (public.home / "old.profile").chmod(0o600)
    listed = public.run("profiles")
    assert ([each["name"] for each in listed.json], listed.status) == (["home", "work"], 1)
    assert listed.err == "oauthguard: profile old is damaged; oauthguard login --profile old\n"


def test_another_issuer_does_not_get_the_profiles_tokens(public: Terminal, scripted: ScriptedIssuer) -> None:
    sign_in(public)
    ended = public.run("token", OAUTHGUARD_ISSUER="http://127.0.0.1:9", OAUTHGUARD_CLIENT_SECRET="sesame-sesame")
    assert ended.status == 6
    ended = public.run("logout", "--issuer", "http://127.0.0.1:9")
    assert ended.status == 1
    (public.cwd / ".env").write_text("OAUTHGUARD_ISSUER=http://127.0.0.1:9\n")
    del public.environ["OAUTHGUARD_ISSUER"]
    assert public.run("token").out == ""
    assert public.run("token", "--profile", "default").out == "access-00000001\n"  # named, so it is meant


def test_another_issuer_does_not_get_the_profiles_client_secret(
    public: Terminal, scripted: ScriptedIssuer, tmp_path: Path
) -> None:
    """A .env of a hostile folder names its own issuer; the profile names a file with a secret."""
    secret = tmp_path / "secret"
    secret.write_text("sesame-sesame")
    sign_in(public, "--client-secret-file", str(secret))
    del public.environ["OAUTHGUARD_ISSUER"], public.environ["OAUTHGUARD_CLIENT_ID"]
    with run_scripted() as evil:
        evil.answers["/token"] = build_tokens(1)
        for client in ("cli", "other"):
            (public.cwd / ".env").write_text(f"OAUTHGUARD_ISSUER={evil.issuer}\nOAUTHGUARD_CLIENT_ID={client}\n")
            public.run("token", "--client-credentials")
            public.run("introspect", "-", stdin="tok-1")
            public.run("login", "--flow", "device")
        seen = [asked.headers.get("authorization") for asked in evil.asked]
        assert seen == [None] * len(seen)
        assert evil.count("/device_authorization") == 2
        assert evil.count("/introspect") == 0  # a token of the user is no more the folder's to give away
    (public.cwd / ".env").unlink()
    assert public.run("token", "--client-credentials", "--client-id", "other").status == 1
    assert public.run("token", "--client-credentials").status == 0
