"""What is counted of an authorization server."""

from __future__ import annotations

from typing import Any

import pytest

from tests.metrics.counted import counting, read
from tests.server.flows import build_flow

GRANT = {"grant_type": "client_credentials"}


class Operators:
    """A security policy."""

    def identity(self, request: Any) -> None:
        return None

    authenticated_userid = identity

    def permits(self, request: Any, context: Any, permission: str) -> bool:
        return request.headers.get("Authorization") == "Operator"


def count(config: Any) -> None:
    config.set_security_policy(Operators())
    config.include("pyramid_oauthguard.metrics")


def test_tokens_are_counted_by_grant_and_not_by_client(build: Any) -> None:
    server = build(configure=count)
    with counting() as found:
        for _ in range(3):
            server.token()
    assert found["tokens_issued_total{client=other,grant=client_credentials}"] == 3
    assert found["database_wait_seconds_count{}"] >= 3
    shown = server.app.get("/metrics", headers={"Authorization": "Operator"}).text
    assert server.program.client.client_id not in shown
    assert server.app.get("/metrics", status=403)


@pytest.mark.promise("MO-04")
def test_a_client_is_a_label_where_the_setting_names_it(build: Any) -> None:
    def name_client(config: Any) -> None:
        config.registry.settings["oauthguard.metrics.clients"] = "reports"
        count(config)

    server = build(configure=name_client)
    reports = server.clients.create("R", client_id="reports", grants=["client_credentials"], scopes=["read"])
    with counting() as found:
        server.token(reports)
        server.token()
    assert found["tokens_issued_total{client=reports,grant=client_credentials}"] == 1
    assert found["tokens_issued_total{client=other,grant=client_credentials}"] == 1


def test_what_was_not_committed_is_not_counted(build: Any) -> None:
    server = build(configure=count)
    with counting() as found:
        server.app.post("/oauth/token", {**GRANT, "scope": "fly"}, headers=server.basic(server.program), status=400)
    assert not [name for name in found if name.startswith("tokens_issued")]


def test_limits_are_counted_by_their_names(build: Any) -> None:
    server = build({"limits": "on", "limits.token": "2/1m"}, configure=count)
    with counting() as found:
        for expected in (200, 200, 429, 429):
            server.app.post("/oauth/token", GRANT, headers=server.basic(server.program), status=expected)
    assert found["limits_reached_total{limit=token}"] == 2


@pytest.mark.slow
def test_consents_reuse_and_revocations(build: Any) -> None:
    flow = build_flow(build, {"refresh_reuse_grace": "0"}, configure=count)
    with counting() as found:
        answer = flow.redeem(flow.allow())
        first = answer["refresh_token"]
        form = {"grant_type": "refresh_token", "refresh_token": first}
        for expected in (200, 400):
            flow.server.app.post("/oauth/token", form, headers=flow.server.basic(flow.web), status=expected)
        flow.show(client=flow.native).form.submit("decision", value="deny")
    assert found["consents_total{outcome=allowed}"] == 1
    assert found["consents_total{outcome=denied}"] == 1
    assert found["tokens_issued_total{client=other,grant=authorization_code}"] == 1
    assert found["tokens_issued_total{client=other,grant=refresh_token}"] == 1
    assert found["reuses_total{kind=refresh_token}"] == 1
    assert found["tokens_revoked_total{reason=refresh_token_reuse}"] == 2


def test_series_of_rare_events_are_there_from_the_start(build: Any) -> None:
    build(configure=count)
    series = read()
    for kind in ("refresh_token", "code", "device_code"):
        assert ("oauthguard_reuses_total", (("kind", kind),)) in series
    assert ("oauthguard_limits_reached_total", (("limit", "failures"),)) in series


def test_two_applications_in_a_process_count_once_each(build: Any) -> None:
    first, _second = build(configure=count, name="a"), build(configure=count, name="b")
    with counting() as found:
        first.token()
    assert found["tokens_issued_total{client=other,grant=client_credentials}"] == 1


def test_the_prune_lag_and_the_health_are_looked_up_by_the_scrape(build: Any) -> None:
    server = build(configure=count)
    server.app.get("/metrics", headers={"Authorization": "Operator"})
    series = read()
    assert series["oauthguard_prune_lag_seconds", ()] == 0
    assert series["oauthguard_health", (("check", "database"),)] == 1


def test_a_server_without_metrics_tells_nobody(build: Any) -> None:
    server = build()
    assert not hasattr(server.registry, "oauthguard_followers")
    with counting() as found:
        server.token()
    assert not [name for name in found if name.startswith("tokens_issued")]
