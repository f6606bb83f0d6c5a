"""A checkout whose servers are tried, and the stage for one fault: a folder, settings, and what the server depends on."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

from tests.server.cluster import Cluster, run_cluster
from tests.steady.redis_server import RedisServer, find_free_port, run_redis

from ..harness.issuer import Issuer
from .asking import Address, ask

__all__ = ["Project", "Served", "Stage"]

_START_SECONDS: Final = 180
_T = TypeVar("_T")


class Project:
    """A checkout with its environment in ``.venv``."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = path.name

    def find(self, program: str) -> str:
        return str(self.path / ".venv" / "bin" / program)

    @contextmanager
    def open(self) -> Iterator[Stage]:
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="chaos-")))
            yield Stage(self, folder, stack)


class Served:
    """A gunicorn that was started."""

    def __init__(self, process: subprocess.Popen[bytes], address: Address, log: Path) -> None:
        self.process = process
        self.address = address
        self._log = log

    def read_log(self) -> str:
        return self._log.read_text("utf-8", "replace")

    def is_alive(self) -> bool:
        return self.process.poll() is None

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)


class Stage:
    """Where one fault happens. Everything that it starts ends with it."""

    def __init__(self, project: Project, folder: Path, stack: ExitStack) -> None:
        self.project = project
        self.folder = folder
        self._stack = stack
        self.settings: dict[str, str] = {
            "oauthguard.server.issuer": "http://localhost:6543",
            "oauthguard.server.audience": "https://api.example",
            "oauthguard.server.scopes": "read = Read",
            "oauthguard.server.default_scopes": "read",
            "oauthguard.server.signing.algorithm": "ES256",
            "oauthguard.server.sqlalchemy.url": f"sqlite:///{folder}/oauth.sqlite",
            "oauthguard.server.pepper_file": f"{folder}/pepper",
        }
        self.given: Mapping[str, Any] = {}
        shutil.copy(Path(__file__).with_name("application.py"), folder)

    def set(self, **settings: str) -> None:
        """Settings without their prefix; ``__`` stands for a dot."""
        self.settings |= {f"oauthguard.server.{name.replace('__', '.')}": value for name, value in settings.items()}

    def start_postgresql(self, *, disk: str = "", **query: str) -> Cluster:
        """One with the project's own tables.

        :param disk: the size of a disk of its own.
        """
        cluster: Cluster = self._stack.enter_context(run_cluster(disk=disk))
        more = "&".join(f"{name}={value}" for name, value in query.items())
        self.set(sqlalchemy__url=f"{cluster.url}?{more}" if more else cluster.url)
        done = self.upgrade()
        if done.wait(_START_SECONDS):
            raise RuntimeError("the tables could not be made")
        return cluster

    def start_redis(self) -> RedisServer:
        """One in which tries are counted."""
        server: RedisServer = self._stack.enter_context(run_redis(self.folder))
        self.set(limits__cache__backend="dogpile.cache.redis", limits__cache__arguments__port=str(server.port))
        return server

    def start_issuer(self, **settings: str) -> Issuer:
        """One in a process of its own, which the settings name. ``settings`` are those of the guard, without its prefix."""
        issuer: Issuer = self._stack.enter_context(Issuer())
        more = {f"oauthguard.{name.replace('__', '.')}": value for name, value in settings.items()}
        self.settings = {**issuer.settings, **more}
        return issuer

    def enter(self, resource: AbstractContextManager[_T]) -> _T:
        """Something that a fault needs besides, until the stage is left."""
        return self._stack.enter_context(resource)

    def upgrade(self) -> subprocess.Popen[bytes]:
        """``oauthguard server upgrade``, under way."""
        ini = self.folder / "server.ini"
        lines = "".join(f"{name} = {value}\n" for name, value in self.settings.items())
        ini.write_text("[app:main]\nuse = call:application:build\n" + lines.replace("%", "%%"))
        return self._run("oauthguard", "server", "upgrade", str(ini), log="upgrade.log")

    def prepare(self, users: int = 0) -> None:
        """Make clients, and sign in so many users."""
        done = self._run("python", "application.py", "prepare", str(users), log="prepare.log")
        if done.wait(_START_SECONDS):
            lines = (self.folder / "prepare.log").read_text().splitlines()
            said = next((line for line in reversed(lines) if "Error" in line), lines[-1])
            raise RuntimeError(said.rpartition(">: ")[2])
        self.given = json.loads((self.folder / "given.json").read_text())

    def command(self, *arguments: str) -> str:
        """``oauthguard …``; what it prints."""
        done = self._run("oauthguard", *arguments, log="command.log", stdout=subprocess.PIPE)
        text, _none = done.communicate(timeout=_START_SECONDS)
        if done.returncode:
            raise RuntimeError((self.folder / "command.log").read_text()[-1000:])
        return text.decode()

    def serve(
        self,
        *,
        socket: bool = False,
        workers: int = 1,
        threads: int = 8,
        app: str = "build",
        port: int = 0,
        options: Sequence[str] = (),
        environ: Mapping[str, str] | None = None,
    ) -> Served:
        """Start gunicorn; it need not serve yet.

        :param app: the function of ``application.py`` that builds what it serves.
        :param port: where it listens; a free one if it is 0.
        :param options: more of gunicorn.
        :param environ: more variables of the environment.
        """
        name = f"{app}-{len(list(self.folder.glob('*.log')))}"
        address = Address(socket=str(self.folder / "s")) if socket else Address(port=port or find_free_port())
        bind = f"unix:{address.socket}" if socket else f"127.0.0.1:{address.port}"
        more = ["-w", str(workers), "--threads", str(threads), "-b", bind, "--timeout", "120", *options]
        process = self._run("gunicorn", *more, f"application:{app}()", log=f"{name}.log", environ=environ)
        served = Served(process, address, self.folder / f"{name}.log")
        self._stack.callback(served.stop)
        return served

    def serve_now(self, **how: Any) -> Served:
        """Start gunicorn and wait until it answers."""
        served = self.serve(**how)
        self.wait_for(served, lambda: ask(served.address, "GET", "/mine").status == 200)
        return served

    def wait_for(self, served: Served, is_so: Any, seconds: float = _START_SECONDS) -> bool:
        """Whether something became so in time; False at once where the server ended."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and served.is_alive():
            if is_so():
                return True
            time.sleep(0.1)
        return False

    def _run(
        self,
        program: str,
        *arguments: str,
        log: str,
        stdout: int | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> subprocess.Popen[bytes]:
        settings = self.folder / "settings.json"
        settings.write_text(json.dumps(self.settings))
        known = {**os.environ, "CHAOS_SETTINGS": str(settings), "PYTHONPATH": str(self.folder), **(environ or {})}
        with (self.folder / log).open("ab") as file:
            return subprocess.Popen(
                [self.project.find(program), *arguments], cwd=self.folder, env=known, stdout=stdout or file, stderr=file
            )
