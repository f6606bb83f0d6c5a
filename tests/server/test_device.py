"""The device flow (RFC 8628): a code for the device, a page for its user, and polling until they are done."""

from __future__ import annotations

import threading
import time

import pytest
import time_machine
from webtest import TestApp

from pyramid_oauthguard.server.consent import flow as consent_flow
from pyramid_oauthguard.server.consent.device import read_user_code
from pyramid_oauthguard.server.events import AuthorizationApproved, AuthorizationDenied, TokenIssued, TokenRevoked
from pyramid_oauthguard.server.opaque import has_checksum
from tests.server.conftest import ISSUER, basic
from tests.server.flows import build_flow

GRANT = "urn:ietf:params:oauth:grant-type:device_code"


@pytest.fixture
def clock():
    with time_machine.travel(int(time.time()), tick=False) as traveller:
        yield traveller


@pytest.fixture
def flow(build):
    return build_flow(build, {"audience": "https://api.example https://more.example"})


@pytest.fixture
def tv(flow):
    return flow.server.clients.create(
        "Television", public=True, grants=["device_code", "refresh_token"], scopes=["read", "write"]
    )


@pytest.fixture
def box(flow):
    return flow.server.clients.create("Box", grants=["device_code"], scopes=["read"])


def send(flow, path, client, form, status=200):
    body, headers = dict(form), {}
    if client.secret is None:
        body["client_id"] = client.client.client_id
    else:
        headers = basic(client.client.client_id, client.secret)
    return TestApp(flow.server.app.app).post(f"/oauth/{path}", body, headers=headers, status=status)


def begin(flow, client, **form):
    return send(flow, "device_authorization", client, {"scope": "read write", **form}).json


def poll(flow, client, codes, **form):
    body = {"grant_type": GRANT, "device_code": codes["device_code"], **form}
    answer = send(flow, "token", client, body, "*")
    assert answer.status_int == (200 if "access_token" in answer.json else 400)
    assert answer.headers["Cache-Control"] == "no-store"
    return answer.json


def enter(flow, code, *, browser=None, status=200):
    """What comes of typing this code on the page."""
    page = (browser or flow.sign_in()).get("/oauth/device")
    page.form["user_code"] = code
    return page.form.submit(status=status)


def allow(flow, codes, *, browser=None, decision="allow"):
    answer = enter(flow, codes["user_code"], browser=browser).form.submit("decision", value=decision)
    assert answer.status_int == 303
    return answer.follow()


@pytest.mark.slow
@pytest.mark.promise("TK-08")
def test_a_device_gets_tokens_once_its_user_has_allowed_it(flow, tv):
    heard = []
    flow.server.registry.registerHandler(heard.append, [None])
    codes = begin(flow, tv)
    assert codes.keys() == {
        "device_code", "user_code", "verification_uri", "verification_uri_complete", "expires_in", "interval",
    }  # fmt: skip
    assert codes["verification_uri"] == f"{ISSUER}/oauth/device"
    assert codes["verification_uri_complete"] == f"{ISSUER}/oauth/device?user_code={codes['user_code']}"
    assert (codes["expires_in"], codes["interval"]) == (600, 5)
    assert codes["device_code"].startswith("ogdc_")
    assert has_checksum(codes["device_code"])
    assert poll(flow, tv, codes)["error"] == "authorization_pending"
    page = enter(flow, codes["user_code"])
    assert "Television" in page.text
    assert codes["user_code"] in page.text
    assert "Anna" in page.text
    assert "Device connected" in page.form.submit("decision", value="allow").follow().text
    answer = poll(flow, tv, codes)
    assert answer.keys() == {"access_token", "token_type", "expires_in", "scope", "refresh_token"}
    said = flow.server.introspect(answer["access_token"])
    assert (said["sub"], said["client_id"], said["scope"]) == ("anna", tv.client.client_id, "read write")
    kinds = {type(event): event for event in heard}
    assert kinds[AuthorizationApproved].subject == "anna"
    assert kinds[TokenIssued].grant_type == GRANT
    assert kinds[TokenIssued].grant_id == kinds[AuthorizationApproved].grant_id


