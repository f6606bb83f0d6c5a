"""What people stumbled over who tried it for the first time, and what they are told now."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pyramid_oauthguard.testing import MemoryIssuer
from tests.example.servers import find_free_port, serve
from tests.guard.commanded import ROOT, run_check
from tests.guard.guarding import add, ask, build_app

pytestmark = pytest.mark.slow

PSERVE = Path(sys.executable).with_name("pserve")


def change_example(folder: Path, old: str, new: str) -> Path:
    shutil.copy(ROOT / "development.ini", folder)
    ini = folder / "development.ini"
    text = ini.read_text("utf-8")
    assert text.count(old) == 1
    ini.write_text(text.replace(old, new), "utf-8")
    return ini


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("oauthguard.audience =", "oauthguard.audiense =", "oauthguard.audiense: is not a setting (did you mean oauthguard.audience?)"),
        (
            "oauthguard.issuer = http://localhost:6543",
            "oauthguard.issuer = http://localhost:6543/",
            "oauthguard.issuer: is http://localhost:6543/, and a view is checked remotely; the server in this process is http://localhost:6543 (make them equal, byte for byte",
        ),
        ("oauthguard.issuer = http://localhost:6543", "oauthguard.issuer = http://example.com", "example.demo: can't be on with the issuer 'http://example.com'"),
        ("oauthguard.issuer = http://localhost:6543", "", "oauthguard.issuer: is required"),
        ("example.demo = true", "example.demo = maybe", "example.demo: must be true or false, not 'maybe'"),
        ("oauthguard.server.default_scopes = customer_api", "oauthguard.server.default_scopes = customers", "oauthguard.server.default_scopes: 'customers' is not in oauthguard.server.scopes"),
    ],
)  # fmt: skip
def test_a_slip_in_the_examples_ini_is_named(tmp_path: Path, old: str, new: str, said: str) -> None:
    ini = change_example(tmp_path, old, new)
    assert str(run_check(ini).exception).startswith(said)


def test_a_start_that_fails_says_why_at_its_end(tmp_path: Path) -> None:
    """Below the traceback and Pyramid's wrapping, in the last lines on the screen."""
    ini = change_example(tmp_path, "oauthguard.audience =", "oauthguard.audiense =")
    done = subprocess.run([PSERVE, ini], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode != 0
    line = done.stderr.splitlines()[-1]
    number = ini.read_text("utf-8").splitlines().index("oauthguard.audiense = https://customers.example") + 1
    assert "oauthguard.audiense: is not a setting (did you mean oauthguard.audience?)" in line
    assert f"{ini}, line {number}" in line


def test_a_port_in_use_is_said_at_the_end(tmp_path: Path) -> None:
    """The README quotes it."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        shutil.copy(ROOT / "development.ini", tmp_path)
        ini = tmp_path / "development.ini"
        ini.write_text(ini.read_text("utf-8").replace("6543", str(port)), "utf-8")
        done = subprocess.run([PSERVE, ini], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert "Address already in use" in done.stderr.splitlines()[-1]


def test_the_server_says_where_it_is(tmp_path: Path) -> None:
    with serve("development.ini", tmp_path, ports={"6543": find_free_port()}) as server:
        port = server.url.rpartition(":")[2]
        said = re.compile(rf"Serving on http://(127\.0\.0\.1|\[::1\]):{port}\b")
        deadline = time.monotonic() + 30  # it listens before it says so
        while not said.search(server.read_log()):
            assert time.monotonic() < deadline, server.read_log()
            time.sleep(0.05)


def test_every_refusal_is_of_the_same_kind() -> None:
    """An outage used to name a charset, which this media type does not have."""
    issuer = MemoryIssuer()
    app = build_app(lambda config: add(config, "/local", token_check="local", token_require="read"), issuer)
    kinds = {ask(app, "/local", raw).headers["Content-Type"] for raw in (None, "bad", issuer.mint())}
    issuer = MemoryIssuer()
    down = build_app(lambda config: add(config, "/local", token_check="local"), issuer)
    raw = issuer.mint()
    with issuer.outage():
        answer = ask(down, "/local", raw)
    assert answer.status_int == 503
    assert {*kinds, answer.headers["Content-Type"]} == {"application/problem+json"}
