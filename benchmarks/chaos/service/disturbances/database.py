"""A PostgreSQL that goes, stops, refuses or is full."""

from __future__ import annotations

import time
from contextlib import ExitStack, suppress
from typing import Final

import sqlalchemy as sa

from ..disturbance import ROOT, Disturbance
from ..system import System

__all__ = ["DISTURBANCES"]

_TABLES: Final = ("oauth_access_tokens", "oauth_refresh_tokens")
_NAME: Final = "chaos"
_END_OTHERS: Final = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend' AND application_name <> '{_NAME}'"  # noqa: S608  # ours
_SEGMENTS: Final = 12
_ROUNDS: Final = 4
_MANY: Final = 200


def _restart(system: System) -> None:
    system.cluster.stop()
    system.cluster.start()


def _stop(system: System) -> None:
    system.cluster.stop()


def _start(system: System, _state: object) -> None:
    system.cluster.start()


def _freeze(system: System) -> None:
    system.cluster.freeze()


def _thaw(system: System, _state: object) -> None:
    system.cluster.thaw()


def _refuse_writes(system: System) -> None:
    _set_read_only(system, "on")


def _allow_writes(system: System, _state: object) -> None:
    _set_read_only(system, "off")


def _set_read_only(system: System, value: str) -> None:
    with system.cluster.connect() as connection:
        connection.exec_driver_sql("SET default_transaction_read_only = off")
        connection.exec_driver_sql(f"ALTER SYSTEM SET default_transaction_read_only = {value}")
        connection.exec_driver_sql("SELECT pg_reload_conf()")


def _use_up_connections(system: System) -> ExitStack:
    """Take every connection, and end the sessions of the service. It may have been faster in a round, so there are several."""
    stack = ExitStack()
    named = {"application_name": _NAME}
    engine = sa.create_engine(
        system.cluster.url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT", connect_args=named
    )
    admin = stack.enter_context(engine.connect())
    for _ in range(_ROUNDS):
        with suppress(sa.exc.OperationalError):
            for _number in range(_MANY):
                stack.enter_context(engine.connect())
        admin.exec_driver_sql(_END_OTHERS)
    return stack


def _lock(system: System) -> ExitStack:
    stack = ExitStack()
    connection = stack.enter_context(system.cluster.connect())
    connection.exec_driver_sql("BEGIN")
    for table in _TABLES:
        connection.exec_driver_sql(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
    return stack


def _close(_system: System, stack: ExitStack) -> None:
    stack.close()


def _fill_disk(system: System) -> None:
    """PostgreSQL has space for its log in advance: let it use that up."""
    system.cluster.fill_disk()
    with suppress(sa.exc.OperationalError):
        for _ in range(_SEGMENTS):
            with system.cluster.connect() as connection:
                connection.exec_driver_sql("SELECT pg_switch_wal()")
            time.sleep(0.5)


def _free_disk(system: System, _state: object) -> None:
    system.cluster.free_disk()


DISTURBANCES = (
    Disturbance("database: restarted", _restart, seconds=3),
    Disturbance("database: away", _stop, _start),
    Disturbance("database: frozen", _freeze, _thaw, seconds=14),
    Disturbance("database: read-only", _refuse_writes, _allow_writes),
    Disturbance("database: out of connections", _use_up_connections, _close),
    Disturbance("database: tables are locked", _lock, _close, seconds=12),
    Disturbance("database: the disk is full", _fill_disk, _free_disk, needs=ROOT),
)
