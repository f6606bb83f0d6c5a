"""The form of a consent page that is sent more than once: by a double click, or with the back button and a second click."""

from __future__ import annotations

import functools
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import time_machine
from webtest import TestApp

from pyramid_oauthguard.server.consent.consents import withdraw
from pyramid_oauthguard.server.store.sqlalchemy import SQLAlchemyStore
from pyramid_oauthguard.server.store.sqlalchemy.engine import build_engine
from pyramid_oauthguard.server.tokens.pruning import prune
from tests.server.conftest import Build
from tests.server.databases import EACH, make_database
from tests.server.flows import Flow, build_flow, read_answer

pytestmark = pytest.mark.slow

TOLD = "You have already answered this question"


@pytest.fixture
def flow(build: Build) -> Flow:
    return build_flow(build)


def send(flow: Flow, page: Any, decision: str, *, user: str = "anna", without: tuple[str, ...] = ()) -> Any:
    """Send the form of a page, as another tab of the same browser does."""
    fields = page.form.submit_fields("decision", submit_value=decision)
    fields = [(name, value) for name, value in fields if name.removeprefix("scope.") not in without]
    browser = TestApp(flow.server.app.app)
    browser.set_cookie("user", user)
    return browser.post("/oauth/authorize", fields, status="*")


def count(flow: Flow, table: str) -> int:
    with sqlite3.connect(flow.server.file) as database:
        (found,) = database.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608  # a name of ours
    database.close()
    return int(found)


def list_events(flow: Flow) -> list[str]:
    with flow.server.service.store.reading() as unit:
        entries = unit.list_audit(limit=100)
    return [entry.event for entry in reversed(entries) if entry.event.startswith("Authorization")]


@pytest.mark.promise("AS-57")
@pytest.mark.parametrize("kind", ["web", "native"])
def test_allowing_twice_opens_one_grant_and_gives_the_same_code(flow: Flow, kind: str) -> None:
    client = getattr(flow, kind)
    page = flow.show(client)
    answers = [send(flow, page, "allow") for _ in range(3)]
    assert len({answer.headers["Location"] for answer in answers}) == 1
    assert (count(flow, "oauth_grants"), count(flow, "oauth_codes"), count(flow, "oauth_consents")) == (1, 1, 1)
    assert list_events(flow) == ["AuthorizationApproved"]
    assert flow.is_active(flow.redeem(read_answer(answers[0])["code"], client)["access_token"])


@pytest.mark.promise("AS-57")
def test_a_code_that_was_used_is_not_given_again(flow: Flow) -> None:
    """The client would send it a second time, which counts as a theft and ends the user's tokens."""
    page = flow.show()
    token = flow.redeem(read_answer(send(flow, page, "allow"))["code"])["access_token"]
    again = send(flow, page, "allow")
    assert again.status_int == 409
    assert TOLD in again.text
    assert "code=" not in again.text
    assert flow.is_active(token)
    assert count(flow, "oauth_grants") == 1


@pytest.mark.promise("AS-57")
def test_denying_twice_is_told_twice_and_noted_once(flow: Flow) -> None:
    page = flow.show()
    answers = [send(flow, page, "deny") for _ in range(2)]
    assert [read_answer(answer)["error"] for answer in answers] == ["access_denied"] * 2
    assert list_events(flow) == ["AuthorizationDenied"]
    assert count(flow, "oauth_grants") == 0


@pytest.mark.promise("AS-57")
@pytest.mark.parametrize(("first", "second", "grants"), [("allow", "deny", 1), ("deny", "allow", 0)])
def test_the_first_decision_of_a_page_is_valid(flow: Flow, first: str, second: str, grants: int) -> None:
    page = flow.show()
    assert send(flow, page, first).status_int == 303
    again = send(flow, page, second)
    assert again.status_int == 409
    assert TOLD in again.text
    assert [link["href"] for link in again.html.select(".ways a")] == ["/", "/oauth/applications"]
    assert count(flow, "oauth_grants") == count(flow, "oauth_consents") == grants
    assert len(list_events(flow)) == 1


