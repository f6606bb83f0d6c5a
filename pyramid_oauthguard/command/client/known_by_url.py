"""Signing in with nothing but the URL of an API: issuer, resource, scopes and client are found out."""

from __future__ import annotations

from typing import Final

from ...client.errors import CommandError, as_command_error
from ...client.issued_secret import SECRET_METHODS, read_issued_secret
from ...client.options import Source
from ...client.text import shorten
from ...client.web.registration import Registration, build_metadata, choose_auth_method, register
from ...client.web.requests import Web
from ...client.web.resources import ProtectedResource, discover_resource
from ...errors import UnavailableError
from ...exit_status import USAGE
from ...urls import check_url
from ..registered import Registered, is_usable
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
    if not run.options.issuer_is_the_users:
        _check_address(web, issuer)
    _check_pkce(run)
    run.adopt(_name(url, {**found, **_find_scope(run, resource)}))
    if run.options.client_id is None or not is_usable(run):
        client = _register(run, web, redirect_uri)
        found |= {"client_id": client.client_id, "auth_method": client.auth_method}
        run.adopt(_name(url, {**found, **_find_scope(run, resource)}), client)


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


def _check_address(web: Web, issuer: str) -> None:
    """An API elsewhere must not send the command to services of this machine or of its network.

    :raises CommandError: the issuer that the API names is one.
    """
    try:
        check_url(issuer)
        web.check(issuer)
    except ValueError:
        return  # the discovery refuses it, too, and says why
    except UnavailableError as error:
        if error.reason == "forbidden_url":
            text = f"the issuer that the API names is not asked: {error.detail}"
            raise CommandError(USAGE, text, "if you trust it, name it with --issuer") from error


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


def _register(run: Run, web: Web, redirect_uri: str) -> Registered:
    """A client of this command at the issuer (RFC 7591)."""
    try:
        endpoint = run.metadata.find_endpoint("registration_endpoint")
    except UnavailableError as error:
        raise as_command_error(error) from error
    if endpoint is None:
        text = f"no client is known, and {run.metadata.issuer} does not let clients register themselves"
        raise CommandError(USAGE, text, "name a registered one with --client-id, which may be the URL of its document")
    wanted = run.flags.get("auth_method") or choose_auth_method(run.metadata.document)
    answer = register(web, endpoint, build_metadata(redirect_uri, run.options.scope, auth_method=wanted))
    registered = _read(answer, run.metadata.issuer, wanted)
    if registered.secret is not None:
        run.console.protect(registered.secret.text)
    run.console.say(f"Registered this command at {run.metadata.issuer} as the client {shorten(registered.client_id)}.")
    return registered


def _read(answer: Registration, issuer: str, wanted: str) -> Registered:
    """The client in ``answer``. The server decides on the method of authentication.

    :raises CommandError: this command can't authenticate in that way.
    """
    secret = read_issued_secret(answer.document, issuer)
    # Without a method in the answer, RFC 7591 section 2 says client_secret_basic. Servers that leave it out keep what was sent.
    default = wanted if wanted != "none" else "none" if secret is None else SECRET_METHODS[0]
    method = default if answer.auth_method is None else answer.auth_method
    if method == "none":
        return Registered(client_id=answer.client_id, auth_method=method)
    if method not in SECRET_METHODS:
        text = f"{issuer} registered this command with the authentication method {shorten(method)}"
        raise CommandError(USAGE, text, f"only none, {' and '.join(SECRET_METHODS)} are supported: use --client-id")
    if secret is None:
        text = f"{issuer} registered this command with {method}, but did not send a usable client_secret"
        raise CommandError(USAGE, text, "name a registered client with --client-id")
    return Registered(client_id=answer.client_id, auth_method=method, secret=secret)
