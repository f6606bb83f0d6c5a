"""The commands of the image and of compose.yaml as plain processes: gunicorn behind nginx with TLS, PostgreSQL, Redis."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import urllib3
import yaml

from tests.certificates import write_certificate
from tests.deployment.test_files import DEPLOY, DOCKERFILE, find_command, list_copied
from tests.documentation import ROOT
from tests.example.postgres import run_postgresql
from tests.services import find_program
from tests.steady.redis_server import find_free_port, run_redis
from tests.test_first_hours import build_wheel, install_programs

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.needs("initdb", "pg_ctl", "redis-server", "nginx"),
]

HOST = "id.example.org"
START_SECONDS = 120


@dataclass
class Deployed:
    """What was started, and how it is called."""

    folder: Path
    programs: Path
    environ: dict[str, str]
    https: Any
    http: Any
    gunicorn: Any = None

    def run(self, *command: str) -> str:
        done = subprocess.run(
            [str(self.programs / command[0]), *command[1:]],
            cwd=self.folder,
            env=self.environ,
            capture_output=True,
            text=True,
            check=False,
            timeout=START_SECONDS,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def ask(self, method: str, path: str, **more: Any) -> Any:
        headers = {"Host": HOST, **more.pop("headers", {})}
        if "fields" in more:
            more["encode_multipart"] = False
        return self.https.request(method, path, headers=headers, **more)


@contextmanager
def run_process(command: list[str], folder: Path, environ: dict[str, str], log: str) -> Iterator[Any]:
    with (folder / log).open("wb") as file:
        process = subprocess.Popen(command, cwd=folder, env=environ, stdout=file, stderr=file)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the image installs, from the files that are copied into it; once without the command `oauthguard`."""
    source = tmp_path_factory.mktemp("context")
    for name in list_copied(DOCKERFILE.rpartition("\nFROM ")[0]):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy2
        copy(ROOT / name, source / name)
    (line,) = re.findall(r"pip install --no-cache-dir (.+)$", DOCKERFILE.replace("\\\n", ""), re.MULTILINE)
    words = shlex.split(line)
    extras = words[0].removeprefix(".[").removesuffix("]")
    wheel = build_wheel(source, tmp_path_factory.mktemp("dist"))
    return install_programs(ROOT / ".cache" / "image", wheel, extras, words[1:])


