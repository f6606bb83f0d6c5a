"""Application and server in one database: neither changes the other's tables, transactions, sessions or migrations."""

from __future__ import annotations

import threading
import time

import pytest
import sqlalchemy as sa
import zope.sqlalchemy
from alembic import command
from alembic.autogenerate import produce_migrations
from alembic.config import Config
from alembic.migration import MigrationContext
from pyramid.config import Configurator
from pyramid.exceptions import ConfigurationExecutionError
from pyramid.response import Response
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, sessionmaker

from pyramid_oauthguard import UnavailableError
from pyramid_oauthguard.server.clients import get_clients
from pyramid_oauthguard.server.store.sqlalchemy import SQLAlchemyStore, include_name, schema
from pyramid_oauthguard.server.store.sqlalchemy.engine import build_engine
from tests.server.flows import build_flow

pytestmark = [pytest.mark.slow, pytest.mark.promise("AS-16")]


VETO = {"tm.commit_veto": "pyramid_tm.default_commit_veto"}


class Base(DeclarativeBase):
    """The application's own tables."""


class User(Base):
    __tablename__ = "users"
    user_id: Mapped[str] = mapped_column(primary_key=True)
    seen: Mapped[int] = mapped_column(default=0)


class Application:
    """An application on the server's SQLite file: its session is in the transaction of pyramid_tm, and its tween writes."""

    def __init__(self, file, *, begin=False, options=""):
        self.engine = sa.create_engine(f"sqlite:///{file}{options}")
        if begin:  # as SQLAlchemy's page on SQLite has it, for transactions that also hold what was read
            sa.event.listen(self.engine, "connect", self._leave_transactions)
            sa.event.listen(self.engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
        Base.metadata.create_all(self.engine)
        self.make = sessionmaker(self.engine)
        with self.make.begin() as session:
            session.add_all([User(user_id="anna"), User(user_id="bob")])
        self.before = self.after = lambda request, user: None

    @staticmethod
    def _leave_transactions(driver, _record):
        driver.isolation_level = None

    def configure(self, config):
        config.add_settings({"tm.manager_hook": "pyramid_tm.explicit_manager"})
        config.include("pyramid_tm")
        config.registry.application = self
        config.add_request_method(self.open_session, "db", reify=True)
        config.add_tween(f"{__name__}.make_tween", under="pyramid_tm.tm_tween_factory")

    def open_session(self, request):
        session = self.make()
        zope.sqlalchemy.register(session, transaction_manager=request.tm)
        return session

    def count(self, user_id="anna"):
        with self.make() as session:
            return session.get(User, user_id).seen


def make_tween(handler, registry):
    application = registry.application

    def tween(request):
        if "user" not in request.cookies:
            return handler(request)
        user = request.db.get(User, request.cookies["user"])
        application.before(request, user)
        response = handler(request)
        application.after(request, user)
        return response

    return tween


def see(request, user):
    user.seen = User.seen + 1  # by the database: several requests may do so at once
    request.db.flush()


@pytest.fixture
def embed(build, tmp_path):
    """A function that makes a flow with the application in the server's file."""
    made = []

    def make(settings=None, *, configure=None, **how):
        application = Application(tmp_path / "oauth.sqlite", **how)
        made.append(application)

        def configure_both(config):
            application.configure(config)
            if configure:
                configure(config)

        return build_flow(build, settings, configure=configure_both), application

    yield make
    for application in made:
        application.engine.dispose()


@pytest.mark.parametrize("begin", [False, True], ids=["legacy transactions", "BEGIN"])
@pytest.mark.parametrize("writes", ["before", "after", "both"])
def test_the_application_writes_in_the_request_in_which_the_server_writes(embed, begin, writes):
    flow, application = embed(begin=begin)
    for when in ("before", "after"):
        if writes in (when, "both"):
            setattr(application, when, see)
    started = time.monotonic()
    tokens = flow.redeem(flow.allow())
    assert time.monotonic() - started < 5, "it waits ten seconds for a lock"
    assert flow.is_active(tokens["access_token"])
    assert application.count() == (4 if writes == "both" else 2)


@pytest.mark.parametrize("options", ["", "?uri=true"])
def test_the_file_may_be_written_in_another_way(embed, tmp_path, monkeypatch, options):
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path, target_is_directory=True)
    flow, application = embed()
    application.engine.dispose()
    path = f"{tmp_path}/folder/../link/oauth.sqlite"
    url = f"sqlite:///file:{path}{options}" if options else f"sqlite:///{path}"
    application.make.configure(bind=sa.create_engine(url))
    application.before = see
    assert flow.redeem(flow.allow())["access_token"]
    assert application.count() == 2
    application.make.kw["bind"].dispose()


