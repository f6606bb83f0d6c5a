"""The same numbers reach OpenTelemetry."""

from __future__ import annotations

import builtins
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from pyramid_oauthguard.metrics import opentelemetry as module
from pyramid_oauthguard.metrics import starting
from pyramid_oauthguard.metrics.catalogue import METRICS
from pyramid_oauthguard.telemetry import counting
from pyramid_oauthguard.testing import MemoryIssuer
from tests.metrics.counted import build


def read(reader: InMemoryMetricReader) -> dict[tuple[str, tuple[tuple[str, Any], ...]], Any]:
    data: Any = reader.get_metrics_data()
    metrics = data.resource_metrics[0].scope_metrics[0].metrics
    return {
        (metric.name, tuple(sorted(point.attributes.items()))): getattr(point, "value", None)
        or getattr(point, "count", None)
        for metric in metrics
        for point in metric.data.data_points
    }


def test_the_numbers_are_those_of_prometheus(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = InMemoryMetricReader()
    meter = MeterProvider([reader]).get_meter("test")
    listener = module.OpenTelemetry(meter)
    monkeypatch.setattr(starting, "find_opentelemetry", lambda: listener)
    monkeypatch.setattr(counting._Heard, "listeners", ())
    issuer = MemoryIssuer()
    app = build(issuer)
    headers = issuer.bearer(scope="operate")
    for _ in range(4):
        app.get("/local", headers=headers)
    app.get("/remote", headers=headers)
    app.get("/local", status=401)
    app.get("/metrics", headers=headers)
    found = read(reader)

    def checks(**labels: str) -> Any:
        return found["oauthguard.checks", tuple(sorted({"issuer": "-", **labels}.items()))]

    assert checks(mode="local", outcome="accepted", reason="checked") == 1
    assert checks(mode="local", outcome="accepted", reason="remembered") == 4
    assert checks(mode="remote", outcome="accepted", reason="checked") == 1
    assert checks(mode="local", outcome="missing", reason="missing_token") == 1
    assert found["oauthguard.fetches", (("issuer", "-"), ("kind", "introspection"), ("outcome", "answered"))] == 1
    assert found["oauthguard.fetch", (("issuer", "-"), ("kind", "introspection"))] == 1
    assert found["oauthguard.health", (("check", "keys"),)] == 1


def test_each_metric_of_the_catalogue_can_be_made() -> None:
    reader = InMemoryMetricReader()
    listener = module.OpenTelemetry(MeterProvider([reader]).get_meter("test"))
    for metric in METRICS:
        listener(metric.key, ("x",) * len(metric.labels), 1.0)
    assert {name for name, _attributes in read(reader)} == {f"oauthguard.{metric.key}" for metric in METRICS}


def test_without_the_package_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def refuse(name: str, *args: Any, **how: Any) -> Any:
        if name.startswith("opentelemetry"):
            raise ImportError(name)
        return real(name, *args, **how)

    monkeypatch.setattr(builtins, "__import__", refuse)
    assert module.find_opentelemetry.__wrapped__() is None
