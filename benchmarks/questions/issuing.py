"""What does a token cost our server to issue, and a peer's: client credentials, a code, a refresh token?

CPU time of the server's process, which has one core to itself, over batches on eight connections; SQLite on both sides.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import repeat
from statistics import median
from typing import Final

from ..harness.authorization_servers import AuthorizationServer, describe_peer, measure_cost
from ..harness.load import Load
from ..harness.measure import Options
from ..harness.report import Row, Table
from ..harness.subjects import pin_load

__all__ = ["answer"]

_SAYS: Final = {
    "client_credentials": "client credentials",
    "authorization_code": "a code",
    "refresh_token": "a refresh",
}
_BATCH: Final = 100
#: How ours is set, by what the row says; what a peer issues is opaque.
_OURS: Final = {
    "opaque": {"access_token_format": "opaque"},
    "JWT, ES256": {"signing.algorithm": "ES256"},
    "JWT, RS256": {"signing.algorithm": "RS256"},
}
#: Its own default is to hash client secrets with PBKDF2; ours are keyed hashes, which is enough for 256 random bits.
_PEERS: Final = {
    "peer": "django-oauth-toolkit, secrets in clear",
    "peer, hashed": "django-oauth-toolkit as it comes",
}


def answer(options: Options) -> Table:
    pin_load()
    rows, costs = [], {}
    for name, settings in _OURS.items():
        costs[name] = _measure("ours", options, settings=settings)
    if options.peers:
        costs["peer"] = _measure("peer", options)
        costs["peer, hashed"] = _measure("peer", options, batch=8, hashed=True)
    for name, found in costs.items():
        for grant, (cost, clock) in found.items():
            who = _PEERS.get(name, f"ours, {name}")
            rows.append(Row(f"{_SAYS[grant]}: {who}", round(cost * 1e6), "µs", note=f"{1 / clock:.0f} a second"))
    if options.peers:
        for peer, who in _PEERS.items():
            for grant, says in _SAYS.items():
                ratio = round(costs[peer][grant][0] / costs["opaque"][grant][0], 3)
                rows.append(Row(f"{says}: {who} / ours, opaque", ratio, at_least=2, note=describe_peer()))
    return Table("Issuing tokens: CPU of the authorization server for a request", rows)


def _measure(kind: str, options: Options, *, batch: int = _BATCH, **more: object) -> dict[str, tuple[float, float]]:
    """Seconds of CPU and of the clock for a request of each grant."""
    prepared = batch * (options.pairs + 1)
    costs = {}
    with AuthorizationServer(kind, live=1000, prepared=prepared, **more) as server, Load(server.port) as load:
        for grant in _SAYS:
            requests = _compose(server, grant)
            measure_cost(server, load, requests, batch)
            found = [measure_cost(server, load, requests, batch) for _ in range(options.pairs)]
            costs[grant] = median(cpu for cpu, _ in found), median(passed for _, passed in found)
    return costs


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
