"""The guard's settings: what is missing, unknown or wrong stops start-up with one line that names the key."""

from __future__ import annotations

import dataclasses

import pytest
from pyramid.config import Configurator
from pyramid.exceptions import ConfigurationExecutionError
from pyramid.interfaces import ISecurityPolicy
from pyramid.testing import setUp, tearDown
from webtest import TestApp

from pyramid_oauthguard import SettingError
from pyramid_oauthguard.guard.settings import TABLE, parse_settings
from pyramid_oauthguard.testing import MemoryIssuer, trust
from tests.ground.test_secret_files import ODD
from tests.guard.guarding import Root, add, ask, build_app, find_setting_error, find_status
from tests.issuers import HTTPIssuer

SECRET = "hunter2-the-secret"
GOOD = {"oauthguard.issuer": "https://issuer.test", "oauthguard.audience": "https://api.test"}
REMOTE = {"oauthguard.introspection.client_id": "api", "oauthguard.introspection.client_secret": SECRET}


def start(**settings):
    """An application with these settings, by their names below `oauthguard.`"""
    given = {**GOOD, **{f"oauthguard.{name}": value for name, value in settings.items()}}
    return start_with({key: value for key, value in given.items() if value is not ...})


def start_with(settings):
    config = Configurator(settings=settings)
    config.include("pyramid_oauthguard")
    return config.make_wsgi_app()


def find_settings(**settings):
    return start(**settings).registry.oauthguard.settings


# ── missing ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("key", ["issuer", "audience"])
@pytest.mark.parametrize("value", [..., "", "   ", None])
def test_a_required_setting_is_missing(key, value):
    error = find_setting_error(lambda: start(**{key: value}))
    assert error.key == f"oauthguard.{key}"
    assert str(error).startswith(f"oauthguard.{key}: is required (")


def test_the_error_is_the_last_thing_on_the_screen():
    """What Pyramid wraps it in ends with where the guard was included; the line itself is in there whole."""
    with pytest.raises(ConfigurationExecutionError) as caught:
        start(issuer=...)
    assert "oauthguard.issuer: is required" in str(caught.value)


def test_defaults_are_as_documented():
    settings = find_settings()
    for row in TABLE:
        if row.name not in ("issuer", "audience"):
            assert getattr(settings, row.field) == row.default, row.name


# ── unknown ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("typo", "meant"),
    [
        ("isuer", "issuer"),
        ("audiences", "audience"),
        ("algorithm", "algorithms"),
        ("token_checks", "token_check"),
        ("clientid", "client_id"),
        ("introspection.client_secrets", "introspection.client_secret"),
        ("introspection.client_secret_fil", "introspection.client_secret_file"),
        ("introspection_endpoint", "introspection.endpoint"),
        ("http.time_out", "http.timeout"),
        ("cache.token.size", "cache.tokens.size"),
        ("cache.jwk.expiration_time", "cache.introspection"),
        ("key.cooldown", "keys.cooldown"),
    ],
)
def test_an_unknown_setting_is_answered_with_the_nearest(typo, meant):
    error = find_setting_error(lambda: start(**{typo: SECRET}))
    assert error.key == f"oauthguard.{typo}"
    assert str(error).startswith(f"oauthguard.{typo}: is not a setting (")
    if typo != "cache.jwk.expiration_time":  # near to many
        assert f"did you mean oauthguard.{meant}?" in str(error)
    assert SECRET not in str(error)


@pytest.mark.parametrize("key", ["oauthguard.xyzzy", "oauthguard.", "oauthguard.issuer.", "oauthguard.Issuer"])
def test_any_unknown_setting_stops_start_up(key):
    assert find_setting_error(lambda: start_with({**GOOD, key: "x"})).key == key


@pytest.mark.parametrize(
    "key", ["oauthguard.server.issuer", "oauthguard.server.xyzzy", "oauthguards.x", "oauthguard", "other"]
)
def test_settings_of_others_are_theirs(key):
    assert start_with({**GOOD, key: "x"})


# ── wrong ────────────────────────────────────────────────────────────────────────────────────────────────────────

