"""What `oauthguard check` says of a weak server, and what to do."""

from __future__ import annotations

import pytest

from pyramid_oauthguard.interfaces import ISelfCheck
from pyramid_oauthguard.server.store.sqlalchemy.engine import build_engine

STRONG = {"issuer": "https://id.example", "limits": "on"}


def check(server):
    return list(server.registry.getUtility(ISelfCheck, name="server")(server.registry))


def find(server, subject):
    found = [each for each in check(server) if each.subject == subject]
    assert found, subject
    return found[-1]


def warnings(server):
    return {each.subject for each in check(server) if each.level != "ok"}


def test_a_strong_server_has_one_thing_to_say(build):
    assert warnings(build(STRONG)) == {"oauthguard.server.sqlalchemy.url"}, "SQLite, where others can reach it"


def test_at_home_nothing_but_the_issuer_is_weak(build):
    assert warnings(build({"limits": "on"})) == {"oauthguard.server.issuer"}


@pytest.mark.parametrize(
    ("settings", "subject"),
    [
        ({"access_token_ttl": "2h"}, "access_token_ttl"),
        ({"code_ttl": "11m"}, "code_ttl"),
        ({"refresh_token_ttl": "31d"}, "refresh_token_ttl"),
        ({"refresh_token_max_age": "400d"}, "refresh_token_max_age"),
        ({"refresh_reuse_grace": "2m"}, "refresh_reuse_grace"),
        ({"device_code_ttl": "1d"}, "device_code_ttl"),
        ({"signing.rotation": "3650d"}, "signing.rotation"),
        ({"require_pkce": "no"}, "require_pkce"),
        ({"revocation.cascade": "no"}, "revocation.cascade"),
        ({"signing.rotation": "0"}, "signing.rotation"),
        ({"limits": "off"}, "limits"),
        ({"limits.failures": "0"}, "limits"),
        ({"sqlalchemy.url": "sqlite://"}, "sqlalchemy.url"),
    ],
)
def test_each_weakness_has_a_line_with_what_to_do(build, settings, subject):
    finding = find(build({**STRONG, **settings}), f"oauthguard.server.{subject}")
    assert finding.level == "warning"
    assert finding.hint


@pytest.mark.parametrize(
    ("given", "said"), [("90d", "90d"), ("26h", "26h"), ("150", "150s"), ("90m", "90m"), ("3d", "3d")]
)
def test_durations_are_said_as_people_write_them(build, given, said):
    assert find(build({"refresh_token_ttl": given}), "oauthguard.server.refresh_token_ttl").text == said


def test_sqlite_under_several_processes(build, monkeypatch):
    server = build({"limits": "on"})
    assert find(server, "oauthguard.server.sqlalchemy.url").level == "ok"
    monkeypatch.setenv("WEB_CONCURRENCY", "4")
    assert "PostgreSQL" in find(server, "oauthguard.server.sqlalchemy.url").hint


@pytest.mark.parametrize("secret", ["reports-secret", "reports", "password", "secret"])
def test_a_secret_that_everybody_can_guess(build, secret):
    server = build(STRONG)
    server.clients.create("R", client_id="reports", secret=secret, grants=["client_credentials"], scopes=["read"])
    finding = find(server, "client reports")
    assert finding.level == "warning"
    assert "rotate" in finding.hint
    assert secret not in (finding.text, finding.hint)
    server.clients.rotate_secret("reports", overlap=0)
    assert "client reports" not in warnings(server)


def test_scopes_that_do_not_exist(build):
    server = build(STRONG)
    made = server.clients.create("R", grants=["client_credentials"], scopes=["read", "fly"])
    assert "fly" in find(server, f"client {made.client.client_id}").text


def test_a_database_that_went_away_is_an_error_and_no_traceback(build):
    server = build(STRONG)
    server.service.keys.forget()
    engine = build_engine(f"sqlite:///{server.file}")
    with engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE oauth_signing_keys RENAME TO gone")
    engine.dispose()
    finding = find(server, "storage")
    assert (finding.level, finding.status) == ("error", 6)
