"""Our command as a client of the MCP conformance suite: signs in with the URL, calls two methods, and asks for more where a call is
refused. Arguments: the command, and the URL that the suite adds. With --open it is the browser of a user who allows everything."""

import json
import os
import re
import subprocess
import sys
import tempfile
import urllib.parse
import urllib.request

DOCUMENT = "https://conformance-test.local/client-metadata.json"
TWO_CALLS = ("auth/scope-step-up", "auth/scope-retry-limit", "auth/authorization-server-migration")
VERSION = "2026-07-28"
META = {
    "io.modelcontextprotocol/protocolVersion": VERSION,
    "io.modelcontextprotocol/clientInfo": {"name": "oauthguard", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}


def find_options(url):
    """What a user knows who has registered a client."""
    scenario = os.environ["MCP_CONFORMANCE_SCENARIO"]
    if scenario == "auth/basic-cimd":
        return ["--client-id", DOCUMENT]
    if scenario == "auth/pre-registration":
        known = json.loads(os.environ["MCP_CONFORMANCE_CONTEXT"])
        os.environ["OAUTHGUARD_CLIENT_SECRET"] = known["client_secret"]
        return ["--client-id", known["client_id"], "--issuer", find_issuer(url)]
    return []


def find_issuer(url):
    """A secret goes only to an issuer that the user names."""
    origin, path = re.fullmatch("(http://[^/]*)(/.*)", url).groups()
    with urllib.request.urlopen(f"{origin}/.well-known/oauth-protected-resource{path}") as answer:  # noqa: S310  # http
        return json.load(answer)["authorization_servers"][0]


def run(*args):
    done = subprocess.run([sys.argv[1], *args], capture_output=True, text=True, check=False)
    print(args, done.returncode, done.stdout, done.stderr, flush=True)
    return done


def sign_in(url, *args):
    """The scopes that were asked for."""
    done = run("login", url, "--timeout", "20s", *find_options(url), *args)
    if done.returncode:
        sys.exit(done.returncode)
    asked = re.search(r"[?&]scope=([^&\s]*)", done.stderr)
    return urllib.parse.unquote_plus(asked[1]) if asked else ""


def call(url, method, **params):
    headers = {
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": VERSION,
        "Mcp-Method": method,
        "Mcp-Name": params.get("name", ""),
    }
    lines = [each for name, value in headers.items() if value for each in ("-H", f"{name}: {value}")]
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**params, "_meta": META}}
    done = run("call", "POST", url, "-d", json.dumps(body), *lines)
    return done.returncode, done.stderr


def call_or_ask(url, scope, method, **params):
    status, said = call(url, method, **params)
    if status == 5:  # refused: sign in again, with the scopes that the refusal names
        named = re.search(r"It requires the scopes?: (.*)\.", said)
        sign_in(url, *(["--scope", f"{scope} {named[1]}".strip()] if named else []))
        status, said = call(url, method, **params)
    if status not in (0, 5):  # refused again: it gives up
        sys.exit(status)


def main(url):
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"HOME": folder, "OAUTHGUARD_HOME": f"{folder}/oauthguard"}
        os.environ |= {"BROWSER": f"{sys.executable} {__file__} --open %s"}
        os.environ |= {"PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring"}
        os.chdir(folder)
        scope = sign_in(url)
        call_or_ask(url, scope, "tools/list")
        if os.environ["MCP_CONFORMANCE_SCENARIO"] in TWO_CALLS:
            call_or_ask(url, scope, "tools/call", name="test-tool", arguments={})


if sys.argv[1] == "--open":
    urllib.request.urlopen(sys.argv[2]).read()  # noqa: S310  # the URL of the command
else:
    main(sys.argv[2])