@pytest.mark.slow
@pytest.mark.promise("TK-08")
def test_a_code_in_the_url_still_has_to_be_sent_by_the_user(flow, tv):
    codes = begin(flow, tv)
    page = flow.sign_in().get(codes["verification_uri_complete"].removeprefix(ISSUER))
    assert page.form["user_code"].value == codes["user_code"]
    assert "Television" not in page.text
    assert poll(flow, tv, codes)["error"] == "authorization_pending"
    assert "Television" in page.form.submit().text


@pytest.mark.slow
@pytest.mark.parametrize("code", ["x", '"><script>', "BCDF-GHJ1", "%ff"])
def test_a_code_in_the_url_that_can_be_none_is_not_repeated(flow, code):
    page = flow.sign_in().get("/oauth/device", {"user_code": code})
    assert page.form["user_code"].value == ""
    assert code not in page.text or code == "x"


@pytest.mark.slow
@pytest.mark.parametrize("spelling", ["{0}", "{0} ", " {1}", "{2}", "{3}", "{4}"])
def test_a_code_can_be_typed_in_any_way(flow, tv, spelling):
    code = begin(flow, tv)["user_code"]
    ways = (code, code.replace("-", ""), code.lower(), code.replace("-", " \u2013 "), " ".join(code))
    assert "Television" in enter(flow, spelling.format(*ways)).text


@pytest.mark.parametrize("text", [None, "", "-", "BCDFGHJ", "BCDFGHJKL", "AEIOUAEI", "\x00" * 8, "\u24b7CDFGHJK"])
def test_what_can_be_no_code_is_none(text):
    assert read_user_code(text) is None


@pytest.mark.promise("TK-08")
def test_who_is_not_signed_in_signs_in_first_and_comes_back_with_the_code(flow, tv):
    code = begin(flow, tv)["user_code"]
    answer = TestApp(flow.server.app.app).get(f"/oauth/device?user_code={code}", status=303)
    assert answer.headers["Location"].endswith(f"/sign-in?next=%2Foauth%2Fdevice%3Fuser_code%3D{code}")


@pytest.mark.slow
@pytest.mark.promise("TK-08")
def test_a_denied_device_is_told_and_stays_denied(flow, tv):
    heard = []
    flow.server.registry.registerHandler(heard.append, [AuthorizationDenied])
    codes = begin(flow, tv)
    assert "Device not connected" in allow(flow, codes, decision="deny").text
    assert poll(flow, tv, codes)["error"] == "access_denied"
    assert "No device is waiting" in enter(flow, codes["user_code"], status=422).text
    assert poll(flow, tv, codes)["error"] == "access_denied"
    assert [(event.subject, event.by) for event in heard] == [("anna", "user")]


@pytest.mark.slow
@pytest.mark.promise("TK-08")
def test_the_application_may_refuse_and_the_user_is_not_asked(flow, tv):
    flow.people.refused.add("Television")
    codes = begin(flow, tv)
    answer = enter(flow, codes["user_code"], status=303)
    assert "Device not connected" in answer.follow().text
    assert poll(flow, tv, codes)["error"] == "access_denied"
    assert flow.people.asked[-1].redirect_uri == ""


@pytest.mark.slow
@pytest.mark.promise("TK-08")
def test_polling_too_fast_slows_down_for_good(flow, tv, clock):
    codes = begin(flow, tv)

    def after(seconds):
        clock.shift(seconds)
        return poll(flow, tv, codes)["error"]

    assert after(0) == "authorization_pending"
    assert after(5) == "authorization_pending"
    assert after(4) == "slow_down"
    assert after(9) == "slow_down", "ten seconds since the first slow_down, and fifteen from now on"
    assert after(14) == "slow_down"
    assert after(20) == "authorization_pending"
    assert after(19) == "slow_down"
    allow(flow, codes)
    assert "access_token" in poll(flow, tv, codes)


