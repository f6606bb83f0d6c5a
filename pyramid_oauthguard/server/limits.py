"""How often something may be tried: per client and address, in windows of fixed length.

Tries are counted in this process's memory, or in the dogpile region that the settings name. Counting there is a read and a
write: between processes a few tries can go uncounted, never more than there are processes for each that is counted.

What a limit protects is the server's time and people's passwords. The secrets that this server makes can't be guessed.
"""

from __future__ import annotations

import ipaddress
import logging
import math
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final, NoReturn

from authlib.oauth2.base import OAuth2Error
from authlib.oauth2.rfc6749.errors import InvalidClientError
from dogpile.cache import CacheRegion
from dogpile.cache.api import NO_VALUE

from ..bounded import BoundedMap
from ..caching import build_region, read_number
from ..errors import SettingError
from .rates import MAX_PERIOD, Rate
from .request_ids import find_request_id
from .settings import PREFIX, ServerSettings

__all__ = ["Attempt", "Limits", "TooManyRequestsError", "build_limits"]

log = logging.getLogger("pyramid_oauthguard.server")
_STRIPES: Final = 64
_LONGEST: Final = 255  # of a client id; user names are shorter
_SIZE: Final = 20_000
#: One address may fail for so many clients at once: it may be a company's.
_ADDRESS_FACTOR: Final = 5


class TooManyRequestsError(OAuth2Error):
    """RFC 6585 section 4; RFC 6749 has no code of its own for it.

    :ivar retry_after: in seconds.
    """

    error = "temporarily_unavailable"
    status_code = 429

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"Too many requests: try again in {retry_after} seconds.")
        self.retry_after = retry_after


class Limits:
    """Counts tries under names; a name without a rate is not limited.

    :param counts: a region; or a map where nobody else counts, which needn't be asked for what was never counted.
    """

    def __init__(self, rates: Mapping[str, Rate], counts: CacheRegion | BoundedMap) -> None:
        self._rates = rates
        self._region = counts
        self._alone = isinstance(counts, BoundedMap)
        self._ends: dict[str, float] = {}  # by when each window has ended in which something was counted under a name
        self._locks = tuple(threading.Lock() for _ in range(_STRIPES))

    def hit(self, request: Any, name: str, who: str) -> None:
        """Count one try of ``who`` from this request's address, which may try five times as often in all: else a thief who
        tries one password with every name would never be stopped.

        An application calls it before it checks a password: ``limits.hit(request, "sign_in", user_name)``.

        :param name: of the limit: ``sign_in``, or one of the endpoints'.
        :param who: the client id or user name that is tried; any text.
        :raises TooManyRequestsError: there were too many. It is an answer's body and status, with ``retry_after``.
        """
        address = _find_address(request)
        self._check(request, name, (address,), factor=_ADDRESS_FACTOR)
        self._count(request, name, (who, address))
        self._add(name, (address,))

    @contextmanager
    def watch(self, request: Any, endpoint: str) -> Iterator[Attempt]:
        """Count what a client tries inside, and its failures to authenticate.

        :raises TooManyRequestsError: this address failed too often; from :meth:`Attempt.name` where this client did.
        """
        attempt = Attempt(self, request, endpoint, _find_address(request))
        self._check(request, "failures", (attempt.address,), factor=_ADDRESS_FACTOR)
        try:
            yield attempt
        except InvalidClientError:
            self._add("failures", (attempt.address,))
            self._add("failures", (attempt.client_id, attempt.address))
            raise

    def _count(self, request: Any, name: str, key: tuple[str, ...]) -> None:
        """Check and add in one step."""
        rate = self._rates.get(name)
        if rate is None:
            return
        now, place = time.time(), _as_key(name, key)
        with self._locks[hash(key) % _STRIPES]:
            count, end = self._read(place, rate, now)
            if count < rate.count:
                self._ends[name] = now + rate.period
                self._region.set(place, [count + 1, end])
                return
        self._refuse(request, name, key, end - now)

    def _check(self, request: Any, name: str, key: tuple[str, ...], *, factor: int = 1) -> None:
        rate = self._rates.get(name)
        if rate is None:
            return
        now = time.time()
        if self._alone and now >= self._ends.get(name, 0.0):
            return
        count, end = self._read(_as_key(name, key), rate, now)
        if count >= rate.count * factor:
            self._refuse(request, name, key, end - now)

    def _refuse(self, request: Any, name: str, key: tuple[str, ...], wait: float) -> NoReturn:
        log.warning("request %s: limit %s reached from %s", find_request_id(request), name, key[-1])
        raise TooManyRequestsError(max(1, math.ceil(wait)))

    def _add(self, name: str, key: tuple[str, ...]) -> None:
        rate = self._rates.get(name)
        if rate is None:
            return
        place = _as_key(name, key)
        with self._locks[hash(key) % _STRIPES]:
            now = time.time()
            count, end = self._read(place, rate, now)
            self._ends[name] = now + rate.period
            self._region.set(place, [count + 1, end])

    def _read(self, place: str, rate: Rate, now: float) -> tuple[float, float]:
        """How often in the window that ends when; others may write to a shared cache, so anything may be in it."""
        found = self._region.get(place)
        if found is not NO_VALUE and isinstance(found, list) and len(found) == 2:
            count, end = map(read_number, found)
            if count is not None and end is not None and now < end <= now + rate.period:
                return count, end
        return 0, now + rate.period


@dataclass
class Attempt:
    """One request of a client that is not known yet."""

    limits: Limits
    request: Any
    endpoint: str
    address: str
    client_id: str = ""

    def name(self, client_id: str) -> None:
        """Say who it claims to be.

        :raises TooManyRequestsError: too many requests, or too many failures, of this client from this address.
        """
        self.client_id = client_id
        key = (client_id, self.address)
        self.limits._check(self.request, "failures", key)
        self.limits._count(self.request, self.endpoint, key)


def build_limits(settings: ServerSettings, secret: str) -> Limits:
    """The limits of the settings.

    :param secret: what all processes of this server know and nobody else: keys of a shared cache are hashed with it.
    :raises SettingError: the cache can't be configured.
    """
    names = ("failures", "token", "introspection", "revocation", "device_authorization", "sign_in")
    rates = {name: getattr(settings, f"limits_{name}") for name in names} if settings.limits else {}
    found = {name: rate for name, rate in rates.items() if rate is not None}
    if not settings.limits_cache:
        return Limits(found, BoundedMap(_SIZE))
    try:
        region = build_region("limits", settings.limits_cache, expiration_time=MAX_PERIOD, secret=secret)
    except Exception as error:  # dogpile and its backends raise whatever they like
        raise SettingError(f"{PREFIX}.limits.cache.*", f"can't be configured: {error}") from error
    return Limits(found, region)


def _find_address(request: Any) -> str:
    """Where the request came from as the WSGI server says. Behind a proxy that server has to be told to trust it.

    Of IPv6 it is the network: whoever has one address there has 2^64 of them.
    """
    address: str = request.remote_addr or "-"
    if ":" not in address:
        return address
    try:
        found = ipaddress.IPv6Address(address.partition("%")[0])
    except ValueError:
        return address
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.IPv6Network((found, 64), strict=False))


def _as_key(name: str, key: tuple[str, ...]) -> str:
    # Lengths, so that no client id can be made to look like another one with another address.
    for part in key:
        text = part if part.isascii() else part.encode("utf-8", "backslashreplace").decode()
        if len(text) > _LONGEST:  # a flood of long names must not fill the memory that as many short ones may
            text = sha256(text.encode()).hexdigest()
        name += f" {len(text)}:{text}"
    return name