URLS = ["issuer", "metadata_url", "jwks_uri", "introspection.endpoint", "resource"]
WRONG_URLS = [
    "http://issuer.test",
    "issuer.test",
    "//issuer.test",
    "https://",
    "https:///path",
    "https://user:password@issuer.test",
    "https://@issuer.test",
    "https://issuer.test/#fragment",
    "https://issuer.test:port",
    "https://issuer.test:99999",
    "https://issuer.test/a b",
    "https://issuer.test/\u00e9",
    "https://[::1",
    "ftp://issuer.test",
    "javascript:alert(1)",
    "file:///etc/passwd",
    "https://issuer.test\r\nX: y",
    "https://issuer.test\\@evil.test",
    "http://127.0.0.1.evil.test",
    "http://localhost.evil.test",
    "http://0.0.0.0",
    "http://10.0.0.1",
    "http://[::2]",
    7,
    b"https://issuer.test",
    ["https://issuer.test"],
]


@pytest.mark.slow
@pytest.mark.parametrize("key", URLS)
@pytest.mark.parametrize("value", WRONG_URLS, ids=repr)
def test_a_wrong_url(key, value):
    assert find_setting_error(lambda: start(**{key: value})).key == f"oauthguard.{key}"


@pytest.mark.slow
@pytest.mark.parametrize("key", URLS)
@pytest.mark.parametrize(
    "value",
    [
        "https://issuer.test/path",
        "http://localhost:8080",
        "http://127.0.0.1:1",
        "http://127.9.9.9",
        "http://[::1]:8080/x",
    ],
)
def test_a_good_url(key, value):
    assert getattr(find_settings(**{key: value}), key.replace(".", "_")) == value


WRONG = [
    ("issuer", "https://issuer.test?tenant=1"),
    ("issuer", "https://issuer.test/.well-known/openid-configuration"),
    ("issuer", '"https://issuer.test"'),
    ("audience", "https://a.test, https://b.test"),
    ("audience", '"https://a.test"'),
    ("client_id", "a, b"),
    ("role_claim", "roles, groups"),
    ("require_under", "/api/, /v2/"),
    ("audience", ["a", 7]),
    ("audience", 7),
    ("client_id", 7),
    ("client_id", [None]),
    ("token_check", "Local"),
    ("token_check", "both"),
    ("token_check", "remote local"),
    ("profile", "rfc9086"),
    ("profile", "RFC9068"),
    ("algorithms", "none"),
    ("algorithms", "None"),
    ("algorithms", "HS256"),
    ("algorithms", "RS256 HS512"),
    ("algorithms", "rs256"),
    ("algorithms", "RS256,ES256"),
    ("algorithms", []),
    ("algorithms", "ES256K"),
    ("leeway", "soon"),
    ("leeway", "-1"),
    ("leeway", "1w"),
    ("leeway", "30 s s"),
    ("leeway", "1e3"),
    ("leeway", "inf"),
    ("leeway", "nan"),
    ("leeway", float("nan")),
    ("leeway", float("inf")),
    ("leeway", -1),
    ("leeway", True),
    ("leeway", "\u0663\u0660"),
    ("realm", "caf\u00e9"),
    ("realm", "two\nlines"),
    ("realm", 7),
    ("scope_claim", 7),
    ("role_claim", 7),
    ("principals", "no.such.module"),
    ("principals", "tests.guard.test_settings.nothing_here"),
    ("principals", "tests.guard.test_settings.SECRET"),
    ("principals", ".relative"),
    ("principals", 7),
    ("introspection.auth_method", "client_secret_jwt"),
    ("introspection.auth_method", "basic"),
    ("introspection.require_audience", "maybe"),
    ("http.timeout", "0"),
    ("http.timeout", "301"),
    ("http.timeout", "fast"),
    ("http.max_bytes", "1 MB"),
    ("http.max_bytes", "-1"),
    ("http.max_bytes", "1.5"),
    ("http.max_bytes", True),
    ("http.max_bytes", "0"),
    ("http.ca_file", "/no/such/file.pem"),
    ("http.ca_file", "/"),
    ("http.ca_file", __file__),
    ("cache.tokens.size", "many"),
    ("cache.tokens.size", "-1"),
    ("cache.tokens.size", 1.5),
    ("cache.tokens.size", float("inf")),
    ("keys.cooldown", "later"),
    ("keys.max_stale", "forever"),
    ("policy", "perhaps"),
    ("policy", "2"),
    ("policy", 2),
    ("resource_metadata", "y"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("key", "value"), WRONG, ids=repr)
def test_a_wrong_value(key, value):
    error = find_setting_error(lambda: start(**{key: value}))
    assert error.key == f"oauthguard.{key}"
    assert str(error).startswith(f"oauthguard.{key}: ")


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"cache.jwks.expiration_time": "29"}, "cache.jwks.expiration_time"),
        ({"cache.jwks.expiration_time": "0"}, "cache.jwks.expiration_time"),
        ({"cache.jwks.expiration_time": "1m", "keys.cooldown": "61s"}, "cache.jwks.expiration_time"),
        ({"keys.cooldown": "2h"}, "keys.cooldown"),
    ],
)
def test_keys_that_lapse_before_they_may_be_fetched_again_stop_start_up(settings, key):
    error = find_setting_error(lambda: start(**settings))
    assert error.key == f"oauthguard.{key}"
    assert "keys would expire" in str(error)
    assert "oauthguard.cache.jwks.expiration_time must be at least oauthguard.keys.cooldown" in str(error)