@pytest.mark.slow
@pytest.mark.promise("TK-08")
def test_an_expired_code_is_told_so_and_can_be_neither_typed_nor_used(flow, tv, clock):
    codes, approved = begin(flow, tv), begin(flow, tv)
    page = enter(flow, codes["user_code"])
    allow(flow, approved)
    clock.shift(600)
    assert poll(flow, tv, codes)["error"] == "expired_token"
    assert poll(flow, tv, approved)["error"] == "expired_token"
    assert "No device is waiting" in page.form.submit("decision", value="allow", status=422).text
    assert "No device is waiting" in enter(flow, codes["user_code"], status=422).text
    assert poll(flow, tv, codes)["error"] == "expired_token"


@pytest.mark.slow
@pytest.mark.promise("TK-08")
def test_a_device_code_is_used_once_and_comes_again_to_the_end_of_the_grant(build, clock):
    def with_tm(config):
        config.add_settings({"tm.commit_veto": "pyramid_tm.default_commit_veto"})
        config.include("pyramid_tm")

    flow = build_flow(build, configure=with_tm)
    tv = flow.server.clients.create("TV", public=True, grants=["device_code", "refresh_token"], scopes=["read"])
    heard = []
    flow.server.registry.registerHandler(heard.append, [TokenRevoked])
    codes = begin(flow, tv, scope="read")
    allow(flow, codes)
    answer = poll(flow, tv, codes)
    assert poll(flow, tv, codes)["error"] == "invalid_grant"
    assert flow.server.introspect(answer["access_token"]) == {"active": False}
    assert not flow.is_active(answer["refresh_token"])
    assert [event.reason for event in heard] == ["device_code_reuse"]


@pytest.mark.slow
@pytest.mark.promise("TK-08")
def test_a_used_device_code_that_has_expired_or_is_another_clients_ends_nothing(flow, tv, clock):
    codes = begin(flow, tv)
    allow(flow, codes)
    answer = poll(flow, tv, codes)
    other = flow.server.clients.create("Other", public=True, grants=["device_code"], scopes=["read"])
    assert poll(flow, other, codes)["error"] == "invalid_grant"
    clock.shift(600)
    assert poll(flow, tv, codes)["error"] == "expired_token"
    assert flow.is_active(answer["refresh_token"])


@pytest.mark.slow
@pytest.mark.promise("TK-08")
def test_of_many_polls_at_once_one_gets_tokens(flow, tv):
    codes = begin(flow, tv)
    allow(flow, codes)
    barrier, answers = threading.Barrier(8), []

    def run():
        barrier.wait()
        answers.append(poll(flow, tv, codes))

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum("access_token" in answer for answer in answers) == 1
    assert {answer.get("error") for answer in answers} == {None, "invalid_grant"}


@pytest.mark.slow
@pytest.mark.promise("TK-08")
def test_a_device_code_is_its_clients_alone(flow, tv, box):
    codes = begin(flow, tv)
    allow(flow, codes)
    assert poll(flow, box, codes)["error"] == "invalid_grant"
    assert "access_token" in poll(flow, tv, codes)


@pytest.mark.slow
@pytest.mark.promise("TK-08")
def test_five_wrong_codes_lock_the_user_out_and_nobody_else(flow, tv, clock):
    codes = begin(flow, tv)
    for _ in range(5):
        assert "No device is waiting" in enter(flow, "BBBB-BBBB", status=422).text
    locked = enter(flow, codes["user_code"], status=429)
    assert "Too many codes" in locked.text
    assert "Television" not in locked.text
    assert int(locked.headers["Retry-After"]) > 0
    assert "Television" in enter(flow, codes["user_code"], browser=flow.sign_in("berta")).text
    clock.shift(599)
    enter(flow, codes["user_code"], status=429)
    clock.shift(1)
    assert poll(flow, tv, codes)["error"] == "expired_token", "what could have been guessed is gone when the lock is"
    assert "Television" in enter(flow, begin(flow, tv)["user_code"]).text


@pytest.mark.slow
@pytest.mark.promise("TK-08")
def test_right_codes_take_back_no_wrong_ones(flow, tv):
    for _ in range(4):
        enter(flow, "BBBB-BBBB", status=422)
        enter(flow, begin(flow, tv)["user_code"])
    enter(flow, "BBBB-BBBB", status=422)
    enter(flow, begin(flow, tv)["user_code"], status=429)


