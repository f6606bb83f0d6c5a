"""The third-party authorization servers of these tests, each a program of its own behind an address that keeps what it is sent."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import urllib3

from benchmarks.harness.environments import prepare
from tests.client.issuers import install_foreign
from tests.mcp.environments import CACHE, find_node, give_up
from tests.parties.recording import Recorder

__all__ = ["HERE", "fetch_token", "run_certified", "run_mocks", "run_program", "run_toolkit"]

HERE = Path(__file__).parent
_POOL = urllib3.PoolManager(retries=False, timeout=30)


def fetch_token(
    url: str, client: tuple[str, str] | None = None, *, made: Mapping[str, Any] | None = None, **form: str
) -> str:
    """An access token of the token endpoint ``url``.

    :param made: the header and the claims that our programs put into a JWT.
    """
    fields = {"grant_type": "client_credentials", **form} | ({"made": json.dumps(made)} if made else {})
    headers = urllib3.make_headers(basic_auth=":".join(client)) if client else {}
    answer = _POOL.request_encode_body("POST", url, fields, headers, encode_multipart=False)
    assert answer.status == 200, answer.data
    token: str = answer.json()["access_token"]
    return token


@contextmanager
def run_program(command: list[str], **environ: str) -> Iterator[str]:
    """A program until the end of the block; gives the line that it prints when it listens."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "PYTHONWARN"))}
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**kept, **environ}
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        line = process.stdout.readline()
        if not line:
            process.kill()
            raise AssertionError(f"{command[:2]} did not start: {process.stderr.read()[-2000:]}")
        yield line.strip()
    finally:
        process.terminate()
        process.wait(20)
        process.stdout.close()
        process.stderr.close()


@contextmanager
def run_certified(issuer: str = "") -> Iterator[Recorder]:
    """npm's oidc-provider; gives its address.

    :param issuer: its issuer identifier, if that is not its address.
    """
    command = [find_node(), str(HERE / "programs" / "certified.mjs"), str(install_foreign())]
    with Recorder() as recorder, run_program(command, ISSUER=issuer or recorder.url) as port:
        recorder.target = int(port)
        yield recorder


@contextmanager
def run_mocks(identifiers: Mapping[str, str]) -> Iterator[dict[str, Recorder]]:
    """npm's oauth2-mock-server, once for each name of ``identifiers``; gives their addresses.

    :param identifiers: the issuer identifier of each, or only what follows its address there.
    """
    folder = install_foreign(HERE / "npm", CACHE / "parties-npm")
    with ExitStack() as stack:
        recorders = {name: stack.enter_context(Recorder()) for name in identifiers}
        issuers = {name: urljoin(recorders[name].url, each) for name, each in identifiers.items()}
        command = [find_node(), str(HERE / "programs" / "mock.mjs"), str(folder)]
        line = stack.enter_context(run_program(command, ISSUERS=json.dumps(issuers)))
        for name, port in json.loads(line).items():
            recorders[name].target = port
        yield recorders


@contextmanager
def run_toolkit(folder: Path) -> Iterator[tuple[Recorder, dict[str, tuple[str, str]]]]:
    """django-oauth-toolkit, in the environment that the benchmarks have; gives its address and its clients."""
    python = _prepare_toolkit() / "bin" / "python"
    with Recorder() as recorder:
        options = {"folder": str(folder), "issuer": f"{recorder.url}/o"}
        command = [str(python), "-W", "ignore", str(HERE / "programs" / "toolkit.py"), json.dumps(options)]
        with run_program(command) as line:
            said = json.loads(line)
            recorder.target = said["port"]
            yield recorder, {name: (pair[0], pair[1]) for name, pair in said["clients"].items()}


def _prepare_toolkit() -> Path:
    CACHE.mkdir(exist_ok=True)
    with (CACHE / "django-toolkit.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            return prepare("django_toolkit")
        except (OSError, subprocess.CalledProcessError) as error:
            give_up(f"django-oauth-toolkit could not be installed: {error}")
    raise AssertionError
