"""``token_require={"once": True}``: a token is accepted once, by its ``jti``."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable, Iterable, MutableMapping
from typing import Any, Final

from ..access_token import AccessToken
from ..errors import InvalidToken, SettingError
from ..one_time import MEMORY, Uses, build_uses
from ..settings import as_bool
from .settings import PREFIX, GuardSettings

__all__ = ["Once", "build_once", "find_once", "spend"]

logger = logging.getLogger("pyramid_oauthguard")

_SPENT: Final = "pyramid_oauthguard.spent"


class Once:
    """A requirement in two steps. Called as the others are, it only asks whether the token can be used up; :meth:`spend` does
    that, after all other requirements are met and for the view that answers.

    :param longest_leeway: seconds for which an expired token may still be accepted.
    """

    def __init__(self, uses: Uses, longest_leeway: float) -> None:
        self._uses = uses
        self._leeway = longest_leeway

    def __call__(self, token: AccessToken) -> None:
        """:raises InvalidToken: it has no ``jti``, or no end until which it would have to be remembered."""
        if not token.token_id:
            raise InvalidToken("missing_jti")
        if not math.isfinite(token.expires_at):
            raise InvalidToken("missing_exp")

    def spend(self, token: AccessToken, environ: MutableMapping[str, Any]) -> None:
        """Use the token up. What is done within one request counts as one use.

        :raises InvalidToken: it was used up before.
        :raises UnavailableError: it is not known whether it was.
        """
        self(token)
        name, spent = _name(token), environ.setdefault(_SPENT, set())
        if name in spent:
            return
        if not self._uses.add(name, token.expires_at + self._leeway):
            logger.warning("token refused by token_require: already_used")
            raise InvalidToken("already_used")
        spent.add(name)

    def is_spent(self, token: AccessToken) -> bool:
        """Whether it was used up. :raises UnavailableError: it is not known."""
        return self._uses.has(_name(token))


def build_once(settings: GuardSettings) -> Callable[[Any], Once]:
    """The factory of the requirement ``once``. :raises SettingError: ``oauthguard.once.*`` can't be configured."""
    uses = _build_uses(settings)
    leeway = max((each.leeway for each in settings.list_issuers()), default=settings.leeway)

    def require_once(value: Any) -> Once:
        if not as_bool(value):
            raise ValueError("must be true; leave it out of a view that accepts a token again")
        if uses is None:
            raise SettingError(
                f"{PREFIX}.once.backend",
                "is required: a view accepts each token once",
                f"dogpile.cache.redis, which all processes share; {MEMORY} if there is only one process",
            )
        return Once(uses, leeway)

    return require_once


def find_once(requirements: Iterable[Any]) -> Once | None:
    """The requirement ``once`` among these."""
    return next((each for each in requirements if isinstance(each, Once)), None)


def spend(requirements: Iterable[Any], token: AccessToken, environ: MutableMapping[str, Any]) -> None:
    """Use the token up if one of the requirements wants that. :raises OAuthGuardError: as :meth:`Once.spend`."""
    once = find_once(requirements)
    if once is not None:
        once.spend(token, environ)


def _build_uses(settings: GuardSettings) -> Uses | None:
    if not settings.once:
        return None
    try:
        return build_uses(settings.once)
    except Exception as error:  # dogpile and its backends raise any exception
        raise SettingError(f"{PREFIX}.once.backend", f"can't be used: {error}") from error


def _name(token: AccessToken) -> str:
    return json.dumps(["once", token.issuer, token.token_id])
