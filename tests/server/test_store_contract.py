"""Our store passes the suite that it gives to others, on each database."""

from __future__ import annotations

import pytest

from pyramid_oauthguard.server.store.sqlalchemy import SQLAlchemyStore
from pyramid_oauthguard.server.store.sqlalchemy.engine import build_engine
from pyramid_oauthguard.testing.contracts import StoreContract
from tests.server.databases import make_database

pytestmark = pytest.mark.slow


class _OnSQLAlchemy(StoreContract):
    url = ""

    def make_store(self, tmp_path):
        store = SQLAlchemyStore(build_engine(self.url or f"sqlite:///{tmp_path}/store.sqlite"))
        store.create_tables()
        return store

    def close_store(self, store):
        store.close()
        store._engine.dispose()


class TestOnSQLite(_OnSQLAlchemy):
    pass


class TestInMemory(_OnSQLAlchemy):
    url = "sqlite://"


@pytest.mark.needs("initdb", "pg_ctl")
class TestOnPostgreSQL(_OnSQLAlchemy):
    @pytest.fixture(autouse=True)
    def on_a_database_of_its_own(self, postgresql):
        self.url = make_database(postgresql)
