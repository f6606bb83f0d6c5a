"""What the guard adds to Pyramid's Configurator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from pyramid.config import Configurator
from pyramid.interfaces import PHASE0_CONFIG, PHASE1_CONFIG

from ..errors import SettingError
from ..includes import build_class_error, needs_object
from ..interfaces import ICredentialVerifier, ITokenRequirement
from ..settings import as_str, as_url
from .converters import as_scope_names
from .resource_metadata import add_metadata
from .resources.prefixes import parse_prefix
from .resources.table import Resource, build_metadata_url, list_declared
from .verifiers import RANKS
from .verifiers.application import ApplicationVerifier

__all__ = ["add_protected_resource", "add_token_requirement", "set_token_verifier"]

_RESOURCE: Final = "add_protected_resource"
#: The guard is built in that phase, and has to know all resources then.
_BEFORE_THE_GUARD: Final = PHASE0_CONFIG - 1


def add_token_requirement(config: Configurator, name: str, factory: Callable[[Any], Callable[[Any], None]]) -> None:
    """Make ``token_require={name: value}`` known to views.

    :param factory: ``factory(value)``, called once for each view at start-up, returns ``callable(access_token)``,
        which returns None or raises :class:`~pyramid_oauthguard.InsufficientScope`. Or its dotted name.
    """
    factory = config.maybe_dotted(factory)
    if not callable(factory):
        raise SettingError("add_token_requirement", f"the factory of {name!r} can't be called: {factory!r}")

    def register() -> None:
        config.registry.registerUtility(factory, ITokenRequirement, name=name)

    what = config.introspectable("token requirements", name, name, "token requirement")
    what["factory"] = factory
    config.action(("oauthguard requirement", name), register, introspectables=(what,), order=PHASE1_CONFIG)


def set_token_verifier(config: Configurator, mode: str, verifier: Any) -> None:
    """Check tokens of ``mode`` with ``verifier`` instead of the built-in one.

    :param mode: ``"local"``, ``"remote"`` or ``"userinfo"``.
    :param verifier: an object (or its dotted name) with ``verify(raw: str) -> AccessToken`` that raises the errors of
        :mod:`pyramid_oauthguard`. It is trusted: what it returns is believed. Whatever else it returns or raises
        is an outage (503).
    :raises SettingError: for another mode, or what can't verify.
    """
    if mode not in tuple(RANKS):  # which need not be hashable
        raise SettingError("set_token_verifier", f"mode must be one of {', '.join(RANKS)}, not {mode!r}")
    verifier = config.maybe_dotted(verifier)
    _check_verifier(verifier)

    def register() -> None:
        config.registry.registerUtility(ApplicationVerifier(verifier), ICredentialVerifier, name=mode)

    what = config.introspectable("token verifiers", mode, config.object_description(verifier), "token verifier")
    what["verifier"] = verifier
    config.action(("oauthguard verifier", mode), register, introspectables=(what,), order=PHASE1_CONFIG)


def _check_verifier(verifier: object) -> None:
    """Otherwise every request with a token would be answered 503."""
    if needs_object(verifier, "verify"):
        raise build_class_error("set_token_verifier", verifier)
    if not callable(getattr(verifier, "verify", None)):
        raise SettingError("set_token_verifier", f"an object of type {type(verifier).__name__} has no method verify")


def add_protected_resource(
    config: Configurator,
    path_prefix: str,
    resource: str,
    *,
    scopes: Any = None,
    name: str | None = None,
    documentation: str | None = None,
) -> None:
    """Make the paths under ``path_prefix`` a protected resource of their own, with its metadata document (RFC 9728).

    Below it, only tokens with the audience ``resource`` are accepted, and nowhere else. Challenges point to its document.

    :param path_prefix: such as ``/mcp``: whole segments of the decoded path, below the route prefix of ``config`` and the
        mount point of the application. The longest prefix wins.
    :param resource: the URL by which clients know it; its path ends with the prefix.
    :param scopes: the scopes that its document names. Without it, those that its views require.
    :param name: for people.
    :param documentation: the address of a page for developers.
    :raises SettingError: a value can't be used, or the guard is built already.
    """
    below = parse_prefix(_RESOURCE, path_prefix)
    if not below:
        raise SettingError(_RESOURCE, "'/' is the whole application", "set oauthguard.resource for it")
    segments = (*parse_prefix(_RESOURCE, "/" + (config.route_prefix or "").strip("/")), *below)
    added = Resource(
        segments=segments,
        identifier=_convert("resource", as_url, resource),
        metadata_url=build_metadata_url(resource),
        scopes=None if scopes is None else _convert("scopes", as_scope_names, scopes),
        name=None if name is None else _convert("name", as_str, name),
        documentation=None if documentation is None else _convert("documentation", as_url, documentation),
    )

    def register() -> None:
        if "oauthguard" in config.registry.__dict__:
            hint = "call it before the first commit"
            raise SettingError(_RESOURCE, f"{resource} was added after the guard was built", hint)
        list_declared(config.registry).append(added)

    what = config.introspectable("protected resources", resource, resource, "protected resource")
    what["path_prefix"] = added.path
    config.action(("oauthguard resource", segments), register, introspectables=(what,), order=_BEFORE_THE_GUARD)
    config.action(("oauthguard resource", resource), order=_BEFORE_THE_GUARD)
    add_metadata(config)


def _convert(name: str, convert: Callable[[Any], Any], value: Any) -> Any:
    try:
        return convert(value)
    except ValueError as error:
        raise SettingError(_RESOURCE, f"{name} {error}") from error
