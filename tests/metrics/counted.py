"""Applications that count, and what they have counted: the numbers of this process between two moments."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from prometheus_client.parser import text_string_to_metric_families
from pyramid.authorization import Allow
from pyramid.config import Configurator
from webtest import TestApp

from pyramid_oauthguard.metrics.prometheus import render
from pyramid_oauthguard.testing import MemoryIssuer, trust

Series = tuple[str, tuple[tuple[str, str], ...]]


class Root:
    __acl__ = ((Allow, "scope:operate", "oauthguard.metrics"), (Allow, "scope:read", "read"))

    def __init__(self, request: Any = None) -> None:
        pass


def add_views(config: Configurator) -> None:
    for mode in ("local", "remote"):
        config.add_route(mode, f"/{mode}")
        config.add_view(lambda request: {}, route_name=mode, renderer="json", token_check=mode)
    config.add_route("scoped", "/scoped")
    config.add_view(lambda request: {}, route_name="scoped", renderer="json", token_require="read")


def build(issuer: MemoryIssuer, configure: Callable[[Configurator], Any] = add_views, /, **settings: Any) -> TestApp:
    given = {f"oauthguard.{name.replace('__', '.')}": value for name, value in settings.items()}
    config = Configurator(settings={**issuer.settings, **given}, root_factory=Root)
    config.include("pyramid_oauthguard")
    config.include("pyramid_oauthguard.metrics")
    configure(config)
    app = TestApp(config.make_wsgi_app())
    trust(app.app, issuer)
    return app


def read(text: str | None = None) -> dict[Series, float]:
    """All series of ours, by name and labels."""
    families = text_string_to_metric_families(render().decode() if text is None else text)
    samples = [sample for family in families for sample in family.samples if sample.name.startswith("oauthguard_")]
    return {
        (each.name, tuple(sorted(each.labels.items()))): each.value
        for each in samples
        if not each.name.endswith("_created")
    }


class Counted(dict[str, float]):
    """What grew, as `name{label="value"}`."""


@contextmanager
def counting() -> Iterator[Counted]:
    before, found = read(), Counted()
    yield found
    for (name, labels), value in read().items():
        grown = value - before.get((name, labels), 0.0)
        if grown and not name.endswith(("_bucket", "_sum")):
            shown = ",".join(f"{label}={text}" for label, text in labels)
            found[f"{name.removeprefix('oauthguard_')}{{{shown}}}"] = grown
