"""What is stored of users: listed, ended and forgotten; and how long the audit trail is kept."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from pyramid.exceptions import ConfigurationExecutionError
from pyramid.registry import Registry

from pyramid_oauthguard import OAuthGuardError
from pyramid_oauthguard.server.store.records import AuditEntry
from pyramid_oauthguard.server.tokens.pruning import prune
from pyramid_oauthguard.server.users import get_users
from tests.server.conftest import Build
from tests.server.flows import Flow, build_flow, read_answer


@pytest.fixture
def flow(build: Build) -> Flow:
    return build_flow(build, {"access_token_format": "opaque"})


def allow(flow: Flow, subject: str = "anna") -> dict[str, str]:
    page = flow.show(browser=flow.sign_in(subject)).form
    tokens: dict[str, str] = flow.redeem(read_answer(page.submit("decision", value="allow"))["code"])
    return tokens


def read_reasons(flow: Flow) -> list[str]:
    with flow.server.service.store.reading() as unit:
        return [json.loads(each.detail or "{}")["reason"] for each in unit.list_audit(limit=9, event="TokenRevoked")]


def test_one_grant_ends_and_the_consent_stays(flow: Flow) -> None:
    users, tokens = get_users(flow.server.registry), allow(flow)
    [grant] = users.list_grants("anna")
    assert users.end_grant(grant.grant_id)
    assert not users.end_grant(grant.grant_id)
    assert not users.end_grant("nobody's")
    assert not flow.is_active(tokens["access_token"])
    assert not flow.is_active(tokens["refresh_token"])
    assert users.list_grants("anna") == ()
    assert [each.client_id for each in users.list_consents("anna")] == [grant.client_id]
    assert read_reasons(flow) == ["ended_by_administrator"]


def test_all_grants_of_one_user_end_and_their_clients_have_to_ask_again(flow: Flow) -> None:
    users, mine, other = get_users(flow.server.registry), allow(flow), allow(flow, "berta")
    assert users.end_all("anna") == 1
    assert users.end_all("anna") == 0
    assert not flow.is_active(mine["access_token"])
    assert flow.is_active(other["access_token"])
    assert users.list_consents("anna") == ()
    assert flow.show().content_type == "text/html"


def test_a_forgotten_user_is_in_the_audit_trail_alone(flow: Flow) -> None:
    tokens = allow(flow, "forget-me")
    get_users(flow.server.registry).forget("forget-me")
    assert not flow.is_active(tokens["access_token"])
    assert not flow.is_active(tokens["refresh_token"])
    engine = flow.server.service.store._engine  # type: ignore[attr-defined]
    with engine.connect() as connection:
        tables = connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'table'").scalars().all()
        naming = [
            each
            for each in tables
            if "forget-me" in repr(connection.exec_driver_sql(f'SELECT * FROM "{each}"').all())  # noqa: S608
        ]
    assert naming == ["oauth_audit"]
    with flow.server.service.store.reading() as unit:
        assert "UserForgotten" in [each.event for each in unit.list_audit(limit=99, subject="forget-me")]
    assert read_reasons(flow) == ["user_forgotten"]


@pytest.mark.parametrize("name", ["list_grants", "list_consents", "end_all", "forget"])
@pytest.mark.parametrize("subject", [7, 7.0, True, None, b"7"])
def test_a_subject_that_is_not_text_is_refused_by_name(flow: Flow, name: str, subject: Any) -> None:
    """A number ended the grants of its user in SQLite, nothing there if it was a float, and was an outage in PostgreSQL."""
    with pytest.raises(TypeError, match=r"must be text, not \w+: give str\(user.id\)"):
        getattr(get_users(flow.server.registry), name)(subject)


def test_a_client_that_acts_for_itself_is_no_user(flow: Flow) -> None:
    token = flow.server.token()
    get_users(flow.server.registry).forget(flow.server.program.client.client_id)
    assert flow.is_active(token)


def test_an_application_without_a_server_has_no_users() -> None:
    with pytest.raises(OAuthGuardError):
        get_users(Registry())


def test_old_lines_of_the_trail_are_pruned_only_with_the_setting(build: Build) -> None:
    server = build({"audit.retention": "60d"})
    with server.service.store.writing() as unit:
        for days in (61, 59):
            unit.add_audit(AuditEntry(at=time.time() - days * 86400, event="Old"))

    def count() -> int:
        with server.service.store.reading() as unit:
            return len(unit.list_audit(limit=9, event="Old"))

    prune(server.service.store)
    assert count() == 2
    prune(server.service.store, audit_retention=server.service.settings.audit_retention)
    assert count() == 1


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("audit.retention", "29d", "at least 30 days"),
        ("admin.scope", "unheard", "is not in"),
        ("admin.scope", "admin", r"needs oauthguard\.server\.admin"),
    ],
)
def test_what_can_not_be_set_is_said_at_start_up(build: Build, name: str, value: str, problem: str) -> None:
    with pytest.raises(ConfigurationExecutionError, match=problem):
        build({name: value})