@pytest.fixture(scope="module")
def deployed(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    folder = tmp_path_factory.mktemp("deployed")
    ports = {name: find_free_port() for name in ("app", "http", "https")}
    with run_postgresql() as database, run_redis(folder) as redis:
        write_files(folder, database, redis.port, ports)
        environ = {**os.environ, "OAUTHGUARD_INI": str(folder / "production.ini"), "PYTHONPATH": str(folder)}
        environ |= {"BIND": f"127.0.0.1:{ports['app']}", "PYTHONUNBUFFERED": "1"}
        tls = {"ca_certs": str(folder / "both.pem"), "server_hostname": HOST, "assert_hostname": HOST}
        more = {"retries": False, "timeout": 20}
        found = Deployed(
            folder,
            programs,
            environ,
            urllib3.HTTPSConnectionPool("127.0.0.1", ports["https"], **tls, **more),
            urllib3.HTTPConnectionPool("127.0.0.1", ports["http"], **more),
        )
        compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
        found.run(*(word.replace("/app", str(folder)) for word in compose["services"]["migrations"]["command"]))
        command = find_command()
        nginx = [
            str(find_program("nginx")),
            "-c",
            str(folder / "nginx.conf"),
            "-g",
            f"daemon off; pid {folder}/nginx.pid;",
        ]
        with (
            run_process([str(programs / command[0]), *command[1:]], folder, environ, "gunicorn.log") as found.gunicorn,
            run_process(nginx, folder, environ, "nginx.log"),
        ):
            wait_for(found)
            yield found
        found.https.close()
        found.http.close()


def write_files(folder: Path, database: str, redis: int, ports: dict[str, int]) -> None:
    """The files of the folder, at the ports and paths of this machine."""
    write_certificate(folder, name=HOST)
    (folder / "secrets").mkdir()
    for name, text in {"pepper": os.urandom(32).hex(), "database_url": database}.items():
        (folder / "secrets" / name).write_text(text)
        (folder / "secrets" / name).chmod(0o600)
    replaced = {
        "/run/secrets": f"{folder}/secrets",
        "redis:6379": f"127.0.0.1:{redis}",
        "app:8000": f"127.0.0.1:{ports['app']}",
        "listen 80;": f"listen 127.0.0.1:{ports['http']};",
        "listen 443 ssl;": f"listen 127.0.0.1:{ports['https']} ssl;",
        "/etc/nginx/tls/tls.crt": f"{folder}/both.pem",
        "/etc/nginx/tls/tls.key": f"{folder}/both.pem",
    }
    for path in DEPLOY.iterdir():
        if path.is_file():
            text = path.read_text("utf-8")
            for old, new in replaced.items():
                text = text.replace(old, new)
            (folder / path.name).write_text(text)


def wait_for(deployed: Deployed) -> None:
    deadline = time.monotonic() + START_SECONDS
    while deployed.gunicorn.poll() is None and time.monotonic() < deadline:
        done = subprocess.run(
            [str(deployed.programs / "python"), "healthcheck.py"],
            cwd=deployed.folder,
            env=deployed.environ,
            capture_output=True,
            check=False,
        )
        if done.returncode == 0:
            return
        time.sleep(0.5)
    raise AssertionError((deployed.folder / "gunicorn.log").read_text() + (deployed.folder / "nginx.log").read_text())


@pytest.fixture(scope="module")
def client(deployed: Deployed) -> dict[str, str]:
    words = ["Report", "--grant", "client_credentials", "--scope", "orders:read", "--format", "json"]
    made = deployed.run("oauthguard", "server", "client", "create", "production.ini", *words)
    return dict(re.findall(r'"(client_id|client_secret)": "([^"]+)"', made))


def obtain(deployed: Deployed, client: dict[str, str], *, scope: str = "orders:read", **headers: str) -> Any:
    basic = urllib3.make_headers(basic_auth=f"{client['client_id']}:{client['client_secret']}")
    return deployed.ask(
        "POST",
        "/oauth/token",
        fields={"grant_type": "client_credentials", "scope": scope},
        headers={**basic, **headers},
    )


def test_a_program_gets_a_token_over_tls_and_uses_it(deployed: Deployed, client: dict[str, str]) -> None:
    answer = obtain(deployed, client)
    assert answer.status == 200, answer.data
    bearer = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    orders = deployed.ask("GET", "/orders", headers=bearer)
    assert (orders.status, orders.json()) == (200, {"orders": [], "client": client["client_id"]})
    assert deployed.ask("GET", "/orders").status == 401


def test_addresses_are_those_of_the_issuer_and_plain_http_is_redirected(deployed: Deployed) -> None:
    document = deployed.ask("GET", "/.well-known/oauth-authorization-server").json()
    assert document["token_endpoint"] == f"https://{HOST}/oauth/token"
    answer = deployed.http.request("GET", "/x", headers={"Host": HOST}, redirect=False)
    assert (answer.status, answer.headers["Location"]) == (301, f"https://{HOST}/x")


def test_the_audit_trail_has_the_address_that_the_proxy_saw(deployed: Deployed, client: dict[str, str]) -> None:
    answer = obtain(deployed, client, **{"X-Forwarded-For": "203.0.113.9", "X-Request-Id": "chosen"})
    trail = deployed.run("oauthguard", "server", "audit", "production.ini", "--format", "json")
    assert "203.0.113.9" not in trail
    assert answer.headers["X-Request-Id"] != "chosen"
    assert answer.headers["X-Request-Id"] in trail


def test_prometheus_reads_the_metrics_of_all_processes_and_nobody_else_does(deployed: Deployed) -> None:
    words = ["Prometheus", "--grant", "client_credentials", "--scope", "metrics:read", "--format", "json"]
    made = deployed.run("oauthguard", "server", "client", "create", "production.ini", *words)
    own = dict(re.findall(r'"(client_id|client_secret)": "([^"]+)"', made))
    bearer = {"Authorization": f"Bearer {obtain(deployed, own, scope='metrics:read').json()['access_token']}"}
    numbers = {deployed.ask("GET", "/metrics", headers=bearer).data.decode() for _ in range(6)}
    issued = {
        line
        for text in numbers
        for line in text.splitlines()
        if line.startswith("oauthguard_tokens_issued_total") and "client_credentials" in line
    }
    assert len(issued) == 1, "each process says the same"
    assert not issued.pop().endswith(" 0.0")
    assert deployed.ask("GET", "/metrics").status == 401


def test_an_operator_runs_commands_where_the_secrets_are_elsewhere(deployed: Deployed) -> None:
    """The service's own copies are not there before it starts, and only for it."""
    text = (deployed.folder / "production.ini").read_text()
    (deployed.folder / "elsewhere.ini").write_text(text.replace(f"{deployed.folder}/secrets", "/run/credentials/x"))
    text = (DEPLOY / "operator.ini").read_text("utf-8").replace("/etc/oauthguard", f"{deployed.folder}/secrets")
    (deployed.folder / "operator.ini").write_text(text.replace("production.ini", "elsewhere.ini"))
    for verb in ("upgrade", "prune"):
        deployed.run("oauthguard", "server", verb, "operator.ini")


def test_the_configuration_has_no_error(deployed: Deployed) -> None:
    said = json.loads(deployed.run("oauthguard", "check", "production.ini", "--format", "json"))
    assert [each for each in said if each.get("level") == "error"] == []


def test_no_secret_is_in_a_log(deployed: Deployed, client: dict[str, str]) -> None:
    for name in ("gunicorn.log", "nginx.log"):
        text = (deployed.folder / name).read_text()
        assert client["client_secret"] not in text
        assert "Traceback" not in text