@pytest.mark.slow
@pytest.mark.promise("TK-08")
def test_many_wrong_codes_at_once_are_not_more_than_five_tries(flow, tv):
    """Twenty guesses that are sent together are counted one by one."""
    pages = [flow.sign_in().get("/oauth/device") for _ in range(20)]
    barrier, seen = threading.Barrier(len(pages)), []

    def run(page):
        page.form["user_code"] = "BBBB-BBBB"
        barrier.wait()
        seen.append(page.form.submit(status="*").status_int)

    threads = [threading.Thread(target=run, args=(page,)) for page in pages]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(seen) == [422] * 5 + [429] * 15


@pytest.mark.slow
def test_a_code_that_can_be_none_is_no_try(flow, tv):
    for _ in range(9):
        assert "eight letters" in enter(flow, "12345678", status=422).text
    assert "Television" in enter(flow, begin(flow, tv)["user_code"]).text


@pytest.mark.slow
@pytest.mark.promise("TK-08", "AS-52")
def test_only_who_typed_the_code_can_approve_it(flow, tv):
    codes = begin(flow, tv)
    page = enter(flow, codes["user_code"])
    form = {"ticket": page.form["ticket"].value, "decision": "allow", "scope.read": "on"}
    other = flow.sign_in("mallory")
    assert "Nothing was changed" in other.post("/oauth/device", form, status=400).text
    for wrong in ({}, {"ticket": ""}, {"ticket": "x"}, {"ticket": form["ticket"][:-4]}):
        other.post("/oauth/device", {**form, "ticket": "", **wrong}, status=400)
        flow.sign_in().post("/oauth/device", {**form, "ticket": "", **wrong}, status=400)
    nobody = TestApp(flow.server.app.app)
    assert nobody.post("/oauth/device", form).headers["Location"] == "http://localhost/oauth/device"
    assert poll(flow, tv, codes)["error"] == "authorization_pending"


@pytest.mark.slow
@pytest.mark.promise("AS-52")
def test_the_ticket_of_the_first_step_decides_nothing(flow, tv):
    codes = begin(flow, tv)
    first = flow.sign_in().get("/oauth/device").form["ticket"].value
    form = {"ticket": first, "user_code": codes["user_code"], "decision": "allow", "scope.read": "on"}
    flow.sign_in().post("/oauth/device", form, status=400)
    assert poll(flow, tv, codes)["error"] == "authorization_pending"


@pytest.mark.slow
@pytest.mark.promise("TK-08")
def test_a_code_is_decided_once(flow, tv):
    codes = begin(flow, tv)
    pages = [enter(flow, codes["user_code"], browser=flow.sign_in(who)) for who in ("anna", "berta")]
    pages[0].form.submit("decision", value="allow", status=303)
    assert "No device is waiting" in pages[1].form.submit("decision", value="deny", status=422).text
    assert flow.server.introspect(poll(flow, tv, codes)["access_token"])["sub"] == "anna"


@pytest.mark.slow
def test_of_two_users_who_allow_a_device_at_once_the_second_leaves_no_grant(flow, tv, monkeypatch):
    codes, client_id = begin(flow, tv), tv.client.client_id
    first, second = (enter(flow, codes["user_code"], browser=flow.sign_in(who)) for who in ("anna", "berta"))
    ask = consent_flow.ask_auth_time

    def ask_late(service, request):  # between the look at the device and the transaction
        monkeypatch.setattr(consent_flow, "ask_auth_time", ask)
        first.form.submit("decision", value="allow", status=303)
        return ask(service, request)

    monkeypatch.setattr(consent_flow, "ask_auth_time", ask_late)
    assert "No device is waiting" in second.form.submit("decision", value="allow", status=422).text
    with flow.server.service.store.reading() as unit:
        assert len(unit.list_live_grant_ids("anna", client_id)) == 1
        assert not unit.is_subject("berta")


