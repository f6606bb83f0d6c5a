"""Programs that make or upgrade the tables at the same moment: one does it, none fails."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import time

import pytest
from alembic import command
from alembic.config import Config

from pyramid_oauthguard.server.store.sqlalchemy import schema
from pyramid_oauthguard.server.store.sqlalchemy.engine import build_engine

pytestmark = pytest.mark.slow

_PROGRAMS = 3

WAIT = """
import pathlib, sys, time
url, folder, name = sys.argv[1:]
go = pathlib.Path(folder, "go")
"""
UPGRADE = (
    WAIT
    + """
import alembic.command, pyramid_oauthguard.server.store.sqlalchemy.schema as schema
from pyramid_oauthguard.server.store.sqlalchemy.engine import build_engine
from pyramid_oauthguard.server.time_limits import TimeLimits
engine = build_engine(url, TimeLimits(statement=0, lock=60))
pathlib.Path(folder, name).touch()
while not go.exists():
    time.sleep(0.001)
print(*schema.upgrade(engine))
engine.dispose()
"""
)
START = (
    WAIT
    + """
from pyramid.config import Configurator
from pyramid_oauthguard.server.service import IService
config = Configurator(settings={
    "oauthguard.server.issuer": "http://localhost:6543",
    "oauthguard.server.audience": "https://api.example",
    "oauthguard.server.signing.algorithm": "ES256",
    "oauthguard.server.sqlalchemy.url": url,
    "oauthguard.server.pepper_file": f"{folder}/pepper",
})
config.include("pyramid_oauthguard.server")
pathlib.Path(folder, name).touch()
while not go.exists():
    time.sleep(0.001)
config.commit()
print(config.registry.getUtility(IService).keys.find_signer().kid)
config.registry.getUtility(IService).store.close()
"""
)


def run_at_once(program, database, folder):
    """What each of them prints."""
    names = [f"ready-{number}" for number in range(_PROGRAMS)]
    running = [
        subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(program), database, str(folder), name],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in names
    ]
    deadline = time.monotonic() + 60
    while not all((folder / name).exists() for name in names):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    (folder / "go").touch()
    done = [process.communicate(timeout=90) for process in running]
    assert [process.returncode for process in running] == [0] * _PROGRAMS, done
    return [out.strip() for out, _errors in done]


def test_upgrades_of_an_empty_database(database, tmp_path):
    said = run_at_once(UPGRADE, database, tmp_path)
    assert sorted(said) == sorted([f"None {schema.HEAD}", *[f"{schema.HEAD} {schema.HEAD}"] * (_PROGRAMS - 1)])


def test_upgrades_of_an_older_release(database, tmp_path):
    engine = build_engine(database)
    schema.upgrade(engine)
    config = Config()
    config.set_main_option("script_location", str(schema._SCRIPTS))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "0001")
    engine.dispose()
    said = run_at_once(UPGRADE, database, tmp_path)
    assert sorted(said) == sorted([f"0001 {schema.HEAD}", *[f"{schema.HEAD} {schema.HEAD}"] * (_PROGRAMS - 1)])


def test_servers_that_start_for_the_first_time(database, tmp_path):
    """They end up with one pepper and one key."""
    if not database.startswith("sqlite"):
        engine = build_engine(database)
        schema.upgrade(engine)
        engine.dispose()
    assert len(set(run_at_once(START, database, tmp_path))) == 1


@pytest.mark.needs("initdb", "pg_ctl")
def test_an_upgrade_that_waits_says_nothing_until_it_may_go_on(postgresql, tmp_path):
    from tests.server.databases import make_database

    database = make_database(postgresql)
    engine = build_engine(database)
    with engine.begin() as connection:
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({schema._UPGRADE_LOCK})")
        process = subprocess.Popen(
            [sys.executable, "-c", UPGRADE, database, str(tmp_path), "ready"], stdout=subprocess.PIPE, text=True
        )
        (tmp_path / "go").touch()
        time.sleep(3)
        assert process.poll() is None
    out, _errors = process.communicate(timeout=60)
    assert (out.split(), process.returncode) == (["None", schema.HEAD], 0)
    engine.dispose()
