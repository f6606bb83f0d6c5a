"""`oauthguard check` and `oauthguard explain`: what they find, what they say, and how they end."""

from __future__ import annotations

import ast
import json
import logging
import re
import shutil
import threading
import time
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
from webob import Request, Response

from pyramid_oauthguard import SettingError
from pyramid_oauthguard.guard.reports.reasons import REASONS
from pyramid_oauthguard.testing import MemoryIssuer
from tests.guard.commanded import ROOT, main, run_check, run_command, run_explain, write_ini
from tests.guard.serving import serve
from tests.issuers import HTTPIssuer

pytestmark = pytest.mark.slow

HOSTILE = "\x1b]0;pwned\x07\x1b[2J"


def read_findings(result: Any) -> list[dict[str, Any]]:
    return json.loads(result.stdout)


def find(result: Any, subject: str) -> list[dict[str, Any]]:
    return [each for each in read_findings(result) if each["subject"] == subject]


# ── check: over HTTP, as a user runs it ──────────────────────────────────────────────────────────────────────────


def test_a_sound_application(server: HTTPIssuer, tmp_path: Path) -> None:
    ini = write_ini(tmp_path, server.settings, "local, remote, scoped, read")
    done = run_command("check", ini)
    assert (done.returncode, done.stderr) == (0, "0 errors, 0 warnings\n")
    kid = server.issuer.signing_key.kid
    for line in (
        f"ok    oauthguard.issuer: {server.origin}/.well-known/oauth-authorization-server describes {server.origin}",
        "ok    clock: the issuer's clock agrees with this machine's",
        "ok    keys: 1 of 1 usable under the settings",
        f"ok    keys: {kid} verifies RS256",
        "ok    introspection: answers this application",
        "ok    GET /local: checked locally",
        "ok    GET POST /remote: checked remotely",
        "ok    any method /s/{id}/x: checked locally, scope a b",
        "ok    any method /read: checked locally, permission read",
    ):
        assert line in done.stdout
    assert server.calls == {"metadata": 1, "keys": 1, "introspection": 1}


def test_an_issuer_that_is_down_is_status_6_and_one_finding(server: HTTPIssuer, tmp_path: Path) -> None:
    ini = write_ini(tmp_path, server.settings, "local, remote")
    server.close()
    done = run_command("check", ini)
    assert done.returncode == 6
    assert done.stdout.count("FAIL") == 1
    assert f"FAIL  oauthguard.issuer: unreachable: GET {server.origin}" in done.stdout
    assert "GET /local: checked locally" in done.stdout
    assert done.stderr == "1 error, 0 warnings\n"


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("oauthguard.audiense", "x", "oauthguard.audiense: is not a setting (did you mean oauthguard.audience?)"),
        ("oauthguard.issuer", "", "oauthguard.issuer: is required"),
        ("oauthguard.leeway", "soon", "oauthguard.leeway: must be a duration such as 30, 30s, 5m, 1h or 7d"),
        ("oauthguard.policy", "perhaps", "oauthguard.policy: must be true or false, not 'perhaps'"),
    ],
)
def test_a_wrong_setting_is_one_line_and_status_1(tmp_path: Path, key: str, value: str, said: str) -> None:
    settings = {"oauthguard.issuer": "https://issuer.test", "oauthguard.audience": "a", key: value}
    done = run_command("check", write_ini(tmp_path, settings))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"oauthguard: {said}")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("arguments", [("--debug", "check"), ("check", "--debug")])
