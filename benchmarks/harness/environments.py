"""The peers' own environments, under benchmarks/.envs: made once, again when what they ask for changes."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

__all__ = ["build_command", "describe"]

_PEERS: Final = Path(__file__).parent.parent / "peers"
_ENVIRONMENTS: Final = Path(__file__).parent.parent / ".envs"
#: What each installs; the first so many are what it is about.
_REQUIREMENTS: Final = {
    "fastapi_pyjwt": (3, ("fastapi", "PyJWT[crypto]", "uvicorn[standard]")),
    "flask_authlib": (2, ("Flask", "Authlib", "requests", "waitress")),
    "pyramid_jwt_policy": (2, ("pyramid", "pyramid_jwt", "cryptography", "setuptools<81", "waitress")),
    "django_toolkit": (2, ("Django", "django-oauth-toolkit", "waitress")),
    "by_hand": (5, ("pyramid", "joserfc", "dogpile.cache", "requests", "PyJWT[crypto]", "setuptools<81", "waitress")),
    "libraries": (3, ("joserfc", "PyJWT[crypto]", "Authlib")),
    "express_bearer": (2, ("express", "express-oauth2-jwt-bearer")),
}


def prepare(name: str) -> Path:
    """The environment of the peer ``name``, installed from PyPI or npm where it isn't there yet."""
    folder, wanted = _ENVIRONMENTS / name, _REQUIREMENTS[name][1]
    stamp = folder / ".stamp"
    if stamp.exists() and stamp.read_text() == " ".join(wanted):
        return folder
    print(f"installing {', '.join(wanted)} ...", file=sys.stderr, flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    if (_PEERS / f"{name}.js").exists():
        folder.mkdir(parents=True)
        subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund", *wanted], cwd=folder, check=True)
    else:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        pip = [folder / "bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *wanted], check=True)
    stamp.write_text(" ".join(wanted))
    return folder


def build_command(name: str) -> list[str]:
    """How the peer's program is started in its environment; from the repository's root."""
    folder = prepare(name)
    program = _PEERS / f"{name}.js"
    if program.exists():
        return ["env", f"NODE_PATH={folder / 'node_modules'}", "node", str(program)]
    return [str(folder / "bin/python"), "-W", "ignore", "-m", f"benchmarks.peers.{name}"]


def describe(name: str) -> str:
    """The versions of what the peer is about."""
    folder = prepare(name)
    count, wanted = _REQUIREMENTS[name]
    names = [each.partition("[")[0].partition("<")[0] for each in wanted[:count]]
    if (folder / "node_modules").exists():
        found = [json.loads((folder / "node_modules" / each / "package.json").read_text())["version"] for each in names]
    else:
        code = "import sys, importlib.metadata as m; print(*map(m.version, sys.argv[1:]))"
        command = [folder / "bin/python", "-c", code, *names]
        found = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return ", ".join(f"{each} {version}" for each, version in zip(names, found, strict=True))
