"""From an empty machine to a token, as the page says, in an environment that has the wheel alone."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.documentation import ROOT, find_blocks, read_page
from tests.example.postgres import run_postgresql
from tests.example.servers import find_free_port
from tests.steady.redis_server import run_redis
from tests.test_first_hours import Reader, find_code, find_command, programs, reader  # noqa: F401  # fixtures

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900), pytest.mark.needs("initdb", "pg_ctl", "redis-server", "curl")]

PAGE = "how-to/deployment/first-token"
START_SECONDS = 120


@contextmanager
def run_gunicorn(reader: Reader, command: str, port: int) -> Iterator[None]:  # noqa: F811
    with (reader.folder / "gunicorn.log").open("w") as log:
        process = subprocess.Popen(
            ["sh", "-c", f"exec {command}"], cwd=reader.folder, env=reader.find_environ(), stdout=log, stderr=log
        )
    try:
        deadline = time.monotonic() + START_SECONDS
        while subprocess.run(["curl", "-s", "-o", os.devnull, f"http://localhost:{port}"], check=False).returncode:
            assert process.poll() is None, (reader.folder / "gunicorn.log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.3)
        yield
    finally:
        process.terminate()
        process.wait(30)


def test_from_an_empty_machine_to_a_token(reader: Reader) -> None:  # noqa: F811
    port = find_free_port()
    with run_postgresql() as database, run_redis(reader.folder) as redis:
        for name in re.findall(r"deploy/([\w.]+)$", read_page(PAGE), re.MULTILINE):
            reader.write(name, (ROOT / "deploy" / name).read_text("utf-8"))
        ini = find_code(PAGE, "[app:main]", "ini").replace("8000", str(port)).replace("6379", str(redis.port))
        reader.write("production.ini", ini)
        (secrets,) = [block for block in find_blocks(read_page(PAGE), "sh") if "umask" in block]
        reader.run(secrets)
        reader.write("secrets/database_url", database)
        exported = find_command(PAGE, "export PYTHONPATH").removeprefix("export ")
        reader.environ |= dict(word.split("=") for word in exported.split())
        assert "the tables have revision" in reader.run(find_command(PAGE, "server upgrade"))
        reader.run(find_command(PAGE, "oauthguard check"))
        made = reader.run(find_command(PAGE, "client create") + " --format json")
        client = dict(re.findall(r'"(client_id|client_secret)": "([^"]+)"', made))
        with run_gunicorn(
            reader,
            find_command(PAGE, "gunicorn --preload")
            .replace("8000", str(port))
            .replace(".venv/bin", str(reader.programs)),
            port,
        ):
            obtain = find_command(PAGE, "grant_type").replace("8000", str(port))
            obtain = obtain.replace("CLIENT_ID", client["client_id"]).replace("CLIENT_SECRET", client["client_secret"])
            (token,) = re.findall(r'"access_token": ?"([^"]+)"', reader.run(obtain))
            use = find_command(PAGE, "Bearer TOKEN").replace("8000", str(port))
            answer = reader.run(use.replace("TOKEN", token))
            assert "200 OK" in answer
            assert client["client_id"] in answer
            assert "401 Unauthorized" in reader.run(re.sub("-H '.*?'", "", use))
