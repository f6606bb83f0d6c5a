"""A traceparent of a request reaches the issuer if it is valid in every character, and nobody else."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pyramid.config import Configurator
from pyramid.request import Request

from pyramid_oauthguard.telemetry.trace_context import find_headers, parse_traceparent, working_for
from pyramid_oauthguard.testing import bearer
from tests.issuers import HTTPIssuer
from tests.metrics.counted import Root, add_views
from tests.steady.apps import make_ca_file

GOOD = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
BAD = (
    "",
    GOOD.upper(),
    GOOD + " ",
    GOOD + "-more",
    GOOD.replace("00-4", "ff-4", 1),
    GOOD.replace("00-4", "01-4", 1),
    "00-" + "0" * 32 + "-00f067aa0ba902b7-01",
    "00-4bf92f3577b34da6a3ce929d0e0e4736-" + "0" * 16 + "-01",
    GOOD + "\r\nX-Evil: 1",
    GOOD + "\n",
    GOOD.replace("4", "\u0664", 1),
    GOOD + "," + GOOD,
    "x" * 100_000,
)


@pytest.mark.promise("MO-06")
@pytest.mark.parametrize("text", BAD, ids=range(len(BAD)))
def test_what_is_not_exactly_valid_is_dropped(text: str) -> None:
    assert parse_traceparent(text) is None


@pytest.mark.slow
@pytest.mark.promise("MO-06")
@given(st.text() | st.from_regex(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}\n?"))
@example(GOOD)
@settings(max_examples=200, deadline=None)
def test_what_is_passed_on_has_no_other_character(text: str) -> None:
    found = parse_traceparent(text)
    assert found is None or (len(found) == 55 and set(found) <= set("0123456789abcdef-") and found.startswith("00-"))


def test_it_holds_for_one_piece_of_work() -> None:
    with working_for(GOOD):
        assert find_headers() == {"traceparent": GOOD}
    assert find_headers() == {}
    with pytest.raises(RuntimeError), working_for(GOOD):
        raise RuntimeError
    assert find_headers() == {}


def ask(issuer: HTTPIssuer, *, metrics: bool = True, traceparent: str = GOOD, **more: str) -> list[Any]:
    """The traceparent of each request that the issuer got."""
    given = {
        **issuer.settings,
        "oauthguard.http.ca_file": make_ca_file(),
        **{f"oauthguard.{k.replace('__', '.')}": v for k, v in more.items()},
    }
    config = Configurator(settings=given, root_factory=Root)
    config.include("pyramid_oauthguard")
    if metrics:
        config.include("pyramid_oauthguard.metrics")
    add_views(config)
    app = config.make_wsgi_app()
    headers = {**bearer(issuer.issuer.mint()), "traceparent": traceparent, "tracestate": "vendor=s3cret"}
    assert Request.blank("/remote", headers=headers).get_response(app).status_int == 200
    assert all("tracestate" not in {name.lower() for name in each} for each in issuer.headers)
    return [{name.lower(): value for name, value in each.items()}.get("traceparent") for each in issuer.headers]


@pytest.mark.promise("MO-06")
def test_the_introspection_carries_it() -> None:
    with HTTPIssuer() as issuer:
        assert ask(issuer)[-1] == GOOD


@pytest.mark.promise("MO-06")
@pytest.mark.parametrize(
    "how",
    [{"metrics": False}, {"metrics__trace_context": "false"}, {"traceparent": GOOD + "-x"}, {"traceparent": "bad"}],
    ids=["without metrics", "off", "longer", "bad"],
)
def test_otherwise_nothing_does(how: dict[str, Any]) -> None:
    with HTTPIssuer() as issuer:
        assert set(ask(issuer, **how)) == {None}
