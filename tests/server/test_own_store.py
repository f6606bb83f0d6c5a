"""An application that brings its own storage: the server asks nothing of it that the contract does not name."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import Any

import pytest
from pyramid.exceptions import ConfigurationExecutionError

from pyramid_oauthguard.errors import SettingError
from pyramid_oauthguard.interfaces import ISelfCheck
from pyramid_oauthguard.server.store.contract import Store, Unit
from pyramid_oauthguard.server.store.sqlalchemy import SQLAlchemyStore
from pyramid_oauthguard.server.store.sqlalchemy.engine import build_engine
from pyramid_oauthguard.server.tokens.pruning import prune
from tests.server.conftest import Build
from tests.server.flows import build_flow


def list_names(protocol: Any) -> set[str]:
    return {name for name in dir(protocol) if not name.startswith("_")}


class OwnUnit:
    def __init__(self, unit: Any) -> None:
        self._unit = unit

    def __getattr__(self, name: str) -> Any:
        if name not in list_names(Unit):
            raise AttributeError(f"the contract has no {name}")
        return getattr(self._unit, name)


class OwnStore:
    """Ours, of which is seen what the contract names and nothing else."""

    def __init__(self, store: Any) -> None:
        self._store = store

    @contextmanager
    def reading(self) -> Any:
        with self._store.reading() as unit:
            yield OwnUnit(unit)

    @contextmanager
    def writing(self) -> Any:
        with self._store.writing() as unit:
            yield OwnUnit(unit)

    @contextmanager
    def join(self, manager: Any) -> Any:
        with self._store.join(manager) as unit:
            yield OwnUnit(unit)


class Closable(OwnStore):
    """The fixture closes what it opened; the server must do without."""

    def close(self) -> None:
        self._store.close()


@pytest.fixture
def own(tmp_path):
    store = SQLAlchemyStore(build_engine(f"sqlite:///{tmp_path}/theirs.sqlite"))
    store.create_tables()
    yield Closable(store)
    store.close()


@pytest.mark.slow
def test_the_whole_of_it_works_on_what_the_contract_names(build: Build, own, tmp_path):
    assert list_names(Store) == {"reading", "writing", "join"}
    unused = tmp_path / "unused.sqlite"
    settings = {"pepper_file": str(tmp_path / "pepper"), "sqlalchemy.url": f"sqlite:///{unused}"}
    flow = build_flow(build, settings, configure=lambda config: config.set_oauth_store(own))
    server = flow.server
    assert server.service.store is own
    tokens = flow.redeem(flow.allow())
    assert flow.is_active(tokens["access_token"])
    box = server.clients.create("Box", public=True, grants=["device_code"], scopes=["read"])
    asked = server.app.post("/oauth/device_authorization", {"client_id": box.client.client_id}).json
    typed = flow.sign_in().get("/oauth/device", {"user_code": asked["user_code"]}).form.submit()
    typed.form.submit("decision", value="allow", status=303)
    form = {"grant_type": "urn:ietf:params:oauth:grant-type:device_code", "device_code": asked["device_code"]}
    assert server.app.post("/oauth/token", {**form, "client_id": box.client.client_id}).json["access_token"]
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    assert server.app.post("/oauth/token", form, headers=server.basic(flow.web)).json["access_token"]
    page = flow.sign_in().get("/oauth/applications")
    page.forms[0].submit(status=303)
    server.clients.rotate_secret(server.program.client.client_id)
    server.clients.revoke(flow.native.client.client_id)
    assert server.app.get("/oauth/jwks").json["keys"]
    findings = list(server.registry.getUtility(ISelfCheck, name="server")(server.registry))
    assert not [each for each in findings if each.level == "error"]
    assert prune(own) == 0
    assert not unused.exists(), "the database of the settings is not touched"


def test_the_pepper_has_to_be_named(build: Build, own):
    with pytest.raises(ConfigurationExecutionError, match=re.escape("oauthguard.server.pepper_file: is required")):
        build_flow(build, configure=lambda config: config.set_oauth_store(own))


@pytest.mark.parametrize(
    ("store", "problem"),
    [
        (None, "an object of type NoneType has no method reading"),
        (object(), "an object of type object has no method reading"),
        (OwnStore, "OwnStore is a class, whose methods can't be called without an object"),
    ],
)
def test_what_is_not_a_store_stops_start_up_by_name(build: Build, store: Any, problem: str) -> None:
    """None was taken for no call at all: the database of the settings was used."""
    with pytest.raises(SettingError) as caught:
        build(configure=lambda config: config.set_oauth_store(store))
    assert (caught.value.key, caught.value.problem) == ("set_oauth_store", problem)
