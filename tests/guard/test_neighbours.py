"""What `explain` says of other settings: each was tried, each says its cost, and none is one that the guard forbids."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
from pyramid.config import Configurator

from pyramid_oauthguard import UnavailableError
from pyramid_oauthguard.command.guard.explanation import Explanation, explain_token
from pyramid_oauthguard.guard.reports.neighbours import find_host_neighbours, find_neighbours
from pyramid_oauthguard.guard.settings import parse_settings
from pyramid_oauthguard.testing import ABSENT, MemoryIssuer, generate_key, mint, trust
from tests.guard.commanded import run_check, run_explain, write_ini
from tests.guard.guarding import add
from tests.guard.test_userinfo import Site
from tests.issuers import HTTPIssuer

SENTENCE = re.compile(
    r"with (.+) this token would pass this step(?:, and would then be refused for (\w+))?; it costs: .+"
)


def explain(issuer: MemoryIssuer, raw: str, mode: str = "local", **settings: str) -> Explanation:
    given = {f"oauthguard.{name.replace('__', '.')}": value for name, value in settings.items()}
    return explain_with({**issuer.settings, **given}, issuer, raw, mode)


def explain_with(settings: dict[str, Any], issuer: MemoryIssuer, raw: str, mode: str) -> Explanation:
    config = Configurator(settings=settings)
    config.include("pyramid_oauthguard")
    add(config, "/view", token_check=mode)
    app = config.make_wsgi_app()
    if issuer.identifier in (settings["oauthguard.issuer"], settings.get("oauthguard.issuers.other.issuer")):
        trust(app, issuer)
    return explain_token(app.registry, raw, mode)


def read(sentence: str) -> tuple[dict[str, str], str | None]:
    """The settings of a sentence, and the reason that comes next."""
    found = SENTENCE.fullmatch(sentence)
    assert found, sentence
    return dict(line.split(" = ", 1) for line in found[1].split(" and ")), found[2]


@pytest.fixture
def issuer() -> MemoryIssuer:
    return MemoryIssuer()


NOW = 1_800_000_000
KEY = generate_key("RS256")
#: The claims, the settings, the mode, and the lines of each sentence.
CASES: dict[str, tuple[dict[str, Any], dict[str, str], list[set[str]]]] = {
    "no audience": (
        {"aud": ABSENT, "client_id": "web"},
        {},
        [{"oauthguard.audience_by_client = true", "oauthguard.client_id = web"}],
    ),
    "no audience, listed client": (
        {"aud": ABSENT, "client_id": "web", "token_use": "access"},
        {"client_id": "web app"},
        [{"oauthguard.audience_by_client = true"}],
    ),
    "issued in a minute": (
        {"iat": NOW + 60},
        {},
        [{"oauthguard.leeway = 70"}, {"oauthguard.check_issued_at = false"}],
    ),
    "issued in an hour": ({"iat": NOW + 3600}, {}, [{"oauthguard.check_issued_at = false"}]),
    "issued in milliseconds": ({"iat": NOW * 1000}, {}, [{"oauthguard.check_issued_at = false"}]),
    "expired a moment ago": ({"exp": NOW - 45}, {}, [{"oauthguard.leeway = 60"}]),
    "not valid for a moment": ({"nbf": NOW + 100}, {}, [{"oauthguard.leeway = 110"}]),
    "another claim has the client": (
        {"client_id": "c7", "azp": "web"},
        {"client_id": "web"},
        [{"oauthguard.client_id_claim = azp"}],
    ),
    "the client is a list": (
        {"client_id": ["web"], "appid": "web"},
        {"client_id": "web"},
        [{"oauthguard.client_id_claim = appid"}],
    ),
    "another claim has the scopes": (
        {"scope": {"read": True}, "scp": ["read"]},
        {},
        [{"oauthguard.scope_claim = scp"}],
    ),
    "a slash": ({"iss": "https://issuer.test/"}, {}, [{"oauthguard.issuer = https://issuer.test/"}]),
    "another issuer": (
        {"iss": "https://other.test"},
        {},
        [{"oauthguard.issuers = other", "oauthguard.issuers.other.issuer = https://other.test"}],
    ),
    "another issuer without TLS": (
        {"iss": "http://keycloak:8080/realms/a"},
        {},
        [{"oauthguard.issuers = other", "oauthguard.issuers.other.http.insecure_hosts = keycloak:8080"}],
    ),
    "profile": ({"jti": ABSENT}, {"profile": "rfc9068"}, [{"oauthguard.profile = generic"}]),
}


@pytest.fixture
def now(monkeypatch) -> Iterator[None]:
    import time_machine

    with time_machine.travel(NOW, tick=False):
        yield


@pytest.mark.usefixtures("now")
@pytest.mark.parametrize(("claims", "settings", "wanted"), CASES.values(), ids=CASES)
def test_each_sentence_is_true(issuer, claims, settings, wanted):
    raw = issuer.mint(claims, header={"typ": "at+jwt"})
    refused = explain(issuer, raw, **settings)
    assert refused.reason is not None
    found = [read(each) for each in refused.others]
    for lines, (given, _next) in zip(wanted, found, strict=True):
        assert lines <= {f"{key} = {value}" for key, value in given.items()}
    for given, after in found:
        mine = {f"oauthguard.{name}": value for name, value in settings.items()}
        theirs_too = {key: "read" if key.endswith(".scopes") else value for key, value in given.items()}
        theirs = issuer
        if claims.get("iss") not in (None, issuer.identifier):  # the issuer by that name has the same keys
            theirs = MemoryIssuer(claims["iss"])
            theirs.withdraw()
            theirs.publish(*issuer.jwks["keys"])
        assert explain_with({**issuer.settings, **mine, **theirs_too}, theirs, raw, "local").reason == after


@pytest.mark.usefixtures("now")
def test_of_headers(issuer):
    raw = MemoryIssuer(algorithm="ES256").mint()
    (given, _after), *rest = map(read, explain(issuer, raw, algorithms="RS256").others)
    assert (given, rest) == ({"oauthguard.algorithms": "RS256 ES256"}, [])
    raw = issuer.mint(header={"typ": "JWT"})
    assert [read(each)[0] for each in explain(issuer, raw, profile="rfc9068").others] == [
        {"oauthguard.profile": "generic"}
    ]


FORBIDDEN: dict[str, dict[str, Any]] = {
    "an ID token by its nonce": {"aud": ABSENT, "client_id": "web", "nonce": "1"},
    "an ID token by its hash": {"aud": ABSENT, "client_id": "web", "at_hash": "1"},
    "Cognito's ID token": {"aud": ABSENT, "client_id": "web", "token_use": "id"},
    "no audience and another claim of the client": {"aud": ABSENT, "client_id": ABSENT, "azp": "web"},
    "audience null": {"aud": None, "client_id": "web"},
    "audience empty": {"aud": [], "client_id": "web"},
    "another audience": {"aud": "https://other.test", "client_id": "web"},
    "bound": {"cnf": {"jkt": "x"}},
    "expired long ago": {"exp": NOW - 3600},
    "no expiry": {"exp": ABSENT},
    "expiry in milliseconds": {"exp": NOW * 1000},
    "issuer of no text": {"iss": ["https://other.test"]},
    "issuer that is no URL": {"iss": "somebody"},
    "a logout token": {"events": {}},
}


@pytest.mark.usefixtures("now")
@pytest.mark.parametrize("claims", FORBIDDEN.values(), ids=FORBIDDEN)
def test_nothing_that_is_forbidden_is_suggested(issuer, claims):
    refused = explain(issuer, issuer.mint(claims))
    assert refused.reason is not None
    assert refused.others == ()


@pytest.mark.parametrize("mode", ["local", "remote"])
def test_no_algorithm_without_a_public_key_is_suggested(issuer, mode):
    claims = {"iss": issuer.identifier, "aud": issuer.audience, "exp": int(time.time()) + 60}
    unsigned = f"eyJhbGciOiJub25lIn0.{issuer.mint(claims).split('.')[1]}.AA"
    assert explain(issuer, unsigned, mode).others == ()
    foreign = mint(claims, generate_key("RS256", kid=issuer.signing_key.kid))
    assert explain(issuer, foreign, mode).others == (), "a wrong signature passes under no setting"


def test_a_token_that_only_the_issuer_can_judge(issuer):
    shared = "eyJhbGciOiJIUzI1NiJ9." + ".".join(issuer.mint().split(".")[1:])
    assert explain(issuer, shared).others == ()
    (sentence,) = explain(issuer, shared, "remote").others
    assert read(sentence)[0] == {"oauthguard.introspection.judges": "all"}
    assert explain(issuer, shared, "remote", introspection__judges="all").others == ()


@pytest.mark.parametrize(
    ("answer", "line"),
    [
        ({"aud": ABSENT}, "oauthguard.introspection.require_audience"),
        ({"exp": ABSENT}, "oauthguard.introspection.require_expiry"),
        ({"aud": "https://other.test"}, None),
        ({"active": False}, None),
        ({"iss": "https://evil.test"}, "oauthguard.issuers"),
    ],
    ids=["no audience", "no expiry", "another audience", "inactive", "another issuer"],
)
def test_of_answers(answer, line, tmp_path):
    with HTTPIssuer() as server:
        said = {"active": True, "aud": server.issuer.audience, "exp": int(time.time()) + 60, "sub": "ada", **answer}
        server.issuer.answer("opaque", {name: value for name, value in said.items() if value is not ABSENT})
        config = Configurator(settings=server.settings)
        config.include("pyramid_oauthguard")
        add(config, "/remote", token_check="remote")
        calls = server.calls
        refused = explain_token(config.make_wsgi_app().registry, "opaque", "remote")
        assert [next(iter(read(each)[0])) for each in refused.others] == ([line] if line else [])
        assert calls["introspection"] <= 2, "the check, and the answer that explain shows"


def test_a_token_whose_audience_only_the_issuer_says(issuer):
    """A lightweight one of Keycloak."""
    raw = issuer.mint({"aud": ABSENT, "sub": ABSENT, "client_id": ABSENT, "azp": "web", "typ": "Bearer"})
    assert explain(issuer, raw).others == ()
    (sentence,) = explain(issuer, raw, "remote").others
    assert read(sentence)[0] == {"oauthguard.introspection.judges": "all"}
    other = issuer.mint({"aud": "https://other.test"})
    assert explain(issuer, other, "remote").others == (), "it says that it is for another API"


@pytest.mark.parametrize("name", ["", "issuers.staff."])
def test_a_tenant_that_is_not_in_the_list(name):
    own = {
        f"{name}issuer": "https://login.test/{tid}/v2.0",
        f"{name}issuer_values": "t1",
        f"{name}jwks_uri": "https://login.test/keys",
        f"{name}audience": "https://api.test",
        **({"issuers": "staff", "issuers.staff.scopes": "any"} if name else {}),
    }
    settings = parse_settings({f"oauthguard.{key}": value for key, value in own.items()})
    claims = {"iss": "https://login.test/t2/v2.0", "tid": "t2", "aud": "https://api.test", "exp": int(time.time()) + 60}
    (sentence,) = find_neighbours(settings, "wrong_issuer", mint(claims, KEY), mode="local", answer=None)
    assert read(sentence) == ({f"oauthguard.{name}issuer_values": "t1 t2"}, None)
    for odd in ("https://login.test/t1/v2.0/", "https://login.test/a b/v2.0", "https://login.test/a/b/v2.0"):
        found = find_neighbours(settings, "wrong_issuer", mint({**claims, "iss": odd}, KEY), mode="local", answer=None)
        assert not any("issuer_values" in each for each in found)


def test_a_name_at_the_host_of_the_issuer_is_not_an_address():
    """ADFS: its access tokens have another iss than its metadata."""
    names = {"oauthguard.issuer": "https://sts.test/adfs", "oauthguard.audience": "api"}
    claims = {"iss": "http://sts.test/adfs/services/trust", "aud": "api", "exp": int(time.time()) + 60}
    settings = parse_settings(names)
    (sentence,) = find_neighbours(settings, "wrong_issuer", mint(claims, KEY), mode="local", answer=None)
    assert read(sentence)[0] == {
        "oauthguard.issuer": "http://sts.test/adfs/services/trust",
        "oauthguard.jwks_uri": "(that of the issuer's metadata)",
    }


def test_the_keys_are_those_of_the_named_issuer(issuer):
    settings = {
        "issuers": "staff",
        "issuers__staff__issuer": "https://staff.test",
        "issuers__staff__scopes": "any",
        "issuers__staff__jwks_uri": "https://staff.test/keys",
    }
    given = {f"oauthguard.{name.replace('__', '.')}": value for name, value in settings.items()}
    config = Configurator(settings={**issuer.settings, **given})
    config.include("pyramid_oauthguard")
    add(config, "/view", token_check="local")
    app = config.make_wsgi_app()
    staff = trust(app, MemoryIssuer("https://staff.test"))
    refused = explain_token(app.registry, staff.mint(iat=int(time.time()) + 3600), "local")
    assert [read(each)[0] for each in refused.others] == [{"oauthguard.issuers.staff.check_issued_at": "false"}]


def test_an_address_of_the_metadata_without_tls():
    def ask(issuer: str, url: str, hosts: str = "") -> tuple[str, ...]:
        names = {"oauthguard.issuer": issuer, "oauthguard.audience": "x", "oauthguard.http.insecure_hosts": hosts}
        detail = (
            f"jwks_uri in {issuer}/.well-known must begin with https:// (http:// only for loopback hosts), not {url!r}"
        )
        return find_host_neighbours(parse_settings(names), UnavailableError("bad_metadata", detail))

    (sentence,) = ask("http://keycloak:8080", "http://keys/jwks", "keycloak:8080")
    assert read(sentence)[0] == {"oauthguard.http.insecure_hosts": "keycloak:8080 keys"}
    assert ask("https://login.example.com", "http://keys/jwks") == (), "an issuer with TLS publishes no address without"
    assert ask("https://login.example.com", "http://keys/jwks", "other") == ()
    assert ask("http://keycloak:8080", "https://keys/jwks", "keycloak:8080") == ()


@pytest.mark.slow
def test_the_command_prints_them(tmp_path):
    with HTTPIssuer() as server:
        raw = server.issuer.mint(iat=int(time.time()) + 3600)
        result = run_explain(write_ini(tmp_path, server.settings), raw)
        assert (
            "other:   with oauthguard.check_issued_at = false this token would pass this step; it costs: "
            in result.output
        )


# ── userinfo ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
@pytest.mark.parametrize(
    ("said", "code", "text"),
    [
        (None, 0, "ok    userinfo: refuses an invented token"),
        ((200, b'{"sub": "ada"}'), 1, "FAIL  oauthguard.userinfo: names a user for an invented token"),
        ((404, b""), 1, "answers a token that it does not know with 401"),
        ((503, b""), 6, "checks by userinfo will answer 503"),
    ],
    ids=["good", "knows everybody", "missing", "down"],
)
def test_check_asks_userinfo_where_it_is_used(tmp_path, said, code, text):
    from tests.guard import commanded

    with Site() as site:
        site.said = said
        commanded.VIEWS["userinfo"] = lambda config: add(config, "/who", token_check="userinfo")
        ini = write_ini(tmp_path, {**site.settings, "oauthguard.userinfo.any_client": "true"}, "userinfo")
        checked = run_check(ini)
        assert (checked.exit_code, text in checked.output) == (code, True), checked.output
        assert site.calls["userinfo"] == 1
        explained = " ".join(run_explain(ini, "opaque").output.split())
        assert {0: "issued without the scope openid", 6: "CAN'T SAY"}.get(code, "userinfo") in explained
        assert "introspection" not in explained
        assert " inf " not in explained
        site.calls.clear()
        site.calls["userinfo"] += 1
        assert run_check(write_ini(tmp_path, site.settings, "local")).exit_code == 0
        assert site.calls["userinfo"] == 1