@pytest.mark.slow
@pytest.mark.promise("AS-52")
def test_the_user_can_narrow_the_scopes_and_never_widen_them(flow, tv):
    codes = begin(flow, tv)
    page = enter(flow, codes["user_code"])
    page.form["scope.write"] = False
    page.form.submit("decision", value="allow", status=303)
    assert poll(flow, tv, codes)["scope"] == "read"
    codes = begin(flow, tv, scope="read")
    page = enter(flow, codes["user_code"])
    form = {"ticket": page.form["ticket"].value, "decision": "allow", "scope.read": "on", "scope.write": "on"}
    flow.sign_in().post("/oauth/device", form, status=303)
    assert poll(flow, tv, codes)["scope"] == "read"


@pytest.mark.slow
@pytest.mark.promise("AS-52")
def test_allowing_nothing_is_asked_again(flow, tv):
    page = enter(flow, begin(flow, tv, scope="read")["user_code"])
    page.form["scope.read"] = False
    again = page.form.submit("decision", value="allow", status=422)
    assert "Choose at least one" in again.text
    again.form["scope.read"] = True
    again.form.submit("decision", value="allow", status=303)


@pytest.mark.slow
@pytest.mark.promise("AS-52")
def test_a_device_is_always_asked_for(flow, box):
    for _ in range(2):
        codes = begin(flow, box, scope="read")
        assert "Allow “Box”?" in enter(flow, codes["user_code"]).text
        allow(flow, codes)
        assert poll(flow, box, codes)["scope"] == "read"


@pytest.mark.slow
def test_what_a_device_was_allowed_can_be_withdrawn(flow, tv):
    codes = begin(flow, tv)
    allow(flow, codes)
    answer = poll(flow, tv, codes)
    waiting = begin(flow, tv)
    allow(flow, waiting)
    page = flow.sign_in().get("/oauth/applications")
    assert "Television" in page.text
    page.form.submit(status=303)
    assert flow.server.introspect(answer["access_token"]) == {"active": False}
    assert poll(flow, tv, waiting)["error"] == "invalid_grant"


@pytest.mark.slow
@pytest.mark.promise("IN-03")
def test_no_tokens_for_a_user_who_may_not_be_acted_for_nor_for_a_client_that_is_revoked(flow, tv, box):
    codes = begin(flow, tv)
    allow(flow, codes)
    flow.people.gone.add("anna")
    assert poll(flow, tv, codes)["error"] == "invalid_grant"
    waiting = begin(flow, box, scope="read")
    page = enter(flow, waiting["user_code"], browser=flow.sign_in("berta"))
    flow.server.clients.revoke(box.client.client_id)
    page.form.submit("decision", value="allow", status=422)
    body = {"grant_type": GRANT, "device_code": waiting["device_code"]}
    assert send(flow, "token", box, body, 401).json["error"] == "invalid_client"


@pytest.mark.slow
@pytest.mark.promise("IN-03")
def test_who_may_not_be_acted_for_can_allow_nothing(flow, tv):
    codes = begin(flow, tv)
    page = enter(flow, codes["user_code"])
    flow.people.gone.add("anna")
    assert "Device not connected" in page.form.submit("decision", value="allow").follow().text
    assert poll(flow, tv, codes)["error"] == "access_denied"
    again = begin(flow, tv)
    assert "Device not connected" in enter(flow, again["user_code"], status=303).follow().text


@pytest.mark.slow
@pytest.mark.promise("TK-06")
def test_resource_selects_the_audience(flow, tv):
    answer = send(flow, "device_authorization", tv, {"scope": "read", "resource": "https://other.example"}, 400)
    assert answer.json["error"] == "invalid_target"
    codes = begin(flow, tv, resource="https://more.example")
    allow(flow, codes)
    assert poll(flow, tv, codes, resource="https://api.example")["error"] == "invalid_target"
    assert flow.server.introspect(poll(flow, tv, codes)["access_token"])["aud"] == "https://more.example"


@pytest.mark.slow
@pytest.mark.promise("TK-06", "TK-07")
def test_scopes_are_those_of_the_client(flow, box):
    answer = send(flow, "device_authorization", box, {"scope": "write"}, 400)
    assert answer.json["error"] == "invalid_scope"
    codes = send(flow, "device_authorization", box, {}).json
    allow(flow, codes)
    assert poll(flow, box, codes)["scope"] == "read", "the default"


