"""Names of grants and scopes, and what a grant class declares: the same attributes for the grants of this server and for those
of an application."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ..errors import OAuthGuardError, SettingError

__all__ = [
    "DEVICE_CODE",
    "OWNED_GRANTS",
    "USER_GRANTS",
    "GrantDeclaration",
    "RegistrationError",
    "as_grant",
    "check_names",
    "check_scope",
    "declare_grant",
]

DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
USER_GRANTS = frozenset({"authorization_code", DEVICE_CODE})
OWNED_GRANTS = USER_GRANTS | {"refresh_token"}  # needs hooks for users (``set_resource_owner``)
_KEY: Final = "add_oauth_grant"
_SHORT_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_.-]*")
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")  # RFC 6749 appendix A.4


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantDeclaration:
    """The declaration of a grant class; see :func:`declare_grant`.

    :ivar grant_class: a grant class as Authlib defines it, for the token endpoint.
    :ivar extensions: Authlib's, called with the grant of each request.
    :ivar parameters: those that it reads in addition to the ones of every token request.
    :ivar repeatable: those of its parameters that may be repeated.
    :ivar short_name: how settings and the registration of clients may call it, too.
    :ivar acts_for_user: its tokens are a user's, not the client's own.
    :ivar needs_consent: the user must have allowed it on a page before.
    :ivar may_refresh: its grants may have refresh tokens.
    :ivar added: whether the application added it; values presented for it may be short enough to be guessed.
    """

    grant_type: str
    grant_class: Any
    extensions: tuple[Any, ...] = ()
    parameters: frozenset[str] = frozenset()
    repeatable: frozenset[str] = frozenset()
    short_name: str | None = None
    acts_for_user: bool
    needs_consent: bool = True
    may_refresh: bool = False
    added: bool = False

    @property
    def name(self) -> str:
        """The short name if it has one."""
        return self.short_name or self.grant_type

    @property
    def class_name(self) -> str:
        """Where the class is defined, for messages."""
        return _name_class(self.grant_class)


def declare_grant(grant_class: Any, *extensions: Any, added: bool = False) -> GrantDeclaration:
    """Read the attributes of a grant class: ``GRANT_TYPE``, ``ACTS_FOR_USER``, ``NEEDS_CONSENT``, ``MAY_REFRESH``,
    ``PARAMETERS``, ``REPEATABLE_PARAMETERS`` and ``SHORT_NAME``. Only the first two are required.

    :param extensions: Authlib's, called with the grant of each request.
    :param added: by the application.
    :raises SettingError: an attribute is missing or wrong.
    """
    grant_type = getattr(grant_class, "GRANT_TYPE", None)
    if not isinstance(grant_type, str) or not grant_type or not hasattr(grant_class, "check_token_endpoint"):
        raise SettingError(_KEY, f"{grant_class!r} is not a grant of the token endpoint with a GRANT_TYPE")
    missing = ", ".join(sorted(getattr(grant_class, "__abstractmethods__", ())))
    if missing:
        raise SettingError(_KEY, f"{_name_class(grant_class)} must have the method {missing}")
    acts_for_user = getattr(grant_class, "ACTS_FOR_USER", None)
    if not isinstance(acts_for_user, bool):
        hint = "set ACTS_FOR_USER = True on the class if it acts for a user, False if the client acts for itself"
        raise SettingError(_KEY, f"{_name_class(grant_class)} does not say for whom its tokens are", hint)
    return GrantDeclaration(
        grant_type=grant_type,
        grant_class=grant_class,
        extensions=extensions,
        parameters=_read_names(grant_class, "PARAMETERS"),
        repeatable=_read_names(grant_class, "REPEATABLE_PARAMETERS"),
        short_name=_read_short_name(grant_class),
        acts_for_user=acts_for_user,
        needs_consent=_read_switch(grant_class, "NEEDS_CONSENT"),
        may_refresh=_read_switch(grant_class, "MAY_REFRESH") and acts_for_user,
        added=added,
    )


def check_names(grants: Iterable[GrantDeclaration]) -> None:
    """SettingError where a short name is also the name of another grant."""
    counts = Counter(name for each in grants for name in {each.grant_type, each.name})
    for name, count in counts.items():
        if count > 1:
            raise SettingError(_KEY, f"SHORT_NAME: {name!r} is the name of two grants")


class RegistrationError(OAuthGuardError):
    """A client can't be registered or changed like this; ``argument`` and ``problem`` say why."""

    def __init__(self, argument: str, problem: str) -> None:
        super().__init__("registration")
        self.argument = argument
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.argument}: {self.problem}"


def as_grant(name: str, grants: Mapping[str, GrantDeclaration]) -> str:
    """The grant type that ``name`` stands for: itself, or that of the grant with this short name."""
    if name in grants:
        return name
    return next((each.grant_type for each in grants.values() if each.short_name == name), name)


def check_scope(scope: str) -> None:
    """RegistrationError unless ``scope`` is a scope-token (RFC 6749 section 3.3)."""
    if not _SCOPE.fullmatch(scope):
        raise RegistrationError("scopes", f"{scope!r} is not a scope")


def _read_switch(grant_class: Any, attribute: str) -> bool:
    value = getattr(grant_class, attribute, True)
    if not isinstance(value, bool):
        raise SettingError(_KEY, f"{_name_class(grant_class)}.{attribute} must be True or False")
    return value


def _read_names(grant_class: Any, attribute: str) -> frozenset[str]:
    names = getattr(grant_class, attribute, ())
    if isinstance(names, str) or not all(isinstance(each, str) for each in names):
        raise SettingError(
            _KEY, f"{_name_class(grant_class)}.{attribute} must be several texts, such as ('assertion',)"
        )
    return frozenset(names)


def _read_short_name(grant_class: Any) -> str | None:
    name = getattr(grant_class, "SHORT_NAME", None)
    if name is not None and not (isinstance(name, str) and _SHORT_NAME.fullmatch(name)):
        raise SettingError(_KEY, f"{_name_class(grant_class)}.SHORT_NAME must be a word such as 'voucher'")
    return name


def _name_class(grant_class: Any) -> str:
    return f"{grant_class.__module__}.{grant_class.__qualname__}"
