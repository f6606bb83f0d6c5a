"""What does a token cost our server to issue, and a peer's: client credentials, a code, a refresh token?

CPU time of the server's process, which has one core to itself, over batches on eight connections, the servers in turn;
SQLite on both sides, each commit synced. A peer's tokens are opaque, so ours that are opaque are what it is compared with:
a signature of RS256 alone costs about as much as all the rest.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from itertools import repeat
from statistics import median
from typing import Any, Final

from ..harness.authorization_servers import AuthorizationServer, Costs, describe_peer, measure_costs
from ..harness.measure import Options, summarize
from ..harness.report import Row, Table
from ..harness.subjects import pin_load

__all__ = ["answer"]

_SAYS: Final = {
    "client_credentials": "client credentials",
    "authorization_code": "a code",
    "refresh_token": "a refresh",
}
_BATCH: Final = 100
_OPAQUE: Final = "ours, opaque"
_CLEAR: Final = "django-oauth-toolkit, secrets in clear"
#: Its own default is to hash client secrets with PBKDF2; ours are keyed hashes, which is enough for 256 random bits.
_HASHED: Final = "django-oauth-toolkit as it comes"
#: How ours is set.
_OURS: Final[dict[str, dict[str, str]]] = {
    _OPAQUE: {"access_token_format": "opaque"},
    "ours, JWT ES256": {"signing.algorithm": "ES256"},
    "ours, JWT RS256": {"signing.algorithm": "RS256"},
}
_FEW: Final = {"batch": 8, "pairs": 3}  # of what takes half a second each

Costly = dict[str, dict[str, Costs]]


def answer(options: Options) -> Table:
    pin_load()
    kinds: dict[str, tuple[str, dict[str, Any]]] = {
        name: ("ours", {"settings": settings}) for name, settings in _OURS.items()
    }
    if options.peers:
        kinds[_CLEAR] = "peer", {}
    costs = _measure(kinds, batch=_BATCH, pairs=options.pairs)
    if options.peers:
        hashed = _measure({_HASHED: ("peer", {"hashed": True})}, **_FEW)
        costs = {grant: {**found, **hashed[grant]} for grant, found in costs.items()}
    rows = [each.as_row(f"{_SAYS[grant]}: {who}") for grant, found in costs.items() for who, each in found.items()]
    if options.peers:
        rows += _compare(costs)
    return Table("Issuing tokens: CPU of the authorization server for a request", rows)


def _compare(costs: Costly) -> Iterator[Row]:
    for grant, found in costs.items():
        what = f"{_SAYS[grant]}: {_CLEAR} / "
        for name in _OURS:
            reach = {"at_least": 2, "note": describe_peer()} if name == _OPAQUE else {}
            yield Row.of(what + name, summarize(found[_CLEAR].cpu, found[name].cpu), **reach)
        ratio = median(found[_HASHED].cpu) / median(found[_OPAQUE].cpu)
        yield Row(f"{_SAYS[grant]}: {_HASHED} / {_OPAQUE}", round(ratio, 1), at_least=2)


def _measure(kinds: dict[str, tuple[str, dict[str, Any]]], *, batch: int, pairs: int) -> Costly:
    with ExitStack() as stack:
        servers = {
            name: stack.enter_context(AuthorizationServer(kind, live=1000, prepared=batch * (pairs + 1), **more))
            for name, (kind, more) in kinds.items()
        }
        return {
            grant: measure_costs(
                {name: (server, _compose(server, grant)) for name, server in servers.items()}, batch=batch, pairs=pairs
            )
            for grant in _SAYS
        }


def _compose(server: AuthorizationServer, grant: str) -> Iterator[bytes]:
    form = {"grant_type": grant}
    if grant == "client_credentials":
        yield from repeat(server.compose("token", "program", form))
    elif grant == "authorization_code":
        for code in server.given["codes"]:
            yield server.compose("token", "web", {**form, **server.given["code_form"], "code": code})
    else:
        for token in server.given["refresh_tokens"]:
            yield server.compose("token", "web", {**form, "refresh_token": token})
