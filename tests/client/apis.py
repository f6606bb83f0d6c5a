"""An API and its authorization server, for ``oauthguard login URL``."""

from __future__ import annotations

from typing import Any

from tests.client.browsers import start_login
from tests.client.issuers import ScriptedIssuer
from tests.client.terminal import Answered, Terminal

PLACE = "/.well-known/oauth-protected-resource"
TOKENS = {"access_token": "access-0123456789", "refresh_token": "refresh-0123456789", "token_type": "Bearer"}


class Api:
    """An API and its authorization server on one port."""

    def __init__(self, scripted: ScriptedIssuer) -> None:
        self.issuer, self.answers = scripted, scripted.answers
        self.url = f"{scripted.issuer}/mcp"
        self.registered: list[Any] = []
        self.answers["/mcp"] = self.refuse('scope="read"', f'resource_metadata="{scripted.issuer}{PLACE}/mcp"')
        self.answers[f"{PLACE}/mcp"] = self.describe()
        self.announce(code_challenge_methods_supported=["S256"])
        self.answers["/token"] = TOKENS
        self.answers["/userinfo"] = (401, {})

    def refuse(self, *parameters: str, method: str | None = None) -> Any:
        refusal = (401, {}, {"WWW-Authenticate": "Bearer " + ", ".join(parameters)})
        return lambda asked: refusal if method in (None, asked.method) else (405, {})

    def describe(self, **changes: Any) -> dict[str, Any]:
        document = {"resource": self.url, "authorization_servers": [self.issuer.issuer], "scopes_supported": ["all"]}
        return {**document, **changes}

    def announce(self, **changes: Any) -> None:
        self.answers["/.well-known/oauth-authorization-server"] = self.issuer.metadata(**changes)

    def offer_registration(self, answer: Any = (201, {"client_id": "new-client"}), **changes: Any) -> None:
        endpoint = f"{self.issuer.issuer}/register"
        self.announce(code_challenge_methods_supported=["S256"], registration_endpoint=endpoint, **changes)
        self.answers["/register"] = answer


def sign_in(terminal: Terminal, *args: str, **environ: str) -> tuple[dict[str, str], Answered]:
    """``oauthguard login`` to its end: the query of the authorization request, and how it ended."""
    with start_login(terminal, *args, **environ) as login:
        login.come_back(code="c0de")
        return login.query, login.end()
