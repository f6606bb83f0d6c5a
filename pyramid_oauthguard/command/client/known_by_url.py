"""Signing in with nothing but the URL of an API: issuer, resource, scopes and client are found out."""

from __future__ import annotations

from typing import Final

from ...client.errors import CommandError, as_command_error
from ...client.options import Source
from ...client.text import shorten
from ...client.web.registration import build_metadata, register
from ...client.web.requests import Web
from ...client.web.resources import ProtectedResource, discover_resource
from ...errors import UnavailableError
from ...exit_status import USAGE
from ...urls import check_url
from ..run import Run

__all__ = ["prepare"]

_OFFLINE_ACCESS: Final = "offline_access"


def prepare(run: Run, url: str, redirect_uri: str) -> None:
    """Find out what is needed to sign in for the API at ``url``, and register a client where none is known.

    Flags come first. The issuer counts as named by the API, not by the user: a client's secret is not sent to it unless the
    user names it too.

    :raises CommandError: the API or its server does not say enough, or refuses to register a client.
    """
    try:
        check_url(url)
    except ValueError as error:
        raise CommandError(USAGE, f"the URL {error}", "it is that of the API") from error
    web = Web(url, run.build_tls())
    resource = discover_resource(web, url)
    issuer = _choose_issuer(run, resource)
    found = {"issuer": issuer, "resource": resource.identifier}
    run.adopt(_name(url, found))
    _check_pkce(run)
    run.adopt(_name(url, {**found, **_find_scope(run, resource)}))
    if run.options.client_id is None:
        client_id = _register(run, web, redirect_uri)
        run.adopt(_name(url, {**found, **_find_scope(run, resource), "client_id": client_id}))


def _name(url: str, values: dict[str, str]) -> Source:
    return Source(f"the metadata of {url}", values, is_folder=True)


def _choose_issuer(run: Run, resource: ProtectedResource) -> str:
    """The issuer in the flag, if the API accepts its tokens; otherwise the first one that the API names."""
    named = run.flags.get("issuer")
    if named is None:
        return resource.issuers[0]
    if named not in resource.issuers:
        accepted = " ".join(map(shorten, resource.issuers))
        raise CommandError(USAGE, f"the API accepts tokens of {accepted}, not of {named}", "leave out --issuer")
    return named


def _check_pkce(run: Run) -> None:
    """The answer goes to a port of this machine, so the server must protect the code."""
    offered = run.metadata.document.get("code_challenge_methods_supported")
    if not isinstance(offered, list) or "S256" not in offered:
        text = f"{run.metadata.issuer} does not say that it supports PKCE with S256"
        raise CommandError(USAGE, text, "if it does, name it with --issuer instead of the URL of the API")


def _find_scope(run: Run, resource: ProtectedResource) -> dict[str, str]:
    """What the API requires, and a refresh token where the server offers one by this scope."""
    if resource.scope is None:
        return {}
    supported = run.metadata.document.get("scopes_supported")
    more = [_OFFLINE_ACCESS] if isinstance(supported, list) and _OFFLINE_ACCESS in supported else []
    return {"scope": " ".join(dict.fromkeys([*resource.scope.split(), *more]))}


def _register(run: Run, web: Web, redirect_uri: str) -> str:
    """A client of this command at the issuer (RFC 7591)."""
    try:
        endpoint = run.metadata.find_endpoint("registration_endpoint")
    except UnavailableError as error:
        raise as_command_error(error) from error
    if endpoint is None:
        text = f"no client is known, and {run.metadata.issuer} does not let clients register themselves"
        raise CommandError(USAGE, text, "name a registered one with --client-id, which may be the URL of its document")
    registered = register(web, endpoint, build_metadata(redirect_uri, run.options.scope))
    run.console.say(f"Registered this command at {run.metadata.issuer} as the client {shorten(registered.client_id)}.")
    return registered.client_id
