"""What `oauthguard check` says of a weak server, and what to do."""

from __future__ import annotations

import pytest
from pyramid.config import Configurator
from sqlalchemy.engine import make_url

from pyramid_oauthguard.interfaces import ISelfCheck
from pyramid_oauthguard.server.service import IService
from pyramid_oauthguard.server.store.sqlalchemy import schema
from pyramid_oauthguard.server.store.sqlalchemy.engine import build_engine
from tests.server.cluster import run_cluster
from tests.server.databases import make_database
from tests.steady.redis_server import run_redis

STRONG = {"issuer": "https://id.example", "limits": "on"}


def check(server):
    return list(server.registry.getUtility(ISelfCheck, name="server")(server.registry))


def find(server, subject):
    found = [each for each in check(server) if each.subject == subject]
    assert found, subject
    return found[-1]


def warnings(server):
    return {each.subject for each in check(server) if each.level != "ok"}


@pytest.mark.slow
def test_a_strong_server_has_one_thing_to_say(build):
    assert warnings(build(STRONG)) == {"oauthguard.server.sqlalchemy.url"}, "SQLite, where others can reach it"


@pytest.mark.slow
def test_at_home_nothing_but_the_issuer_is_weak(build):
    assert warnings(build({"limits": "on"})) == {"oauthguard.server.issuer"}


@pytest.mark.slow
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


@pytest.mark.slow
@pytest.mark.parametrize(
    ("given", "said"), [("90d", "90d"), ("26h", "26h"), ("150", "150s"), ("90m", "90m"), ("3d", "3d")]
)
def test_durations_are_said_as_people_write_them(build, given, said):
    assert find(build({"refresh_token_ttl": given}), "oauthguard.server.refresh_token_ttl").text == said


@pytest.mark.slow
def test_sqlite_under_several_processes(build, monkeypatch):
    server = build({"limits": "on"})
    assert find(server, "oauthguard.server.sqlalchemy.url").level == "ok"
    monkeypatch.setenv("WEB_CONCURRENCY", "4")
    assert "PostgreSQL" in find(server, "oauthguard.server.sqlalchemy.url").hint


def test_a_folder_in_which_all_may_write(build, tmp_path):
    folder = tmp_path / "open" / "inner"
    folder.mkdir(parents=True)
    settings = {"sqlalchemy.url": f"sqlite:///{folder}/a.sqlite", "pepper_file": str(folder / "pepper")}
    server = build({**settings, "limits": "on"})
    assert find(server, "oauthguard.server.sqlalchemy.url").level == "ok"
    folder.parent.chmod(0o1777)
    assert find(server, "oauthguard.server.sqlalchemy.url").level == "ok", "as /tmp is"
    folder.parent.chmod(0o777)
    for name in ("sqlalchemy.url", "pepper_file"):
        finding = find(server, f"oauthguard.server.{name}")
        assert finding.level == "warning"
        assert finding.hint == f"chmod o-w {folder.parent}"


@pytest.mark.slow
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


# ── routes, scopes, caches, databases ────────────────────────────────────────────────────────────────────────────


def make(tmp_path, before=None, after=None, **settings):
    """An application with routes of its own before and after the server's."""
    given = {
        "issuer": "http://localhost:6543",
        "audience": "https://api.example",
        "scopes": "read = Read",
        "default_scopes": "read",
        "signing.algorithm": "ES256",
        "sqlalchemy.url": f"sqlite:///{tmp_path}/oauth.sqlite",
        **settings,
    }
    config = Configurator(settings={f"oauthguard.server.{key}": value for key, value in given.items()})
    for add in (before, lambda config: config.include("pyramid_oauthguard.server"), after):
        if add:
            add(config)
    config.make_wsgi_app()
    return config


def add_route(pattern, **options):
    return lambda config: config.add_route("mine", pattern, **options)


def describe(config):
    return list(config.registry.getUtility(ISelfCheck, name="server")(config.registry))


