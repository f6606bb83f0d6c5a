"""The command and the example application, each in its own process, over HTTP."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from pyramid_oauthguard.client.login.device import as_device_authorization, poll
from pyramid_oauthguard.client.options import ClientOptions
from pyramid_oauthguard.client.session import OAuthSession, discover
from pyramid_oauthguard.client.transport import TracingFetcher
from pyramid_oauthguard.command.output import Console
from tests.client.browsers import start_login
from tests.client.terminal import Terminal
from tests.example.servers import find_free_port, serve

pytestmark = pytest.mark.slow

CUSTOMER = '{"name": "Mary Shelley"}'
CHARGE = '{"amount": "12.50"}'


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a running example; its issuer identifier too."""
    more = {"oauthguard.server.limits.sign_in": "100/1m"}  # one user signs in for all of these tests
    folder, ports = tmp_path_factory.mktemp("example"), {"6543": find_free_port()}
    with serve("development.ini", folder, ports=ports, settings=more) as server:
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


# ── login, in a real browser ─────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def public(terminal: Terminal, example: str) -> Terminal:
    terminal.environ |= {"OAUTHGUARD_ISSUER": example, "OAUTHGUARD_CLIENT_ID": "customer-cli"}
    return terminal


def open_consent(browser: Browser, url: str) -> Page:
    """Sign in as the demo user; the page that asks."""
    page = browser.new_context().new_page()
    page.goto(url)
    page.fill("input[name=name]", "demo")
    page.fill("input[name=password]", "demo")
    page.click("button[type=submit]")
    page.wait_for_selector("button[value=allow]")
    return page


def answer_consent(page: Page, decision: str) -> str:
    """Press a button; the words of the page that the command shows."""
    page.click(f"button[value={decision}]")
    page.wait_for_url("**/callback?*")
    words = page.inner_text("body")
    page.context.close()
    return words


@pytest.mark.needs("chromium")
@pytest.mark.promise("CL-01", "CL-02", "CL-03")
@pytest.mark.parametrize("redirect_uri", ["http://127.0.0.1/callback", "http://[::1]/callback"])
def test_login_use_and_logout(public: Terminal, example: str, chromium: Browser, redirect_uri: str) -> None:
    with start_login(public, "--redirect-uri", redirect_uri, "--scope", "customer_api read:messages") as login:
        assert "You are signed in as demo" in answer_consent(open_consent(chromium, login.url), "allow")
        ended = login.end()
    assert (ended.status, ended.out) == (0, "")
    assert "Signed in as demo." in ended.err.splitlines()
    assert public.run("call", "GET", f"{example}/customers").status == 0
    assert public.run("call", "POST", f"{example}/customers/1/charges", "-d", CHARGE).status == 0
    assert public.run("whoami").status == 0
    assert public.run("inspect", "--audience", "https://customers.example").status == 0
    token = public.run("token").out
    assert public.run("introspect", "-", stdin=token, **API).json["client_id"] == "customer-cli"
    assert public.run("logout").status == 0
    assert public.run("introspect", "-", stdin=token, **API).status == 5
    charge = ["call", "POST", f"{example}/customers/1/charges", "-d", CHARGE]
    assert public.run(*charge, OAUTHGUARD_TOKEN=token).status == 5


@pytest.mark.needs("chromium")
def test_login_of_the_confidential_client(manager: Terminal, chromium: Browser) -> None:
    with start_login(manager) as login:
        answer_consent(open_consent(chromium, login.url), "allow")
        assert login.end().status == 0
    user = manager.run("inspect").json["claims"]
    own = manager.run("token", "--client-credentials").out
    assert user["sub"] != "customer-manager"
    assert manager.run("inspect", "-", stdin=own).json["claims"]["sub"] == "customer-manager"
    assert manager.run("logout").status == 0


@pytest.mark.needs("chromium")
def test_denial_in_the_browser(public: Terminal, chromium: Browser) -> None:
    with start_login(public) as login:
        words = answer_consent(open_consent(chromium, login.url), "deny")
        ended = login.end()
    assert "Access was denied" in words
    assert (ended.status, ended.err.splitlines()[-1]) == (3, "oauthguard: access was denied in the browser")
    assert public.run("token").status == 1


@pytest.mark.needs("chromium")
def test_strays_a_forgery_and_a_second_login_at_the_same_time(public: Terminal, chromium: Browser) -> None:
    with start_login(public, "--profile", "one") as one, start_login(public, "--profile", "two") as two:
        first, second = (open_consent(chromium, login.url) for login in (one, two))
        for login in (one, two):
            assert login.get("/favicon.ico").status == 404
            assert login.get("/callback?error=access_denied").status == 400
            assert login.get("/callback?code=forged&state=forged").status == 400
        answer_consent(second, "allow")
        assert two.end().status == 0
        assert one.is_waiting
        answer_consent(first, "allow")
        assert one.end().status == 0
    tokens = {public.run("token", "--profile", name).out for name in ("one", "two")}
    assert len(tokens) == 2


