"""Kinto's plug-in for OpenID Connect with the policy of our page: Kinto's own tests, and two providers that are real programs."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.documentation import find_blocks, read_page
from tests.mcp.environments import CACHE, give_up
from tests.parties.environments import HERE, fetch_token, run_mocks
from tests.parties.recording import Recorder

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900), pytest.mark.needs("npm")]

ROOT = HERE.parents[1]
PAGE = "how-to/guard/kinto"

_HTTP = "mocks requests.get of Kinto's plug-in, which does not fetch userinfo any more"
_JWT = "mocks PyJWT in Kinto's plug-in, which does not verify JWTs any more"
#: Kinto's tests of what the policy replaces, with what they mock. All others pass.
DELETED = {
    "VerifyTokenTest::test_fetches_userinfo_if_id_token_is_none": _HTTP,
    "VerifyTokenTest::test_fetches_userinfo_if_configured_audience_matches": _HTTP,
}


def install_kinto() -> Path:
    """The folder of an environment with Kinto, and of its source distribution, which contains its tests."""
    folder, wanted = CACHE / "kinto", (HERE / "programs" / "kinto.txt").read_text()
    python, stamp = folder / "bin" / "python", folder / ".installed"
    CACHE.mkdir(exist_ok=True)
    (CACHE / ".gitignore").write_text("*\n")
    with (CACHE / "kinto.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if stamp.exists() and stamp.read_text() == wanted:
            return folder
        shutil.rmtree(folder, ignore_errors=True)
        pip = [str(python), "-m", "pip", "--quiet", "--disable-pip-version-check"]
        source = [*pip, "download", "--no-deps", "--no-binary", "kinto", "--no-build-isolation"]
        _run([sys.executable, "-m", "venv", str(folder)])
        _run([*pip, "install", *wanted.split(), "hatchling", "uv-dynamic-versioning"])
        _run([*source, "--dest", str(folder), wanted.split()[0]])
        with tarfile.open(next(folder.glob("kinto-*.tar.gz"))) as archive:
            archive.extractall(folder / "source", filter="data")
        stamp.write_text(wanted)
    return folder


def _run(command: list[str]) -> None:
    environ = {name: value for name, value in os.environ.items() if name != "PIP_CONSTRAINT"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=500, check=False, env=environ)
    if done.returncode:
        give_up(f"Kinto could not be installed: {done.stderr[-500:]}")


@pytest.fixture(scope="module")
def kinto() -> Path:
    return install_kinto()


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """What finds our package, our programs and the module of the page."""
    (tmp_path / "kinto_oauthguard.py").write_text(find_blocks(read_page(PAGE), "python")[0])
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "PYTHONW"))}
    return {**kept, "PYTHONPATH": os.pathsep.join(map(str, (tmp_path, HERE / "programs", ROOT)))}


def test_kintos_own_tests_pass(kinto: Path, environ: dict[str, str]) -> None:
    source = next((kinto / "source").iterdir())
    command = [str(kinto / "bin" / "python"), "-m", "pytest", "-q", "-rfE", "-p", "kinto_swapped", "-o", "addopts="]
    done = subprocess.run(
        [*command, "tests/plugins/test_openid.py"],
        cwd=source, env=environ, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    failed = set(re.findall(r"^(?:FAILED|ERROR) \S+?::(\S+)", done.stdout, re.MULTILINE))
    assert failed == set(DELETED), done.stdout[-6000:] + done.stderr[-2000:]
    passed = re.search(r"([0-9]+) passed", done.stdout)
    assert passed is not None
    assert int(passed[1]) >= 39


@contextmanager
def run_kinto(kinto: Path, environ: dict[str, str], settings: dict[str, Any]) -> Iterator[Any]:
    command = [
        str(kinto / "bin" / "python"),
        "-W",
        "ignore",
        str(HERE / "programs" / "kinto_asked.py"),
        json.dumps(settings),
    ]
    process = subprocess.Popen(
        command, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None

    def ask(*tokens: str) -> Any:
        process.stdin.write(json.dumps(tokens) + "\n")
        process.stdin.flush()
        return json.loads(process.stdout.readline())

    try:
        assert process.stdout.readline(), process.stderr.read()[-3000:]
        yield ask
    finally:
        process.stdin.close()
        process.wait(20)
        process.stdout.close()
        process.stderr.close()


def _list_settings(mocks: dict[str, Recorder]) -> dict[str, Any]:
    settings = {"includes": "kinto.plugins.openid", "multiauth.policies": "auth0 google"}
    for name, more in {"auth0": {"audience": "https://kinto.example"}, "google": {"token_prefix": "ya29."}}.items():
        own = {
            "use": "kinto_oauthguard.GuardedOpenIDConnectPolicy",
            "issuer": mocks[name].url,
            "client_id": name,
            **more,
        }
        settings |= {f"multiauth.policy.{name}.{key}": value for key, value in own.items()}
    return settings | {"multiauth.policy.google.userid_field": "email"}


def test_two_providers_with_userinfo(kinto: Path, environ: dict[str, str]) -> None:
    with run_mocks({"auth0": "", "google": ""}) as mocks, run_kinto(kinto, environ, _list_settings(mocks)) as ask:

        def mint(name: str, *, opaque: str = "", **claims: Any) -> str:
            made = {"claims": {"sub": "johndoe", "aud": "https://kinto.example", **claims}}
            return fetch_token(f"{mocks[name].url}/token", made=made, **({"opaque": opaque} if opaque else {}))

        ours, theirs = mint("auth0"), mint("google", opaque="ya29.a0AfH6")
        (first, second) = ask(ours, theirs)
        assert (first[0], first[1]["id"], first[1]["profile"]["sub"]) == (200, "auth0:johndoe", "johndoe")
        assert (second[0], second[1]["id"]) == (200, "google:johndoe@google.example")
        assert theirs not in mocks["auth0"].text
        assert ours not in mocks["google"].text
        refused = {
            "for another API": mint("auth0", aud="https://other.example"),
            "of another user than the provider says": mint("auth0", sub="eve"),
            "of google in the name of auth0": mint("google", iss=mocks["auth0"].url),
            "of google for the API, as a JWT": mint("google"),
            "opaque, of nobody": "opaque-token",
            "opaque, of google, which google does not know": "ya29.other",
        }
        assert [
            (name, user.get("id")) for name, (_status, user) in zip(refused, ask(*refused.values()), strict=True)
        ] == [(name, None) for name in refused]
        assert "opaque-token" not in mocks["auth0"].text + mocks["google"].text
