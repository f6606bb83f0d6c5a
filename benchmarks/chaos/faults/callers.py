"""Callers who try to have others refused."""

from __future__ import annotations

from ..asking import ask, basic
from ..fault import Fault, Seen
from ..project import Served, Stage

__all__ = ["FAULTS"]

_TOKEN = {"grant_type": "client_credentials"}
_CROSS = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Origin": "https://evil.example"}


def _see_good(stage: Stage, served: Served) -> Seen:
    """Whether those whose credentials are right are answered."""
    program, api = (basic(tuple(stage.given[name])) for name in ("program", "api"))
    found = [
        ask(served.address, "POST", "/oauth/token", _TOKEN, headers=program).status,
        ask(served.address, "POST", "/oauth/introspect", {"token": "x"}, headers=api).status,
        ask(served.address, "POST", "/oauth/revoke", {"token": "x"}, headers=program).status,
    ]
    return Seen("token {}, introspection {}, revocation {}".format(*found), ok=set(found) == {200})


def _fail_on_socket(stage: Stage) -> Seen:
    stage.prepare()
    served = stage.serve_now(socket=True)
    for _ in range(150):
        ask(served.address, "POST", "/oauth/token", _TOKEN)
    return _see_good(stage, served)


def _fail_from_page(stage: Stage) -> Seen:
    stage.prepare()
    served = stage.serve_now()
    for _ in range(150):
        ask(served.address, "POST", "/oauth/token", _TOKEN, headers=_CROSS)
    return _see_good(stage, served)


def _fail_in_name(stage: Stage) -> Seen:
    stage.prepare()
    served = stage.serve_now()
    for name in ("program", "api"):
        for _ in range(60):
            ask(served.address, "POST", "/oauth/token", _TOKEN, headers=basic((stage.given[name][0], "wrong")))
    return _see_good(stage, served)


def _use_up_rate(stage: Stage) -> Seen:
    """A page of another site asks as often in the name of a public client as the whole office may."""
    stage.set(limits__token="100/1m")
    stage.prepare()
    served = stage.serve_now()
    form = {"grant_type": "authorization_code", "code": "x", "client_id": stage.given["spa"][0]}
    for _ in range(150):
        ask(served.address, "POST", "/oauth/token", form, headers=_CROSS)
    status = ask(served.address, "POST", "/oauth/token", form).status
    return Seen(f"the office: {status}", ok=status == 400)


def _guess(stage: Stage) -> Seen:
    """The header of a page of another site spares no guess its count."""
    stage.prepare()
    served = stage.serve_now()
    chosen = stage.given["chosen"]
    for number in range(100):
        ask(served.address, "POST", "/oauth/token", _TOKEN, headers={**_CROSS, **basic((chosen[0], f"no-{number}"))})
    status = ask(served.address, "POST", "/oauth/token", _TOKEN, headers={**_CROSS, **basic(tuple(chosen))}).status
    return Seen(f"guess 101, the right one: {status}", ok=status in {403, 429})


def _fail_from_network(stage: Stage) -> Seen:
    """A caller who owns a /56 and takes another /64 for each try."""
    stage.set(limits__ipv6_prefix="56")
    stage.prepare()
    served = stage.serve_now(app="build_behind_proxy")
    found = [
        ask(served.address, "POST", "/oauth/token", _TOKEN, headers={"X-Client": f"2001:db8:0:{number:x}::1"}).status
        for number in range(150)
    ]
    return Seen(f"{found.count(401)} of 150 tries were looked at", ok=429 in found)


def _send_long_cookie(stage: Stage) -> Seen:
    """As long as gunicorn takes it by default."""
    stage.prepare()
    served = stage.serve_now()
    page = "/oauth/device"
    ask(served.address, "GET", page)
    seconds = min(
        ask(served.address, "GET", page, headers={"Cookie": "a" * _COOKIE_CHARACTERS, "X-User": "u"}).seconds
        for _ in range(5)
    )
    return Seen(f"{seconds:.2f} s", ok=seconds <= _COOKIE_SECONDS)


_COOKIE_CHARACTERS = 8_000
_COOKIE_SECONDS = 0.1
_GOOD = "those whose credentials are right are answered 200"
FAULTS = (
    Fault("lockout: 150 failures on a Unix socket", _GOOD, _fail_on_socket),
    Fault("lockout: 150 failures from a cross-site page", _GOOD, _fail_from_page),
    Fault("lockout: 60 wrong secrets in each name", _GOOD, _fail_in_name),
    Fault("lockout: a page uses up the rate of a public client", "the client is answered 400, not 429", _use_up_rate),
    Fault("lockout: guesses with the header of a page", "a guess is not checked: 403 or 429", _guess),
    Fault("lockout: 150 addresses of one /56", "at the limit 429, with `limits.ipv6_prefix = 56`", _fail_from_network),
    Fault("text: a Cookie of 8 kB on a page", f"answered within {_COOKIE_SECONDS} s", _send_long_cookie),
)
