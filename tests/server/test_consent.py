"""What users are asked, what is remembered of it, and how they take it back."""

from __future__ import annotations

import base64
import json
import re

import pytest
import time_machine

from pyramid_oauthguard.server.events import AuthorizationApproved, ConsentRevoked, TokenRevoked
from tests.server.conftest import Build
from tests.server.flows import CALLBACK, Flow, build_flow, read_answer

LATER = 3601


@pytest.fixture
def flow(build: Build) -> Flow:
    return build_flow(build)


def get(flow, client=None, **changes):
    return flow.sign_in().get("/oauth/authorize", flow.ask(client, **changes))


def list_ticked(page):
    return [name for name, fields in page.form.fields.items() if name and fields[0].attrs.get("checked") is not None]


@pytest.mark.slow
@pytest.mark.promise("AS-52")
def test_the_user_may_allow_less(flow):
    form = flow.show().form
    form["scope.write"].checked = False
    tokens = flow.redeem(read_answer(form.submit("decision", value="allow"))["code"])
    assert tokens["scope"] == "read"


@pytest.mark.slow
@pytest.mark.promise("AS-52")
@pytest.mark.parametrize("field", ["scope.admin", "scope.write", "scope"])
def test_nobody_can_allow_more_than_was_shown(flow, field):
    form = flow.show(scope="read").form
    fields = {name: value for name, value in form.submit_fields() if name} | {field: "on", "decision": "allow"}
    if field == "scope":
        fields["scope"] = "read write admin"
    answer = flow.sign_in().post("/oauth/authorize", fields)
    assert flow.redeem(read_answer(answer)["code"])["scope"] == "read"


@pytest.mark.slow
@pytest.mark.promise("AS-52")
def test_what_the_form_says_beside_its_ticket_changes_nothing(flow):
    form = flow.show().form
    fields = [(name, value) for name, value in form.submit_fields() if name]
    more = [("client_id", flow.native.client.client_id), ("redirect_uri", "https://evil.example/"), ("state", "evil")]
    answer = read_answer(flow.sign_in().post("/oauth/authorize", [*fields, *more, ("decision", "allow")]))
    assert answer["to"] == "https://web.example/callback"
    assert answer["state"] == "s t/%"


@pytest.mark.slow
def test_nothing_chosen_is_asked_again(flow):
    form = flow.show().form
    form["scope.read"].checked = form["scope.write"].checked = False
    page = form.submit("decision", value="allow", status=422)
    assert "Choose at least one, or deny." in page.text
    page.form["scope.read"].checked = True
    assert read_answer(page.form.submit("decision", value="allow"))["code"]


@pytest.mark.slow
def test_a_page_that_comes_back_says_again_what_was_allowed_before(flow):
    flow.allow(scope="read")
    form = get(flow).form
    form["scope.read"].checked = form["scope.write"].checked = False
    assert form.submit("decision", value="allow", status=422).text.count("allowed before") == 1


@pytest.mark.slow
def test_denying_is_told_the_client(flow):
    answer = read_answer(flow.show().form.submit("decision", value="deny"))
    assert answer["error"] == "access_denied"
    assert "Allow “Web shop”?" in get(flow).text


@pytest.mark.slow
@pytest.mark.parametrize("decision", [None, "", "yes"])
def test_a_form_sent_without_a_decision_decides_nothing(flow, decision):
    form = flow.show().form
    fields = [(name, value) for name, value in form.submit_fields() if name]
    extra = [] if decision is None else [("decision", decision)]
    assert "decision" in flow.sign_in().post("/oauth/authorize", [*fields, *extra], status=400).text


def tamper(ticket, **changes):
    raw = base64.urlsafe_b64decode(ticket)
    body = json.loads(raw[32:])
    body.update(changes)
    return base64.urlsafe_b64encode(raw[:32] + json.dumps(body).encode()).decode()


@pytest.mark.slow
@pytest.mark.promise("AS-52")
def test_only_the_user_whom_the_page_was_shown_can_send_it(flow):
    page = flow.show(browser=flow.sign_in("mallory"))
    fields = {name: value for name, value in page.form.submit_fields() if name} | {"decision": "allow"}
    ticket = fields["ticket"]
    bad = [ticket, "", "x", "é", ticket[:-4], ticket[4:], tamper(ticket, sub="anna"), ticket.replace("A", "B")]
    for each in bad:
        answer = flow.sign_in().post("/oauth/authorize", {**fields, "ticket": each}, status=[400, 303])
        assert "code=" not in answer.headers.get("Location", "")
    signed_out = flow.server.app.post("/oauth/authorize", {**fields}, status=303)
    assert signed_out.headers["Location"].startswith("http://localhost/oauth/authorize?"), "where a user signs in"
    assert read_answer(flow.sign_in("mallory").post("/oauth/authorize", fields))["code"]


