"""Redeeming a code: once, soon, by whom it was given, with what was asked."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import time_machine

from pyramid_oauthguard.server.events import TokenRevoked
from tests.server.conftest import Build, basic
from tests.server.flows import CALLBACK, CHALLENGE, LOOPBACK, VERIFIER, Flow, build_flow, read_answer

VETO = {"tm.commit_veto": "pyramid_tm.default_commit_veto"}


@pytest.fixture
def flow(build: Build) -> Flow:
    return build_flow(build)


def refuse(flow, code, client=None, **changes):
    return flow.redeem(code, client, status=[400, 401], **changes)["error"]


@pytest.mark.slow
@pytest.mark.promise("AS-09")
def test_a_code_is_good_once_and_has_256_bits(flow):
    first, second = flow.allow(flow.native), flow.allow(flow.native)
    assert len({first[27:70], second[27:70]}) == 2
    assert len(first) == len("ogac_") + 22 + 43 + 8
    assert flow.redeem(first, flow.native)["access_token"]
    assert refuse(flow, first, flow.native) == "invalid_grant"


@pytest.mark.slow
@pytest.mark.promise("AS-09")
def test_a_code_lives_a_minute(flow):
    with time_machine.travel(1_800_000_000, tick=False) as clock:
        early, late = flow.allow(flow.native), flow.allow(flow.native)
        clock.shift(59)
        assert flow.redeem(early, flow.native)["access_token"]
        clock.shift(1)
        assert refuse(flow, late, flow.native) == "invalid_grant"


@pytest.mark.slow
@pytest.mark.promise("AS-09")
@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"redirect_uri": None}, "invalid_grant"),
        ({"redirect_uri": "https://web.example/callback"}, "invalid_grant"),
        ({"code_verifier": None}, "invalid_request"),
        ({"code_verifier": "w" * 43}, "invalid_grant"),
        ({"code_verifier": CHALLENGE}, "invalid_grant"),
        ({"code_verifier": "v" * 42}, "invalid_request"),
        ({"code_verifier": "v" * 129}, "invalid_request"),
        ({"code": None}, "invalid_request"),
        ({"code": "nonsense"}, "invalid_grant"),
        ({"resource": "https://other.example"}, "invalid_target"),
    ],
)
def test_a_code_is_bound_to_what_it_was_asked_with(flow, changes, error):
    code = flow.allow()
    assert refuse(flow, changes.pop("code", code) if "code" in changes else code, **changes) == error
    assert flow.redeem(code)["access_token"], "a failed try by the client itself uses nothing up"


@pytest.mark.slow
@pytest.mark.promise("AS-09")
def test_a_code_is_bound_to_its_client(flow):
    code = flow.allow()
    thief = flow.server.clients.create(
        "Thief", redirect_uris=[CALLBACK], grants=["authorization_code"], scopes=["read", "write"]
    )
    assert refuse(flow, code, thief, redirect_uri=CALLBACK) == "invalid_grant"
    assert refuse(flow, code, flow.native, redirect_uri=CALLBACK) == "invalid_grant"
    token = flow.redeem(code)["access_token"]
    assert refuse(flow, code, thief, redirect_uri=CALLBACK) == "invalid_grant"
    assert flow.is_active(token), "another client can't end what it has no part in"


@pytest.mark.slow
def test_a_confidential_client_authenticates(flow):
    code = flow.allow()
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "client_id": flow.web.client.client_id,
        "code_verifier": VERIFIER,
        "redirect_uri": CALLBACK,
    }
    assert flow.server.app.post("/oauth/token", form, status=401).json["error"] == "invalid_client"


@pytest.mark.slow
@pytest.mark.promise("AS-40")
@pytest.mark.parametrize("with_tm", [False, True], ids=["alone", "pyramid_tm"])
def test_a_code_that_comes_twice_ends_every_token_of_its_grant(build, with_tm):
    def configure(config):
        if with_tm:
            config.add_settings(VETO)
            config.include("pyramid_tm")

    flow = build_flow(build, configure=configure)
    heard = []
    flow.server.registry.registerHandler(heard.append, [TokenRevoked])
    code = flow.allow()
    token = flow.redeem(code)["access_token"]
    other = flow.redeem(flow.allow(flow.native), flow.native)["access_token"]
    assert flow.is_active(token)
    assert refuse(flow, code) == "invalid_grant"
    assert not flow.is_active(token)
    assert flow.is_active(other)
    assert [(event.reason, len(event.token_ids)) for event in heard] == [("code_reuse", 1)]
    assert refuse(flow, code) == "invalid_grant"
    assert len(heard) == 1


@pytest.mark.slow
@pytest.mark.promise("AS-40")
@pytest.mark.parametrize(
    "changes",
    [
        {"code_verifier": None},
        {"code_verifier": "w" * 43},
        {"code_verifier": "short"},
        {"redirect_uri": None},
        {"redirect_uri": "https://web.example/callback"},
    ],
)
def test_who_only_saw_a_used_code_ends_nothing(flow, changes):
    """It stands in logs and histories; the tokens of a grant were ended by it, with any verifier or none."""
    code = flow.allow()
    token = flow.redeem(code)["access_token"]
    assert refuse(flow, code, **changes)
    other = flow.server.clients.create("Other", public=True, redirect_uris=[CALLBACK], grants=["authorization_code"])
    assert refuse(flow, code, other, redirect_uri=CALLBACK) == "invalid_grant"
    headers = basic(flow.web.client.client_id, "wrong")
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": VERIFIER}
    flow.server.app.post("/oauth/token", form, headers=headers, status=401)
    assert flow.is_active(token)
    assert refuse(flow, code) == "invalid_grant"
    assert not flow.is_active(token), "from its client, with its verifier, it is a replay"


@pytest.mark.slow
@pytest.mark.promise("AS-40")
def test_who_only_saw_a_code_of_a_public_client_ends_nothing(flow):
    code = flow.allow(flow.native)
    token = flow.redeem(code, flow.native)["access_token"]
    for verifier in (None, "w" * 43):
        assert refuse(flow, code, flow.native, code_verifier=verifier)
    assert flow.is_active(token)


@pytest.mark.slow
@pytest.mark.promise("AS-40")
@pytest.mark.parametrize("seconds", [60, 61, 300, 86_400])
def test_a_used_code_that_has_expired_ends_nothing(flow, seconds):
    with time_machine.travel(1_800_000_000, tick=False) as clock:
        code = flow.allow()
        refresh = flow.redeem(code)["refresh_token"]
        clock.shift(seconds)
        assert refuse(flow, code) == "invalid_grant"
        assert flow.is_active(refresh)


@pytest.mark.slow
@pytest.mark.promise("AS-40")
def test_a_replay_ends_the_grant_also_while_its_user_is_not_active(flow):
    code = flow.allow()
    token = flow.redeem(code)["access_token"]
    flow.people.gone.add("anna")
    assert refuse(flow, code) == "invalid_grant"
    flow.people.gone.clear()
    assert not flow.is_active(token)


@pytest.mark.slow
@pytest.mark.promise("AS-09", "AS-40")
def test_of_many_redemptions_at_once_exactly_one_succeeds(flow):
    code = flow.allow()
    barrier = threading.Barrier(12)

    def redeem(_number):
        barrier.wait(30)
        return flow.redeem(code, status="*")

    with ThreadPoolExecutor(12) as threads:
        answers = list(threads.map(redeem, range(12)))
    won = [answer for answer in answers if "access_token" in answer]
    assert len(won) == 1
    assert {answer["error"] for answer in answers if answer not in won} == {"invalid_grant"}
    assert not flow.is_active(won[0]["access_token"]), "the others were a replay"


@pytest.mark.slow
def test_a_user_who_is_gone_gets_nothing(flow):
    code = flow.allow()
    flow.people.gone.add("anna")
    assert refuse(flow, code) == "invalid_grant"


@pytest.mark.slow
def test_a_client_that_was_revoked_gets_nothing(flow):
    code = flow.allow()
    flow.server.clients.revoke(flow.web.client.client_id)
    assert refuse(flow, code) == "invalid_client"


@pytest.mark.slow
@pytest.mark.promise("AS-53")
@pytest.mark.parametrize("which", ["web", "native"])
@pytest.mark.parametrize(
    "changes",
    [
        {"code_challenge": None, "code_challenge_method": None},
        {"code_challenge": None},
        {"code_challenge_method": None},
        {"code_challenge_method": "plain"},
        {"code_challenge_method": "s256"},
        {"code_challenge": "x" * 42},
        {"code_challenge": "x" * 44},
        {"code_challenge": "." * 43},
        {"code_challenge": CHALLENGE + "="},
    ],
)
def test_without_a_sound_challenge_there_is_no_page(flow, which, changes):
    asked = flow.ask(getattr(flow, which), **changes)
    answer = read_answer(flow.sign_in().get("/oauth/authorize", asked))
    assert answer["error"] == "invalid_request"
    assert "code_challenge" in answer["error_description"]


@pytest.mark.slow
@pytest.mark.promise("AS-53")
def test_where_pkce_may_be_left_out_a_verifier_wants_a_challenge_and_a_public_client_both(build):
    flow = build_flow(build, {"require_pkce": "false"})
    without = {"code_challenge": None, "code_challenge_method": None}
    assert refuse(flow, flow.allow(**without)) == "invalid_request"
    with_challenge = read_answer(flow.sign_in().get("/oauth/authorize", flow.ask()))["code"]
    assert refuse(flow, with_challenge, code_verifier=None) == "invalid_request"
    bare = read_answer(flow.sign_in().get("/oauth/authorize", flow.ask(**without)))["code"]
    assert flow.redeem(bare, code_verifier=None)["access_token"]
    answer = flow.sign_in().get("/oauth/authorize", flow.ask(flow.native, **without))
    assert read_answer(answer)["error"] == "invalid_request"


@pytest.mark.slow
@pytest.mark.promise("TK-07")
def test_a_client_not_registered_for_codes_gets_none(flow):
    program = flow.server.program
    assert refuse(flow, flow.allow(), program, redirect_uri=CALLBACK) == "unauthorized_client"
    other = flow.server.clients.create(
        "Other", redirect_uris=[CALLBACK], grants=["client_credentials"], scopes=["read", "write"]
    )
    answer = read_answer(flow.sign_in().get("/oauth/authorize", flow.ask(other, redirect_uri=CALLBACK)))
    assert answer["error"] == "unauthorized_client"


@pytest.mark.slow
@pytest.mark.promise("TK-06")
def test_the_audience_can_be_narrowed_twice_and_never_widened(flow):
    apis = ["https://api.example", "https://a.example", "https://b.example"]
    client = flow.server.clients.create(
        "Three", public=True, redirect_uris=[LOOPBACK], grants=["authorization_code"], scopes=["read"], audiences=apis
    )
    reader = flow.server.clients.create("Reader", role="resource_server", audiences=apis)

    def read_audience(code, **changes):
        token = flow.redeem(code, client, **changes)["access_token"]
        headers = flow.server.basic(reader)
        return flow.server.app.post("/oauth/introspect", {"token": token}, headers=headers).json["aud"]

    def allow(*resources):
        pairs = [*flow.ask(client, scope="read").items(), *(("resource", uri) for uri in resources)]
        page = flow.sign_in().get("/oauth/authorize", pairs)
        return read_answer(page.form.submit("decision", value="allow"))["code"]

    assert read_audience(allow()) == "https://api.example"
    assert read_audience(allow(*apis[1:])) == apis[1:]
    code = allow(*apis[1:])
    assert refuse(flow, code, client, resource=apis[0]) == "invalid_target"
    assert read_audience(code, resource=apis[2]) == apis[2]


@pytest.mark.slow
@pytest.mark.promise("TK-40")
def test_no_code_is_in_the_database(flow):
    code = flow.allow()
    for file in flow.server.file.parent.glob("oauth.sqlite*"):
        content = file.read_bytes()
        assert code.encode() not in content
        assert code[27:70].encode() not in content
