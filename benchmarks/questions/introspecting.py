"""What does an introspection cost our server, with a thousand and a million live tokens, and a peer's?

CPU time of the server's process, which has one core to itself, over batches on eight connections, the servers in turn;
SQLite on both sides.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import ExitStack
from statistics import median
from typing import Any, Final

from ..harness.authorization_servers import AuthorizationServer, Costs, describe_peer, measure_costs
from ..harness.measure import Options, summarize
from ..harness.report import Row, Table
from ..harness.subjects import pin_load

__all__ = ["answer"]

_FEW, _MANY = 1_000, 1_000_000
_BATCH: Final = 300
_CLEAR: Final = "django-oauth-toolkit, secrets in clear"
#: Its own default is to hash client secrets with PBKDF2; ours are keyed hashes, which is enough for 256 random bits.
_HASHED: Final = "django-oauth-toolkit as it comes"


def answer(options: Options) -> Table:
    pin_load()
    many = 100_000 if options.quick else _MANY
    names = {kind: [f"{who}: {live:,} live tokens" for live in (_FEW, many)] for kind, who in _list_kinds(options)}
    lives = {
        name: (kind, live) for kind, found in names.items() for name, live in zip(found, (_FEW, many), strict=True)
    }
    costs = _measure(lives, batch=_BATCH, pairs=options.pairs)
    few, more = names["ours"]
    growth = summarize(costs[more].cpu, costs[few].cpu)
    rows = [each.as_row(name) for name, each in costs.items()]
    rows.append(Row.of(f"ours: {many:,} live tokens / {_FEW:,}", growth, at_most=1.3))
    if options.peers:
        rows += _compare(costs, names["ours"], names["peer"])
        rows += _compare_hashed(costs[few])
    return Table("Introspection: CPU of the authorization server for a request", rows)


def _list_kinds(options: Options) -> list[tuple[str, str]]:
    return [("ours", "ours"), ("peer", _CLEAR)] if options.peers else [("ours", "ours")]


def _compare(costs: dict[str, Costs], ours: list[str], theirs: list[str]) -> Iterator[Row]:
    for our, their in zip(ours, theirs, strict=True):
        ratio = summarize(costs[their].cpu, costs[our].cpu)
        yield Row.of(f"{their} / {our}", ratio, at_least=3, note=describe_peer())


def _compare_hashed(ours: Costs) -> list[Row]:
    """Few of them: each takes half a second."""
    found = _measure({_HASHED: ("peer", _FEW)}, batch=8, pairs=3, hashed=True)[_HASHED]
    return [
        found.as_row(f"{_HASHED}: {_FEW:,} live tokens"),
        Row(f"{_HASHED} / ours", round(median(found.cpu) / median(ours.cpu), 1), at_least=3),
    ]


def _measure(subjects: dict[str, tuple[str, int]], *, batch: int, pairs: int, **more: Any) -> dict[str, Costs]:
    with ExitStack() as stack:
        servers = {
            name: stack.enter_context(AuthorizationServer(kind, live=live, **more))
            for name, (kind, live) in subjects.items()
        }
        requests = {name: (server, _compose(server)) for name, server in servers.items()}
        return measure_costs(requests, batch=batch, pairs=pairs)


def _compose(server: AuthorizationServer) -> Iterator[bytes]:
    tokens = server.given["tokens"]
    while True:
        yield server.compose("introspect", "api", {"token": random.choice(tokens)})  # noqa: S311  # the choice is not a secret
