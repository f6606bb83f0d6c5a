"""What a reviewer tried at first-party clients, PKCE, imports and assertions, with a server that runs. Each hole has its name here."""

from __future__ import annotations

import json
import logging
import multiprocessing
import time

import pytest
from pyramid.config import Configurator
from webtest import TestApp

from pyramid_oauthguard.errors import SettingError
from pyramid_oauthguard.server.clients import RegistrationError, get_clients
from pyramid_oauthguard.server.clients.redirect_uris import leaves_device
from pyramid_oauthguard.server.clients.secrets.imported import read_secret_hash
from pyramid_oauthguard.server.service import IService
from tests.server.conftest import ISSUER, basic
from tests.server.flows import CALLBACK, LOOPBACK, build_flow, read_answer
from tests.server.test_jwt_bearer import (
    DROP,
    GRANT,
    PARTNER,
    ask,
    keys,
    make,
    own,
    parse,
    refuse,
    sign,
    sign_own,
)

pytestmark = pytest.mark.slow

__all__ = ["keys", "make", "own"]  # fixtures

NEAR = [LOOPBACK, "http://[::1]/x", "http://localhost/x", "com.example:/x", "https://localhost/x"]
LOOPBACK_NAMES = ["localhost.localdomain", "ip6-localhost", "ip6-loopback", "localhost6.localdomain6", "a.localhost"]


# Guardrails 19 and 20: what stays on the user's device.


@pytest.mark.promise("AS-53")
@pytest.mark.parametrize("uri", NEAR)
def test_the_setting_frees_no_client_whose_answer_stays_on_the_device_from_pkce(build, uri):
    flow = build_flow(build, {"require_pkce": "false"})
    flow.server.clients.edit(flow.web.client.client_id, redirect_uris=[uri, CALLBACK])
    without = {"code_challenge": None, "code_challenge_method": None}
    answer = flow.sign_in().get("/oauth/authorize", flow.ask(redirect_uri=uri, **without))
    assert read_answer(answer)["error"] == "invalid_request"
    elsewhere = flow.sign_in().get("/oauth/authorize", flow.ask(redirect_uri=CALLBACK, **without))
    assert elsewhere.content_type == "text/html", "the other redirect URI of the same client is free"


@pytest.mark.promise("AS-52", "AS-53")
@pytest.mark.parametrize("host", LOOPBACK_NAMES)
def test_a_name_of_the_hosts_file_for_loopback_is_loopback(build, host):
    uri = f"https://{host}:8443/callback"
    assert not leaves_device(uri)
    flow = build_flow(build)
    flow.server.clients.edit(flow.web.client.client_id, first_party=True, redirect_uris=[uri])
    page = flow.sign_in().get("/oauth/authorize", flow.ask(redirect_uri=uri))
    assert page.content_type == "text/html", "it is asked for"


@pytest.mark.parametrize(
    "uri",
    [
        "https://127.1/", "https://2130706433/", "https://0x7f.1/", "https://[::ffff:7f00:1]/", "https://localhost./",
        "https://LOCALHOST/", "https://0.0.0.0/", "https://[::]/", "https://a@localhost/", "https://local%68ost/",
        "HTTPS://localhost:443/", "https://①②⑦.0.0.1/", "https://[0:0:0:0:0:0:0:1]/", "https://x.LOCALHOST/",
    ],
)  # fmt: skip
def test_no_spelling_of_loopback_leaves_the_device(uri):
    assert not leaves_device(uri)


# Guardrail 14: assertions.


@pytest.mark.promise("AS-15")
@pytest.mark.parametrize(
    "claims",
    [
        {"token_use": "access"}, {"token_use": "access_token"}, {"token_type": "Bearer"}, {"tokenName": "access_token"},
        {"typ": "Bearer"}, {"typ": "at+jwt"}, {"typ": "application/at+jwt"},
    ],
)  # fmt: skip
def test_an_access_token_of_the_issuer_is_no_assertion_whatever_its_header_says(make, caplog, claims):
    refuse(make(), sign(header={"typ": "JWT"}, **claims), caplog, "access_token")


@pytest.mark.promise("AS-15")
def test_a_claim_that_says_jwt_says_nothing(make):
    assert ask(make(), sign(typ="JWT"))["access_token"]


@pytest.mark.promise("AS-15")
@pytest.mark.parametrize("scope", ["admin", "other admin", "Read", "read\u00a0write", "read\twrite"])
def test_an_assertion_for_other_scopes_only_gives_no_token(make, scope):
    answer = ask(make(), sign(scope=scope), status=400)
    assert answer["error"] == "invalid_scope"
    assert "access_token" not in answer


@pytest.mark.promise("AS-15")
@pytest.mark.parametrize("leeway", ["301", "1h", "1d", "-1"])
def test_a_leeway_does_not_make_hours_of_minutes(leeway):
    with pytest.raises(SettingError) as caught:
        parse(**{"a.issuer": PARTNER, "a.scopes": "any", "a.leeway": leeway})
    assert caught.value.key == "oauthguard.server.assertions.a.leeway"