@pytest.mark.slow
@pytest.mark.promise("AS-52")
def test_a_page_is_good_for_an_hour(flow):
    with time_machine.travel(1_800_000_000, tick=False) as clock:
        page = flow.show()
        clock.shift(LATER)
        assert "open for too long" in page.form.submit("decision", value="allow", status=400).text
        clock.shift(-2 * LATER)
        assert page.form.submit("decision", value="allow", status=400)


@pytest.mark.slow
@pytest.mark.promise("AS-52")
def test_a_ticket_of_one_form_opens_no_other(flow):
    flow.allow()
    browser = flow.sign_in()
    ticket = browser.get("/oauth/applications").form["ticket"].value
    assert browser.post("/oauth/authorize", {"ticket": ticket, "decision": "allow"}, status=400)
    page = flow.show(flow.native)
    assert browser.post("/oauth/applications", {"ticket": page.form["ticket"].value}, status=400)


@pytest.mark.slow
@pytest.mark.promise("AS-52")
def test_what_was_shown_is_looked_at_again_when_it_is_allowed(flow):
    page = flow.show()
    flow.server.clients.revoke(flow.web.client.client_id)
    assert "invalid_client" in page.form.submit("decision", value="allow", status=400).text


@pytest.mark.slow
@pytest.mark.promise("AS-52")
def test_a_confidential_client_is_asked_for_once_and_a_public_one_every_time(flow):
    flow.allow(flow.web)
    flow.allow(flow.native)
    assert read_answer(get(flow, flow.web))["code"]
    assert "Allow “Native”?" in get(flow, flow.native).text
    assert "Allow “Web shop”?" in flow.show(browser=flow.sign_in("berta")).text


@pytest.mark.slow
@pytest.mark.promise("AS-52", "TK-06")
def test_what_was_allowed_at_one_api_is_not_allowed_at_another(flow):
    shop, bank = "https://shop.example/api", "https://bank.example/api"
    grants, scopes = ["authorization_code"], ["read", "write"]
    client = flow.server.clients.create(
        "Both", redirect_uris=[CALLBACK], grants=grants, scopes=scopes, audiences=[shop, bank]
    )

    def ask(*apis, scope="read"):
        pairs = [*flow.ask(client, scope=scope, redirect_uri=CALLBACK).items(), *(("resource", api) for api in apis)]
        return flow.sign_in().get("/oauth/authorize", pairs)

    page = ask(shop)
    assert [each.text for each in page.html.select("ul[aria-labelledby=apis] li")] == [shop]
    page.form.submit("decision", value="allow")
    assert ask(shop).status_int == 303
    page = ask(bank)
    assert [each.text for each in page.html.select("ul[aria-labelledby=apis] li")] == [bank]
    assert "allowed before" not in page
    both = ask(shop, bank)
    assert [each.text for each in both.html.select("ul[aria-labelledby=apis] li")] == [shop, bank]
    page.form.submit("decision", value="allow")
    assert [ask(*apis).status_int for apis in ((shop,), (bank,), (shop, bank))] == [303, 303, 303]
    assert ask(bank, scope="read write").status_int == 200
    assert not flow.show().html.select("[aria-labelledby=apis]")  # a client with one API


@pytest.mark.slow
def test_only_what_is_new_is_asked_for(flow):
    heard = []
    flow.server.registry.registerHandler(heard.append, [AuthorizationApproved])
    flow.allow(scope="read")
    assert read_answer(get(flow, scope="read"))["code"]
    page = get(flow)
    assert page.text.count("allowed before") == 1
    page.form.submit("decision", value="allow")
    assert read_answer(get(flow))["code"]
    assert [(event.scopes, event.remembered) for event in heard] == [
        (("read",), False),
        (("read",), True),
        (("read", "write"), False),
        (("read", "write"), True),
    ]


@pytest.mark.parametrize("first_party", [False, True])
def test_head_opens_no_grant(build: Build, first_party: bool) -> None:
    """A link checker, or a chat program that looks a link up, is no user who approves."""
    flow, heard = build_flow(build), []
    if first_party:
        flow.server.clients.edit(flow.web.client.client_id, first_party=True)
    else:
        flow.allow()
    flow.server.registry.registerHandler(heard.append, [AuthorizationApproved])
    assert flow.sign_in().head("/oauth/authorize", flow.ask()).status_int == 200
    assert heard == []
    assert read_answer(get(flow))["code"]
    assert len(heard) == 1


@pytest.mark.slow
def test_a_client_without_scopes_is_asked_for_too(flow):
    bare = flow.server.clients.create("Bare", redirect_uris=["https://bare.example/"], grants=["authorization_code"])
    page = get(flow, bare, redirect_uri=None, scope=None)
    assert "Allow “Bare”?" in page.text
    page.form.submit("decision", value="allow")
    assert read_answer(get(flow, bare, redirect_uri=None, scope=None))["code"]