def test_debug_shows_where_a_start_failed(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = run_command(*arguments, write_ini(tmp_path, {}, "fails"))
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "1 / 0" in done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.endswith("application.ini: does not start: ZeroDivisionError: division by zero")


def test_the_example_is_sound_and_its_demo_data_are_not(tmp_path: Path) -> None:
    shutil.copy(ROOT / "development.ini", tmp_path)
    done = run_command("check", tmp_path / "development.ini")
    assert done.returncode == 0
    assert done.stderr.startswith("0 errors, ")
    assert done.stdout.count("warn  example.demo: ") == 6
    clients = ("customer-manager", "customer-manager-api", "customer-cli", "customer-assistant", "customer-docs")
    for name in map(repr, (*clients, "demo")):
        assert re.search(f"warn  example.demo: the (client|user) {name} of the demo exists", done.stdout)
    assert "oauthguard.issuer: http://localhost:6543 runs in this process" in done.stdout
    assert "POST /customers/{id}/charges: checked remotely, permission charge" in done.stdout
    assert "GET /api/private-scoped: checked locally, scope read:messages" in done.stdout
    assert "customer-manager-secret" not in done.stdout


def test_demo_data_that_outlived_the_setting_are_found(tmp_path: Path) -> None:
    text = (ROOT / "development.ini").read_text("utf-8")
    ini = tmp_path / "development.ini"
    for demo, warnings in (("false", 0), ("true", 6), ("false", 6)):
        ini.write_text(text.replace("example.demo = true", f"example.demo = {demo}"), "utf-8")
        done = run_command("check", ini)  # in a process of its own, which closes the databases at its end
        assert done.stdout.count("warn  example.demo: ") == warnings


def test_the_apis_demo_secret_is_found(tmp_path: Path) -> None:
    shutil.copy(ROOT / "example_app" / "api.ini", tmp_path)
    done = run_command("check", tmp_path / "api.ini")
    assert done.stdout.count("oauthguard.introspection.client_secret: ") == 1
    assert "warn  oauthguard.introspection.client_secret: " in done.stdout
    assert "customer-manager-api-secret" not in done.stdout + done.stderr


# ── check: the issuer ────────────────────────────────────────────────────────────────────────────────────────────


def test_metadata_of_another_issuer_is_a_wrong_setting(server: HTTPIssuer, tmp_path: Path) -> None:
    ini = write_ini(tmp_path, {**server.settings, "oauthguard.issuer": f"{server.origin}/"})
    result = run_check(ini, "--format", "json")
    (finding,) = find(result, "oauthguard.issuer")
    assert finding["level"] == "error"
    assert f"describes '{server.origin}', not '{server.origin}/'" in finding["text"]
    assert result.exit_code == 1


@pytest.mark.parametrize(
    ("fault", "endpoint", "subject", "status"),
    [
        ("forbidden", "introspection", "oauthguard.introspection", 1),
        ("broken", "introspection", "oauthguard.introspection", 6),
        ("too many", "introspection", "oauthguard.introspection", 6),
        ("garbage", "introspection", "oauthguard.introspection", 1),
        ("reset", "introspection", "oauthguard.introspection", 6),
        ("broken", "keys", "keys", 6),
        ("empty", "keys", "keys", 1),
        ("redirect", "keys", "keys", 1),
        ("broken", "metadata", "oauthguard.issuer", 6),
        ("redirect", "metadata", "oauthguard.issuer", 1),
        ("empty", "metadata", "oauthguard.issuer", 1),
    ],
)
def test_the_status_tells_what_to_change_from_what_to_wait_for(
    server: HTTPIssuer, tmp_path: Path, fault: str, endpoint: str, subject: str, status: int
) -> None:
    server.fail(fault, endpoint)
    result = run_check(write_ini(tmp_path, server.settings, "remote"), "--format", "json")
    assert [each["subject"] for each in read_findings(result) if each["level"] == "error"] == [subject]
    assert result.exit_code == status


def test_what_a_cache_still_holds_is_not_what_the_issuer_says(server: HTTPIssuer, tmp_path: Path) -> None:
    cache = {"backend": "dogpile.cache.dbm", "arguments.filename": str(tmp_path / "metadata")}
    ini = write_ini(tmp_path, {**server.settings, **{f"oauthguard.cache.metadata.{key}": cache[key] for key in cache}})
    raw = server.issuer.mint()
    assert run_explain(ini, raw).exit_code == 0
    server.fail("broken", "metadata")
    assert run_explain(ini, raw).exit_code == 0  # that is what the cache is for
    assert run_check(ini).exit_code == 6


@pytest.mark.slow
def test_metadata_and_keys_in_one_file_hung(server: HTTPIssuer, tmp_path: Path) -> None:
    """Keys are fetched under the lock of the file, and need the metadata on the way."""
    names = ("metadata", "jwks", "introspection", "inactive")
    caches = {f"oauthguard.cache.{name}.backend": "dogpile.cache.dbm" for name in names}
    caches |= {f"oauthguard.cache.{name}.arguments.filename": str(tmp_path / "cache") for name in names}
    ini = write_ini(tmp_path, {**server.settings, **caches, "oauthguard.cache.trusted": "true"})
    raw, codes = server.issuer.mint(), []
    thread = threading.Thread(target=lambda: codes.append(run_explain(ini, raw).exit_code), daemon=True)
    thread.start()
    thread.join(30)
    assert codes == [0]


def test_one_lock_file_of_two_caches_stops_start_up(server: HTTPIssuer, tmp_path: Path) -> None:
    caches = {}
    for name in ("metadata", "jwks"):
        caches |= {
            f"oauthguard.cache.{name}.backend": "dogpile.cache.dbm",
            f"oauthguard.cache.{name}.arguments.filename": str(tmp_path / name),
            f"oauthguard.cache.{name}.arguments.dogpile_lockfile": str(tmp_path / "lock"),
        }
    result = run_check(write_ini(tmp_path, {**server.settings, **caches}))
    assert result.exit_code == 1
    assert "jwks.arguments.dogpile_lockfile: is also the file of oauthguard.cache.metadata." in str(result.exception)


def test_wrong_credentials_are_named_and_not_repeated(server: HTTPIssuer, tmp_path: Path) -> None:
    settings = {**server.settings, "oauthguard.introspection.client_secret": "not-the-secret"}
    result = run_check(write_ini(tmp_path, settings, "remote"))
    assert "FAIL  oauthguard.introspection: introspection_refused" in result.output
    assert "answered 401" in result.output
    assert "not-the-secret" not in result.output
    assert result.exit_code == 1


@pytest.mark.parametrize("name", ["client_id", "client_secret"])
@pytest.mark.parametrize("quote", ["'", '"'])
def test_credentials_in_quotes_are_called_so(server: HTTPIssuer, tmp_path: Path, name: str, quote: str) -> None:
    """The issuer refused them, and the advice was to check three settings."""
    key = f"oauthguard.introspection.{name}"
    value = server.settings[key]
    result = run_check(write_ini(tmp_path, {**server.settings, key: f"{quote}{value}{quote}"}, "remote"))
    assert f"warn  {key}: has quotes around it" in result.output
    assert f"{quote}{value}" not in result.output
    assert "quotes" not in run_check(write_ini(tmp_path, server.settings, "remote")).output


def test_an_issuer_that_calls_anything_active(issuer: MemoryIssuer, tmp_path: Path) -> None:
    issuer.answer("oauthguard-check-probe", {"active": True})
    result = run_check(write_ini(tmp_path, issuer.settings, "remote"))
    assert "FAIL  oauthguard.introspection: says that an invented token is active" in result.output
    assert result.exit_code == 1


def test_an_issuer_without_introspection(tmp_path: Path) -> None:
    with HTTPIssuer(extra={"introspection_endpoint": None}) as server:
        result = run_check(write_ini(tmp_path, server.settings, "remote"))
    assert "names no introspection_endpoint" in result.output
    assert result.exit_code == 1


def test_no_introspection_is_needed_where_no_view_is_checked_remotely(tmp_path: Path) -> None:
    with HTTPIssuer(extra={"introspection_endpoint": None}) as server:
        result = run_check(write_ini(tmp_path, server.settings, "local"))
    assert result.exit_code == 0
    assert "introspection" not in result.output


def test_no_key_is_usable_under_the_settings(server: HTTPIssuer, tmp_path: Path) -> None:
    result = run_check(write_ini(tmp_path, {**server.settings, "oauthguard.algorithms": "ES256"}))
    kid = server.issuer.signing_key.kid
    why = f"{kid!r} is not used: its alg 'RS256' is not one of oauthguard.algorithms"
    assert f"FAIL  keys: none of 1 keys is usable under the settings: {why}" in result.output
    assert result.exit_code == 1


def test_the_usable_keys_are_listed(server: HTTPIssuer, tmp_path: Path) -> None:
    server.issuer.publish(
        {"kty": "AKP", "alg": "ML-DSA-44", "kid": "post-quantum", "pub": "AAAA"}, {"kty": "oct", "k": "AAAA"}
    )
    kid = server.issuer.rotate("ES256").kid
    texts = [each["text"] for each in find(run_check(write_ini(tmp_path, server.settings), "--format", "json"), "keys")]
    assert texts[0] == "2 of 4 usable under the settings"
    assert f"{kid} verifies ES256" in texts
    assert "'post-quantum' is not used: its kty 'AKP' is not supported" in texts
    assert "a key without kid is not used: it is private or symmetric: it has k" in texts
    assert len(texts) == 5


@pytest.mark.parametrize(("max_age", "cooldown", "said"), [(10, "30", True), (0, "1m", True), (30, "30", False)])
def test_a_max_age_shorter_than_the_cool_down_is_said(
    server: HTTPIssuer, tmp_path: Path, max_age: float, cooldown: str, said: bool
) -> None:
    server.issuer.max_age = max_age
    ini = write_ini(tmp_path, {**server.settings, "oauthguard.keys.cooldown": cooldown})
    texts = [each["text"] for each in find(run_check(ini, "--format", "json"), "oauthguard.keys.cooldown")]
    kept = cooldown.replace("1m", "60")
    assert texts == (
        [f"the issuer allows to keep its keys for {max_age} s; they are kept for {kept} s"] if said else []
    )


def test_settings_that_say_something_else_than_the_metadata(tmp_path: Path) -> None:
    with HTTPIssuer(extra={"introspection_endpoint_auth_methods_supported": ["private_key_jwt"]}) as server:
        there = f"{server.origin}/elsewhere/jwks"
        settings = {**server.settings, "oauthguard.jwks_uri": there}
        result = run_check(write_ini(tmp_path, settings, "remote"), "--format", "json")
    (different,) = find(result, "oauthguard.jwks_uri")
    assert different["level"] == "warning"
    assert different["text"] == f"is {there}, but the issuer's metadata have {server.origin}/jwks"
    (method,) = find(result, "oauthguard.introspection.auth_method")
    assert method["text"] == "is client_secret_basic, but the issuer supports private_key_jwt"
    assert result.exit_code == 0


def test_metadata_that_nobody_needs_may_be_missing(server: HTTPIssuer, tmp_path: Path) -> None:
    server.fail("broken", "metadata")
    result = run_check(write_ini(tmp_path, {**server.settings, "oauthguard.jwks_uri": f"{server.origin}/jwks"}))
    assert "warn  oauthguard.issuer: unreachable" in result.output
    assert "ok    keys: 1 of 1" in result.output
    assert result.exit_code == 0


@pytest.mark.parametrize(("ahead", "level"), [(0, "ok"), (-20, "ok"), (20, "ok"), (-90, "warning"), (3600, "warning")])
def test_the_difference_of_the_clocks(tmp_path: Path, ahead: float, level: str) -> None:
    issuer = MemoryIssuer("http://127.0.0.1")

    def answer(environ: Any, start_response: Any) -> Any:
        path = Request(environ).path
        body = issuer.jwks if path == "/jwks" else {**issuer.metadata, "issuer": here, "jwks_uri": f"{here}/jwks"}
        response = Response(json_body=body, headers={"Date": formatdate(time.time() + ahead, usegmt=True)})
        return response(environ, start_response)

    with serve(answer) as server:
        here = f"http://127.0.0.1:{server.port}"
        settings = {"oauthguard.issuer": here, "oauthguard.audience": "https://api.test"}
        (clock,) = find(run_check(write_ini(tmp_path, settings), "--format", "json"), "clock")
    assert clock["level"] == level
    assert ("ahead" in clock["text"]) == (ahead > 0)
    if abs(ahead) > 1:
        assert abs(ahead) - 5 <= int(re.findall(r"\d+", clock["text"])[0]) <= abs(ahead)
    else:
        assert "agrees" in clock["text"]
    assert ("oauthguard.leeway" in clock["hint"]) == (level == "warning")


def test_what_an_issuer_calls_its_keys_does_not_steer_the_terminal(issuer: MemoryIssuer, tmp_path: Path) -> None:
    issuer.publish({**issuer.signing_key.jwk, "kid": HOSTILE})
    result = run_check(write_ini(tmp_path, issuer.settings))
    assert "pwned" in result.stdout
    assert "\x1b" not in result.stdout
    assert "\x07" not in result.stdout


# ── check: the views ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("view", "settings", "warning"),
    [
        ("read", {}, None),
        ("ungranted", {}, "no ACL grants this permission to anybody: every request gets 403"),
        ("denied", {}, "no ACL grants this permission to anybody: every request gets 403"),
        ("rootless", {}, "no ACL grants this permission to anybody, for there is no root factory"),
        (
            "administer",
            {},
            "it is granted to role:admin alone, which no token gives: principals are scope: client: user:",
        ),
        ("administer", {"oauthguard.role_claim": "roles"}, None),
        ("work", {}, "it is granted to group:staff alone, which no token gives"),
        ("work", {"oauthguard.principals": "tests.guard.commanded.add_principals"}, None),
        ("own", {}, "it is granted to somebody alone, which no token gives"),
        ("computed", {}, None),
    ],
)
def test_a_permission_that_nobody_can_have(
    issuer: MemoryIssuer, tmp_path: Path, view: str, settings: dict[str, str], warning: str | None
) -> None:
    result = run_check(write_ini(tmp_path, {**issuer.settings, **settings}, view), "--format", "json")
    (finding,) = [each for each in read_findings(result) if "permission" in each["text"]]
    assert finding["level"] == ("warning" if warning else "ok")
    assert finding["hint"].startswith(warning or "")
    assert result.exit_code == 0


