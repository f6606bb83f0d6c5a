"""A pepper that is lost, or of another database, stops start-up: with a new one, nothing that is stored could be used."""

from __future__ import annotations

import pytest
from pyramid.exceptions import ConfigurationExecutionError

from pyramid_oauthguard.server.hashing import load_pepper
from pyramid_oauthguard.server.keys import get_keys
from pyramid_oauthguard.server.store.sqlalchemy import SQLAlchemyStore, schema
from pyramid_oauthguard.server.store.sqlalchemy.engine import build_engine
from tests.server.cluster import run_cluster
from tests.server.databases import EACH, make_database

pytestmark = pytest.mark.slow

TOKEN = {"grant_type": "client_credentials"}


@pytest.fixture(params=EACH)
def settings(request, tmp_path):
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/oauth.sqlite"
    else:
        url = make_database(request.getfixturevalue("postgresql"))
        engine = build_engine(url)
        schema.upgrade(engine)
        engine.dispose()
    return {"sqlalchemy.url": url, "pepper_file": str(tmp_path / "pepper")}


def refuse(build, settings, **how):
    with pytest.raises(ConfigurationExecutionError) as caught:
        build(settings, **how)
    text = str(caught.value)
    assert "oauthguard.server.pepper_file" in text
    assert "backup" in text
    return text


def test_a_lost_pepper_stops_start_up_and_none_is_made(build, settings, tmp_path):
    server = build(settings)
    pepper = tmp_path / "pepper"
    kept = pepper.read_bytes()
    pepper.unlink()
    for _ in range(2):
        assert "does not exist, but the database has data" in refuse(build, settings)
        assert not pepper.exists()
    pepper.write_bytes(kept)
    pepper.chmod(0o600)
    again = build(settings, clients=False)
    assert again.app.post("/oauth/token", TOKEN, headers=server.basic(server.program)).json["access_token"]


def test_the_pepper_of_another_database_stops_start_up(build, settings, tmp_path):
    build(settings)
    load_pepper(tmp_path / "other")
    assert "is not the one" in refuse(build, {**settings, "pepper_file": str(tmp_path / "other")})


def test_a_pepper_that_was_given_up_on_purpose_works_on(build, settings, tmp_path):
    """Where an older release let a new one be made and a new key signs since, nothing more can be lost."""
    server = build(settings)
    get_keys(server.registry).rotate(at_once=True)
    engine = build_engine(settings["sqlalchemy.url"])
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE oauth_signing_keys SET kid = 'sealed-by-another-pepper' WHERE number = 1")
    engine.dispose()
    again = build(settings, clients=False)
    assert again.app.post("/oauth/token", TOKEN, headers=server.basic(server.program)).json["access_token"]


def test_a_store_of_the_application_is_looked_at_too(build, tmp_path):
    store = SQLAlchemyStore(build_engine(f"sqlite:///{tmp_path}/theirs.sqlite"))
    store.create_tables()
    settings = {"pepper_file": str(tmp_path / "pepper")}

    def configure(config):
        config.set_oauth_store(store)

    build(settings, configure=configure)
    (tmp_path / "pepper").unlink()
    refuse(build, settings, configure=configure)
    store.close()


@pytest.mark.needs("initdb", "pg_ctl")
def test_no_pepper_is_made_while_the_database_is_away(build, tmp_path):
    with run_cluster() as cluster:
        cluster.upgrade()
        settings = {"sqlalchemy.url": cluster.url, "pepper_file": str(tmp_path / "pepper")}
        cluster.stop()
        with pytest.raises(ConfigurationExecutionError, match="only made while the database is known to be empty"):
            build(settings)
        assert not (tmp_path / "pepper").exists()
        cluster.start()
        build(settings).service.store.close()
        assert (tmp_path / "pepper").exists()


@pytest.mark.needs("initdb", "pg_ctl")
def test_a_wrong_pepper_is_found_out_when_the_database_is_back(build, tmp_path, caplog):
    with run_cluster() as cluster:
        cluster.upgrade()
        settings = {"sqlalchemy.url": cluster.url, "pepper_file": str(tmp_path / "pepper")}
        server = build(settings)
        headers = server.basic(server.program)
        load_pepper(tmp_path / "other")
        cluster.stop()
        again = build({**settings, "pepper_file": str(tmp_path / "other")}, clients=False)
        cluster.start()
        assert again.app.post("/oauth/token", TOKEN, headers=headers, status=503), "neither 401 nor a new key"
        assert "the pepper is not the one" in caplog.text
        for each in (server, again):
            each.service.store.close()
