"""Who the client of a request is (RFC 6749 section 2.3): its failures are counted, and secrets are compared in constant time."""

from __future__ import annotations

import hmac
import logging
import time
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import product
from typing import Final

from pyramid.request import Request

from ...errors import UnavailableError
from ...logs.marking import note_client
from ..hashing import Pepper
from ..http.limits import Attempt, Guess, Limits
from ..http.mount_point import build_url
from ..http.origins import Origins
from ..opaque import is_client_secret
from ..settings import ServerSettings
from ..store.contract import Store
from ..store.records import Client, ClientSecret
from .assertion import Assertion, RefusedError, verify_assertion
from .credentials import Credentials, build_refusal, read_credentials
from .key_sources.remote import RemoteKeys
from .live import find_live
from .secrets.imported import digest_secret

__all__ = ["TOKEN_ROUTE", "ClientAuthentication"]

log = logging.getLogger("pyramid_oauthguard.server")
TOKEN_ROUTE: Final = "oauthguard.token"  # noqa: S105  # the name of a route
_TOUCH_SECONDS: Final = 3600.0
_NO_HASH: Final = bytes(32)


@dataclass(frozen=True, slots=True)
class ClientAuthentication:
    """Authenticates clients.

    :ivar origins: the sites whose scripts may act as a public client.
    """

    store: Store
    pepper: Pepper
    settings: ServerSettings
    limits: Limits
    origins: Origins
    remote_keys: RemoteKeys

    def authenticate(
        self,
        request: Request,
        form: Mapping[str, str],
        *,
        methods: Collection[str],
        endpoint: str,
        guess: Guess | None = None,
    ) -> tuple[Client, str]:
        """The client of a request, and the method by which it authenticated.

        :param form: the parameters of the request.
        :param methods: those that the endpoint or the grant accepts.
        :param endpoint: the name of the limit that counts what the client may do.
        :param guess: what else the request presents, see :meth:`.limits.Limits.watch`.
        :raises InvalidClientError: unknown, revoked, or not proven: all of these look the same and take the same work.
        :raises InvalidRequestError: more than one client authentication.
        :raises TooManyRequestsError: the client or its address did so or failed too often.
        :raises CrossSiteError: a page of another site sent it.
        :raises UnavailableError: the storage can't be reached.
        """
        with self.limits.watch(request, endpoint, guess=guess) as attempt:
            credentials = read_credentials(request.environ.get("HTTP_AUTHORIZATION"), form)
            attempt.name(credentials.client_id, credentials.secrets)
            if credentials.method not in methods:
                raise build_refusal()
            if credentials.assertion is not None:
                client = self._accept_assertion(request, credentials.assertion, attempt)
            else:
                client = self._accept_secret(credentials, attempt)
            note_client(request, client.client_id)
            return client, credentials.method

    def _accept_secret(self, credentials: Credentials, attempt: Attempt) -> Client:
        """The client whose secret this is, or a public client without one."""
        if not credentials.secrets:
            attempt.check_site(self.origins.__contains__)
        client = self._load_client(credentials.client_id)
        if not credentials.secrets:
            if client is None or not client.public:
                raise build_refusal()
            attempt.identify()
            return client
        now, hashes = time.time(), tuple(map(self.pepper.hash_secret, credentials.secrets))
        secret = _find_secret(client.secrets if client else (), hashes, now)
        if client is not None and secret is None:
            secret = self._find_imported(client, credentials.secrets, attempt)
        if client is None or secret is None:
            raise build_refusal()
        attempt.succeed()
        self._touch(secret, now)
        return client

    def _find_imported(self, client: Client, texts: Iterable[str], attempt: Attempt) -> ClientSecret | None:
        """The live secret of this text that another server has hashed. From now on, its hash is ours.

        The attempt counts as a failure before anything is hashed. A secret of our own format is never an imported one: such
        attempts are not limited, so nothing is hashed for them.
        """
        now = time.time()
        imported = [secret for secret in client.secrets if secret.scheme is not None and secret.is_live(now)]
        guesses = [text for text in texts if not is_client_secret(text)]
        if imported and guesses:
            attempt.count_ahead()
        for secret, text in product(imported, guesses):
            hashed = self.pepper.hash_imported(digest_secret(secret.scheme or "", text))
            if hmac.compare_digest(hashed, secret.hash):
                with suppress(UnavailableError), self.store.writing() as unit:  # the next time will do
                    unit.replace_secret(secret.secret_id, self.pepper.hash_secret(text))
                return secret
        return None

    def _accept_assertion(self, request: Request, assertion: Assertion, attempt: Attempt) -> Client:
        """The client that an assertion proves, which it does once (RFC 7523 section 3)."""
        now, client = time.time(), self._load_client(assertion.client_id)
        try:
            if client is None:
                raise RefusedError("no such client")
            token_id, expires_at = verify_assertion(
                assertion, client, audiences=self._name_server(request), now=now, remote=self.remote_keys
            )
            attempt.succeed()  # before the storage is asked to remember it
            with self.store.writing() as unit:
                if not unit.add_assertion(self.pepper.hash_assertion(client.client_id, token_id), expires_at):
                    raise RefusedError("used before")
        except RefusedError as error:
            log.info("a client assertion was refused: %s", error.reason)
            raise build_refusal() from None
        return client

    def _name_server(self, request: Request) -> set[str]:
        """How an assertion may name this server: RFC 8414 knows it by the issuer; RFC 7523 and OpenID Connect name the token
        endpoint, or the one that is called."""
        routes = {TOKEN_ROUTE, request.matched_route.name}
        return {self.settings.issuer, *(build_url(request, route, self.settings) for route in routes)}

    def _load_client(self, client_id: str) -> Client | None:
        """The client with this id, unless it is revoked or has ended."""
        with self.store.reading() as unit:
            return find_live(unit, client_id, self.settings)

    def _touch(self, secret: ClientSecret, now: float) -> None:
        if secret.last_used_at is not None and 0 <= now - secret.last_used_at < _TOUCH_SECONDS:
            return
        with suppress(UnavailableError), self.store.writing() as unit:  # this write only informs the operator
            unit.touch_secret(secret.secret_id, now)


def _find_secret(secrets: tuple[ClientSecret, ...], hashes: tuple[bytes, ...], now: float) -> ClientSecret | None:
    """The live secret with one of these hashes."""
    for hashed in hashes:
        hmac.compare_digest(hashed, _NO_HASH)  # the same work where there is no secret to compare with
    matching = [secret for secret in secrets for hashed in hashes if hmac.compare_digest(hashed, secret.hash)]
    return next((secret for secret in matching if secret.is_live(now)), None)