def test_what_the_hooks_write_is_kept_too(embed):
    flow, application = embed()

    def approve(request, authorization):
        see(request, request.db.get(User, "anna"))
        return True

    flow.people.approve = approve
    assert flow.redeem(flow.allow())["access_token"]
    assert application.count() == 2


def test_the_application_s_session_stays_open_and_its_objects_attached(embed):
    flow, application = embed()
    seen = []
    application.before = see
    application.after = lambda request, user: seen.append((user in request.db, user.seen, request.tm.get().status))
    flow.allow()
    assert [each[0] for each in seen] == [True, True]
    assert seen[-1][1:] == (2, "Active")


def test_what_the_application_writes_after_the_server_is_still_its_own_to_roll_back(embed):
    flow, application = embed({"limits": "off"}, configure=lambda config: config.add_settings(VETO))
    application.before = see

    def write_and_doom(request, user):
        user.seen += 100
        request.db.flush()
        request.tm.doom()

    application.after = write_and_doom
    code = flow.allow()
    assert flow.redeem(code)["access_token"], "the server's own work holds"
    assert application.count() == 1, "of the request in which the server wrote: what came before that"


def test_a_replay_ends_the_grant_although_the_answer_is_rolled_back(embed):
    flow, application = embed(configure=lambda config: config.add_settings(VETO))
    flow.server.app.set_cookie("user", "anna")
    application.before = see
    code = flow.allow()
    token = flow.redeem(code)["access_token"]
    flow.redeem(code, status=400)
    assert not flow.is_active(token)


def test_many_at_once(embed):
    flow, application = embed()
    application.before = see
    codes = []

    def run(name):
        for _ in range(3):
            codes.append(flow.allow(flow.native, browser=flow.sign_in(name)))

    threads = [threading.Thread(target=run, args=(name,)) for name in ("anna", "bob", "anna", "bob")]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(set(codes)) == 12
    assert application.count() + application.count("bob") == 24


def add_views(config):
    def create(request):
        see(request, request.db.get(User, "anna"))
        join = {"tm": request.tm} if request.params.get("join") else {}
        try:
            get_clients(request.registry).create("Made", client_id="made", **join)
        except UnavailableError as error:
            return Response(str(error), status=503)
        return Response(status=int(request.params["status"]))

    config.add_settings(VETO)
    config.add_route("create", "/create")
    config.add_view(create, route_name="create")


@pytest.mark.parametrize("begin", [False, True], ids=["legacy transactions", "BEGIN"])
def test_a_client_joins_the_transaction_in_which_the_application_wrote(embed, begin):
    flow, application = embed(configure=add_views, begin=begin)
    flow.server.app.get("/create?join=1&status=400", status=400)
    assert (flow.server.clients.find("made"), application.count()) == (None, 0)
    flow.server.app.get("/create?join=1&status=200")
    assert (flow.server.clients.find("made").client_id, application.count()) == ("made", 1)


def test_a_client_that_can_not_be_made_beside_an_open_transaction_is_refused_at_once(embed):
    flow, application = embed(configure=add_views)
    started = time.monotonic()
    answer = flow.server.app.get("/create?status=200", status=503)
    assert "pass tm=request.tm" in answer.text
    assert time.monotonic() - started < 5
    assert application.count() == 0, "nothing of the application's was committed"
    assert flow.server.clients.find("made") is None


def test_a_transaction_elsewhere_is_left_alone(embed, tmp_path):
    flow, application = embed()
    application.make.configure(bind=sa.create_engine(f"sqlite:///{tmp_path}/elsewhere.sqlite"))
    other = application.make.kw["bind"]
    Base.metadata.create_all(other)
    with application.make.begin() as session:
        session.add(User(user_id="anna"))
    application.before = see
    application.after = lambda request, user: request.tm.doom()
    assert flow.allow()
    assert application.count() == 0
    other.dispose()


# ── migrations ───────────────────────────────────────────────────────────────────────────────────────────────────

