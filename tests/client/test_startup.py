"""What a start of the command imports and costs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.client.issuers import ScriptedIssuer
from tests.client.terminal import Terminal

pytestmark = pytest.mark.slow

FRAMEWORKS = ("pyramid", "webob", "sqlalchemy", "zope", "requests", "dogpile")
HEAVY = (
    *FRAMEWORKS,
    "authlib",
    "joserfc",
    "cryptography",
    "urllib3",
    "keyring",
    "rich",
    "platformdirs",
    "http.server",
    "ssl",
)

SCRIPT = """
import sys
from pyramid_oauthguard.command.main import main
sys.argv = ["oauthguard", *{args!r}]
try:
    main()
finally:
    loaded = [name for name in {names!r} if name in sys.modules]
    print("loaded:", *loaded, file=sys.stderr)
"""


def find_loaded(terminal: Terminal, names: tuple[str, ...], *args: str, stdin: str = "") -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(args=args, names=names)],
        env=terminal.full_environ(),
        cwd=terminal.cwd,
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
    )
    last = done.stderr.splitlines()[-1]
    assert last.startswith("loaded:"), done.stderr
    return last.split()[1:]


@pytest.mark.parametrize(
    "args", [["--help"], ["--version"], ["nonsense"], ["token", "--nonsense"], ["login", "--help"]]
)
def test_help_imports_nothing_heavy(terminal: Terminal, args: list[str]) -> None:
    names = HEAVY if args[0] not in ("token", "login") else FRAMEWORKS
    assert find_loaded(terminal, names, *args) == []


def test_no_verb_of_the_client_imports_a_framework(terminal: Terminal, scripted: ScriptedIssuer) -> None:
    terminal.environ |= {
        "OAUTHGUARD_ISSUER": scripted.issuer,
        "OAUTHGUARD_CLIENT_ID": "app",
        "OAUTHGUARD_CLIENT_SECRET": "sesame",
    }
    scripted.answers |= {"/token": {"access_token": "tok-1", "token_type": "Bearer"}, "/introspect": {"active": True}}
    for args in (
        ["token"],
        ["introspect"],
        ["revoke", "-"],
        ["profiles"],
        ["call", "GET", scripted.issuer],
        ["inspect"],
    ):
        assert find_loaded(terminal, FRAMEWORKS, *args, stdin="tok-1") == [], args


@pytest.mark.parametrize(("module", "args"), [("authlib", ["token"]), ("click", ["--help"])])
def test_a_missing_extra_is_named(terminal: Terminal, tmp_path: Path, module: str, args: list[str]) -> None:
    """As where only the bare distribution is installed."""
    (tmp_path / f"{module}.py").write_text(f"raise ModuleNotFoundError('no module', name='{module}')\n")
    terminal.environ |= {"OAUTHGUARD_CLIENT_SECRET": "sesame", "OAUTHGUARD_CLIENT_ID": "app"}
    answer = terminal.run(*args, PYTHONPATH=str(tmp_path), OAUTHGUARD_ISSUER="http://127.0.0.1:9")
    assert (answer.status, answer.err.count("\n")) == (1, 1)
    assert f"needs {module}" in answer.err
    assert "pyramid_oauthguard[client]" in answer.err