@pytest.mark.promise("TK-07")
def test_a_client_that_is_not_registered_for_it_is_refused(flow):
    for path, form in (("device_authorization", {}), ("token", {"grant_type": GRANT, "device_code": "x"})):
        answer = send(flow, path, flow.web, form, 400)
        assert answer.json["error"] == "unauthorized_client"


@pytest.mark.slow
@pytest.mark.promise("TK-01", "TK-02")
def test_a_confidential_client_proves_who_it_is_in_both_places(flow, box):
    for path, form in (("device_authorization", {}), ("token", {"grant_type": GRANT, "device_code": "x"})):
        for body in (form, {**form, "client_id": box.client.client_id}):
            answer = flow.server.app.post(f"/oauth/{path}", body, status=401)
            assert answer.json["error"] == "invalid_client"
        query = f"/oauth/{path}?client_id={box.client.client_id}"
        assert flow.server.app.post(query, form, status=400).json["error"] == "invalid_request"
        flow.server.app.get(f"/oauth/{path}", status=405)


@pytest.mark.slow
@pytest.mark.parametrize("code", ["x", "", "ogdc_", "x" * 50_000])
def test_an_unknown_device_code_is_refused(flow, tv, code):
    answer = poll(flow, tv, {"device_code": code})
    assert answer["error"] == ("invalid_grant" if code else "invalid_request")


@pytest.mark.slow
@pytest.mark.promise("EV-01")
def test_no_code_or_token_is_logged_or_in_an_event(flow, tv, caplog):
    caplog.set_level("DEBUG")
    heard = []
    flow.server.registry.registerHandler(heard.append, [None])
    codes = begin(flow, tv)
    allow(flow, codes)
    answer = poll(flow, tv, codes)
    form = {"grant_type": "refresh_token", "refresh_token": answer["refresh_token"]}
    fresh = send(flow, "token", tv, form).json
    poll(flow, tv, codes)
    secrets = [codes["device_code"], codes["user_code"], codes["user_code"].replace("-", "")]
    secrets += [answer["access_token"], answer["refresh_token"], fresh["access_token"], fresh["refresh_token"]]
    text = caplog.text + repr(heard)
    assert "AuthorizationApproved" in text
    assert not [secret for secret in secrets if secret in text]


@pytest.mark.slow
@pytest.mark.promise("TK-40")
def test_neither_code_is_at_rest(flow, tv):
    codes = begin(flow, tv)
    allow(flow, codes)
    flow.server.service.store.close()
    content = b"".join(path.read_bytes() for path in flow.server.file.parent.iterdir())
    for text in (
        codes["device_code"],
        codes["device_code"][27:],
        codes["user_code"],
        read_user_code(codes["user_code"]),
    ):
        assert text.encode() not in content


@pytest.mark.slow
@pytest.mark.promise("AS-06")
def test_the_pages_are_framed_by_nobody_and_load_nothing_from_elsewhere(flow, tv):
    codes = begin(flow, tv)
    pages = [flow.sign_in().get("/oauth/device"), enter(flow, codes["user_code"]), allow(flow, codes)]
    for page in pages:
        assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]
        assert page.headers["Referrer-Policy"] == "no-referrer"
        assert page.headers["Cache-Control"] == "no-store"
        assert "http" not in page.text.replace("https://api.example", "").replace("https://more.example", "")


@pytest.mark.slow
def test_an_address_for_devices_is_there_only_where_the_grant_is(build, flow, server):
    assert flow.server.app.get("/.well-known/oauth-authorization-server").json["device_authorization_endpoint"] == (
        f"{ISSUER}/oauth/device_authorization"
    )
    plain = build_flow(build, {"grants": "authorization_code"}, name="plain").server
    for each in (server, plain):
        document = each.app.get("/.well-known/oauth-authorization-server").json
        assert "device_authorization_endpoint" not in document
        assert GRANT not in document["grant_types_supported"]
        each.app.post("/oauth/device_authorization", status=404)
        each.app.get("/oauth/device", status=404)
