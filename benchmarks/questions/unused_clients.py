"""What do clients that registered themselves and were never used cost: issuing, introspection, and deleting them?

CPU time of the server's process, which has one core to itself, over batches on eight connections, with none and with 100,000
such clients, the servers in turn; SQLite.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import repeat
from pathlib import Path
from typing import Any, Final

from pyramid_oauthguard.server.store.sqlalchemy import SQLAlchemyStore
from pyramid_oauthguard.server.store.sqlalchemy.engine import build_engine
from pyramid_oauthguard.server.tokens.pruning import prune

from ..harness.authorization_servers import AuthorizationServer, measure_costs
from ..harness.measure import Options, summarize
from ..harness.our_authorization_server import add_unused_clients, add_used_client
from ..harness.report import Row, Table
from ..harness.subjects import pin_load

__all__ = ["answer"]

_MANY: Final = 100_000
_BATCH: Final = 300
_OPEN: Final = {
    "access_token_format": "opaque",
    "registration": "open",
    "self_registered.scopes": "read",
    "self_registered.audiences": "https://api.example",
}


def answer(options: Options) -> Table:
    pin_load()
    many = 10_000 if options.quick else _MANY
    rows = [*_measure(many, options), *_prune(many)]
    return Table("Clients that were never used: CPU of the authorization server for a request", rows)


def _measure(many: int, options: Options) -> Iterator[Row]:
    with ExitStack() as stack:
        servers = {
            count: stack.enter_context(AuthorizationServer("ours", live=1000, settings=_OPEN, unused_clients=count))
            for count in (0, many)
        }
        for what in ("client credentials", "introspection"):
            requests = {str(count): (server, _compose(server, what)) for count, server in servers.items()}
            costs = measure_costs(requests, batch=_BATCH, pairs=options.pairs)
            growth = summarize(costs[str(many)].cpu, costs["0"].cpu)
            yield Row.of(f"{what}: {many:,} unused clients / none", growth, at_most=1.05)


def _compose(server: AuthorizationServer, what: str) -> Iterator[bytes]:
    if what == "client credentials":
        yield from repeat(server.compose("token", "program", {"grant_type": "client_credentials"}))
    while True:
        token = random.choice(server.given["tokens"])  # noqa: S311  # the choice is not a secret
        yield server.compose("introspect", "api", {"token": token})


def _prune(many: int) -> Iterator[Row]:
    """Among as many tokens of another client, because a database looks for rows that refer to what it deletes."""
    with tempfile.TemporaryDirectory() as folder:
        engine = build_engine(f"sqlite:///{Path(folder)}/oauth.sqlite")
        store = SQLAlchemyStore(engine)
        store.create_tables()
        add_unused_clients(engine, many, expires_at=time.time() - 1)
        add_used_client(engine, tokens=many)
        steps: list[float] = []
        deleted = prune(_Timed(store, steps))  # type: ignore[arg-type]  # it writes and nothing else
        store.close()
    yield Row(f"pruning: deleted of {many:,} clients that ended", deleted, unit="clients", at_least=many)
    yield Row(f"pruning: all {len(steps)} transactions", round(sum(steps), 1), unit="s")
    yield Row("pruning: the longest transaction, of at most 1,000 clients", round(max(steps) * 1000), unit="ms")


class _Timed:
    """A store that notes how long each of its transactions takes: others wait for it."""

    def __init__(self, store: SQLAlchemyStore, steps: list[float]) -> None:
        self._store = store
        self._steps = steps

    @contextmanager
    def writing(self) -> Iterator[Any]:
        begun = time.perf_counter()
        with self._store.writing() as unit:
            yield unit
        self._steps.append(time.perf_counter() - begun)
