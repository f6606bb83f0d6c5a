"""The house rules: who may import whom, what is public, what is in the wheel."""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from dataclasses import fields
from importlib import import_module
from pathlib import Path

import pytest
from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports

from pyramid_oauthguard import AccessToken
from tests.documentation import PAGES

ROOT = Path(__file__).parent.parent


@pytest.fixture
def loggers() -> Iterator[None]:
    """The linter turns off all loggers that are there; the tests that follow need them."""
    before = {
        name: each.disabled
        for name, each in logging.root.manager.loggerDict.items()
        if isinstance(each, logging.Logger)
    }
    yield
    for name, disabled in before.items():
        logging.getLogger(name).disabled = disabled


@pytest.mark.slow
@pytest.mark.usefixtures("loggers")
def test_import_contracts() -> None:
    status = lint_imports(config_filename=str(ROOT / "setup.cfg"), no_cache=True, no_logo=True)
    assert status == EXIT_STATUS_SUCCESS, "see the broken contract above; `make check` prints it too"


def test_no_package_is_crowded() -> None:
    """More than 20 modules side by side, with no rule among them, are packages that were not made."""
    folders = (path.parent for path in (ROOT / "pyramid_oauthguard").rglob("*.py"))
    assert {folder.name: count for folder, count in Counter(folders).items() if count > 20} == {}


# ── What an import brings along: __init__ side effects, imports by string and lazy ones escape the linter ────────

OURS = "pyramid_oauthguard."
PYRAMID = {"pyramid", "webob", "venusian"}
STORAGE = {"sqlalchemy", "alembic", "zope.sqlalchemy"}
NOT_BARE = {"authlib", "requests", "click", "rich", "keyring", "jinja2", *STORAGE}
GUARD, SERVER, CLIENT = (OURS + name for name in ("guard", "server", "client"))

BANNED = {
    "pyramid_oauthguard": {*PYRAMID, *NOT_BARE, "urllib3", "joserfc", "dogpile", GUARD, SERVER, CLIENT},
    "pyramid_oauthguard.errors": {*PYRAMID, *NOT_BARE},
    "pyramid_oauthguard.access_token": {*PYRAMID, *NOT_BARE},
    "pyramid_oauthguard.strict_json": {*PYRAMID, *NOT_BARE},
    "pyramid_oauthguard.outages": {*PYRAMID, *NOT_BARE},
    "pyramid_oauthguard.settings": NOT_BARE,
    "pyramid_oauthguard.caching": NOT_BARE,
    "pyramid_oauthguard.interfaces": NOT_BARE,
    "pyramid_oauthguard.fetch": {*PYRAMID, *NOT_BARE},
    "pyramid_oauthguard.discovery": {*PYRAMID, *NOT_BARE},
    "pyramid_oauthguard.guard": {*NOT_BARE, SERVER, CLIENT},
    "pyramid_oauthguard.server": {"click", "rich", "keyring", GUARD, CLIENT},
    "pyramid_oauthguard.client": {*PYRAMID, *STORAGE, GUARD, SERVER},
    "pyramid_oauthguard.command.main": {*PYRAMID, *STORAGE, GUARD, SERVER},
}


def list_imported(statement: str) -> set[str]:
    """Return the names of all modules in a fresh interpreter after one statement."""
    code = f"import json, sys\n{statement}\nprint(json.dumps(list(sys.modules)))"
    # No site customisation of this environment (coverage, editable finders) may import things first.
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    env.pop("COVERAGE_PROCESS_START", None)
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.slow
@pytest.mark.parametrize("module", BANNED)
def test_import_brings_nothing_of_other_packages(module: str) -> None:
    assert not list_imported(f"import {module}") & BANNED[module]


@pytest.mark.slow
def test_help_of_the_command_starts_light() -> None:
    run = "sys.argv = ['oauthguard', '--help']\ntry: main.main()\nexcept SystemExit: pass"
    assert (
        not list_imported(f"from pyramid_oauthguard.command import main\n{run}")
        & BANNED["pyramid_oauthguard.command.main"]
    )


# ── What is public: a name that comes or goes does so on purpose ────────────────────────────────────────────────