ENVIRONMENT = """
from alembic import context
from pyramid_oauthguard.server.store.sqlalchemy import include_name
from tests.server.test_same_database import Base

context.configure(
    connection=context.config.attributes["connection"], target_metadata=Base.metadata, include_name=include_name
)
with context.begin_transaction():
    context.run_migrations()
"""
SCRIPT = '''
"""${message}"""
from alembic import op
import sqlalchemy as sa

revision, down_revision = ${repr(up_revision)}, ${repr(down_revision)}

def upgrade():
    ${upgrades or "pass"}

def downgrade():
    ${downgrades or "pass"}
'''


@pytest.fixture
def engine(database):
    engine = build_engine(database)
    yield engine
    engine.dispose()


@pytest.fixture
def alembic(engine, tmp_path):
    """A function that runs a command of the application's own Alembic."""
    (tmp_path / "migrations" / "versions").mkdir(parents=True)
    (tmp_path / "migrations" / "env.py").write_text(ENVIRONMENT)
    (tmp_path / "migrations" / "script.py.mako").write_text(SCRIPT)
    config = Config()
    config.set_main_option("script_location", str(tmp_path / "migrations"))
    config.set_main_option("path_separator", "os")

    def run(name, *args, **options):
        with engine.begin() as connection:
            config.attributes["connection"] = connection
            return getattr(command, name)(config, *args, **options)

    return run


def read_versions(engine):
    with engine.connect() as connection:
        mine = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalars().all()
        return mine, schema.fetch_revision(connection)


@pytest.mark.parametrize("first", ["server", "application"])
def test_the_migrations_of_one_leave_the_other_alone(engine, alembic, tmp_path, first):
    if first == "server":
        schema.upgrade(engine)
    alembic("revision", "first", autogenerate=True)
    alembic("upgrade", "head")
    schema.upgrade(engine)
    made = alembic("revision", "second", autogenerate=True)
    text = (tmp_path / "migrations" / "versions" / made.path.rpartition("/")[2]).read_text()
    assert "drop" not in text
    assert "oauth_" not in text
    alembic("upgrade", "head")
    mine, ours = read_versions(engine)
    assert (mine, ours) == ([made.revision], schema.HEAD)
    alembic("downgrade", "base")
    SQLAlchemyStore(engine).check_tables()
    tables = set(sa.inspect(engine).get_table_names())
    assert "users" not in tables
    assert {"oauth_clients", schema.VERSION_TABLE} <= tables


def test_without_the_filter_they_would_drop_the_server_s_tables(engine):
    """So that the test above can fail."""
    schema.upgrade(engine)
    with engine.connect() as connection:
        operations = produce_migrations(MigrationContext.configure(connection), Base.metadata).upgrade_ops
        assert any(getattr(each, "table_name", "") == "oauth_clients" for each in operations.ops)
        context = MigrationContext.configure(connection, opts={"include_name": include_name})
        operations = produce_migrations(context, Base.metadata).upgrade_ops
        assert [each.table_name for each in operations.ops] == ["users"]


@pytest.mark.parametrize(
    ("name", "kind", "schema_name", "expected"),
    [
        ("oauth_clients", "table", None, False),
        (schema.VERSION_TABLE, "table", None, False),
        ("oauth_clients", "table", "other", True),
        ("oauth_mine", "table", None, True),
        ("users", "table", None, True),
        ("oauth_clients", "column", None, True),
        (None, "schema", None, True),
    ],
)
def test_the_filter_takes_out_the_server_s_tables_and_nothing_else(name, kind, schema_name, expected):
    assert include_name(name, kind, {"schema_name": schema_name} if kind != "schema" else {}) is expected


def test_tables_of_another_program_under_the_same_names_are_left_alone(engine):
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE oauth_clients (id INTEGER)")
    for make in (SQLAlchemyStore(engine).create_tables, lambda: schema.upgrade(engine)):
        with pytest.raises(UnavailableError, match="tables of another program: oauth_clients"):
            make()
    assert sa.inspect(engine).get_table_names() == ["oauth_clients"]


def test_start_up_names_the_setting_where_the_names_are_taken(tmp_path):
    url = f"sqlite:///{tmp_path}/database.sqlite"
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE oauth_clients (id INTEGER)")
    engine.dispose()
    given = {"issuer": "http://localhost:6543", "audience": "https://api.example", "sqlalchemy.url": url}
    config = Configurator(settings={f"oauthguard.server.{name}": value for name, value in given.items()})
    config.include("pyramid_oauthguard.server")
    with pytest.raises(ConfigurationExecutionError, match=r"sqlalchemy\.url: the database has tables of another"):
        config.commit()