def close(config):
    config.registry.getUtility(IService).store.close()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("pattern", "options", "level", "endpoints"),
    [
        ("/*rest", {}, "error", {"/oauth/token", "/oauth/introspect", "/oauth/jwks"}),
        ("/oauth/{name}", {}, "error", {"/oauth/token", "/oauth/jwks"}),
        ("/{a}/token", {}, "error", {"/oauth/token"}),
        ("/.well-known/*rest", {}, "error", {"/.well-known/openid-configuration"}),
        ("/*rest", {"request_method": "POST"}, "warning", {"/oauth/token"}),
        ("/customers", {}, None, set()),
        ("/oauth", {}, None, set()),
    ],
)
def test_a_route_that_is_matched_before_an_endpoint(tmp_path, pattern, options, level, endpoints):
    config = make(tmp_path, before=add_route(pattern, **options))
    found = {
        each.subject.removeprefix("endpoint "): each for each in describe(config) if "the route 'mine'" in each.text
    }
    close(config)
    assert endpoints <= found.keys()
    assert {each.level for each in found.values()} <= {level}
    assert all(pattern in each.text and "oauthguard.server.path" in each.hint for each in found.values())


def test_a_route_that_is_matched_after_the_endpoints_is_none(tmp_path):
    config = make(tmp_path, after=add_route("/*rest"))
    texts = [each.text for each in describe(config)]
    close(config)
    assert "no route of the application is matched before them" in texts


@pytest.mark.parametrize(("scopes", "warned"), [("openid = Sign in\nread = Read", True), ("read = openid", False)])
def test_a_scope_openid_without_openid_connect(tmp_path, scopes, warned):
    config = make(tmp_path, scopes=scopes)
    found = [each.text for each in describe(config) if each.subject == "oauthguard.server.scopes"]
    close(config)
    assert bool(found) == warned
    assert all("issues no ID token" in text for text in found)


@pytest.mark.slow
def test_a_sqlite_database_that_is_read_only(tmp_path):
    close(make(tmp_path))
    settings = {
        "sqlalchemy.url": f"sqlite:///file:{tmp_path}/oauth.sqlite?mode=ro&uri=true",
        "pepper_file": str(tmp_path / "oauth.sqlite.pepper"),
    }
    config = make(tmp_path, **settings)
    (finding,) = [each for each in describe(config) if each.text.startswith("can't be written to")]
    config.registry.getUtility(IService).store._engine.dispose()  # it stays open when its store is closed
    assert (finding.level, finding.status, finding.subject) == ("error", 6, "oauthguard.server.sqlalchemy.url")
    assert "READONLY" in finding.text


@pytest.mark.slow
@pytest.mark.needs("initdb", "pg_ctl")
def test_a_postgresql_that_is_read_only(tmp_path, postgresql):
    url = make_url(make_database(postgresql))
    engine = build_engine(url.render_as_string(hide_password=False))
    with engine.begin() as connection:
        schema.create_tables(connection)
    engine.dispose()
    text = url.update_query_dict({"options": "-c default_transaction_read_only=on"}).render_as_string(
        hide_password=False
    )
    key = tmp_path / "pepper"
    key.write_text("0123456789abcdef0123456789abcdef")
    key.chmod(0o600)
    config = make(tmp_path, **{"sqlalchemy.url": text, "pepper_file": str(key)})
    (finding,) = [each for each in describe(config) if each.text.startswith("can't be written to")]
    close(config)
    assert "25006" in finding.text
    assert (finding.level, finding.status) == ("error", 6)


@pytest.mark.slow
@pytest.mark.needs("initdb", "pg_ctl")
def test_a_postgresql_that_does_not_answer_is_not_called_read_only(tmp_path):
    with run_cluster() as cluster:
        cluster.upgrade()
        key = tmp_path / "pepper"
        key.write_text("0123456789abcdef0123456789abcdef")
        key.chmod(0o600)
        config = make(
            tmp_path, **{"sqlalchemy.url": cluster.url, "pepper_file": str(key), "database.connect_timeout": "1s"}
        )
        cluster.freeze()
        found = [
            [each for each in describe(config) if each.text.startswith("does not answer")] for _attempt in range(2)
        ]
        cluster.thaw()
        close(config)
    for (finding,) in found:  # the second time it is not asked
        assert "timeout" in finding.text
        assert "is it running" in finding.hint
        assert finding.status == 6


