"""``oauthguard server client import`` and ``oauthguard server token import``: clients and live tokens of another server."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

import click

from ...errors import OAuthGuardError, UnavailableError
from ...server.clients.registry import RegistrationError, get_clients
from ...server.tokens.importing import as_foreign_tokens
from ...server.tokens.importing import import_tokens as store_tokens
from ..parameters import ini_argument, pass_run
from ..run import Run
from .application import open_application, require_service

__all__ = ["import_clients", "import_tokens"]

_RIGHT_SIZE = 1024 * 1024


@click.command("import")
@ini_argument
@click.argument("file", type=click.File("rb"), default="-")
@pass_run
def import_clients(run: Run, ini: str, file: BinaryIO) -> None:
    """Import clients of another server. FILE has one JSON object in each line; - is standard input.

    The members are `name`, `client_id`, `secret_hash` (SHA-256 as hexadecimal digits, or Django's pbkdf2_sha256) or `public`, and
    the fields of a client: `grants`, `redirect_uris`, `scopes`, and so on. Secrets in plain text are refused.
    """
    with open_application(ini) as registry:
        clients = get_clients(registry)

        def store(document: dict[str, Any]) -> bool:
            clients.create(**_check_client(document))
            return True

        done = _store_all(file, store)
    run.console.say(f"imported {done} clients")


@click.command("import")
@ini_argument
@click.argument("file", type=click.File("rb"), default="-")
@pass_run
def import_tokens(run: Run, ini: str, file: BinaryIO) -> None:
    """Import live tokens of another server. FILE has one JSON object in each line; - is standard input.

    The members are `client_id`, `subject`, `scopes`, `audiences`, `access_token` and `refresh_token` (each the SHA-256 of the token
    as hexadecimal digits), `access_token_expires_at`, `refresh_token_expires_at` and `approved_at` (seconds since the epoch). Expired
    tokens are left out.
    """
    with open_application(ini) as registry:
        service = require_service(registry)
        done = _store_all(file, lambda document: store_tokens(service, as_foreign_tokens(document)))
    run.console.say(f"imported the tokens of {done} lines")


def _store_all(file: BinaryIO, store: Callable[[dict[str, Any]], bool]) -> int:
    """Store each line in a transaction of its own. Returns how many lines were stored.

    :raises OAuthGuardError: naming the line; those before it are stored.
    """
    done = 0
    for number, line in _list_lines(file):
        try:
            document = json.loads(line)
            if not isinstance(document, dict):
                raise ValueError  # as JSON that can't be read
            done += store(document)
        except UnavailableError as error:
            raise error.repeat(f"line {number}: {error.detail or error.reason}; those before it are stored") from error
        except (OAuthGuardError, TypeError) as error:
            raise OAuthGuardError(f"line {number}: {error}") from None
        except (ValueError, RecursionError):
            raise OAuthGuardError(f"line {number}: must be a JSON object") from None
    return done


def _list_lines(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    for number, line in enumerate(iter(lambda: file.readline(_RIGHT_SIZE), b""), 1):
        if line.strip():
            yield number, line


def _check_client(document: dict[str, Any]) -> dict[str, Any]:
    """The arguments of ``ClientRegistry.create``."""
    if document.keys() & {"secret", "client_secret", "tm"}:
        raise RegistrationError("secret", "secrets in plain text are not imported: give secret_hash")
    missing = next((name for name in ("name", "client_id") if not isinstance(document.get(name), str)), None)
    if missing is not None:
        raise RegistrationError(missing, "must be a text")
    if not isinstance(document.get("public", False), bool):
        raise RegistrationError("public", "must be true or false")
    if not document.get("public") and not isinstance(document.get("secret_hash"), str) and "jwks" not in document:
        raise RegistrationError("secret_hash", "is missing; a client without a secret has public or jwks")
    return document