def test_a_new_page_is_a_new_question(flow: Flow) -> None:
    assert read_answer(send(flow, flow.show(flow.native), "deny"))["error"] == "access_denied"
    assert read_answer(send(flow, flow.show(flow.native), "allow"))["code"]


@pytest.mark.promise("AS-57")
def test_other_scopes_are_another_decision(flow: Flow) -> None:
    page = flow.show()
    code = read_answer(send(flow, page, "allow"))["code"]
    less = send(flow, page, "allow", without=("write",))
    assert less.status_int == 409
    assert TOLD in less.text
    assert flow.redeem(code)["scope"] == "read write"
    narrow = flow.show(flow.native)
    code = read_answer(send(flow, narrow, "allow", without=("write",)))["code"]
    assert send(flow, narrow, "allow").status_int == 409
    assert flow.redeem(code, flow.native)["scope"] == "read"


def test_no_scope_at_all_is_no_decision(flow: Flow) -> None:
    page = flow.show()
    assert send(flow, page, "allow", without=("read", "write")).status_int == 422
    assert read_answer(send(flow, page, "allow"))["code"]


@pytest.mark.promise("AS-57")
def test_the_page_of_one_user_decides_nothing_for_another(flow: Flow) -> None:
    page = flow.show()
    code = read_answer(send(flow, page, "allow"))["code"]
    answer = send(flow, page, "allow", user="berta")
    assert answer.status_int == 400
    assert code not in answer.text
    own = flow.show(browser=flow.sign_in("berta"))
    other = read_answer(send(flow, own, "allow", user="berta"))["code"]
    assert other != code
    assert count(flow, "oauth_grants") == 2
    subjects = [flow.server.introspect(flow.redeem(each)["access_token"])["sub"] for each in (code, other)]
    assert subjects == ["anna", "berta"]


@pytest.mark.promise("AS-57")
def test_a_code_that_has_expired_or_was_withdrawn_is_not_given_again(flow: Flow) -> None:
    with time_machine.travel(1_900_000_000, tick=False) as clock:
        old, ended = flow.show(), flow.show()
        read_answer(send(flow, old, "allow"))
        clock.shift(61)
        assert send(flow, old, "allow").status_int == 409
        read_answer(send(flow, ended, "allow"))
        withdraw(flow.server.service, "anna", flow.web.client.client_id)
        assert send(flow, ended, "allow").status_int == 409
    assert count(flow, "oauth_grants") == 2


@pytest.mark.promise("AS-57")
@pytest.mark.parametrize("hook", ["gone", "refused"])
def test_who_may_no_longer_approve_gets_no_code_again(flow: Flow, hook: str) -> None:
    page = flow.show()
    code = read_answer(send(flow, page, "allow"))["code"]
    getattr(flow.people, hook).add({"gone": "anna", "refused": "Web shop"}[hook])
    answer = send(flow, page, "allow")
    assert answer.status_int == 409
    assert code not in answer.text + str(answer.headers)


def test_a_page_is_decided_as_long_as_its_ticket_opens(flow: Flow) -> None:
    with time_machine.travel(1_900_000_000, tick=False) as clock:
        page = flow.show()
        send(flow, page, "allow")
        for _ in range(4):
            clock.shift(899)
            prune(flow.server.service.store)
            assert send(flow, page, "allow").status_int == 409
        clock.shift(10)
        assert "open for too long" in send(flow, page, "allow").text
        clock.shift(2 * 86400)
        prune(flow.server.service.store)
    assert count(flow, "oauth_assertions") == 0


@pytest.mark.promise("AS-57", "AS-06")
def test_codes_can_not_be_computed_from_what_the_browser_has(flow: Flow) -> None:
    """The ticket is signed but not encrypted: it must not contain the code, or what the code is made of without a key."""
    import base64

    page = flow.show()
    ticket = base64.urlsafe_b64decode(page.form["ticket"].value)
    code = read_answer(send(flow, page, "allow"))["code"]
    assert code.encode() not in ticket
    assert code[5:27].encode() not in ticket
    with sqlite3.connect(flow.server.file) as database:
        dump = "\n".join(database.iterdump())
    database.close()
    assert code not in dump


