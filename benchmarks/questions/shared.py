"""What do a token and an introspection cost PostgreSQL, PgBouncer and Redis, which many processes share?

CPU time of each program over batches on eight connections: a server that is connected to PostgreSQL, one behind PgBouncer, and one
with a SQLite file, in turn. All count their limits in Redis. PostgreSQL syncs no commit here, which is time of the disk and not of the CPU.
"""

from __future__ import annotations

import random
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import islice, repeat
from pathlib import Path
from statistics import median
from typing import Any, Final

from ..harness.authorization_servers import AuthorizationServer
from ..harness.guarded import CLAIMS
from ..harness.issuer import Issuer
from ..harness.load import Load, compose
from ..harness.measure import Options, summarize
from ..harness.report import Row, Table
from ..harness.services import PGBOUNCER, POSTGRESQL, REDIS, Services, run_services
from ..harness.subjects import OURS, Server, pin_load

__all__ = ["answer"]

_SERVER: Final = "the server"
_DIRECT: Final = "without PgBouncer"
_POOLED: Final = "behind PgBouncer"
_FILE: Final = "on SQLite"
_SAYS: Final = ("client credentials", "a refresh", "introspection")
_KEPT: Final = "a remote check, its answer kept in Redis"
_BATCH: Final = 100
#: What redis-benchmark sends: an entry of ours has about this size.
_COMMANDS: Final = 100_000
_ENTRY_BYTES: Final = 300
_CONNECTIONS: Final = 50
_MOST: Final = 1.35  # the limits of time are one statement more for each transaction

#: Seconds for one request in each batch, by program; of Redis the number of commands, too.
Found = dict[str, list[float]]


def answer(options: Options) -> Table:
    pin_load()
    with run_services() as services, tempfile.TemporaryDirectory() as folder:
        rows = [
            *_measure_servers(services, Path(folder), options),
            *_measure_guard(services, options),
            *_measure_redis(services),
        ]
    return Table("What processes share: CPU of PostgreSQL, PgBouncer and Redis for a request", rows)


def _measure_servers(services: Services, folder: Path, options: Options) -> Iterator[Row]:
    urls = {_DIRECT: services.direct_url, _POOLED: services.pooler.url, _FILE: None}
    with ExitStack() as stack:
        servers = {
            name: stack.enter_context(
                AuthorizationServer(
                    "ours",
                    live=1000,
                    prepared=_BATCH * (options.pairs + 1),
                    settings=_list_settings(services, folder / name, url),
                )
            )
            for name, url in urls.items()
        }
        loads = {name: stack.enter_context(Load(server.port)) for name, server in servers.items()}
        for what in _SAYS:
            following = {name: _compose(server, what) for name, server in servers.items()}
            found: dict[str, Found] = {name: {} for name in servers}
            for number in range(options.pairs + 1):
                for name, server in servers.items():
                    requests = list(islice(following[name], _BATCH))
                    costs = _measure(services, server, loads[name], requests)
                    if number:  # the first batch warms up
                        for program, cost in costs.items():
                            found[name].setdefault(program, []).append(cost)
            yield from _tabulate(what, found[_DIRECT], found[_POOLED])
            ratio = summarize(found[_DIRECT][_SERVER], found[_FILE][_SERVER])
            yield Row.of(f"{what}: {_SERVER}, on {POSTGRESQL} / {_FILE}", ratio)


def _list_settings(services: Services, pepper: Path, url: str | None) -> dict[str, str]:
    return {
        **({} if url is None else {"sqlalchemy.url": url, "pepper_file": str(pepper)}),
        "signing.algorithm": "ES256",
        "limits.cache.backend": "dogpile.cache.redis",
        "limits.cache.arguments.port": str(services.redis.port),
    }


def _compose(server: AuthorizationServer, what: str) -> Iterator[bytes]:
    if what == "introspection":
        while True:
            yield server.compose("introspect", "api", {"token": random.choice(server.given["tokens"])})  # noqa: S311  # the choice need not be secret
    elif what == "a refresh":
        for token in server.given["refresh_tokens"]:
            yield server.compose("token", "web", {"grant_type": "refresh_token", "refresh_token": token})
    else:
        yield from repeat(server.compose("token", "program", {"grant_type": "client_credentials"}))


def _measure(services: Services, server: Any, load: Load, requests: list[bytes]) -> dict[str, float]:
    before, commands = {**services.read_cpu(), _SERVER: server.cpu}, services.count_commands()
    answers = load.drive(requests)
    after = {_SERVER: server.cpu, **services.read_cpu()}
    if answers.statuses != {200: len(requests)}:
        raise AssertionError(f"answered with {dict(answers.statuses)} of {len(requests)}")
    # Reading the time of Redis is a command of its own, and so is counting.
    commands = services.count_commands() - commands - 2
    spent = {program: (after[program] - before[program]) / len(requests) for program in after}
    return {**spent, "commands": commands / len(requests)}


def _tabulate(what: str, direct: Found, pooled: Found) -> Iterator[Row]:
    yield _compare(what, POSTGRESQL, direct)
    yield _compare(what, REDIS, direct)
    yield _compare(what, PGBOUNCER, pooled)
    for program, reach in {_SERVER: _MOST, POSTGRESQL: None}.items():
        ratio = summarize(pooled[program], direct[program])
        yield Row.of(f"{what}: {program}, {_POOLED} / {_DIRECT}", ratio, at_most=reach)


def _compare(what: str, program: str, found: Found) -> Row:
    """The program beside the server whose requests it serves: other work on the machine slows both alike."""
    note = f"{1 / median(found[program]):,.0f} a second and core"
    if program == REDIS:
        note += f", {median(found['commands']):.1f} commands"
    return Row.of(f"{what}: {program} / {_SERVER}", summarize(found[program], found[_SERVER]), note=note)


def _measure_guard(services: Services, options: Options) -> Iterator[Row]:
    settings = services.redis.settings("introspection")
    settings["oauthguard.cache.introspection.expiration_time"] = "300"
    with Issuer() as issuer, Server(OURS, issuer, **settings) as server, Load(server.port) as load:
        requests = [compose("/remote", token) for token in issuer.mint(_BATCH, **CLAIMS)]
        found: Found = {}
        for number in range(options.pairs + 1):
            costs = _measure(services, server, load, requests)
            if number:
                for program, cost in costs.items():
                    found.setdefault(program, []).append(cost)
    yield _compare(_KEPT, REDIS, found)


def _measure_redis(services: Services) -> Iterator[Row]:
    """When it has all that it can do: it then answers several commands at each look at its connections."""
    program = shutil.which("redis-benchmark")
    if program is None:
        return
    for command in ("get", "set"):
        sizes = ["-n", str(_COMMANDS), "-d", str(_ENTRY_BYTES), "-c", str(_CONNECTIONS)]
        before = services.read_cpu()[REDIS]
        subprocess.run(
            [program, "-p", str(services.redis.port), "-t", command, *sizes], check=True, stdout=subprocess.DEVNULL
        )
        cost = (services.read_cpu()[REDIS] - before) / _COMMANDS
        what = f"{REDIS} alone: {command.upper()} from {_CONNECTIONS} connections (redis-benchmark)"
        yield Row(what, round(cost * 1e6, 1), "µs", note=f"{1 / cost:,.0f} a second and core")
