"""oauthguard check --as-client: what a client meets that knows only a URL, told step by step, on any server."""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlencode

import pytest

from pyramid_oauthguard.client.web.requests import Web
from pyramid_oauthguard.command.as_client.steps import check_as_client
from pyramid_oauthguard.command.as_client.visit import Visit
from pyramid_oauthguard.errors import UnavailableError
from pyramid_oauthguard.fetch.resolving import Resolver
from pyramid_oauthguard.interfaces import Finding, Step
from pyramid_oauthguard.urls import as_origin
from tests.client.issuers import Asked, ScriptedIssuer
from tests.client.terminal import Terminal

PLACE, SERVER = "/.well-known/oauth-protected-resource/mcp", "/.well-known/oauth-authorization-server"
ORIGIN = "http://localhost:6274"
SHARED = {"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": "WWW-Authenticate"}
PREFLIGHT = {**SHARED, "Access-Control-Allow-Headers": "authorization, content-type, mcp-protocol-version"}


class Site:
    """An API and its server that give no reason for a warning; each test breaks one thing."""

    def __init__(self, scripted: ScriptedIssuer) -> None:
        self.scripted, self.answers, self.base = scripted, scripted.answers, scripted.issuer
        self.url = f"{self.base}/mcp"
        self.answers["/mcp"] = self.share(lambda asked: (401, {}, {**SHARED, **self.challenge()}))
        self.document: dict[str, Any] = {
            "resource": self.url, "authorization_servers": [self.base], "scopes_supported": ["read"],
        }  # fmt: skip
        self.metadata: dict[str, Any] = {
            **scripted.metadata(),
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
            "client_id_metadata_document_supported": True,
            "registration_endpoint": f"{self.base}/register",
            "token_endpoint_auth_methods_supported": ["none"],
            "grant_types_supported": ["authorization_code", "refresh_token"],
            "scopes_supported": ["read"],
        }
        self.answers[PLACE] = lambda asked: (200, self.document, SHARED)
        self.answers[SERVER] = lambda asked: (200, self.metadata, SHARED)
        registered = {
            "client_id": "new",
            "registration_client_uri": f"{self.base}/register/new",
            "registration_access_token": "t",
        }
        self.answers["/register"] = self.share(lambda asked: (201, registered))
        self.answers["/register/new"] = (204, {})
        self.answers["/token"] = self.share(lambda asked: (400, {"error": "invalid_grant"}))
        self.answers["/authorize"] = self.authorize

    def challenge(self, **changes: str | None) -> dict[str, str]:
        found = {"scope": "read", "resource_metadata": f"{self.base}{PLACE}", **changes}
        words = ", ".join(f'{name}="{value}"' for name, value in found.items() if value is not None)
        return {"WWW-Authenticate": f"Bearer {words}"}

    def share(self, answer: Callable[[Asked], Any], **headers: str) -> Callable[[Asked], Any]:
        return lambda asked: (204, {}, headers or PREFLIGHT) if asked.method == "OPTIONS" else answer(asked)

    def authorize(self, asked: Asked) -> Any:
        query = {name: values[0] for name, values in parse_qs(asked.query).items()}
        if query["client_id"] not in ("new", "cli"):
            return 400, b"<html>unknown client</html>"
        error = None
        if query.get("code_challenge_method") != "S256":
            error = "invalid_request"
        elif query.get("resource") != self.url:
            error = "invalid_target"
        elif query.get("scope") != "read":
            error = "invalid_scope"
        if error is None:
            return 200, b"<html>allow?</html>"
        return self.send_back(query, error=error, iss=self.base, error_description="why \x1b[31m")

    def send_back(self, query: dict[str, str], **params: str) -> Any:
        return 303, b"", {"Location": f"{query['redirect_uri']}?{urlencode({'state': query['state'], **params})}"}

    def visit(self, **options: Any) -> list[Finding]:
        web = Web(self.url, ssl.create_default_context())
        found = list(check_as_client(Visit(web, self.url, ORIGIN, **{"client_id": "cli", **options})))
        return [each for each in found if not isinstance(each, Step)]


@pytest.fixture
def site(scripted: ScriptedIssuer) -> Site:
    return Site(scripted)


def pick(findings: list[Finding], level: str) -> list[Finding]:
    return [each for each in findings if each.level == level]


def test_a_sound_site_gives_no_reason_for_a_warning(site: Site) -> None:
    findings = site.visit()
    assert [each for each in findings if each.level != "ok"] == []
    assert {each.subject for each in findings} == {
        "challenge", "resource metadata", "server metadata", "registration", "CORS of the resource metadata",
        "CORS of the server metadata", "CORS of the API", "CORS of the token endpoint",
        "CORS of the registration endpoint", "authorization request", "PKCE", "resource", "token endpoint",
    }  # fmt: skip