def test_without_our_policy_nobody_judges_its_acls(issuer: MemoryIssuer, tmp_path: Path) -> None:
    result = run_check(write_ini(tmp_path, {**issuer.settings, "oauthguard.policy": "off"}, "ungranted"))
    assert "ok    any method /ungranted: checked locally, permission fly" in result.output


def test_every_kind_of_view_is_described(issuer: MemoryIssuer, tmp_path: Path) -> None:
    result = run_check(write_ini(tmp_path, issuer.settings, "requirements, plain, traversed"))
    assert "any method /req: checked locally, any_scope a b, client web" in result.output
    assert "any method view 'show' of Root: checked locally" in result.output
    assert "ok    open views: answer without a token: any method /plain\n" in result.output


def test_a_default_permission_guards_what_names_none(issuer: MemoryIssuer, tmp_path: Path) -> None:
    result = run_check(write_ini(tmp_path, issuer.settings, "default, plain"))
    assert "any method /plain: checked locally, permission read" in result.output
    assert "HTTPNotFound" not in result.output


def test_an_application_that_guards_nothing(issuer: MemoryIssuer, tmp_path: Path) -> None:
    result = run_check(write_ini(tmp_path, issuer.settings, "plain"))
    assert "warn  views: none is guarded" in result.output
    assert result.exit_code == 0


