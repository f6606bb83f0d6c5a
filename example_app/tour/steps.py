"""The steps of the tour: what each of them calls, and what its answers mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pyramid.request import Request

from ..demo import MANAGER, MANAGER_SECRET
from .exchange import Exchange, send
from .memory import find_token, remember, remember_statuses

__all__ = ["STEPS", "Result", "explain", "read_claims"]

_CLIENT: Final = (MANAGER, MANAGER_SECRET)
_NAME: Final = "Mary Shelley"
_AMOUNT: Final = "12.50"
_NO_TOKEN: Final = "no token"  # noqa: S105  # a word
_TOO_LONG: Final = "too long"


@dataclass(frozen=True, slots=True)
class Result:
    """What a step brought.

    :ivar why: an explanation of the last answer, in lines.
    :ivar note: a word that the template knows: what the user is told in place of exchanges, or beside them.
    :ivar error: the code that the authorization server answered with.
    :ivar claims: of the token that was issued.
    """

    exchanges: tuple[Exchange, ...] = ()
    why: tuple[str, ...] = ()
    note: str = ""
    error: str = ""
    claims: Mapping[str, Any] | None = None


def get_token(request: Request) -> Result:
    """The client's own token, by its secret."""
    exchange = _fetch_token(request, "customer_api")
    token = exchange.body.get("access_token", "")
    kept = exchange.status == 200 and remember(request, token, exchange.body.get("expires_in"))
    remember_statuses(request, "token", [exchange.status])
    return Result(
        (exchange,), note="" if kept or exchange.status != 200 else _TOO_LONG, claims=read_claims(request, token)
    )


def call(request: Request) -> Result:
    """List, create, charge."""
    return _make_three_calls(request, "calls")


def revoke(request: Request) -> Result:
    """End the token at the authorization server."""
    token = find_token(request)
    if token is None:
        return Result(note=_NO_TOKEN)
    exchange = send(request, "POST", _find_path(request, "oauthguard.revoke"), client=_CLIENT, form={"token": token})
    remember_statuses(request, "revoke", [exchange.status])
    return Result((exchange,))


def call_again(request: Request) -> Result:
    """The same three calls with the same token."""
    result = _make_three_calls(request, "again")
    if not result.exchanges or result.exchanges[-1].status != 401:
        return result
    return Result(result.exchanges, why=explain(request, find_token(request) or "", "remote"))


def call_without_scope(request: Request) -> Result:
    """Another token, which may read messages only, and what becomes of it at the list of customers."""
    issued = _fetch_token(request, "read:messages")
    token = issued.body.get("access_token")
    if not isinstance(token, str):
        return Result((issued,))
    refused = send(request, "GET", "/customers", token=token)
    remember_statuses(request, "scope", [issued.status, refused.status])
    return Result((issued, refused), why=explain(request, token, "local", "GET /customers answers"))


STEPS: Final[Mapping[str, Callable[[Request], Result]]] = {
    "token": get_token,
    "calls": call,
    "revoke": revoke,
    "again": call_again,
    "scope": call_without_scope,
}


def explain(request: Request, token: str, mode: str, view: str = "") -> tuple[str, ...]:
    """What ``oauthguard explain`` says of a token; of its lines about views, only those that begin with ``view``."""
    from pyramid_oauthguard.command.guard.explanation import explain_token

    found = explain_token(request.registry, token, mode)
    verdict = "accepted" if found.reason is None else f"refused: {found.reason}"
    views = [line for line in found.views if view and line.startswith(view)]
    return tuple(line for line in (f"{mode} check: {verdict}", found.text, *views, found.advice) if line)


def _fetch_token(request: Request, scope: str) -> Exchange:
    form = {"grant_type": "client_credentials", "scope": scope}
    return send(request, "POST", _find_path(request, "oauthguard.token"), client=_CLIENT, form=form)


def _make_three_calls(request: Request, step: str) -> Result:
    token = find_token(request)
    if token is None:
        return Result(note=_NO_TOKEN)
    exchanges = (
        send(request, "GET", "/customers?limit=3", token=token),
        send(request, "POST", "/customers", token=token, data={"name": _NAME}),
        send(request, "POST", "/customers/1/charges", token=token, data={"amount": _AMOUNT}),
    )
    remember_statuses(request, step, [each.status for each in exchanges])
    return Result(exchanges)


def _find_path(request: Request, route: str) -> str:
    """The path of a route below the mount point."""
    path: str = request.route_path(route)
    return path.removeprefix(request.script_name)


def read_claims(request: Request, token: str) -> Mapping[str, Any] | None:
    """What the token says, as the guard's local check reads it; None for a token that it does not accept."""
    from pyramid_oauthguard.errors import OAuthGuardError
    from pyramid_oauthguard.interfaces import Credential, ICredentialVerifier

    try:
        verifier = request.registry.getUtility(ICredentialVerifier, name="local")
        found: Mapping[str, Any] = verifier.verify(Credential("Bearer", token, "argument")).to_dict()["claims"]
    except OAuthGuardError:
        return None
    return found
