"""The files of `deploy/`: each is checked by its own program, and they agree with each other."""

from __future__ import annotations

import configparser
import json
import re
import subprocess
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import yaml

from tests.documentation import ROOT

DEPLOY = ROOT / "deploy"
DOCKERFILE = (DEPLOY / "Dockerfile").read_text("utf-8")


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    loaded = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
    return {str(name): service for name, service in loaded["services"].items()}


@pytest.mark.needs("docker-compose")
@pytest.mark.slow
def test_compose_accepts_its_file() -> None:
    command = ["docker-compose", "-f", str(DEPLOY / "compose.yaml"), "config", "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.needs("systemd-analyze")
@pytest.mark.slow
def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    units = []
    for path in (*DEPLOY.glob("*.service"), *DEPLOY.glob("*.timer")):
        units.append(tmp_path / path.name)
        text = re.sub(r"/opt/oauthguard/.venv/bin/\w+", "/bin/true", path.read_text("utf-8"))
        units[-1].write_text(text)
    assert len(units) == 3
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *map(str, units)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    text = (DEPLOY / "oauthguard.service").read_text("utf-8")
    assert "DynamicUser=yes" in text
    assert "NoNewPrivileges=yes" in text


def test_the_image_runs_as_a_user_without_rights_and_is_watched() -> None:
    assert re.findall(r"^USER (.+)$", DOCKERFILE, re.MULTILINE) == ["10001:10001"]
    assert re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE) == ["python:3.13-slim"] * 2
    assert "\nHEALTHCHECK " in DOCKERFILE


def test_what_is_copied_into_the_image_is_sent_to_docker_and_nothing_that_is_secret() -> None:
    copied = list_copied()
    assert [name for name in copied if not (ROOT / name).exists()] == []
    assert [name for name in copied if not is_sent(name)] == []
    assert is_sent("pyramid_oauthguard/server/templates/consent.jinja2")
    secret = [".env", ".git/config", ".venv/bin/python", "deploy/secrets/pepper", "deploy/tls/tls.key", "x.sqlite"]
    others = ["pyramid_oauthguard/__pycache__/x.pyc", "dist/x.whl", "tests/conftest.py", "deploy/secrets/x.py"]
    assert [name for name in secret + others if is_sent(name)] == []


def is_sent(name: str) -> bool:
    """Whether `.dockerignore` leaves a file in: the last line counts that names it or a folder above it."""
    path, found = PurePosixPath(name), True
    for line in (ROOT / ".dockerignore").read_text("utf-8").split():
        pattern = line.removeprefix("!")
        if any(_matches(each, pattern) for each in (path, *path.parents)):
            found = line.startswith("!")
    return found


def _matches(path: PurePosixPath, pattern: str) -> bool:
    if pattern.startswith("**/"):
        return path.match(pattern.removeprefix("**/"))
    return path.match(pattern) and len(path.parts) == len(PurePosixPath(pattern).parts)


def test_containers_have_no_rights_that_they_do_not_need(services: dict[str, Any]) -> None:
    for name in ("app", "migrations"):
        assert services[name]["read_only"] is True
        assert services[name]["cap_drop"] == ["ALL"]
    assert services["proxy"]["ports"] == ["80:80", "443:443"]
    assert [name for name, service in services.items() if "ports" in service] == ["proxy"]
    assert "migrations" in services["app"]["depends_on"]


def test_no_secret_is_in_a_file_or_in_the_environment(services: dict[str, Any]) -> None:
    ini = configparser.RawConfigParser()
    ini.read(DEPLOY / "production.ini")
    named = {value for value in dict(ini["app:main"]).values() if value.startswith("/run/secrets/")}
    assert named == {f"/run/secrets/{secret}" for secret in services["app"]["secrets"]}
    texts = [path.read_text("utf-8") for path in DEPLOY.iterdir() if path.is_file()]
    assert not any(re.search(r"://\w+:\w+@", text) for text in texts)
    assert services["database"]["environment"]["POSTGRES_PASSWORD_FILE"] == "/run/secrets/database_password"


def test_kubernetes_has_probes_secrets_as_files_and_migrations_as_a_job(services: dict[str, Any]) -> None:
    job, deployment, service = yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text("utf-8"))
    assert [each["kind"] for each in (job, deployment, service)] == ["Job", "Deployment", "Service"]
    pods = [each["spec"]["template"]["spec"] for each in (job, deployment)]
    for pod in pods:
        assert pod["securityContext"] == {
            "runAsNonRoot": True,
            "runAsUser": 10001,
            "runAsGroup": 10001,
            "fsGroup": 10001,
        }
        (container,) = pod["containers"]
        assert "env" not in container
        assert {"name": "secrets", "mountPath": "/run/secrets", "readOnly": True} in container["volumeMounts"]
        (secrets,) = [volume["secret"] for volume in pod["volumes"] if volume["name"] == "secrets"]
        assert secrets["defaultMode"] == 0o440
    assert pods[0]["containers"][0]["command"] == services["migrations"]["command"]
    (container,) = pods[1]["containers"]
    assert {"livenessProbe", "readinessProbe", "lifecycle", "resources"} <= set(container)
    assert deployment["spec"]["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    # gunicorn has 20 s to end, after the pause before it is told to.
    assert pods[1]["terminationGracePeriodSeconds"] > 20 + 5


def test_the_pages_show_the_files_themselves() -> None:
    shown = {
        name
        for page in (ROOT / "docs/how-to/deployment").glob("*.md")
        for name in re.findall(r"deploy/([\w.-]+)$", page.read_text("utf-8"), re.MULTILINE)
    }
    assert shown >= {path.name for path in DEPLOY.iterdir() if path.is_file()}


def list_copied(text: str = DOCKERFILE) -> list[str]:
    """The files and folders that the stages of the image get from here."""
    return [name for line in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE) for name in line.split()]


def find_command() -> list[str]:
    """What the image runs."""
    (found,) = re.findall(r"^CMD (\[.+\])$", DOCKERFILE, re.MULTILINE)
    command: list[str] = json.loads(found)
    return command
