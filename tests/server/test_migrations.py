"""The tables of the migrations are those of the models, on each database."""

from __future__ import annotations

import re
import time

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from pyramid.config import Configurator
from pyramid.exceptions import ConfigurationExecutionError

from pyramid_oauthguard.server.service import IService
from pyramid_oauthguard.server.store.sqlalchemy import SQLAlchemyStore, schema
from pyramid_oauthguard.server.store.sqlalchemy.engine import build_engine
from pyramid_oauthguard.server.store.sqlalchemy.models import metadata
from tests.server.databases import make_database

pytestmark = pytest.mark.slow


@pytest.fixture
def engine(database):
    engine = build_engine(database)
    yield engine
    engine.dispose()


def compare(connection):
    options = {"compare_type": True, "compare_server_default": True, "version_table": schema.VERSION_TABLE}
    return compare_metadata(MigrationContext.configure(connection, opts=options), metadata)


def read_sqlite(engine):
    """Every statement that made the database, as its clauses: constraints come in any order."""
    with engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL").scalars()
        return sorted(sorted(each.split() for each in re.split(r",(?=\s+CONSTRAINT)|[()\"]", row)) for row in rows)


def test_the_migrations_make_what_the_models_say(engine):
    assert schema.upgrade(engine) == (None, schema.HEAD)
    with engine.connect() as connection:
        assert compare(connection) == []
        schema.check_revision(connection)
    assert schema.upgrade(engine) == (schema.HEAD, schema.HEAD)


def test_on_sqlite_they_make_it_clause_by_clause(tmp_path):
    one, other = build_engine(f"sqlite:///{tmp_path}/one.sqlite"), build_engine(f"sqlite:///{tmp_path}/other.sqlite")
    schema.upgrade(one)
    SQLAlchemyStore(other).create_tables()
    assert read_sqlite(one) == read_sqlite(other)
    one.dispose()
    other.dispose()


def test_every_reference_is_found_by_an_index(engine):
    """A database looks for rows that refer to a row before it deletes that row."""
    schema.upgrade(engine)
    with engine.connect() as connection:
        found = sa.inspect(connection)
        slow = [
            (table, key["constrained_columns"])
            for table in found.get_table_names()
            for key in found.get_foreign_keys(table)
            if not any(names[:1] == key["constrained_columns"] for names in list_indexes(found, table))
        ]
    assert slow == []


def list_indexes(found, table):
    """The columns of each index, that of the primary key included."""
    made = [index["column_names"] for index in found.get_indexes(table)]
    return [*made, found.get_pk_constraint(table)["constrained_columns"]]


def test_tables_made_at_start_up_need_no_upgrade(engine):
    store = SQLAlchemyStore(engine)
    store.create_tables()
    store.create_tables()
    store.check_tables()
    assert schema.upgrade(engine) == (schema.HEAD, schema.HEAD)


def test_the_last_revision_is_the_one_that_start_up_asks_for():
    scripts = ScriptDirectory(str(schema._SCRIPTS))
    assert scripts.get_heads() == [schema.HEAD]


def downgrade(connection, revision):
    config = Config()
    config.set_main_option("script_location", str(schema._SCRIPTS))
    config.attributes["connection"] = connection
    command.downgrade(config, revision)


def test_every_revision_can_be_taken_back(engine):
    schema.upgrade(engine)
    with engine.begin() as connection:
        downgrade(connection, "base")
    with engine.connect() as connection:
        assert sa.inspect(connection).get_table_names() == [schema.VERSION_TABLE]
    assert schema.upgrade(engine) == (None, schema.HEAD)


def test_a_consent_from_before_apis_were_written_down_covers_none(engine):
    """So the user is asked once more."""
    schema.upgrade(engine)
    with engine.begin() as connection:
        downgrade(connection, "0001")
        client = dict.fromkeys(("redirect_uris", "grants", "scopes", "audiences"), "")
        client |= {"client_id": "app", "name": "App", "role": "client", "public": False, "created_at": 1}
        connection.execute(metadata.tables["oauth_clients"].insert().values(client))
        connection.exec_driver_sql(
            "INSERT INTO oauth_consents (consent_id, client_id, subject, scopes, wording, allowed_at) "
            "VALUES ('c', 'app', 'anna', 'read', '{}', 1)"
        )
    assert schema.upgrade(engine) == ("0001", schema.HEAD)
    with SQLAlchemyStore(engine).reading() as unit:
        [consent] = unit.list_consents("anna")
    assert (consent.scopes, consent.audiences) == (("read",), ())


