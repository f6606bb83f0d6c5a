"""`oauthguard check`, `explain` and `settings` of an application with several issuers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from pyramid.authorization import Allow

from pyramid_oauthguard.command.guard.settings import settings as settings_verb
from pyramid_oauthguard.guard.reports.effective import _write
from pyramid_oauthguard.guard.settings import TABLE, parse_settings
from pyramid_oauthguard.guard.settings.principals import is_possible, list_forms
from tests.guard import commanded
from tests.guard.commanded import run_check, run_explain, write_ini
from tests.guard.several import write
from tests.issuers import CLIENT, HTTPIssuer

SECRET = "hunter2-the-secret-of-the-shop-0123456789"


@pytest.fixture(scope="module")
def two() -> Iterator[tuple[HTTPIssuer, HTTPIssuer]]:
    with (
        HTTPIssuer("/staff") as staff,
        HTTPIssuer("/shop", well_known="/shop/.well-known/openid-configuration") as shop,
    ):
        yield staff, shop


@pytest.fixture
def settings(two: tuple[HTTPIssuer, HTTPIssuer]) -> dict[str, str]:
    staff, shop = two
    found = write(None, issuers="staff shop", audience=staff.issuer.audience, leeway="10")
    found |= write("staff", issuer=staff.issuer.identifier, scopes="any")
    found |= write("shop", issuer=shop.issuer.identifier, scopes="orders", leeway="20")
    found |= write("staff", introspection__client_id=CLIENT[0], introspection__client_secret=CLIENT[1])
    return found | write("shop", introspection__client_id=CLIENT[0], introspection__client_secret=SECRET)


def test_check_reports_each_issuer_by_its_name(settings: dict[str, str], tmp_path: Path) -> None:
    result = run_check(write_ini(tmp_path, settings, "local, remote"))
    text = result.output
    assert "ok    oauthguard.issuers.staff.issuer: " in text
    assert "ok    keys of staff: 1 of 1 usable under the settings" in text
    assert "ok    keys of shop: 1 of 1 usable under the settings" in text
    assert "ok    introspection of staff: answers this application" in text
    assert "ok    asked of shop: " in text, "the first well-known address answered 404"
    assert "answered 404" in text
    assert "FAIL  oauthguard.issuers.shop.introspection: " in text
    assert "check oauthguard.issuers.shop.introspection.client_id" in text
    assert SECRET not in text
    assert result.exit_code == 1


@pytest.mark.slow
def test_an_outage_of_one_issuer_is_not_told_as_one_of_all(settings: dict[str, str], tmp_path: Path) -> None:
    ini = write_ini(tmp_path, {**settings, "oauthguard.issuers.shop.issuer": "http://127.0.0.1:9"}, "local")
    text = run_check(ini).output
    assert "every token of shop will be refused with 503; " in " ".join(text.split())
    assert "every guarded request" not in text


@pytest.mark.slow
def test_explain_names_the_issuer_and_its_settings(
    two: tuple[HTTPIssuer, HTTPIssuer], settings: dict[str, str], tmp_path: Path
) -> None:
    staff, shop = two
    ini = write_ini(tmp_path, settings, "local")
    assert "issuer staff, sub 'test-user'" in run_explain(ini, staff.issuer.mint()).output
    wrong = run_explain(ini, shop.issuer.mint(aud="https://other.test")).output
    assert "setting: oauthguard.issuers.shop.audience" in wrong
    foreign = run_explain(ini, shop.issuer.mint(iss="https://third.test")).output
    assert "setting: oauthguard.issuers" in foreign
    assert staff.issuer.identifier in foreign
    assert shop.issuer.identifier in foreign
    cut = run_explain(ini, shop.issuer.mint(scope="orders admin")).output
    assert "scopes orders (without admin: see oauthguard.issuers.shop.scopes)" in cut
    opaque = run_explain(ini, "opaque").output
    assert "REFUSED: opaque_of_no_issuer" in opaque
    assert "token_prefix" in opaque


def test_settings_prints_values_and_sources_and_no_secret(settings: dict[str, str], tmp_path: Path) -> None:
    ini = write_ini(tmp_path, settings | {"oauthguard.cache.jwks.arguments.url": "redis://u:hunter2@h/0"}, "local")
    result = CliRunner().invoke(settings_verb, [str(ini)])
    assert result.exit_code == 0, result.output
    lines = dict(line.split(" = ", 1) for line in result.stdout.splitlines())
    assert lines["oauthguard.issuers.staff.leeway"].startswith("10    # ")
    assert lines["oauthguard.issuers.staff.leeway"].endswith(": inherited from oauthguard.leeway")
    assert lines["oauthguard.issuers.shop.leeway"].startswith("20    # ")
    assert lines["oauthguard.issuers.shop.keys.cooldown"] == "30    # default"
    assert lines["oauthguard.issuers.shop.introspection.client_secret"].startswith("***    # ")
    assert lines["oauthguard.issuers.shop.cache.jwks.arguments.url"].startswith("redis://***@h/0    # ")
    assert "oauthguard.issuer" not in lines, "there is no plain issuer"
    assert "hunter2" not in result.output


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("url", "redis://u:pass@hunter2@h/0"),
        ("url", "redis://:pass/hunter2@h/0"),
        ("url", "rediss://h:6379/0?password=hunter2&db=1"),
        ("cache_dict", {"hunter2": b"hunter2"}),
    ],
)
def test_settings_masks_passwords_however_they_are_written(argument: str, value: Any) -> None:
    """Of a password with @ in it, the second half was printed."""
    row = next(each for each in TABLE if each.name == "cache.jwks.*")
    assert "hunter2" not in _write(row, f"cache.jwks.arguments.{argument}", value)


def test_settings_as_json(settings: dict[str, str], tmp_path: Path) -> None:
    result = CliRunner().invoke(settings_verb, [str(write_ini(tmp_path, settings, "local")), "--format", "json"])
    found = {each["key"]: each for each in json.loads(result.stdout)}
    assert found["oauthguard.issuers.shop.scopes"]["value"] == "orders"
    assert found["oauthguard.realm"] == {"key": "oauthguard.realm", "value": "api", "given": None, "source": "default"}


# ── principals that no issuer gives ──────────────────────────────────────────────────────────────────────────────────

SEVERAL = (
    write(
        None,
        issuers="staff entra",
        issuer="https://plain.test",
        audience="https://api.test",
        scope_implies="orders = items",
    )
    | write("staff", issuer="https://staff.test", scopes="orders", role_claim="roles")
    | write("entra", issuer="https://login.test/{tid}", issuer_values="one two", scopes="read")
)


@pytest.mark.parametrize(
    ("name", "possible"),
    [
        ("user:ada", True),
        ("user:staff/ada", True),
        ("user:staff%2Fada", True),
        ("user:shop/ada", False),
        ("user:staff/a/b", False),
        ("role:staff/admin", True),
        ("role:admin", False),
        ("user:entra/one/ada", True),
        ("user:entra/three/ada", False),
        ("user:entra/ada", False),
        ("issuer:staff", True),
        ("issuer:entra", False),
        ("issuer:entra/two", True),
        ("issuer:shop", False),
        ("scope:anything", True),
        ("group:x", False),
    ],
)
def test_which_principals_some_issuer_gives(name: str, possible: bool) -> None:
    assert is_possible(name, parse_settings(SEVERAL)) is possible


def test_scopes_that_no_issuer_is_trusted_with_are_impossible() -> None:
    settings = parse_settings({**SEVERAL, **write(None, scopes="open")})
    found = {name: is_possible(f"scope:{name}", settings) for name in ("open", "orders", "items", "read", "admin")}
    assert found == {"open": True, "orders": True, "items": True, "read": True, "admin": False}


def test_the_forms_of_principals() -> None:
    assert list_forms(parse_settings(SEVERAL)) == (
        "scope:", "client:", "user:", "client:staff/", "user:staff/", "role:staff/", "issuer:staff",
        "client:entra/{tid}/", "user:entra/{tid}/", "issuer:entra/{tid}",
    )  # fmt: skip


def test_check_warns_of_principals_that_no_issuer_gives(
    settings: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    acl: Any = ((Allow, "user:ada", "read"), (Allow, "user:shop/ada", "read"))
    monkeypatch.setattr(commanded.Root, "__acl__", acl)
    text = run_check(write_ini(tmp_path, settings, "local, read")).output
    assert "no issuer gives user:ada: principals are scope: client:staff/ user:staff/ issuer:staff" in text
