"""A server whose process forks, in whatever state its storage is: no connection, transaction or lock crosses the fork."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import time_machine
import transaction
from pyramid.config import Configurator
from sqlalchemy.engine import make_url

from pyramid_oauthguard import UnavailableError, engines
from pyramid_oauthguard.server.store.sqlalchemy import SQLAlchemyStore
from pyramid_oauthguard.server.store.sqlalchemy.engine import build_engine
from pyramid_oauthguard.server.store.sqlalchemy.schema import upgrade
from tests.forking import HOW, UNNOTICED, needs_fork, read_all, run_alone, run_in_child, start_child
from tests.reachable import held, list_locks
from tests.server.databases import make_database
from tests.server.flows import People

pytestmark = [pytest.mark.slow, needs_fork, pytest.mark.promise("GD-29")]


@pytest.fixture
def store(database: str) -> Iterator[SQLAlchemyStore]:
    store = SQLAlchemyStore(build_engine(database))
    store.create_tables()
    yield store
    store.close()


def is_sqlite(store: SQLAlchemyStore) -> bool:
    return store._sqlite


def count_tries(unit: Any, name: str) -> int:
    statement = sa.text("SELECT tries FROM oauth_device_tries WHERE subject = :name")
    found: int | None = unit._connection.execute(statement, {"name": name}).scalar()
    return found or 0


def write(store: SQLAlchemyStore, name: str) -> int:
    """Add a row, or count one more in it; how many are counted now."""
    with store.writing() as unit:
        unit.count_device_try(name, 0.0, 1.0)
    return read(store, name)


def read(store: SQLAlchemyStore, name: str) -> int:
    with store.reading() as unit:
        return count_tries(unit, name)


def find_session(unit: Any) -> int:
    """Which session of the PostgreSQL server this is."""
    found: int = unit._connection.exec_driver_sql("SELECT pg_backend_pid()").scalar()
    return found


@contextmanager
def in_a_unit(opened: Any, work: Callable[[Any], Any]) -> Iterator[Callable[[], Any]]:
    """Another thread is in a unit, where it has done `work`, while the block runs; call what it gives to let it end."""
    begun, go_on = threading.Event(), threading.Event()
    failures: list[BaseException] = []

    def run() -> None:
        try:
            with opened as unit:
                work(unit)
                begun.set()
                assert go_on.wait(60)
                work(unit)
        except BaseException as error:  # noqa: BLE001  # the test tells of it
            failures.append(error)
        finally:
            begun.set()

    thread = threading.Thread(target=run)
    thread.start()
    assert begun.wait(30)

    def end() -> None:
        go_on.set()
        thread.join(30)
        assert not failures

    try:
        yield end
    finally:
        end()


# ── after it was used ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("how", HOW)
def test_children_and_parent_write_and_read_at_once(store: SQLAlchemyStore, how: str) -> None:
    check_children(store, how)


@pytest.mark.skipif(sys.platform != "linux", reason="looks fork up in the C library")
def test_a_fork_that_python_is_not_told_of_is_noticed_when_the_database_is_used(store: SQLAlchemyStore) -> None:
    run_alone(check_unnoticed, store._engine.url.render_as_string(hide_password=False))


def check_unnoticed(database: str) -> None:
    store = SQLAlchemyStore(build_engine(database))
    write(store, "before")
    store.close()
    check_children(store, UNNOTICED)
    store.close()


def check_children(store: SQLAlchemyStore, how: str) -> None:
    def work(name: str) -> list[int]:
        return [write(store, name) for _ in range(20)]

    assert write(store, "parent") == 1
    children = {name: start_child(lambda name=name: work(name), how) for name in ("ada", "bob", "cleo")}  # type: ignore[misc]
    assert [write(store, "parent") for _ in range(20)] == list(range(2, 22))
    assert read_all(children) == {name: list(range(1, 21)) for name in children}
    assert [read(store, name) for name in ("parent", *children)] == [21, 20, 20, 20]


@pytest.mark.needs("initdb", "pg_ctl")
def test_children_have_sessions_of_their_own_and_the_parent_keeps_its(postgresql: str) -> None:
    store = SQLAlchemyStore(build_engine(postgresql))

    def find() -> int:
        with store.reading() as unit:
            return find_session(unit)

    own = find()
    children = [run_in_child(find) for _ in range(2)]
    assert len({own, *children}) == 3
    assert find() == own
    store.close()


def test_a_childs_rows_are_there_when_its_parent_has_closed_the_database(tmp_path: Path) -> None:
    """SQLite counts its locks per process: a child with a connection of its parent believed that it had the lock."""
    store = SQLAlchemyStore(build_engine(f"sqlite:///{tmp_path}/oauth.sqlite"))
    store.create_tables()
    assert write(store, "parent") == 1
    closed, told = os.pipe()
    wrote, done = os.pipe()

    def work() -> list[int]:
        first = write(store, "ada")
        os.write(done, b"x")
        os.read(closed, 1)
        return [first, write(store, "ada")]

    child = start_child(work)
    os.read(wrote, 1)
    store.close()
    os.write(told, b"x")
    assert child.result() == [1, 2]
    assert read(store, "ada") == 2
    store.close()


def test_no_file_of_the_database_stays_open_in_a_child(tmp_path: Path) -> None:
    store = SQLAlchemyStore(build_engine(f"sqlite:///{tmp_path}/oauth.sqlite"))
    store.create_tables()
    assert write(store, "parent") == 1
    assert list_open(tmp_path)
    assert run_in_child(lambda: list_open(tmp_path)) == []
    assert write(store, "parent") == 2
    store.close()


def test_threads_that_begin_units_all_the_time_leave_a_child_no_file_and_no_lock_of_sqlite(tmp_path: Path) -> None:
    """Each unit ends soon, and the next one begins before the process has forked."""
    store = SQLAlchemyStore(build_engine(f"sqlite:///{tmp_path}/oauth.sqlite"))
    store.create_tables()
    ended = threading.Event()

    def work(name: str) -> None:
        while not ended.is_set():
            read(store, "parent")
            if name.endswith("0"):
                write(store, name)

    threads = [threading.Thread(target=work, args=(f"thread{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    try:
        begun = time.monotonic()
        found = [run_in_child(lambda: [list_open(tmp_path), write(store, "child")]) for _fork in range(8)]
        assert time.monotonic() - begun < 20, "no fork waits for as long as it may"
    finally:
        ended.set()
        for thread in threads:
            thread.join()
    assert found == [[[], number] for number in range(1, 9)]
    store.close()


def list_open(folder: Path) -> list[str]:
    found = []
    for each in Path("/proc/self/fd").iterdir():
        try:
            found.append(str(each.readlink()))
        except OSError:
            continue  # the one that lists
    return [name for name in found if name.startswith(str(folder))]


# ── while another thread uses it ─────────────────────────────────────────────────────────────────────────────────


def test_a_reading_thread_of_the_parent_disturbs_no_child_and_none_disturbs_it(
    store: SQLAlchemyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    shorten_patience(monkeypatch)
    write(store, "parent")
    with in_a_unit(store.reading(), lambda unit: count_tries(unit, "parent")) as end:
        assert run_in_child(lambda: [write(store, "ada"), read(store, "parent")]) == [1, 1]
        end()
    assert [read(store, "ada"), write(store, "parent")] == [1, 2]


def shorten_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fork waits for SQLite's units; where a test keeps one open on purpose, not for long."""
    monkeypatch.setattr("pyramid_oauthguard.engines.FORK_PATIENCE_SECONDS", 0.2)
    monkeypatch.setattr("pyramid_oauthguard.server.store.sqlalchemy.store.FORK_PATIENCE_SECONDS", 0.2)


