"""An issuer that is slow or away under an application that it guards, and tokens that are made to cost."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, Final

from tests.certificates import write_certificate
from tests.issuers import HTTPIssuer

from ...harness.load import Load, compose
from ..asking import ask
from ..fault import Fault, Seen
from ..project import Served, Stage

__all__ = ["FAULTS"]

_THREADS: Final = 16
_REMOTE_CALLERS: Final = 30
_TAKES_SECONDS: Final = 3.0
_MEASURED_SECONDS: Final = 5.0
#: One may meet others' work on the same machine; the one in the middle counts.
_PAIRS: Final = 3
_COOLDOWN_SECONDS: Final = 6.0
_OUTAGES: Final = ("broken", "reset", "garbage")
_NESTED: Final = 450
_CLAIMS: Final = {"exp": 2**33}


def _bearer(raw: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {raw}"}


def _take_long(stage: Stage) -> Seen:
    issuer = stage.start_issuer()
    served = stage.serve_now(threads=_THREADS, app="build_guarded")
    local = compose("/local", issuer.mint(**_CLAIMS)[0])
    tokens = iter(issuer.mint(4_000, **_CLAIMS))
    with Load(served.address.port, 2) as load:
        load.drive([local] * 500)
        issuer.fail("slow", "introspection", delay=_TAKES_SECONDS)
        pairs = [(_count(load, local), _count_beside(served, load, local, tokens)) for _ in range(_PAIRS)]
    alone, beside = sorted(pairs, key=lambda pair: pair[1] / pair[0])[_PAIRS // 2]
    return Seen(f"{beside:.0f} of {alone:.0f} local checks a second", ok=beside >= 0.9 * alone)


def _count_beside(served: Served, load: Load, request: bytes, tokens: Any) -> float:
    """Answers a second while others have the issuer asked."""
    done = threading.Event()
    callers = [threading.Thread(target=_call_remotely, args=(served, tokens, done)) for _ in range(_REMOTE_CALLERS)]
    for caller in callers:
        caller.start()
    time.sleep(_TAKES_SECONDS + 1)
    found = _count(load, request)
    done.set()
    for caller in callers:
        caller.join()
    return found


def _count(load: Load, request: bytes) -> float:
    """Answers a second."""
    begun = time.perf_counter()
    answered = load.drive(iter(lambda: request if time.perf_counter() < begun + _MEASURED_SECONDS else b"", b""))
    return answered.statuses[200] / (time.perf_counter() - begun)


def _call_remotely(served: Served, tokens: Any, done: threading.Event) -> None:
    while not done.is_set():
        answer = ask(served.address, "GET", "/remote", headers=_bearer(_take(tokens)), limit=120)
        if answer.status == 503:
            done.wait(1)


_LOCK = threading.Lock()


def _take(tokens: Any) -> str:
    with _LOCK:
        return next(tokens)  # type: ignore[no-any-return]


def _build_outage(endpoint: str) -> Callable[[Stage], Seen]:
    def run(stage: Stage) -> Seen:
        seconds = {fault: _recover(stage, endpoint, fault) for fault in _OUTAGES}
        text = ", ".join(f"{fault}: {found:.1f} s" for fault, found in seconds.items())
        return Seen(text, ok=max(seconds.values()) <= _COOLDOWN_SECONDS + 0.5)

    return run


def _recover(stage: Stage, endpoint: str, fault: str) -> float:
    """Seconds from the first refusal of a cold application to its first good answer; the issuer is well again at once."""
    issuer = stage.start_issuer(keys__cooldown=f"{_COOLDOWN_SECONDS:.0f}", cache__jwks__expiration_time="60")
    served = stage.serve_now(app="build_guarded")
    headers = _bearer(issuer.mint(**_CLAIMS)[0])
    issuer.fail(fault, endpoint)
    begun = time.monotonic()
    ask(served.address, "GET", "/local", headers=headers)
    issuer.heal()
    stage.wait_for(served, lambda: ask(served.address, "GET", "/local", headers=headers).status == 200, 40)
    seconds = time.monotonic() - begun
    served.stop()
    return seconds


def _set_short_life(stage: Stage) -> Seen:
    stage.start_issuer(keys__cooldown="60", cache__jwks__expiration_time="10")
    served = stage.serve(app="build_guarded")
    started = stage.wait_for(served, lambda: ask(served.address, "GET", "/mine").status == 200, 20)
    named = "keys.cooldown" in served.read_log()
    text = f"start-up {'went on' if started else 'stopped'}, the setting is {'' if named else 'not '}named"
    return Seen(text, ok=named and not started)


def _nest(stage: Stage) -> Seen:
    issuer = stage.start_issuer()
    served = stage.serve_now(app="build_guarded")
    nested: Any = 0
    for _level in range(_NESTED):
        nested = [nested]
    raw = issuer.mint(deep=nested, **_CLAIMS)[0]
    found = {path: [ask(served.address, "GET", path, headers=_bearer(raw)).status for _ in "12"] for path in _CHECKED}
    statuses = {status for each in found.values() for status in each}
    return Seen(", ".join(f"{path} {each[0]} and {each[1]}" for path, each in found.items()), ok=statuses == {401})


_CHECKED: Final = ("/local", "/remote")


def _flood(stage: Stage) -> Seen:
    issuer = stage.start_issuer()
    served = stage.serve_now(app="build_guarded")
    issuer.fail("reset")
    headers = _bearer(issuer.mint(**_CLAIMS)[0])
    before = len(served.read_log().splitlines())
    ending, asked = time.monotonic() + 5, 0
    while time.monotonic() < ending:
        asked += ask(served.address, "GET", "/remote", headers=headers).status == 503
    lines = len(served.read_log().splitlines()) - before
    return Seen(f"{lines} lines for {asked} answers 503", ok=0 < lines <= 5)


def _distrust(stage: Stage) -> Seen:
    """The issuer's certificate is not signed by an authority that the application trusts."""
    issuer = stage.enter(HTTPIssuer(tls=write_certificate(stage.folder)))
    stage.settings = {**issuer.settings, "oauthguard.http.ca_file": ""}
    served = stage.serve_now(app="build_guarded")
    status = ask(served.address, "GET", "/local", headers=_bearer(issuer.issuer.mint(_CLAIMS))).status
    named = "self-signed certificate" in served.read_log()
    return Seen(f"{status}, the cause is {'named' if named else 'not named'}", ok=status == 503 and named)


_SOON = f"200 within one cool-down of {_COOLDOWN_SECONDS:.0f} s"
FAULTS = (
    Fault(
        f"issuer: introspection takes 3 s, {_REMOTE_CALLERS} callers",
        "local checks keep 90 % of their rate",
        _take_long,
    ),
    Fault("issuer: the metadata fail at a cold start", _SOON, _build_outage("metadata")),
    Fault("issuer: the key set fails at a cold start", _SOON, _build_outage("keys")),
    Fault("issuer: keys are kept for less than the cool-down", "start-up stops and names it", _set_short_life),
    Fault(f"issuer: claims are nested {_NESTED} deep", "401, the second time too", _nest),
    Fault("issuer: 5 s of requests while it is away", "at most 5 lines in the log", _flood),
    Fault("issuer: its certificate is not trusted", "503, and the log says why", _distrust),
)