#: All that these modules offer.
SURFACE = {
    "pyramid_oauthguard": {
        "AccessToken",
        "InsufficientScope",
        "InsufficientUserAuthentication",
        "InvalidRequest",
        "InvalidToken",
        "MissingToken",
        "OAuthGuardError",
        "SettingError",
        "TokenError",
        "UnavailableError",
        "includeme",
    },
    "pyramid_oauthguard.guard": {
        "OAuthAuthenticationPolicy",
        "OAuthSecurityPolicy",
        "TokenOutcome",
        "TokensUnder",
        "csrf_callback",
        "forbidden_view",
        "includeme",
        "require",
    },
    "pyramid_oauthguard.guard.events": {"AccessTokenAccepted", "AccessTokenRejected"},
    "pyramid_oauthguard.guard.openapi": {"SCHEME", "Operation", "find_operations", "secure_document"},
    "pyramid_oauthguard.guard.verification": {"IssuerVerifier", "VerifierSet", "build_verifier", "verify"},
    "pyramid_oauthguard.interfaces": {
        "Credential",
        "Finding",
        "ICredentialCheck",
        "ICredentialVerifier",
        "IEmbeddedIssuer",
        "IHealthProbes",
        "IIssuer",
        "IIssuerListener",
        "IOAuthStore",
        "ISelfCheck",
        "ITokenRequirement",
        "ITokenVerifier",
        "ITokensOnPages",
        "IssuedTokens",
        "KeyDocument",
        "ProofFacts",
        "Step",
    },
    "pyramid_oauthguard.server": {"includeme"},
    "pyramid_oauthguard.server.clients": {
        "ClientRegistry",
        "IClientRegistry",
        "MadeClient",
        "MadeSecret",
        "RegistrationError",
        "get_clients",
    },
    "pyramid_oauthguard.server.keys": {"IKeyRegistry", "KeyRegistry", "KeyStatus", "SigningKeyError", "get_keys"},
    "pyramid_oauthguard.server.users": {"IUserRegistry", "UserRegistry", "get_users"},
    "pyramid_oauthguard.server.limits": {"TooManyRequestsError"},
    "pyramid_oauthguard.server.store.contract": {
        "AssertionRows",
        "AuditRows",
        "ClientRows",
        "CodeRows",
        "ConsentRows",
        "DeviceRows",
        "KeyRows",
        "NoAnswerError",
        "RefreshRows",
        "Store",
        "TokenRows",
        "Unit",
        "UpkeepRows",
    },
    "pyramid_oauthguard.server.store.sqlalchemy": {"SQLAlchemyStore", "include_name"},
    "pyramid_oauthguard.testing": {
        "ABSENT",
        "MemoryIssuer",
        "SigningKey",
        "bearer",
        "generate_key",
        "mint",
        "read_claims",
        "set_token",
        "tamper",
        "trust",
    },
    "pyramid_oauthguard.metrics": {"includeme"},
    "pyramid_oauthguard.toolbar": {"includeme"},
    "pyramid_oauthguard.testing.contracts": {"StoreContract", "VerifierContract"},
}

#: What is public of modules that have other names for the distribution itself.
PARTS = {
    "pyramid_oauthguard.engines": {"keep_in_process"},
    "pyramid_oauthguard.health.probes": {"Probe", "Reading"},
    "pyramid_oauthguard.processes": {"register"},
    "pyramid_oauthguard.server.events": {
        "AuthorizationApproved",
        "AuthorizationDenied",
        "ClientCreated",
        "ClientEdited",
        "ClientKeysReplaced",
        "ClientRevoked",
        "ClientSecretRevoked",
        "ClientSecretRotated",
        "ConsentRevoked",
        "SigningKeyMade",
        "SigningKeyRetired",
        "SigningKeyRevoked",
        "TokenIssued",
        "TokenRevoked",
        "TokensImported",
        "UserForgotten",
    },
    "pyramid_oauthguard.server.grants": {"Approval", "InvalidGrantError", "OAuthGrant"},
    "pyramid_oauthguard.server.http.exact_path": {"ExactPath"},
    "pyramid_oauthguard.server.request_headers": {"HeaderTooLongError", "check_headers"},
    "pyramid_oauthguard.server.service": {"ResourceOwner", "find_service"},
    "pyramid_oauthguard.server.store.records": {
        "AccessTokenRecord",
        "AuditEntry",
        "Client",
        "ClientSecret",
        "CodeRecord",
        "Consent",
        "DeviceRecord",
        "Grant",
        "RefreshTokenRecord",
        "SigningKeyRecord",
    },
}


@pytest.mark.parametrize("module", SURFACE)
def test_public_names(module: str) -> None:
    found = import_module(module)
    assert set(found.__all__) == SURFACE[module]
    assert all(hasattr(found, name) for name in found.__all__)


@pytest.mark.parametrize("module", PARTS)
def test_public_names_of_other_modules(module: str) -> None:
    assert PARTS[module] <= set(import_module(module).__all__)


def test_members_of_an_access_token() -> None:
    names = {*dir(AccessToken), *(each.name for each in fields(AccessToken))}
    members = {name for name in names if not name.startswith("_")}
    assert members == {
        "audience",
        "can",
        "can_all",
        "can_any",
        "claims",
        "client_id",
        "expires_at",
        "implied_scopes",
        "issued_at",
        "issuer",
        "issuer_name",
        "mode",
        "scopes",
        "subject",
        "expired",
        "to_dict",
        "token_id",
        "username",
    }


# ── What the settings page says of each setting ─────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("part", ["guard", "server", "health", "metrics"])
def test_each_setting_has_an_example_and_a_cost_and_no_other_has(part: str) -> None:
    """A new row of a table needs a line in docs/reference/settings.toml."""
    notes = tomllib.loads((ROOT / "docs" / "reference" / "settings.toml").read_text("utf-8"))
    settings = import_module(f"{OURS}{part}.settings")
    prefix = settings.PREFIX
    assert sorted(notes[prefix]) == sorted(row.name for row in settings.TABLE)
    assert all(note["example"] and note["cost"].endswith(".") for note in notes[prefix].values())


#: Characters of code that fit beside the menu of the site on a screen that is 1280 px wide.
MAX_CODE = 98
#: Blocks of code, and not the directives of Sphinx, whose lines are no code.
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def test_no_line_of_code_in_the_docs_is_too_long() -> None:
    """What a program prints and settings wrap on the page (docs/_static/site.css)."""
    found = [(page.name, *each) for page in PAGES for each in FENCE.findall(page.read_text("utf-8"))]
    blocks = [(name, block) for name, language, block in found if language not in ("console", "ini")]
    files = [
        page.parent / name for page in PAGES for name in re.findall(r"{literalinclude} (\S+)", page.read_text("utf-8"))
    ]
    blocks += [(path.name, path.read_text("utf-8")) for path in files if path.suffix != ".ini"]
    assert len(blocks) > 50
    assert [(name, line) for name, block in blocks for line in block.splitlines() if len(line) > MAX_CODE] == []