@pytest.mark.needs("initdb", "pg_ctl")
def test_a_transaction_of_the_parent_goes_on_while_children_live_and_end(postgresql: str) -> None:
    store = SQLAlchemyStore(build_engine(postgresql))
    if not sa.inspect(store._engine).has_table("oauth_device_tries"):
        store.create_tables()
    before = read(store, "parent")
    with in_a_unit(store.writing(), lambda unit: unit.count_device_try("parent", 0.0, 1.0)) as end:
        assert run_in_child(lambda: [write(store, "ada") > 0, read(store, "parent")]) == [True, before]
        end()
    assert read(store, "parent") == before + 2
    store.close()


def test_a_fork_waits_for_a_writer_of_sqlite_so_that_the_child_can_write(tmp_path: Path) -> None:
    store = SQLAlchemyStore(build_engine(f"sqlite:///{tmp_path}/oauth.sqlite"))
    store.create_tables()
    with in_a_unit(store.writing(), lambda unit: unit.count_device_try("parent", 0.0, 1.0)) as end:
        threading.Timer(0.5, end).start()
        assert run_in_child(lambda: [write(store, "ada"), read(store, "parent")]) == [1, 2]
    store.close()


def test_a_fork_waits_for_a_transaction_of_the_application(tmp_path: Path) -> None:
    store = SQLAlchemyStore(build_engine(f"sqlite:///{tmp_path}/oauth.sqlite"))
    store.create_tables()
    manager = transaction.TransactionManager(explicit=True)
    begun, go_on = threading.Event(), threading.Event()

    def run() -> None:
        with manager, store.join(manager) as unit:
            unit.count_device_try("parent", 0.0, 1.0)
            begun.set()
            assert go_on.wait(30)

    thread = threading.Thread(target=run)
    thread.start()
    assert begun.wait(30)
    threading.Timer(0.5, go_on.set).start()
    assert run_in_child(lambda: [write(store, "ada"), read(store, "parent")]) == [1, 1]
    thread.join()
    store.close()