def test_a_ticket_of_an_earlier_release_shows_the_page_again(flow: Flow) -> None:
    from pyramid_oauthguard.server.consent.tickets import find_content, seal_ticket

    page = flow.show()
    pepper = flow.server.service.pepper
    content = find_content(pepper, "authorize", page.form["ticket"].value) or {}
    del content["page"]
    page.form["ticket"].value = seal_ticket(pepper, "authorize", content, subject="anna")
    again = send(flow, page, "allow")
    assert again.status_int == 200
    assert "Allow this application?" in again.text


# ── at the same moment ──────────────────────────────────────────────────────────────────────────────────────

KINDS = ["sqlite:///{}", "sqlite://", *EACH[1:]]


@pytest.fixture(params=KINDS, ids=["file", "memory", "postgresql"])
def racing(request: pytest.FixtureRequest, build: Build, tmp_path: Path) -> Flow:
    url = request.param.format(tmp_path / "races.sqlite")
    if url == "postgresql":
        url = make_database(request.getfixturevalue("postgresql"))
        store = SQLAlchemyStore(build_engine(url))
        store.create_tables()
        store.close()
    return build_flow(build, {"sqlalchemy.url": url, "pepper_file": str(tmp_path / "pepper")})


def send_at_once(flow: Flow, page: Any, decisions: list[str], user: str, *others: Any) -> list[Any]:
    """The answers to the form of one page that is sent at the same moment with each of these decisions."""
    assert page.form is not None  # WebTest reads it at the first use, which threads must not do at once
    works = [functools.partial(send, flow, page, decision, user=user) for decision in decisions]
    return run_at_once([*others, *works])


def run_at_once(works: list[Any]) -> list[Any]:
    barrier = threading.Barrier(len(works))

    def begin(work: Any) -> Any:
        barrier.wait(30)
        return work()

    with ThreadPoolExecutor(len(works)) as threads:
        return list(threads.map(begin, works))


@pytest.mark.promise("AS-57")
def test_of_many_forms_at_once_one_opens_a_grant(racing: Flow) -> None:
    for client in (racing.web, racing.native):
        user = client.client.name
        page = racing.show(client, browser=racing.sign_in(user))
        answers = send_at_once(racing, page, ["allow"] * 8, user)
        assert len({answer.headers["Location"] for answer in answers}) == 1
        with racing.server.service.store.reading() as unit:
            assert len(unit.list_live_grant_ids(user, client.client.client_id)) == 1
            assert len(unit.list_consents(user)) == 1
        assert racing.is_active(racing.redeem(read_answer(answers[0])["code"], client)["access_token"])


@pytest.mark.promise("AS-57")
def test_of_both_decisions_at_once_one_is_valid(racing: Flow) -> None:
    for round_ in range(4):
        user = f"user-{round_}"
        page = racing.show(browser=racing.sign_in(user))
        decisions = ["allow", "deny"] * 4
        answers = zip(decisions, send_at_once(racing, page, decisions, user), strict=True)
        found = {(word, answer.headers.get("Location", answer.status_int)) for word, answer in answers}
        (won,) = [word for word, where in found if where != 409]
        assert {word for word, where in found if where == 409} == {"allow", "deny"} - {won}
        with racing.server.service.store.reading() as unit:
            grants = unit.list_live_grant_ids(user, racing.web.client.client_id)
            assert len(grants) == len(unit.list_consents(user)) == (1 if won == "allow" else 0)


@pytest.mark.promise("AS-57")
def test_a_code_that_is_redeemed_while_the_form_comes_again_is_redeemed_once(racing: Flow) -> None:
    for round_ in range(4):
        user = f"user-{round_}"
        page = racing.show(browser=racing.sign_in(user))
        code = read_answer(send(racing, page, "allow", user=user))["code"]
        redeem = functools.partial(racing.redeem, code)
        tokens, *answers = send_at_once(racing, page, ["allow"] * 4, user, redeem)
        assert racing.is_active(tokens["access_token"])
        assert all(answer.status_int == 409 or read_answer(answer)["code"] == code for answer in answers)
