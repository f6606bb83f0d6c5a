"""grant_type=refresh_token: each refresh token is replaced when it is used, and one that comes again ends the grant."""

from __future__ import annotations

import threading
import time

import pytest
import time_machine
from webtest import TestApp

from pyramid_oauthguard.server.events import TokenIssued, TokenRevoked
from pyramid_oauthguard.server.opaque import has_checksum
from tests.server.conftest import basic
from tests.server.flows import build_flow

DAY = 86400


@pytest.fixture
def flow(build):
    return build_flow(build, {"audience": "https://api.example https://more.example"})


@pytest.fixture
def clock():
    with time_machine.travel(int(time.time()), tick=False) as traveller:
        yield traveller


def refresh(flow, token, client=None, *, status=200, **form):
    made = client or flow.web
    body = {"grant_type": "refresh_token", "refresh_token": token, **form}
    headers = basic(made.client.client_id, made.secret) if made.secret else {}
    if not made.secret:
        body["client_id"] = made.client.client_id
    return TestApp(flow.server.app.app).post("/oauth/token", body, headers=headers, status=status).json


def obtain(flow, client=None, **ask):
    return flow.redeem(flow.allow(client, **ask), client)


def refuse(flow, token, client=None, error="invalid_grant", **form):
    answer = refresh(flow, token, client, status=400, **form)
    assert answer["error"] == error
    assert "access_token" not in answer


@pytest.mark.slow
@pytest.mark.promise("TK-04")
@pytest.mark.parametrize("which", ["web", "native"])
def test_each_refresh_gives_another_refresh_token_of_the_same_grant(flow, which):
    client = getattr(flow, which)
    heard = []
    flow.server.registry.registerHandler(heard.append, [TokenIssued])
    first = obtain(flow, client)
    second = refresh(flow, first["refresh_token"], client)
    third = refresh(flow, second["refresh_token"], client)
    tokens = [answer["refresh_token"] for answer in (first, second, third)]
    assert len(set(tokens)) == 3
    assert all(token.startswith("ogrt_") and has_checksum(token) for token in tokens)
    assert second.keys() == {"access_token", "token_type", "expires_in", "scope", "refresh_token"}
    assert second["scope"] == first["scope"] == "read write"
    assert [event.grant_type for event in heard] == ["authorization_code", "refresh_token", "refresh_token"]
    assert len({event.grant_id for event in heard}) == 1
    assert flow.is_active(first["access_token"]), "an access token lives its own life"
    assert [flow.is_active(token) for token in tokens] == [False, False, True]
    said = flow.server.introspect(third["access_token"])
    assert (said["sub"], said["client_id"]) == ("anna", client.client.client_id)


@pytest.mark.slow
@pytest.mark.promise("TK-04")
def test_a_refresh_token_is_its_clients_alone(flow):
    answer = obtain(flow)
    other = flow.server.clients.create(
        "Other",
        grants=["authorization_code", "refresh_token"],
        scopes=["read"],
        redirect_uris=["https://other.example/"],
    )
    for stranger in (other, flow.native):
        refuse(flow, answer["refresh_token"], stranger)
    used = refresh(flow, answer["refresh_token"])
    refuse(flow, answer["refresh_token"], other)
    assert flow.is_active(used["refresh_token"]), "and a stranger who knows it can't end it"


@pytest.mark.slow
@pytest.mark.promise("TK-04", "TK-07")
def test_a_confidential_client_must_prove_who_it_is(flow):
    answer = obtain(flow)
    form = {"grant_type": "refresh_token", "refresh_token": answer["refresh_token"]}
    named = {**form, "client_id": flow.web.client.client_id}
    for body in (form, named, {**named, "client_secret": "wrong"}):
        assert flow.server.app.post("/oauth/token", body, status=401).json["error"] == "invalid_client"
    refuse(flow, answer["refresh_token"], flow.server.program, "unauthorized_client")


@pytest.mark.slow
@pytest.mark.promise("TK-07")
def test_a_client_that_is_not_registered_for_it_gets_none_and_may_not_use_one(flow):
    plain = flow.server.clients.create(
        "Plain", grants=["authorization_code"], scopes=["read", "write"], redirect_uris=["https://plain.example/"]
    )
    uri = {"redirect_uri": "https://plain.example/"}
    answer = flow.redeem(flow.allow(plain, **uri), plain, **uri)
    assert "refresh_token" not in answer
    refuse(flow, "ogrt_x", plain, "unauthorized_client")