@pytest.mark.parametrize("settings", [{"cache.jwks.expiration_time": "30"}, {"keys.cooldown": "1h"}])
def test_keys_that_lapse_when_they_may_be_fetched_again_start(settings):
    start(**settings)


@pytest.mark.slow
@pytest.mark.parametrize("cache", ["metadata", "jwks", "introspection", "inactive"])
@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("expiration_time", "soon"),
        ("expiration_time", "-1"),
        ("expire", "7"),
        ("", "7"),
        ("argument.size", "7"),
        ("arguments.size", "many"),
        ("backend", "no.such.backend"),
        ("backend", "dogpile.cache.memcached"),
    ],
)
def test_a_wrong_cache(cache, option, value):
    error = find_setting_error(lambda: start(**{f"cache.{cache}.{option}": value}))
    assert error.key.startswith(f"oauthguard.cache.{cache}")
    assert option.partition(".")[0] in str(error) or value in str(error)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("audience", "a b\n  c", ("a", "b", "c")),
        ("audience", ["a"], ("a",)),
        ("client_id", "", ()),
        ("algorithms", "ES256 EdDSA", ("ES256", "EdDSA")),
        ("leeway", "0", 0.0),
        ("leeway", "1.5m", 90.0),
        ("leeway", " 2 h ", 7200.0),
        ("leeway", 7, 7.0),
        ("keys.max_stale", "7d", 604800.0),
        ("token_check", " remote ", "remote"),
        ("policy", "Off", False),
        ("http.max_bytes", "1000", 1000),
        ("cache.tokens.size", "0", 0),
        ("realm", '"quoted" \\ text', '"quoted" \\ text'),
        ("principals", "os.path:join", __import__("os").path.join),
        ("introspection.require_audience", "no", False),
    ],
)
def test_a_good_value(key, value, expected):
    more = {"introspection.auth_method": "none"} if value == " remote " else {}
    assert getattr(find_settings(**{key: value, **more}), key.replace(".", "_")) == expected


def test_a_resource_document_wants_a_resource():
    assert find_setting_error(lambda: start(resource_metadata="on")).key == "oauthguard.resource"


# ── secrets ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.promise("GD-26")
def test_a_secret_comes_from_a_file_as_well(tmp_path):
    path = tmp_path / "secret"
    path.write_text(f"{SECRET}\n")
    settings = find_settings(**{"introspection.client_id": "api", "introspection.client_secret_file": str(path)})
    assert settings.introspection_client_secret == SECRET
    path.write_text("  spaces and\tsuch count \r\n")
    settings = find_settings(**{"introspection.client_id": "api", "introspection.client_secret_file": str(path)})
    assert settings.introspection_client_secret is not None
    assert settings.introspection_client_secret.strip() == "spaces and\tsuch count"