def test_no_thread_is_inside_of_sqlite_while_the_process_forks(tmp_path: Path) -> None:
    """The library's own locks can't be made anew: children hung in the first call that opened a connection."""
    store = SQLAlchemyStore(build_engine(f"sqlite:///{tmp_path}/oauth.sqlite"))
    store.create_tables()
    with busy(4, lambda number: write(store, f"thread {number}")) as failures:
        for number in range(15):
            children = [start_child(lambda name=f"{number} {each}": write(store, name)) for each in range(2)]  # type: ignore[misc]
            assert [child.result() for child in children] == [1, 1]
    assert not failures
    store.close()


@contextmanager
def busy(count: int, work: Callable[[int], Any]) -> Iterator[list[BaseException]]:
    """Threads that work all the time while the block runs; what goes wrong in them is in the list."""
    stop, failures = threading.Event(), []

    def run(number: int) -> None:
        try:
            while not stop.is_set():
                work(number)
        except BaseException as error:  # noqa: BLE001  # the test tells of it
            failures.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield failures
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_a_unit_in_a_unit_does_not_wait_for_a_fork_that_waits_for_it(tmp_path: Path) -> None:
    store = SQLAlchemyStore(build_engine(f"sqlite:///{tmp_path}/oauth.sqlite"))
    store.create_tables()

    def nest(number: int) -> None:
        with store.writing() as unit:
            unit.count_device_try(f"thread {number}", 0.0, 1.0)
            read(store, "outer")

    with busy(2, nest) as failures:
        for _ in range(10):
            began = time.monotonic()
            child = start_child(lambda: read(store, "outer"))
            assert time.monotonic() - began < engines.FORK_PATIENCE_SECONDS, "it has waited to the end"
            assert child.result() == 0
    assert not failures
    store.close()


