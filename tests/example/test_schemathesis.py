"""schemathesis, another party's program, signed in: what the document says and what the API does are the same.

It has an environment of its own in ``.cache/``, because it brings a pytest plugin along.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.example.servers import CHECKOUT, Server, fetch_token, find_free_port, serve

pytestmark = pytest.mark.slow

VERSION = "4.32.5"
FOLDER = CHECKOUT / ".cache" / f"schemathesis-{VERSION}"
#: Not that every value that fits the schema is accepted: that amounts have two decimals is a format, which no schema can express.
CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "unsupported_method",
    "allow_header_conformance",
    "use_after_free",
    "ensure_resource_availability",
    "ignored_auth",
]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`st` in its environment, which is made once for a checkout."""
    found = FOLDER / "bin" / "st"
    if not found.exists():
        made = _install(FOLDER)
        if made.returncode != 0:
            reason = f"schemathesis can't be installed: {made.stderr.strip()[-300:]}"
            if os.environ.get("CI") == "true":
                pytest.fail(reason)
            pytest.skip(reason)
    return found


def _install(folder: Path) -> subprocess.CompletedProcess[str]:
    subprocess.run([sys.executable, "-m", "venv", folder], check=True, timeout=120)
    environ = {name: value for name, value in os.environ.items() if name != "PIP_CONSTRAINT"}
    command = [folder / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check", f"schemathesis=={VERSION}"]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300, env=environ)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve("development.ini", tmp_path_factory.mktemp("api"), ports={"6543": find_free_port()}) as server:
        yield server


def test_the_api_does_what_its_document_says(program: Path, server: Server, tmp_path: Path) -> None:
    token = fetch_token(server.url, "customer_api read:messages")
    options = ["--header", f"Authorization: Bearer {token}", "--checks", ",".join(CHECKS), "--seed", "1"]
    limits = ["--max-examples", "10", "--phases", "examples,coverage,fuzzing", "--no-color", "--warnings", "off"]
    done = subprocess.run(
        [program, "run", f"{server.url}/openapi.json", *options, *limits],
        capture_output=True,
        text=True,
        check=False,
        timeout=250,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stdout[-6000:]
    assert "8 selected / 8 total" in done.stdout
    assert "Traceback" not in server.read_log()
