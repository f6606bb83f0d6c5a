"""`oauthguard check` and `explain` end in time, whatever hangs, and name the step that did."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.guard.commanded import COMMAND, ROOT, run_command, write_ini
from tests.issuers import HTTPIssuer

pytestmark = pytest.mark.slow


def run_in_time(*arguments: str | Path, token: bytes = b"", seconds: float = 20) -> subprocess.CompletedProcess[str]:
    began = time.monotonic()
    done = run_command(*arguments, token=token)
    assert time.monotonic() - began < seconds, done.stdout + done.stderr
    return done


@pytest.mark.parametrize(
    ("fault", "views", "step"),
    [
        (None, "local, hangs", "the start of the application"),
        ("metadata", "local", "the issuer's metadata"),
        ("keys", "local", "the issuer's keys"),
        ("introspection", "local, remote", "the issuer's introspection"),
        (None, "local, slow finding", "the check 'shop'"),
    ],
)
def test_check_names_the_step_that_does_not_end(
    server: HTTPIssuer, tmp_path: Path, fault: str | None, views: str, step: str
) -> None:
    if fault:
        server.fail("hang", fault)
    ini = write_ini(tmp_path, {**server.settings, "oauthguard.http.timeout": "100"}, views)
    done = run_in_time("check", ini, "--timeout", "3")
    assert done.returncode == 4
    assert f"FAIL  {step}: did not end within 3 s; the steps after it were not checked" in done.stdout
    assert done.stderr == "1 error, 0 warnings\n"
    as_json = run_in_time("check", ini, "--timeout", "3", "--format", "json")
    assert (as_json.returncode, json.loads(as_json.stdout)[-1]["subject"]) == (4, step)


def test_what_was_found_before_is_shown(server: HTTPIssuer, tmp_path: Path) -> None:
    done = run_in_time("check", write_ini(tmp_path, server.settings, "local, slow finding"), "--timeout", "3")
    assert "ok    keys: 1 of 1 usable" in done.stdout
    assert "ok    shop.till: is open" in done.stdout


@pytest.mark.parametrize(
    ("fault", "views", "step"),
    [
        (None, "hangs", "the start of the application"),
        ("keys", "local", "the local check"),
        ("introspection", "local, remote", "the remote check"),
        (None, "local, slow verifier", "the local check"),
    ],
)
def test_explain_names_the_step_that_does_not_end(
    server: HTTPIssuer, tmp_path: Path, fault: str | None, views: str, step: str
) -> None:
    if fault:
        server.fail("hang", fault)
    ini = write_ini(tmp_path, {**server.settings, "oauthguard.http.timeout": "100"}, views)
    raw = server.issuer.mint().encode()
    done = run_in_time("explain", ini, "--timeout", "3", token=raw)
    assert done.returncode == 4
    assert f"any     CAN'T SAY: timeout\n        {step} did not end within 3 s\n" in done.stdout
    assert raw.decode() not in done.stdout + done.stderr


def test_without_a_timeout_half_a_minute_is_enough(server: HTTPIssuer, tmp_path: Path) -> None:
    done = run_in_time("check", write_ini(tmp_path, server.settings, "hangs"), seconds=30)
    assert done.returncode == 4


def test_a_thread_that_the_application_left_does_not_hold_the_command(server: HTTPIssuer, tmp_path: Path) -> None:
    ini = write_ini(tmp_path, server.settings, "local, thread")
    done = run_in_time("check", ini)
    assert (done.returncode, done.stderr) == (0, "0 errors, 0 warnings\n")
    assert "GET /local" in done.stdout
    assert run_in_time("explain", ini, token=server.issuer.mint().encode()).returncode == 0


def test_a_reader_that_does_not_read_does_not_hold_the_command(server: HTTPIssuer, tmp_path: Path) -> None:
    ini = write_ini(tmp_path, server.settings, "local, much")
    env: dict[str, Any] = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [COMMAND, "check", ini, "--timeout", "2"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=env
    )
    try:
        assert process.wait(20) == 4
    finally:
        process.kill()
        process.communicate()


def test_a_command_that_ends_is_not_ended(server: HTTPIssuer, tmp_path: Path) -> None:
    server.delay = 1.5
    server.fail("slow", "metadata")
    done = run_in_time("check", write_ini(tmp_path, server.settings), "--timeout", "12")
    assert (done.returncode, done.stderr) == (0, "0 errors, 0 warnings\n")