def test_a_database_in_memory_is_copied_between_two_units() -> None:
    store = SQLAlchemyStore(build_engine("sqlite://"))
    store.create_tables()
    write(store, "parent")
    with in_a_unit(store.writing(), lambda unit: unit.count_device_try("parent", 0.0, 1.0)) as end:
        threading.Timer(0.3, end).start()
        assert run_in_child(lambda: [write(store, "ada"), read(store, "parent")]) == [1, 3]
    assert [read(store, "ada"), write(store, "parent")] == [0, 4]
    store._engine.dispose()


def test_a_fork_does_not_wait_for_the_thread_that_forks(tmp_path: Path) -> None:
    store = SQLAlchemyStore(build_engine(f"sqlite:///{tmp_path}/oauth.sqlite"))
    store.create_tables()
    write(store, "parent")
    with store.reading() as unit:
        assert count_tries(unit, "parent") == 1
        child = start_child(lambda: read(store, "parent"))
        assert child.result(4) == 1
        assert count_tries(unit, "parent") == 1
    store.close()


# ── inside a unit ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("commits", [True, False])
def test_a_child_that_leaves_a_unit_of_its_parent_neither_commits_nor_rolls_it_back(
    store: SQLAlchemyStore, commits: bool
) -> None:
    class _GoneError(Exception):
        pass

    def leave(opened: Any) -> str:
        """In the child: go on as if nothing had happened, or fail."""
        try:
            swallowed = opened.__exit__(*((None, None, None) if commits else (_GoneError, _GoneError(), None)))
        except UnavailableError as error:
            return type(error).__name__
        return "committed" if commits or swallowed else "left"

    opened = store.writing()
    unit = opened.__enter__()
    unit.count_device_try("parent", 0.0, 1.0)
    assert run_in_child(lambda: leave(opened)) == ("UnavailableError" if commits else "left")
    unit.count_device_try("parent", 0.0, 1.0)
    opened.__exit__(None, None, None)
    assert read(store, "parent") == 2


def test_a_child_that_leaves_a_reading_unit_of_its_parent_can_read(store: SQLAlchemyStore) -> None:
    write(store, "parent")
    opened = store.reading()
    unit = opened.__enter__()
    assert count_tries(unit, "parent") == 1
    assert run_in_child(lambda: [opened.__exit__(None, None, None), read(store, "parent")]) == [False, 1]
    assert count_tries(unit, "parent") == 1
    opened.__exit__(None, None, None)


# ── locks ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_no_lock_that_a_thread_of_the_parent_holds_stops_a_child(
    build: Any, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shorten_patience(monkeypatch)
    prepare(database)
    settings = {"sqlalchemy.url": database, "pepper_file": str(tmp_path / "pepper"), "limits": "on"}
    server = build(settings, configure=lambda config: config.set_resource_owner(People()))
    token = server.token()
    assert server.app.get("/oauth/applications", headers={"Cookie": "user=anna"}).status_int == 200
    locks = list_locks(server.registry)
    if database.startswith("sqlite"):  # the parent closes its pool before it forks, which takes the pool's locks
        locks = {name: lock for name, lock in locks.items() if "Queue" not in name}
    names = " ".join(locks)
    for owner in (
        "Tries",
        "KeyRing",
        "SQLAlchemyStore",
        "LRUCache",
        *([] if database.startswith("sqlite") else ["QueuePool"]),
    ):
        assert owner in names, names

    def use() -> list[Any]:
        other = server.token()
        active = [server.introspect(each)["active"] for each in (token, other)]
        server.revoke(other)
        page = server.app.get("/oauth/applications", headers={"Cookie": "user=anna"})
        return [*active, server.introspect(other)["active"], page.status_int]

    with held(locks.values()):
        assert run_in_child(use) == [True, True, False, 200]


def prepare(database: str) -> None:
    engine = build_engine(database)
    upgrade(engine)
    engine.dispose()


