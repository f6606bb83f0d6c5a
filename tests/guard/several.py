"""An application that trusts several issuers in memory, and what their tests say again and again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pyramid.config import Configurator
from pyramid.interfaces import ISecurityPolicy
from webtest import TestApp

from pyramid_oauthguard.testing import MemoryIssuer, trust
from tests.guard.guarding import Root, add, ask

API = "https://api.test"


class Opaque(MemoryIssuer):
    """Its opaque tokens begin with `prefix`, and it keeps what it was shown."""

    def __init__(self, identifier: str, prefix: str = "", **options: Any) -> None:
        super().__init__(identifier, **options)
        self.prefix = prefix
        self.seen: list[str] = []

    def introspect(self, raw: str) -> Mapping[str, Any]:
        self.seen.append(raw)
        return super().introspect(raw)

    def mint_opaque(self, claims: Mapping[str, Any] | None = None, **more: Any) -> str:
        made = super().mint_opaque(claims, **more)
        token = self.prefix + made
        self._opaque[token] = self._opaque.pop(made)
        return token


def write(name: str | None, **settings: Any) -> dict[str, Any]:
    """The settings of one issuer, as an ini file has them; `__` is a dot. Without a name, those of the application."""
    start = "oauthguard" if name is None else f"oauthguard.issuers.{name}"
    return {f"{start}.{key.replace('__', '.')}": value for key, value in settings.items()}


def write_all(issuers: Mapping[str, MemoryIssuer], **settings: Any) -> dict[str, Any]:
    """The settings of named issuers, each with every scope and introspection without authentication."""
    found = write(None, issuers=" ".join(issuers), audience=API, **settings)
    for name, issuer in issuers.items():
        found |= write(name, issuer=issuer.identifier, scopes="any", introspection__auth_method="none")
        if isinstance(issuer, Opaque) and issuer.prefix:
            found |= write(name, token_prefix=issuer.prefix)
    return found


def show(request: Any) -> dict[str, Any]:
    """A view that says what it knows of the caller."""
    token = request.access_token
    policy = request.registry.getUtility(ISecurityPolicy)
    return {
        "user": request.authenticated_userid,
        "issuer": token.issuer_name,
        "scopes": sorted(token.scopes),
        "principals": sorted(policy.effective_principals(request)),
    }


def build(
    settings: Mapping[str, Any],
    *issuers: MemoryIssuer,
    configure: Callable[[Configurator], Any] | None = None,
    remote: bool = True,
) -> TestApp:
    """An application with `/local` and `/remote`, which trusts `issuers` in memory."""
    config = Configurator(settings=dict(settings), root_factory=Root)
    config.include("pyramid_oauthguard")
    add(config, "/local", show, token_check="local")
    if remote:
        add(config, "/remote", show, token_check="remote")
    if configure is not None:
        configure(config)
    app = config.make_wsgi_app()
    for issuer in issuers:
        trust(app, issuer)
    return TestApp(app)


def find_principals(app: TestApp, raw: str, path: str = "/local") -> set[str]:
    """Those that only this caller has."""
    answer = ask(app, path, raw)
    assert answer.status_int == 200, answer.text
    return {name for name in answer.json["principals"] if not name.startswith("system.")}
