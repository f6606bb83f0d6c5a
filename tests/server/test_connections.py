"""Connections that stay at hand: none is left in a transaction, none is used by two."""

from __future__ import annotations

import threading

import pytest

from pyramid_oauthguard.server.store.sqlalchemy import SQLAlchemyStore
from pyramid_oauthguard.server.store.sqlalchemy.engine import build_engine


@pytest.fixture
def store(tmp_path):
    store = SQLAlchemyStore(build_engine(f"sqlite:///{tmp_path}/oauth.sqlite"))
    store.create_tables()
    yield store
    store.close()


def find_driver(unit):
    return unit._connection.connection.driver_connection


def test_one_that_was_used_is_used_again_and_is_in_no_transaction(store):
    with store.reading() as unit:
        first = find_driver(unit)
        unit.list_keys()
        assert first.in_transaction, "SQLAlchemy has begun one"
    with store.reading() as unit:
        assert find_driver(unit) is first
        assert not first.in_transaction


def test_units_at_the_same_time_have_one_each(store):
    with store.reading() as one, store.reading() as other, store.writing() as third:
        assert len({id(find_driver(unit)) for unit in (one, other, third)}) == 3


def test_a_unit_that_fails_leaves_nothing_behind(store):
    def fail(opened, do):
        with opened as unit:
            do(unit)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail(store.writing(), lambda unit: unit._connection.exec_driver_sql("DELETE FROM oauth_alembic_version"))
    with store.writing() as unit:
        assert unit._connection.exec_driver_sql("SELECT count(*) FROM oauth_alembic_version").scalar() == 1
    with pytest.raises(ZeroDivisionError):
        fail(store.reading(), lambda unit: unit.list_keys())
    with store.reading() as unit:
        assert not find_driver(unit).in_transaction


def test_a_reader_sees_what_was_written_a_moment_ago(store):
    with store.reading() as unit:
        assert unit._connection.exec_driver_sql("SELECT tries FROM oauth_device_tries").scalar() is None
    with store.writing() as unit:
        unit.count_device_try("anna", 0.0, 1.0)
    with store.reading() as unit:
        assert unit._connection.exec_driver_sql("SELECT tries FROM oauth_device_tries").scalar() == 1


@pytest.mark.promise("RV-03")
def test_each_commit_is_on_the_disk_before_it_is_answered(store):
    with store.writing() as unit:
        modes = [
            unit._connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("synchronous", "journal_mode")
        ]
    assert modes == [2, "wal"], "2 is FULL: with WAL, less than that forgets commits at a power cut"


def test_no_more_stay_open_than_may(store):
    together = threading.Barrier(12)

    def read():
        with store.reading() as unit:
            unit.list_keys()
            together.wait(10)

    threads = [threading.Thread(target=read) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(store._for_reading._idle) == 4
    store.close()
    assert len(store._for_reading._idle) == len(store._for_writing._idle) == 0
