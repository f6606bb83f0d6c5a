"""Odd answers of a token endpoint and of a key set, read by the command."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any, Final

from pyramid_oauthguard.testing import MemoryIssuer
from tests.client.issuers import ScriptedIssuer, run_scripted

from ..fault import Fault, Seen
from ..project import Stage

__all__ = ["FAULTS"]

_ODD: Final[dict[str, dict[str, Any]]] = {
    'expires_in "3599.5"': {"expires_in": "3599.5"},
    "error null": {"error": None, "expires_in": 3599},
    "expires_in null": {"expires_in": None},
    "expires_in nested": {"expires_in": [[[]]]},
    "scope a number": {"scope": 7},
}


def _run(stage: Stage, *arguments: str, issuer: str, home: Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "OAUTHGUARD_HOME": str(home / "kept"),
        "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
        "OAUTHGUARD_ISSUER": issuer,
        "OAUTHGUARD_CLIENT_ID": "cli",
    }
    command = [stage.project.find("oauthguard"), *arguments]
    return subprocess.run(
        command, input=stdin, env=environ, cwd=home, capture_output=True, text=True, timeout=60, check=False
    )


def _refresh_oddly(stage: Stage) -> Seen:
    found = {name: _refresh(stage, name, odd) for name, odd in _ODD.items()}
    lost = [f"{name} ({text})" for name, text in found.items() if text]
    return Seen("; ".join(lost) or f"{len(found)} of {len(found)} kept", ok=not lost)


def _refresh(stage: Stage, name: str, odd: dict[str, Any]) -> str:
    """What was lost; the login's token has expired, and its refresh token is accepted once."""
    home = stage.folder / name.replace(" ", "-").replace('"', "")
    home.mkdir()
    with run_scripted() as issuer:
        new = {"access_token": "new", "token_type": "Bearer", "refresh_token": "refresh-2", **odd}
        issuer.answers["/device_authorization"] = {
            "device_code": "device-0123456789", "user_code": "ABCD", "verification_uri": f"{issuer.issuer}/device",
            "expires_in": 60, "interval": 0.1,
        }  # fmt: skip
        old = {"access_token": "old", "token_type": "Bearer", "expires_in": 1, "refresh_token": "refresh-1"}
        issuer.answers["/token"] = [old, new, (400, {"error": "invalid_grant"})]
        _run(stage, "login", "--flow", "device", "--store", "file", issuer=issuer.issuer, home=home)
        first = _run(stage, "token", issuer=issuer.issuer, home=home)
        kept = "".join(path.read_text("utf-8", "replace") for path in home.rglob("*") if path.is_file())
    return _judge(issuer, first, kept)


def _judge(issuer: ScriptedIssuer, first: subprocess.CompletedProcess[str], kept: str) -> str:
    if issuer.count("/token") < 2:
        return f"not refreshed: {first.stderr[-100:]!r}"
    if "refresh-2" in kept:
        return ""
    return "lost, " + ("this is a bug" if "bug" in first.stderr else f"status {first.returncode}")


def _inspect(stage: Stage) -> Seen:
    issuer = MemoryIssuer()
    with run_scripted() as scripted:
        document = scripted.metadata()
        for path in ("/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"):
            scripted.answers[path] = document
        odd = [{"kty": "RSA", "kid": 7, "n": None}, {**issuer.signing_key.jwk, "alg": ["RS256"]}, None, "key"]
        scripted.answers["/jwks"] = {"keys": [*odd, issuer.signing_key.jwk]}
        raw = issuer.mint(iss=scripted.issuer)
        done = _run(stage, "inspect", "-", "--format", "json", issuer=scripted.issuer, home=stage.folder, stdin=raw)
    try:
        checks = {each["name"]: each["outcome"] for each in json.loads(done.stdout)["checks"]}
    except (ValueError, KeyError, TypeError):
        return Seen(f"status {done.returncode}: {done.stderr.strip()[-100:]}", ok=False)
    return Seen(f"signature: {checks.get('signature')}", ok=checks.get("signature") == "pass")


FAULTS = (
    Fault("answer: a refresh is answered oddly", "the new tokens are kept", _refresh_oddly),
    Fault("answer: four odd keys in a key set", "`inspect` verifies with the good key", _inspect),
)
