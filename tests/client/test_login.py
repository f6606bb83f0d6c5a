"""oauthguard login in the browser: what the listener takes, what it ignores, and how each attempt ends."""

from __future__ import annotations

import json
import signal
import socket
import struct
import subprocess
import time
from pathlib import Path
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Browser

from tests.client.browsers import Login, challenge_of, install_script, start_login
from tests.client.issuers import ScriptedIssuer
from tests.client.terminal import Terminal, find_command, run_on_pty

pytestmark = pytest.mark.slow

TOKENS = {
    "access_token": "access-0123456789",
    "refresh_token": "refresh-0123456789",
    "token_type": "Bearer",
    "expires_in": 600,
}
LOOPBACK6 = "http://[::1]/callback"


@pytest.fixture
def public(terminal: Terminal, scripted: ScriptedIssuer) -> Terminal:
    """A public client of the scripted issuer."""
    terminal.environ |= {"OAUTHGUARD_ISSUER": scripted.issuer, "OAUTHGUARD_CLIENT_ID": "cli"}
    scripted.answers["/token"] = TOKENS
    scripted.answers["/userinfo"] = {"sub": "248289761001", "preferred_username": "ann"}
    return terminal


def sign_in_at_foreign(browser: Browser, login: Login) -> tuple[list[str], str]:
    """Through oidc-provider's own pages, as a person would; every address the browser asked for, and the last page."""
    context = browser.new_context()
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(login.url)
    page.fill("input[name=login]", "ann")
    page.fill("input[name=password]", "any")
    page.click("button[type=submit]")
    page.click("button[type=submit]")  # consent
    page.wait_for_url("**/callback?*")
    words = page.inner_text("body")
    context.close()
    return asked, words


@pytest.mark.needs("node", "npm", "chromium")
@pytest.mark.promise("CL-01", "CL-02")
@pytest.mark.parametrize("redirect_uri", ["http://127.0.0.1/callback", LOOPBACK6])
def test_login_in_chromium_at_a_foreign_server(
    terminal: Terminal, foreign: str, chromium: Browser, redirect_uri: str
) -> None:
    terminal.environ |= {"OAUTHGUARD_ISSUER": foreign, "OAUTHGUARD_CLIENT_ID": "cli"}
    with start_login(terminal, "--redirect-uri", redirect_uri, "--scope", "openid offline_access profile") as login:
        asked, words = sign_in_at_foreign(chromium, login)
        ended = login.end()
    assert (ended.status, ended.out) == (0, "")
    assert "Signed in as ann.\n" in ended.err
    assert "You are signed in as ann" in words
    # The page asked for nothing else on that port, not even an icon.
    assert [url for url in asked if f":{login.port}/" in url] == asked[-1:]
    assert terminal.run("whoami").out == "ann\n"
    stored = terminal.run("token")
    assert terminal.run("introspect").json["active"] is True
    out = terminal.run("logout")
    assert (out.status, out.err) == (0, "Signed out of profile default.\n")
    assert terminal.run("token").status == 1
    gone = terminal.run("introspect", "-", stdin=stored.out)
    assert (gone.status, gone.json) == (5, {"active": False})


@pytest.mark.needs("node", "npm", "chromium")
def test_login_of_a_confidential_client(terminal: Terminal, foreign: str, chromium: Browser) -> None:
    secret = terminal.cwd / "secret"
    secret.write_text("desk-secret-desk-secret\n")
    who = [
        "--issuer",
        foreign,
        "--client-id",
        "desk",
        "--client-secret-file",
        "secret",
        "--auth-method",
        "client_secret_post",
    ]
    with start_login(terminal, *who, "--scope", "openid offline_access") as login:
        sign_in_at_foreign(chromium, login)
        assert login.end().status == 0
    (terminal.cwd / "elsewhere").mkdir()
    terminal.cwd /= "elsewhere"  # the file is found again from anywhere
    assert terminal.run("introspect").json["sub"] == "ann"
    kept = "".join(path.read_text() for path in terminal.home.iterdir())
    assert "desk-secret" not in kept


