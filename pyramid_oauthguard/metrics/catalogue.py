"""Every metric: its name, its labels, what it means. The documentation and the dashboards are tested against this table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["METRICS", "Metric"]

COUNTER: Final = "counter"
HISTOGRAM: Final = "histogram"
#: Goes up and down. With several processes, their values are added.
LEVEL: Final = "level"
#: A value that is set. With several processes, the last one of a living process counts.
VALUE: Final = "value"
#: The same, and the lowest counts.
LOWEST: Final = "lowest"

_FAST: Final = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1.0, 5.0)
_SLOW: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric.

    :ivar key: how the code calls it; ``name`` is that of Prometheus.
    :ivar unit: ``""`` or ``"seconds"``.
    """

    key: str
    kind: str
    labels: tuple[str, ...]
    help: str
    unit: str = ""
    buckets: tuple[float, ...] = ()

    @property
    def name(self) -> str:
        """As Prometheus shows it."""
        unit = f"_{self.unit}" if self.unit else ""
        return f"oauthguard_{self.key}{unit}" + ("_total" if self.kind == COUNTER else "")


METRICS: Final = (
    Metric("checks", COUNTER, ("mode", "outcome", "reason", "issuer"), "Checks of the tokens of requests, once for each request and mode."),
    Metric("check", HISTOGRAM, ("mode",), "Time of a check that did not find its token remembered.", "seconds", _FAST),
    Metric("refusals", COUNTER, ("status", "reason"), "Answers of the guard that refuse a request."),
    Metric("remote_checks_in_flight", LEVEL, ("issuer",), "Threads that wait for an issuer's answer about a token."),
    Metric("fetches", COUNTER, ("issuer", "kind", "outcome"), "Questions to an issuer: its keys and metadata, introspection, userinfo."),
    Metric("fetch", HISTOGRAM, ("issuer", "kind"), "Time of a question to an issuer.", "seconds", _SLOW),
    Metric("circuits", COUNTER, ("issuer", "change"), "Addresses of an issuer that are not asked any more for a while, and those that answer again."),
    Metric("keys_fetched_timestamp", LOWEST, ("issuer",), "When the keys of an issuer were last fetched, in seconds since the epoch.", "seconds"),
    Metric("cache_reads", COUNTER, ("cache", "outcome"), "Look-ups of introspection answers that were kept."),
    Metric("cache_evictions", COUNTER, ("cache",), "Entries that a full cache in the process dropped."),
    Metric("cache_failures", COUNTER, ("cache", "operation"), "Calls to a cache outside the process that failed."),
    Metric("tokens_issued", COUNTER, ("grant", "client"), "Access tokens that were issued."),
    Metric("tokens_revoked", COUNTER, ("reason",), "Access tokens that ended before their time."),
    Metric("reuses", COUNTER, ("kind",), "Used refresh tokens, codes and device codes that were sent again: perhaps stolen."),
    Metric("limits_reached", COUNTER, ("limit",), "Requests that were refused because of a limit."),
    Metric("consents", COUNTER, ("outcome",), "What users decided about clients."),
    Metric("database_wait", HISTOGRAM, (), "Time until a connection to the database, and the right to write, were there.", "seconds", _SLOW),
    Metric("prune_lag", VALUE, (), "For how long the oldest expired row has been waiting to be pruned.", "seconds"),
    Metric("health", LOWEST, ("check",), "What the health view found: 1 ok, 0.5 degraded, 0 failed."),
)  # fmt: skip
