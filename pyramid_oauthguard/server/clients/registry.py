"""The registry of clients: what an application, a command or a test calls to create, rotate and revoke them.

::

    from pyramid_oauthguard.server.clients import get_clients

    clients = get_clients(config.registry)  # once the configuration is committed; request.registry in a view
    made = clients.create("Customer manager", grants=("client_credentials",), scopes=("customer_api",))
    made.client.client_id, made.secret  # the secret is shown this once
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Unpack

from zope.interface import Interface, implementer

from ...includes import require_included
from ..audit import Tell
from ..events import (
    ClientCreated,
    ClientEdited,
    ClientKeysReplaced,
    ClientRevoked,
    ClientSecretRevoked,
    ClientSecretRotated,
)
from ..grant_types import GrantDeclaration, RegistrationError
from ..hashing import Pepper
from ..opaque import make_client_id
from ..store.contract import Store, Unit
from ..store.records import CLIENT, Client, ClientSecret
from .fields import ClientChanges, ClientFields
from .key_sources.shared import close_shared_key
from .keys import as_key_set
from .logos import read_logo
from .registration import (
    change_client,
    check_described_here,
    check_has_keys,
    check_has_room,
    check_has_secret,
    draft_client,
    move_keys,
    require_live,
)
from .secrets.making import make_first_secret, make_secret
from .versions import check_version

__all__ = ["ClientRegistry", "IClientRegistry", "MadeClient", "MadeSecret", "RegistrationError", "get_clients"]

ROTATION_OVERLAP_SECONDS = 7 * 86400.0
_MAX_OVERLAP_SECONDS = 3650 * 86400.0
_MAX_LABEL_CHARACTERS = 255


class IClientRegistry(Interface):
    """The registry key of the one :class:`ClientRegistry` of an application."""


@dataclass(frozen=True, slots=True)
class MadeClient:
    """A client just created. ``secret`` is None for a public client and for one with keys; it can't be read again later."""

    client: Client
    secret: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class MadeSecret:
    """A secret just made; it can't be read again later."""

    secret_id: str
    secret: str = field(repr=False)


def get_clients(registry: Any) -> ClientRegistry:
    """The client registry of the application that ``registry`` (Pyramid's) belongs to.

    :raises OAuthGuardError: the authorization server isn't included, or its configuration isn't committed yet: use
        it after ``config.commit()`` or ``config.make_wsgi_app()``, in a view, or in an ``ApplicationCreated`` subscriber.
    """
    found: ClientRegistry = require_included(registry, IClientRegistry)
    return found


