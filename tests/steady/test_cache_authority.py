"""A shared cache is not an authority: who can write to it, but knows no secret, can put nothing there that is believed."""

from __future__ import annotations

import pickle
import time
from collections import UserDict
from pathlib import Path

import pytest
from dogpile.cache import register_backend
from dogpile.cache.backends.memcached import PylibmcBackend, PyMemcacheBackend
from dogpile.cache.backends.memory import MemoryBackend
from pyramid.config import Configurator
from pyramid.exceptions import ConfigurationExecutionError
from pyramid.request import Request

from pyramid_oauthguard.caching import build_region, is_shared
from pyramid_oauthguard.errors import SettingError
from pyramid_oauthguard.guard.self_check import judge_guard
from pyramid_oauthguard.issuers.keys import KeySource
from pyramid_oauthguard.server.clients import get_clients
from pyramid_oauthguard.server.service import IService
from pyramid_oauthguard.testing import MemoryIssuer, bearer, generate_key
from tests.steady.apps import ALGORITHM, DAY, Api, Distant, build_trusting
from tests.steady.forging import bind, find_name, write_entry
from tests.steady.redis_server import run_redis

pytestmark = pytest.mark.slow

ISSUER = "http://localhost:6543"
AUDIENCE = "https://api.example"
CACHES = ("metadata", "jwks", "introspection", "inactive")
SECRET = "only the caches know this secret, 7"
HOUR = 3_600
PLAIN = {"oauthguard.issuer": ISSUER, "oauthguard.audience": AUDIENCE}


class Elsewhere(MemoryBackend):
    """A backend that this package does not know: its entries may be anywhere."""