def test_a_byte_order_mark_is_no_part_of_a_secret(tmp_path):
    """Some editors write one. The issuer refused the secret, and nothing said why."""
    path = tmp_path / "secret"
    path.write_bytes(b"\xef\xbb\xbf" + SECRET.encode() + b"\r\n")
    settings = find_settings(**{"introspection.client_id": "api", "introspection.client_secret_file": str(path)})
    assert settings.introspection_client_secret == SECRET


@pytest.mark.promise("GD-26")
@pytest.mark.parametrize("content", [f"{SECRET}\nA=b\n", f"{SECRET}\0x", f"A=b\r\n{SECRET}"])
def test_a_file_with_more_than_a_secret_stops_start_up(tmp_path, content):
    path = tmp_path / "secret"
    path.write_text(content)
    given = {"introspection.client_id": "api", "introspection.client_secret_file": str(path)}
    error = find_setting_error(lambda: start(**given))
    assert "must be one line" in error.problem
    assert SECRET not in str(error)


@pytest.mark.promise("GD-26")
@pytest.mark.parametrize(
    "settings",
    [
        {"introspection.client_secret_file": "/no/such/file"},
        {"introspection.client_secret_file": "/"},
        {"introspection.client_secret_file": "\0"},
        {"introspection.client_secret_file": 7},
        {"introspection.client_secret": SECRET, "introspection.client_secret_file": "/dev/null"},
        {"introspection.client_secret": [SECRET]},
        {"introspection.client_secret": SECRET.encode()},
        {"introspection.client_secret": SECRET, "introspection.auth_method": "typo"},
        {"introspection.client_id": "api"},
        {"introspection.client_id": "api", "introspection.client_secret_file": "/dev/null"},
        {"introspection.client_id": "api", "introspection.client_secret": "  "},
    ],
)
def test_a_wrong_secret_is_not_repeated(settings):
    error = find_setting_error(lambda: start(**settings))
    assert error.key.startswith("oauthguard.introspection.")
    seen = error
    while seen is not None:  # a traceback prints the whole chain
        assert SECRET not in f"{seen!s} {seen!r}"
        seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)


@pytest.mark.promise("GD-26")
def test_a_file_that_is_no_text_is_not_repeated(tmp_path):
    path = tmp_path / "secret"
    path.write_bytes(b"\xff\xfe" + SECRET.encode())
    error = find_setting_error(lambda: start(**{"introspection.client_secret_file": str(path)}))
    assert error.key == "oauthguard.introspection.client_secret_file"
    assert SECRET not in str(error)


@pytest.mark.promise("GD-26")
def test_the_settings_do_not_show_the_secret():
    settings = find_settings(**{"introspection.client_id": "api", "introspection.client_secret": SECRET})
    assert settings.introspection_client_secret == SECRET
    assert SECRET not in repr(settings)
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.issuer = "https://evil.test"


@pytest.mark.promise("GD-26")
@pytest.mark.parametrize(
    "arguments",
    [
        {"backend": "dogpile.cache.redis", "arguments.url": f"redis//:{SECRET}@localhost"},
        {"backend": "dogpile.cache.redis", "arguments.url": f"redis://:{SECRET}@localhost:port"},
        {"backend": "dogpile.cache.redis", "arguments.password": SECRET, "arguments.nonsense": SECRET},
    ],
)
def test_a_cache_that_cannot_be_configured_shows_no_password(arguments):
    settings = {f"cache.introspection.{name}": value for name, value in arguments.items()}
    try:
        start(**settings)
    except (SettingError, ConfigurationExecutionError) as error:
        said = str(error)
    else:
        return  # some nonsense is found by the backend at its first use only
    assert "oauthguard.cache.introspection" in said
    assert SECRET not in said


# ── when ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_settings_may_be_added_after_the_guard_is_included():
    issuer = MemoryIssuer()
    config = Configurator(root_factory=Root)
    config.include("pyramid_oauthguard")
    add(config, "/local", token_check="local")
    config.add_settings({**issuer.settings, "oauthguard.realm": "late"})
    app = config.make_wsgi_app()
    trust(app, issuer)
    app = TestApp(app)
    assert find_status(app, "/local", issuer.mint()) == 200
    assert ask(app, "/local").headers["WWW-Authenticate"] == 'Bearer realm="late"'


