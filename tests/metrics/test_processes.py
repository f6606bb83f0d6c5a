"""Four processes of gunicorn: what any of them serves at /metrics is the sum of all, exactly what a load generator sent."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import urllib3

from pyramid_oauthguard.testing import MemoryIssuer
from tests.metrics.counted import read
from tests.steady.redis_server import find_free_port

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

WORKERS = 4
GOOD, BAD, NONE = 300, 70, 50
CONFIGURATION = """
from prometheus_client import multiprocess

def child_exit(server, worker):
    multiprocess.mark_process_dead(worker.pid)
"""


@contextmanager
def run_gunicorn(folder: Path, settings: dict[str, Any]) -> Iterator[str]:
    port, numbers = find_free_port(), folder / "numbers"
    numbers.mkdir()
    (folder / "gunicorn.conf.py").write_text(CONFIGURATION)
    command = [
        sys.executable,
        "-m",
        "gunicorn",
        "--workers",
        str(WORKERS),
        "--worker-class",
        "gthread",
        "--threads",
        "2",
    ]
    command += ["--config", str(folder / "gunicorn.conf.py"), "--no-control-socket", "--bind", f"127.0.0.1:{port}"]
    environment = {**os.environ, "API_SETTINGS": json.dumps(settings), "PROMETHEUS_MULTIPROC_DIR": str(numbers)}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([*command, "tests.metrics.served:build()"], env=environment, stdout=log, stderr=log)
    try:
        url = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 60
        while True:
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline, (folder / "log").read_text()
            try:
                urllib3.request("GET", f"{url}/oauthguard/health/alive", retries=False, timeout=5)
            except urllib3.exceptions.HTTPError:
                time.sleep(0.1)
            else:
                break
        yield url
    finally:
        process.terminate()
        process.wait(30)


def ask(url: str, headers: dict[str, str]) -> tuple[int, int | None]:
    answer = urllib3.request("GET", f"{url}/who", headers={**headers, "Connection": "close"}, retries=False, timeout=30)
    return answer.status, answer.json().get("process")


def ask_all(url: str, requests: list[dict[str, str]]) -> list[tuple[int, int | None]]:
    with ThreadPoolExecutor(16) as threads:
        return list(threads.map(lambda headers: ask(url, headers), requests))


def find_processes(answers: list[tuple[int, int | None]]) -> set[int]:
    return {process for _status, process in answers if process is not None}


def scrape(url: str, headers: dict[str, str]) -> Counter[str]:
    """The checks by their outcome."""
    answer = urllib3.request(
        "GET", f"{url}/metrics", headers={**headers, "Connection": "close"}, retries=False, timeout=30
    )
    assert answer.status == 200
    found: Counter[str] = Counter()
    for (name, labels), value in read(answer.data.decode()).items():
        if name == "oauthguard_checks_total":
            found[dict(labels)["outcome"]] += int(value)
    return found


def test_the_sum_of_four_processes_is_what_was_sent(tmp_path: Path) -> None:
    issuer = MemoryIssuer()
    keys = tmp_path / "keys.json"
    keys.write_text(json.dumps({"keys": list(issuer.fetch_keys().keys)}))
    keys.chmod(0o600)
    settings = {**issuer.settings, "oauthguard.jwks_file": str(keys)}
    good, operator = issuer.bearer(scope="read"), issuer.bearer(scope="operate")
    requests = [good] * GOOD + [issuer.bearer(aud="https://other.test")] * BAD + [{}] * NONE
    requests = requests[::3] + requests[1::3] + requests[2::3]
    with run_gunicorn(tmp_path, settings) as url:
        answers = ask_all(url, requests)
        processes = find_processes(answers)
        while len(processes) < WORKERS:  # the kernel chooses who accepts a connection
            answers += ask_all(url, [good] * 50)
            processes = find_processes(answers)
            assert len(answers) < 20_000, "some never serve"
        accepted = len(answers) - BAD - NONE
        assert Counter(status for status, _process in answers) == {200: accepted, 401: BAD + NONE}
        first = scrape(url, operator)
        assert first == {"accepted": accepted + 1, "refused": BAD, "missing": NONE}  # the scrape is one
        os.kill(processes.pop(), signal.SIGKILL)
        time.sleep(1)
        for number in range(2, 8):
            assert scrape(url, operator) == {**first, "accepted": accepted + number}
    assert "Traceback" not in (tmp_path / "log").read_text()