@pytest.mark.slow
def test_the_record_says_who_allowed_whom_what_when_and_with_which_words(flow):
    with time_machine.travel(1_800_000_000, tick=False):
        form = flow.show().form
        form["scope.write"].checked = False
        form.submit("decision", value="allow")
    with flow.server.service.store.reading() as unit:
        (consent,) = unit.list_consents("anna")
    assert (consent.client_id, consent.scopes) == (flow.web.client.client_id, ("read",))
    assert consent.allowed_at == 1_800_000_000
    assert json.loads(consent.wording) == {"read": "Read", "write": "Write"}


@pytest.mark.slow
def test_the_applications_that_were_allowed_are_listed(flow):
    assert "You have not allowed any application yet." in flow.sign_in().get("/oauth/applications").text
    flow.allow(scope="read")
    page = flow.sign_in().get("/oauth/applications")
    assert "Web shop" in page.text
    assert re.findall("<li>(.*?)</li>", page.text) == ["Read"]
    assert "You have not allowed any application yet." in flow.sign_in("berta").get("/oauth/applications").text
    assert flow.server.app.get("/oauth/applications").status_int == 303


@pytest.mark.slow
def test_withdrawing_ends_the_tokens_and_the_memory(flow):
    heard = []
    for kind in (TokenRevoked, ConsentRevoked):
        flow.server.registry.registerHandler(heard.append, [kind])
    token = flow.redeem(flow.allow())["access_token"]
    code = read_answer(get(flow))["code"]
    others = flow.redeem(flow.allow(browser=flow.sign_in("berta")))["access_token"]
    native = flow.redeem(flow.allow(flow.native), flow.native)["access_token"]
    page = flow.sign_in().get("/oauth/applications")
    form = next(form for form in page.forms.values() if form.id is None and "application-1" in form.text)
    answer = form.submit()
    assert answer.status_int == 303
    after = answer.follow()
    assert "Done." in after.text
    assert "Web shop" not in after.text
    assert "Native" in after.text
    assert not flow.is_active(token)
    assert flow.is_active(others)
    assert flow.is_active(native)
    assert flow.redeem(code, status=400)["error"] == "invalid_grant"
    assert "Allow “Web shop”?" in get(flow).text
    assert [type(event).__name__ for event in heard] == ["TokenRevoked", "TokenRevoked", "ConsentRevoked"]
    assert {event.reason for event in heard[:2]} == {"consent_withdrawn"}
    assert form.submit().status_int == 303
    assert len(heard) == 3


@pytest.mark.slow
def test_nobody_withdraws_for_another(flow):
    token = flow.redeem(flow.allow())["access_token"]
    ticket = flow.sign_in().get("/oauth/applications").form["ticket"].value
    for fields in ({"ticket": ticket}, {}, {"client_id": flow.web.client.client_id}):
        assert flow.sign_in("mallory").post("/oauth/applications", fields, status=400)
        assert flow.server.app.post("/oauth/applications", fields, status="*").status_int in (303, 400)
    assert flow.is_active(token)


@pytest.mark.slow
def test_a_consent_withdrawn_a_moment_ago_is_asked_for_again(flow, monkeypatch):
    from pyramid_oauthguard.server.consent import flow as consent_flow
    from pyramid_oauthguard.server.consent.consents import withdraw

    flow.allow()
    ask = consent_flow.ask_auth_time

    def ask_late(service, request):  # between the first look and the transaction
        withdraw(service, "anna", flow.web.client.client_id)
        return ask(service, request)

    monkeypatch.setattr(consent_flow, "ask_auth_time", ask_late)
    assert "Allow “Web shop”?" in get(flow).text


@pytest.mark.parametrize("many", [2, 3, 7])
def test_many_grants_end_in_several_transactions(flow: Flow, monkeypatch: pytest.MonkeyPatch, many: int) -> None:
    from pyramid_oauthguard.server.consent import consents

    monkeypatch.setattr(consents, "GRANTS_AT_ONCE", 3)
    flow.allow()
    codes = [read_answer(get(flow))["code"] for _ in range(many - 1)]
    service, units = flow.server.service, []
    write = service.store.writing

    def writing():
        units.append(None)
        return write()

    monkeypatch.setattr(service.store, "writing", writing, raising=False)
    assert consents.withdraw(service, "anna", flow.web.client.client_id)
    assert len(units) == -(-many // 3)
    monkeypatch.undo()
    for code in codes:
        assert flow.redeem(code, status=400)["error"] == "invalid_grant"
    with service.store.reading() as unit:
        assert not unit.list_live_grants("anna")
