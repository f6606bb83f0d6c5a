"""The demo data: clients, a user and customers with public secrets. Made only with ``example.demo = true``."""

from __future__ import annotations

import logging
from typing import Any, Final

from pyramid.config import Configurator
from pyramid.events import ApplicationCreated
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError, OperationalError

from pyramid_oauthguard.errors import UnavailableError
from pyramid_oauthguard.outages import name_cause

from .database import open_session
from .documents import CLIENT_ID, build_redirect_uri
from .models import Customer, User
from .parts import Parts
from .settings import read_example
from .users import hash_password

__all__ = ["API_SECRET", "CLIENTS", "MANAGER", "MANAGER_SECRET", "PASSWORD", "USER"]

MANAGER: Final = "customer-manager"
MANAGER_SECRET: Final = "customer-manager-secret"  # noqa: S105  # known to everybody, as the README prints it
#: The demo clients; the self-check warns of them.
CLIENTS: Final = (MANAGER, "customer-manager-api", "customer-cli", "customer-assistant", CLIENT_ID)
USER: Final = "demo"
PASSWORD: Final = "demo"  # noqa: S105  # shown on the home page
API_SECRET: Final = "customer-manager-api-secret"  # noqa: S105  # known to everybody, as the docs print it

_log = logging.getLogger(__name__)
_LOOPBACK: Final = ("http://127.0.0.1/callback", "http://[::1]/callback")
_SCOPES: Final = ("customer_api", "read:messages")


def includeme(config: Configurator) -> None:
    """Make what is missing once the application stands, on every start."""
    config.include(".self_check")
    if read_example(config.get_settings()).demo:
        config.add_subscriber(_make_demo_data, ApplicationCreated)


def _make_demo_data(event: ApplicationCreated) -> None:
    registry = event.app.registry
    _log.warning("example.demo is on: there are clients and a user with public secrets.")
    try:
        _make_rows(registry)
        if any(key.startswith("oauthguard.server.") for key in registry.settings):
            _make_clients(registry)
            if registry["example_app.parts"].tour:
                _make_docs_client(registry)
    except (OperationalError, UnavailableError) as error:
        # A later start makes them, and an earlier one has probably done so.
        _log.error("Whether the demo data is there is not known: %s", name_cause(error))


def _make_rows(registry: Any) -> None:
    """User and customers in one transaction, so that of two processes that start together one makes them."""
    with open_session(registry) as db:
        if db.scalar(select(User.id).where(User.name == USER)):
            return
        db.add(User(name=USER, password_hash=hash_password(PASSWORD)))
        db.add_all([Customer(name="Ada Lovelace", balance=0), Customer(name="Grace Hopper", balance=12_50)])
        try:
            db.commit()
        except IntegrityError:
            db.rollback()  # the other process was first


def _make_clients(registry: Any) -> None:
    # Not at the top: an API on its own runs without the server's libraries.
    from pyramid_oauthguard.server.clients import get_clients

    _make_client(
        get_clients(registry),
        "Customer manager",
        client_id=MANAGER,
        secret=MANAGER_SECRET,
        redirect_uris=_LOOPBACK,
        grants=("client_credentials", "authorization_code", "refresh_token"),
        scopes=_SCOPES,
    )
    _make_client(
        get_clients(registry),
        "Customer manager API",
        client_id="customer-manager-api",
        secret=API_SECRET,
        role="resource_server",
    )
    _make_client(
        get_clients(registry),
        "Customers on the command line",
        client_id="customer-cli",
        public=True,
        redirect_uris=_LOOPBACK,
        grants=("authorization_code", "refresh_token", "device_code"),
        scopes=_SCOPES,
    )
    resource = read_example(registry.settings).mcp
    if resource is not None:
        _make_client(
            get_clients(registry),
            "Assistant",
            client_id="customer-assistant",
            public=True,
            redirect_uris=_LOOPBACK,
            grants=("authorization_code", "refresh_token", "device_code"),
            scopes=("customers:read", "customers:charge"),
            audiences=(resource,),
        )


def _make_docs_client(registry: Any) -> None:
    """The one public client of Swagger UI and the tour. Its only address is the page to which its users come back."""
    from pyramid_oauthguard.server.clients import get_clients

    parts: Parts = registry["example_app.parts"]
    _make_client(
        get_clients(registry),
        "Customers API documentation",
        client_id=CLIENT_ID,
        public=True,
        redirect_uris=(build_redirect_uri(parts.issuer),),
        grants=("authorization_code",),
        scopes=_SCOPES,
    )


def _make_client(clients: Any, name: str, *, client_id: str, **registration: Any) -> None:
    from pyramid_oauthguard.server.clients import RegistrationError

    if clients.find(client_id) is not None:
        return
    try:
        clients.create(name, client_id=client_id, **registration)
    except RegistrationError:
        if clients.find(client_id) is None:  # otherwise another process was first
            raise
