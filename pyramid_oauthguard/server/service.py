"""The authorization server of one application, put together at start-up and kept in its registry."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from zope.interface import Interface

from ..errors import SettingError, UnavailableError
from .audit import Tell
from .cors import Origins
from .hashing import Pepper, load_pepper
from .limits import Limits
from .settings import PREFIX, ServerSettings
from .signing import KeyRing
from .store.contract import Store
from .tokens import TokenMaker

__all__ = ["GrantEntry", "IService", "ResourceOwner", "Service", "build_pepper", "build_store", "find_service"]

log = logging.getLogger("pyramid_oauthguard.server")


class ResourceOwner(Protocol):
    """What an application answers about its users; given to ``config.set_resource_owner``.

    Without :meth:`user` and :meth:`sign_in` there is no authorization endpoint. The others may be left out: everyone may
    then approve and is active, and nobody has a name.
    """

    def user(self, request: Any) -> str | None:
        """The identifier (``sub``) of the user signed in, or None."""

    def sign_in(self, request: Any) -> Any:
        """A response that has the user sign in and come back to ``request.url``."""

    def approve(self, request: Any, authorization: Any) -> bool:
        """Whether this user may approve this request at all; ``authorization`` is an
        :class:`~pyramid_oauthguard.server.authorization_request.AuthorizationRequest`."""

    def auth_time(self, request: Any) -> float | None:
        """When the user signed in, in seconds since the epoch; becomes the claim ``auth_time``."""

    def user_name(self, subject: str) -> str | None:
        """What pages call this user."""

    def is_active(self, subject: str) -> bool:
        """Whether this user may still be acted for: the tokens of one who may not are inactive."""


@dataclass(frozen=True, slots=True)
class GrantEntry:
    """A grant that is on: Authlib's class, and the extensions it is registered with.

    :ivar added: by the application; what is presented for it may be short enough to be guessed.
    """

    grant_class: Any
    extensions: tuple[Any, ...] = ()
    added: bool = False


class IService(Interface):
    """The registry key of :class:`Service`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """Everything an endpoint needs.

    :ivar grants: the grants that are on, by grant type.
    :ivar owner: the application's answers about its users (:class:`ResourceOwner`), or None.
    :ivar tell: writes an event into the audit trail in a unit, and sends it once that is committed.
    :ivar limits: how often what may be tried.
    :ivar origins: whose scripts may read our answers.
    """

    settings: ServerSettings
    store: Store
    pepper: Pepper
    keys: KeyRing
    tokens: TokenMaker
    grants: Mapping[str, GrantEntry]
    owner: Any
    tell: Tell
    limits: Limits
    origins: Origins

    def is_active_user(self, subject: str) -> bool:
        """Whether the application still lets this user be acted for."""
        is_active = getattr(self.owner, "is_active", None)
        return is_active is None or bool(is_active(subject))


def find_service(request: Any) -> Service:
    """The service of the application that handles ``request``."""
    service: Service = request.registry.getUtility(IService)
    return service


def build_store(settings: ServerSettings) -> Store:
    """The store on SQLAlchemy; a SQLite database gets its tables now.

    :raises SettingError: the URL is none, its driver is missing, or the SQLite file can't be opened.
    """
    from .store.sqlalchemy import SQLAlchemyStore
    from .store.sqlalchemy.engine import build_engine

    try:
        engine = build_engine(settings.sqlalchemy_url)
    except (ValueError, OSError) as error:
        raise SettingError(f"{PREFIX}.sqlalchemy.url", str(error)) from None
    store = SQLAlchemyStore(engine)
    try:
        if engine.dialect.name == "sqlite":
            store.create_tables()
        store.check_tables()
    except UnavailableError as error:
        _judge_database(error, wait=engine.dialect.name != "sqlite")
    finally:
        store.close()
    return store


def _judge_database(error: UnavailableError, *, wait: bool) -> None:
    key = f"{PREFIX}.sqlalchemy.url"
    if error.reason in {"no_tables", "other_tables"}:
        raise SettingError(key, error.detail, "run: oauthguard server upgrade INI") from error
    if error.reason == "foreign_tables":
        raise SettingError(key, error.detail, "name another database") from error
    if not wait:
        raise SettingError(key, f"can't be opened: {error.detail}") from error
    log.warning("the database can't be reached yet: %s", error)  # it may come; until then answers are 503


def build_pepper(settings: ServerSettings, *, own_store: bool = False) -> Pepper:
    """The pepper of the settings; for a SQLite database in memory one that lives as long as it.

    :param own_store: the application brings its store, so there is no database of ours to keep the pepper beside.
    :raises SettingError: none is named and the database is not SQLite, or the file can't be used.
    """
    from .store.sqlalchemy.engine import find_sqlite_file

    if settings.pepper_file is not None:
        return load_pepper(settings.pepper_file)
    file = find_sqlite_file(settings.sqlalchemy_url)
    if file is not None and not own_store:
        return load_pepper(file.with_name(file.name + ".pepper"))
    if settings.sqlalchemy_url.startswith("sqlite") and not own_store:
        return Pepper(secrets.token_bytes(32))
    raise SettingError(f"{PREFIX}.pepper_file", "is required with this storage", "name a file that only we can read")
