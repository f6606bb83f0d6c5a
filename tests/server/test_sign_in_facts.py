"""When and how the user signed in: in tokens (RFC 9068 section 2.2.1) and in introspection (RFC 9470 section 6.2)."""

from __future__ import annotations

import base64
import json

import pytest

from pyramid_oauthguard.interfaces import IIssuer
from pyramid_oauthguard.server.store.sqlalchemy import SQLAlchemyStore, schema
from pyramid_oauthguard.server.store.sqlalchemy.engine import build_engine
from pyramid_oauthguard.server.store.sqlalchemy.models import metadata
from tests.server.conftest import ISSUER, basic
from tests.server.flows import build_flow
from tests.server.test_migrations import downgrade

GOLD = "urn:example:gold"


def read_claims(token):
    segment = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4)))


def find_facts(claims):
    return {name: claims[name] for name in ("auth_time", "acr") if name in claims}


@pytest.fixture(params=["jwt", "opaque"])
def flow(build, request):
    flow = build_flow(build, {"access_token_format": request.param})
    flow.people.acr = lambda request: GOLD
    return flow


@pytest.mark.slow
def test_a_token_of_a_code_says_when_and_how_the_user_signed_in(flow):
    token = flow.redeem(flow.allow())["access_token"]
    expected = {"auth_time": 1000, "acr": GOLD}
    assert find_facts(flow.server.introspect(token)) == expected
    issuer = flow.server.registry.getUtility(IIssuer, name=ISSUER)
    assert find_facts(issuer.introspect(token)) == expected
    if "." in token:
        assert find_facts(read_claims(token)) == expected


@pytest.mark.slow
def test_a_refreshed_token_says_what_the_first_one_said(flow):
    tokens = flow.redeem(flow.allow())
    flow.people.auth_time, flow.people.acr = lambda request: 2000, lambda request: "urn:example:bronze"
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    headers = basic(flow.web.client.client_id, flow.web.secret)
    again = flow.server.app.post("/oauth/token", form, headers=headers).json["access_token"]
    assert find_facts(flow.server.introspect(again)) == {"auth_time": 1000, "acr": GOLD}


@pytest.mark.slow
def test_a_new_code_says_how_the_user_signed_in_this_time(flow):
    flow.redeem(flow.allow())
    flow.people.auth_time, flow.people.acr = lambda request: 2000, lambda request: "urn:example:silver"
    answer = flow.sign_in().get("/oauth/authorize", flow.ask())  # allowed at once, for it was allowed before
    code = answer.headers["Location"].partition("code=")[2].partition("&")[0]
    token = flow.redeem(code)["access_token"]
    assert find_facts(flow.server.introspect(token)) == {"auth_time": 2000, "acr": "urn:example:silver"}


@pytest.mark.slow
def test_a_token_of_a_device_says_it_too(flow):
    device = flow.server.clients.create("TV", public=True, grants=["device_code"], scopes=["read"])
    form = {"client_id": device.client.client_id}
    codes = flow.server.app.post("/oauth/device_authorization", form).json
    page = flow.sign_in().get("/oauth/device", {"user_code": codes["user_code"]}).form.submit()
    page.form.submit("decision", value="allow")
    form |= {"grant_type": "urn:ietf:params:oauth:grant-type:device_code", "device_code": codes["device_code"]}
    token = flow.server.app.post("/oauth/token", form).json["access_token"]
    assert find_facts(flow.server.introspect(token)) == {"auth_time": 1000, "acr": GOLD}


@pytest.mark.slow
def test_a_token_of_a_client_for_itself_says_nothing(flow):
    token = flow.server.token()
    assert find_facts(flow.server.introspect(token)) == {}
    if "." in token:
        assert find_facts(read_claims(token)) == {}


@pytest.mark.slow
def test_an_application_that_does_not_say_has_tokens_that_do_not(flow):
    flow.people.auth_time = flow.people.acr = lambda request: None
    token = flow.redeem(flow.allow())["access_token"]
    assert find_facts(flow.server.introspect(token)) == {}


@pytest.mark.slow
@pytest.mark.parametrize("found", ["", 1, True, ["gold"], "a\nb", "x" * 256, b"gold"])
def test_an_acr_that_is_not_text_is_said_in_the_log(build, caplog, found):
    flow = build_flow(build)
    page = flow.show()
    flow.people.acr = lambda request: found
    assert "error=server_error" in page.form.submit("decision", value="allow").headers["Location"]
    assert "acr() of the resource owner returned a value of type" in caplog.text


@pytest.mark.slow
def test_a_guard_in_the_same_process_judges_by_it(build):
    def configure(config):
        config.add_settings({"oauthguard.issuer": ISSUER, "oauthguard.audience": "https://api.example"})
        config.include("pyramid_oauthguard")
        for mode in ("local", "remote"):
            config.add_route(mode, f"/{mode}")
            options = {"token_check": mode, "token_require": {"acr": GOLD}}
            config.add_view(lambda request: {}, route_name=mode, renderer="json", **options)

    flow = build_flow(build, configure=configure)
    for acr, status in (("urn:example:bronze", 401), (GOLD, 200)):
        flow.people.acr = lambda request, said=acr: said
        token = flow.redeem(flow.allow(flow.native), flow.native)["access_token"]
        for mode in ("local", "remote"):
            answer = flow.server.app.get(f"/{mode}", headers={"Authorization": f"Bearer {token}"}, status="*")
            assert answer.status_int == status, (acr, mode)


# ── the column ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def engine(database):
    engine = build_engine(database)
    yield engine
    engine.dispose()


@pytest.mark.slow
def test_a_filled_database_goes_up_and_down(engine):
    schema.upgrade(engine)
    with engine.begin() as connection:
        client = dict.fromkeys(("redirect_uris", "grants", "scopes", "audiences"), "")
        client |= {"client_id": "app", "name": "App", "role": "client", "public": False, "created_at": 1}
        connection.execute(metadata.tables["oauth_clients"].insert().values(client))
        grant = {"grant_id": "g", "client_id": "app", "subject": "anna", "scopes": "read", "audiences": "a"}
        connection.execute(metadata.tables["oauth_grants"].insert().values(**grant, auth_time=5.0, created_at=6.0))
    with engine.begin() as connection:
        downgrade(connection, "0003")
    with engine.connect() as connection:
        kept = connection.exec_driver_sql("SELECT grant_id, subject, auth_time FROM oauth_grants").all()
    assert [tuple(row) for row in kept] == [("g", "anna", 5.0)]
    assert schema.upgrade(engine) == ("0003", schema.HEAD)
    with SQLAlchemyStore(engine).reading() as unit:
        found = unit.find_grant("g")
    assert (found.subject, found.auth_time, found.acr) == ("anna", 5.0, None)
