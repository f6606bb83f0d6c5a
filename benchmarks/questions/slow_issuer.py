"""How many local checks does a server still answer while its issuer takes 3 s for each introspection?

16 threads, and 30 callers of a remotely checked view, each with a new token each time; a caller that is answered with 503 waits as
``Retry-After`` says. Beside them, two callers of a locally checked view send one request after the other. For comparison, the same
server without a bound: as many remote checks at once as it has threads.
"""

from __future__ import annotations

import http.client
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from ..harness.guarded import CLAIMS
from ..harness.issuer import Issuer
from ..harness.load import Load, compose
from ..harness.measure import Options
from ..harness.report import Row, Table
from ..harness.subjects import OURS, Server, pin_load

__all__ = ["answer"]

_THREADS = 16
_REMOTE_CALLERS = 30
_LOCAL_CALLERS = 2
_TAKES_SECONDS = 3.0
#: Until the calls of the remote callers have filled what they can fill.
_SETTLE_SECONDS = 4.0
_BOUND = "oauthguard.introspection.max_in_flight"


def answer(options: Options) -> Table:
    pin_load()
    seconds = 3.0 if options.quick else 10.0
    rows = [
        _measure("bounded, as by default", "", seconds, at_least=0.9),
        _measure("not bounded", str(_THREADS), seconds, at_least=None),
    ]
    return Table("Local checks a second beside 30 remote callers of an issuer that takes 3 s / without them", rows)


def _measure(what: str, bound: str, seconds: float, *, at_least: float | None) -> Row:
    with (
        Issuer() as issuer,
        Server(OURS, issuer, threads=_THREADS, **{_BOUND: bound}) as server,
        Load(server.port, _LOCAL_CALLERS) as load,
    ):
        tokens = iter(issuer.mint(_REMOTE_CALLERS * 40, **CLAIMS))
        local = compose(OURS.paths["local"], issuer.mint(1, **CLAIMS)[0])
        load.drive([local] * 500)
        alone = _count(load, local, seconds)
        issuer.fail("slow", "introspection", delay=_TAKES_SECONDS)
        with _call_remotely(server.port, tokens) as statuses:
            time.sleep(_SETTLE_SECONDS)
            beside = _count(load, local, seconds)
        remote = ", ".join(f"{count} times {status}" for status, count in sorted(statuses.items()))
    note = f"{beside:.0f} / {alone:.0f} a second; remote callers got {remote or 'no answer'}"
    return Row(what, round(beside / alone, 3), at_least=at_least, note=note)


def _count(load: Load, request: bytes, seconds: float) -> float:
    """Answers a second."""
    begun = time.perf_counter()

    def repeat() -> Iterator[bytes]:
        while time.perf_counter() < begun + seconds:
            yield request

    answered = load.drive(repeat()).statuses[200]
    return answered / (time.perf_counter() - begun)


@contextmanager
def _call_remotely(port: int, tokens: Iterator[str]) -> Iterator[Counter[int]]:
    """All remote callers, while the block runs; what they were answered."""
    statuses: Counter[int] = Counter()
    done, lock = threading.Event(), threading.Lock()

    def call() -> None:
        while not done.is_set():
            with lock:
                raw = next(tokens)
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
            connection.request("GET", OURS.paths["remote"], headers={"Authorization": f"Bearer {raw}"})
            response = connection.getresponse()
            response.read()
            connection.close()
            with lock:
                statuses[response.status] += 1
            done.wait(float(response.headers.get("Retry-After", 0)))

    callers = [threading.Thread(target=call) for _ in range(_REMOTE_CALLERS)]
    for caller in callers:
        caller.start()
    yield statuses
    done.set()
    for caller in callers:
        caller.join()