@pytest.mark.parametrize("name", ["policy", "resource_metadata"])
def test_a_switch_can_not_be_turned_after_the_guard_is_included(name):
    value = "off" if name == "policy" else "on"

    def configure(config):
        config.add_settings({f"oauthguard.{name}": value, "oauthguard.resource": "https://api.test"})

    error = find_setting_error(lambda: build_app(configure))
    assert (error.key, error.problem) == (f"oauthguard.{name}", "was changed after the guard was included")


def test_an_autocommitting_configurator_as_tests_have_it():
    issuer = MemoryIssuer()
    config = setUp(settings=issuer.settings)
    try:
        config.include("pyramid_oauthguard")
        config.set_root_factory(Root)
        config.add_token_requirement("odd", lambda value: lambda token: None)
        add(config, "/local", token_check="local", token_require={"odd": 1})
        add(config, "/remote", token_check="remote", permission="read")
        app = config.make_wsgi_app()
        trust(app, issuer)
        app = TestApp(app)
        assert find_status(app, "/local") == 401
        assert find_status(app, "/local", issuer.mint()) == 200
        raw = issuer.mint(scope="read")
        assert find_status(app, "/remote", raw) == 200
        issuer.revoke(raw)
        assert find_status(app, "/remote", raw) == 401
    finally:
        tearDown()


def test_an_autocommitting_configurator_says_what_is_wrong_at_once():
    config = setUp(settings={"oauthguard.audience": "a"})
    try:
        assert find_setting_error(lambda: config.include("pyramid_oauthguard")).key == "oauthguard.issuer"
    finally:
        tearDown()


def test_the_guard_may_be_included_twice():
    app = build_app(lambda config: config.include("pyramid_oauthguard"))
    assert app.app.registry.queryUtility(ISecurityPolicy) is not None
    app = build_app(lambda config: config.include("pyramid_oauthguard.guard"))
    assert app.app.registry.queryUtility(ISecurityPolicy) is not None


@pytest.mark.parametrize("how", ["a view", "the default", "a view after a commit"])
def test_a_remote_check_wants_introspection_to_be_configured(how):
    def configure():
        settings = {**GOOD, **({"oauthguard.token_check": "remote"} if how == "the default" else {})}
        config = Configurator(settings=settings)
        config.include("pyramid_oauthguard")
        if how == "a view after a commit":
            config.commit()
        if how != "the default":
            add(config, "/remote", token_check="remote")
        config.make_wsgi_app()

    error = find_setting_error(configure)
    assert error.key == "oauthguard.introspection.client_id"
    assert "oauthguard.introspection.auth_method = none" in str(error)


@pytest.mark.parametrize("settings", [REMOTE, {"oauthguard.introspection.auth_method": "none"}])
def test_either_way_of_configuring_introspection_will_do(settings):
    config = Configurator(settings={**GOOD, **settings})
    config.include("pyramid_oauthguard")
    add(config, "/remote", token_check="remote")
    assert config.make_wsgi_app()


# ── unreachable issuers ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.promise("GD-20")
def test_an_unreachable_issuer_does_not_stop_start_up_and_is_503_until_it_answers():
    with HTTPIssuer() as server:
        server.fail("reset")

        def configure(config):
            add(config, "/local", token_check="local")
            add(config, "/remote", token_check="remote")
            add(config, "/open")

        config = Configurator(settings={**server.settings, "oauthguard.keys.cooldown": "0"})
        config.include("pyramid_oauthguard")
        configure(config)
        app = TestApp(config.make_wsgi_app())
        assert not server.calls  # start-up asks nobody
        raw = server.issuer.mint()
        for path in "/local", "/remote":
            response = ask(app, path, raw)
            assert (response.status_int, int(response.headers["Retry-After"]) > 0) == (503, True)
            assert find_status(app, path) == 401
        assert find_status(app, "/open", raw) == 200
        server.heal()
        assert find_status(app, "/local", raw) == 200
        assert find_status(app, "/remote", raw) == 200


