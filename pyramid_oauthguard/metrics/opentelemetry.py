"""The same metrics in the OpenTelemetry API, where it is installed. An SDK that the application sets up exports them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, Final

from .catalogue import COUNTER, HISTOGRAM, LEVEL, METRICS, Metric

__all__ = ["OpenTelemetry", "find_opentelemetry"]

_UNITS: Final = {"seconds": "s", "": "1"}
_MOST_SERIES: Final = 2_000


class OpenTelemetry:
    """A listener that counts."""

    def __init__(self, meter: Any) -> None:
        self._acts: Mapping[str, tuple[Metric, Callable[..., Any]]] = {
            metric.key: (metric, _build(metric, meter)) for metric in METRICS
        }
        self._attributes: dict[tuple[str, tuple[str, ...]], dict[str, str]] = {}

    def __call__(self, name: str, labels: tuple[str, ...], value: float) -> None:
        metric, act = self._acts[name]
        act(value, self._find_attributes(metric, labels))

    def find(self, name: str, labels: tuple[str, ...]) -> Callable[[float], Any]:
        """What counts a metric with these labels, to be called with a value."""
        metric, act = self._acts[name]
        attributes = self._find_attributes(metric, labels)
        return lambda value: act(value, attributes)

    def _find_attributes(self, metric: Metric, labels: tuple[str, ...]) -> dict[str, str]:
        attributes = self._attributes.get((metric.key, labels))
        if attributes is None:
            attributes = dict(zip(metric.labels, labels, strict=True))
            if len(self._attributes) < _MOST_SERIES:
                self._attributes[(metric.key, labels)] = attributes
        return attributes


@functools.cache
def find_opentelemetry() -> OpenTelemetry | None:
    """The one of this process; None where the API is not installed."""
    try:
        from opentelemetry.metrics import get_meter
    except ImportError:
        return None
    return OpenTelemetry(get_meter("pyramid_oauthguard"))


def _build(metric: Metric, meter: Any) -> Callable[..., Any]:
    name = "oauthguard." + metric.key
    about = {"unit": _UNITS[metric.unit], "description": metric.help}
    if metric.kind == COUNTER:
        return meter.create_counter(name, **about).add  # type: ignore[no-any-return]
    if metric.kind == HISTOGRAM:
        return meter.create_histogram(name, **about).record  # type: ignore[no-any-return]
    if metric.kind == LEVEL:
        return meter.create_up_down_counter(name, **about).add  # type: ignore[no-any-return]
    return meter.create_gauge(name, **about).set  # type: ignore[no-any-return]