def no_cors(site: Site, path: str) -> None:
    before = site.answers[path]
    site.answers[path] = lambda asked: (*before(asked)[:2], {})


def change(name: str, **changes: Any) -> Callable[[Site], None]:
    def apply(site: Site) -> None:
        members = getattr(site, name)
        members.update(changes)
        for key in [key for key, value in changes.items() if value is None]:
            del members[key]

    return apply


def refuse_with(status: int, **challenge: str | None) -> Callable[[Site], None]:
    def apply(site: Site) -> None:
        headers = site.challenge(**challenge)
        site.answers["/mcp"] = site.share(lambda asked: (status, {}, {**SHARED, **headers}))

    return apply


def answer(path: str, *what: Any) -> Callable[[Site], None]:
    return lambda site: site.answers.update({path: what})


FAULTS: list[tuple[Callable[[Site], None], str, str, str, str]] = [
    # what is broken, level, subject, text, hint
    (answer("/mcp", 200, {}), "error", "challenge", "answered with 200, not with 401", "token_check"),
    (refuse_with(403), "error", "challenge", "with 403, not with 401", "token_check"),
    (answer("/mcp", 401, {}), "error", "challenge", "no Bearer challenge", "oauthguard login"),
    (refuse_with(401, resource_metadata=None), "warning", "challenge", "no resource_metadata", "VS Code"),
    (refuse_with(401, scope=None), "warning", "challenge", "names no scope", "token_require"),
    (refuse_with(401, scope="read offline_access"), "warning", "challenge", "offline_access", "token_require"),
    (refuse_with(401, error="invalid_token"), "warning", "challenge", "error 'invalid_token'", "Python SDK"),
    (answer(PLACE, 404, {}), "error", "resource metadata", "there is no document", "oauthguard.resource_metadata"),
    (answer(PLACE, 200, b"<html>"), "error", "resource metadata", "there is no document", "oauthguard.resource_metadata"),
    (change("document", resource="https://x.example"), "error", "resource metadata", "'https://x.example'", "SDKs refuse"),
    (change("document", authorization_servers=None), "error", "resource metadata", "no authorization_servers", "sign in"),
    (change("document", scopes_supported=None), "warning", "resource metadata", "no scopes_supported", "scopes="),
    (answer(SERVER, 404, {}), "error", "server metadata", "has no metadata", "endpoints"),
    (change("metadata", issuer="https://other.example"), "error", "server metadata", "'https://other.example'", "byte for byte"),
    (change("metadata", token_endpoint=None), "error", "server metadata", "no token_endpoint", "authorization_code"),
    (change("metadata", code_challenge_methods_supported=None), "error", "server metadata", "S256", "SDKs refuse"),
    (change("metadata", code_challenge_methods_supported=["plain"]), "error", "server metadata", "S256", "SDKs refuse"),
    (change("metadata", authorization_response_iss_parameter_supported=None), "warning", "server metadata", "iss", "9207"),
    (change("metadata", token_endpoint_auth_methods_supported=["client_secret_basic"]), "warning", "server metadata", "none", "Claude"),
    (change("metadata", grant_types_supported=["authorization_code"]), "warning", "server metadata", "refresh_token", "grants"),
    (change("metadata", scopes_supported=[]), "warning", "server metadata", "'read'", "oauthguard.server.scopes"),
    (change("metadata", client_id_metadata_document_supported=None, registration_endpoint=None), "warning", "registration",
     "can't register", "oauthguard.server.registration"),
    (lambda site: no_cors(site, PLACE), "warning", "CORS of the resource metadata", "may not", "Inspector"),
    (lambda site: no_cors(site, SERVER), "warning", "CORS of the server metadata", "may not", "Inspector"),
    (lambda site: no_cors(site, "/mcp"), "warning", "CORS of the API", "may not", "oauthguard.cors_origins"),
    (lambda site: no_cors(site, "/token"), "warning", "CORS of the token endpoint", "may not", "redirect URIs"),
    (lambda site: site.answers.update({"/token": site.share(lambda asked: (400, {"error": "x"}), **SHARED)}), "warning",
     "CORS of the token endpoint", "may not send content-type", "Inspector"),
    (lambda site: site.answers.update({"/token": site.share(lambda asked: (500, {}))}), "warning", "token endpoint",
     "answered with 500", "RFC 6749"),
    (answer("/token", 200, {"access_token": "x"}), "warning", "token endpoint", "answered with 200", "RFC 6749"),
]  # fmt: skip