# ── check: the application ───────────────────────────────────────────────────────────────────────────────────────


def test_an_applications_own_checks_are_asked(issuer: MemoryIssuer, tmp_path: Path) -> None:
    result = run_check(write_ini(tmp_path, issuer.settings, "local, finding"))
    assert "  warn  shop.till: is open\n          close it\n" in result.output
    assert "GET /local" in result.output


def test_a_check_that_breaks_does_not_hide_the_others(issuer: MemoryIssuer, tmp_path: Path) -> None:
    result = run_check(write_ini(tmp_path, issuer.settings, "local, broken finding"))
    assert "FAIL  shop: this check itself failed with ConnectionError: the check itself is broken" in result.output
    assert "GET /local" in result.output
    assert result.exit_code == 1


def test_a_verifier_of_its_own_needs_no_keys(tmp_path: Path) -> None:
    settings = {"oauthguard.issuer": "https://nobody.invalid", "oauthguard.audience": "a"}
    result = run_check(write_ini(tmp_path, settings, "local, broken verifier"))
    assert "ok    verifiers: the application checks tokens of local views itself" in result.output
    assert result.exit_code == 0


def test_what_the_application_prints_and_logs_is_not_the_answer(server: HTTPIssuer, tmp_path: Path) -> None:
    done = run_command("check", write_ini(tmp_path, server.settings, "local, prints, logs"), "--format", "json")
    assert all(each["level"] == "ok" for each in json.loads(done.stdout))
    assert done.stderr == "hello from the application\n"


