"""The dashboard and the alerts: each metric in them exists, each query runs, each alert fires when it should."""

from __future__ import annotations

import itertools
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from pyramid_oauthguard.metrics.catalogue import COUNTER, HISTOGRAM, METRICS, Metric
from tests.documentation import read_page
from tests.services import find_program

DEPLOY = Path(__file__).parent.parent.parent / "deploy"
DASHBOARD = json.loads((DEPLOY / "grafana" / "oauthguard.json").read_text("utf-8"))
RULES = DEPLOY / "prometheus" / "oauthguard.rules.yml"
ALERTS = [rule for group in yaml.safe_load(RULES.read_text("utf-8"))["groups"] for rule in group["rules"]]
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
QUERIES = [(panel["title"], target["expr"]) for panel in PANELS for target in panel["targets"]]
#: What Grafana fills in.
INTERVAL = "$__rate_interval"
#: Values of labels with which every query finds something.
VALUES = {
    "outcome": ("accepted", "missing", "unavailable", "refused", "hit", "miss", "answered", "failed"),
    "reason": ("remembered", "checked", "expired"),
    "change": ("opened", "failed_again", "closed"),
}


def list_series(metric: Metric) -> dict[str, tuple[str, ...]]:
    """The names that Prometheus has of a metric, each with its labels."""
    if metric.kind == HISTOGRAM:
        return {
            f"{metric.name}_bucket": (*metric.labels, "le"),
            f"{metric.name}_sum": metric.labels,
            f"{metric.name}_count": metric.labels,
        }
    return {metric.name: metric.labels}


NAMES = {name: labels for metric in METRICS for name, labels in list_series(metric).items()}


@pytest.mark.parametrize(("name", "expr"), [*QUERIES, *((rule["alert"], rule["expr"]) for rule in ALERTS)])
def test_each_metric_and_each_label_exists(name: str, expr: str) -> None:
    used = re.findall(r"\b(oauthguard_\w+)", expr)
    assert used, name
    assert set(used) <= set(NAMES)
    labels = set(itertools.chain.from_iterable(NAMES[each] for each in used))
    for matchers in re.findall(r"\{([^}]*)\}", expr):
        assert set(re.findall(r"(\w+)[!=~]+", matchers)) <= labels
    for grouped in re.findall(r"by \(([^)]*)\)", expr):
        assert set(re.split(r",\s*", grouped)) <= labels


def test_the_dashboard_has_every_metric() -> None:
    shown = " ".join(expr for _title, expr in QUERIES)
    assert [metric.name for metric in METRICS if metric.name not in shown] == []


def test_the_page_lists_every_metric_with_its_labels() -> None:
    page = read_page("how-to/operations/metrics")
    for metric in METRICS:
        labels = ", ".join(f"`{label}`" for label in metric.labels)
        assert re.search(rf"^\| `{metric.name}` \| {re.escape(labels)} \|", page, re.MULTILINE), metric.name
    assert len(re.findall(r"^\| `oauthguard_", page, re.MULTILINE)) == len(METRICS)


def test_panels_have_a_place_of_their_own() -> None:
    places = [tuple(panel["gridPos"].values()) for panel in DASHBOARD["panels"]]
    assert len(set(places)) == len(places)
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(places)


# ── promtool ─────────────────────────────────────────────────────────────────────────────────────────────────────


def run_promtool(*arguments: Any) -> None:
    program = find_program("promtool")
    assert program is not None
    done = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.needs("promtool")
def test_the_alerts_fire_when_they_should_and_only_then() -> None:
    run_promtool("check", "rules", RULES)
    run_promtool("test", "rules", DEPLOY / "prometheus" / "oauthguard.test.yml")


def list_input() -> list[dict[str, str]]:
    """Two hours of every metric with every value of the labels that queries name."""
    series = []
    for metric in METRICS:
        values = [VALUES.get(label, ("x",)) for label in metric.labels]
        growing = metric.kind in (COUNTER, HISTOGRAM)
        for labels in itertools.product(*values):
            pairs = [f'{label}="{value}"' for label, value in zip(metric.labels, labels, strict=True)]
            if metric.kind == HISTOGRAM:
                for edge in (*metric.buckets, "+Inf"):
                    series.append((f"{metric.name}_bucket", [*pairs, f'le="{edge}"'], growing))
            else:
                series.append((metric.name, pairs, growing))
    return [
        {"series": f"{name}{{{', '.join(pairs)}}}", "values": "0+3x120" if growing else "1x120"}
        for name, pairs, growing in series
    ]


@pytest.mark.needs("promtool")
def test_each_query_of_the_dashboard_finds_something(tmp_path: Path) -> None:
    tests = [
        {
            "expr": f"count({expr.replace(INTERVAL, '5m')}) > bool 0",
            "eval_time": "1h",
            "exp_samples": [{"labels": "{}", "value": 1}],
        }
        for _title, expr in QUERIES
    ]
    file = tmp_path / "queries.yml"
    file.write_text(
        yaml.safe_dump({"tests": [{"interval": "1m", "input_series": list_input(), "promql_expr_test": tests}]})
    )
    run_promtool("test", "rules", file)
