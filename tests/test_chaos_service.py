"""The callers of `python -m benchmarks.chaos.service` notice each kind of wrong behaviour, and none in a service that is right."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from threading import Lock, Thread
from typing import Any, ClassVar
from urllib.parse import parse_qs

import pytest

from benchmarks.chaos.asking import Address
from benchmarks.chaos.service.callers import Crowd, World
from benchmarks.chaos.service.disturbance import MOST_LINES, Finding
from benchmarks.chaos.service.disturbances import DISTURBANCES
from benchmarks.chaos.service.record import HUNG_SECONDS, Counts
from benchmarks.chaos.service.table import PUBLISHED, tabulate

SECONDS = 1.5
GUESS = base64.b64encode(b"program:guess").decode()
HEAD = "eyJraWQiOiJrMSJ9"  # {"kid":"k1"}


class Rigged(BaseHTTPRequestHandler):
    """Both halves in one process, in memory. ``fault`` is what it does wrong."""

    fault: ClassVar[str] = ""
    owners: ClassVar[dict[str, str]] = {}
    revoked: ClassVar[set[str]] = set()
    families: ClassVar[dict[str, str]] = {}
    numbers = count()
    lock = Lock()

    def do_GET(self) -> None:
        raw = self.headers["Authorization"].removeprefix("Bearer ")
        who = self.owners.get(raw)
        if raw in self.revoked and self.fault != "accepts revoked tokens":
            who = None
        if who is None and self.fault == "accepts changed signatures" and raw.startswith(HEAD):
            who = "user-0"
        if who is not None and self.fault == "mixes up users":
            who = "somebody else"
        if self.fault == "refuses good tokens":
            who = None
        if self.fault == "fails":
            self.send(500, {})
        elif who is None:
            self.send(401, {})
        else:
            self.send(200, {"who": who})

    def do_POST(self) -> None:
        form = {name: found[0] for name, found in parse_qs(self.read()).items()}
        with self.lock:
            number = next(self.numbers)
            if self.path == "/oauth/revoke":
                if self.fault != "forgets revocations":
                    self.revoked.add(form["token"])
                self.send(200, {})
            elif self.headers["Authorization"] == f"Basic {GUESS}" and self.fault != "accepts any secret":
                self.send(401, {"error": "invalid_client"})
            elif form["grant_type"] == "refresh_token":
                self.refresh(form["refresh_token"], number)
            else:
                self.send(200, {"access_token": self.make("program", number)})

    def refresh(self, refresh_token: str, number: int) -> None:
        user = self.families.pop(refresh_token, None)
        if user is None or (self.fault == "signs users out" and number > 2):
            self.send(400, {"error": "invalid_grant"})
            return
        self.families[f"refresh-{number}"] = user
        self.send(200, {"access_token": self.make(user, number), "refresh_token": f"refresh-{number}"})

    def make(self, who: str, number: int) -> str:
        raw = f"{HEAD}.{number}.{'s' * 30}{number}"
        self.owners[raw] = who
        return raw

    def read(self) -> str:
        return self.rfile.read(int(self.headers["Content-Length"])).decode()

    def send(self, status: int, body: dict[str, Any]) -> None:
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_arguments: Any) -> None:
        pass


@contextmanager
def serve(fault: str) -> Iterator[World]:
    state: dict[str, Any] = {"fault": fault, "owners": {}, "revoked": set(), "numbers": count(), "lock": Lock()}
    state["families"] = {f"first-{number}": f"user-{number}" for number in range(2)}
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("One", (Rigged,), state))
    thread = Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    address = Address(port=server.server_port)
    given = {"program": ["program", "right"], "web": ["web", "right"], "tokens": ["first-0", "first-1"]}
    try:
        yield World(address, address, given)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def watch(fault: str) -> Counts:
    """What callers saw of a service with this fault."""
    with serve(fault) as world:
        with Crowd(world, programs=1, users=2):
            time.sleep(SECONDS)
        if fault == "loses tokens":
            for raw, _who in world.alive:
                assert world.post("revoke", "program", token=raw).status == 200
        world.check_evidence()
        return world.record.take()


@pytest.mark.slow
def test_a_service_that_is_right_is_found_right() -> None:
    counts = watch("")
    assert (counts.wrong, counts.lost, counts.ended, counts.hung) == ([], [], [], 0)
    assert counts.answers["200"] > 10
    assert counts.answers["401"] > 3, "forgers were there"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("accepts revoked tokens", "200 for a revoked token"),
        ("accepts changed signatures", "200 for a changed signature"),
        ("mixes up users", "was taken for somebody else"),
        ("refuses good tokens", "401 for a good token"),
        ("fails", "500 for"),
        ("accepts any secret", "200 for a wrong secret"),
    ],
)
def test_a_wrong_decision_is_noticed(fault: str, said: str) -> None:
    counts = watch(fault)
    assert any(said in text for text in counts.wrong), counts.wrong


@pytest.mark.slow
def test_a_lost_revocation_is_noticed() -> None:
    assert "a revocation" in watch("forgets revocations").lost


@pytest.mark.slow
def test_a_lost_token_is_noticed() -> None:
    assert "a token of program" in watch("loses tokens").lost


@pytest.mark.slow
def test_a_user_who_is_signed_out_is_noticed() -> None:
    assert watch("signs users out").ended


def build_finding(**seen: Any) -> Finding:
    given = {"recovery": 0.0, "lines": 0, **seen}
    counts = given.pop("counts", Counts())
    counts.answers["200"] += 1
    return Finding("one", counts, limit=6.0, **given)


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        ({"recovery": 7.0}, "recovery took 7.0 s"),
        ({"lines": MOST_LINES + 1}, "lines in the logs"),
        ({"counts": Counts(hung=1)}, f"more than {HUNG_SECONDS:g} s"),
        ({"counts": Counts(wrong=["x"])}, "1 wrong decisions"),
        ({"counts": Counts(lost=["x"])}, "1 lost"),
        ({"counts": Counts(ended=["x"])}, "1 users signed out"),
    ],
)
def test_a_finding_names_what_is_not_right(seen: dict[str, Any], said: str) -> None:
    assert build_finding().faults == []
    assert [said in text for text in build_finding(**seen).faults] == [True]


def test_the_page_has_rows_of_disturbances_and_no_wrong_decision() -> None:
    rows = PUBLISHED.read_text("utf-8").splitlines()
    assert rows[:2] == tabulate([])
    cells = [row.strip("| ").split(" | ") for row in rows[2:]]
    names = [name for name, *_rest in cells]
    assert names == [each.name for each in DISTURBANCES if each.name in names]
    assert len(names) > len(DISTURBANCES) // 2
    assert {(wrong, lost, ended) for _name, _asked, _failed, wrong, lost, ended, *_rest in cells} == {("0", "0", "0")}