@pytest.mark.slow
@pytest.mark.promise("TK-04")
def test_scope_can_only_shrink_and_what_is_left_of_it_comes_back(flow):
    token = obtain(flow)["refresh_token"]
    narrow = refresh(flow, token, scope="read")
    assert narrow["scope"] == "read"
    assert flow.server.introspect(narrow["access_token"])["scope"] == "read"
    assert flow.server.find_refresh_token(narrow["refresh_token"]).scopes == ("read", "write")
    assert refresh(flow, narrow["refresh_token"])["scope"] == "read write", "RFC 6749 section 6: as originally granted"


@pytest.mark.slow
@pytest.mark.promise("TK-04")
@pytest.mark.parametrize("scope", ["admin", "read admin", "read  write", "unknown", 'a"b'])
def test_a_scope_beyond_the_grant_is_refused_and_the_token_is_not_used_up(flow, scope):
    token = obtain(flow, scope="read")["refresh_token"]
    refuse(flow, token, error="invalid_scope", scope=scope)
    refuse(flow, token, error="invalid_scope", scope="write")
    assert refresh(flow, token)["scope"] == "read"


@pytest.mark.slow
@pytest.mark.promise("TK-04", "TK-07")
def test_a_scope_that_exists_no_longer_is_no_longer_given(build):
    before = build_flow(build)
    answer = obtain(before)
    after = build_flow(build, {"scopes": "read = Read"})
    shrunk = refresh(after, answer["refresh_token"], before.web)
    assert shrunk["scope"] == "read"
    gone = build_flow(build, {"scopes": "other = Other", "default_scopes": ""})
    refuse(gone, shrunk["refresh_token"], before.web, "invalid_scope")


@pytest.mark.slow
@pytest.mark.promise("TK-06")
def test_resource_selects_among_the_audiences_of_the_grant(flow):
    answer = obtain(flow, resource="https://more.example")
    assert flow.server.introspect(answer["access_token"])["aud"] == "https://more.example"
    refuse(flow, answer["refresh_token"], error="invalid_target", resource="https://api.example")
    both = obtain(flow, browser=flow.sign_in("berta"))
    narrow = refresh(flow, both["refresh_token"], resource="https://api.example")
    assert flow.server.introspect(narrow["access_token"])["aud"] == "https://api.example"
    wide = refresh(flow, narrow["refresh_token"])
    assert flow.server.introspect(wide["access_token"])["aud"] == ["https://api.example", "https://more.example"]


@pytest.mark.slow
@pytest.mark.promise("TK-06")
def test_an_audience_that_the_server_no_longer_has_is_no_longer_given(build):
    before = build_flow(build, {"audience": "https://api.example https://more.example"})
    token = obtain(before)["refresh_token"]
    after = build_flow(build, {"audience": "https://api.example"})
    refuse(after, token, before.web, "invalid_target", resource="https://more.example")
    shrunk = refresh(after, token, before.web)
    assert after.server.introspect(shrunk["access_token"])["aud"] == "https://api.example"
    gone = build_flow(build, {"audience": "https://other.example"})
    refuse(gone, shrunk["refresh_token"], before.web, "invalid_target")


@pytest.mark.slow
@pytest.mark.promise("TK-04")
def test_unused_it_dies_of_idleness(flow, clock):
    token = obtain(flow)["refresh_token"]
    clock.shift(14 * DAY - 1)
    token = refresh(flow, token)["refresh_token"]
    clock.shift(14 * DAY - 1)
    token = refresh(flow, token)["refresh_token"]
    clock.shift(14 * DAY)
    refuse(flow, token)


@pytest.mark.slow
@pytest.mark.promise("TK-04")
def test_however_often_it_is_used_it_dies_of_age(flow, clock):
    token = obtain(flow)["refresh_token"]
    for _ in range(8):
        clock.shift(10 * DAY)
        token = refresh(flow, token)["refresh_token"]
    clock.shift(9 * DAY)
    token = refresh(flow, token)["refresh_token"]
    assert int(flow.server.find_refresh_token(token).expires_at) == int(time.time()) + DAY
    clock.shift(DAY)
    assert not flow.is_active(token)
    refuse(flow, token)


@pytest.mark.slow
@pytest.mark.promise("TK-04")
def test_a_shorter_life_in_the_settings_holds_for_what_was_issued_before(build, clock):
    before = build_flow(build)
    token = obtain(before)["refresh_token"]
    after = build_flow(build, {"refresh_token_max_age": "1d"})
    clock.shift(DAY)
    refuse(after, token, before.web)