@implementer(IClientRegistry)
class ClientRegistry:
    """Creates, finds, rotates and revokes clients.

    Every method is a transaction of its own that is over when it returns, and its event is sent then. With ``tm``
    (``request.tm`` under pyramid_tm) it joins that transaction instead: it holds, and its event is sent, once that
    commits.

    All methods raise :class:`~pyramid_oauthguard.errors.UnavailableError` when the storage can't be reached.
    """

    def __init__(self, store: Store, pepper: Pepper, *, grants: Mapping[str, GrantDeclaration], tell: Tell) -> None:
        self._store = store
        self._pepper = pepper
        self._grants = grants
        self._tell = tell

    def create(
        self,
        name: str,
        *,
        client_id: str | None = None,
        secret: str | None = None,
        secret_hash: str | None = None,
        public: bool = False,
        role: str = CLIENT,
        jwks: Mapping[str, Any] | str | None = None,
        tm: Any = None,
        **fields: Unpack[ClientFields],
    ) -> MadeClient:
        """Register a client.

        :param name: what people read on the consent page.
        :param client_id: chosen by the server unless given; give one for demo data and migrations only. It must never
            be a user's ``sub`` (RFC 9700 section 4.15): ids that occur as a subject here are refused.
        :param secret: made by the server unless given; a given one is the operator's responsibility.
        :param secret_hash: of a secret that another server has hashed, ``pbkdf2_sha256$iterations$salt$hash`` or SHA-256 as hexadecimal digits.
        :param public: no secret; ``client_credentials`` is then refused (RFC 6749 section 4.4).
        :param role: ``"client"``, or ``"resource_server"`` for one that may only introspect.
        :param jwks: its public keys (RFC 7517 section 5), for one that proves with a signature who it is
            (``private_key_jwt``, RFC 7523); it then has no secret unless one is given.
        :param fields: see :class:`.fields.ClientFields`.
        :raises RegistrationError: naming the argument that is wrong; also when ``client_id`` is taken.
        """
        keys = None if jwks is None else as_key_set(jwks)
        draft = draft_client(client_id or make_client_id(), public=public, role=role, jwks=keys)
        client = change_client(draft, {"name": name, **fields}, known_grants=self._grants)
        record, text = make_first_secret(self._pepper, client, given=secret, imported=secret_hash)
        with self._writing(tm) as unit:
            return MadeClient(self._add(unit, client, record), text)

    def edit(
        self, client_id: str, *, version: str | None = None, tm: Any = None, **changes: Unpack[ClientChanges]
    ) -> Client:
        """Change a client: the fields that are given, and no others. Its id, role and kind never change.

        New tokens follow at once. Access tokens that were issued before keep what they have until they expire; a refresh gives
        only what the client may still have. A ``jwks_uri`` replaces the keys that are stored.

        :param version: of the client that the editor has seen, from ``versions.find_version``; None: any.
        :param changes: see :class:`.fields.ClientChanges`.
        :raises RegistrationError: no such live client, one that a document describes, or naming the argument that is wrong; with
            the argument ``version`` if it has another one (``versions.ClientChangedError``).
        """
        with self._writing(tm) as unit:
            unit.hold_client(client_id)
            client = require_live(unit.find_client(client_id))
            check_described_here(client)
            check_version(client, version)
            changed = change_client(move_keys(client, changes), changes, known_grants=self._grants)
            pairs = {name: [getattr(client, name), getattr(changed, name)] for name in (*changes, "jwks")}
            different = {name: [old, new] for name, (old, new) in pairs.items() if old != new}
            if different:
                unit.update_client(changed, tuple(different))
                if different.pop("jwks", None):
                    self._tell(unit, ClientKeysReplaced(client_id))
                self._tell(unit, ClientEdited(client_id, different))
        return changed

    def set_logo(self, client_id: str, data: bytes | None, *, tm: Any = None) -> None:
        """Store the logo that the consent page shows, or remove it (None).

        :param data: a PNG, JPEG, GIF or WebP image of at most 64 KiB. SVG is not accepted, because it can contain scripts.
        :raises RegistrationError: no such live client, or not such an image.
        """
        logo = None if data is None else read_logo(data)
        with self._writing(tm) as unit:
            client = require_live(unit.find_client(client_id))
            if logo is not None and client.is_self_registered:
                raise RegistrationError("logo", "a client that registered itself has none")
            name = None if logo is None else logo.name
            if name != client.logo:
                unit.set_logo(client_id, logo)
                self._tell(unit, ClientEdited(client_id, {"logo": [client.logo, name]}))

    def find(self, client_id: str) -> Client | None:
        """The client with this id, also a revoked one, or None."""
        with self._store.reading() as unit:
            return unit.find_client(client_id)

    def list_all(self) -> tuple[Client, ...]:
        """All clients, the oldest first; also revoked ones, which have ``revoked_at``."""
        with self._store.reading() as unit:
            return unit.list_clients()

    def list_page(self, limit: int, *, after: str | None = None) -> tuple[Client, ...]:
        """A part of all clients, the oldest first.

        :param limit: the maximum number of rows.
        :param after: the id of the last client of the page before.
        """
        with self._store.reading() as unit:
            return unit.list_clients(limit=limit, after=after)

    def rotate_secret(
        self,
        client_id: str,
        *,
        secret: str | None = None,
        label: str = "",
        overlap: float = ROTATION_OVERLAP_SECONDS,
        tm: Any = None,
    ) -> MadeSecret:
        """Give a confidential client another secret; those it has expire ``overlap`` seconds from now at the latest.
        It may have 20 that can be used at one time.

        :raises RegistrationError: no such live client, a public one, one with too many secrets, or an argument that is wrong.
        """
        if not 0 <= overlap <= _MAX_OVERLAP_SECONDS:
            raise RegistrationError("overlap", f"must be 0 seconds to {_MAX_OVERLAP_SECONDS / 86400:g} days")
        if len(label) > _MAX_LABEL_CHARACTERS or not label.isprintable():
            raise RegistrationError("label", f"must be at most {_MAX_LABEL_CHARACTERS} printable characters")
        now = time.time()
        record, text = make_secret(self._pepper, secret, label=label, now=now)
        with self._writing(tm) as unit:
            unit.hold_client(client_id)
            client = require_live(unit.find_client(client_id))
            check_has_secret(client)
            if overlap:
                check_has_room(client, now)
            unit.limit_secrets(client_id, now + overlap)
            unit.add_secret(client_id, record)
            self._tell(unit, ClientSecretRotated(client_id, record.secret_id))
        return MadeSecret(record.secret_id, text)

    def revoke_secret(self, client_id: str, secret_id: str, *, tm: Any = None) -> None:
        """End one secret of a client at once; tokens it obtained live on.

        :raises RegistrationError: the client has no such secret.
        """
        with self._writing(tm) as unit:
            if not unit.revoke_secret(client_id, secret_id, time.time()):
                raise RegistrationError("secret_id", "is not a secret of this client")
            self._tell(unit, ClientSecretRevoked(client_id, secret_id))

    def set_shared_key(self, client_id: str, key: bytes | None, *, tm: Any = None) -> None:
        """Store the key with which a confidential client signs assertions about users (HS256), or remove it (None).

        It is encrypted at rest. Anyone who has it can act for each of the client's ``assertion_subjects``.

        :param key: 32 bytes or more.
        :raises RegistrationError: no such live client, a public one, or not such a key.
        """
        box = None if key is None else close_shared_key(self._pepper, client_id, key)
        with self._writing(tm) as unit:
            client = require_live(unit.find_client(client_id))
            if client.public or client.is_self_registered:
                raise RegistrationError("client_id", "is not a confidential client of the operator")
            unit.update_client(replace(client, shared_key=box), ("shared_key",))
            self._tell(unit, ClientKeysReplaced(client_id))

    def replace_keys(self, client_id: str, jwks: Mapping[str, Any] | str, *, tm: Any = None) -> None:
        """Give a confidential client other public keys; the old ones are not accepted from then on. For an overlap, give
        old and new ones first and the new ones alone later.

        :raises RegistrationError: no such live client, a public one, or no keys that can be used.
        """
        keys = as_key_set(jwks)
        with self._writing(tm) as unit:
            unit.hold_client(client_id)
            check_has_keys(require_live(unit.find_client(client_id)))
            unit.replace_keys(client_id, keys)
            self._tell(unit, ClientKeysReplaced(client_id))

    def revoke(self, client_id: str, *, tm: Any = None) -> None:
        """Revoke a client: it can't authenticate any more, and all its tokens are inactive at once.

        :raises RegistrationError: no such live client.
        """
        now = time.time()
        with self._writing(tm) as unit:
            require_live(unit.find_client(client_id))
            token_ids = unit.list_live_token_ids(client_id=client_id, now=now)
            unit.revoke_client(client_id, now)
            self._tell(unit, ClientRevoked(client_id, tuple(token_ids)))

    def _add(self, unit: Unit, client: Client, secret: ClientSecret | None) -> Client:
        if unit.is_subject(client.client_id):
            raise RegistrationError("client_id", "is the identifier of a user")
        if not unit.add_client(client):
            raise RegistrationError("client_id", "is taken")
        if secret is not None:
            unit.add_secret(client.client_id, secret)
        self._tell(unit, ClientCreated(client.client_id))
        return unit.find_client(client.client_id) or client

    def _writing(self, tm: Any) -> Any:
        return self._store.writing() if tm is None else self._store.join(tm)
