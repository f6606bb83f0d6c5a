"""An application for `oauthguard check` and `explain` to look at, made of an ini file, with the views that it names."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result
from pyramid.authorization import Allow, Deny
from pyramid.config import Configurator

from pyramid_oauthguard.command.guard.check import check
from pyramid_oauthguard.command.guard.explain import explain
from pyramid_oauthguard.interfaces import Finding, IIssuer, ISelfCheck
from pyramid_oauthguard.testing import MemoryIssuer

ROOT = Path(__file__).parents[2]
COMMAND = Path(sys.executable).with_name("oauthguard")

#: Issuers in this process by name, for applications that are started in it.
ISSUERS: dict[str, MemoryIssuer] = {}


class Root:
    __acl__ = (
        (Allow, "scope:read", "read"),
        (Allow, "role:admin", "administer"),
        (Allow, "group:staff", "work"),
        (Allow, "somebody", "own"),
        (Deny, "system.Everyone", "nothing"),
    )

    def __init__(self, request: Any = None) -> None:
        pass


class Computed:
    def __init__(self, request: Any = None) -> None:
        pass

    def __acl__(self) -> Any:
        return []


def add(config: Configurator, name: str, pattern: str = "", factory: Any = None, **options: Any) -> None:
    config.add_route(name, pattern or f"/{name}", factory=factory)
    config.add_view(lambda request: {}, route_name=name, renderer="json", **options)


def add_default_permission(config: Configurator) -> None:
    config.set_default_permission("read")
    config.add_notfound_view(lambda request: request.response)


def refuse_to_say(registry: Any) -> Any:
    raise ConnectionError("the check itself is broken")


def print_in_a_check(registry: Any) -> Any:
    print("hello from the check")  # noqa: T201  # as applications do
    yield Finding("ok", "shop.till", "is open")


def hang_in_a_check(registry: Any) -> Any:
    yield Finding("ok", "shop.till", "is open")
    time.sleep(120)


class Slow:
    def verify(self, raw: str) -> Any:
        time.sleep(120)


class Broken:
    def verify(self, raw: str) -> Any:
        raise KeyError(raw)


class Careless:
    def verify(self, raw: str) -> Any:
        return None


VIEWS: Mapping[str, Callable[[Configurator], Any]] = {
    "local": lambda config: add(config, "local", request_method="GET", token_check="local"),
    "remote": lambda config: add(config, "remote", request_method=("GET", "POST"), token_check="remote"),
    "scoped": lambda config: add(config, "scoped", "s/{id:[0-9]{1,9}}/x", token_require="a b"),
    "requirements": lambda config: add(config, "req", token_require={"any_scope": ["a", "b"], "client": "web"}),
    "read": lambda config: add(config, "read", token_check="local", permission="read"),
    "ungranted": lambda config: add(config, "ungranted", token_check="local", permission="fly"),
    "denied": lambda config: add(config, "denied", token_check="local", permission="nothing"),
    "rootless": lambda config: add(config, "rootless", permission="read"),
    "administer": lambda config: add(config, "administer", token_check="local", permission="administer"),
    "work": lambda config: add(config, "work", permission="work"),
    "own": lambda config: add(config, "own", permission="own"),
    "computed": lambda config: add(config, "computed", factory=Computed, permission="fly"),
    "default": add_default_permission,
    "plain": lambda config: add(config, "plain"),
    "traversed": lambda config: config.add_view(lambda request: {}, name="show", context=Root, token_check="local"),
    "conflict": lambda config: [add_twice(config) for _ in range(2)],
    "prints": lambda config: print("hello from the application"),  # noqa: T201  # as applications do
    "logs": lambda config: logging.getLogger("shop").warning("the application has a word to say"),
    "fails": lambda config: 1 / 0,
    "finding": lambda config: config.registry.registerUtility(
        lambda registry: [Finding("warning", "shop.till", "is open", "close it")], ISelfCheck, name="shop"
    ),
    "printing finding": lambda config: config.registry.registerUtility(print_in_a_check, ISelfCheck, name="shop"),
    "broken finding": lambda config: config.registry.registerUtility(refuse_to_say, ISelfCheck, name="shop"),
    "hangs": lambda config: time.sleep(120),
    "slow finding": lambda config: config.registry.registerUtility(hang_in_a_check, ISelfCheck, name="shop"),
    "slow verifier": lambda config: config.set_token_verifier("local", Slow()),
    "thread": lambda config: threading.Thread(target=time.sleep, args=(120,)).start(),
    "much": lambda config: config.registry.registerUtility(
        lambda registry: [Finding("ok", "shop", "x" * 1_000_000)], ISelfCheck, name="shop"
    ),
    "broken verifier": lambda config: config.set_token_verifier("local", Broken()),
    "careless verifier": lambda config: config.set_token_verifier("local", Careless()),
}


def add_twice(config: Configurator) -> None:
    config.add_view(lambda request: {}, name="twice")


def add_principals(access_token: Any, request: Any) -> list[str]:
    return ["group:staff"]


def wrap(app: Any, global_config: Any) -> Any:
    """A filter whose application hides what it wraps."""

    def hide(environ: Any, start_response: Any) -> Any:
        return app(environ, start_response)

    return hide


def main(global_config: Any, **settings: Any) -> Any:
    root = None if settings.get("views") == "rootless" else Root
    with Configurator(settings=settings, root_factory=root) as config:
        if settings.get("guarded", "true") == "true":
            config.include("pyramid_oauthguard")
        for name in settings.get("views", "").split(", "):
            if name:
                VIEWS[name](config)
        issuer = ISSUERS.get(settings.get("oauthguard.issuer", ""))
        if issuer is not None:
            config.registry.registerUtility(issuer, IIssuer, name=issuer.identifier)
        return config.make_wsgi_app()


def write_ini(folder: Path, settings: Mapping[str, str], views: str = "local", *, more: str = "") -> Path:
    lines = ["[app:main]", "use = call:tests.guard.commanded:main", f"views = {views}"]
    lines += [f"{key} = {value.replace('%', '%%')}" for key, value in settings.items()]
    path = folder / "application.ini"
    path.write_text("\n".join(lines) + f"\n{more}", "utf-8")
    return path


def run_check(ini: Path | str, *options: str) -> Result:
    """`oauthguard check` in this process, without the command around it."""
    return CliRunner().invoke(check, [str(ini), *options])


def run_explain(ini: Path | str, token: str | bytes, *options: str) -> Result:
    return CliRunner().invoke(explain, [str(ini), *options], input=token)


def run_command(*arguments: str | Path, token: bytes = b"") -> subprocess.CompletedProcess[str]:
    """The real command in a process of its own."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "PYTHONW", "OAUTHG"))}
    done = subprocess.run(
        [COMMAND, *arguments],
        input=token,
        env={**env, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        timeout=120,
        check=False,
    )
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())
