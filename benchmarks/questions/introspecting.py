"""What does an introspection cost our server, with a thousand and a million live tokens, and a peer's?

CPU time of the server's process, which has one core to itself, over batches on eight connections; SQLite on both sides.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from statistics import median

from ..harness.authorization_servers import AuthorizationServer, describe_peer, measure_cost
from ..harness.load import Load
from ..harness.measure import Options
from ..harness.report import Row, Table
from ..harness.subjects import pin_load

__all__ = ["answer"]

_FEW, _MANY = 1_000, 1_000_000


def answer(options: Options) -> Table:
    pin_load()
    many = 100_000 if options.quick else _MANY
    few_cost, few_row = _measure("ours", _FEW, options)
    many_cost, many_row = _measure("ours", many, options)
    rows = [
        few_row,
        many_row,
        Row(f"ours: {many:,} live tokens / {_FEW:,}", round(many_cost / few_cost, 3), at_most=1.3),
    ]
    if options.peers:
        rows += _compare(few_cost, many_cost, many, options)
    return Table("Introspection: CPU of the authorization server for a request", rows)


def _compare(few_cost: float, many_cost: float, many: int, options: Options) -> list[Row]:
    """Its own default is to hash client secrets with PBKDF2; ours are keyed hashes, enough for 256 random bits."""
    as_it_comes, first = _measure("peer", _FEW, options, batch=8, hashed=True)
    in_clear, second = _measure("peer", _FEW, options)
    in_clear_many, third = _measure("peer", many, options)
    clear = "django-oauth-toolkit, secrets in clear"
    return [
        replace(first, what=f"django-oauth-toolkit as it comes: {_FEW:,} live tokens"),
        replace(second, what=f"{clear}: {_FEW:,} live tokens"),
        replace(third, what=f"{clear}: {many:,} live tokens"),
        Row(
            "django-oauth-toolkit as it comes / ours",
            round(as_it_comes / few_cost, 3),
            at_least=3,
            note=describe_peer(),
        ),
        Row(f"{clear} / ours, {_FEW:,} tokens", round(in_clear / few_cost, 3), at_least=3),
        Row(f"{clear} / ours, {many:,} tokens", round(in_clear_many / many_cost, 3), at_least=3),
    ]


def _measure(kind: str, live: int, options: Options, *, batch: int = 300, **more: object) -> tuple[float, Row]:
    with AuthorizationServer(kind, live=live, **more) as server, Load(server.port) as load:
        requests = _compose(server)
        measure_cost(server, load, requests, batch)
        found = [measure_cost(server, load, requests, batch) for _ in range(options.pairs)]
    cost, clock = median(cpu for cpu, _ in found), median(passed for _, passed in found)
    return cost, Row(f"{kind}: {live:,} live tokens", round(cost * 1e6), "µs", note=f"{1 / clock:.0f} a second")


def _compose(server: AuthorizationServer) -> Iterator[bytes]:
    tokens = server.given["tokens"]
    while True:
        yield server.compose("introspect", "api", {"token": random.choice(tokens)})  # noqa: S311  # which one is no secret