@pytest.mark.slow
@pytest.mark.promise("TK-05")
@pytest.mark.parametrize("which", ["web", "native"])
def test_a_token_that_comes_again_ends_the_grant(flow, clock, which):
    client = getattr(flow, which)
    heard = []
    flow.server.registry.registerHandler(heard.append, [TokenRevoked])
    first = obtain(flow, client)
    second = refresh(flow, first["refresh_token"], client)
    bystander = obtain(flow, client, browser=flow.sign_in("berta"))
    clock.shift(10)
    refuse(flow, first["refresh_token"], client)
    for token in (first["access_token"], second["access_token"], second["refresh_token"]):
        assert not flow.is_active(token)
    refuse(flow, second["refresh_token"], client)
    assert flow.is_active(bystander["refresh_token"])
    assert [event.reason for event in heard] == ["refresh_token_reuse"]
    assert len(heard[0].token_ids) == 2


@pytest.mark.slow
@pytest.mark.promise("TK-05")
def test_the_end_of_the_grant_outlives_the_rollback_of_the_400(build, clock):
    def with_tm(config):
        config.add_settings({"tm.commit_veto": "pyramid_tm.default_commit_veto"})
        config.include("pyramid_tm")

    flow = build_flow(build, configure=with_tm)
    first = obtain(flow)
    second = refresh(flow, first["refresh_token"])
    clock.shift(10)
    refuse(flow, first["refresh_token"])
    assert flow.server.introspect(second["access_token"]) == {"active": False}
    refuse(flow, second["refresh_token"])


@pytest.mark.slow
@pytest.mark.promise("TK-05")
def test_an_answer_that_got_lost_can_be_asked_for_again_at_once(flow, clock):
    first = obtain(flow)
    lost = refresh(flow, first["refresh_token"])
    clock.shift(9)
    again = refresh(flow, first["refresh_token"])
    assert again["refresh_token"] == lost["refresh_token"], "there is one that is live, not one an answer"
    assert again["access_token"] != lost["access_token"]
    clock.shift(DAY)
    assert refresh(flow, again["refresh_token"])


@pytest.mark.slow
@pytest.mark.promise("TK-05")
def test_the_grace_is_over_when_what_replaced_it_was_used(flow, clock):
    first = obtain(flow)
    second = refresh(flow, first["refresh_token"])
    third = refresh(flow, second["refresh_token"])
    refuse(flow, first["refresh_token"])
    assert not flow.is_active(third["refresh_token"])


@pytest.mark.slow
@pytest.mark.promise("TK-05")
def test_the_grace_does_not_grow_with_each_use(flow, clock):
    first = obtain(flow)
    refresh(flow, first["refresh_token"])
    for _ in range(3):
        clock.shift(3)
        refresh(flow, first["refresh_token"])
    clock.shift(1)
    refuse(flow, first["refresh_token"])


@pytest.mark.slow
@pytest.mark.promise("TK-05")
def test_a_clock_that_was_set_back_made_the_grace_longer(flow, clock):
    first = obtain(flow)
    second = refresh(flow, first["refresh_token"])
    clock.shift(-3600)
    refuse(flow, first["refresh_token"])
    assert not flow.is_active(second["refresh_token"])


@pytest.mark.slow
@pytest.mark.promise("TK-05")
def test_the_grace_shields_no_revoked_token(flow, clock):
    first = obtain(flow)
    second = refresh(flow, first["refresh_token"])
    flow.server.revoke(second["refresh_token"], flow.web)
    refuse(flow, first["refresh_token"])


@pytest.mark.slow
@pytest.mark.promise("TK-05")
def test_without_a_grace_the_first_repetition_ends_the_grant(build, clock):
    flow = build_flow(build, {"refresh_reuse_grace": "0"})
    first = obtain(flow)
    second = refresh(flow, first["refresh_token"])
    refuse(flow, first["refresh_token"])
    assert not flow.is_active(second["refresh_token"])


