"""Too many tries: 429 with Retry-After, per client and address, for a while."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest
import time_machine
from pyramid.exceptions import ConfigurationExecutionError

from pyramid_oauthguard import outages
from pyramid_oauthguard.server.limits import TooManyRequestsError
from tests.server.conftest import basic
from tests.steady.forging import write_entry
from tests.steady.redis_server import run_redis

pytestmark = pytest.mark.slow

NOW = 1_800_000_000
TOKEN = {"grant_type": "client_credentials"}


@pytest.fixture
def limited(build):
    def make(**rates):
        return build({"limits": "on", **{f"limits.{name.replace('__', '.')}": rate for name, rate in rates.items()}})

    return make


def ask(server, headers, *, address="192.0.2.1", path="/oauth/token", body=TOKEN):
    return server.app.post(path, body, headers=headers, extra_environ={"REMOTE_ADDR": address}, status="*")


def register_chosen(server):
    """A client whose secret people chose, or brought from elsewhere: it can be guessed."""
    return server.clients.create("Chosen", grants=["client_credentials"], scopes=["read"], secret="hunter2")


def test_they_are_on_unless_switched_off(build, limited):
    assert build({"limits": ""}).service.settings.limits is True
    server = limited(token="2/1m")
    good = server.basic(server.program)
    assert [ask(server, good).status_int for _ in range(3)] == [200, 200, 429]
    off = build({"limits": "off", "limits.token": "2/1m"})
    assert [ask(off, off.basic(off.program)).status_int for _ in range(3)] == [200, 200, 200]


def test_each_refused_guess_wrote_a_line(limited, caplog, monkeypatch):
    """One line for each address and minute, however many guesses there are."""
    clock = SimpleNamespace(monotonic=lambda: clock.now, now=1000.0)
    monkeypatch.setattr(outages, "time", clock)
    server = limited(failures="2/1h")
    wrong = basic(register_chosen(server).client.client_id, "guess")
    for address in ("192.0.2.1", "192.0.2.2"):
        answers = [ask(server, wrong, address=address).status_int for _ in range(30)]
        assert answers == [401] * 2 + [429] * 28
    lines = [each for each in caplog.messages if "limit failures reached" in each]
    assert [line.partition(": ")[2] for line in lines] == [
        f"limit failures reached from 192.0.2.{number}" for number in (1, 2)
    ]
    clock.now += 61
    assert ask(server, wrong).status_int == 429
    assert caplog.messages[-1].endswith(" reached from 192.0.2.1 (28 refusals in 61 seconds)")


@time_machine.travel(NOW, tick=False)
def test_the_answer_says_when_to_come_back(limited):
    server = limited(token="1/1m")
    headers = server.basic(server.program)
    ask(server, headers)
    answer = ask(server, headers)
    assert answer.status_int == 429
    assert answer.headers["Retry-After"] == "60"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.json == {
        "error": "temporarily_unavailable",
        "error_description": "Too many requests: try again in 60 seconds.",
    }


def test_failures_count_until_their_window_ends_and_not_the_last_ones(limited):
    """What was never counted in this process is not looked for; what was counted is, as long as it may."""
    server = limited(failures="2/1m")
    program = register_chosen(server)
    good, wrong = server.basic(program), basic(program.client.client_id, "wrong")
    with time_machine.travel(NOW, tick=False) as clock:
        assert [ask(server, wrong).status_int for _ in range(3)] == [401, 401, 429]
        clock.shift(30)
        assert ask(server, wrong, address="192.0.2.2").status_int == 401, "the last one, and another's"
        clock.shift(29)
        assert ask(server, good).status_int == 429
        clock.shift(1)
        assert ask(server, good).status_int == 200
        assert ask(server, wrong, address="192.0.2.2").status_int == 401
        assert ask(server, good, address="192.0.2.2").status_int == 429
        clock.shift(31)
        assert ask(server, good, address="192.0.2.2").status_int == 200


def test_a_clock_that_is_set_back_lets_nobody_go_on(limited):
    server = limited(failures="2/1m")
    wrong = basic(server.program.client.client_id, "wrong")
    with time_machine.travel(NOW, tick=False) as clock:
        assert [ask(server, wrong).status_int for _ in range(3)] == [401, 401, 429]
        clock.shift(-1000)
        assert [ask(server, wrong).status_int for _ in range(3)] == [401, 401, 429]


def test_the_window_ends(limited):
    server = limited(token="1/1m")
    headers = server.basic(server.program)
    with time_machine.travel(NOW, tick=False) as clock:
        assert [ask(server, headers).status_int for _ in range(2)] == [200, 429]
        clock.shift(59)
        assert ask(server, headers).status_int == 429
        clock.shift(1)
        assert ask(server, headers).status_int == 200


@time_machine.travel(NOW, tick=False)
def test_whoever_guesses_a_secret_is_stopped_also_with_the_right_one(limited):
    server = limited(failures="3/1m")
    program = register_chosen(server)
    client_id, good = program.client.client_id, server.basic(program)
    wrong = basic(client_id, "wrong")
    assert [ask(server, wrong).status_int for _ in range(4)] == [401, 401, 401, 429]
    assert ask(server, good).status_int == 429
    assert ask(server, good, address="192.0.2.2").status_int == 200, "the client itself is elsewhere and goes on"


@time_machine.travel(NOW, tick=False)
def test_failures_are_counted_at_every_endpoint_and_by_every_method(limited):
    server = limited(failures="4/1m")
    client_id = server.program.client.client_id
    wrong, form = basic(client_id, "wrong"), {"client_id": client_id, "client_secret": "wrong"}
    assert ask(server, wrong).status_int == 401
    assert ask(server, {}, body={**TOKEN, **form}).status_int == 401
    assert ask(server, wrong, path="/oauth/introspect", body={"token": "x"}).status_int == 401
    assert ask(server, wrong, path="/oauth/revoke", body={"token": "x"}).status_int == 401
    assert ask(server, wrong, path="/oauth/revoke", body={"token": "x"}).status_int == 429


@time_machine.travel(NOW, tick=False)
def test_an_address_that_tries_many_clients_is_stopped(limited):
    server = limited(failures="2/1m")
    statuses = [ask(server, basic(f"client-{number}", "wrong")).status_int for number in range(11)]
    assert statuses == [401] * 10 + [429]
    assert ask(server, server.basic(server.program), address="192.0.2.2").status_int == 200


@time_machine.travel(NOW, tick=False)
def test_good_requests_are_no_failures(limited):
    server = limited(failures="2/1m")
    good = server.basic(server.program)
    assert {ask(server, good).status_int for _ in range(12)} == {200}


@time_machine.travel(NOW, tick=False)
def test_one_client_does_not_stop_another_nor_one_endpoint_another(limited):
    server = limited(token="1/1m", introspection="1/1m")
    other = server.clients.create("Other", grants=["client_credentials"], scopes=["read"])
    assert ask(server, server.basic(server.program)).status_int == 200
    assert ask(server, server.basic(server.program)).status_int == 429
    assert ask(server, server.basic(other)).status_int == 200
    api = server.basic(server.api)
    assert [ask(server, api, path="/oauth/introspect", body={"token": "x"}).status_int for _ in range(2)] == [200, 429]
    assert ask(server, server.basic(server.program), path="/oauth/revoke", body={"token": "x"}).status_int == 200


def test_no_client_id_passes_for_another_with_another_address(limited):
    """The parts of a name are told apart by their lengths, not by a separator that a client id could hold."""
    server = limited(sign_in="1/1m")
    limits = server.service.limits

    class Request:
        environ = {}  # noqa: RUF012
        remote_addr = "b c"

    one, other = Request(), Request()
    other.remote_addr = "c"
    limits.hit(one, "sign_in", "a")
    limits.hit(other, "sign_in", "a b")
    with pytest.raises(TooManyRequestsError):
        limits.hit(one, "sign_in", "a")


def test_an_application_counts_sign_ins(limited):
    server = limited(sign_in="2/1m")
    limits = server.service.limits

    class Request:
        environ = {}  # noqa: RUF012
        remote_addr = "192.0.2.1"

    limits.hit(Request(), "sign_in", "anna \ud800")
    limits.hit(Request(), "sign_in", "anna \ud800")
    with pytest.raises(TooManyRequestsError) as caught:
        limits.hit(Request(), "sign_in", "anna \ud800")
    assert 0 < caught.value.retry_after <= 60
    limits.hit(Request(), "sign_in", "bert")


def test_one_password_tried_with_every_name_is_stopped(limited):
    limits = limited(sign_in="2/1m").service.limits

    class Request:
        environ = {}  # noqa: RUF012
        remote_addr = "192.0.2.1"

    class Elsewhere(Request):
        remote_addr = "192.0.2.2"

    for number in range(10):
        limits.hit(Request(), "sign_in", f"name-{number}")
    with pytest.raises(TooManyRequestsError):
        limits.hit(Request(), "sign_in", "name-10")
    limits.hit(Elsewhere(), "sign_in", "name-10")


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff:ffff:ffff:ffff", True),
        ("2001:db8:0:1::1", "2001:DB8:0:1::2", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("fe80::1%eth0", "fe80::2%eth1", True),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("[2001:db8::1", "[2001:db8::2", True),  # no addresses: then the client alone is limited
    ],
)
def test_who_has_an_ipv6_network_has_not_as_many_tries(limited, first, second, same):
    server = limited(token="1/1m")
    headers = server.basic(server.program)
    assert ask(server, headers, address=first).status_int == 200
    assert ask(server, headers, address=second).status_int == (429 if same else 200)


def test_a_flood_of_names_takes_no_more_room_than_it_may(limited):
    server = limited(sign_in="2/1m")

    class Request:
        environ = {}  # noqa: RUF012

        def __init__(self, number):
            self.remote_addr = f"192.0.2.{number}"

    for number in range(21_000):
        server.service.limits.hit(Request(number), "sign_in", f"name-{number}")
    assert len(server.service.limits._tries._counts) == 20_000


@pytest.mark.parametrize("wrong", ["20", "0/1m", "20/2h", "x/1m", "20/", "20/0", "-1/1m"])
def test_a_rate_that_is_none(limited, wrong):
    with pytest.raises(ConfigurationExecutionError, match=r"oauthguard.server.limits.token"):
        limited(token=wrong)


def test_a_cache_that_is_none(limited):
    with pytest.raises(ConfigurationExecutionError, match=r"oauthguard.server.limits.cache"):
        limited(cache__backend="dogpile.cache.nonsense")


@pytest.fixture
def redis(tmp_path):
    with run_redis(tmp_path) as server:
        yield server


@pytest.mark.filterwarnings("ignore:Call to deprecated setex")  # dogpile's, of redis' own client
@pytest.mark.needs("redis-server")
def test_two_processes_count_together_in_redis_and_go_on_without_it(build, redis):
    settings = {
        "limits": "on",
        "limits.token": "4/1h",
        "limits.cache.backend": "dogpile.cache.redis",
        "limits.cache.arguments.port": str(redis.port),
    }
    one, other = build(settings), build(settings)
    headers = one.basic(one.program)
    assert [ask(each, headers).status_int for each in (one, other, one, other)] == [200] * 4
    assert [ask(each, headers).status_int for each in (one, other)] == [429] * 2
    redis.kill()
    fresh = one.clients.create("Fresh", grants=["client_credentials"], scopes=["read"])
    statuses = [ask(one, one.basic(fresh)).status_int for _ in range(5)]
    assert statuses == [200] * 4 + [429], "each process counts by itself until the cache is back"
    for server in (one, other):
        server.service.limits._tries._region.actual_backend.writer_client.close()
        server.service.limits._tries._region.actual_backend.reader_client.close()


@pytest.mark.needs("redis-server")
@pytest.mark.filterwarnings("ignore:Call to deprecated setex")  # dogpile's, of redis' own client
def test_a_count_that_another_program_made_or_moved_is_not_believed(build, redis):
    settings = {
        "limits": "on",
        "limits.token": "6/1h",
        "limits.cache.backend": "dogpile.cache.redis",
        "limits.cache.arguments.port": str(redis.port),
    }
    server = build(settings)
    headers = server.basic(server.program)
    assert [ask(server, headers).status_int for _ in range(7)] == [200] * 6 + [429]
    [(_name, full)] = redis.read_all().items()
    other = server.clients.create("Other", grants=["client_credentials"], scopes=["read"])
    assert ask(server, server.basic(other)).status_int == 200
    [name] = [each for each, value in redis.read_all().items() if value != full]
    redis.client.set(name, full)
    assert ask(server, server.basic(other)).status_int == 200, "moved"
    for guess in ("", "limits"):
        redis.client.set(name, write_entry([10**6, time.time() + 60], name.decode(), guess))
        assert ask(server, server.basic(other)).status_int == 200, "made"
    server.service.limits._tries._region.actual_backend.writer_client.close()
    server.service.limits._tries._region.actual_backend.reader_client.close()