register_backend("tests.elsewhere", __name__, "Elsewhere")


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    with run_redis(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def cache(shared):
    shared.client.flushall()
    return shared


class Embedded:
    """Guard and server in one process, all caches of the guard in Redis."""

    def __init__(self, folder: Path, cache, order: str = "guard first", **more: str) -> None:
        settings = {
            **PLAIN,
            "oauthguard.server.issuer": ISSUER,
            "oauthguard.server.audience": AUDIENCE,
            "oauthguard.server.scopes": "read\nwrite",
            "oauthguard.server.default_scopes": "read",
            "oauthguard.server.signing.algorithm": ALGORITHM,
            "oauthguard.server.access_token_format": "opaque",
            "oauthguard.server.sqlalchemy.url": f"sqlite:///{folder}/oauth.sqlite",
            "oauthguard.cache.introspection.expiration_time": "1h",
            **cache.settings(*CACHES),
            **more,
        }
        config = Configurator(settings=settings)
        if order == "server first":
            config.include("pyramid_oauthguard.server")
            config.include("pyramid_oauthguard")
        else:
            config.include("pyramid_oauthguard")
            if order == "server in a later commit":
                config.commit()
            config.include("pyramid_oauthguard.server")
        for mode in ("local", "remote"):
            config.add_route(mode, f"/{mode}")
            config.add_view(lambda _request: {}, route_name=mode, renderer="json", token_check=mode)
        self.app = config.make_wsgi_app()
        self.registry = config.registry
        self.made = get_clients(config.registry).create("P", grants=["client_credentials"], scopes=["read"])

    def get_token(self) -> str:
        form = {
            "grant_type": "client_credentials",
            "client_id": self.made.client.client_id,
            "client_secret": self.made.secret,
        }
        return Request.blank("/oauth/token", POST=form).get_response(self.app).json["access_token"]

    def ask(self, view: str, raw: str) -> int:
        return Request.blank(f"/{view}", headers=bearer(raw)).get_response(self.app).status_int

    def close(self) -> None:
        self.registry.getUtility(IService).store.close()


@pytest.fixture
def build(tmp_path, cache):
    made = []

    def make(order: str = "guard first", **more: str) -> Embedded:
        made.append(Embedded(tmp_path, cache, order, **more))
        return made[-1]

    yield make
    for each in made:
        each.close()


def put(cache, name, key, value, secret, issuer=ISSUER, audience=AUDIENCE):
    bound = bind(secret, issuer, audience, name)
    place = find_name(key, bound)
    cache.client.set(place, write_entry(value, place, bound))


def describe_admin() -> dict:
    now = time.time()
    answer = {"active": True, "iss": ISSUER, "aud": AUDIENCE, "sub": "admin", "client_id": "c", "exp": int(now + 60)}
    return {"asked_at": now, "until": now + 60, "answer": answer}


def describe_keys(key, fetched_at=None) -> dict:
    now = fetched_at or time.time()
    return {"keys": [key.jwk], "fetched_at": now, "tried_at": now, "life": HOUR}


# ── guard and server in one process ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.needs("redis-server")
@pytest.mark.promise("GD-25")
@pytest.mark.parametrize("order", ["guard first", "server first", "server in a later commit"])
def test_a_program_that_writes_to_redis_mints_no_token_of_an_embedded_server(build, cache, order):
    app = build(order)
    key = generate_key(ALGORITHM)
    forged = MemoryIssuer(ISSUER, audience=AUDIENCE, algorithm=ALGORITHM).mint(key=key)
    guesses = ["", "server ", f"server {'0' * 64}", "setting ", "introspection ", f"introspection {ISSUER}"]
    for guess in guesses:
        put(cache, "introspection", "token made-up", describe_admin(), guess)
        put(cache, "introspection", f"token {forged}", describe_admin(), guess)
        put(cache, "jwks", "jwks", describe_keys(key), guess)
    assert [app.ask("remote", "made-up"), app.ask("remote", forged), app.ask("local", forged)] == [401] * 3
    assert app.ask("remote", app.get_token()) == 200


@pytest.mark.needs("redis-server")
@pytest.mark.promise("GD-25")
def test_processes_of_one_embedded_server_share_their_caches_by_a_key_that_is_not_the_pepper(build, cache, tmp_path):
    one, other = build(), build("server first")
    raw = one.get_token()
    assert one.ask("remote", raw) == 200
    held = cache.read_all()
    assert len(held) == 2  # the answer, and the way to it from its jti
    assert other.ask("remote", raw) == 200
    assert cache.read_all() == held
    service = one.registry.getUtility(IService)
    key = service.pepper.derive_key("guard caches")
    # With the key itself an entry is taken; otherwise the test above would show nothing.
    put(cache, "introspection", "token made-up", describe_admin(), f"server {key.hex()}")
    assert one.ask("remote", "made-up") == 200
    pepper = (tmp_path / "oauth.sqlite.pepper").read_bytes().strip()
    others = {service.pepper.derive_key(purpose) for purpose in ("client secret", "token", "code", "limits")}
    assert key not in {pepper, pepper[:32], *others}


def test_a_server_of_another_issuer_in_the_process_gives_no_secret(tmp_path):
    settings = {
        **PLAIN,
        "oauthguard.issuer": "https://issuer.example",
        "oauthguard.server.issuer": ISSUER,
        "oauthguard.server.audience": AUDIENCE,
        "oauthguard.server.signing.algorithm": ALGORITHM,
        "oauthguard.server.sqlalchemy.url": f"sqlite:///{tmp_path}/oauth.sqlite",
        "oauthguard.cache.jwks.backend": "dogpile.cache.redis",
    }
    config = Configurator(settings=settings)
    config.include("pyramid_oauthguard.server")
    config.include("pyramid_oauthguard")
    with pytest.raises(SettingError, match=r"oauthguard\.cache\.jwks\.backend"):
        config.make_wsgi_app()
    config.registry.getUtility(IService).store.close()


# ── no secret ────────────────────────────────────────────────────────────────────────────────────────────────────


OUTSIDE = {
    "dogpile.cache.redis": {},
    "dogpile.cache.dbm": {"filename": "cache.dbm"},
    "tests.elsewhere": {},
}


def start(settings, *, folder=None, tweens=True):
    arguments = {
        key: str(folder / value) if key.endswith("arguments.filename") and folder else value
        for key, value in settings.items()
    }
    explicit = {} if tweens else {"pyramid.tweens": "pyramid.tweens.excview_tween_factory"}
    config = Configurator(settings={**PLAIN, **arguments, **explicit})
    config.include("pyramid_oauthguard")
    config.add_view(lambda _request: {}, renderer="json", token_check="local")
    return config.make_wsgi_app()


def name_backend(cache, backend):
    options = {f"arguments.{key}": value for key, value in OUTSIDE.get(backend, {}).items()}
    return {f"oauthguard.cache.{cache}.{key}": value for key, value in {"backend": backend, **options}.items()}


@pytest.mark.promise("GD-25")
@pytest.mark.parametrize("tweens", [True, False])
@pytest.mark.parametrize("backend", OUTSIDE)
@pytest.mark.parametrize("cache", CACHES)
def test_a_shared_cache_without_a_secret_stops_start_up(tmp_path, cache, backend, tweens):
    settings = name_backend(cache, backend)
    with pytest.raises(SettingError) as caught:
        start(settings, folder=tmp_path, tweens=tweens)
    said = str(caught.value)
    assert said.startswith(f"oauthguard.cache.{cache}.backend: is {backend}, which is outside this process")
    assert "oauthguard.cache.secret_file" in said
    assert "oauthguard.cache.trusted = true" in said
    with pytest.raises(SettingError):
        start({**settings, "oauthguard.introspection.auth_method": "none"}, folder=tmp_path)


@pytest.mark.parametrize("backend", ["pymemcache", "redis_sentinel", "redis_cluster", "valkey", "null2", "MEMORY"])
def test_whatever_is_not_known_to_be_memory_of_this_process_is_shared(backend):
    assert is_shared({"backend": f"dogpile.cache.{backend}"})


class Mapped(UserDict):
    """As a multiprocessing manager's or a shelf: a mapping whose entries may be anywhere."""


@pytest.mark.promise("GD-25")
@pytest.mark.parametrize("backend", ["dogpile.cache.memory", "dogpile.cache.memory_pickle"])
def test_a_memory_backend_with_a_mapping_of_the_application_is_shared(backend):
    kept = Mapped()
    key = generate_key(ALGORITHM)
    settings = {"oauthguard.cache.jwks.backend": backend, "oauthguard.cache.jwks.arguments.cache_dict": kept}
    with pytest.raises(SettingError, match=rf"oauthguard\.cache\.jwks\.backend: is {backend}, which is outside"):
        start(settings)
    start({**settings, "oauthguard.cache.jwks.arguments.cache_dict": {}})
    issuer = MemoryIssuer(ISSUER, audience=AUDIENCE, algorithm=ALGORITHM)
    bound = bind("", ISSUER, AUDIENCE, "jwks")
    region = build_region(
        "jwks", {"backend": backend, "arguments.cache_dict": kept}, expiration_time=HOUR, secret=bound
    )
    region.set("jwks", describe_keys(key))
    api = build_trusting(issuer, **settings, **{"oauthguard.cache.secret": SECRET})
    assert [api.ask("local", issuer.mint(key=key)), api.ask("local", issuer.mint())] == [401, 200]
    assert all(isinstance(entry, bytes) for entry in kept.values())


class Renamed(PylibmcBackend):
    """A backend that unpickles what it reads, under another name. Its driver need not be installed."""

    def _imports(self):
        pass


class RenamedToo(PyMemcacheBackend):
    """Unpickles by default."""

    def __init__(self, arguments):
        self.serde = arguments.get("serde", pickle)


register_backend("tests.renamed", __name__, "Renamed")
register_backend("tests.renamed_too", __name__, "RenamedToo")
register_backend("tests.renamed_memcache", __name__, "RenamedToo")


@pytest.mark.promise("GD-25")
@pytest.mark.parametrize("more", [{}, {"arguments.serde": pickle}])
@pytest.mark.parametrize("backend", ["tests.renamed", "tests.renamed_too", "tests.renamed_memcache"])
def test_a_backend_that_runs_what_it_reads_is_refused_under_every_name(backend, more):
    options = {"backend": backend, "arguments.url": "127.0.0.1", **more}
    settings = {f"oauthguard.cache.jwks.{key}": value for key, value in options.items()}
    if backend == "tests.renamed_memcache" and not more:
        start({**settings, "oauthguard.cache.secret": SECRET})  # recognized, and made to read bytes
        return
    with pytest.raises(ConfigurationExecutionError, match=r"oauthguard\.cache\.jwks: .* may unpickle what it reads"):
        start({**settings, "oauthguard.cache.secret": SECRET})


@pytest.mark.parametrize("backend", ["", "dogpile.cache.memory", "dogpile.cache.memory_pickle", "dogpile.cache.null"])
@pytest.mark.parametrize("cache", CACHES)
def test_a_cache_in_this_process_needs_no_secret(cache, backend):
    start(name_backend(cache, backend) if backend else {})


def test_trust_of_a_shared_cache_is_a_setting_whose_cost_the_check_tells(tmp_path):
    settings = {**name_backend("jwks", "dogpile.cache.dbm"), "oauthguard.cache.trusted": "true"}
    app = start(settings, folder=tmp_path)
    [finding] = [each for each in judge_guard(app.registry) if each.subject == "oauthguard.cache.trusted"]
    assert finding.level == "warning"
    assert "every program that can write to it can make tokens" in finding.text
    assert "oauthguard.cache.secret_file" in finding.hint
    sealed = start({**settings, "oauthguard.cache.secret": SECRET}, folder=tmp_path)
    [finding] = [each for each in judge_guard(sealed.registry) if "dbm" in each.text]
    assert (finding.level, finding.subject) == ("ok", "caches")
    assert SECRET not in repr(finding)


def test_trust_of_a_shared_cache_is_the_trust_of_all_who_write_to_it(tmp_path):
    """What the setting costs, shown."""
    issuer = MemoryIssuer(ISSUER, audience=AUDIENCE, algorithm=ALGORITHM)
    options = {"backend": "dogpile.cache.dbm", "arguments.filename": str(tmp_path / "cache")}
    more = {f"oauthguard.cache.jwks.{key}": value for key, value in options.items()}
    key = generate_key(ALGORITHM)
    region = build_region("jwks", options, expiration_time=HOUR, secret=bind("", ISSUER, AUDIENCE, "jwks"))
    region.set("jwks", describe_keys(key))
    trusting = build_trusting(issuer, **{**more, "oauthguard.cache.trusted": "true"})
    assert trusting.ask("local", issuer.mint(key=key)) == 200
    sealed = build_trusting(issuer, **{**more, "oauthguard.cache.secret": SECRET})
    assert sealed.ask("local", issuer.mint(key=key)) == 401


# ── a secret for the caches alone ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("secret", ["short", "x" * 31, "0" * 64, "abababab" * 8])
def test_a_secret_that_can_be_guessed_stops_start_up(secret):
    with pytest.raises(ConfigurationExecutionError, match=r"oauthguard\.cache\.secret: must have") as caught:
        start({"oauthguard.cache.secret": secret})
    assert secret not in str(caught.value)


LONG = {
    "oauthguard.issuer": "https://issuer.example/realms/customers",
    "oauthguard.audience": "https://api.example/customers/v1/",
    "oauthguard.client_id": "client-that-calls-the-customers-api",
}


@pytest.mark.parametrize("secret", ["change-me-" * 4, "change-me-" * 4 + "change", "abcdefgh" * 4, "the same! " * 4])
def test_a_secret_of_a_few_characters_again_and_again_stops_start_up(secret):
    with pytest.raises(ConfigurationExecutionError, match=r"oauthguard\.cache\.secret: must not repeat the same"):
        start({"oauthguard.cache.secret": secret})


@pytest.mark.promise("GD-25")
@pytest.mark.parametrize("change", [str, str.upper, lambda text: text.rstrip("/"), lambda text: text + "/"])
@pytest.mark.parametrize("name", LONG)
def test_a_secret_that_is_another_setting_is_known_to_others_and_stops_start_up(name, change):
    secret = change(LONG[name])
    with pytest.raises(ConfigurationExecutionError, match=r"oauthguard\.cache\.secret: must not be the value of"):
        start({**LONG, "oauthguard.cache.secret": secret})
    client = {"oauthguard.introspection.client_id": "api", "oauthguard.introspection.client_secret": secret}
    with pytest.raises(SettingError, match=r"oauthguard\.cache\.jwks\.backend: is tests\.elsewhere, which is outside"):
        start({**LONG, **client, **name_backend("jwks", "tests.elsewhere")})


@pytest.mark.promise("GD-25")
def test_a_client_secret_that_is_the_client_id_seals_nothing():
    client = {"oauthguard.introspection.client_id": "customers", "oauthguard.introspection.client_secret": "customers"}
    with pytest.raises(SettingError, match=r"oauthguard\.cache\.jwks\.backend: is tests\.elsewhere, which is outside"):
        start({**client, **name_backend("jwks", "tests.elsewhere")})
    start(client)


@pytest.mark.needs("redis-server")
@pytest.mark.promise("GD-25", "GD-22")
def test_guards_without_credentials_share_keys_by_a_secret_of_their_own(cache, tmp_path):
    (tmp_path / "secret").write_text(SECRET + "\n")
    (tmp_path / "secret").chmod(0o600)
    issuer = Distant(ISSUER, audience=AUDIENCE)
    where = cache.settings("jwks")
    one = build_trusting(issuer, **{**where, "oauthguard.cache.secret": SECRET})
    other = build_trusting(issuer, **{**where, "oauthguard.cache.secret_file": str(tmp_path / "secret")})
    raw = issuer.mint()
    assert [one.ask("local", raw), other.ask("local", raw)] == [200, 200]
    assert issuer.calls["fetch_keys"] == 1
    foreign = build_trusting(issuer, **{**where, "oauthguard.cache.secret": SECRET[::-1]})
    assert foreign.ask("local", raw) == 200
    assert issuer.calls["fetch_keys"] == 2

    cache.client.flushall()
    key = generate_key(ALGORITHM)
    for guess in ("", "setting ", "setting guess", f"introspection {SECRET}", f"server {SECRET}"):
        put(cache, "jwks", "jwks", describe_keys(key), guess)
    fresh = build_trusting(issuer, **{**where, "oauthguard.cache.secret": SECRET})
    assert fresh.ask("local", issuer.mint(key=key)) == 401
    put(cache, "jwks", "jwks", describe_keys(key), f"setting {SECRET}")
    fresh = build_trusting(issuer, **{**where, "oauthguard.cache.secret": SECRET})
    assert fresh.ask("local", issuer.mint(key=key)) == 200, "else this test would show nothing"


def test_a_short_introspection_secret_that_seals_is_told(server):
    secret = {"oauthguard.introspection.client_secret": "customer-manager-api-secret"}
    api = Api({**server.settings, **secret, "oauthguard.cache.inactive.backend": "tests.elsewhere"})
    found = [each for each in judge_guard(api.registry) if "seals inactive" in each.text]
    assert [(each.level, each.subject) for each in found] == [("warning", "oauthguard.introspection.client_secret")]


# ── sealed entries, moved and put back ───────────────────────────────────────────────────────────────────────────


@pytest.mark.needs("redis-server")
@pytest.mark.promise("GD-25")
def test_no_sealed_entry_can_be_moved_to_another_cache_key_audience_or_issuer(cache):
    """Each entry of an API is put under each name that any API with the same secret uses."""
    secret = {"oauthguard.cache.secret": SECRET, "oauthguard.cache.introspection.expiration_time": "1h"}
    where = {**cache.settings("introspection", "inactive", "jwks"), **secret}
    issuers = [Distant(ISSUER, audience=name) for name in (AUDIENCE, "https://other.example")]
    issuers.append(Distant("http://localhost:6544", audience=AUDIENCE))
    tokens = []
    for issuer in issuers:
        good, bad, ended = issuer.mint_opaque(), issuer.mint_opaque(), issuer.mint_opaque()
        issuer.revoke(bad)
        assert build_trusting(issuer, **where).ask_all("remote", [good, bad, ended, issuer.mint()]) == {200: 3, 401: 1}
        issuer.revoke(ended)
        tokens.append((issuer, good, bad, ended))
    held = cache.read_all()
    assert len(held) == 24
    names = list(held)
    for shift in range(1, len(names)):
        for place, source in zip(names, names[shift:] + names[:shift], strict=True):
            cache.client.set(place, held[source])
        for issuer, good, bad, ended in tokens:
            fresh = build_trusting(issuer, **where)
            assert [fresh.ask("remote", each) for each in (good, bad, ended)] == [200, 401, 401]
            assert fresh.ask("local", issuer.mint()) == 200


def build_source(issuer, region):
    return KeySource(issuer.fetch_keys, region, algorithms=(ALGORITHM,), lifetime=HOUR, cooldown=30, max_stale=DAY)


@pytest.mark.promise("GD-21", "GD-25")
def test_an_old_key_set_that_is_put_back_serves_no_longer_than_it_would_have(clock):
    issuer = Distant(ISSUER, audience=AUDIENCE)
    region = build_region("jwks", {}, expiration_time=HOUR, secret="shared")
    running = build_source(issuer, region)
    old = issuer.signing_key
    assert running.find(ALGORITHM, old.kid)
    saved = region.get("jwks")
    issuer.rotate()
    issuer.withdraw(old.kid)
    clock.shift(HOUR - 10)
    assert running.find(ALGORITHM, issuer.signing_key.kid)
    region.set("jwks", saved)
    assert not running.kept.require(time.time()).has(old.kid), "a process that has a newer set keeps it"
    assert build_source(issuer, region).kept.require(time.time()).has(old.kid), "for the ten seconds that are left"
    clock.shift(10)
    region.set("jwks", saved)
    for source in (running, build_source(issuer, region)):
        assert not source.kept.require(time.time()).has(old.kid)
        assert source.find(ALGORITHM, issuer.signing_key.kid)