# ── two applications in one process ──────────────────────────────────────────────────────────────────────────────


def build_two(**settings):
    first, second = MemoryIssuer("https://one.test"), MemoryIssuer("https://two.test")

    def configure(config):
        add(config, "/local", token_check="local", permission="read")
        add(config, "/remote", token_check="remote")

    more = {f"oauthguard.{name}": value for name, value in settings.items()}
    return first, build_app(configure, first, settings=more), second, build_app(configure, second, settings=more)


def test_two_applications_do_not_accept_each_others_tokens():
    first, one, second, two = build_two()
    for path in "/local", "/remote":
        assert find_status(one, path, first.mint(scope="read")) == 200
        assert find_status(two, path, second.mint(scope="read")) == 200
        assert find_status(one, path, second.mint(scope="read")) == 401
        assert find_status(two, path, first.mint(scope="read")) == 401
        # Nor a token that names the right issuer, but was signed with the other one's key of that name.
        forged = first.mint(scope="read", iss="https://two.test", header={"kid": second.signing_key.kid})
        assert find_status(two, path, forged) == 401


def test_two_applications_do_not_share_what_they_remember():
    """Same issuer, same cache settings, other audience: a token good for one is none for the other."""
    issuer = MemoryIssuer()

    def build(audience):
        config = Configurator(
            settings={
                **issuer.settings,
                "oauthguard.audience": audience,
                "oauthguard.cache.introspection.expiration_time": "60",
                "oauthguard.realm": audience,
            },
        )
        config.include("pyramid_oauthguard")
        add(config, "/local", token_check="local")
        add(config, "/remote", token_check="remote")
        app = config.make_wsgi_app()
        trust(app, issuer)
        return TestApp(app)

    one, two = build("one"), build("two")
    for raw in issuer.mint(aud="one"), issuer.mint_opaque(aud="one"):
        path = "/local" if raw.count(".") == 2 else "/remote"
        for _again in range(2):
            assert find_status(one, path, raw) == 200
            assert find_status(two, path, raw) == 401
    raw = issuer.mint_opaque(aud=["one", "two"])
    assert find_status(one, "/remote", raw) == 200
    asked = issuer.calls["introspect"]
    assert find_status(two, "/remote", raw) == 200
    assert issuer.calls["introspect"] == asked + 1  # the answer that the other one keeps is not this one's
    assert ask(two, "/local").headers["WWW-Authenticate"] == 'Bearer realm="two"'
    assert ask(one, "/local").headers["WWW-Authenticate"] == 'Bearer realm="one"'


def test_an_outage_of_one_issuer_is_not_the_others():
    first, one, second, two = build_two()
    with first.outage():
        assert find_status(one, "/remote", first.mint()) == 503
        assert find_status(two, "/remote", second.mint()) == 200


def test_one_request_object_is_judged_by_the_application_it_is_given_to():
    first, one, _second, two = build_two()
    raw = first.mint(scope="read")
    from pyramid.request import Request

    environ = Request.blank("/local", headers={"Authorization": f"Bearer {raw}"}).environ
    assert Request(environ).get_response(one.app).status_int == 200
    assert Request(environ).get_response(two.app).status_int == 401


def test_every_row_has_a_field_and_a_sentence():
    fields = {field.name for field in dataclasses.fields(type(parse_settings(GOOD)))}
    derived = {"issuer_name", "issuer_value", "template", "trusted_scopes", "trusted_roles", "is_restricted", "named"}
    derived.add("resource_audiences")  # of a directive
    assert fields - derived == {row.field for row in TABLE}
    for row in TABLE:
        assert row.help.endswith(".")


@pytest.mark.slow
@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", ["introspection.client_secret_file", "cache.secret_file"])
@pytest.mark.parametrize("kind", sorted(ODD))
def test_a_secret_file_that_holds_no_secret_stops_start_up(tmp_path, kind, name):
    path = tmp_path / "secret"
    build, said = ODD[kind]
    build(path)
    error = find_setting_error(lambda: start(**{name: str(path)}))
    assert error.key == f"oauthguard.{name}"
    assert said in error.problem
    assert str(path) in error.hint
