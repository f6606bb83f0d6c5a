"""The metrics in prometheus-client, which adds up the processes of a server where PROMETHEUS_MULTIPROC_DIR is set."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Any, Final

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, generate_latest, multiprocess
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from .catalogue import COUNTER, HISTOGRAM, LEVEL, LOWEST, METRICS, VALUE, Metric

__all__ = ["CONTENT_TYPE_LATEST", "Prometheus", "find_prometheus", "render"]

#: Labels are bounded by the code and the settings. Should one not be, the metric stops growing here.
_MOST_SERIES: Final = 2_000
_REST: Final = "other"
_MODES: Final = {LEVEL: "livesum", VALUE: "livemostrecent", LOWEST: "livemin"}

Act = Callable[[float], Any]


class Prometheus:
    """A listener that counts."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._metrics = {metric.key: (metric, _build(metric, registry)) for metric in METRICS}
        self._acts: dict[tuple[str, tuple[str, ...]], Act] = {}
        self._series = dict.fromkeys(self._metrics, 0)

    def __call__(self, name: str, labels: tuple[str, ...], value: float) -> None:
        act = self._acts.get((name, labels))
        (act if act is not None else self.find(name, labels))(value)

    def find(self, name: str, labels: tuple[str, ...]) -> Act:
        """What counts a metric with these labels, to be called with a value."""
        act = self._acts.get((name, labels))
        if act is not None:
            return act
        metric, made = self._metrics[name]
        if self._series[name] >= _MOST_SERIES:
            return self._acts.get((name, labels)) or self._find_act(metric, made, (_REST,) * len(labels))
        self._series[name] += 1
        return self._acts.setdefault((name, labels), self._find_act(metric, made, labels))

    def _find_act(self, metric: Metric, made: Any, labels: tuple[str, ...]) -> Act:
        child = made.labels(*labels) if labels else made
        if metric.kind == HISTOGRAM:
            return child.observe  # type: ignore[no-any-return]
        return child.set if metric.kind in (VALUE, LOWEST) else child.inc  # type: ignore[no-any-return]


@functools.cache
def find_prometheus() -> Prometheus:
    """The one of this process, in prometheus-client's own registry: metrics of the application are served beside ours."""
    return Prometheus(REGISTRY)


def render() -> bytes:
    """The text that Prometheus reads. With several processes, that of all of them."""
    registry = REGISTRY
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)


def _build(metric: Metric, registry: CollectorRegistry) -> Any:
    name = metric.name.removesuffix("_total")
    if metric.kind == COUNTER:
        return Counter(name, metric.help, metric.labels, registry=registry)
    if metric.kind == HISTOGRAM:
        return Histogram(name, metric.help, metric.labels, registry=registry, buckets=metric.buckets)
    mode: Any = _MODES[metric.kind]
    return Gauge(name, metric.help, metric.labels, registry=registry, multiprocess_mode=mode)