@pytest.mark.slow
@pytest.mark.needs("redis-server")
def test_a_cache_of_limits_that_does_not_answer(tmp_path):
    with run_redis(tmp_path) as redis:
        settings = {
            "limits": "on",
            "limits.cache.backend": "dogpile.cache.redis",
            "limits.cache.arguments.url": f"redis://:the-password@127.0.0.1:{redis.port}/0",
        }
        redis.client.config_set("requirepass", "the-password")
        config = make(tmp_path, **settings)
        key = "oauthguard.server.limits.cache.backend"
        assert [each.text for each in describe(config) if each.subject == key and each.text] == []
        redis.kill()
        (finding,) = [each for each in describe(config) if each.subject == key and each.text]
    close(config)
    assert finding.level == "warning"
    assert "ConnectionError ECONNREFUSED" in finding.text
    assert "the-password" not in finding.text


# ── a guard in the same process ──────────────────────────────────────────────────────────────────────────────────

GUARD = {"oauthguard.issuer": "http://localhost:6543", "oauthguard.audience": "https://api.example"}


def judge(build, view, guard=None, **server):
    """The findings of the guard that are not ok, for an application with one view."""

    def configure(config):
        config.add_settings({**GUARD, **(guard or {})})
        config.include("pyramid_oauthguard")
        config.add_route("api", "/api")
        config.add_view(lambda request: {}, route_name="api", renderer="json", **view)

    made = build({"limits": "on", **server}, configure=configure)
    found = made.registry.getUtility(ISelfCheck, name="guard")(made.registry)
    return {each.subject: (each.level, each.text) for each in found if each.level != "ok"}


@pytest.mark.slow
def test_a_guard_that_accepts_what_the_server_issues_has_nothing_to_say(build):
    assert judge(build, {"token_require": "read"}) == {}
    other = {"oauthguard.audience": "https://other.example https://api.example"}
    assert judge(build, {"token_require": "read"}, other) == {}
    implied = {"oauthguard.scope_implies": "write = all"}
    assert judge(build, {"token_require": {"scope": "all", "any_scope": "nope read"}}, implied) == {}
    assert judge(build, {"token_check": "remote"}, access_token_format="opaque") == {}


@pytest.mark.slow
def test_an_audience_that_the_server_does_not_issue(build):
    """Every request was refused, and `check` had nothing to say."""
    found = judge(build, {"token_require": "read"}, {"oauthguard.audience": "https://other.example"})
    text = (
        "no token of the server in this process has the audience https://other.example: they have https://api.example"
    )
    assert found == {"oauthguard.audience": ("error", text)}


@pytest.mark.slow
def test_a_local_view_of_a_server_whose_tokens_are_opaque(build):
    found = judge(build, {"token_check": "local"}, access_token_format="opaque")
    text = "the server in this process makes opaque tokens, which a local check can't read: /api"
    assert found == {"oauthguard.token_check": ("error", text)}


@pytest.mark.slow
@pytest.mark.parametrize("require", ["read nope", {"scope": ["nope"]}, {"any_scope": "nope"}])
def test_a_view_with_a_scope_that_the_server_does_not_have(build, require):
    found = judge(build, {"token_require": require})
    text = "requires nope, which oauthguard.server.scopes does not have"
    assert found == {"any method /api": ("warning", text)}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["http://localhost:6543/", "http://LOCALHOST:6543"])
def test_an_issuer_that_is_written_in_another_way(build, name):
    found = judge(build, {"token_require": "read"}, {"oauthguard.issuer": name})
    assert found["oauthguard.issuer"][0] == "error"
    text = f"{name} is not http://localhost:6543, the issuer of the server in this process: each character counts"
    assert text in {each for _level, each in found.values()}
