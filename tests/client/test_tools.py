"""inspect, call, exec, whoami, completion: what is done with a token once it is there."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import socket
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OKPKey, RSAKey

from pyramid_oauthguard.command.client.call import _read_data
from tests.client.browsers import build_jwt, start_login
from tests.client.issuers import API, MACHINE_SECRET, Asked, ScriptedIssuer
from tests.client.terminal import Terminal, find_command, run_on_pty
from tests.ground.test_key_strength import ENCODINGS

pytestmark = pytest.mark.slow

RSA = RSAKey.generate_key(2048, {"kid": "rsa"})
EC = ECKey.generate_key("P-256", {"kid": "ec"})
ED = OKPKey.generate_key("Ed25519", {"kid": "ed"})


@pytest.fixture
def app(terminal: Terminal, scripted: ScriptedIssuer) -> Terminal:
    terminal.environ |= {
        "OAUTHGUARD_ISSUER": scripted.issuer,
        "OAUTHGUARD_CLIENT_ID": "app",
        "OAUTHGUARD_CLIENT_SECRET": "sesame-sesame",
    }
    scripted.answers["/token"] = {"access_token": "tok-0123456789", "token_type": "Bearer", "expires_in": 600}
    scripted.answers["/jwks"] = {"keys": [key.as_dict(private=False) for key in (RSA, EC, ED)]}
    return terminal


def sign(issuer: str, key: Any = RSA, *, header: dict[str, Any] | None = None, **changes: Any) -> str:
    now = int(time.time())
    claims = {"iss": issuer, "aud": "api", "exp": now + 600, "iat": now, "sub": "ann", "scope": "read write", **changes}
    algorithm = {"RSA": "RS256", "EC": "ES256", "OKP": "Ed25519"}[key.key_type]
    head = {"alg": algorithm, "typ": "at+jwt", "kid": key.kid, **(header or {})}
    kept = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(
        {name: value for name, value in head.items() if value is not None}, kept, key, algorithms=[algorithm]
    )


def outcomes(answer: Any) -> dict[str, str]:
    return {check["name"]: check["outcome"] for check in answer.json["checks"]}


# ── inspect ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("key", [RSA, EC, ED], ids=["RS256", "ES256", "Ed25519"])
def test_inspect_a_good_token(app: Terminal, scripted: ScriptedIssuer, key: Any) -> None:
    answer = app.run("inspect", "-", "--audience", "api", "--scope", "read", stdin=sign(scripted.issuer, key))
    assert answer.status == 0
    assert set(outcomes(answer).values()) == {"pass"}
    assert {"signature", "alg", "typ", "iss", "aud", "exp", "scope"} <= outcomes(answer).keys()
    assert answer.json["claims"]["sub"] == "ann"
    assert answer.json["header"]["kid"] == key.kid


@pytest.mark.needs("node", "npm")
def test_inspect_a_foreign_token(terminal: Terminal, foreign: str) -> None:
    terminal.environ |= {
        "OAUTHGUARD_ISSUER": foreign,
        "OAUTHGUARD_CLIENT_ID": "machine",
        "OAUTHGUARD_CLIENT_SECRET": MACHINE_SECRET,
    }
    token = terminal.run("token", "--resource", API, "--scope", "read").out
    answer = terminal.run("inspect", "-", "--audience", API, "--scope", "read", stdin=token)
    assert (answer.status, set(outcomes(answer).values())) == (0, {"pass"})
    opaque = terminal.run("inspect", "-", stdin=terminal.run("token").out)
    assert (opaque.status, opaque.out) == (1, "")
    assert "introspect" in opaque.err


@pytest.mark.parametrize(
    ("name", "changes", "args", "failing"),
    [
        ("expired", {"exp": int(time.time()) - 3700}, [], "exp"),
        ("no exp", {"exp": None}, [], "exp"),
        ("exp as text", {"exp": "tomorrow"}, [], "exp"),
        ("not yet", {"nbf": int(time.time()) + 90000}, [], "nbf"),
        ("issued tomorrow", {"iat": int(time.time()) + 90000}, [], "iat"),
        ("other issuer", {"iss": "https://other.example"}, [], "iss"),
        ("other audience", {}, ["--audience", "other"], "aud"),
        ("no audience", {"aud": None}, [], "aud"),
        ("audience of numbers", {"aud": [1]}, [], "aud"),
        ("scope missing", {}, ["--scope", "read admin"], "scope"),
        ("ID token", {"header": {"typ": "dpop+jwt"}}, [], "typ"),
        ("crit", {"header": {"crit": ["exp"]}}, [], "crit"),
        ("unknown key", {"header": {"kid": "nobody"}}, [], "signature"),
    ],
)
def test_inspect_names_what_is_wrong(
    app: Terminal, scripted: ScriptedIssuer, name: str, changes: dict[str, Any], args: list[str], failing: str
) -> None:
    header = changes.get("header")
    token = _sign_with_header(scripted.issuer, header) if header else sign(scripted.issuer, **changes)
    answer = app.run("inspect", "-", *args, stdin=token)
    assert answer.status == 5
    assert [check for check, outcome in outcomes(answer).items() if outcome == "fail"] == [failing]


def _sign_with_header(issuer: str, header: dict[str, Any]) -> str:
    """joserfc does not make tokens with a header it does not know; the key does."""
    body = sign(issuer).split(".")[1]
    head = _encode(json.dumps({"alg": "RS256", "typ": "at+jwt", "kid": "rsa", **header}).encode())
    from joserfc.jws import JWSRegistry

    signature = JWSRegistry.algorithms["RS256"].sign(f"{head}.{body}".encode(), RSA)
    return f"{head}.{body}.{_encode(signature)}"


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def test_inspect_a_changed_token_and_one_of_another_key(app: Terminal, scripted: ScriptedIssuer) -> None:
    head, body, signature = sign(scripted.issuer).split(".")
    other = _encode(json.dumps({**json.loads(base64.urlsafe_b64decode(body + "==")), "sub": "root"}).encode())
    forged = sign(scripted.issuer, RSAKey.generate_key(2048, {"kid": "rsa"}))
    for token in (f"{head}.{other}.{signature}", forged, build_jwt({"iss": scripted.issuer})):
        answer = app.run("inspect", "-", stdin=token)
        assert answer.status == 5
        assert outcomes(answer)["signature"] == "fail"


@pytest.mark.promise("GD-46")
@pytest.mark.parametrize("point", ENCODINGS, ids=bytes.hex)
def test_inspect_does_not_fall_for_a_key_that_any_caller_could_sign_for(
    app: Terminal, scripted: ScriptedIssuer, point: bytes
) -> None:
    weak = {"kty": "OKP", "crv": "Ed25519", "x": _encode(point), "kid": "weak"}
    scripted.answers["/jwks"] = {"keys": [weak, RSA.as_dict(private=False)]}
    head = _encode(json.dumps({"alg": "EdDSA", "typ": "at+jwt", "kid": "weak"}).encode())
    body = sign(scripted.issuer).split(".")[1]
    answer = app.run("inspect", "-", stdin=f"{head}.{body}.{_encode(_encode_identity() + bytes(32))}")
    assert (answer.status, outcomes(answer)["signature"]) == (5, "fail")


def _encode_identity() -> bytes:
    return (1).to_bytes(32, "little")


@pytest.mark.promise("GD-46")
def test_inspect_refuses_a_kid_of_null(app: Terminal, scripted: ScriptedIssuer) -> None:
    token = _sign_with_header(scripted.issuer, {"kid": None})
    answer = app.run("inspect", "-", stdin=token)
    assert (answer.status, outcomes(answer)["signature"]) == (5, "fail")
    scripted.answers["/jwks"] = {"keys": [{**RSA.as_dict(private=False), "kid": None}]}
    answer = app.run("inspect", "-", stdin=sign(scripted.issuer))
    assert (answer.status, outcomes(answer)["signature"]) == (5, "fail")


@pytest.mark.parametrize("algorithm", ["none", "None", "HS256", "", None, 5, ["RS256"]])
def test_inspect_does_not_fall_for_algorithms(app: Terminal, scripted: ScriptedIssuer, algorithm: object) -> None:
    token = build_jwt({"iss": scripted.issuer, "exp": time.time() + 60}, {"alg": algorithm, "kid": "rsa"})
    answer = app.run("inspect", "-", stdin=token)
    assert answer.status == 5
    assert (outcomes(answer)["alg"], outcomes(answer)["signature"]) == ("fail", "fail")


def test_inspect_does_not_ask_whom_the_token_names(terminal: Terminal, scripted: ScriptedIssuer) -> None:
    """Without --issuer nothing is fetched: a token may name anybody."""
    token = _sign_with_header(scripted.issuer, {"jku": f"{scripted.issuer}/jwks", "jwk": RSA.as_dict(private=False)})
    answer = terminal.run("inspect", "-", stdin=token)
    assert answer.status == 0
    assert (outcomes(answer)["signature"], outcomes(answer)["iss"]) == ("skip", "skip")
    assert scripted.asked == []


def test_inspect_offline(app: Terminal, scripted: ScriptedIssuer) -> None:
    answer = app.run("inspect", "-", "--offline", stdin=sign(scripted.issuer))
    assert (answer.status, outcomes(answer)["signature"]) == (0, "skip")
    assert scripted.asked == []


@pytest.mark.parametrize(
    "keys", [{}, {"keys": None}, {"keys": [5, {}, {"kty": "AKP"}, {"kty": "RSA", "kid": "rsa", "n": "!"}]}]
)
def test_inspect_with_careless_key_sets(app: Terminal, scripted: ScriptedIssuer, keys: Any) -> None:
    scripted.answers["/jwks"] = keys
    answer = app.run("inspect", "-", stdin=sign(scripted.issuer))
    assert (answer.status, outcomes(answer)["signature"]) == (5, "fail")
    if keys.get("keys"):
        scripted.answers["/jwks"] = {"keys": [*keys["keys"], RSA.as_dict(private=False)]}
        assert app.run("inspect", "-", stdin=sign(scripted.issuer)).status == 0


EC_PUBLIC, RSA_PUBLIC = EC.as_dict(private=False), RSA.as_dict(private=False)
ODD_KEYS: dict[str, object] = {
    "unknown curve": {**EC_PUBLIC, "crv": "P-999"},
    "list of curves": {**EC_PUBLIC, "crv": ["P-256"]},
    "point off the curve": {**EC_PUBLIC, "x": "AA", "y": "AA"},
    "no point": {**EC_PUBLIC, "x": None},
    "list of algorithms": {**EC_PUBLIC, "alg": ["ES256"]},
    "object of algorithms": {**EC_PUBLIC, "alg": {}},
    "number of an algorithm": {**EC_PUBLIC, "alg": 5, "use": ["sig"], "key_ops": "verify"},
    "list of names": {**EC_PUBLIC, "kid": ["ec"]},
    "list of types": {**EC_PUBLIC, "kid": {}, "kty": []},
    "nothing but a name": {"kty": "EC", "kid": "ec"},
    "no base64": {"kty": "EC", "kid": "ec", "crv": "P-256", "x": "\u00e9", "y": "!"},
    "of another type": {**RSA_PUBLIC, "kid": "ec"},
    "text": "text",
    "algorithm of null": {**EC_PUBLIC, "alg": None},
    "private": EC.as_dict(private=True),
    "not for verifying": {**EC_PUBLIC, "key_ops": ["sign"]},
    "list": [],
    "null": None,
}


@pytest.mark.parametrize("name", ODD_KEYS)
def test_an_odd_key_costs_inspect_that_key_alone(app: Terminal, scripted: ScriptedIssuer, name: str) -> None:
    """Also where many odd ones carry the name of the good one."""
    token = sign(scripted.issuer, EC)
    scripted.answers["/jwks"] = {"keys": [*[ODD_KEYS[name]] * 20, EC_PUBLIC]}
    answer = app.run("inspect", "-", stdin=token)
    assert (answer.status, outcomes(answer)["signature"]) == (0, "pass"), answer.err
    scripted.answers["/jwks"] = {"keys": [ODD_KEYS[name]]}
    answer = app.run("inspect", "-", stdin=token)
    assert (answer.status, outcomes(answer)["signature"]) == (5, "fail"), answer.err


def test_odd_members_that_are_not_public_cost_inspect_nothing(app: Terminal, scripted: ScriptedIssuer) -> None:
    scripted.answers["/jwks"] = {"keys": [{**EC_PUBLIC, "x5c": "none", "x5t": [], "more": 1}]}
    answer = app.run("inspect", "-", stdin=sign(scripted.issuer, EC))
    assert (answer.status, outcomes(answer)["signature"]) == (0, "pass"), answer.err


@pytest.mark.parametrize("claims", [{"exp": -1e308, "iat": 1e308}, {"exp": 10**4000, "nbf": -1e308}, {"exp": True}])
def test_inspect_with_times_that_no_clock_shows(
    app: Terminal, scripted: ScriptedIssuer, claims: dict[str, Any]
) -> None:
    answer = app.run("inspect", "-", stdin=sign(scripted.issuer, **claims))
    assert (answer.status, outcomes(answer)["signature"]) == (5, "pass"), answer.err


def test_inspect_odd_tokens_are_one_line(app: Terminal, scripted: ScriptedIssuer) -> None:
    nested = _encode(b"[" * 40000)
    object_ = _encode(b"{}")
    for token in (
        "a.b.c",
        "..",
        "a.b.c.d.e",
        f"{nested}.{object_}.AA",
        f"{object_}.{nested}.AA",
        "x" * 70000,
        f"{object_}.é.AA",
    ):
        answer = app.run("inspect", "-", stdin=token)
        assert (answer.status, answer.out, answer.err.count("\n")) == (1, "", 1)
    answer = app.run("inspect", "-", stdin=f"{object_}.{object_}.AA")
    assert answer.status == 5


def test_inspect_is_a_table_for_people(app: Terminal, scripted: ScriptedIssuer) -> None:
    token = sign(scripted.issuer, exp=int(time.time()) - 7200, name="\x1b]0;owned\x07[red]x[/red]")
    status, seen = run_on_pty(app, "inspect", "-", stdin=token)
    assert status == 5
    assert "expired 2 h" in seen
    assert "\x1b[1;31mfail" in seen
    assert "\x1b]0;" not in seen
    assert "[red]x[/red]" in seen
    for quiet in ({"NO_COLOR": "1"}, {}):
        args = ["inspect", "-"] if quiet else ["inspect", "-", "--no-color"]
        _, seen = run_on_pty(app, *args, stdin=token, **quiet)
        assert "\x1b[1;31m" not in seen
        assert "31m" not in seen


# ── call ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_call_sends_the_token_and_prints_the_body(app: Terminal, scripted: ScriptedIssuer) -> None:
    scripted.answers["/customers"] = {"customers": []}
    answer = app.run("call", "get", f"{scripted.issuer}/customers")
    assert (answer.status, answer.json) == (0, {"customers": []})
    assert "200" in answer.err
    asked = scripted.asked[-1]
    assert (asked.method, asked.headers["authorization"]) == ("GET", "Bearer tok-0123456789")
    assert "tok-0123456789" not in app.run("call", "-v", "GET", f"{scripted.issuer}/customers").err


def test_call_with_a_body_and_headers(app: Terminal, scripted: ScriptedIssuer) -> None:
    bodies = []

    def answer(asked: Asked) -> Any:
        bodies.append((asked.method, asked.headers["content-type"], asked.headers.get("x-one")))
        return (201, {"id": 1})

    scripted.answers["/customers"] = answer
    url = f"{scripted.issuer}/customers"
    assert app.run("call", "POST", url, "-d", '{"name": "Ann"}').status == 0
    assert (
        app.run("call", "POST", url, "-d", "@-", "-H", "content-type: text/csv", "-H", "X-One: 1", stdin="a,b").status
        == 0
    )
    assert bodies == [("POST", "application/json", None), ("POST", "text/csv", "1")]
    (app.cwd / "body").write_text("{}")
    included = app.run("call", "PUT", url, "-d", "@body", "--include").out
    assert included.startswith("HTTP 201 ")
    assert app.run("call", "PUT", url, "-d", "@nowhere").status == 1
    for header in ("Authorization: Bearer x", "nothing", "X: a\r\nY: b"):
        assert app.run("call", "GET", url, "-H", header).status == 1


@pytest.mark.parametrize(
    ("status", "challenge", "words"),
    [
        (
            401,
            'Bearer realm="api", error="invalid_token", error_description="The token \x1b[31mexpired"',
            "expired, revoked",
        ),
        (403, 'Bearer realm="api", error="insufficient_scope", scope="admin"', "It requires the scope: admin"),
        (401, 'Bearer realm="api"', "did not accept this one"),
        (401, 'Basic realm="x"', "without a Bearer challenge"),
        (401, 'Basic realm="Bearer error=invalid_token"', "without a Bearer challenge"),
        (
            403,
            'DPoP algs="ES256", bearer error=insufficient_scope, SCOPE = "a \\"b\\""',
            'It requires the scope: a "b".',
        ),
        (401, 'Bearer error="invalid_token', "expired, revoked"),
        (
            401,
            'Bearer error="insufficient_user_authentication", acr_values="urn:gold", max_age="300"',
            "oauthguard login --param 'acr_values=urn:gold' --param 'max_age=300'`",
        ),
        (
            401,
            'Bearer error="insufficient_user_authentication", acr_values="\'; rm -rf / \'"',
            "(insufficient_user_authentication); sign in again.",
        ),
        (403, None, "without a Bearer challenge"),
    ],
)
def test_call_explains_a_refusal(
    app: Terminal, scripted: ScriptedIssuer, status: int, challenge: str | None, words: str
) -> None:
    headers = {"WWW-Authenticate": challenge} if challenge else {}
    scripted.answers["/customers"] = (status, {"title": "no"}, headers)
    answer = app.run("call", "GET", f"{scripted.issuer}/customers")
    assert (answer.status, answer.json) == (5, {"title": "no"})
    assert words in answer.err
    assert "\x1b" not in answer.err


def test_verbose_masks_the_headers_that_may_be_credentials(app: Terminal, scripted: ScriptedIssuer) -> None:
    """Only Authorization was masked: keys and cookies that the user sends beside the token stood in the log of a job."""
    scripted.answers["/customers"] = {}
    words = ["-H", "X-Api-Key: sesame-key", "-H", "Cookie: id=sesame-id", "-H", "accept: text/csv"]
    said = app.run("call", "-v", "GET", f"{scripted.issuer}/customers", *words).err
    assert "sesame" not in said
    assert ">   X-Api-Key: ***\n" in said
    assert ">   accept: text/csv\n" in said


def test_a_body_of_any_bytes_is_sent_as_it_was_typed() -> None:
    """It ended with "this is a bug: UnicodeEncodeError"."""
    assert _read_data(os.fsdecode(b"a\xffb\xc3\xa4")) == b"a\xffb\xc3\xa4"


def test_call_explains_a_token_that_the_api_can_not_read(app: Terminal, scripted: ScriptedIssuer) -> None:
    """The guard answers 400 to a token with a character that the header does not allow, and nothing was said about it."""
    scripted.answers["/customers"] = (400, {}, {"WWW-Authenticate": 'Bearer realm="api", error="invalid_request"'})
    answer = app.run("call", "GET", f"{scripted.issuer}/customers")
    assert answer.status == 2
    assert "could not read the Authorization header" in answer.err
    scripted.answers["/customers"] = (400, {})
    assert "Authorization" not in app.run("call", "GET", f"{scripted.issuer}/customers").err


def test_call_does_not_carry_the_token_elsewhere(app: Terminal, scripted: ScriptedIssuer) -> None:
    scripted.answers["/here"] = (302, b"", {"Location": f"{scripted.issuer}/there"})
    answer = app.run("call", "GET", f"{scripted.issuer}/here")
    assert answer.status == 0
    assert "not sent there" in answer.err
    assert scripted.count("/there") == 0
    asked = len(scripted.asked)
    for url in (
        "http://api.example/",
        "ftp://api.example/",
        "//api.example",
        "api.example",
        "https://me:pw@api.example/",
    ):
        answer = app.run("call", "GET", url, OAUTHGUARD_TOKEN="tok-1")
        assert (answer.status, answer.err.count("\n")) == (1, 1)
    assert len(scripted.asked) == asked
    assert app.run("call", "GE T", scripted.issuer).status == 1


@pytest.mark.parametrize(
    ("method", "status", "headers", "words"),
    [
        ("gte", 501, {}, "The API does not serve GTE there. Did you mean GET?"),
        ("PUT", 405, {"Allow": "GET, POST"}, "The API does not serve PUT there. It allows: GET, POST.\n"),
        ("POSTT", 405, {"Allow": "\x1b[2J"}, "Did you mean POST?"),
        ("PROPFIND", 405, {}, "The API does not serve PROPFIND there.\n"),
    ],
)
def test_call_names_the_methods_that_an_api_serves(
    app: Terminal, scripted: ScriptedIssuer, method: str, status: int, headers: dict[str, str], words: str
) -> None:
    scripted.answers["/customers"] = (status, {}, headers)
    answer = app.run("call", method, f"{scripted.issuer}/customers")
    assert answer.status == 2
    assert words in answer.err
    assert "\x1b" not in answer.err


def test_call_other_statuses(app: Terminal, scripted: ScriptedIssuer) -> None:
    scripted.answers["/a"] = (404, {"title": "no"})
    assert app.run("call", "GET", f"{scripted.issuer}/a").status == 2
    assert app.run("call", "GET", "http://127.0.0.1:9/", OAUTHGUARD_TOKEN="tok-1").status == 6


def test_call_gives_programs_the_bytes_and_people_no_controls(app: Terminal, scripted: ScriptedIssuer) -> None:
    scripted.answers["/a"] = (200, b"\x1b]0;owned\x07\xff")
    url = f"{scripted.issuer}/a"
    raw = subprocess.run(
        [find_command(), "call", "GET", url], env=app.full_environ(), cwd=app.cwd, capture_output=True, check=False
    )
    assert raw.stdout == b"\x1b]0;owned\x07\xff"
    _, seen = run_on_pty(app, "call", "GET", url)
    assert "owned" in seen
    assert "\x1b]" not in seen
    scripted.answers["/a"] = {"name": "\x1b]0;owned\x07\u202e\x9b31m"}
    _, seen = run_on_pty(app, "call", "GET", url)
    assert "owned" in seen
    assert not {"\x1b]", "\u202e", "\x9b"} & {*re.findall(r"\x1b\]|\u202e|\x9b", seen)}
    assert "\x1b[" in seen  # in colours
    _, seen = run_on_pty(app, "call", "GET", url, NO_COLOR="1")
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]", seen)


# ── exec ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.promise("CL-06")
def test_exec_gives_the_token_and_takes_the_secret(app: Terminal) -> None:
    answer = app.run("exec", "--", "sh", "-c", 'echo "$OAUTHGUARD_TOKEN/$OAUTHGUARD_CLIENT_SECRET"; exit 7')
    assert (answer.status, answer.out) == (7, "tok-0123456789/\n")
    assert app.run("exec", "--name", "T", "--", "printenv", "T").out == "tok-0123456789\n"
    assert app.run("exec", "--", "printf", "%s", "--verbose").out == "--verbose"


def test_exec_leaves_the_command_its_signals(app: Terminal) -> None:
    """Python ignores SIGPIPE, and CMD inherited that: `yes | head` in a script ended with a message and another status."""
    answer = app.run("exec", "--", "bash", "-o", "pipefail", "-c", "yes | head -n 1")
    assert (answer.status, answer.out, answer.err) == (141, "y\n", "")


def test_exec_of_what_is_not_there(app: Terminal) -> None:
    assert app.run("exec", "--", "no-such-command-here").status == 127
    (app.cwd / "plain").write_text("")
    assert app.run("exec", "--", "./plain").status == 126
    assert app.run("exec").status == 1
    assert app.run("exec", "--name", "A=B", "--", "true").status == 1


def test_exec_passes_the_token_on_to_the_verbs(app: Terminal, scripted: ScriptedIssuer) -> None:
    scripted.answers["/customers"] = {}
    url = f"{scripted.issuer}/customers"
    assert app.run("exec", "--", find_command(), "call", "GET", url).status == 0
    assert scripted.count("/token") == 1


# ── whoami ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_whoami(app: Terminal, scripted: ScriptedIssuer) -> None:
    assert app.run("whoami").status == 1
    scripted.answers["/introspect"] = {"active": True, "username": "ann"}
    with start_login(app) as login:
        login.come_back(code="c-1")
        assert login.end().status == 0
    assert app.run("whoami").out == "ann\n"
    assert app.run("whoami", "--format", "json").json["name"] == "ann"
    scripted.answers["/introspect"] = {"active": False}
    ended = app.run("whoami")
    assert (ended.status, ended.out) == (5, "")
    scripted.answers["/introspect"] = (503, {})
    assert app.run("whoami").status == 6
    scripted.answers |= {"/introspect": (403, b""), "/userinfo": (401, b"")}
    assert app.run("whoami").status == 2


BREAKS = ["\n", "\r", "\r\n", "\v", "\f", "\x1c", "\x1e", "\x85", "\u2028", "\u2029", "\n\n", "\x1b[1E"]


def test_a_name_adds_no_line(app: Terminal, scripted: ScriptedIssuer) -> None:
    """On a terminal it could pass for what the command says, and in a pipe for another name."""
    name = "ann" + "root".join(BREAKS) + "end"
    scripted.answers["/introspect"] = {"active": True, "username": name}
    with start_login(app) as login:
        login.come_back(code="c-1")
        ended = login.end()
    assert ended.status == 0
    (said,) = [line for line in ended.err.splitlines() if "Signed in" in line]
    assert said.endswith("end.")
    assert app.run("whoami").out.splitlines() == [app.run("whoami").out.rstrip("\n")]
    assert app.run("whoami", "--format", "json").json["name"] == name
    table = app.run("profiles", "--format", "table").out
    assert len(table.splitlines()) == 1
    for args in (("whoami",), ("profiles",)):
        status, seen = run_on_pty(app, *args)
        assert status == 0
        (line,) = seen.replace("\r\n", "\n").splitlines()
        assert "\x1b" not in line


def test_names_with_joiners_stay_as_they_are_in_a_pipe(app: Terminal, scripted: ScriptedIssuer) -> None:
    name = "Zoë \u200d👩\u200d💻 می\u200cخواهم"
    scripted.answers["/introspect"] = {"active": True, "username": name}
    with start_login(app) as login:
        login.come_back(code="c-1")
        login.end()
    assert app.run("whoami").out == f"{name}\n"


def test_a_header_of_an_api_adds_no_line(app: Terminal, scripted: ScriptedIssuer) -> None:
    scripted.answers["/introspect"] = {"active": True}
    with start_login(app) as login:
        login.come_back(code="c-1")
        login.end()

    def answer(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(
                b"HTTP/1.1 200 OK\rfake\r\nX-One: a\r\n folded\r\nX-Two: b\x85c\rd\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            )

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=answer, args=(listener,))
        thread.start()
        answered = app.run("call", "-i", "GET", f"http://127.0.0.1:{listener.getsockname()[1]}/")
        thread.join(30)
    lines = answered.out.splitlines()
    assert all(line.startswith(("HTTP 200", "X-", "Content-Length", "Connection")) for line in lines if line), lines


# ── completion, help ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(terminal: Terminal, tmp_path: Path, shell: str) -> None:
    answer = terminal.run("completion", shell)
    assert answer.status == 0
    assert "_OAUTHGUARD_COMPLETE" in answer.out
    if shutil.which(shell):
        script = tmp_path / "script"
        script.write_text(answer.out)
        subprocess.run([shell, "-n", script], check=True, capture_output=True)


def test_completion_completes(terminal: Terminal) -> None:
    asked = {"_OAUTHGUARD_COMPLETE": "bash_complete", "COMP_CWORD": "1", "COMP_WORDS": "oauthguard in"}
    assert terminal.run(**asked).out.split() == ["plain,introspect", "plain,inspect"]
    asked |= {"COMP_WORDS": "oauthguard token --form", "COMP_CWORD": "2"}
    assert terminal.run(**asked).out.split() == ["plain,--format"]
    asked |= {"COMP_WORDS": "oauthguard login --cli", "COMP_CWORD": "2"}
    assert "secret\n" not in terminal.run(**asked).out  # the flags that must not exist are not offered


def test_help_of_every_verb(terminal: Terminal) -> None:
    whole = terminal.run("--help")
    assert whole.status == 0
    examples = terminal.run("login", "--help").out
    for issuer in ("Okta", "Auth0", "Keycloak", "WSO2", "example application"):
        assert issuer in examples
    for verb in (
        "login",
        "token",
        "exec",
        "call",
        "whoami",
        "introspect",
        "inspect",
        "revoke",
        "logout",
        "profiles",
        "completion",
    ):
        answer = terminal.run(verb, "--help")
        assert answer.status == 0
        assert verb in answer.out
    assert re.fullmatch(r"\d+\.\d+.*\n", terminal.run("--version").out)


@pytest.mark.parametrize(
    "group",
    ["", "server", "server client", "server key", "server token", "-v", "--profile work", "--quiet server client"],
)
def test_a_group_without_a_verb_prints_its_help(terminal: Terminal, group: str) -> None:
    words = [word for word in group.split() if word not in ("-v", "--profile", "work", "--quiet")]
    answer = terminal.run(*group.split())
    assert (answer.status, answer.err) == (0, "")
    assert answer.out == terminal.run(*words, "--help").out
    assert answer.out.startswith(f"Usage: {' '.join(['oauthguard', *words])} ")
    assert answer.out.count("\n") > 5


@pytest.mark.parametrize(
    "args", [["nothing"], [""], ["server", "nothing"], ["server", "client", "nothing"], ["completion"]]
)
def test_a_verb_that_is_not_there_stays_an_error_of_one_line(terminal: Terminal, args: list[str]) -> None:
    answer = terminal.run(*args)
    assert (answer.status, answer.out, answer.err.count("\n")) == (1, "", 1)
    assert "\\n" not in answer.err


def test_a_reader_that_has_enough(app: Terminal, scripted: ScriptedIssuer) -> None:
    scripted.answers["/big"] = {"x": ["y" * 100] * 5000}
    command = f"{find_command()} call GET {scripted.issuer}/big | head -c 10"
    done = subprocess.run(
        ["bash", "-c", command], env=app.full_environ(), cwd=app.cwd, capture_output=True, text=True, check=False
    )
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr


@pytest.mark.parametrize("verb", ["login --help", "completion bash", "call GET $URL", "call -i GET $URL"])
def test_a_reader_that_has_enough_is_status_141(app: Terminal, scripted: ScriptedIssuer, verb: str) -> None:
    """As in a shell. Click ended with 1, which means that a configuration is wrong."""
    scripted.answers["/big"] = {"x": ["y" * 100] * 5000}
    words = f"{verb} | true; exit ${{PIPESTATUS[0]}}"
    status, _out, said = run_in_shell(app, words, URL=f"{scripted.issuer}/big")
    assert (status, "Traceback" in said) == (141, False)


def run_in_shell(app: Terminal, words: str, **environ: str) -> tuple[int, str, str]:
    """The command with redirections."""
    done = subprocess.run(
        ["bash", "-c", f"{find_command()} {words}"],
        env={**app.full_environ(), **environ}, cwd=app.cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("verb", ["token", "call GET $URL", "token --format json", "profiles"])
@pytest.mark.parametrize(
    ("target", "why"),
    [("> /dev/full", "No space left on device"), (">&-", "Bad file descriptor")],
    ids=["full", "closed"],
)
def test_data_that_can_not_be_written_are_an_error_of_one_line(
    app: Terminal, scripted: ScriptedIssuer, verb: str, target: str, why: str
) -> None:
    """A closed stream was "this is a bug", and of a full disk it was not said where."""
    scripted.answers["/a"] = {"a": 1}
    ended = run_in_shell(app, f"{verb} {target}", URL=f"{scripted.issuer}/a")
    said = ended[2].splitlines()[-1]
    assert (ended[0], said) == (1, f"oauthguard: standard output can't be written: {why}; the data are lost")
    assert "Exception" not in ended[2]


@pytest.mark.parametrize("streams", ["<&-", "2>&-", "<&- 2>&-", "2>/dev/full"])
def test_a_stream_that_is_missing_does_not_end_the_command(app: Terminal, streams: str) -> None:
    assert run_in_shell(app, f"token {streams}") == (0, "tok-0123456789\n", "")
    assert run_in_shell(app, f"token --auth-method odd {streams}")[0] == 1
    assert run_in_shell(app, f"login {streams} --client-id x --issuer http://127.0.0.1:9")[0] == 6


def test_a_character_that_the_output_can_not_show_is_escaped(app: Terminal, scripted: ScriptedIssuer) -> None:
    """It ended with "this is a bug: UnicodeEncodeError"."""
    scripted.answers["/a"] = (200, {}, {"X-Name": "Zoë"})
    answer = app.run("call", "GET", f"{scripted.issuer}/a", "--include", PYTHONIOENCODING="ascii")
    assert answer.status == 0, answer.err
    assert "X-Name: Zo\\xeb\n" in answer.out


@pytest.mark.parametrize(
    ("words", "environ", "what"),
    [
        (["token"], {"OAUTHGUARD_CLIENT_SECRET": "sesame\udcff"}, "client secret in the environment"),
        (["token"], {"OAUTHGUARD_CLIENT_ID": "sesame\udcff"}, "client id in the environment"),
        (["token", "--scope", "sesame\udcff"], {}, "scope in a flag"),
        (["login", "--flow", "paste", "--param", "a=sesame\udcff"], {}, "--param"),
    ],
)
def test_what_is_not_text_is_said_and_not_repeated(
    app: Terminal, words: list[str], environ: dict[str, str], what: str
) -> None:
    """It ended with "this is a bug: UnicodeEncodeError"."""
    answer = app.run(*words, **environ)
    assert (answer.status, answer.out) == (1, "")
    assert answer.err == f"oauthguard: {what} is not UTF-8 text; write it again, in UTF-8\n"


def test_an_interruption_while_modules_are_loaded_is_no_traceback(app: Terminal) -> None:
    (app.cwd / "sitecustomize.py").write_text(
        "import sys\n"
        "class Finder:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'pyramid_oauthguard.command.verbs':\n"
        "            raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Finder())\n"
    )
    app.environ["PYTHONPATH"] = str(app.cwd)
    answer = app.run("token")
    assert (answer.status, answer.out, answer.err) == (130, "", "")