@pytest.mark.needs("chromium")
def test_a_login_that_takes_too_long(public: Terminal, chromium: Browser) -> None:
    with start_login(public, "--timeout", "3") as login:
        page = open_consent(chromium, login.url)
        assert login.end().status == 4
        page.click("button[value=allow]")  # nobody listens any more
        page.context.close()


@pytest.mark.needs("chromium")
def test_paste_at_the_example(public: Terminal, chromium: Browser) -> None:
    process = public.start("login", "--flow", "paste")
    assert process.stderr
    url = next(line.strip() for line in process.stderr if line.startswith("  http"))
    page = open_consent(chromium, url)
    # As from another machine: the browser is sent to a port that nobody there listens on.
    fields = page.eval_on_selector("form.decision", "form => Object.fromEntries(new FormData(form))")
    action = page.eval_on_selector("form.decision", "form => form.action")
    answer = page.context.request.post(action, form={**fields, "decision": "allow"}, max_redirects=0)
    assert answer.status == 303
    redirected = answer.headers["location"]
    page.context.close()
    _, err = process.communicate(f"{redirected}\n", timeout=30)
    assert process.returncode == 0
    assert "Signed in as demo." in err.splitlines()


@pytest.mark.needs("chromium")
@pytest.mark.promise("CL-07")
def test_two_processes_refresh_at_once_at_the_example(public: Terminal, chromium: Browser) -> None:
    with start_login(public) as login:
        answer_consent(open_consent(chromium, login.url), "allow")
        assert login.end().status == 0
    stored = public.home / "default.tokens"
    before = json.loads(stored.read_text())
    stored.write_text(json.dumps({**before, "expires_at": 0}))
    processes = [public.start("token") for _ in range(3)]
    tokens = {process.communicate(timeout=60)[0] for process in processes}
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert len(tokens) == 1
    after = json.loads(stored.read_text())
    assert after["access_token"] == tokens.pop().strip() != before["access_token"]
    assert after["refresh_token"] != before["refresh_token"]
    assert public.run("introspect", OAUTHGUARD_TOKEN=after["access_token"], **API).json["active"] is True


# ── the device flow ──────────────────────────────────────────────────────────────────────────────────────────────


def decide_on_device(browser: Browser, address: str, user_code: str, decision: str) -> None:
    """On another device: sign in, type the code, decide."""
    page = browser.new_context().new_page()
    page.goto(address)
    page.fill("input[name=name]", "demo")
    page.fill("input[name=password]", "demo")
    page.click("button[type=submit]")
    page.fill("input[name=user_code]", user_code)
    page.click("form.connect button")
    page.click(f"button[value={decision}]")
    page.wait_for_load_state()
    page.context.close()


def read_device_words(process: subprocess.Popen[str]) -> tuple[str, str]:
    """The address and the code that the command shows."""
    assert process.stderr
    address = next(found[1] for line in process.stderr if (found := re.match(r"Open (\S+) on any device", line)))
    assert process.stderr.readline() == "\n"
    return address, process.stderr.readline().strip()


@pytest.mark.needs("chromium")
@pytest.mark.promise("CL-05")
@pytest.mark.parametrize(("decision", "status"), [("allow", 0), ("deny", 3)])
def test_device_flow_at_the_example(
    public: Terminal, example: str, chromium: Browser, decision: str, status: int
) -> None:
    process = public.start("login", "--flow", "device", "--scope", "customer_api")
    decide_on_device(chromium, *read_device_words(process), decision)
    _, err = process.communicate(timeout=60)
    assert process.returncode == status, err
    assert public.run("call", "GET", f"{example}/customers").status == (0 if status == 0 else 1)


@pytest.mark.needs("chromium")
@pytest.mark.promise("CL-05")
def test_slow_down_of_the_example_is_heeded(example: str, chromium: Browser) -> None:
    """The first two polls come too fast; from then on every one waits five seconds more."""
    options = ClientOptions(issuer=example, client_id="customer-cli", scope="customer_api")
    fetcher = TracingFetcher(Console(), timeout=30, ca_file=None)
    session = OAuthSession(fetcher, discover(fetcher, example), options=options, client_secret=None)
    authorization = as_device_authorization(session.fetch_device_authorization(), session.metadata.issuer)
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        time.sleep(seconds if len(waits) > 2 else 0.1)
        if len(waits) == 3:
            decide_on_device(chromium, authorization.verification_uri, authorization.user_code, "allow")

    tokens = poll(session, authorization, deadline=time.monotonic() + 100, sleep=sleep)
    assert waits == [5, 5, 10]
    assert tokens.scope == "customer_api"