@pytest.mark.promise("CL-01")
def test_the_address_that_the_browser_gets(public: Terminal, scripted: ScriptedIssuer) -> None:
    with start_login(public, "--scope", "a b", "--audience", "api") as login, start_login(public) as other:
        query = login.query
        assert login.url.startswith(f"{scripted.issuer}/authorize?")
        assert login.redirect_uri == f"http://127.0.0.1:{login.port}/callback"
        assert (query["response_type"], query["client_id"], query["scope"]) == ("code", "cli", "a b")
        assert query["audience"] == "api"
        assert login.port != other.port
        assert query["state"] != other.query["state"]
        assert query["code_challenge"] != other.query["code_challenge"]


@pytest.mark.promise("CL-01")
def test_the_port_is_open_on_both_loopback_addresses_during_the_attempt_alone(public: Terminal) -> None:
    with start_login(public) as login:
        for host in ("127.0.0.1", "::1"):
            socket.create_connection((host, login.port), 5).close()
        outside = {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None) if info[4][0] != "127.0.0.1"}
        for host in outside - {"::1"}:
            with pytest.raises(OSError):  # noqa: PT011  # refused or unreachable
                socket.create_connection((host, login.port), 2)
        login.come_back(code="c-1")
        assert login.end().status == 0
        for host in ("127.0.0.1", "::1"):
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection((host, login.port), 5)


@pytest.mark.promise("CL-02")
def test_pkce_s256_and_the_redirect_uri_go_to_the_token_endpoint(public: Terminal, scripted: ScriptedIssuer) -> None:
    with start_login(public) as login:
        login.come_back(code="c-1")
        ended = login.end()
    assert "Signed in as ann.\n" in ended.err
    form = next(asked.form for asked in scripted.asked if asked.path == "/token")
    assert login.query["code_challenge_method"] == "S256"
    assert challenge_of(form["code_verifier"]) == login.query["code_challenge"]
    assert len(form["code_verifier"]) >= 43
    assert (form["code"], form["redirect_uri"], form["client_id"]) == ("c-1", login.redirect_uri, "cli")


@pytest.mark.promise("CL-02")
def test_what_is_not_ours_is_ignored_and_the_wait_goes_on(public: Terminal, scripted: ScriptedIssuer) -> None:
    with start_login(public) as login:
        path = "/callback"
        state = login.state
        strays = [
            "/",
            "/favicon.ico",
            "/callback/",
            path,
            f"{path}?code=evil",
            f"{path}?code=evil&state=",
            f"{path}?code=evil&state={state[:-1]}",
            f"{path}?code=evil&state={state}x",
            f"{path}?code=evil&state={state}&state={state}",
            f"{path}?code=evil&State={state}",
            f"{path}?error=access_denied",
            f"{path}?error=access_denied&state=forged",
            f"{path}?{'&'.join(f'a{i}=1' for i in range(2000))}&state={state}",
            f"{path}?state=%ff%fe&code=evil",
            f"{path}#code=evil&state={state}",
        ]
        for target in strays:
            assert login.get(target).status in (400, 404), target
        assert login.get(f"{path}?code=evil&state={state}", method="POST").status == 404
        assert login.get(f"{path}?code=evil&state={state}", method="NONSENSE").status == 404
        assert login.is_waiting
        assert scripted.count("/token") == 0
        assert login.come_back(code="good").status == 200
        assert login.end().status == 0
    assert [asked.form["code"] for asked in scripted.asked if asked.path == "/token"] == ["good"]


@pytest.mark.promise("CL-02")
def test_dns_rebinding_a_foreign_host_header_is_ignored(public: Terminal) -> None:
    with start_login(public) as login:
        for host in ("evil.example", f"evil.example:{login.port}", "127.0.0.1", "localhost", f"localhost:{login.port}"):
            assert login.get(f"/callback?code=evil&state={login.state}", header=host).status == 404
        assert login.is_waiting
        login.come_back(code="good")
        assert login.end().status == 0


