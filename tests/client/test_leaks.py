"""The process list, the shell's history and --verbose, searched for every secret of a working day."""

from __future__ import annotations

import base64
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.client.browsers import start_login
from tests.client.issuers import ScriptedIssuer
from tests.client.terminal import Terminal, find_command

pytestmark = pytest.mark.slow

SECRETS = {
    "client secret": "sesame-open-0123456789",
    "access token": "access-token-0123456789",
    "refresh token": "refresh-token-0123456789",
    "code": "code-0123456789",
    "device code": "device-code-0123456789",
}
SCRIPT = """
set -o history
HISTFILE="$PWD/history"
oauthguard token -v
oauthguard token -v | oauthguard introspect - -v
oauthguard token | oauthguard revoke - -v --hint access_token
oauthguard token --format header > header
oauthguard token --format json | oauthguard introspect -v -
eval "$(oauthguard token --format env)"
oauthguard introspect -v
oauthguard inspect -v --debug
oauthguard call GET "$API/customers" -v
oauthguard exec -v -- sleep 0.3
oauthguard login --flow device -v --client-secret-file secret
oauthguard token -v
oauthguard whoami -v
oauthguard call -v POST "$API/customers" -d '{}'
oauthguard logout -v
oauthguard token --client-secret hunter2-hunter2 || true
history -w
"""


@contextmanager
def watch_processes() -> Iterator[list[str]]:
    """Every command line that any process of this machine has meanwhile."""
    seen: set[str] = set()
    lines: list[str] = []
    done = threading.Event()

    def watch() -> None:
        while not done.is_set():
            for each in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    seen.add(each.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace"))
                except OSError:
                    continue
            time.sleep(0.005)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield lines
    finally:
        done.set()
        thread.join()
        lines.extend(seen)


def find_leaks(text: str, *more: str) -> list[str]:
    basic = base64.b64encode(f"app:{SECRETS['client secret']}".encode()).decode()
    secrets = {**SECRETS, "Basic credentials": basic, **{f"verifier {index}": each for index, each in enumerate(more)}}
    return [name for name, secret in secrets.items() if secret in text]


@pytest.fixture
def app(terminal: Terminal, scripted: ScriptedIssuer) -> Terminal:
    terminal.environ |= {
        "OAUTHGUARD_ISSUER": scripted.issuer,
        "OAUTHGUARD_CLIENT_ID": "app",
        "OAUTHGUARD_CLIENT_SECRET_FILE": "secret",
        "API": scripted.issuer,
    }
    (terminal.cwd / "secret").write_text(SECRETS["client secret"])
    scripted.answers |= {
        "/token": {
            "access_token": SECRETS["access token"],
            "refresh_token": SECRETS["refresh token"],
            "token_type": "Bearer",
            "expires_in": 30,
        },
        # What careless servers repeat.
        "/introspect": {"active": True, "username": f"ann {SECRETS['access token']}", "token": SECRETS["access token"]},
        "/userinfo": {"sub": "ann"},
        "/revoke": (200, b""),
        "/customers": (403, {"title": "no"}, {"WWW-Authenticate": f'Bearer error="{SECRETS["access token"]}"'}),
        "/device_authorization": {
            "device_code": SECRETS["device code"],
            "user_code": "WDJB-MJHT",
            "verification_uri": f"{scripted.issuer}/device",
            "expires_in": 60,
            "interval": 1,
        },
    }
    return terminal


@pytest.mark.promise("CL-06")
def test_a_working_day_leaves_no_secret_in_ps_history_and_words(app: Terminal, scripted: ScriptedIssuer) -> None:
    bin_folder = str(Path(find_command()).parent)
    environ = app.full_environ()
    environ["PATH"] = f"{bin_folder}:{environ['PATH']}"
    with watch_processes() as processes:
        done = subprocess.run(
            ["bash", "--norc"],
            input=SCRIPT,
            env=environ,
            cwd=app.cwd,
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )
    assert any("oauthguard introspect" in line for line in processes), "the watch saw nothing"
    assert any(line.startswith("sleep 0.3") for line in processes)
    assert done.stderr.count("> POST") > 15
    history = (app.cwd / "history").read_text()
    assert "oauthguard logout -v" in history
    assert SECRETS["access token"] in (app.cwd / "header").read_text()  # so there was something to leak
    assert find_leaks("\n".join(processes)) == []
    assert find_leaks(history) == []
    assert find_leaks(done.stderr) == []
    assert "hunter2" not in done.stderr
    assert find_leaks("".join(asked.path + asked.query for asked in scripted.asked)) == []


@pytest.mark.promise("CL-06")
def test_a_browser_login_leaves_no_secret_in_ps_and_words(app: Terminal, scripted: ScriptedIssuer) -> None:
    with watch_processes() as processes, start_login(app, "-v", "--debug") as login:
        login.come_back(code=SECRETS["code"])
        ended = login.end()
    assert ended.status == 0
    verifier = next(asked.form["code_verifier"] for asked in scripted.asked if asked.path == "/token")
    assert find_leaks("\n".join(processes), verifier) == []
    assert find_leaks(ended.err + ended.out, verifier) == []