@pytest.mark.parametrize(("fault", "level", "subject", "text", "hint"), FAULTS)
def test_each_fault_is_told_with_the_client_or_the_setting(
    site: Site, fault: Callable[[Site], None], level: str, subject: str, text: str, hint: str
) -> None:
    fault(site)
    found = [each for each in site.visit() if (each.level, each.subject) == (level, subject)]
    assert [each for each in found if text in each.text and hint in each.hint], found


def test_a_server_that_is_known_by_openid_alone_is_found_late(site: Site) -> None:
    site.answers["/.well-known/openid-configuration"] = site.answers.pop(SERVER)
    (found,) = pick(site.visit(), "warning")
    assert (found.subject, "RFC 8414 alone" in found.hint) == ("server metadata", True)


def test_an_open_redirect_is_an_error(site: Site) -> None:
    before = site.authorize
    site.answers["/authorize"] = lambda asked: (
        site.send_back({name: values[0] for name, values in parse_qs(asked.query).items()}, error="unauthorized_client")
        if "unknown" in asked.query else before(asked)
    )  # fmt: skip
    (found,) = pick(site.visit(), "error")
    assert "unknown client gets a redirect" in found.text


@pytest.mark.parametrize(
    ("options", "text", "hint"),
    [
        ({"scope": "write"}, "'invalid_scope'", "oauthguard.server.narrow_scopes"),
        ({"client_id": "gone"}, "refused with 400", "log"),
    ],
)
def test_why_the_request_is_refused_is_told(site: Site, options: dict[str, str], text: str, hint: str) -> None:
    (found,) = pick(site.visit(**options), "error")
    assert found.subject == "authorization request"
    assert text in found.text
    assert hint in found.hint


def test_what_is_not_bound_is_told(site: Site) -> None:
    site.answers["/authorize"] = lambda asked: (200, b"<html>") if "unknown" not in asked.query else (400, b"")
    assert {each.subject for each in pick(site.visit(), "warning")} == {"PKCE", "resource"}


# ── What it may do ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.promise("CL-10")
def test_nothing_is_registered_unless_it_is_wanted(site: Site) -> None:
    site.visit(client_id=None)
    assert [each.method for each in site.scripted.asked if each.path == "/register"] == ["OPTIONS"]
    site.visit(client_id=None, registers=True)
    sent = next(json.loads(each.body) for each in site.scripted.asked if each.path == "/register" and each.body)
    assert sent["token_endpoint_auth_method"] == "none"
    (removed,) = [each for each in site.scripted.asked if each.path == "/register/new"]
    assert (removed.method, removed.headers["authorization"]) == ("DELETE", "Bearer t")