def test_what_a_check_of_the_application_prints_is_not_in_the_json(issuer: MemoryIssuer, tmp_path: Path) -> None:
    result = run_check(write_ini(tmp_path, issuer.settings, "local, printing finding"), "--format", "json")
    assert find(result, "shop.till") != []


def test_silence_ends_with_the_command(issuer: MemoryIssuer, tmp_path: Path) -> None:
    before = list(logging.getLogger().handlers)
    run_check(write_ini(tmp_path, issuer.settings))
    assert logging.getLogger().handlers == before


def test_another_section_and_middleware(issuer: MemoryIssuer, tmp_path: Path) -> None:
    more = (
        "[filter:wrap]\npaste.filter_app_factory = tests.guard.commanded:wrap\n[pipeline:whole]\npipeline = wrap main\n"
    )
    ini = write_ini(tmp_path, issuer.settings, more=more)
    assert "GET /local" in run_check(f"{ini}#whole").output
    missing = run_check(f"{ini}#other")
    assert isinstance(missing.exception, SettingError)
    assert "the part after # is the name of a section" in str(missing.exception)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "is not a file"),
        ("[app:main]\nuse = call:no_such_package:main\n", "ModuleNotFoundError: No module named 'no_such_package'"),
        ("[app:main]\nuse = egg:no_such_distribution\n", "no_such_distribution"),
        ("[app:main]\nuse = call:tests.guard.commanded:no_such_function\n", "no_such_function"),
        ("[app:main]\nuse = call:tests.guard.commanded:main\nviews = fails\nguarded = false\n", "ZeroDivisionError"),
        (
            "[app:main]\nuse = call:tests.guard.commanded:main\nviews = conflict\nguarded = false\n",
            "ConfigurationConflictError",
        ),
        ("[app:main]\nuse = call:builtins:dict\n", "is not a Pyramid application"),
        ("[server:main]\nuse = egg:waitress#main\n", "does not start: LookupError"),
        ("use = nothing\n", "does not start: MissingSectionHeaderError"),
        ("", "does not start"),
    ],
)
def test_whatever_keeps_an_application_from_starting_is_one_line(tmp_path: Path, text: str | None, said: str) -> None:
    ini = tmp_path / "application.ini"
    if text is not None:
        ini.write_text(text, "utf-8")
    for result in (run_check(ini), run_explain(ini, "a.b.c")):
        assert isinstance(result.exception, SettingError), result.output
        assert result.exception.key == str(ini)
        assert said in str(result.exception)
        assert "\n" not in str(result.exception)
        assert len(str(result.exception)) < 700