def test_denial(public: Terminal, scripted: ScriptedIssuer) -> None:
    with start_login(public) as login:
        page = login.come_back(error="access_denied", error_description="\x1b[2Jthe user said no")
        ended = login.end()
    assert ended.status == 3
    assert ended.err.endswith("oauthguard: access was denied in the browser\n")
    assert "Access was denied" in page.text
    assert scripted.count("/token") == 0
    assert not list(public.home.glob("*.tokens"))


def test_the_servers_own_words_about_a_denial_are_shown(public: Terminal) -> None:
    """Auth0 and Okta answer access_denied, too, for an API or a user that they do not know: it looked like the user's choice."""
    with start_login(public) as login:
        login.come_back(error="access_denied", error_description="Service not found:\n https://api.test")
        ended = login.end()
    assert ended.status == 3
    assert ended.err.splitlines()[-2:] == [
        "The server says: Service not found: https://api.test",
        "oauthguard: access was denied in the browser",
    ]


def test_a_place_that_can_not_be_written_is_noticed_before_the_user_signs_in(public: Terminal) -> None:
    """The user signed in, and the tokens were lost: the server gives them once."""
    limited = f"ulimit -f 0; exec {find_command()} login"
    done = subprocess.run(
        ["bash", "-c", limited], env=public.full_environ(), cwd=public.cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith(f"oauthguard: {public.home} can't be written: File too large")
    assert not list(public.home.glob(".new-*"))


def test_refusal(public: Terminal) -> None:
    with start_login(public) as login:
        page = login.come_back(error="invalid_scope", error_description="\x1b[2Jno such scope")
        ended = login.end()
    assert ended.status == 2
    assert "invalid_scope" in ended.err
    assert ended.err.endswith("; ask for scopes that the client is registered for\n")
    assert "\x1b" not in ended.err
    assert "did not work" in page.text


def test_timeout(public: Terminal) -> None:
    with start_login(public, "--timeout", "2") as login:
        login.get("/callback?error=access_denied&state=forged")
        ended = login.end()
    assert ended.status == 4
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", login.port), 5)


def test_the_time_left_is_shown_on_a_terminal(public: Terminal) -> None:
    environ = install_script(public.cwd)
    status, seen = run_on_pty(public, "login", "--timeout", "3", **environ)
    assert status == 4
    assert "0:02 left" in seen
    assert "the sign-in did not end in time" in seen
    status, seen = run_on_pty(public, "login", "--timeout", "1", "--quiet", **environ)
    assert (status, "left" in seen) == (4, False)


@pytest.mark.promise("CL-02")
@pytest.mark.parametrize("iss", ["https://other.example", "", "ISSUER/"])
def test_mix_up_an_answer_of_another_issuer_is_refused(public: Terminal, scripted: ScriptedIssuer, iss: str) -> None:
    with start_login(public) as login:
        page = login.come_back(code="c-1", iss=iss.replace("ISSUER", scripted.issuer))
        ended = login.end()
    assert (ended.status, page.status) == (2, 400)
    assert scripted.count("/token") == 0


@pytest.mark.promise("CL-02")
@pytest.mark.parametrize("params", [{"code": "c-1"}, {"error": "access_denied"}])
def test_iss_may_not_be_left_out_where_the_metadata_promises_it(
    public: Terminal, scripted: ScriptedIssuer, params: dict[str, str]
) -> None:
    document = scripted.metadata(authorization_response_iss_parameter_supported=True)
    scripted.answers["/.well-known/oauth-authorization-server"] = document
    with start_login(public) as login:
        login.come_back(**params)
        assert login.end().status == 2
    with start_login(public) as login:
        login.come_back(code="c-1", iss=scripted.issuer)
        assert login.end().status == 0


@pytest.mark.promise("CL-03")
def test_the_page_reflects_nothing_and_loads_nothing(public: Terminal) -> None:
    evil = "<script>alert(1)</script>"
    with start_login(public) as login:
        pages = [
            login.get(f"/{urlencode({'x': evil})}"),
            login.get("/callback?" + urlencode({"state": evil, "code": evil, "error": evil})),
            login.get(f"/{evil}"[:20], method="EVIL"),
            login.come_back(code="c-1", extra=evil),
        ]
        assert login.end().status == 0
    with start_login(public) as login:
        pages.append(login.come_back(error=evil, error_description=evil))
        login.end()
    for page in pages:
        assert "alert" not in page.text
        assert "evil" not in page.text.lower()
        assert not {"src=", "href=", "url(", "@import", "<script"} & set(page.text.lower().split())
        for loading in ("src=", "href=", "url(", "@import", "<script", "http:", "https:"):
            assert loading not in page.text
        assert page.headers["content-security-policy"].startswith("default-src 'none'")
        assert page.headers["referrer-policy"] == "no-referrer"
        assert page.headers["cache-control"] == "no-store"
        assert page.headers["server"] == "oauthguard"


def test_a_silent_connection_does_not_hold_the_browser_up(public: Terminal) -> None:
    with start_login(public) as login:
        silent = [socket.create_connection(("127.0.0.1", login.port), 5) for _ in range(20)]
        silent[0].sendall(b"GET /callback?code=c HTTP/1.1\r\nHo")
        started = time.monotonic()
        login.come_back(code="c-1")
        assert login.end().status == 0
        assert time.monotonic() - started < 10
        for each in silent:
            each.close()


def test_a_browser_that_does_not_stay_for_the_page(public: Terminal) -> None:
    with start_login(public) as login:
        gone = socket.create_connection(("127.0.0.1", login.port), 5)
        gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        host = f"127.0.0.1:{login.port}"
        gone.sendall(f"GET /callback?code=c-1&state={login.state} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        gone.close()  # reset
        assert login.end().status == 0


def test_two_logins_at_once_keep_apart(public: Terminal, scripted: ScriptedIssuer) -> None:
    scripted.answers["/token"] = lambda asked: {**TOKENS, "access_token": f"of-{asked.form['code']}"}
    with start_login(public, "--profile", "one") as one, start_login(public, "--profile", "two") as two:
        assert one.get(f"/callback?code=evil&state={two.state}").status == 400
        two.come_back(code="code-2")
        one.come_back(code="code-1")
        assert [one.end().status, two.end().status] == [0, 0]
    assert public.run("token", "--profile", "one").out == "of-code-1\n"
    assert public.run("--profile", "two", "token").out == "of-code-2\n"


def test_two_logins_at_once_under_one_profile_leave_one_whole(public: Terminal, scripted: ScriptedIssuer) -> None:
    scripted.answers["/token"] = lambda asked: {**TOKENS, "access_token": f"of-{asked.form['code']}"}
    with start_login(public) as one, start_login(public) as two:
        one.come_back(code="code-1")
        two.come_back(code="code-2")
        assert [one.end().status, two.end().status] == [0, 0]
    assert public.run("token").out in ("of-code-1\n", "of-code-2\n")


@pytest.mark.promise("CL-01")
@pytest.mark.parametrize(
    "redirect_uri",
    [
        "http://localhost/callback",
        "https://127.0.0.1/callback",
        "http://0.0.0.0/callback",
        "http://127.0.0.1:0/callback",
        "http://127.0.0.1",
        "http://127.0.0.1/callback?x=1",
        "http://127.0.0.1/callback#x",
        "http://me@127.0.0.1/callback",
        "http://[::1/callback",
        "http://127.0.0.1:99999/callback",
        "com.example.app:/callback",
        "http://192.168.1.1/callback",
        "http://[::1].evil.example/callback",
        "http://[0:0:0:0:0:0:0:1]/callback",
        "http://[::ffff:127.0.0.1]/callback",
        "http://127.1/callback",
        "http://127.0.0.1./callback",
        "http://127.0.0.1:/callback",
    ],
)
def test_redirect_uris_other_than_loopback_addresses_are_refused(public: Terminal, redirect_uri: str) -> None:
    ended = public.run("login", "--redirect-uri", redirect_uri)
    assert (ended.status, ended.err.count("\n")) == (1, 1)
    assert "redirect URI" in ended.err


def test_a_registered_port_and_a_taken_one(public: Terminal) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = public.run("login", "--flow", "loopback", "--redirect-uri", f"http://127.0.0.1:{port}/cb")
        assert (ended.status, ended.err.count("\n")) == (1, 1)
    with start_login(public, "--redirect-uri", f"http://127.0.0.1:{port}/cb") as login:
        assert login.redirect_uri == f"http://127.0.0.1:{port}/cb"
        login.come_back(code="c-1")
        assert login.end().status == 0


def test_parameters_of_the_attempt_can_not_be_replaced(public: Terminal) -> None:
    for param in (
        "state=x",
        "code_challenge_method=plain",
        "redirect_uri=https://evil.example",
        "response_type=token",
        "=x",
    ):
        assert public.run("login", "--flow", "loopback", "--param", param).status == 1
    with start_login(public, "--param", "login_hint=ann", "--param", "connection=a=b") as login:
        assert (login.query["login_hint"], login.query["connection"]) == ("ann", "a=b")


def test_ctrl_c_ends_the_attempt(public: Terminal) -> None:
    with start_login(public) as login:
        login.process.send_signal(signal.SIGINT)
        ended = login.end(10)
    assert ended.status == 130
    assert "Traceback" not in ended.err


def test_code_refused_at_the_token_endpoint(public: Terminal, scripted: ScriptedIssuer) -> None:
    scripted.answers["/token"] = (400, {"error": "invalid_grant"})
    with start_login(public) as login:
        login.come_back(code="c-1")
        ended = login.end()
    assert ended.status == 2
    assert "invalid_grant" in ended.err
    assert "c-1" not in ended.err


def test_a_browser_that_can_not_be_opened(public: Terminal) -> None:
    process = public.start("login", "--flow", "loopback", "--timeout", "3", BROWSER="/nonexistent/browser %s")
    _, err = process.communicate(timeout=30)
    assert "Open this address" in err
    assert process.returncode == 4


def test_the_name_from_where_it_is_to_be_had(public: Terminal, scripted: ScriptedIssuer) -> None:
    cases = [
        (
            {"OAUTHGUARD_CLIENT_SECRET": "sesame-sesame"},
            {"active": True, "username": "intro"},
            {"sub": "info"},
            "intro",
        ),
        ({"OAUTHGUARD_CLIENT_SECRET": "sesame-sesame"}, (401, {"error": "invalid_client"}), {"sub": "info"}, "info"),
        ({}, {"active": True, "username": "intro"}, {"sub": "info"}, "info"),
        ({}, {}, (403, b""), None),
    ]
    for environ, introspection, userinfo, name in cases:
        scripted.answers |= {"/introspect": introspection, "/userinfo": userinfo}
        with start_login(public, **environ) as login:
            login.come_back(code="c-1")
            ended = login.end()
        assert ended.status == 0
        said = f"Signed in as {name}.\n" if name else "Signed in; the server does not name the user.\n"
        assert said in ended.err


def test_the_folder_and_its_files_are_private(public: Terminal, tmp_path: Path) -> None:
    with start_login(public) as login:
        login.come_back(code="c-1")
        assert login.end().status == 0
    assert public.home.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in public.home.iterdir()} == {0o600}
    tokens = json.loads((public.home / "default.tokens").read_text())
    assert tokens["issuer"] == public.environ["OAUTHGUARD_ISSUER"]