@pytest.mark.promise("AS-15")
@pytest.mark.parametrize(
    "changes",
    [
        {"exp": True}, {"exp": 1e300}, {"iat": DROP, "exp": 3700}, {"iat": None}, {"nbf": None}, {"nbf": False},
        {"iat": -5}, {"jti": 5}, {"jti": "a\nb"}, {"jti": ["x"]}, {"sub": 5}, {"sub": "a\u202eb"}, {"aud": []},
        {"aud": [ISSUER, ISSUER]}, {"aud": [[ISSUER]]}, {"aud": {"x": ISSUER}}, {"aud": ISSUER.upper()},
        {"aud": f"{ISSUER}/"}, {"aud": None}, {"iss": [PARTNER]}, {"client_id": None}, {"client_id": ["x"]},
        {"cnf": None}, {"resource": {}}, {"exp": 1e12},
    ],
    ids="-".join,
)  # fmt: skip
def test_odd_values_are_refused_and_never_a_500(make, caplog, changes):
    now = int(time.time())
    near = {name: now + value if value == 3700 else value for name, value in changes.items()}
    refuse(make(), sign(**near), caplog, "")


@pytest.mark.promise("AS-15")
def test_tokens_of_this_server_are_no_assertions(make, caplog):
    flow = make()
    tokens = flow.redeem(flow.allow())
    refuse(flow, tokens["access_token"], caplog, "own_issuer")
    refuse(flow, tokens["refresh_token"], caplog, "not_a_jwt")


@pytest.mark.promise("AS-15")
def test_a_client_asserts_nobody_of_another_client(own, caplog):
    """Neither in the name of the other one, nor with the other one's users, nor by the form of its subjects."""
    clients = own.server.clients
    other = clients.create("Other", grants=[GRANT], scopes=["read"], assertion_subjects=["other-*"])
    clients.set_shared_key(other.client.client_id, b"fedcba9876543210fedcba9876543210")
    refuse(own, sign_own(own, iss=other.client.client_id), caplog, "unknown_issuer")
    refuse(own, sign_own(own, sub="other-anna"), caplog, "foreign_subject")
    refuse(own, sign_own(own, sub=f"clients/{other.client.client_id}/other-anna"), caplog, "foreign_subject")
    refuse(own, sign_own(own), caplog, "unknown_issuer", client=other)
    mine = sign_own(own, key=b"fedcba9876543210fedcba9876543210")
    refuse(own, mine, caplog, "bad_signature")


@pytest.mark.promise("AS-15")
@pytest.mark.parametrize("subject", ["partner/anna", "partner/", "partner/a%2Fb"])
def test_a_local_user_is_never_the_user_of_an_assertion(make, caplog, subject):
    flow = make(subject=None)
    token = ask(flow, sign(sub="anna"))["access_token"]
    assert flow.server.introspect(token)["sub"] == "partner/anna"
    answer = flow.sign_in(subject).get("/oauth/authorize", flow.ask(), status="*")
    assert "code=" not in answer.headers.get("Location", "")
    assert answer.content_type != "text/html" or "decision" not in answer.text
    assert "as those of the users of assertions.partner do" in caplog.text
    assert flow.show(browser=flow.sign_in("partner")), "a user of another form is asked"


@pytest.mark.promise("AS-15")
def test_with_a_hook_the_form_of_a_subject_means_nothing(make):
    flow = make()
    assert flow.show(browser=flow.sign_in("partner/anna"))


@pytest.mark.promise("AS-15")
@pytest.mark.parametrize("named", [5, "", "a\nb", "x" * 300, True, b"anna", lambda client: client.client_id])
def test_a_hook_that_names_no_possible_user_gets_no_token(make, caplog, named):
    def hook(_issuer, client, _claims):
        return named(client) if callable(named) else named

    with caplog.at_level(logging.ERROR):
        answer = ask(make(subject=hook), sign(), status=400)
    assert answer["error"] == "server_error"
    assert caplog.text


@pytest.mark.promise("AS-11")
def test_a_hook_that_named_the_address_of_a_document_got_a_token(make, caplog):
    rights = {"self_registered.scopes": "read", "self_registered.audiences": "https://api.example"}
    flow = make(
        more={"client_metadata_documents": "on", **rights}, subject=lambda *_: "https://tool.example/client.json"
    )
    with caplog.at_level(logging.ERROR):
        assert ask(flow, sign(), status=400)["error"] == "server_error"
    assert "a client's document" in caplog.text


def _present(database, folder, assertion, headers, barrier, answers):
    """In a process of its own: the server of the same database."""
    config = Configurator(
        settings={f"oauthguard.server.{name}": value for name, value in _settings(database, folder).items()}
    )
    config.include("pyramid_oauthguard.server")
    app = TestApp(config.make_wsgi_app())
    barrier.wait(60)
    form = {"grant_type": GRANT, "assertion": assertion}
    answers.put(app.post("/oauth/token", form, headers=headers, status="*").status_int)
    app.app.registry.getUtility(IService).store.close()