@pytest.mark.parametrize("value", ["sek% of rit", "sek%(nowhere)srit", "%(a)s-sekrit\na = %(a)s"])
def test_a_percent_sign_in_a_secret_is_reported_with_its_setting_and_without_the_secret(
    tmp_path: Path, value: str
) -> None:
    ini = tmp_path / "application.ini"
    ini.write_text(
        f"[app:main]\nuse = call:tests.guard.commanded:main\noauthguard.introspection.client_secret = {value}\n"
    )
    said = str(run_check(ini).exception)
    assert said.startswith(f"{ini}: oauthguard.introspection.client_secret: does not start")
    assert "write %%" in said
    assert "sek" not in said
    assert "rit" not in said.replace("write", "")


@pytest.mark.parametrize("text", ["client_secret: sekrit\n[app:main]\n", "[app:main]\nuse = egg:x\n= sekrit\nsekrit\n"])
def test_a_line_that_cannot_be_read_is_named_by_its_number(tmp_path: Path, text: str) -> None:
    ini = tmp_path / "application.ini"
    ini.write_text(text)
    said = str(run_check(ini).exception)
    assert "line 1 is before the first section" in said or "line 3, 4" in said
    assert "sekrit" not in said


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (
            b"\xef\xbb\xbf[app:main]\nuse = egg:x\n",
            "it begins with a byte order mark, which makes its first line unreadable",
        ),
        ("[app:main]\nuse = egg:x\n".encode("utf-16"), "it is in UTF-16"),
        (b"[app:main]\nuse = egg:x\n# f\xfcr sekrit\n", "line 3 is not UTF-8 text"),
    ],
    ids=["mark", "utf-16", "latin-1"],
)
def test_an_ini_file_in_another_encoding_is_called_so(tmp_path: Path, data: bytes, said: str) -> None:
    """A byte order mark was "line 1 is before the first section", and of another encoding no line was named."""
    ini = tmp_path / "application.ini"
    ini.write_bytes(data)
    expected = f"{ini}: does not start: {said} (save it as UTF-8 without a byte order mark)"
    assert str(run_check(ini).exception) == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "[app:main]\nuse = egg:x\nsekrit\n",
            "{base}: does not start: ParsingError: neither a section nor a setting: line 3",
        ),
        ("\ufeff[app:main]\nuse = egg:x\n", "{base}: does not start: it begins with a byte order mark"),
        ("[app:main]\nuse = egg:x\na = 5 % b\n", "{base}: a: does not start: [app:main] has a %"),
    ],
)
def test_the_file_that_another_one_uses_is_named_where_it_is_wrong(tmp_path: Path, text: str, said: str) -> None:
    """The error named the file on the command line, and a line of the other one."""
    base, ini = tmp_path / "base.ini", tmp_path / "application.ini"
    base.write_text(text, "utf-8")
    ini.write_text("[app:main]\nuse = config:base.ini\n")
    assert str(run_check(ini).exception).startswith(said.format(base=base))


def test_programs_that_read_json_get_what_keeps_the_application_from_starting(tmp_path: Path) -> None:
    """Standard output was empty, which is not JSON."""
    settings = {"oauthguard.issuer": "https://issuer.test", "oauthguard.audience": "a", "oauthguard.leeway": "soon"}
    ini = write_ini(tmp_path, settings)
    (finding,) = read_findings(run_check(ini, "--format", "json"))
    assert (finding["level"], finding["subject"], finding["status"]) == ("error", "oauthguard.leeway", 1)
    (outcome,) = json.loads(run_explain(ini, "a.b.c", "--format", "json").stdout)
    assert (outcome["reason"], outcome["setting"], outcome["status"]) == ("not_started", "oauthguard.leeway", 1)
    done = run_command("check", ini, "--format", "json")
    assert (done.returncode, len(json.loads(done.stdout)), done.stderr.count("\n")) == (1, 1, 1)


