"""Users and programs that act at the same moment, on SQLite and on PostgreSQL."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pyramid_oauthguard.server.consent.consents import withdraw
from pyramid_oauthguard.server.store.sqlalchemy import SQLAlchemyStore
from pyramid_oauthguard.server.store.sqlalchemy.engine import build_engine
from tests.server.conftest import Build
from tests.server.flows import Flow, build_flow, read_answer

pytestmark = pytest.mark.slow

THREADS = 8


@pytest.fixture
def flow(build: Build, database: str, tmp_path: Path) -> Flow:
    store = SQLAlchemyStore(build_engine(database))
    store.create_tables()
    store.close()
    return build_flow(build, {"sqlalchemy.url": database, "pepper_file": str(tmp_path / "pepper")})


def run_at_once(work) -> list:
    barrier = threading.Barrier(THREADS)

    def begin(number):
        barrier.wait(30)
        return work(number)

    with ThreadPoolExecutor(THREADS) as threads:
        return list(threads.map(begin, range(THREADS)))


@pytest.mark.promise("AS-52")
def test_no_grant_outlives_the_consent_that_it_rested_on(flow):
    for _round in range(4):
        flow.allow()

        def act(number):
            if number == 0:
                return withdraw(flow.server.service, "anna", flow.web.client.client_id)
            return flow.sign_in().get("/oauth/authorize", flow.ask()).status_int

        answers = run_at_once(act)
        assert answers[0] is True
        assert set(answers[1:]) <= {200, 303}
        with flow.server.service.store.reading() as unit:
            assert unit.list_consents("anna") == ()
            assert unit.list_live_grant_ids("anna", flow.web.client.client_id) == ()


@pytest.mark.promise("AS-09", "AS-40")
def test_of_many_redemptions_at_once_exactly_one_succeeds(flow):
    for _round in range(3):
        code = flow.allow(flow.native)
        answers = run_at_once(lambda _number, code=code: flow.redeem(code, flow.native, status="*"))
        won = [answer for answer in answers if "access_token" in answer]
        assert len(won) == 1
        assert {answer["error"] for answer in answers if answer not in won} == {"invalid_grant"}
        assert not flow.is_active(won[0]["access_token"]), "the others were a replay"


def test_a_code_redeemed_while_its_consent_is_withdrawn_is_worth_nothing(flow):
    for _round in range(4):
        code = flow.allow(flow.native)

        def act(number, code=code):
            if number == 0:
                withdraw(flow.server.service, "anna", flow.native.client.client_id)
            return flow.redeem(code, flow.native, status="*") if number == 1 else {}

        tokens = run_at_once(act)[1].get("access_token")
        assert tokens is None or not flow.is_active(tokens)


def test_all_of_it_works_on_this_database(flow):
    code = flow.allow()
    assert read_answer(flow.sign_in().get("/oauth/authorize", flow.ask()))["code"]
    token = flow.redeem(code)["access_token"]
    assert flow.is_active(token)
    page = flow.sign_in().get("/oauth/applications")
    page.form.submit()
    assert not flow.is_active(token)
