"""PostgreSQL, PgBouncer and Redis for a run, and the CPU time that each of them has used."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pyramid_oauthguard.server.store.sqlalchemy.engine import build_engine
from pyramid_oauthguard.server.store.sqlalchemy.schema import upgrade
from tests.server.cluster import Cluster, list_children, run_cluster
from tests.server.databases import make_database
from tests.server.pgbouncer import PgBouncer, run_pgbouncer
from tests.steady.redis_server import RedisServer, run_redis

__all__ = ["PGBOUNCER", "POSTGRESQL", "REDIS", "Services", "read_cpu", "run_services"]

POSTGRESQL: Final = "PostgreSQL"
PGBOUNCER: Final = "PgBouncer"
REDIS: Final = "Redis"


@dataclass(frozen=True)
class Services:
    """Those that run. One database is reached directly, one through PgBouncer."""

    cluster: Cluster
    pooler: PgBouncer
    redis: RedisServer
    direct_url: str

    def read_cpu(self) -> dict[str, float]:
        """Seconds of each, all its processes together."""
        main = self.cluster.find_main()
        assert self.pooler.process is not None
        return {
            POSTGRESQL: sum(map(read_cpu, [main, *list_children(main)])),
            PGBOUNCER: read_cpu(self.pooler.process.pid),
            REDIS: read_cpu(self.redis.client.info("server")["process_id"]),
        }

    def count_commands(self) -> int:
        """Commands that Redis has answered."""
        found: int = self.redis.client.info("stats")["total_commands_processed"]
        return found


def read_cpu(pid: int) -> float:
    """Seconds of CPU time that a process has used, all its threads together, to the nanosecond."""
    return time.clock_gettime((~pid << 3) | 2)  # as clock_getcpuclockid(3) makes it


@contextmanager
def run_services() -> Iterator[Services]:
    """All three, with tables in both databases."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        cluster = stack.enter_context(run_cluster())
        with cluster.connect() as connection:
            # Its processes come and go, and what they have used could not be read.
            connection.exec_driver_sql("ALTER SYSTEM SET autovacuum = off")
            connection.exec_driver_sql("SELECT pg_reload_conf()")
        pooler = stack.enter_context(run_pgbouncer(cluster))
        direct_url = make_database(cluster.url)
        for url in (direct_url, pooler.url):
            engine = build_engine(url)
            upgrade(engine)
            engine.dispose()
        yield Services(cluster, pooler, stack.enter_context(run_redis(folder)), direct_url)