def test_an_application_without_a_guard(tmp_path: Path) -> None:
    ini = write_ini(tmp_path, {"guarded": "false"}, "plain")
    assert "its application has nothing to check" in str(run_check(ini).exception)
    assert "oauthguard: is not configured" in str(run_explain(ini, "a.b.c").exception)


def test_another_application_in_this_process_is_not_taken_for_it(issuer: MemoryIssuer, tmp_path: Path) -> None:
    other = main({}, views="local", **issuer.settings)
    (tmp_path / "application.ini").write_text("[app:main]\nuse = call:builtins:dict\n")
    assert "is not a Pyramid application" in str(run_check(tmp_path / "application.ini").exception)
    assert other.registry is not None  # it lived until here


def test_a_file_of_another_kind(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("# Hello\n")
    result = run_check(tmp_path / "README.md")
    assert "the name of an ini file ends in .ini" in str(result.exception)


# ── explain ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_good_token_over_http(server: HTTPIssuer, tmp_path: Path) -> None:
    raw = server.issuer.mint(sub="ada", scope="read")
    done = run_command("explain", write_ini(tmp_path, server.settings, "local, remote"), "-", token=raw.encode())
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("accepted") == 2
    assert re.search(r"sub 'ada', client 'test-client', scopes read, expires in (5\d\d|600) s", done.stdout)
    assert raw not in done.stdout


def test_a_revoked_token_over_http(server: HTTPIssuer, tmp_path: Path) -> None:
    raw = server.issuer.mint()
    server.issuer.revoke(raw)
    done = run_command("explain", write_ini(tmp_path, server.settings, "local, remote"), token=raw.encode())
    assert done.returncode == 5
    assert "local   accepted" in done.stdout
    assert "remote  REFUSED: inactive" in done.stdout


def test_an_issuer_that_is_down_says_nothing_of_the_token(server: HTTPIssuer, tmp_path: Path) -> None:
    raw = server.issuer.mint()
    server.close()
    done = run_command("explain", write_ini(tmp_path, server.settings), token=raw.encode())
    assert done.returncode == 6
    assert "local   CAN'T SAY: unreachable" in done.stdout
    assert "REFUSED: " not in done.stdout
    assert done.stderr == ""


def test_a_token_on_the_command_line_is_refused_and_not_repeated(issuer: MemoryIssuer, tmp_path: Path) -> None:
    raw = issuer.mint()
    done = run_command("explain", write_ini(tmp_path, issuer.settings), raw)
    assert done.returncode == 1
    assert "never on the command line" in done.stderr
    assert raw not in done.stderr


@pytest.mark.parametrize(
    ("claims", "settings", "reason", "setting", "words"),
    [
        ({"exp": 1_000_000_000}, {}, "expired", "oauthguard.leeway", "the leeway is 30 s"),
        ({"aud": "https://other.test"}, {}, "wrong_audience", "oauthguard.audience", "its aud is 'https://other.test', accepted are https://api.test"),
        ({"iss": "https://other.test"}, {}, "wrong_issuer", "oauthguard.issuer", "its iss is 'https://other.test', but must be 'https://issuer.test'"),
        ({}, {"oauthguard.client_id": "web"}, "wrong_client", "oauthguard.client_id", "it was issued to 'test-client', accepted are web"),
        ({"nbf": 9_000_000_000}, {}, "not_yet_valid", "oauthguard.leeway", "its nbf lies more than 30 s ahead"),
        ({"scope": 7}, {}, "bad_scope", "oauthguard.scope_claim", "its scopes are neither text nor a list of texts"),
    ],
)  # fmt: skip
def test_a_refusal_names_the_setting(
    issuer: MemoryIssuer, tmp_path: Path, claims: Any, settings: Any, reason: str, setting: str, words: str
) -> None:
    ini = write_ini(tmp_path, {**issuer.settings, **settings})
    result = run_explain(ini, issuer.mint(claims), "--format", "json")
    (outcome,) = json.loads(result.stdout)
    assert (outcome["mode"], outcome["reason"], outcome["setting"]) == ("local", reason, setting)
    assert words in outcome["text"]
    assert result.exit_code == 5


@pytest.mark.parametrize("spelling", ["{}", "{}\n", "Bearer {}", "bearer {}", "Authorization: Bearer {}\r\n", "  {}  "])
def test_a_token_is_read_however_it_was_copied(issuer: MemoryIssuer, tmp_path: Path, spelling: str) -> None:
    result = run_explain(write_ini(tmp_path, issuer.settings), spelling.format(issuer.mint()))
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_token_is_read_as_windows_writes_it(issuer: MemoryIssuer, tmp_path: Path, encoding: str) -> None:
    """`oauthguard token > token.txt` in PowerShell is UTF-16: the issuer was said to make tokens of odd characters."""
    result = run_explain(write_ini(tmp_path, issuer.settings), f"{issuer.mint()}\r\n".encode(encoding))
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize("spelling", ['"{}"', '"{}",', "'{}'", "{first}\n{rest}", "{first} \\\n  {rest}"])
def test_a_token_that_was_copied_with_more_is_to_be_copied_again(
    issuer: MemoryIssuer, tmp_path: Path, spelling: str
) -> None:
    """The advice was to have the issuer make other tokens."""
    raw = issuer.mint()
    result = run_explain(write_ini(tmp_path, issuer.settings), spelling.format(raw, first=raw[:90], rest=raw[90:]))
    assert result.exit_code == 5
    assert "copy the token again, alone, without quotes and in one line" in result.output
    odd = run_explain(write_ini(tmp_path, issuer.settings), "00Dx0000000BV7z!AR8AQ").output
    assert "have the issuer make tokens of these characters" in odd


def test_a_token_in_a_file(issuer: MemoryIssuer, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(issuer.mint() + "\n")
    assert run_explain(write_ini(tmp_path, issuer.settings), "", str(tmp_path / "token")).exit_code == 0


@pytest.mark.parametrize("data", [b"", b"\n", b"Bearer ", b"Authorization: Bearer\n"])
def test_no_token_is_a_usage_error(issuer: MemoryIssuer, tmp_path: Path, data: bytes) -> None:
    result = run_explain(write_ini(tmp_path, issuer.settings), data)
    assert "no token: send it to standard input" in result.output
    assert result.exit_code == 2  # which the command around it makes 1


@pytest.mark.parametrize("data", [b"\xff\xfe\x00", b"a.b.c", b"....", b"a" * 300_000, "ä.ö.ü".encode(), b"{}"])
@pytest.mark.parametrize("views", ["local", "remote"])
def test_whatever_comes_is_explained(issuer: MemoryIssuer, tmp_path: Path, data: bytes, views: str) -> None:
    result = run_explain(write_ini(tmp_path, issuer.settings, views), data)
    assert result.exit_code == 5, result.output
    assert "REFUSED: " in result.output


def test_only_the_modes_in_use_are_explained(issuer: MemoryIssuer, tmp_path: Path) -> None:
    def read_modes(views: str, **settings: str) -> list[str]:
        ini = write_ini(tmp_path, {**issuer.settings, **settings}, views)
        return [each["mode"] for each in json.loads(run_explain(ini, issuer.mint(), "--format", "json").stdout)]

    assert read_modes("local") == ["local"]
    assert read_modes("local, remote") == ["local", "remote"]
    assert read_modes("plain", **{"oauthguard.token_check": "remote"}) == ["remote"]


@pytest.mark.parametrize("verifier", ["broken verifier", "careless verifier"])
def test_a_verifier_of_the_applications_own_that_fails(issuer: MemoryIssuer, tmp_path: Path, verifier: str) -> None:
    raw = issuer.mint()
    result = run_explain(write_ini(tmp_path, issuer.settings, f"local, {verifier}"), raw)
    assert "CAN'T SAY: verifier_failed" in result.output
    assert raw not in result.output
    assert result.exit_code == 1


def test_claims_do_not_steer_the_terminal(issuer: MemoryIssuer, tmp_path: Path) -> None:
    for claims in ({"scope": HOSTILE, "sub": HOSTILE}, {"aud": HOSTILE}, {"iss": HOSTILE}):
        result = run_explain(write_ini(tmp_path, issuer.settings), issuer.mint(claims))
        assert "pwned" in result.stdout
        assert "\x1b" not in result.stdout


def test_every_reason_for_a_refusal_has_words() -> None:
    """Those of InvalidToken in the guard and below; what is said of a view's requirements or of the issuer's own signed answer is
    not about the token."""
    found = set()
    packages = (ROOT / "pyramid_oauthguard" / name for name in ("guard", "issuers", "jwt"))
    files = {each for package in packages for each in package.rglob("*.py") if each.name != "signed_answers.py"}
    for path in files:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("InvalidToken", "as_texts"):
                last = node.args[-1]
                found.update([last.value] if isinstance(last, ast.Constant) else [])
    assert len(found) > 20
    assert found == set(REASONS)
