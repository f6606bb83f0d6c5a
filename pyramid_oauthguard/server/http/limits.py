"""Limits on attempts: per client and address, in windows of fixed length.

Limits protect the server's time, and secrets that people chose: passwords, and client secrets that were not made here.
The secrets that this server makes cannot be guessed, and neither can signatures. So no other caller can lock out a
client with such a secret by failing in its name or from its address: at a limit of failures they are still checked.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, NoReturn

from pyramid.request import Request

from ...outages import Outages
from ...telemetry.counting import note
from ..addresses import IPV6_PREFIX, UNKNOWN, find_network, is_cross_site
from ..opaque import is_client_secret
from ..rates import Rate
from ..request_ids import find_request_id
from .errors import InvalidClientError, OAuth2Error
from .guesses import Guess
from .tries import Tries

__all__ = ["Attempt", "CrossSiteError", "Guess", "Limits", "TooManyRequestsError"]

log = logging.getLogger("pyramid_oauthguard.server")
#: Endpoints that store something for any caller who knows the id of a public client.
_STORING: Final = frozenset({"device_authorization"})
#: One address may fail for this many clients at once: a whole company may share it.
_ADDRESS_FACTOR: Final = 5


class TooManyRequestsError(OAuth2Error):
    """RFC 6585 section 4; RFC 6749 defines no error code for it.

    :ivar retry_after: in seconds.
    """

    error = "temporarily_unavailable"
    status_code = 429

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"Too many requests: try again in {retry_after} seconds.")
        self.retry_after = retry_after


class CrossSiteError(OAuth2Error):
    """A page of another site made a browser send this; it was neither checked nor counted."""

    error = "invalid_request"
    status_code = 403


class Limits:
    """Counts tries under names; a name without a rate is not limited.

    :param ipv6_prefix: IPv6 addresses that share this many first bits count as one address.
    """

    def __init__(self, rates: Mapping[str, Rate], tries: Tries, *, ipv6_prefix: int = IPV6_PREFIX) -> None:
        self._rates = rates
        self._tries = tries
        self._ipv6_prefix = ipv6_prefix
        self._has_warned = False
        self._refusals = Outages(log, counted="refusals")  # or callers could fill the log with their guesses

    def hit(self, request: Request, name: str, who: str) -> None:
        """Count one try of ``who`` from this request's address, which may try five times as often in total: otherwise
        an attacker who tries one password with every name would never be stopped.

        An application calls it before it checks a password, and after it refused what pages of other sites send
        (:func:`pyramid.csrf.check_csrf_token`): ``limits.hit(request, "sign_in", user_name)``.

        NOT limited if the WSGI server does not know the address: a caller that tries one name after another.

        :param name: of the limit: ``sign_in``, or one of the endpoints'.
        :param who: the client id or user name that is tried; any text.
        :raises TooManyRequestsError: there were too many. It is an answer's body and status, with ``retry_after``.
        """
        rate = self._rates.get(name)
        if rate is None:
            return
        address = self._find_address(request)
        wait = self._tries.fetch_wait(name, (address,), rate, factor=_ADDRESS_FACTOR) if address else 0.0
        wait = wait or self._tries.take(name, (who, address), rate)
        if wait:
            self._refuse(request, name, address, wait)
        if address:
            self._tries.add(name, (address,), rate)

    def is_over(self, name: str, key: tuple[str, ...], *, factor: int = 1) -> bool:
        """Count one try under a key; True, and not counted, if there were too many."""
        rate = self._rates.get(name)
        return rate is not None and self._tries.take(name, key, rate, factor=factor) > 0

    def watch(self, request: Request, endpoint: str, *, guess: Guess | None = None) -> Attempt:
        """For a ``with`` statement in which a client authenticates: counts its failures there, and what it may do.

        :param guess: what else it presents, which is only checked once the client is authenticated.
        """
        return Attempt(self, request, endpoint, self._find_address(request), is_cross_site(request), guess)

    def open_guess(self, request: Request, *, is_shared_with: Callable[[str], bool]) -> Guess:
        """Count a possible wrong guess for this address, before it is checked.

        NOT limited where the WSGI server does not know the address.

        :param is_shared_with: whether scripts of an origin may call this endpoint.
        :raises TooManyRequestsError: this address guessed wrong too often.
        :raises CrossSiteError: a page of another site sent it.
        """
        if is_cross_site(request):
            _check_origin(request, is_shared_with)
        guess = Guess(self, request, self._find_address(request))
        if guess.address:
            guess.take((guess.address,), factor=_ADDRESS_FACTOR)
        return guess

    def _find_address(self, request: Request) -> str:
        address = find_network(request, ipv6_prefix=self._ipv6_prefix)
        if address == UNKNOWN and self._rates and not self._has_warned:
            self._has_warned = True
            log.warning(
                "the WSGI server does not know the addresses of callers: limits per address are not applied. "
                "Tell it which proxy to trust"
            )
        return address

    def _fetch_failure_wait(self, client_id: str, address: str) -> float:
        """The number of seconds for which this client or this address may not guess again."""
        rate = self._rates.get("failures")
        if rate is None:
            return 0.0
        tries = self._tries
        wait = tries.fetch_wait("failures", (address,), rate, factor=_ADDRESS_FACTOR) if address else 0.0
        return wait or (tries.fetch_wait("failures", (client_id, address), rate) if client_id else 0.0)

    def _add_failure(self, client_id: str, address: str) -> None:
        rate = self._rates.get("failures")
        if rate is None:
            return
        if address:
            self._tries.add("failures", (address,), rate)
        if client_id:
            self._tries.add("failures", (client_id, address), rate)

    def _take_failure(self, request: Request, client_id: str, address: str) -> None:
        """Count a failure before a check that costs much; :meth:`_give_failure_back` takes it back."""
        rate = self._rates.get("failures")
        if rate is None:
            return
        wait = self._tries.take("failures", (address,), rate, factor=_ADDRESS_FACTOR) if address else 0.0
        wait = wait or self._tries.take("failures", (client_id, address), rate)
        if wait:
            self._refuse(request, "failures", address, wait)

    def _give_failure_back(self, client_id: str, address: str) -> None:
        rate = self._rates.get("failures")
        if rate is None:
            return
        for key in ((address,), (client_id, address)) if address else ((client_id, address),):
            self._tries.give_back("failures", key, rate)

    def _count(self, request: Request, name: str, key: tuple[str, str]) -> None:
        rate = self._rates.get(name)
        wait = 0.0 if rate is None else self._tries.take(name, key, rate)
        if wait:
            self._refuse(request, name, key[-1], wait)

    def _refuse(self, request: Request, name: str, address: str, wait: float) -> NoReturn:
        note("limits_reached", name)
        place = address or "an unknown address"
        text = f"request {find_request_id(request)}: limit {name} reached from {place}"
        self._refusals.report(f"{name} {place}", text, level=logging.WARNING)
        raise TooManyRequestsError(max(1, math.ceil(wait)))


@dataclass
class Attempt:
    """One request of a client that is not known yet; see :meth:`Limits.watch`.

    :ivar cross_site: a page of another site made a browser send it, or a program claims so. Its failures are not
        counted, so nothing in it that could be a guess is checked.
    """

    limits: Limits
    request: Request
    endpoint: str
    address: str
    cross_site: bool
    guess: Guess | None = None
    client_id: str = ""
    wait: float = 0.0
    is_counted: bool = False

    def __enter__(self) -> Attempt:
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        """:raises TooManyRequestsError: it failed, and this client or this address did so too often before."""
        if self.guess is not None and isinstance(error, OAuth2Error):
            self.guess.take_back()  # it was not judged
        if isinstance(error, InvalidClientError):
            self.fail()

    def name(self, client_id: str, secrets: Iterable[str]) -> None:
        """Record which client the request claims to be.

        :param secrets: the client secret; one that this server did not make could be guessed.
        :raises TooManyRequestsError: it could be guessed, and this client or this address failed too often.
        :raises CrossSiteError: it could be guessed, and would not be counted.
        """
        self.client_id = client_id
        self.wait = self.limits._fetch_failure_wait(client_id, self.address)
        guessable = (self.cross_site or self.wait) and not all(map(is_client_secret, secrets))
        if guessable and self.cross_site:
            raise CrossSiteError("A page of another site may not send a client secret that this server did not make.")
        if guessable:
            self._refuse()

    def check_site(self, is_shared_with: Callable[[str], bool]) -> None:
        """Refuse pages of other sites before a request of a public client is counted: they must not use up its limit.

        :param is_shared_with: whether scripts of an origin may call this endpoint.
        :raises CrossSiteError: a page of another site sent it.
        """
        if self.cross_site:
            _check_origin(self.request, is_shared_with)

    def count_ahead(self) -> None:
        """Count a failure before a check that costs much, so that simultaneous requests cannot exceed the limit.
        :meth:`succeed` takes it back.

        :raises TooManyRequestsError: there were too many.
        """
        self.limits._take_failure(self.request, self.client_id, self.address)
        self.is_counted = True

    def succeed(self) -> None:
        """The client is authenticated: count its request.

        :raises TooManyRequestsError: it did so too often, or guessed wrong too often.
        """
        if self.is_counted:
            self.limits._give_failure_back(self.client_id, self.address)
            self.is_counted = False
        self.limits._count(self.request, self.endpoint, (self.client_id, self.address))
        self._take_guess()

    def identify(self) -> None:
        """The request names a client that need not prove itself, as any caller can: count it.

        NOT counted where the WSGI server does not know the address, unless the request stores something: one caller could use up
        what all programs with this client id may do.

        :raises TooManyRequestsError: see :meth:`succeed`.
        """
        if self.address or self.endpoint in _STORING:
            self.limits._count(self.request, self.endpoint, (self.client_id, self.address))
        self._take_guess()

    def fail(self) -> None:
        """The authentication failed.

        :raises TooManyRequestsError: it may not fail any more for now.
        """
        if self.is_counted:
            return
        self.wait = self.wait or self.limits._fetch_failure_wait(self.client_id, self.address)
        if self.wait:
            self._refuse()
        if not self.cross_site:
            self.limits._add_failure(self.client_id, self.address)

    def _take_guess(self) -> None:
        if self.guess is not None:
            self.guess.take((self.client_id, self.address))

    def _refuse(self) -> NoReturn:
        self.limits._refuse(self.request, "failures", self.address, self.wait)


def _check_origin(request: Request, is_shared_with: Callable[[str], bool]) -> None:
    if not is_shared_with(request.headers.get("Origin", "")):
        raise CrossSiteError("A page may call this only from the origin of a redirect URI of a public client.")
