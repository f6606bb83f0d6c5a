"""``verify``: what a guarded view does with a token, for a token that no request brought."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pyramid.registry import Registry

from ...access_token import AccessToken
from ...errors import InvalidRequest, InvalidToken, SettingError
from ...interfaces import Credential, ProofFacts
from ..credentials.header import is_token68
from ..once import spend
from ..requirements import build_requirements, check_requirements, require_issuer
from ..state import Guard, get_guard
from ..verifiers import RANKS, join

__all__ = ["verify"]


def verify(
    registry: Registry,
    raw: str,
    mode: str | None = None,
    *,
    resource: str | None = None,
    issuer: str | None = None,
    require: str | Mapping[str, Any] | None = None,
    method: str | None = None,
    url: str | None = None,
) -> AccessToken:
    """The access token ``raw``, checked by the guard of an application as for one of its views.

    :param registry: of the application: ``request.registry``, ``app.registry``.
    :param mode: as the view option ``token_check``. None: the setting. It can only be made stricter.
    :param resource: the identifier of the protected resource that the token must be for. None: the application itself.
    :param issuer: as the view option ``token_issuer``. ``require`` is as the view option ``token_require``.
    :param method: the method of the request that the token came with, and ``url`` its URL: what a proof of possession is compared
        with. A token that needs a proof is refused without them.
    :raises TokenError: it is missing, refused, or not enough.
    :raises UnavailableError: the issuer can't be asked.
    :raises SettingError: an argument names something that the application does not have.
    """
    guard = get_guard(registry)
    if mode is not None and mode not in RANKS:
        raise SettingError("verify", f"mode must be one of {', '.join(RANKS)}, not {mode!r}")
    default = guard.authenticator.default_mode
    requirements = build_requirements(registry, dict(require) if isinstance(require, Mapping) else require, "verify")
    if issuer is not None:
        requirements = (_build_issuer_requirement(guard, issuer), *requirements)
    if not is_token68(raw):
        raise InvalidRequest("malformed_token")
    credential = Credential("Bearer", raw, "argument", lambda: ProofFacts(method=method, url=url))
    token = guard.authenticator.verify(credential, join(default, mode or default))
    if "cnf" in token.claims and (method is None or url is None):  # also where a verifier of the application accepts it
        raise InvalidToken("bound_token")
    _check_resource(guard, token, resource)
    check_requirements(requirements, token)
    spend(requirements, token, {})
    return token


def _build_issuer_requirement(guard: Guard, issuer: str) -> Any:
    try:
        return require_issuer(issuer, known=guard.settings.issuers)
    except ValueError as error:
        raise SettingError("verify", f"issuer {error}", "name one of oauthguard.issuers") from error


def _check_resource(guard: Guard, token: AccessToken, identifier: str | None) -> None:
    resources = guard.resources
    wanted = resources.whole.identifier if identifier is None else identifier
    found = next((each for each in resources if each.identifier == wanted), None)
    if found is None:
        raise SettingError("verify", f"{identifier!r} is not a resource of this application")
    if not resources.accepts(found, token):
        raise InvalidToken("other_resource")