def refresh_at_once(flow, token, number):
    """The answers of this many refreshes that begin at the same moment, each in a thread of its own."""
    barrier = threading.Barrier(number)
    answers = []

    def run():
        barrier.wait()
        answers.append(refresh(flow, token, status="*"))

    threads = [threading.Thread(target=run) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


@pytest.mark.slow
@pytest.mark.promise("TK-05")
def test_processes_of_a_client_that_refresh_at_once_share_one_refresh_token(flow):
    answers = refresh_at_once(flow, obtain(flow)["refresh_token"], 8)
    assert len({answer["refresh_token"] for answer in answers}) == 1
    assert len({answer["access_token"] for answer in answers}) == 8


@pytest.mark.slow
@pytest.mark.promise("TK-05")
def test_without_a_grace_one_of_those_wins_and_nothing_lives(build):
    flow = build_flow(build, {"refresh_reuse_grace": "0"})
    answers = refresh_at_once(flow, obtain(flow)["refresh_token"], 8)
    won = [answer for answer in answers if "access_token" in answer]
    assert len(won) <= 1
    assert all(answer["error"] == "invalid_grant" for answer in answers if answer not in won)
    assert not any(flow.is_active(answer["refresh_token"]) for answer in won)


@pytest.mark.slow
@pytest.mark.promise("IN-03")
def test_a_user_who_may_not_be_acted_for_gets_no_more_tokens_until_they_may_again(flow):
    token = obtain(flow)["refresh_token"]
    flow.people.gone.add("anna")
    refuse(flow, token)
    assert not flow.is_active(token)
    flow.people.gone.clear()
    assert refresh(flow, token)["access_token"]


@pytest.mark.slow
@pytest.mark.promise("IN-03")
def test_a_revoked_client_refreshes_no_more(flow):
    answer = obtain(flow)
    flow.server.clients.revoke(flow.web.client.client_id)
    assert refresh(flow, answer["refresh_token"], status=401)["error"] == "invalid_client"
    assert flow.server.introspect(answer["access_token"]) == {"active": False}
    assert not flow.is_active(answer["refresh_token"])


@pytest.mark.slow
@pytest.mark.promise("RV-03")
@pytest.mark.parametrize("which", ["access_token", "refresh_token", "older refresh_token"])
def test_revoking_any_token_of_a_grant_ends_the_grant(flow, which):
    first = obtain(flow)
    second = refresh(flow, first["refresh_token"])
    token = first["refresh_token"] if which.startswith("older") else second[which]
    assert flow.server.revoke(token, flow.web).status_int == 200
    for each in (first["access_token"], second["access_token"], second["refresh_token"]):
        assert not flow.is_active(each)
    refuse(flow, second["refresh_token"])


@pytest.mark.slow
@pytest.mark.promise("RV-03")
def test_without_the_cascade_an_access_token_ends_alone_and_the_client_goes_on(build):
    flow = build_flow(build, {"revocation.cascade": "false"})
    answer = obtain(flow)
    flow.server.revoke(answer["access_token"], flow.web)
    assert not flow.is_active(answer["access_token"])
    assert refresh(flow, answer["refresh_token"])["access_token"]


@pytest.mark.slow
@pytest.mark.promise("RV-41")
def test_a_public_client_revokes_its_refresh_token_by_naming_itself(flow):
    answer = obtain(flow, flow.native)
    form = {"token": answer["refresh_token"], "client_id": flow.native.client.client_id}
    assert flow.server.app.post("/oauth/revoke", form).json == {}
    assert not flow.is_active(answer["access_token"])
    refuse(flow, answer["refresh_token"], flow.native)


@pytest.mark.slow
@pytest.mark.parametrize("token", ["x", "ogrt_", "' or 1=1 --", "x" * 50_000])
def test_what_is_no_refresh_token_is_refused(flow, token):
    refuse(flow, token)


@pytest.mark.slow
def test_an_access_token_is_no_refresh_token(flow):
    refuse(flow, obtain(flow)["access_token"])


def test_without_a_token_the_parameter_is_named(flow):
    answer = refresh(flow, "", status=400)
    assert (answer["error"], "refresh_token" in answer["error_description"]) == ("invalid_request", True)


@pytest.mark.slow
@pytest.mark.promise("TK-40")
def test_neither_the_token_nor_what_follows_it_is_at_rest(flow):
    first = obtain(flow)
    second = refresh(flow, first["refresh_token"])
    flow.server.service.store.close()
    content = b"".join(path.read_bytes() for path in flow.server.file.parent.iterdir())
    for token in (first["refresh_token"], second["refresh_token"]):
        assert token.encode() not in content
        assert token[27:].encode() not in content


def test_with_another_pepper_another_token_follows(build):
    """Who has old refresh tokens but not the pepper can't tell what replaced them."""
    from pyramid_oauthguard.server.opaque import derive_opaque

    one, other = (derive_opaque("ogrt_", bytes([number]) * 32, "ogrt_old") for number in (1, 2))
    assert one != other
    assert one == derive_opaque("ogrt_", bytes([1]) * 32, "ogrt_old")
    assert len(one.text) == len("ogrt_") + 22 + 43 + 8
