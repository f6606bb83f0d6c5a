"""Many callers at once, with guard and server in one process and in two."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from tests.example.servers import Caller, Server, fetch_token, find_free_port, revoke_token, run_at_once, serve

pytestmark = pytest.mark.slow

CALLERS = 32
ROUNDS = 5


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve("example_app/issuer.ini", tmp_path_factory.mktemp("issuer"), ports={"6544": find_free_port()}) as server:
        yield server


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory, issuer: Server) -> Iterator[Server]:
    ports = {"6543": find_free_port(), "6544": int(issuer.url.rsplit(":", 1)[1])}
    with serve("example_app/api.ini", tmp_path_factory.mktemp("api"), ports=ports) as server:
        yield server


@pytest.fixture
def both(tmp_path: Path) -> Iterator[Server]:
    with serve("development.ini", tmp_path, ports={"6543": find_free_port()}) as server:
        yield server


def read_balance(api: Server, token: str, customer: int) -> Decimal:
    return Decimal(Caller(api.url, token).send("GET", f"/customers/{customer}").json()["balance"])


@pytest.mark.promise("GD-17")
def test_the_walk_through_with_two_processes(issuer: Server, api: Server) -> None:
    token = fetch_token(issuer.url)
    caller = Caller(api.url, token)
    assert caller.make_three_calls() == [200, 201, 201]
    assert revoke_token(issuer.url, token) == 200
    assert caller.make_three_calls() == [200, 201, 401]
    assert Caller(api.url).list_customers() == 401
    assert Caller(api.url).send("GET", "/api/public").status == 200


@pytest.mark.promise("GD-17")
def test_32_callers_with_two_processes(issuer: Server, api: Server) -> None:
    observer = fetch_token(issuer.url)
    before = read_balance(api, observer, 2)

    def work(number: int) -> tuple[list[int], list[int]]:
        token = fetch_token(issuer.url)
        caller = Caller(api.url, token)
        good = [status for _ in range(ROUNDS) for status in (caller.list_customers(), caller.charge_customer(2))]
        revoked = revoke_token(issuer.url, token)
        return good, [revoked, caller.list_customers(), caller.charge_customer(2)]

    for good, after in run_at_once(CALLERS, work):
        assert good == [200, 201] * ROUNDS
        assert after == [200, 200, 401]
    # No charge was lost between two that came at once.
    assert read_balance(api, observer, 2) - before == Decimal("12.50") * CALLERS * ROUNDS
    assert "Traceback" not in issuer.read_log() + api.read_log()


def test_32_remote_checks_at_once_in_one_process_of_four_threads(both: Server) -> None:
    token = fetch_token(both.url)
    caller = Caller(both.url, token)
    before = read_balance(both, token, 1)
    assert run_at_once(CALLERS, lambda _: caller.charge_customer()) == [201] * CALLERS
    assert read_balance(both, token, 1) - before == Decimal("12.50") * CALLERS


def test_32_callers_in_one_process_each_with_a_new_token(both: Server) -> None:
    def work(number: int) -> list[int]:
        token = fetch_token(both.url)
        caller = Caller(both.url, token)
        return [caller.charge_customer(), revoke_token(both.url, token), caller.charge_customer()]

    assert run_at_once(CALLERS, work) == [[201, 200, 401]] * CALLERS
    assert "Traceback" not in both.read_log()