def _settings(database, folder):
    return {
        "issuer": ISSUER,
        "audience": "https://api.example",
        "scopes": "read",
        "default_scopes": "read",
        "access_token_format": "opaque",
        "signing.algorithm": "ES256",
        "sqlalchemy.url": database,
        "pepper_file": f"{folder}/pepper",
        "assertions.partner.issuer": PARTNER,
        "assertions.partner.scopes": "read",
        "assertions.partner.jwks_file": f"{folder}/partner.json",
    }


@pytest.mark.promise("AS-15")
def test_two_processes_accept_an_assertion_once(tmp_path, keys):
    database = f"sqlite:///{tmp_path}/oauth.sqlite"
    config = Configurator(settings={f"oauthguard.server.{k}": v for k, v in _settings(database, tmp_path).items()})
    config.include("pyramid_oauthguard.server")
    app = config.make_wsgi_app()
    made = get_clients(app.registry).create("Partner app", grants=[GRANT], scopes=["read"])
    app.registry.getUtility(IService).store.close()
    context = multiprocessing.get_context("spawn")
    barrier, answers = context.Barrier(2), context.Queue()
    headers = basic(made.client.client_id, made.secret)
    given = (database, str(tmp_path), sign(), headers, barrier, answers)
    started = [context.Process(target=_present, args=given) for _number in range(2)]
    for process in started:
        process.start()
    assert sorted(answers.get(timeout=120) for _process in started) == [200, 400]
    for process in started:
        process.join(60)
    assert keys.parent == tmp_path


# Guardrail 22: scopes.


@pytest.mark.promise("AS-50")
@pytest.mark.parametrize(
    ("asked", "given"),
    [
        ("read admin", "read"), ("openid read", "read"), ("system.Everyone read", "read"), ("read offline_access", "read"),
        ("admin", None), ("Read", None), ("read%20write", None), ("openid", None),
    ],
)  # fmt: skip
def test_narrowing_takes_away_and_never_adds(build, asked, given):
    flow = build_flow(build, {"narrow_scopes": "on"})
    form = {"grant_type": "client_credentials", "scope": asked}
    answer = flow.server.app.post("/oauth/token", form, headers=flow.server.basic(flow.server.program), status="*").json
    assert (answer.get("scope"), answer.get("error")) == (given, None if given else "invalid_scope")


@pytest.mark.promise("AS-50")
def test_an_implied_scope_is_in_no_token_consent_or_answer(build):
    """The guard in the same process implies; the server does not."""

    def add_guard(config):
        own = {"issuer": ISSUER, "audience": "https://api.example", "scope_implies": "write = read"}
        config.registry.settings.update({f"oauthguard.{name}": value for name, value in own.items()})
        config.include("pyramid_oauthguard")

    flow = build_flow(build, {"narrow_scopes": "on"}, configure=add_guard)
    tokens = flow.redeem(flow.allow(scope="write"))
    assert tokens["scope"] == "write"
    assert flow.server.introspect(tokens["access_token"])["scope"] == "write"
    with flow.server.service.store.reading() as unit:
        assert [each.scopes for each in unit.list_consents("anna")] == [("write",)]
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"], "scope": "read"}
    answer = flow.server.app.post("/oauth/token", form, headers=flow.server.basic(flow.web), status=400)
    assert answer.json["error"] == "invalid_scope"
    assert json.dumps(tokens).count("read") == 0


# Guardrail 23: imported hashes.


_DIGEST = "A" * 43 + "="


@pytest.mark.promise("TK-40")
@pytest.mark.parametrize(
    "text",
    [
        f"pbkdf2_sha256$2000001$salt${_DIGEST}", f"pbkdf2_sha256$9999999$salt${_DIGEST}",
        f"pbkdf2_sha256$99999999999$salt${_DIGEST}", f"pbkdf2_sha256$0$salt${_DIGEST}",
        f"pbkdf2_sha256$-1$salt${_DIGEST}", f"pbkdf2_sha256$1e3$salt${_DIGEST}",
        f"pbkdf2_sha256$\u0661000$salt${_DIGEST}", f"pbkdf2_sha256$1000$${_DIGEST}",
        f"pbkdf2_sha256$1000${'s' * 129}${_DIGEST}", f"pbkdf2_sha256$1000$salt${_DIGEST}\n",
        f"pbkdf2_sha256$1000$sa lt${_DIGEST}", f"pbkdf2_sha512$1000$salt${_DIGEST}",
        f"PBKDF2_SHA256$1000$salt${_DIGEST}", f"pbkdf2_sha256$1000$salt${'A' * 44}", "0" * 63, "0" * 65, "g" * 64,
        "0" * 64 + "\n", "\uff10" * 64, "", "$2b$12$" + "a" * 53, "argon2$argon2id$v=19$m=102400,t=2,p=8$c2FsdA$aGFzaA",
    ],
    ids=range(22),
)  # fmt: skip
def test_no_bomb_and_no_other_format_is_imported(text):
    with pytest.raises(RegistrationError, match="secret_hash: must be"):
        read_secret_hash(text)