@pytest.mark.skipif(sys.platform != "linux", reason="looks fork up in the C library")
def test_a_server_goes_on_after_a_fork_that_python_is_not_told_of(build: Any) -> None:
    server = build({"signing.rotation": "1h", "signing.lead": "2m"})

    def use() -> list[Any]:
        with time_machine.travel(time.time() + 4_000):  # a signing key is due
            return [server.introspect(server.token())["active"], len(server.app.get("/oauth/jwks").json["keys"])]

    assert start_child(use, UNNOTICED).result() == [True, 2]


def test_a_child_of_a_fork_reads_the_signing_keys_again(build: Any) -> None:
    server = build()
    server.token()
    assert server.service.keys._known.read_at > 0
    assert run_in_child(lambda: server.service.keys._known.read_at < 0)


# ── the end of a child ───────────────────────────────────────────────────────────────────────────────────────────

ENDING = """
import gc, os, sys, threading, warnings
import transaction
from pyramid_oauthguard.server.store.sqlalchemy import SQLAlchemyStore
from pyramid_oauthguard.server.store.sqlalchemy.engine import build_engine

warnings.simplefilter("error")
warnings.filterwarnings("ignore", message=".*multi-threaded.*fork")
store = SQLAlchemyStore(build_engine(sys.argv[1]))
begun, go_on = threading.Event(), threading.Event()

def write(unit):
    unit.count_device_try("ending", 0.0, 1.0)

def work():
    # As in an application whose transaction manager is the thread's own: it goes with the thread in the child.
    with transaction.manager:
        with store.join(transaction.manager) as unit:
            write(unit)
            write(unit)
        del unit
        begun.set()
        assert go_on.wait(30)

with store.reading() as unit:
    unit.list_keys()
thread = threading.Thread(target=work)
thread.start()
assert begun.wait(30)
for _ in range(2):
    child = os.fork()
    if child == 0:
        gc.collect()
        with store.writing() as unit:
            unit.count_device_try("child", 0.0, 1.0)
        go_on.set()
        sys.exit(0)  # with all finalizers
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
go_on.set()
thread.join()
with store.reading() as unit:
    rows = unit._connection.exec_driver_sql("SELECT subject, tries FROM oauth_device_tries").all()
    assert sorted(tuple(row) for row in rows) == [("child", 2), ("ending", 2)], rows
store.close()
"""


@pytest.mark.needs("initdb", "pg_ctl")
def test_the_end_of_a_child_ends_no_transaction_of_its_parent(postgresql: str) -> None:
    url = make_database(postgresql)
    store = SQLAlchemyStore(build_engine(url))
    store.create_tables()
    store.close()
    done = subprocess.run([sys.executable, "-c", ENDING, url], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert not done.stderr


# ── start-up ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_start_up_leaves_no_connection_open(build: Any, database: str, tmp_path: Path) -> None:
    """What it leaves open, a server that forks after it has loaded the application gives to all of its workers."""
    prepare(database)
    settings = {
        "issuer": "http://localhost",
        "audience": "https://api.example",
        "sqlalchemy.url": database,
        "signing.algorithm": "ES256",
        "pepper_file": str(tmp_path / "pepper"),
    }
    for _ in range(2):  # with and without a signing key to make
        config = Configurator(settings={f"oauthguard.server.{key}": value for key, value in settings.items()})
        config.include("pyramid_oauthguard.server")
        config.make_wsgi_app()
        assert count_connections(database, tmp_path) == 0


def count_connections(database: str, folder: Path) -> int:
    if database.startswith("sqlite"):
        return len(list_open(folder))
    engine = sa.create_engine(database)
    with engine.connect() as connection:
        statement = sa.text("SELECT count(*) FROM pg_stat_activity WHERE datname = :name AND pid <> pg_backend_pid()")
        found: int = connection.execute(statement, {"name": make_url(database).database}).scalar_one()
    engine.dispose()
    return found