@pytest.mark.promise("CL-10")
def test_what_was_registered_is_removed_also_when_a_step_breaks(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(visit: Visit) -> Any:
        raise RuntimeError
        yield

    module = "pyramid_oauthguard.command.as_client.steps"
    monkeypatch.setattr(f"{module}._STEPS", (*_steps()[:4], ("broken", fail)))
    with pytest.raises(RuntimeError):
        site.visit(registers=True)
    assert site.scripted.count("/register/new") == 1


def _steps() -> Any:
    from pyramid_oauthguard.command.as_client import steps

    return steps._STEPS


def test_a_client_that_cannot_be_removed_is_told(site: Site) -> None:
    site.answers["/register/new"] = (405, {})
    (found,) = pick(site.visit(client_id=None, registers=True), "warning")
    assert "could not be removed" in found.text


def test_a_client_that_is_left_because_a_step_hangs_is_told(site: Site, terminal: Terminal) -> None:
    """The command ended at its time limit, and nobody learned that the client is still registered."""
    site.answers["/authorize"] = lambda asked: time.sleep(5)
    ended = terminal.run("check", "--as-client", site.url, "--register", "--timeout", "3", "--format", "json")
    assert ended.status == 4
    assert "the client 'new' of this check was not removed" in {each["text"] for each in ended.json}


@pytest.mark.promise("CL-10")
@pytest.mark.parametrize(
    "target",
    ["http://public.example/d", "https://private.example/d", "https://127.0.0.1/d", "https://[::1]/d",
     "https://169.254.169.254/latest", "https://mixed.example/d", "file:///etc/passwd", "https://u@public.example/d"],
)  # fmt: skip
def test_a_public_url_leads_to_no_private_address_and_not_to_http(target: str) -> None:
    """Nothing is asked: no name of the test resolves to an address that answers."""
    known = {"api.example": ["93.184.215.14"], "private.example": ["10.0.0.1"], "public.example": ["93.184.215.14"],
             "mixed.example": ["93.184.215.14", "192.168.0.1"]}  # fmt: skip
    resolver = Resolver(lambda host, port: known.get(host, [host]))
    web = Web("https://api.example/mcp", ssl.create_default_context(), resolver=resolver)
    with pytest.raises(UnavailableError) as caught:
        web.send("GET", target)
    assert caught.value.reason == "forbidden_url"


@pytest.mark.promise("CL-10")
@pytest.mark.parametrize("target", ["https://private.example/d", "https://127.0.0.1/d"])
def test_a_host_with_one_private_address_opens_no_private_network(target: str) -> None:
    """The owner of a name may add a private address to its public ones."""
    known = {"api.example": ["93.184.215.14", "10.0.0.9"], "private.example": ["10.0.0.1"]}
    web = Web(
        "https://api.example/mcp",
        ssl.create_default_context(),
        resolver=Resolver(lambda host, port: known.get(host, [host])),
    )
    with pytest.raises(UnavailableError) as caught:
        web.send("GET", target)
    assert caught.value.reason == "forbidden_url"
    assert web._find_addresses(as_origin("https://api.example"), "https://api.example/mcp", time.monotonic() + 5) == [
        "93.184.215.14"
    ]


@pytest.mark.promise("CL-10")
@pytest.mark.parametrize("hostile", ["https://[x", "http://[::1/\x1b[31m"])
def test_an_address_that_is_no_url_is_reported(site: Site, hostile: str) -> None:
    site.document["authorization_servers"] = [hostile]
    assert any("authorization_servers" in each.text for each in pick(site.visit(), "error"))
    site.document.update(resource=hostile, authorization_servers=[site.scripted.issuer])
    assert any("describes" in each.text for each in pick(site.visit(), "error"))
    site.metadata["authorization_endpoint"] = hostile
    assert pick(site.visit(), "error")


@pytest.mark.promise("CL-10")
def test_a_private_url_may_lead_to_private_addresses(scripted: ScriptedIssuer) -> None:
    scripted.answers["/d"] = {"a": 1}
    web = Web(f"{scripted.issuer}/mcp", ssl.create_default_context())
    assert web.send("GET", f"{scripted.issuer}/d").find_object() == {"a": 1}


def test_redirects_are_not_followed_and_long_answers_are_refused(scripted: ScriptedIssuer) -> None:
    scripted.answers |= {"/r": (302, b"", {"Location": f"{scripted.issuer}/d"}), "/long": (200, b"x" * 2_000_000)}
    web = Web(scripted.issuer, ssl.create_default_context())
    assert web.send("GET", f"{scripted.issuer}/r").status == 302
    assert scripted.count("/d") == 0
    with pytest.raises(UnavailableError):
        web.send("GET", f"{scripted.issuer}/long")


@pytest.mark.slow
@pytest.mark.promise("CL-10")
def test_the_command_uses_no_credential_and_prints_text_of_others_escaped(terminal: Terminal, site: Site) -> None:
    (terminal.cwd / ".env").write_text("OAUTHGUARD_CLIENT_ID=from-dotenv\nOAUTHGUARD_CLIENT_SECRET=dotenv-secret\n")
    environ = {
        "OAUTHGUARD_CLIENT_ID": "from-environ",
        "OAUTHGUARD_CLIENT_SECRET": "environ-secret",
        "OAUTHGUARD_TOKEN": "t0ken",
    }
    site.document["resource"] = "https://x.example/\x1b[31m\u202e"
    done = terminal.run("check", "--as-client", site.url, **environ)
    assert done.status == 1
    assert "\x1b" not in done.out + done.err
    assert "\u202e" not in done.out
    assert "oauthguard.resource" in done.out
    sent = str(site.scripted.asked)
    assert [
        each for each in ("from-dotenv", "dotenv-secret", "from-environ", "environ-secret", "t0ken") if each in sent
    ] == []
    assert (
        terminal.run("check", "--as-client", site.url, "--format", "json", **environ).json[0]["subject"] == "challenge"
    )


@pytest.mark.slow
def test_where_nobody_answers_the_exit_status_is_6(terminal: Terminal) -> None:
    done = terminal.run("check", "--as-client", "http://127.0.0.1:1/mcp")
    assert (done.status, done.out.count("FAIL")) == (6, 1)


@pytest.mark.slow
@pytest.mark.parametrize("args", [[], ["x.ini", "--as-client", "https://x.example"], ["--as-client", "x"]])
def test_what_is_given_must_be_one_of_both(terminal: Terminal, args: list[str]) -> None:
    assert terminal.run("check", *args).status == 1


@pytest.mark.slow
@pytest.mark.parametrize("args", [["--register"], ["--scope", "read"], ["--ca-file", "x.pem"]])
def test_options_of_as_client_were_ignored_beside_an_ini_file(terminal: Terminal, args: list[str]) -> None:
    done = terminal.run("check", "x.ini", *args)
    assert (done.status, f"{args[0]} is an option of --as-client" in done.err) == (1, True)
