"""What the guard adds to Pyramid's Configurator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pyramid.config import Configurator
from pyramid.interfaces import PHASE1_CONFIG

from ..errors import SettingError
from ..interfaces import ICredentialVerifier, ITokenRequirement
from .verifiers import RANKS
from .verifiers.application import ApplicationVerifier

__all__ = ["add_token_requirement", "set_token_verifier"]


def add_token_requirement(config: Configurator, name: str, factory: Callable[[Any], Callable[[Any], None]]) -> None:
    """Make ``token_require={name: value}`` known to views.

    :param factory: ``factory(value)``, called once for each view at start-up, returns ``callable(access_token)``,
        which returns None or raises :class:`~pyramid_oauthguard.InsufficientScope`. Or its dotted name.
    """
    factory = config.maybe_dotted(factory)

    def register() -> None:
        config.registry.registerUtility(factory, ITokenRequirement, name=name)

    what = config.introspectable("token requirements", name, name, "token requirement")
    what["factory"] = factory
    config.action(("oauthguard requirement", name), register, introspectables=(what,), order=PHASE1_CONFIG)


def set_token_verifier(config: Configurator, mode: str, verifier: Any) -> None:
    """Check tokens of ``mode`` with ``verifier`` instead of the built-in one.

    :param mode: ``"local"`` or ``"remote"``.
    :param verifier: an object (or its dotted name) with ``verify(raw: str) -> AccessToken`` that raises the errors of
        :mod:`pyramid_oauthguard`. It is trusted: what it returns is believed. Whatever else it returns or raises
        is an outage (503).
    :raises SettingError: for another mode.
    """
    if mode not in tuple(RANKS):  # which need not be hashable
        raise SettingError("set_token_verifier", f"mode must be one of {', '.join(RANKS)}, not {mode!r}")
    verifier = config.maybe_dotted(verifier)

    def register() -> None:
        config.registry.registerUtility(ApplicationVerifier(verifier), ICredentialVerifier, name=mode)

    what = config.introspectable("token verifiers", mode, config.object_description(verifier), "token verifier")
    what["verifier"] = verifier
    config.action(("oauthguard verifier", mode), register, introspectables=(what,), order=PHASE1_CONFIG)
