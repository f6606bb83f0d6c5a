"""The limits that the settings describe."""

from __future__ import annotations

from ...caching import build_region
from ...errors import SettingError
from ..rates import MAX_PERIOD_SECONDS
from ..settings import PREFIX, ServerSettings
from .limits import Limits
from .tries import Tries

__all__ = ["build_limits"]


def build_limits(settings: ServerSettings, secret: str) -> Limits:
    """The limits of the settings.

    :param secret: known to all processes of this server only; the keys in a shared cache are hashed with it.
    :raises SettingError: the cache can't be configured.
    """
    names = (
        "failures",
        "token",
        "introspection",
        "revocation",
        "device_authorization",
        "registration",
        "documents",
        "sign_in",
    )
    rates = {name: getattr(settings, f"limits_{name}") for name in names} if settings.limits else {}
    found = {name: rate for name, rate in rates.items() if rate is not None}
    return Limits(found, _build_tries(settings, secret), ipv6_prefix=settings.limits_ipv6_prefix)


def _build_tries(settings: ServerSettings, secret: str) -> Tries:
    if not settings.limits_cache:
        return Tries()
    try:
        return Tries(build_region("limits", settings.limits_cache, expiration_time=MAX_PERIOD_SECONDS, secret=secret))
    except Exception as error:  # dogpile and its backends raise errors of any class
        raise SettingError(f"{PREFIX}.limits.cache.*", f"can't be configured: {error}") from error
