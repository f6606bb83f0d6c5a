"""From an empty machine to a token in the numbers, as the page says, in an environment that has only what the page installs."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.documentation import ROOT, find_blocks, read_page
from tests.example.postgres import run_postgresql
from tests.example.servers import find_free_port
from tests.steady.redis_server import run_redis
from tests.test_first_hours import Reader, find_code, find_command, install_programs, reader, wheel  # noqa: F401  # fixtures

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.needs("initdb", "pg_ctl", "redis-server", "curl", "prometheus", "promtool"),
]

PAGE = "how-to/deployment/first-token"
START_SECONDS = 120


@pytest.fixture(scope="session")
def programs(wheel: Path) -> Path:  # noqa: F811
    """With fewer extras than the page needs, its commands fail; they did."""
    words = shlex.split(find_command(PAGE, "pip install"))[2:]
    (extras,) = re.findall(r"^pyramid_oauthguard\[(.+)\]$", words[0])
    return install_programs(ROOT / ".cache" / "first-token", wheel, extras, words[1:])


@contextmanager
def run_server(reader: Reader, command: str, port: int) -> Iterator[None]:  # noqa: F811
    """Keep a command of the page running; it answers on this port."""
    name = f"{port}.log"
    with (reader.folder / name).open("w") as log:
        process = subprocess.Popen(
            ["sh", "-c", f"exec env {command}"], cwd=reader.folder, env=reader.find_environ(), stdout=log, stderr=log
        )
    try:
        deadline = time.monotonic() + START_SECONDS
        while subprocess.run(["curl", "-s", "-o", os.devnull, f"http://localhost:{port}"], check=False).returncode:
            assert process.poll() is None, (reader.folder / name).read_text()
            assert time.monotonic() < deadline
            time.sleep(0.3)
        yield
    finally:
        process.terminate()
        process.wait(30)


def write_files(reader: Reader, port: int, redis_port: int, database: str) -> None:  # noqa: F811
    """The files of the page, at the ports of this machine."""
    for name in re.findall(r"deploy/([\w.]+)$", read_page(PAGE), re.MULTILINE):
        reader.write(name, (ROOT / "deploy" / name).read_text("utf-8"))
    ini = find_code(PAGE, "[app:main]", "ini").replace("8000", str(port)).replace("6379", str(redis_port))
    reader.write("production.ini", ini)
    (secrets,) = [block for block in find_blocks(read_page(PAGE), "sh") if block.startswith("umask")]
    reader.run(secrets)
    reader.write("secrets/database_url", database)


def create_client(reader: Reader, name: str) -> dict[str, str]:  # noqa: F811
    made = reader.run(find_command(PAGE, f"client create production.ini {name}") + " --format json")
    return dict(re.findall(r'"(client_id|client_secret)": "([^"]+)"', made))


def test_from_an_empty_machine_to_a_token_in_the_numbers(reader: Reader) -> None:  # noqa: F811
    port = find_free_port()
    with run_postgresql() as database, run_redis(reader.folder) as redis:
        write_files(reader, port, redis.port, database)
        exported = find_command(PAGE, "export PYTHONPATH").removeprefix("export ")
        reader.environ |= dict(word.split("=") for word in exported.split())
        assert "the tables have revision" in reader.run(find_command(PAGE, "server upgrade"))
        reader.run(find_command(PAGE, "oauthguard check"))
        client = create_client(reader, "Report")
        command = find_command(PAGE, "gunicorn wsgi").replace("8000", str(port))
        with run_server(reader, command.replace(".venv/bin", str(reader.programs)), port):
            obtain = find_command(PAGE, "grant_type").replace("8000", str(port))
            obtain = obtain.replace("CLIENT_ID", client["client_id"]).replace("CLIENT_SECRET", client["client_secret"])
            (token,) = re.findall(r'"access_token": ?"([^"]+)"', reader.run(obtain))
            use = find_command(PAGE, "Bearer TOKEN").replace("8000", str(port))
            answer = reader.run(use.replace("TOKEN", token))
            assert "200 OK" in answer
            assert client["client_id"] in answer
            assert "401 Unauthorized" in reader.run(re.sub("-H '.*?'", "", use))
            check_numbers(reader, port, obtain)


def check_numbers(reader: Reader, port: int, obtain: str) -> None:  # noqa: F811
    """The query of the dashboard finds the token that was issued last."""
    client, own = create_client(reader, "Prometheus"), find_free_port()
    (keep,) = [line for line in find_code(PAGE, "apt install prometheus", "sh").splitlines() if "umask" in line]
    reader.run(keep.replace("CLIENT_SECRET", client["client_secret"]))
    text = find_code(PAGE, "scrape_configs", "yaml").replace("15s", "1s").replace("8000", str(port))
    reader.write("prometheus.yml", text.replace("CLIENT_ID", client["client_id"]))
    with run_server(reader, find_command(PAGE, "--config.file").replace("9091", str(own)), own):
        query = find_command(PAGE, "promtool query").replace("9091", str(own)) + " --format json"
        deadline = time.monotonic() + START_SECONDS
        while not any(float(each["value"][1]) > 0 for each in json.loads(reader.run(query) or "[]")):
            assert time.monotonic() < deadline, (reader.folder / f"{own}.log").read_text()
            reader.run(obtain)
            time.sleep(1)
