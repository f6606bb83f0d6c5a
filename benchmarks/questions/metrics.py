"""What do the metrics add to the check of a token that was verified before? Without them, nothing is added anywhere."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any, Final

from pyramid.config import Configurator

from pyramid_oauthguard.guard.state import get_guard
from pyramid_oauthguard.interfaces import ICredentialVerifier
from pyramid_oauthguard.testing import MemoryIssuer, bearer, trust

from ..harness.guarded import CLAIMS
from ..harness.measure import Options
from ..harness.report import Row, Table
from ..harness.wsgi import add_view, find_status

__all__ = ["answer"]

#: A guarded request that a server answers, in µs: what the share is taken of.
_REQUEST_MICROSECONDS: Final = 280.0
_REACH: Final = 0.01
_MULTIPROCESS: Final = "PROMETHEUS_MULTIPROC_DIR"
#: In one sample, and samples for each pair of the options.
_CALLS: Final = 200
_SAMPLES: Final = 20


def answer(options: Options) -> Table:
    """In interpreters of their own: prometheus-client decides at its import how it counts."""
    rows = [_measure("one process", options), _measure("several processes", options, several=True)]
    title = f"What counting adds to the check of a remembered token, as a share of a request of {_REQUEST_MICROSECONDS:g} µs"
    return Table(title, rows)


def _measure(what: str, options: Options, *, several: bool = False) -> Row:
    command = [sys.executable, "-m", __name__, str(options.pairs)]
    with tempfile.TemporaryDirectory() as folder:
        environ = {**os.environ, **({_MULTIPROCESS: folder} if several else {})}
        done = subprocess.run(command, check=True, capture_output=True, text=True, env=environ)
    counted, plain = map(float, done.stdout.split())
    share = round((counted - plain) / _REQUEST_MICROSECONDS, 4)
    return Row(what, share, at_most=_REACH, note=f"{counted:.2f} / {plain:.2f} µs")


def _compare(pairs: int) -> tuple[float, float]:
    """µs with and without the metrics, by the lowest tenth of many short samples, which other programs disturb least."""
    issuer = MemoryIssuer()
    config = Configurator(settings=issuer.settings)
    config.include("pyramid_oauthguard")
    config.include("pyramid_oauthguard.metrics")
    add_view(config, token_check="local", permission="read")
    application = config.make_wsgi_app()
    trust(application, issuer)
    raw = issuer.mint(CLAIMS)
    for _ in range(3):
        assert find_status(application, raw) == 200
    header = bearer(raw)["Authorization"]
    registry: Any = config.registry
    counted = get_guard(registry).authenticator._recalls["local"]
    plain = registry.getUtility(ICredentialVerifier, name="local").recall
    assert counted(header) is plain(header)
    samples: dict[Any, list[float]] = {counted: [], plain: []}
    for number in range(_SAMPLES * pairs):
        for recall in (counted, plain) if number % 2 else (plain, counted):
            samples[recall].append(_time(recall, header))
    low = {recall: sorted(each)[len(each) // 10] for recall, each in samples.items()}
    return low[counted], low[plain]


def _time(recall: Callable[[str], Any], header: str) -> float:
    """µs of this thread's CPU for one call."""
    begun = time.thread_time_ns()
    for _ in range(_CALLS):
        recall(header)
    return (time.thread_time_ns() - begun) / _CALLS / 1e3


if __name__ == "__main__":
    print(*_compare(int(sys.argv[1])))
