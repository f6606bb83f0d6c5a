"""The service under test: PostgreSQL, Redis, and gunicorn with two workers each for the server and an API that asks it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Final

from tests.server.cluster import Cluster, list_children
from tests.steady.redis_server import RedisServer, find_free_port

from ..asking import Address, ask
from ..project import Project, Served, Stage
from .callers import World
from .relay import Relay

__all__ = ["System", "open_system"]

USERS: Final = 3
WORKERS: Final = 2
_THREADS: Final = 8
_START_SECONDS: Final = 240.0
_DISK: Final = "300m"
#: The application is loaded before the workers are forked, as the documentation recommends.
_OPTIONS: Final = ("--preload", "--no-control-socket", "--graceful-timeout", "10")
_CACHES: Final = ("metadata", "jwks", "introspection", "inactive")
_RATE: Final = "1000000/1m"


class System:
    """What a disturbance may break, and how each part is started again."""

    def __init__(self, stage: Stage, cluster: Cluster, redis: RedisServer, relay: Relay, address: Address) -> None:
        self.stage = stage
        self.cluster = cluster
        self.redis = redis
        self.relay = relay
        self.served: dict[str, Served] = {}
        self._addresses = {"build": address, "build_guarded": Address(port=find_free_port())}
        self.world = World(address, self._addresses["build_guarded"], stage.given)

    def start(self, *, environ: Mapping[str, str] | None = None) -> None:
        """Start both halves on their ports and wait until they answer."""
        for app, address in self._addresses.items():
            self.served[app] = self.stage.serve(
                app=app,
                workers=WORKERS,
                threads=_THREADS,
                port=address.port,
                options=_OPTIONS,
                environ=environ,
            )
        for app, served in self.served.items():
            if not self.stage.wait_for(served, partial(_answers, served), _START_SECONDS):
                raise RuntimeError(f"{app} did not start: {served.read_log()[-2000:]}")

    def stop(self) -> None:
        """End both as an operator does."""
        for served in self.served.values():
            served.stop()

    def restart(self, *, environ: Mapping[str, str] | None = None) -> None:
        """Stop both and start them again."""
        self.stop()
        self.start(environ=environ)

    def signal(self, number: signal.Signals) -> None:
        """To the main process of each."""
        for served in self.served.values():
            served.process.send_signal(number)

    def kill_workers(self) -> None:
        """One of each, without a warning."""
        for served in self.served.values():
            os.kill(list_children(served.process.pid)[0], signal.SIGKILL)

    def count_lines(self) -> int:
        """Lines in all logs of the two, without those of level INFO, which each refused token has."""
        logs = [*self.stage.folder.glob("build-*.log"), *self.stage.folder.glob("build_guarded-*.log")]
        return sum("INFO" not in line for path in logs for line in path.read_text("utf-8", "replace").splitlines())

    def command(self, group: str, verb: str, *arguments: str) -> str:
        """``oauthguard server GROUP VERB INI …`` with the settings of the server; what it prints."""
        return self.stage.command("server", group, verb, str(self.stage.folder / "server.ini"), *arguments)


def _answers(served: Served) -> bool:
    return ask(served.address, "GET", "/mine").status == 200


@contextmanager
def open_system(project: Project) -> Iterator[System]:
    """All of it, started."""
    with project.open() as stage:
        cluster, redis = stage.start_postgresql(disk=_DISK if os.geteuid() == 0 else ""), stage.start_redis()
        port, own = find_free_port(), find_free_port()
        issuer = f"http://127.0.0.1:{port}"
        limits = {f"limits__{name}": _RATE for name in ("token", "introspection", "revocation")}
        stage.set(issuer=issuer, **limits)
        stage.prepare(USERS)
        client_id, secret = stage.given["api"]
        stage.settings |= {
            "oauthguard.issuer": issuer,
            "oauthguard.audience": stage.settings["oauthguard.server.audience"],
            "oauthguard.introspection.client_id": client_id,
            "oauthguard.introspection.client_secret": secret,
            "oauthguard.introspection.max_in_flight": str(_THREADS),
            **redis.settings(*_CACHES),
        }
        relay = stage.enter(Relay(port, own))
        system = System(stage, cluster, redis, relay, Address(port=own))
        system.start()
        yield system