def test_the_applications_own_migrations_are_left_alone(engine):
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
        connection.exec_driver_sql("INSERT INTO alembic_version VALUES ('theirs')")
    schema.upgrade(engine)
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalars().all() == ["theirs"]


CHANGES = (
    "UPDATE oauth_audit SET event = 'x'",
    "DELETE FROM oauth_audit",
    "INSERT INTO oauth_audit (audit_id, at, event) VALUES (1, 2, 'x') ON CONFLICT (audit_id) DO UPDATE SET event = 'x'",
)
CHANGES_OF = {
    "sqlite": "REPLACE INTO oauth_audit (audit_id, at, event) VALUES (1, 2, 'x')",
    "postgresql": "TRUNCATE oauth_audit",
}


@pytest.mark.promise("EV-01")
@pytest.mark.parametrize("how", [schema.upgrade, lambda engine: SQLAlchemyStore(engine).create_tables()])
def test_no_line_of_the_audit_trail_can_be_changed(engine, how):
    how(engine)
    with engine.begin() as connection:
        lines = [{"at": 1.0, "event": "A"}, {"at": time.time(), "event": "B"}]
        connection.execute(sa.insert(metadata.tables["oauth_audit"]), lines)
    for statement in (*CHANGES, CHANGES_OF[engine.dialect.name]):
        with pytest.raises(sa.exc.DBAPIError, match="append-only"), engine.begin() as connection:
            connection.exec_driver_sql(statement)
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT event FROM oauth_audit ORDER BY audit_id").scalars().all() == [
            "A",
            "B",
        ]


def start(database, pepper):
    config = Configurator(
        settings={
            "oauthguard.server.issuer": "http://localhost:6543",
            "oauthguard.server.audience": "https://api.example",
            "oauthguard.server.signing.algorithm": "ES256",
            "oauthguard.server.sqlalchemy.url": database,
            "oauthguard.server.pepper_file": str(pepper),
        }
    )
    config.include("pyramid_oauthguard.server")
    config.commit()
    config.registry.getUtility(IService).store.close()


@pytest.mark.needs("initdb", "pg_ctl")
def test_start_up_says_how_postgresql_gets_its_tables(postgresql, tmp_path):
    database = make_database(postgresql)
    with pytest.raises(ConfigurationExecutionError, match="oauthguard server upgrade"):
        start(database, tmp_path / "pepper")
    schema.upgrade(engine := build_engine(database))
    engine.dispose()
    start(database, tmp_path / "pepper")


def test_start_up_refuses_tables_of_another_release(engine, database, tmp_path):
    SQLAlchemyStore(engine).create_tables()
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE oauth_alembic_version SET version_num = '0000'")
    with pytest.raises(ConfigurationExecutionError, match="are of revision 0000"):
        start(database, tmp_path / "pepper")


def fill_as_of_0_1_0(connection):
    """A client, a user's grant and a consent in the tables of 0.1.0."""
    client = {"client_id": "app", "name": "App", "role": "client", "public": False, "created_at": 1}
    client |= {"redirect_uris": "https://app.example/", "grants": "authorization_code", "scopes": "a", "audiences": "b"}
    names = ", ".join(client)
    values = ", ".join(f":{name}" for name in client)
    connection.execute(sa.text(f"INSERT INTO oauth_clients ({names}) VALUES ({values})"), client)  # noqa: S608
    connection.exec_driver_sql(
        "INSERT INTO oauth_consents (consent_id, client_id, subject, scopes, wording, allowed_at) "
        "VALUES ('c', 'app', 'anna', 'a', '{}', 1)"
    )
    connection.exec_driver_sql(
        "INSERT INTO oauth_grants (grant_id, client_id, subject, scopes, audiences, created_at) "
        "VALUES ('g', 'app', 'anna', 'a', 'b', 1)"
    )


RELEASE_0_1_0 = "0004"


