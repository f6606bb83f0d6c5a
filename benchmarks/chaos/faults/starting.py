"""Servers that start at a bad moment, and programs that make the tables at once."""

from __future__ import annotations

import time
from typing import Final

from ..asking import ask, basic
from ..fault import Fault, Seen
from ..project import Served, Stage

__all__ = ["FAULTS"]

_TOKEN = {"grant_type": "client_credentials"}
_UPGRADES: Final = 4
_GATHERING_SECONDS: Final = 10.0


def _ask_token(stage: Stage, served: Served) -> int:
    headers = basic(tuple(stage.given["program"]))
    return ask(served.address, "POST", "/oauth/token", _TOKEN, headers=headers, limit=10).status


def _see_recovery(stage: Stage, served: Served, meanwhile: int) -> Seen:
    back = stage.wait_for(served, lambda: _ask_token(stage, served) == 200, 20)
    text = f"meanwhile {meanwhile or 'no answer'}, then {'200' if back else 'no 200'}"
    return Seen(text if served.is_alive() else f"gunicorn ended with {served.process.poll()}", ok=back)


def _start_while_away(stage: Stage) -> Seen:
    cluster = stage.start_postgresql()
    stage.prepare()
    cluster.stop()
    served = stage.serve()
    stage.wait_for(served, lambda: ask(served.address, "GET", "/mine").status == 200, 15)
    meanwhile = _ask_token(stage, served)
    cluster.start()
    return _see_recovery(stage, served, meanwhile)


def _start_with_newer_tables(stage: Stage) -> Seen:
    cluster = stage.start_postgresql()
    stage.prepare()
    with cluster.connect() as connection:
        revision = connection.exec_driver_sql("SELECT version_num FROM oauth_alembic_version").scalar()
        connection.exec_driver_sql("UPDATE oauth_alembic_version SET version_num = '9999'")
        served = stage.serve()
        stage.wait_for(served, lambda: ask(served.address, "GET", "/mine").status == 200, 15)
        meanwhile = _ask_token(stage, served)
        connection.exec_driver_sql(f"UPDATE oauth_alembic_version SET version_num = '{revision}'")  # noqa: S608  # ours
    return _see_recovery(stage, served, meanwhile)


def _start_example(stage: Stage) -> Seen:
    """Both halves in one process, restarted while their database can't be reached."""
    cluster = stage.start_postgresql()
    issuer = stage.settings["oauthguard.server.issuer"]
    stage.settings |= {
        "sqlalchemy.url": cluster.url,
        "example.demo": "true",
        "example.session_secret_file": str(stage.folder / "session.key"),
        "oauthguard.issuer": issuer,
        "oauthguard.audience": stage.settings["oauthguard.server.audience"],
    }
    stage.set(scopes="customer_api = Customers\nread:messages = Messages", default_scopes="customer_api")
    first = stage.serve(app="build_example")
    stage.wait_for(first, lambda: ask(first.address, "GET", "/api/public").status == 200, 30)
    first.stop()
    cluster.stop()
    served = stage.serve(app="build_example")
    started = stage.wait_for(served, lambda: ask(served.address, "GET", "/api/public").status == 200, 20)
    cluster.start()
    headers = basic(("customer-manager", "customer-manager-secret"))

    def obtain() -> bool:
        return ask(served.address, "POST", "/oauth/token", _TOKEN, headers=headers, limit=10).status == 200

    back = stage.wait_for(served, obtain, 20)
    text = f"open view {'200' if started else 'no answer'}, then tokens {'200' if back else 'no 200'}"
    return Seen(text if served.is_alive() else f"gunicorn ended with {served.process.poll()}", ok=started and back)


def _upgrade_at_once(stage: Stage) -> Seen:
    cluster = stage.start_postgresql()
    with cluster.connect() as connection:
        connection.exec_driver_sql("DROP SCHEMA public CASCADE")
        connection.exec_driver_sql("CREATE SCHEMA public")
        # Until all of them are there, each waits for this table, which then is not made.
        connection.exec_driver_sql("BEGIN")
        connection.exec_driver_sql("CREATE TABLE oauth_alembic_version (version_num VARCHAR(32) NOT NULL)")
        running = [stage.upgrade() for _ in range(_UPGRADES)]
        time.sleep(_GATHERING_SECONDS)
        connection.exec_driver_sql("ROLLBACK")
    failed = sum(process.wait(90) != 0 for process in running)
    return Seen(f"{failed} of {_UPGRADES} failed", ok=failed == 0)


def _lose_pepper(stage: Stage) -> Seen:
    stage.prepare()
    (stage.folder / "pepper").unlink()
    served = stage.serve()
    started = stage.wait_for(served, lambda: ask(served.address, "GET", "/mine").status == 200, 20)
    made = (stage.folder / "pepper").exists()
    named = "pepper_file" in served.read_log()
    text = f"start-up {'went on' if started else 'stopped'}, a new pepper was {'' if made else 'not '}made"
    return Seen(text, ok=not started and not made and named)


FAULTS = (
    Fault("start: the database is away", "503, and 200 once it is back, without another start", _start_while_away),
    Fault("start: the example's database is away", "open views 200, and tokens once it is back", _start_example),
    Fault("start: the tables are of a newer release", "503, and 200 once they fit", _start_with_newer_tables),
    Fault("start: four upgrades at once", "none fails", _upgrade_at_once),
    Fault("start: the pepper is lost", "start-up stops and names it; none is made", _lose_pepper),
)