FILLED = {
    "oauth_clients": [
        {"client_id": "app", "name": "App", "role": "client", "public": False, "redirect_uris": "https://app.example/",
         "grants": "authorization_code refresh_token", "scopes": "read", "audiences": "", "created_at": 1.5},
        {"client_id": "cli", "name": "Cli", "role": "client", "public": True, "redirect_uris": "http://127.0.0.1/",
         "grants": "authorization_code", "scopes": "read", "audiences": "", "created_at": 2.5, "revoked_at": 3.5},
    ],
    "oauth_client_secrets": [
        {"secret_id": "s", "client_id": "app", "hash": b"1" * 32, "label": "first", "created_at": 1.5},
    ],
    "oauth_grants": [
        {"grant_id": "g", "client_id": "app", "subject": "anna", "scopes": "read", "audiences": "https://api.example",
         "created_at": 4.5, "acr": "two"},
    ],
    "oauth_consents": [
        {"consent_id": "c", "client_id": "app", "subject": "anna", "scopes": "read", "wording": "{}", "allowed_at": 4.5,
         "audiences": "https://api.example"},
    ],
    "oauth_access_tokens": [
        {"token_id": "a", "hash": b"2" * 32, "client_id": "app", "grant_id": "g", "subject": "anna", "scopes": "read",
         "audiences": "https://api.example", "issued_at": 5.5, "expires_at": 6.5},
    ],
    "oauth_refresh_tokens": [
        {"token_id": "r", "hash": b"3" * 32, "grant_id": "g", "scopes": "read", "audiences": "https://api.example",
         "issued_at": 5.5, "expires_at": 6.5},
    ],
    "oauth_assertions": [{"hash": b"4" * 32, "expires_at": 6.5}],
    "oauth_audit": [{"at": 1.5, "event": "ClientCreated", "client_id": "app"}],
}  # fmt: skip


def read_filled(connection):
    """The rows that were stored, in the columns that they were stored with."""
    return {
        table: [
            tuple(row)
            for row in connection.execute(
                sa.select(*(sa.column(name) for name in rows[0])).select_from(sa.table(table))
            )
        ]
        for table, rows in FILLED.items()
    }


def test_a_filled_database_of_0_1_0_is_upgraded_and_taken_back(engine):
    schema.upgrade(engine)
    with engine.begin() as connection:
        downgrade(connection, RELEASE_0_1_0)
        fill_as_of_0_1_0(connection)
    for _time in range(2):
        assert schema.upgrade(engine) == (RELEASE_0_1_0, schema.HEAD)
        with SQLAlchemyStore(engine).reading() as unit:
            client, grant = unit.find_client("app"), unit.find_grant("g")
            assert (client.registered_by, client.expires_at, client.is_live(2.0)) == ("operator", None, True)
            assert (grant.subject, [each.scopes for each in unit.list_consents("anna")]) == ("anna", [("a",)])
        with engine.begin() as connection:
            downgrade(connection, RELEASE_0_1_0)
            assert connection.exec_driver_sql("SELECT name, scopes FROM oauth_clients").all() == [("App", "a")]


def test_a_client_that_nobody_uses_does_not_outlive_a_downgrade(engine):
    schema.upgrade(engine)
    with engine.begin() as connection:
        downgrade(connection, RELEASE_0_1_0)
        fill_as_of_0_1_0(connection)
    schema.upgrade(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE oauth_clients SET registered_by = 'registration', expires_at = 9")
        downgrade(connection, RELEASE_0_1_0)
        assert connection.exec_driver_sql("SELECT revoked_at FROM oauth_clients").scalar() == 1


def test_every_row_of_0_1_0_survives_an_upgrade_and_its_way_back(engine):
    schema.upgrade(engine)
    with engine.begin() as connection:
        downgrade(connection, RELEASE_0_1_0)
        for table, rows in FILLED.items():
            for row in rows:
                described = sa.table(table, *(sa.column(name) for name in row))
                connection.execute(described.insert().values(row))
        before = read_filled(connection)
    assert schema.upgrade(engine) == (RELEASE_0_1_0, schema.HEAD)
    with SQLAlchemyStore(engine).reading() as unit:
        client = unit.find_client("app")
        assert (client.name, client.scopes, len(client.secrets)) == ("App", ("read",), 1)
        assert (client.require_pkce, client.first_party, client.loopback_localhost) == (None, False, False)
        assert (client.access_token_ttl, client.owner, client.logo) == (None, None, None)
        assert unit.find_access_token(b"2" * 32).acr == "two"
        assert unit.find_refresh_token(b"3" * 32).subject == "anna"
        assert not unit.find_client("cli").first_party
    with engine.begin() as connection:
        assert compare(connection) == []
        assert read_filled(connection) == before
        downgrade(connection, RELEASE_0_1_0)
        assert read_filled(connection) == before
    assert schema.upgrade(engine) == (RELEASE_0_1_0, schema.HEAD)
